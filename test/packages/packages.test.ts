/** Packages through the library: what goes in comes out, all of it or nothing; names that hold; what a hostile manifest cannot do. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeCanonical } from '../../lib/cbor/index.js';
import { digest } from '../../lib/digest.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import type { EventLog, NewEvent } from '../../lib/events/log.js';
import { SqliteEventLog } from '../../lib/events/sqlite-log.js';
import { type ContentAddress, openStore, type Store } from '../../lib/index.js';
import { encodeManifest, type FileEntry, MANIFEST_SCHEMA } from '../../lib/packages/manifest.js';
import type { FileStamp } from '../../lib/packages/tree.js';
import type { NamespaceUsage, ObjectKey } from '../../lib/registry/packages.js';
import { PushCache } from '../../lib/store/push-cache.js';
import { randomSource } from '../events/random-events.js';
import { damageStored } from '../support/stored.js';
import { forkUnhooked } from '../support/unhooked.js';

const work = mkdtempSync(join(tmpdir(), 'artifactstore-packages-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));

let made = 0;
const place = (name: string) => join(work, `${name}-${++made}`);

/** A store that is closed when the test ends. */
async function newStore(t: Test, path = place('store')): Promise<Store> {
  const store = await openStore({ path });
  t.teardown(() => store.close());
  return store;
}

/** A directory with these files. */
function directory(files: Record<string, string | Uint8Array>, path = place('tree')): string {
  mkdirSync(path, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** A directory with everything that a package can hold. */
function everything(): string {
  const path = directory({
    'README.md': 'read me',
    'empty file': '',
    'bin/run': '#!/bin/sh\n',
    'a-b': 'sorts before a/b',
    'a/b/c/d': 'deep',
    'copy of README.md': 'read me',
    large: Buffer.alloc(3_000_000, 'large '),
  });
  chmodSync(join(path, 'bin/run'), 0o750);
  mkdirSync(join(path, 'nothing/at all'), { recursive: true });
  symlinkSync('README.md', join(path, 'link'));
  symlinkSync('../../outside', join(path, 'a/dangling'));
  symlinkSync('/etc', join(path, 'a/absolute'));
  const raw = (name: string) => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name, 'latin1')]);
  writeFileSync(raw('not UTF-8 \xff\xfe'), 'raw');
  writeFileSync(raw('u\xcc\x88'), 'not NFC');
  mkdirSync(raw('\xe9'));
  writeFileSync(Buffer.concat([raw('\xe9/'), Buffer.from('水')]), 'water');
  symlinkSync(Buffer.from('\xff', 'latin1'), raw('\xfflink'));
  return path;
}

/** All that counts of a directory: what is where, what it holds, whether it can be executed. */
function contents(root: string): string[] {
  const seen: string[] = [];
  const visit = (folder: Buffer, below: string) => {
    const names = readdirSync(folder, { encoding: 'buffer' });
    if (names.length === 0) seen.push(`${below} empty`);
    for (const name of names) {
      const path = Buffer.concat([folder, Buffer.from('/'), name]);
      const key = `${below}/${name.toString('latin1')}`;
      const found = lstatSync(path);
      if (found.isDirectory()) visit(path, key);
      else if (found.isSymbolicLink()) seen.push(`${key} -> ${readlinkSync(path, { encoding: 'latin1' })}`);
      else seen.push(`${key} ${found.mode & 0o100} ${formatBlake3(digest(readFileSync(path)).blake3)}`);
    }
  };
  visit(Buffer.from(root), '');
  return seen.sort();
}

function stampOf(path: string): FileStamp {
  const { dev, ino, size, mtimeMs, ctimeMs } = lstatSync(path);
  return { dev, ino, size, mtime: mtimeMs, ctime: ctimeMs };
}

async function kindsSince(store: Store, after: number): Promise<string[]> {
  return (await store.events({ after })).map(({ kind }) => kind);
}

const lastSeq = async (store: Store) => (await store.events({ reverse: true, limit: 1 }))[0]?.seq ?? 0;

