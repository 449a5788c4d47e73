/** Every documented exit code, provoked for real; and that the documentation has them all. */

import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT, exitCodeOf } from '../../lib/cli/exit.js';
import { ArtifactStoreError, ERROR_CODES, type ErrorCode } from '../../lib/errors.js';
import { openStore } from '../../lib/index.js';
import { damageStored } from '../support/stored.js';
import { cli, command, type Ended, lines, type RunOptions, root } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-exit-'));
// Some seventy processes, each of which opens a store.
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;

/** A store with two objects. */
const path = join(folder, 'store');
const store = ['--store', path];
const small = join(folder, 'small');
const large = join(folder, 'large');
const ABC = 'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85';
let largeDigest = '';

t.before(async () => {
  writeFileSync(small, 'abc');
  writeFileSync(large, Buffer.alloc(100_000, 'large '));
  const { stdout } = await cli([...store, 'put', small, large]);
  largeDigest = lines(stdout)[1]?.slice(0, 71) ?? '';
});

async function ends(t: Test, args: string[], code: number, error: ErrorCode, options: RunOptions = {}): Promise<Ended> {
  const ended = await cli(args, options);
  const shown = args.slice(args[0] === '--store' ? 2 : 0).join(' ');
  t.equal(ended.code, code, `${shown} exits with ${code}`);
  t.match(ended.stderr, `[${error}]\n`);
  t.match(ended.stderr, /^artifactstore: [^\n]+\n$/, 'one line, no stack trace');
  return ended;
}

