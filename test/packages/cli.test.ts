/** Packages on the command line: the journey of a directory, what people and machines read, exit codes. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { EXIT } from '../../lib/cli/exit.js';
import { cli, jsonLines, lines } from '../cli/run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-packages-cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const store = ['--store', join(folder, 'store')];
const tree = join(folder, 'tree');

t.before(() => {
  mkdirSync(join(tree, 'src'), { recursive: true });
  mkdirSync(join(tree, 'empty'));
  writeFileSync(join(tree, 'README.md'), 'read me');
  writeFileSync(join(tree, 'src/run'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from('line\nend \xff', 'latin1')]), 'odd');
  symlinkSync('src/run', join(tree, 'start'));
});

const run = (...args: string[]) => cli([...store, ...args]);

async function text(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  t.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout.toString('latin1');
}

async function json(...args: string[]): Promise<Record<string, unknown>[]> {
  return jsonLines(await text('--json', ...args));
}

t.test('push, look, pull', async (t) => {
  const [pushed] = await json('push', tree, 'acme/tools@1.0', '--ref', 'latest, stable');
  t.match(pushed, {
    namespace: 'acme',
    name: 'tools',
    version: '1.0',
    entries: 5,
    stored: 4,
    published: true,
    moved: ['latest', 'stable'],
    events: [{ kind: 'manifest.indexed' }, { kind: 'package.published' }, { kind: 'ref.moved' }, { kind: 'ref.moved' }],
  });
  const { manifest } = pushed as { manifest: string };
  t.equal(await text('push', tree, 'acme/tools'), `${manifest}  acme/tools@1.0\n`, 'the same again, in a line');

  const listed = lines(await text('ls', 'acme/tools'));
  t.match(listed[0], /^file +7 B {2}blake3:[0-9a-f]{12} {2}README.md$/);
  t.match(listed[1], /^dir +- {2} {19} {2}empty$/);
  t.match(listed[2], /^\\file +3 B {2}blake3:[0-9a-f]{12} {2}line\\nend \xff$/, 'escaped, and marked');
  t.match(listed[3], /^exec +10 B {2}blake3:[0-9a-f]{12} {2}src\/run$/);
  t.match(listed[4], /^link +- {2} {19} {2}start -> src\/run$/);
  t.match(lines(await text('ls', manifest, '--digests'))[0], /blake3:[0-9a-f]{64} {2}README.md$/);
  t.match(await json('ls', 'acme/tools'), [
    { kind: 'file', path: 'README.md', size: 7, sha256: /^sha256:/, executable: undefined },
    { kind: 'directory', path: 'empty' },
    { kind: 'file', pathHex: Buffer.from('line\nend \xff', 'latin1').toString('hex') },
    { kind: 'file', path: 'src/run', executable: true },
    { kind: 'symlink', path: 'start', target: 'src/run' },
  ]);
  t.equal(await text('cat', 'acme/tools:stable', 'README.md'), 'read me');

  const out = join(folder, 'out');
  t.equal(await text('pull', 'acme/tools', out), '');
  t.same(readdirSync(out), readdirSync(tree));
  t.match(await json('pull', 'acme/tools', out, '--overwrite'), [
    { folder: out, manifest, entries: 5, files: 3, size: 20 },
  ]);
  t.equal((await run('pull', 'acme/tools', out)).code, EXIT.usage, 'nothing is replaced unasked');

  writeFileSync(join(tree, 'README.md'), 'read me again');
  rmSync(join(tree, 'start'));
  writeFileSync(join(tree, 'new'), '');
  await text('push', tree, 'acme/tools@1.1');
  const changes = ['changed  README.md', 'added    new', 'removed  start'];
  t.same(lines(await text('diff', 'acme/tools', 'acme/tools@1.1')), changes);
  t.match((await json('diff', manifest, 'acme/tools@1.1'))[0], { before: { size: 7 }, after: { size: 13 } });
  t.equal(await text('diff', manifest, 'acme/tools@1.0'), '');
});

t.test('what there is', async (t) => {
  const all = lines(await text('packages'));
  t.equal(all.length, 4);
  t.match(all[0], /^acme\/tools@1\.0 {2}blake3:[0-9a-f]{12} {2}5 paths, 20 B {2}2/);
  t.match(all[3], /^acme\/tools:stable {2}blake3:[0-9a-f]{12} {2}2/);
  t.match(await json('packages', 'acme/tools'), [
    { version: '1.0' },
    { version: '1.1' },
    { ref: 'latest' },
    { ref: 'stable' },
  ]);
  t.equal(await text('packages', 'acme/other'), '');
  t.equal(await text('packages', 'other'), '');
  const [file] = await json('ls', 'acme/tools@1.1');
  const { blake3 } = file as { blake3: string };
  t.match(await json('packages', '--containing', blake3), [{ version: '1.1' }]);
  t.equal(await text('packages', 'other', '--containing', blake3.slice(0, 20)), '');
  const kept = await run('rm', blake3);
  t.match([kept.code, kept.stderr], [EXIT.conflict, /needed by acme\/tools@1\.1; .*AS_ERR_IN_USE/]);
  t.match(
    await text('usage'),
    /^acme {2}1 package, 2 versions, 2 refs; files 46 B; objects, manifests among them, [\d.]+ kB, on disk /,
  );
  t.match(await json('usage', 'acme'), [
    { namespace: 'acme', packages: 1, versions: 2, refs: 2, size: 46, objects: 7 },
  ]);
});

t.test('refs', async (t) => {
  const [moved] = await json('ref', 'move', 'acme/tools:latest', 'acme/tools@1.1');
  t.match(moved, { ref: 'latest', immutable: false });
  const { target } = moved as { target: string };
  t.match(
    await text('ref', 'move', 'acme/tools:fixed', 'acme/tools:latest', '--immutable', '--if-ref', 'none'),
    / {2}immutable\n$/,
  );
  const refused = await run('ref', 'move', 'acme/tools:stable', 'acme/tools@1.1', '--if-ref', target);
  t.equal(refused.code, EXIT.conflict);
  t.match(refused.stderr, /acme\/tools:stable is not where it was expected: it points at blake3:/);
  t.match(await text('ref', 'rm', 'acme/tools:latest', '--reason', 'over', '--if-ref', target), / {2}removed\n$/);
  t.equal((await run('ref', 'rm', 'acme/tools:fixed')).code, EXIT.conflict, 'an immutable one stays');
  t.match((await json('events', '--kind', 'ref.removed'))[0], {
    subject: 'acme/tools:latest',
    data: { reason: 'over' },
  });
});

t.test('one file under a name', async (t) => {
  const file = join(tree, 'README.md');
  t.match(await json('push', file, 'acme/readme@1', '--ref', 'latest'), [{ entries: 1 }]);
  const content = readFileSync(file, 'latin1');
  t.equal(await text('get', 'acme/readme'), content);
  t.equal(await text('get', 'acme/readme@1', '--range=-2'), content.slice(-2));
  const into = join(folder, 'readme');
  await text('get', 'acme/readme@1', '-o', into);
  t.equal(readFileSync(into, 'latin1'), content);
  const [{ blake3 }] = (await json('put', join(tree, 'src/run'))) as [{ blake3: string }];
  const [moved] = await json('ref', 'move', 'acme/readme:latest', blake3);
  t.match(moved, { ref: 'latest' });
  t.equal(await text('get', 'acme/readme:latest'), '#!/bin/sh\n');
  const several = await run('get', 'acme/tools@1.1');
  t.equal(several.code, EXIT.usage);
  t.match(several.stderr, /acme\/tools@1[.]1 has \d paths[.] Pull it whole, or name the path of a file/);
});

t.test('exit codes', async (t) => {
  const { blake3: object } = (await json('put', join(tree, 'README.md')))[0] as { blake3: string };
  const ends: [code: number, error: string, ...args: string[]][] = [
    [EXIT.conflict, 'AS_ERR_CONFLICT', 'push', tree, 'acme/tools@1.0'],
    [EXIT.usage, 'AS_ERR_INVALID_ARGUMENT', 'push', tree, 'tools'],
    [EXIT.usage, 'AS_ERR_INVALID_ARGUMENT', 'push', tree],
    [EXIT.source, 'AS_ERR_SOURCE_UNREADABLE', 'push', join(folder, 'missing'), 'acme/tools'],
    [EXIT.mismatch, 'AS_ERR_MANIFEST', 'ls', object],
    [EXIT.notFound, 'AS_ERR_NOT_FOUND', 'pull', 'acme/tools@9', join(folder, 'nine')],
    [EXIT.notFound, 'AS_ERR_NOT_FOUND', 'cat', 'acme/tools@1.0', 'missing'],
    [EXIT.usage, 'AS_ERR_INVALID_ARGUMENT', 'cat', 'acme/tools@1.0', 'start'],
    [EXIT.badDigest, 'AS_ERR_INVALID_DIGEST', 'diff', 'acme', 'acme/tools@1.0'],
    [EXIT.usage, 'AS_ERR_INVALID_ARGUMENT', 'usage', 'acme/tools'],
  ];
  for (const [code, error, ...args] of ends) {
    const ended = await run(...args);
    t.equal(ended.code, code, args.join(' '));
    t.match(ended.stderr, new RegExp(`^artifactstore: [^\\n]+ \\[${error}\\]\\n$`));
  }
  t.equal(readFileSync(join(folder, 'out', 'README.md'), 'utf8'), 'read me', 'and nothing else changed');
});