t.test('a directory comes back as it was, and is the same package everywhere', async (t) => {
  const store = await newStore(t);
  const source = everything();
  const pushed = await store.packages.push(source, 'acme/tools@1.0', { refs: ['latest', 'stable'] });
  t.match(pushed, { namespace: 'acme', name: 'tools', version: '1.0', published: true, moved: ['latest', 'stable'] });
  t.same(
    pushed.events.map(({ kind, subject }) => `${kind} ${subject}`),
    [
      `manifest.indexed ${pushed.manifest}`,
      'package.published acme/tools@1.0',
      'ref.moved acme/tools:latest',
      'ref.moved acme/tools:stable',
    ],
  );
  t.equal(pushed.entries, 15);
  t.equal(pushed.stored, 10, 'each content once, and the manifest');

  const target = place('out');
  const seen: number[] = [];
  await store.packages.pull('acme/tools:stable', target, { onProgress: ({ files }) => seen.push(files) });
  t.same(contents(target), contents(source));
  t.equal(seen.at(-1), 10, 'progress');
  t.equal(lstatSync(join(target, 'a-b')).mode & 0o111, 0);

  const other = await newStore(t);
  const again = await other.packages.push(target, 'else/where');
  t.equal(again.manifest, pushed.manifest, 'another store, another directory, another name');
  t.equal(again.version, pushed.manifest, 'without a version the digest is the version');
  t.match(await other.packages.get(`else/where@${pushed.manifest}`), { version: pushed.manifest, entries: 15 });
  t.same((await store.stat(pushed.manifest)).state, 'live', 'the manifest is an object like any other');
});

t.test('what is there already is not stored again', async (t) => {
  const store = await newStore(t);
  const source = everything();
  const first = await store.packages.push(source, 'acme/tools');
  const [before, usage] = [await lastSeq(store), await store.usage()];
  const again = await store.packages.push(source, 'acme/tools');
  t.match(again, { manifest: first.manifest, stored: 0, published: false, moved: [], events: [] });
  t.equal(await lastSeq(store), before, 'not an event');
  writeFileSync(join(source, 'a/b/c/d'), 'changed');
  const changed = await store.packages.push(source, 'acme/tools');
  t.match(changed, { stored: 2, published: true, moved: ['latest'] });
  t.same(await kindsSince(store, before), [
    'object.ingested',
    'object.ingested',
    'manifest.indexed',
    'package.published',
    'ref.moved',
  ]);
  t.equal((await store.usage()).objects, usage.objects + 2);
  t.same(
    (await store.packages.diff(first.manifest, 'acme/tools')).map(({ change, path }) => `${change} ${path}`),
    ['changed a/b/c/d'],
  );

  await store.delete(first.manifest, { force: true });
  const [victim] = (await store.packages.open('acme/tools')).entries.filter(({ path }) => path === 'README.md');
  await store.delete(formatBlake3((victim as FileEntry).blake3), { force: true });
  const restored = await store.packages.push(source, 'acme/tools');
  t.match(restored, { stored: 1, published: false, moved: [] }, 'what was deleted is stored again');
  await store.packages.pull('acme/tools', place('out'));
});

t.test('what has not changed is not read again, unless asked to', async (t) => {
  const store = await newStore(t);
  const source = directory({ one: 'content', other: 'another' });
  const { manifest } = await store.packages.push(source, 'a/x');
  const file = join(store.path, 'push-cache');
  t.notOk(existsSync(file), 'what has just changed may change again unseen');
  const now = Date.now;
  t.teardown(() => Object.assign(Date, { now }));
  Object.assign(Date, { now: () => now() + 10_000 });
  await store.packages.push(source, 'a/x');
  Object.assign(Date, { now });

  // Whether a file is read shows when the cache says something else than the file.
  const cache = await PushCache.open(store.path);
  const stamp = stampOf(join(source, 'one'));
  const other = cache.find(stampOf(join(source, 'other'))) as ObjectKey;
  t.match(cache.find(stamp), { ...digest(Buffer.from('content')), size: 7 });
  for (const change of [{ dev: -1 }, { ino: -1 }, { size: 8 }, { mtime: 1 }, { ctime: 1 }]) {
    t.equal(cache.find({ ...stamp, ...change }), undefined, `another ${Object.keys(change)}`);
  }
  cache.add(stamp, other, stamp.ctime + 3_999);
  cache.add(stamp, { ...other, size: 8 }, now() + 10_000);
  await cache.save();
  const reopened = await PushCache.open(store.path);
  t.match(reopened.find(stamp), digest(Buffer.from('content')), 'what may have changed meanwhile is not remembered');
  cache.add(stamp, other, stamp.ctime + 4_000);
  await cache.save();
  // However long this takes on a busy machine, no file becomes old enough to be remembered anew.
  Object.assign(Date, { now: () => Math.floor(stamp.ctime) + 1000 });
  const contentOf = async (options = {}) => {
    await store.packages.push(source, 'a/x', options);
    return (await store.packages.openFile('a/x', 'one')).text();
  };
  t.equal(await contentOf(), 'another', 'not read');
  t.equal(await contentOf({ reread: true }), 'content', 'asked to');
  t.equal(await contentOf(), 'another');
  const kept = readFileSync(file);
  for (const damaged of [
    kept.subarray(0, -1),
    kept.subarray(0, 8),
    Buffer.alloc(0),
    Buffer.from(kept).fill(1, 30, 31),
  ]) {
    writeFileSync(file, damaged);
    t.equal(await contentOf(), 'content', 'a damaged cache is as none');
  }
  writeFileSync(file, kept);
  writeFileSync(join(source, 'one'), 'CONTENT');
  t.equal(await contentOf(), 'CONTENT', 'written to');
  writeFileSync(join(source, 'one'), 'content');

  await store.delete(formatBlake3(other.blake3), { force: true });
  t.match(await store.packages.push(source, 'a/x'), { manifest, stored: 1 }, 'read, because its object is gone');
  t.same(
    readdirSync(store.path).filter((name) => name.startsWith('push-cache.')),
    [],
  );
});