t.test('usage: 2', async (t) => {
  for (const args of [
    ['put'],
    ['no-such-command'],
    ['ls', '--no-such-option'],
    ['ls', '--state', 'odd'],
    ['--threads', '9', 'ls'],
    ['get', ABC, '--range', '5-1'],
  ]) {
    await ends(t, args, EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  }
  await ends(t, [...store, 'put', '-', '-'], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  await ends(t, [...store, 'put', '--expect', ABC, small, large], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  await ends(t, [...store, 'put', '--expect', ABC, folder], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  await ends(t, [...store, 'events', '--follow', '--reverse'], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  await ends(t, [...store, 'get', ABC, '--range', '3-'], EXIT.usage, 'AS_ERR_RANGE');
  await ends(t, [...store, 'get', ABC, '-o', folder], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  await ends(
    t,
    [...store, 'serve', '--host', '0.0.0.0', '--auth', 'none'],
    EXIT.usage,
    'AS_ERR_UNAUTHENTICATED_LISTEN',
  );
  for (const [args, help] of [
    [['no-such-command'], 'artifactstore help'],
    [['ls', '--no-such-option'], 'artifactstore ls --help'],
    [['hold', 'acme/app@1'], 'artifactstore hold --help'],
    [['retention', 'plan', '--no-such-option'], 'artifactstore retention plan --help'],
  ] as const) {
    const { stderr } = await ends(t, [...args], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
    t.match(stderr, `Run "${help}" for what there is.`, 'it names the help of the command that was meant');
  }
  const named = await ends(t, [...store, 'rm', 'acme/app@1'], EXIT.usage, 'AS_ERR_INVALID_ARGUMENT');
  t.match(named.stderr, 'artifactstore withdraw acme/app@1', 'a package is not an object; it says what takes one away');
  const bare = await cli([]);
  t.equal(bare.code, EXIT.usage, 'nothing at all');
  t.match(bare.stderr, /^Usage: artifactstore/);
});

t.test('not found: 3, and bad digests: 4', async (t) => {
  await ends(t, [...store, 'get', 'blake3:00000000'], EXIT.notFound, 'AS_ERR_NOT_FOUND');
  await ends(t, [...store, 'get', 'not-a-digest'], EXIT.badDigest, 'AS_ERR_INVALID_DIGEST');
  await ends(t, [...store, 'get', '643'], EXIT.badDigest, 'AS_ERR_INVALID_DIGEST');
  await ends(t, [...store, 'put', small, '--expect', 'abc'], EXIT.badDigest, 'AS_ERR_INVALID_DIGEST');

  // Two of so many digests share their first four digits.
  const many = join(folder, 'many');
  mkdirSync(many);
  for (let n = 0; n < 600; n++) writeFileSync(join(many, String(n)), String(n));
  const { stdout } = await cli([...store, 'put', many]);
  const prefixes = lines(stdout).map((line) => line.slice(0, 11));
  const shared = prefixes.find((prefix, index) => prefixes.indexOf(prefix) !== index);
  await ends(t, [...store, 'get', shared as string], EXIT.badDigest, 'AS_ERR_AMBIGUOUS_DIGEST');

  const several = await cli([...store, 'stat', 'ffff0000ffff', ABC, 'x']);
  t.equal(several.code, EXIT.notFound, 'the first failure decides');
  t.match(several.stdout.toString(), ABC, 'and keeps nobody else out');
  t.equal(lines(several.stderr).length, 2);
});

t.test('damage: 5', async (t) => {
  await damageStored(join(path, 'data'), largeDigest, 40_000);

  const target = join(folder, 'target');
  writeFileSync(target, 'as it was');
  await ends(t, [...store, 'get', largeDigest, '-o', target], EXIT.damage, 'AS_ERR_CORRUPT');
  t.equal(readFileSync(target, 'utf8'), 'as it was', 'the target is untouched');
  t.strictSame(
    readdirSync(folder).filter((name) => name.endsWith('.part')),
    [],
    'nothing is left beside it',
  );
  const verified = await cli([...store, 'verify']);
  t.equal(verified.code, EXIT.damage);
  t.match(lines(verified.stdout), [`${largeDigest}  corrupt at bytes 32768-49151`, /: 1 object damaged$/]);
  t.match((await cli([...store, 'ls', '--state', 'corrupt', '--digests'])).stdout.toString(), largeDigest);
  t.match((await cli([...store, 'stat', largeDigest])).stdout.toString(), /damaged +bytes 32768-49151/);
  t.match(
    lines((await cli([...store, 'put', '--json', large])).stdout),
    [/"healed":true/],
    'storing it again heals it',
  );
  t.equal((await cli([...store, 'verify', largeDigest])).code, EXIT.ok);
});

t.test('sources: 6', async (t) => {
  const missing = join(folder, 'missing');
  const partly = await cli([...store, 'put', missing, small]);
  t.equal(partly.code, EXIT.source);
  t.match(partly.stdout.toString(), ABC, 'the others are stored');
  t.match(partly.stderr, `artifactstore: ${missing} cannot be read (no such file or directory).`);
  await ends(t, [...store, 'put', '/dev/null'], EXIT.source, 'AS_ERR_SOURCE_UNREADABLE');
  if (existsSync('/proc/self/mem'))
    await ends(t, [...store, 'put', '/proc/self/mem'], EXIT.source, 'AS_ERR_SOURCE_UNREADABLE');
  const closed = join(folder, 'closed');
  mkdirSync(closed);
  writeFileSync(join(closed, 'secret'), 'secret');
  writeFileSync(join(closed, 'public'), 'public');
  chmodSync(join(closed, 'secret'), 0);
  const asUser = await unprivileged();
  if (asUser === undefined)
    return t.comment('this checkout cannot be read by another user; no file here is unreadable');
  const own = ['--store', join(asUser.folder, 'store')];
  const ended = await cli([...own, 'put', closed], asUser.options);
  t.equal(ended.code, EXIT.source);
  t.match(ended.stdout.toString(), '/closed/public');
  t.match(ended.stderr, /secret cannot be read .*\[AS_ERR_SOURCE_UNREADABLE\]\n$/);
});

/** Root may read anything, so a test of permissions needs another user; undefined when that user cannot run us. */
async function unprivileged(): Promise<{ folder: string; options: RunOptions } | undefined> {
  const own = join(folder, 'of-another-user');
  mkdirSync(own);
  chmodSync(own, 0o777);
  chmodSync(folder, 0o755);
  if (!isRoot) return { folder: own, options: {} };
  const options = { uid: NOBODY, env: { HOME: own }, cwd: '/' };
  return (await cli(['--version'], options).catch(() => undefined))?.code === 0 ? { folder: own, options } : undefined;
}

t.test('stores that cannot be used: 7', async (t) => {
  await ends(t, ['--store', join(folder, 'none'), 'ls'], EXIT.store, 'AS_ERR_STORE_MISSING');
  await ends(t, ['--store', join(folder, 'none'), 'get', ABC], EXIT.store, 'AS_ERR_STORE_MISSING');
  t.notOk(existsSync(join(folder, 'none')), 'reading creates nothing');
  await ends(t, ['--store', join(folder, 'many'), 'put', small], EXIT.store, 'AS_ERR_STORE_FORMAT');

  const holder = await openStore({ path });
  for (const args of [['put', small], ['get', ABC], ['verify'], ['rm', ABC], ['--read-only', 'get', ABC]]) {
    await ends(t, [...store, ...args], EXIT.store, 'AS_ERR_STORE_LOCKED');
  }
  const doctor = await cli([...store, 'doctor']);
  t.equal(doctor.code, EXIT.store, 'doctor tells it too');
  t.match(doctor.stdout.toString(), /store status +cannot be opened/);
  await holder.close();
  const readers = [cli([...store, '--read-only', 'get', ABC]), cli([...store, '--read-only', 'verify', ABC])];
  t.strictSame(
    (await Promise.all(readers)).map(({ code }) => code),
    [0, 0],
    'readers share',
  );

  const format = join(path, 'data/FORMAT');
  const known = readFileSync(format);
  writeFileSync(format, known.toString().replace(/\d+/, '999'));
  await ends(t, [...store, 'get', ABC], EXIT.store, 'AS_ERR_STORE_FORMAT');
  writeFileSync(format, known);
});

t.test('storage: 8', async (t) => {
  await ends(t, [...store, '--read-only', 'put', small], EXIT.storage, 'AS_ERR_READ_ONLY');
  await ends(t, [...store, '--read-only', 'rm', ABC], EXIT.storage, 'AS_ERR_READ_ONLY');
  await ends(t, [...store, '--read-only', 'rebuild'], EXIT.storage, 'AS_ERR_READ_ONLY');
  await ends(t, [...store, '--read-only', 'compact'], EXIT.storage, 'AS_ERR_READ_ONLY');
  await ends(t, [...store, 'get', ABC, '-o', join(folder, 'no', 'such', 'folder')], EXIT.storage, 'AS_ERR_IO');
  if (existsSync('/dev/full')) {
    await ends(t, [...store, 'get', ABC, '-o', '/dev/full'], EXIT.storage, 'AS_ERR_NO_SPACE');
    const full = await command('sh', [
      '-c',
      `"$0" "$@" > /dev/full`,
      process.execPath,
      join(root, 'dist/lib/cli/main.cjs'),
      ...store,
      'get',
      ABC,
    ]);
    t.equal(full.code, EXIT.storage, 'standard output on a full disk');
    t.match(full.stderr, '[AS_ERR_NO_SPACE]\n');
  }
});

t.test('a full disk: 8, and nothing half', async (t) => {
  const mount = join(folder, 'disk');
  mkdirSync(mount);
  const mounted = isRoot && (await command('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', mount])).code === 0;
  if (!mounted) return t.comment('a small file system cannot be mounted here; a full disk is not tested');
  t.teardown(() => command('umount', [mount]));
  const tight = ['--store', join(mount, 'store')];
  t.equal((await cli([...tight, 'put', small])).code, EXIT.ok);
  const big = join(folder, 'big');
  writeFileSync(big, Buffer.alloc(16_000_000, 'big'));
  await ends(t, [...tight, 'put', big], EXIT.storage, 'AS_ERR_NO_SPACE');
  t.match((await cli([...tight, 'verify'])).stdout.toString(), /^1 object, 3 B: all intact\n$/);
  const target = join(mount, 'target');
  await cli([...store, 'put', '--quiet', big]);
  const digest = lines((await cli([...store, 'put', big])).stdout)[0]?.slice(0, 71) as string;
  await ends(t, [...store, 'get', digest, '-o', target], EXIT.storage, 'AS_ERR_NO_SPACE');
  t.strictSame(readdirSync(mount), ['store'], 'no target, and nothing beside it');
});

t.test('not what was expected: 9', async (t) => {
  const wrong = `sha256:${'0'.repeat(64)}`;
  await ends(t, [...store, 'put', small, '--expect', wrong], EXIT.mismatch, 'AS_ERR_DIGEST_MISMATCH');
  await ends(t, [...store, 'put', '-', '--expect', wrong], EXIT.mismatch, 'AS_ERR_DIGEST_MISMATCH', { input: 'abc' });
  t.equal((await cli([...store, 'put', '-', '--expect', ABC], { input: 'abc' })).code, EXIT.ok);
});

t.test('a signal in front of a silent source: 130 and 143', async (t) => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    // Nothing ever comes on this pipe, and it does not end by itself.
    const script = `sleep 60 | { "$0" "$@" & child=$!; sleep 1.5; kill -${signal.slice(3)} $child; wait $child; echo $?; kill 0; }`;
    const { stdout } = await command('setsid', [
      'bash',
      '-mc',
      script,
      process.execPath,
      join(root, 'dist/lib/cli/main.cjs'),
      ...store,
      'put',
      '-',
    ]);
    t.equal(lines(stdout)[0], String(code), signal);
  }
});

t.test('a trace only for who asks', async (t) => {
  const { stderr } = await cli([...store, 'get', 'blake3:00000000'], { env: { ARTIFACTSTORE_DEBUG: '1' } });
  t.match(stderr, /\n {4}at /);
});

t.test('every code is documented', async (t) => {
  const document = readFileSync(join(root, 'docs/cli.md'), 'utf8');
  for (const [name, code] of Object.entries(EXIT))
    t.match(document, new RegExp(`^\\| ${code} \\|`, 'm'), `${name}: ${code}`);
  const known: number[] = Object.values(EXIT);
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    t.ok(known.includes(exitCodeOf(new ArtifactStoreError(code, 'x'))), `${code} has an exit code`);
  }
  t.equal(exitCodeOf(new Error('unforeseen')), EXIT.unexpected);
});
