/**
 * The package as its user gets it: packed, installed into an empty project without install scripts, imported, used, and built from source
 * where no prebuilt binary fits. Needs a build (`npm run build`); the install takes its dependencies from npm's cache where it can.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';

// Installs all dependencies and compiles the addon.

const root = resolve(import.meta.dirname, '../../..');
const host = `${process.platform}-${process.arch}`;

/** Outside the checkout: nothing of it may be found by walking up. */
const project = mkdtempSync(join(tmpdir(), 'artifactstore-consumer-'));
t.teardown(() => rmSync(project, { recursive: true }));
const installed = join(project, 'node_modules/artifactstore');

/** SHA-256 and BLAKE3 of "abc": FIPS 180-4 example, and the BLAKE3 reference implementation. */
const ABC = {
  blake3: '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
  sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
};

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error ?? ''}${stdout}${stderr}`);
  return stdout;
}

/** Runs a module of the consumer and gives what it printed, as JSON. */
function consumer(source: string): unknown {
  writeFileSync(join(project, 'consumer.mjs'), source);
  return JSON.parse(run(process.execPath, ['consumer.mjs'], project));
}

const DIGEST = `
  import { digest } from 'artifactstore';
  const { blake3, sha256 } = digest(Buffer.from('abc'));
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  console.log(JSON.stringify({ blake3: hex(blake3), sha256: hex(sha256) }));
`;

let tarball = '';

t.test('the tarball holds what a user needs and nothing else', async (t) => {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', project];
  const [packed] = JSON.parse(run('npm', args, root)) as [{ filename: string; files: { path: string }[] }];
  tarball = join(project, packed.filename);
  const paths = packed.files.map((file) => file.path);
  const needed = [
    'package.json',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
    'CMakeLists.txt',
    'binding.gyp',
    'native/build.mjs',
    'native/include/artifactstore.h',
    'native/core/error.c',
    'native/addon/addon.cc',
    'dist/lib/index.js',
    'dist/lib/index.d.ts',
    'dist/lib/dataplane/spi.d.ts',
    'dist/lib/client/index.js',
    'dist/lib/client/index.d.ts',
    'dist/lib/cli/main.cjs',
    'dist/lib/cli/commands.cjs',
    'dist/bench/main.js',
    `prebuilds/${host}/artifactstore.node`,
  ];
  for (const path of needed) t.ok(paths.includes(path), `${path} is packed`);
  const strays = paths.filter(
    (path) => !path.endsWith('.d.ts') && /(^|\/)test\/|[.]test[.]|tsbuildinfo|[.]js[.]map$|[.]ts$|[.]tmp$/.test(path),
  );
  t.strictSame(strays, [], 'no tests, sources of the compiled files, maps or build state');
  const orphans = paths.filter((path) => {
    const source = /^dist\/(.*?)([.]d[.]ts|[.]js)$/.exec(path)?.[1];
    return source !== undefined && !existsSync(join(root, `${source}.ts`));
  });
  t.strictSame(orphans, [], 'nothing compiled from a source that is gone (remove dist/ and build again)');
});

t.test('it installs without scripts and has none', async (t) => {
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  run('npm', ['install', tarball, ...flags], project);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  for (const script of ['preinstall', 'install', 'postinstall']) t.notOk(manifest.scripts[script], script);
  t.equal(manifest.gypfile, false, 'npm would run node-gyp on any package with a binding.gyp that does not say so');
});

t.test('digests need nothing but the package', async (t) => {
  t.strictSame(consumer(DIGEST), ABC);
});

t.test('without a built sqlite3 the store says what to do', async (t) => {
  const answer = consumer(`
    import { openStore } from 'artifactstore';
    const error = await openStore({ path: 'store' }).then(() => ({}), (error) => error);
    console.log(JSON.stringify({ code: error.code, message: error.message }));
  `);
  t.match(answer, { code: 'AS_ERR_SQLITE', message: /sqlite3.*npm (rebuild|approve|install)/s });
});

t.test('it stores and gives back', async (t) => {
  const binary = 'node_modules/sqlite3/build/Release/node_sqlite3.node';
  mkdirSync(dirname(join(project, binary)), { recursive: true });
  copyFileSync(join(root, binary), join(project, binary));
  const answer = consumer(`
    import { openStore } from 'artifactstore';
    const store = await openStore({ path: 'store' });
    const stored = await store.put(Buffer.from('abc'));
    const bytes = await (await store.get('sha256:${ABC.sha256}')).bytes();
    await store.close();
    console.log(JSON.stringify({ size: stored.size, text: Buffer.from(bytes).toString() }));
  `);
  t.strictSame(answer, { size: 3, text: 'abc' });
});

t.test('it asks a service', async (t) => {
  const answer = consumer(`
    import { openStore } from 'artifactstore';
    import { openClient } from 'artifactstore/client';
    import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    const program = process.cwd() + '/node_modules/artifactstore/dist/lib/cli/main.cjs';
    await (await openStore({ path: 'served' })).close();
    const service = spawn(process.execPath, [program, '--store', 'served', '--json', 'serve', '--port', '0']);
    const [line] = await once(service.stdout, 'data');
    const client = openClient({ url: JSON.parse(line).url });
    const { sha256 } = await client.put(Buffer.from('abc'));
    const text = await (await client.get(sha256)).text();
    await client.close();
    service.kill();
    console.log(JSON.stringify({ sha256, text }));
  `);
  t.strictSame(answer, { sha256: `sha256:${ABC.sha256}`, text: 'abc' });
});

t.test('the command line is installed', async (t) => {
  const help = run(join(project, 'node_modules/.bin/artifactstore'), ['--help'], project);
  t.match(help, /artifactstore/);
});

t.test('its types are found by a TypeScript consumer', async (t) => {
  writeFileSync(
    join(project, 'consumer.ts'),
    `import { digest, openStore } from 'artifactstore';
     import { openClient, type StoreClient } from 'artifactstore/client';
     import type { DataPlane } from 'artifactstore/dataplane';
     export const client: StoreClient = openClient({ url: 'http://localhost' });
     const both: { blake3: Uint8Array; sha256: Uint8Array } = digest(new Uint8Array());
     export const open: (plane: DataPlane) => unknown = () => openStore({ path: String(both.blake3.length) });`,
  );
  const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'];
  const tsc = join(root, 'node_modules/.bin/tsc');
  run(tsc, ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', ...types, 'consumer.ts'], project);
  t.pass('it compiles');
});

t.test('without a prebuilt binary it builds from source', async (t) => {
  rmSync(join(installed, 'prebuilds'), { recursive: true });
  t.throws(() => consumer(DIGEST), /AS_ERR_NATIVE.*node native\/build\.mjs/s);
  run(process.execPath, ['native/build.mjs'], installed);
  t.strictSame(consumer(DIGEST), ABC);
});