t.test('a version never changes, and a ref moves as it may', async (t) => {
  const store = await newStore(t);
  const [one, two] = [directory({ f: 'one' }), directory({ f: 'two' })];
  const first = await store.packages.push(one, 'a/x@1');
  t.match(await store.packages.push(one, 'a/x@1'), { published: false, events: [] }, 'the same again is fine');
  const before = await lastSeq(store);
  const conflict = { code: 'AS_ERR_CONFLICT' };
  await t.rejects(store.packages.push(two, 'a/x@1'), { ...conflict, details: { published: first.manifest } });
  t.notMatch(await kindsSince(store, before), ['package.published'], 'nothing of it is published');
  t.match(await store.packages.get('a/x@1'), { manifest: first.manifest });
  await t.rejects(store.packages.push(two, 'a/x@1', { refs: ['latest'] }), conflict);
  t.equal(await store.packages.ref('a/x:latest'), undefined, 'nor does a ref move with it');
  await t.rejects(store.packages.push(two, `a/x@${first.manifest}`), { code: 'AS_ERR_DIGEST_MISMATCH' });
  t.match(await store.packages.push(one, `a/x@${first.manifest}`), { version: '1', published: false });

  const byRef = await store.packages.push(two, 'a/x');
  t.match(await store.packages.ref('a/x:latest'), { target: byRef.manifest, immutable: false });
  t.match(await store.packages.push(one, 'a/x'), { version: '1', published: false, moved: ['latest'] });
  t.match(await store.packages.push(two, 'a/x@2'), { published: true, version: '2' }, 'a version for what had none');
  t.match(await store.packages.get(`a/x@${byRef.manifest}`), { version: byRef.manifest });

  await store.packages.moveRef('a/x:latest', 'a/x@2', { ifRef: first.manifest });
  await t.rejects(store.packages.moveRef('a/x:latest', 'a/x@1', { ifRef: first.manifest }), {
    ...conflict,
    details: { expected: first.manifest, found: byRef.manifest },
  });
  await t.rejects(store.packages.push(one, 'a/x', { ifRef: null }), { ...conflict, details: { expected: 'none' } });
  await t.rejects(store.packages.push(one, 'a/x:new', { ifRef: first.manifest }), {
    ...conflict,
    details: { found: 'none' },
  });
  t.match(await store.packages.push(one, 'a/x:new', { ifRef: null }), { moved: ['new'] });
  const many = store.packages.push(one, 'a/x', { refs: ['more'], ifRef: null });
  await t.rejects(many, { code: 'AS_ERR_INVALID_ARGUMENT' }, 'one expectation is for one ref');

  t.match(await store.packages.moveRef('a/x:fixed', 'a/x:latest', { immutable: true }), { immutable: true });
  await t.rejects(store.packages.moveRef('a/x:fixed', 'a/x@1'), conflict);
  await t.rejects(store.packages.push(one, 'a/x:fixed'), conflict);
  await t.rejects(store.packages.removeRef('a/x:fixed'), conflict);
  t.match(await store.packages.push(two, 'a/x:fixed'), { moved: [] }, 'it may stay where it is');
  await store.packages.moveRef('a/x:new', 'a/x@1', { immutable: true });
  t.match(await store.packages.ref('a/x:new'), { immutable: true }, 'one that stays can become immutable');

  t.match(await store.packages.removeRef('a/x:latest', { reason: 'over' }), { target: byRef.manifest });
  const [removed] = await store.events({ kind: 'ref.removed' });
  t.match(removed, { subject: 'a/x:latest', data: { reason: 'over' } });
  await t.rejects(store.packages.get('a/x'), { code: 'AS_ERR_NOT_FOUND', details: { ref: 'a/x:latest' } });
  await t.rejects(store.packages.removeRef('a/x:latest'), { code: 'AS_ERR_NOT_FOUND' });
  await t.rejects(store.packages.get('a/x@3'), { code: 'AS_ERR_NOT_FOUND', details: { package: 'a/x@3' } });
  for (const [ref, to] of [
    ['b/x:r', 'a/x@1'],
    ['a/x', 'a/x@1'],
    ['a/x@1', 'a/x@1'],
  ]) {
    await t.rejects(store.packages.moveRef(ref as string, to as string), { code: 'AS_ERR_INVALID_ARGUMENT' }, `${ref}`);
  }
  await t.rejects(store.packages.moveRef('a/x:r', 'x'), { code: 'AS_ERR_INVALID_DIGEST' });
  await t.rejects(store.packages.push(one, 'a/x', { refs: ['a/b'] }), { code: 'AS_ERR_INVALID_ARGUMENT' });
});

t.test('what cannot be part of a package is refused by its name', async (t) => {
  const store = await newStore(t);
  const push = (path: string) => store.packages.push(path, 'a/x');
  const refused = (path: string, message: RegExp, code = 'AS_ERR_SOURCE_UNREADABLE') =>
    t.rejects(push(path), { code, message }, String(message));
  const withPipe = directory({ ok: 'ok' });
  execFileSync('mkfifo', [join(withPipe, 'pipe')]);
  await refused(withPipe, /pipe is a named pipe/);
  const withSocket = directory({ ok: 'ok' });
  const server = createServer().listen(join(withSocket, 's'));
  await new Promise((ready) => server.on('listening', ready));
  await refused(withSocket, /s is a socket/);
  server.close();
  await refused(join(withPipe, 'pipe'), /pipe is a named pipe. A package is made of a directory, or of one file/);
  await refused(join(withPipe, 'missing'), /missing cannot be read \(no such file or directory\)/);
  await refused(store.path, /is the store itself/, 'AS_ERR_INVALID_ARGUMENT');
  const around = directory({ 'inner/f': 'f' });
  const within = await newStore(t, join(around, 'inner/store'));
  await t.rejects(within.packages.push(around, 'a/x'), {
    code: 'AS_ERR_INVALID_ARGUMENT',
    message: /the store itself/,
  });
  if (process.getuid?.() !== 0) {
    const closed = directory({ f: 'f' });
    chmodSync(join(closed, 'f'), 0);
    await refused(closed, /f cannot be read/);
  }

  const changing = directory({ growing: Buffer.alloc(64 * 1024 * 1024) });
  let pushing = true;
  const writing = (async () => {
    while (pushing) await appendFile(join(changing, 'growing'), 'x');
  })();
  await refused(changing, /growing/, 'AS_ERR_SOURCE_CHANGED');
  pushing = false;
  await writing;
  t.same(await store.packages.list(), { packages: [] });
  t.same(await store.packages.refs(), { refs: [] });

  const signal = AbortSignal.abort();
  await t.rejects(store.packages.push(directory({ f: 'f' }), 'a/x', { signal }), { code: 'AS_ERR_ABORTED' });
  const readOnly = await openStore({ path: place('store') });
  await readOnly.close();
  const reader = await openStore({ path: readOnly.path, readOnly: true });
  await t.rejects(reader.packages.push(changing, 'a/x'), { code: 'AS_ERR_READ_ONLY' });
  await reader.close();
  await t.rejects(reader.packages.list(), { code: 'AS_ERR_CLOSED' });
});

t.test('a failure before the names leaves none of them', async (t) => {
  const store = await newStore(t);
  const source = everything();
  const append = SqliteEventLog.prototype.append;
  t.teardown(() => Object.assign(SqliteEventLog.prototype, { append }));
  const failing = function (this: EventLog, events: readonly NewEvent[]) {
    if (events.some(({ kind }) => kind === 'package.published')) return Promise.reject(new Error('the disk is gone'));
    return append.call(this as SqliteEventLog, events);
  };
  Object.assign(SqliteEventLog.prototype, { append: failing });
  await t.rejects(store.packages.push(source, 'a/x@1', { refs: ['latest'] }), { message: 'the disk is gone' });
  t.same([await store.packages.list(), await store.packages.refs()], [{ packages: [] }, { refs: [] }]);
  t.equal((await store.usage()).objects, 10, 'the objects are there, and known');
  Object.assign(SqliteEventLog.prototype, { append });
  t.match(await store.packages.push(source, 'a/x@1', { refs: ['latest'] }), { stored: 0, published: true });
});

t.test('after kill -9 a package is there whole, or not at all', async (t) => {
  const path = place('store');
  const source = everything();
  const wait = randomSource(3);
  const acknowledged = new Map<string, string>();
  for (let round = 0; round < 3; round++) {
    await new Promise<void>((ended) => {
      const child = forkUnhooked(new URL('push-forever.js', import.meta.url), [path, source, String(round)]);
      child.on('message', ({ version, manifest }: { version: string; manifest: string }) => {
        if (acknowledged.size === 0 || version === `${round}.0`) setTimeout(() => child.kill('SIGKILL'), wait(150));
        acknowledged.set(version, manifest);
      });
      child.on('close', () => ended());
    });
    const store = await openStore({ path });
    const { packages } = await store.packages.list();
    const versions = new Map(packages.map(({ version, manifest }) => [version, manifest]));
    for (const [version, manifest] of acknowledged)
      if (versions.get(version) !== manifest) t.fail(`${version} is lost`);
    for (const { version } of packages) await store.packages.pull(`a/x@${version}`, place('out'));
    const latest = await store.packages.ref('a/x:latest');
    t.equal(latest?.target, packages.toSorted((a, b) => b.seq - a.seq)[0]?.manifest, 'the ref moved with its version');
    t.ok(versions.size >= acknowledged.size, `${versions.size} versions, ${acknowledged.size} acknowledged`);
    const usage = async () => {
      const namespaces: NamespaceUsage[] = [];
      for await (const one of store.packages.usage()) namespaces.push(one);
      return [namespaces, await store.usage()];
    };
    const kept = await usage();
    t.match(kept, [[{ namespace: 'a', versions: versions.size, missing: 0 }], {}]);
    await store.rebuild();
    t.same(await usage(), kept, 'what it takes is what a rebuild finds');
    await store.close();
  }
});

t.test('what packages of an older log need is written down when it is opened', async (t) => {
  const path = place('store');
  let store = await openStore({ path });
  const append = SqliteEventLog.prototype.append;
  t.teardown(() => Object.assign(SqliteEventLog.prototype, { append }));
  const asBefore = function (this: EventLog, events: readonly NewEvent[]) {
    return append.call(
      this as SqliteEventLog,
      events.filter(({ kind }) => kind !== 'manifest.indexed'),
    );
  };
  Object.assign(SqliteEventLog.prototype, { append: asBefore });
  const { manifest } = await store.packages.push(directory({ one: 'one', two: 'two' }), 'a/x@1');
  const lost = await store.packages.push(directory({ three: 'three' }), 'a/x@2');
  Object.assign(SqliteEventLog.prototype, { append });
  const usage = async () => (await store.packages.usage('a').next()).value;
  t.match(await usage(), { versions: 2, objects: 0 }, 'nobody knows');
  await store.delete(lost.manifest);
  await store.close();
  store = await openStore({ path });
  t.match(await usage(), { versions: 2, objects: 3 });
  await t.rejects(store.delete(manifest), { code: 'AS_ERR_IN_USE' });
  const last = await lastSeq(store);
  await store.close();
  store = await openStore({ path });
  t.equal(await lastSeq(store), last, 'once');
  await store.close();
});

t.test('many who push to one ref take turns', async (t) => {
  const store = await newStore(t);
  const trees = Array.from({ length: 12 }, (_, n) => directory({ f: `content ${n}`, shared: 'shared' }));
  await Promise.all(trees.map((tree) => store.packages.push(tree, 'a/x')));
  const moves = await store.events({ kind: 'ref.moved' });
  t.equal(moves.length, trees.length);
  const facts = moves.map(({ data }) => data as { from?: Uint8Array; target: Uint8Array });
  facts.forEach(({ from }, n) => {
    t.same(from, facts[n - 1]?.target, `move ${n} is from where the one before led`);
  });

  const base = (await store.packages.ref('a/x:latest'))?.target as string;
  const others = trees.filter((_, n) => n < 6);
  const racing = await Promise.allSettled(
    others.map((tree, n) => {
      writeFileSync(join(tree, 'f'), `raced ${n}`);
      return store.packages.push(tree, 'a/x', { ifRef: base });
    }),
  );
  const won = racing.filter(({ status }) => status === 'fulfilled');
  t.equal(won.length, 1, 'compare and set lets one through');
  for (const outcome of racing) if (outcome.status === 'rejected') t.match(outcome.reason, { code: 'AS_ERR_CONFLICT' });
  const claims = await Promise.allSettled(trees.map((tree) => store.packages.push(tree, 'a/x@1')));
  t.equal(claims.filter(({ status }) => status === 'fulfilled').length, 1, 'so does a version');
});

t.test('a package is never published without its objects, whoever deletes them meanwhile', async (t) => {
  const store = await newStore(t);
  const source = directory(Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f${n}`, `content ${n}`])));
  const { manifest } = await store.packages.push(source, 'a/x@0');
  const { entries } = await store.packages.open('a/x@0');
  const addresses = entries.flatMap((entry) => (entry.kind === 'file' ? [formatBlake3(entry.blake3)] : []));
  const remove = (address: ContentAddress) => store.delete(address, { force: true }).catch(() => undefined);
  for (let round = 1; round <= 8; round++) {
    const [pushed] = await Promise.all([
      store.packages.push(source, `a/x@${round}`).catch((error: { code: string }) => error.code),
      (async () => {
        for (const address of [manifest, ...addresses.filter((_, n) => n % 8 === round % 8)]) await remove(address);
      })(),
    ]);
    if (typeof pushed === 'string') {
      t.equal(pushed, 'AS_ERR_CONFLICT');
      continue;
    }
    const seq = pushed.events[0]?.seq as number;
    const before = await store.events({ after: seq, reverse: true, limit: 10_000 });
    for (const address of [manifest, ...addresses]) {
      const last = before.find((event) => event.subject === address);
      if (last?.kind !== 'object.ingested')
        t.fail(`round ${round}: ${address} was ${last?.kind} when it was published`);
    }
  }
  t.pass('each was there');
});

t.test('a hostile manifest does no harm', async (t) => {
  const store = await newStore(t);
  const { blake3, sha256 } = digest(Buffer.from('evil'));
  await store.put(Buffer.from('evil'));
  const file = { kind: 'file', size: 4, blake3, sha256 } as const;
  const raw = (entries: object[]) => encodeCanonical({ schema: MANIFEST_SCHEMA, entries } as never);
  const outside = place('outside');
  mkdirSync(outside);
  const attacks: [what: string, manifest: Uint8Array][] = [
    ['upwards', raw([{ ...file, path: '../escaped' }])],
    ['upwards from within', raw([{ ...file, path: 'a/../../escaped' }])],
    ['absolute', raw([{ ...file, path: join(outside, 'escaped') }])],
    [
      'through a link',
      raw([
        { kind: 'symlink', path: 'a', target: outside },
        { ...file, path: 'a/escaped' },
      ]),
    ],
    [
      'through a link, out of order',
      raw([
        { ...file, path: 'a/escaped' },
        { kind: 'symlink', path: 'a', target: outside },
      ]),
    ],
    [
      'instead of a link',
      raw([
        { kind: 'symlink', path: 'a', target: outside },
        { ...file, path: 'a' },
      ]),
    ],
    ['of another size', encodeManifest({ entries: [{ ...file, path: 'f', size: 5 }] })],
    ['of another SHA-256', encodeManifest({ entries: [{ ...file, path: 'f', sha256: blake3 }] })],
    ['no manifest', new Uint8Array(Buffer.from('evil'))],
  ];
  for (const [what, bytes] of attacks) {
    const { blake3: address } = await store.put(bytes);
    const target = place('out');
    await t.rejects(store.packages.pull(address, target), { code: 'AS_ERR_MANIFEST' }, what);
    t.notOk(existsSync(target), 'nothing appears');
  }
  t.same(readdirSync(outside), []);
  const beside = readdirSync(work).filter((name) => name.startsWith('.') || name.includes('escaped'));
  t.same(beside, [], 'nor beside');

  const { blake3: links } = await store.put(
    encodeManifest({
      entries: [
        { kind: 'symlink', path: 'a', target: outside },
        { ...file, path: 'a-file' },
      ],
    }),
  );
  const target = place('out');
  await store.packages.pull(links, target);
  t.equal(readlinkSync(join(target, 'a')), outside, 'a link that leads outside is made as it is');
  t.same(readdirSync(outside), [], 'and nothing is written through it');
  t.same((await store.packages.list()).packages, [], 'a digest of a manifest is enough to pull');
});

t.test('a pull replaces nothing unless it is asked to, and fails without a trace', async (t) => {
  const store = await newStore(t);
  const source = everything();
  const { manifest } = await store.packages.push(source, 'a/x');
  const target = directory({ precious: 'mine' });
  await t.rejects(store.packages.pull('a/x', target), { code: 'AS_ERR_INVALID_ARGUMENT', message: /overwrite/ });
  await t.rejects(store.packages.pull('a/x', join(target, 'precious')), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.same(readdirSync(target), ['precious']);
  await store.packages.pull('a/x', target, { overwrite: true });
  t.same(contents(target), contents(source));
  const empty = place('out');
  mkdirSync(empty);
  await store.packages.pull('a/x', empty);
  t.same(contents(empty), contents(source), 'an empty directory is a place too');
  await t.rejects(store.packages.pull('a/x', join(work, 'no', 'such', 'folder')), { code: 'AS_ERR_IO' });

  const { entries } = await store.packages.open('a/x');
  const large = entries.find(({ path }) => path === 'large') as FileEntry;
  await damageStored(join(store.path, 'data'), formatBlake3(large.blake3), 2_000_000);
  const spoiled = place('out');
  await t.rejects(store.packages.pull('a/x', spoiled), { code: 'AS_ERR_CORRUPT' });
  t.notOk(existsSync(spoiled));
  await t.rejects(store.packages.pull('a/x', target, { overwrite: true }), { code: 'AS_ERR_CORRUPT' });
  t.same(contents(target), contents(source), 'what was there is still there');
  await t.rejects(store.packages.pull('a/x', spoiled, { signal: AbortSignal.abort() }), { code: 'AS_ERR_ABORTED' });
  t.same(
    readdirSync(work).filter((name) => name.startsWith('.')),
    [],
    'nothing is left beside',
  );
  t.match(await store.packages.push(source, 'a/x'), { manifest, stored: 1 }, 'pushing again heals');
  await store.packages.pull('a/x', spoiled);
});

t.test('one file under a name, and a ref that points at an object', async (t) => {
  const store = await newStore(t);
  const { packages } = store;
  const tree = directory({ 'model.bin': 'weights', 'run.sh': '#!/bin/sh\n' });
  chmodSync(join(tree, 'run.sh'), 0o755);
  symlinkSync('model.bin', join(tree, 'link'));
  const pushed = await packages.push(join(tree, 'model.bin'), 'acme/model@1', { refs: ['stable'] });
  t.match(pushed, { entries: 1, size: 7, stored: 2, moved: ['stable'] });
  t.equal(await (await packages.openFile('acme/model:stable')).text(), 'weights');
  t.equal(await (await packages.openFile('acme/model@1', undefined, { range: { start: 2, end: 4 } })).text(), 'ig');
  t.match((await packages.open('acme/model@1')).entries, [{ kind: 'file', path: 'model.bin', size: 7 }]);
  t.match(await packages.push(join(tree, 'link'), 'acme/model@2'), { entries: 1 }, 'a link to a file is followed');
  t.match((await packages.open('acme/model@2')).entries, [{ kind: 'file', path: 'link', size: 7 }]);
  await packages.push(join(tree, 'run.sh'), 'acme/script');
  const out = place('out');
  await packages.pull('acme/script', out);
  t.equal(lstatSync(join(out, 'run.sh')).mode & 0o100, 0o100, 'it can be executed still');
  await packages.push(tree, 'acme/all');
  const many = { code: 'AS_ERR_INVALID_ARGUMENT', message: /acme\/all has 3 paths[.] Pull it whole, or name/ };
  await t.rejects(packages.openFile('acme/all'), many);
  await packages.push(directory({}), 'acme/empty');
  await t.rejects(packages.openFile('acme/empty'), { code: 'AS_ERR_INVALID_ARGUMENT', message: /has 0 paths/ });

  const { blake3, sha256 } = await store.put(Buffer.from('an object of nobody'));
  const ref = await packages.moveRef('acme/thing:now', blake3, { actor: 'mover', ifRef: null });
  t.match(ref, { namespace: 'acme', name: 'thing', ref: 'now', actor: 'mover', immutable: false });
  t.match(await packages.get('acme/thing:now'), { version: ref.target, manifest: ref.target, entries: 1, size: 19 });
  t.equal(await (await packages.openFile('acme/thing:now')).text(), 'an object of nobody');
  t.match((await packages.open('acme/thing:now')).entries, [{ path: 'thing' }]);
  t.same(await packages.moveRef('acme/thing:now', sha256), ref, 'by its other digest: it is there already');
  t.equal(
    (await packages.moveRef('acme/thing:old', 'acme/thing:now')).target,
    ref.target,
    'a ref of it is one like any',
  );
  await t.rejects(store.delete(blake3), { code: 'AS_ERR_IN_USE', message: /needed by acme\/thing@/ });
  const other = await store.put(Buffer.from('another'));
  await t.rejects(packages.moveRef('acme/thing:now', other.blake3, { ifRef: other.blake3 }), {
    code: 'AS_ERR_CONFLICT',
  });
  await packages.moveRef('acme/thing:now', other.blake3, { immutable: true });
  t.equal(await (await packages.openFile('acme/thing:now')).text(), 'another');
  await t.rejects(packages.moveRef('acme/thing:now', blake3), { code: 'AS_ERR_CONFLICT', message: /immutable/ });
  await t.rejects(packages.moveRef('acme/thing:x', formatBlake3(new Uint8Array(32))), { code: 'AS_ERR_NOT_FOUND' });
  await t.rejects(packages.moveRef('acme/thing:x', 'stable'), { code: 'AS_ERR_INVALID_DIGEST' });
  t.match(await packages.ref('acme/thing:x'), undefined);
});

t.test('single files, who has an object, and what namespaces take', async (t) => {
  const store = await newStore(t);
  const first = await store.packages.push(everything(), 'acme/tools@1');
  const small = directory({ 'README.md': 'read me', other: 'other' });
  const second = await store.packages.push(small, 'acme/docs@1', { refs: ['latest'] });
  await store.packages.push(small, 'acme/docs@2');
  await store.packages.push(small, 'zeta/docs');
  const read = async (...parameters: Parameters<typeof store.packages.openFile>) =>
    (await store.packages.openFile(...parameters)).text();
  t.equal(await read('acme/tools@1', 'README.md'), 'read me');
  t.equal(await read('acme/tools@1', Buffer.from('not UTF-8 \xff\xfe', 'latin1')), 'raw');
  t.equal(await read('acme/docs', 'other', { range: { start: 1, end: 3 } }), 'th');
  t.equal(await read(second.manifest, 'other'), 'other');
  const rejected: [path: string, code: string, message: RegExp][] = [
    ['missing', 'AS_ERR_NOT_FOUND', /has no file "missing"/],
    ['a/b', 'AS_ERR_NOT_FOUND', /has no file "a\/b"/],
    ['link', 'AS_ERR_INVALID_ARGUMENT', /a link to "README.md"/],
    ['nothing/at all', 'AS_ERR_INVALID_ARGUMENT', /an empty directory/],
  ];
  for (const [path, code, message] of rejected) {
    await t.rejects(store.packages.openFile('acme/tools@1', path), { code, message }, path);
  }

  const readme = formatBlake3(digest(Buffer.from('read me')).blake3);
  const having = async (address: ContentAddress) => {
    const found: string[] = [];
    for await (const { namespace, name, version } of store.packages.containing(address)) {
      found.push(`${namespace}/${name}@${version}`);
    }
    return found;
  };
  const docs = ['acme/docs@1', 'acme/docs@2'];
  t.same(await having(readme), [...docs, 'acme/tools@1', `zeta/docs@${second.manifest}`]);
  t.same(await having(first.manifest), ['acme/tools@1'], 'a manifest is an object of its package');
  t.same(await having(formatBlake3(new Uint8Array(32))), []);

  const usage = async (namespace?: string) => {
    const found = [];
    for await (const one of store.packages.usage(namespace)) found.push(one);
    return found;
  };
  const [acme, zeta] = await usage();
  const sizes = await Promise.all([first.manifest, second.manifest].map(async (name) => (await store.stat(name)).size));
  t.match(acme, { namespace: 'acme', packages: 2, versions: 3, refs: 1, size: first.size + second.size, objects: 12 });
  t.equal(acme?.uniqueSize, first.size + second.size - 2 * 'read me'.length + (sizes[0] ?? 0) + (sizes[1] ?? 0));
  const all = await store.list();
  t.equal(
    acme?.storedSize,
    all.objects.reduce((sum, { receipts }) => sum + (receipts[0]?.storedSize ?? 0), 0),
  );
  t.match(zeta, { namespace: 'zeta', packages: 1, versions: 1, refs: 1, size: 12, objects: 3, missing: 0 });
  t.same(await usage('zeta'), [zeta]);
  t.same(await usage('none'), []);
  const inUse = { code: 'AS_ERR_IN_USE', details: { packages: [...docs, `zeta/docs@${second.manifest}`] } };
  await t.rejects(store.delete(second.manifest), inUse, 'what packages need is not deleted');
  await t.rejects(store.delete(readme), { code: 'AS_ERR_IN_USE', message: /needed by acme\/docs@1, .*acme\/tools@1/ });
  t.match(await store.stat(readme), { state: 'live' });
  await store.delete(second.manifest, { force: true });
  t.match(await usage('zeta'), [{ versions: 1, objects: 2, uniqueSize: 12, missing: 1 }]);
  t.match(await having(readme), [...docs, 'acme/tools@1', `zeta/docs@${second.manifest}`]);
  await store.packages.push(small, 'zeta/docs');
  t.same(await usage('zeta'), [zeta], 'what is stored again counts again');

  const log = (await store.events({ limit: 10_000 })).map(({ kind }) => kind);
  t.ok(log.includes('package.published') && log.includes('ref.moved'));
  const [packages, refs] = [await store.packages.list(), await store.packages.refs()];
  await store.rebuild();
  t.same([await store.packages.list(), await store.packages.refs()], [packages, refs], 'a rebuild gives the same');
});
