/**
 * The library facade: every verb, the order of bytes, event and acknowledgement, deletions that cross ingests, and every kind of bad
 * input. The data plane and the log have test files of their own.
 */

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { memberSlice } from '../../lib/cbor/index.js';
import { encodeIngestResult } from '../../lib/dataplane/encoding.js';
import { joinPaths } from '../../lib/dataplane/file-list.js';
import { type ClosableDataPlane, openInproc } from '../../lib/dataplane/inproc/index.js';
import type { Digest, FileList, IngestResult } from '../../lib/dataplane/spi.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import {
  type ContentAddress,
  chunk,
  createDigester,
  digest,
  digestMany,
  digestParts,
  digestTable,
  type ObjectRecord,
  openStore,
  SPANS,
  type Span,
  type Store,
  type StoreOptions,
  toHex,
} from '../../lib/index.js';
import { PUT_PART_MAX } from '../../lib/limits.js';
import { registryViews } from '../../lib/registry/views.js';
import { AddressGuard } from '../../lib/store/address-guard.js';
import { KnownObjects } from '../../lib/store/known-objects.js';
import { type PutResult, Store as StoreClass } from '../../lib/store.js';
import { allObjects } from '../support/all-objects.js';
import { damageStored } from '../support/stored.js';
import { forkUnhooked } from '../support/unhooked.js';

const text = (value: string) => new TextEncoder().encode(value);
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const equal = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

/** Rounds of kill -9; more by hand: ARTIFACTSTORE_KILLS=300. */
const KILLS = Number(process.env.ARTIFACTSTORE_KILLS ?? 6);
t.setTimeout(1_500_000 + KILLS * 10_000);

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-store-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function opened(t: Test, options: Partial<StoreOptions> = {}): Promise<Store> {
  const path = await folder(t);
  const store = await openStore({ path, actor: 'test', ...options });
  t.teardown(() => store.close());
  return store;
}

/** A data plane that does some operations differently. */
function altered(plane: ClosableDataPlane, changes: Partial<ClosableDataPlane>): ClosableDataPlane {
  return {
    ingestStream: (source, hints) => plane.ingestStream(source, hints),
    ingestMany: (sources) => plane.ingestMany(sources),
    sync: () => plane.sync(),
    uploadSessions: () => plane.uploadSessions(),
    serveObject: (address, range) => plane.serveObject(address, range),
    serveOutboard: (address, range) => plane.serveOutboard(address, range),
    verifyObject: (address) => plane.verifyObject(address),
    deleteObject: (address) => plane.deleteObject(address),
    backendHealth: () => plane.backendHealth(),
    compact: (watch) => plane.compact(watch),
    load: () => plane.load(),
    close: () => plane.close(),
    ...changes,
  };
}

function objectPath(store: { path: string }, address: string): string {
  const hex = address.slice(-64);
  return join(store.path, 'data', 'objects', hex.slice(0, 2), hex);
}

t.test('digests alone', async (t) => {
  const inputs = [0, 1, 1023, 1024, 1025, 16_384, 16_385, 100_000, 1_000_000].map((size) => randomBytes(size));
  for (const [index, got] of digestMany(inputs).entries()) {
    const input = inputs[index] as Uint8Array;
    t.equal(`sha256:${toHex(got.sha256)}`, sha256(input));
    t.same(digest(input), got);
    const digester = createDigester();
    for (let at = 0; at < input.length; at += 7_777) digester.update(input.subarray(at, at + 7_777));
    t.same(digester.digest(), got, `${input.length} bytes in pieces`);
    t.throws(() => digester.digest(), { code: 'AS_ERR_INVALID_ARGUMENT' });
    t.throws(() => digester.update(input), { code: 'AS_ERR_INVALID_ARGUMENT' });
  }
  t.equal(toHex(digest(text('abc')).blake3), '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85');
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(text('abc'));
  t.same(digest(shared), digest(text('abc')), 'shared memory too');
  t.throws(() => digest('abc' as unknown as Uint8Array), { code: 'AS_ERR_INVALID_ARGUMENT', message: /string/ });
  t.throws(() => digestMany([null as unknown as Uint8Array]), { code: 'AS_ERR_INVALID_ARGUMENT', message: /input 0/ });
  t.same(digestMany([]), []);
  const kept = digestMany(inputs.slice(0, 2));
  digestMany(inputs.slice(2, 4));
  t.same(kept, inputs.slice(0, 2).map(digest), 'what was given out stays as it is');
});

t.test('digests as a table', async (t) => {
  // More than the scratch memory holds, with inputs of every path through the kernels.
  const inputs = Array.from({ length: 150 }, (_, index) => randomBytes((index * index * 7) % 40_000));
  const expected = digestMany(inputs);
  const bytes = Buffer.concat(inputs);
  let end = 0;
  const ends = inputs.map(({ byteLength }) => (end += byteLength));
  for (const table of [digestTable(inputs), digestParts(bytes, ends), digestParts(bytes, Float64Array.from(ends))]) {
    t.equal(table.length, inputs.length);
    t.equal(table.bytes.byteLength, inputs.length * 64);
    for (const [index, { blake3, sha256 }] of expected.entries()) {
      t.ok(equal(table.blake3(index), blake3) && equal(table.sha256(index), sha256), `bytes of ${index}`);
      t.equal(table.blake3Hex(index), toHex(blake3));
      t.equal(table.sha256Hex(index), toHex(sha256));
    }
    for (const index of [-1, 0.5, inputs.length, Number.NaN]) {
      t.throws(() => table.sha256(index), { code: 'AS_ERR_INVALID_ARGUMENT', message: /0 to 149/ });
    }
  }
  const [first = 0, second = 0] = chunk(bytes);
  t.same(
    digestParts(bytes, [first, second]).sha256(1),
    digest(bytes.subarray(first, second)).sha256,
    'parts that end early',
  );
  t.equal(digestTable([]).length, 0);
  t.equal(digestParts(bytes, []).length, 0);
  t.throws(() => digestTable([bytes, 'x' as unknown as Uint8Array]), { message: /input 1/ });
  t.throws(() => digestParts('x' as unknown as Uint8Array, []), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.throws(() => digestParts(bytes, 'x' as unknown as number[]), { code: 'AS_ERR_INVALID_ARGUMENT' });
  for (const wrong of [[-1], [1.5], [2, 1], [bytes.length + 1], [Number.NaN]]) {
    t.throws(() => digestParts(bytes, wrong), { code: 'AS_ERR_INVALID_ARGUMENT', message: /must be an integer from/ });
  }
});

t.test('put, get, stat, list, verify, delete', async (t) => {
  const store = await opened(t);
  const bytes = randomBytes(300_000);
  const put = await store.put(bytes);
  t.match(put, { sha256: sha256(bytes), size: 300_000, existed: false, healed: false });
  for (const name of [
    put.blake3,
    put.sha256,
    put.blake3.slice(7),
    put.sha256.slice(7),
    put.blake3.slice(0, 20),
    put.sha256.slice(7, 18),
  ]) {
    const object = await store.get(name);
    t.ok(equal(await object.bytes(), bytes), `by ${name}`);
    t.equal(object.record.blake3, put.blake3);
  }
  const part = await store.get(put.blake3, { range: { start: 1_000, end: 20_000 } });
  t.equal(part.size, 19_000);
  t.ok(equal(await part.bytes(), bytes.subarray(1_000, 20_000)));
  t.match(await store.stat(put.sha256), { state: 'live', size: 300_000, blake3: put.blake3 });
  t.equal((await store.put(bytes)).existed, true);
  t.match(await store.verify(put.blake3), { status: 'intact', record: { state: 'live' } });
  t.same(
    (await store.list()).objects.map(({ blake3 }) => blake3),
    [put.blake3],
  );
  const deletion = await store.delete(put.sha256, { reason: 'a test' });
  t.match(deletion.record, { state: 'deleted', tombstone: { actor: 'test', reason: 'a test' } });
  t.ok(deletion.freedSize >= 300_000);
  const refusals: Promise<unknown>[] = [store.get(put.blake3), store.verify(put.blake3), store.delete(put.blake3)];
  for (const gone of refusals) {
    await t.rejects(gone, { code: 'AS_ERR_GONE', message: /a test/, details: { actor: 'test' } });
  }
  t.match(await store.usage(), { objects: 0, size: 0 });
  t.match(await store.put(bytes), { existed: false });
  t.equal(await (await store.get(put.blake3)).bytes().then((b) => equal(b, bytes)), true, 'it came back');
  t.same(
    (await store.events()).map(({ kind }) => kind),
    ['object.ingested', 'object.ingested', 'object.verified', 'object.tombstoned', 'object.deleted', 'object.ingested'],
  );
});

t.test('sources', async (t) => {
  const store = await opened(t);
  const bytes = randomBytes(3_000_000);
  const path = join(store.path, '..', `source-${process.pid}`);
  await writeFile(path, bytes);
  t.teardown(() => rm(path));
  const seen: number[] = [];
  const onProgress = (size: number) => seen.push(size);
  t.equal((await store.put({ path }, { onProgress })).sha256, sha256(bytes));
  t.equal(seen.at(-1), 3_000_000);
  t.equal((await store.put(Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]))).existed, true, 'a Node stream');
  t.equal((await store.put(new Blob([new Uint8Array(bytes)]).stream())).existed, true, 'a web stream');
  t.equal((await store.put(new Uint8Array(bytes))).existed, true);
  t.equal(await (await store.get((await store.put(text('grüß'))).blake3)).text(), 'grüß');
  await t.rejects(store.put('text' as never), { code: 'AS_ERR_INVALID_ARGUMENT', message: /string/ });
  await t.rejects(store.put(null as never), { code: 'AS_ERR_INVALID_ARGUMENT', message: /null/ });
  await t.rejects(store.put(Readable.from(['text'])), { code: 'AS_ERR_INVALID_ARGUMENT', message: /string/ });
  await t.rejects(store.put({ path: join(path, 'none') }), { code: 'AS_ERR_SOURCE_UNREADABLE' });
});

t.test('giving up', async (t) => {
  const store = await opened(t);
  await t.rejects(store.put(randomBytes(5), { signal: AbortSignal.abort() }), { code: 'AS_ERR_ABORTED' });
  const controller = new AbortController();
  const silent = new Readable({ read() {} });
  const putting = store.put(silent, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await t.rejects(putting, { code: 'AS_ERR_ABORTED' }, 'even while the source is silent');
  t.equal((await store.list()).objects.length, 0);
  const { blake3 } = await store.put(randomBytes(6_000_000));
  const reading = new AbortController();
  const object = await store.get(blake3, { signal: reading.signal });
  await t.rejects(
    async () => {
      for await (const _ of object) reading.abort();
    },
    { code: 'AS_ERR_ABORTED' },
  );
});

t.test('one encoding: the data plane’s result, the event’s payload and the answer are the same bytes', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  const results: IngestResult[] = [];
  const watched = altered(plane, {
    ingestStream: async (source, hints) => {
      const result = await plane.ingestStream(source, hints);
      results.push(result as IngestResult);
      return result;
    },
    ingestMany: async (sources) => {
      const table = await plane.ingestMany(sources);
      results.push(table.result(0));
      return table;
    },
  });
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  const store = new StoreClass(path, false, 'test', watched, log);
  t.teardown(() => store.close());
  for (const size of [0, 10, 100_000, 2_000_000]) {
    const put = await store.put(randomBytes(size));
    const fromPlane = encodeIngestResult(results.at(-1) as IngestResult);
    const [stored] = await store.events({ after: put.event.seq - 1, limit: 1 });
    t.same(put.cbor, fromPlane, 'the bytes that the data plane gives');
    t.same(stored?.dataBytes, fromPlane);
    t.same(memberSlice(stored?.bytes as Uint8Array, 'data'), fromPlane, 'byte for byte inside the stored event');
  }
});

t.test('a list of files', async (t) => {
  const store = await opened(t);
  const place = await folder(t);
  const sizes = [0, 1, 4096, 16 * 1024, 16 * 1024 + 1, 256 * 1024 + 1, 3_000_000];
  const contents = sizes.map((size) => randomBytes(size));
  const names = [...sizes.map((size) => join(place, `of ${size}`)), join(place, 'none'), place];
  for (const [index, bytes] of contents.entries()) await writeFile(names[index] as string, bytes);
  let read = 0;
  const results = await store.putMany(joinPaths(names) as FileList, { onProgress: (size) => (read = size) });
  t.equal(results.length, names.length);
  for (const [index, bytes] of contents.entries()) {
    const result = results.at(index) as PutResult;
    const { blake3, sha256 } = digest(bytes);
    t.equal(result.blake3, `blake3:${toHex(blake3)}`, names[index] as string);
    t.equal(result.sha256, `sha256:${toHex(sha256)}`);
    t.equal((await store.stat(result.blake3)).size, bytes.byteLength);
  }
  for (const index of [sizes.length, sizes.length + 1]) {
    t.match(results.at(index), { code: 'AS_ERR_SOURCE_UNREADABLE' });
  }
  t.equal(results.wholeTable, undefined, 'not where some are errors');
  const stored = await store.putMany(joinPaths(names.slice(0, sizes.length)) as FileList);
  t.equal(stored.wholeTable?.length, sizes.length);
  t.same(stored.wholeTable?.blake3(1), digest(contents[1] as Uint8Array).blake3);
  t.equal(stored.wholeTable?.existed[1], 1);
  t.equal(read, 16 * 1024 + 4096 + 1 + 16 * 1024 + 1 + 256 * 1024 + 1 + 3_000_000);
  const gone = new AbortController();
  gone.abort();
  await t.rejects(store.putMany(joinPaths(names) as FileList, { signal: gone.signal }), { code: 'AS_ERR_ABORTED' });
});

t.test('a thread of JavaScript may end while it stores', async (t) => {
  const place = await folder(t);
  const library = new URL('../../lib/index.js', import.meta.url).href;
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { openStore } = await import(workerData.library);
    const store = await openStore({ path: workerData.path });
    const objects = Array.from({ length: 2000 }, (_, index) => Buffer.alloc(4000, String(Math.random() + index)));
    parentPort.postMessage('storing');
    for (;;) await store.putMany(objects);
  `;
  for (let round = 0; round < 4; round++) {
    const workerData = { library, path: join(place, String(round)) };
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData });
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 3 * round));
    t.type(await worker.terminate(), 'number', 'and takes nobody with it');
  }
});

t.test('single puts at once', async (t) => {
  const store = await opened(t);
  const objects = Array.from({ length: 1000 }, (_, index) => text(`single ${index % 700}`));
  const results = await Promise.all(objects.map((bytes) => store.put(bytes)));
  for (const [index, result] of results.entries()) {
    const { blake3, sha256 } = digest(objects[index] as Uint8Array);
    t.equal(result.blake3, `blake3:${toHex(blake3)}`);
    t.equal(result.sha256, `sha256:${toHex(sha256)}`);
    t.strictSame(result.cbor, result.event.dataBytes);
    t.equal(result.receipts.length, 1);
  }
  t.equal(new Set(results.map(({ event }) => event.seq)).size, 1000, 'each has an event of its own');
  t.equal(results.filter(({ existed }) => existed).length, 300);
  const last = store.put(text('the last'));
  await store.close();
  t.equal((await last).size, 8, 'closing waits for those before');
});

t.test('single puts at once, by several who act', async (t) => {
  const store = await opened(t);
  const actors = ['a', 'b', 'c'];
  const names = Array.from({ length: 300 }, (_, n) => `object ${n}`);
  const puts = names.map((name, n) => store.put(text(name), { actor: actors[n % 3] as string, size: name.length }));
  const refused = [
    store.put(text('nobody'), { actor: '' }),
    store.put(text('short'), { actor: 'a', size: 6 }),
    store.put(text('other'), { actor: 'a', expect: sha256(text('another')) as Digest }),
  ];
  const errors = await Promise.allSettled(refused);
  t.match(errors, [
    { reason: { code: 'AS_ERR_INVALID_ARGUMENT' } },
    { reason: { code: 'AS_ERR_SIZE_MISMATCH' } },
    { reason: { code: 'AS_ERR_DIGEST_MISMATCH' } },
  ]);
  const results = await Promise.all(puts);
  for (const [n, result] of results.entries()) {
    const { blake3, event } = result;
    t.equal(result.sha256, sha256(text(names[n] as string)));
    t.match(event, { actor: actors[n % 3], kind: 'object.ingested', subject: blake3 });
    const [stored] = await store.events({ after: event.seq - 1, limit: 1 });
    t.match(stored, { id: event.id, time: event.time, actor: event.actor, subject: blake3 });
    t.ok(stored && equal(stored.bytes, event.bytes) && equal(stored.dataBytes, result.cbor));
  }
  t.equal((await store.list({ limit: 1000 })).objects.length, names.length);
});

t.test('many objects in one call', async (t) => {
  const store = await opened(t);
  const place = await folder(t);
  const bytes = Array.from({ length: PUT_PART_MAX + 300 }, (_, index) => text(`object ${index}`));
  const path = join(place, 'a file');
  await writeFile(path, randomBytes(1_000_000));
  const sources = [
    ...bytes,
    Readable.from([text('a stream')]),
    { path },
    { path: join(place, 'none') },
    bytes[7] as Uint8Array,
  ];
  let seen = 0;
  const results = await store.putMany(sources, {
    actor: 'bulk',
    onProgress: (size) => {
      seen = size;
    },
  });
  t.equal(results.length, sources.length);
  t.equal([...results].length, sources.length);
  t.equal(results.at(sources.length), undefined);
  t.equal(seen, 1_000_008, 'progress counts files and streams');
  t.match(results.at(bytes.length + 2), { code: 'AS_ERR_SOURCE_UNREADABLE' });
  for (const index of [0, 1, PUT_PART_MAX - 1, PUT_PART_MAX, bytes.length - 1, bytes.length, bytes.length + 1]) {
    const result = results.at(index) as PutResult;
    const record = await store.stat(result.blake3);
    t.match(record, { sha256: result.sha256, size: result.size, state: 'live', receipts: result.receipts });
    const [event] = await store.events({ after: result.event.seq - 1, limit: 1 });
    t.match(event, { kind: 'object.ingested', actor: 'bulk', subject: result.blake3, id: result.event.id });
    t.same(event?.dataBytes, result.cbor);
    const expected =
      index < bytes.length ? bytes[index] : index === bytes.length ? text('a stream') : await readFile(path);
    t.ok(equal(await (await store.get(result.blake3)).bytes(), expected as Uint8Array));
  }
  t.equal((await store.usage()).objects, bytes.length + 2);
  t.equal((await store.putMany([])).length, 0);
  await t.rejects(store.putMany([text('a'), 'b' as never]), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(store.putMany([text('a')], { signal: AbortSignal.abort() }), { code: 'AS_ERR_ABORTED' });
  await store.rebuild();
  t.equal((await store.usage()).objects, bytes.length + 2, 'the same after a rebuild');
});

t.test('compaction gives back what deleted objects take, and loses nothing', async (t) => {
  const path = await folder(t);
  let store = await openStore({ path });
  const bytes = Array.from({ length: 600 }, () => randomBytes(3000));
  const results = [...(await store.putMany(bytes))] as PutResult[];
  await store.close();
  store = await openStore({ path }); // a segment that nobody writes to any more
  t.teardown(() => store.close());
  await store.put(randomBytes(100));
  await Promise.all(results.slice(30).map(({ blake3 }) => store.delete(blake3)));
  const reports: number[] = [];
  const report = await store.compact({ onProgress: ({ movedSize }) => reports.push(movedSize) });
  t.ok(reports.length > 0 && reports.at(-1) === report.movedSize, 'progress ends with what was done');
  t.same(await store.compact({ signal: AbortSignal.abort() }), { movedSize: 0, freedSize: 0, removedSegments: 0 });
  for (const [index, { blake3 }] of results.slice(0, 30).entries()) {
    t.ok(equal(await (await store.get(blake3)).bytes(), bytes[index] as Uint8Array));
  }
});

t.test('bad names', async (t) => {
  const store = await opened(t);
  for (let i = 0; i < 300; i++) await store.put(text(`object ${i}`));
  const { objects } = await store.list();
  const counts = new Map<string, number>();
  for (const { blake3, sha256 } of objects) {
    for (const hex of [blake3.slice(7, 11), sha256.slice(7, 11)]) counts.set(hex, (counts.get(hex) ?? 0) + 1);
  }
  const ambiguous = [...counts].find(([, count]) => count > 1)?.[0];
  if (ambiguous === undefined) t.comment('no two of 600 digests share 4 digits this time');
  else await t.rejects(store.stat(ambiguous), { code: 'AS_ERR_AMBIGUOUS_DIGEST' });
  for (const name of ['', 'abc', 'zzzz', 'md5:abcd', '../../etc/passwd', `blake3:${'0'.repeat(65)}`, 'blake3:']) {
    await t.rejects(store.get(name), { code: 'AS_ERR_INVALID_DIGEST' }, JSON.stringify(name));
  }
  await t.rejects(store.get(`blake3:${'0'.repeat(64)}`), { code: 'AS_ERR_NOT_FOUND' });
  const { blake3 } = objects[0] as ObjectRecord;
  await t.rejects(store.get(blake3, { range: { start: 0, end: 1_000 } }), { code: 'AS_ERR_RANGE' });
  await t.rejects(store.put(text('x'), { expect: 'blake3:00' as never }), { code: 'AS_ERR_INVALID_DIGEST' });
  await t.rejects(store.put(text('x'), { expect: blake3 }), { code: 'AS_ERR_DIGEST_MISMATCH' });
  const two = [blake3, `blake3:${'1'.repeat(64)}`] as const;
  await t.rejects(store.put(text('x'), { expect: two }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(store.put(text('x'), { size: 2 }), { code: 'AS_ERR_SIZE_MISMATCH' });
  await t.rejects(store.put(text('x'), { size: -1 }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.equal((await store.list()).objects.length, 300, 'nothing was stored');
});

t.test('damage becomes an event, is never served, and heals', async (t) => {
  const store = await opened(t);
  const bytes = randomBytes(3_000_000);
  const { blake3 } = await store.put(bytes);
  await damageStored(join(store.path, 'data'), blake3, 2_500_000);
  const got: Uint8Array[] = [];
  await t.rejects(
    async () => {
      for await (const chunk of await store.get(blake3)) got.push(chunk);
    },
    { code: 'AS_ERR_CORRUPT' },
  );
  const before = Buffer.concat(got);
  t.ok(before.length > 0 && equal(before, bytes.subarray(0, before.length)), 'what came was right');
  const [event] = await store.events({ reverse: true, limit: 1 });
  t.match(event, { kind: 'object.corrupted', subject: blake3, data: { foundBy: 'read' } });
  t.match(await store.stat(blake3), { state: 'corrupt' });
  await t.rejects(store.get(blake3), { code: 'AS_ERR_CORRUPT' });
  const start = 2_500_000 - (2_500_000 % 16_384);
  t.match(await store.verify(blake3), { status: 'corrupt', damaged: [{ start, end: start + 16_384 }] });
  t.match(await store.put(bytes), { existed: false, healed: true });
  t.ok(equal(await (await store.get(blake3)).bytes(), bytes));
  await rm(objectPath(store, blake3));
  t.match(await store.verify(blake3), { status: 'missing', record: { state: 'corrupt' } }, 'lost bytes are damage');
  t.match(await store.put(bytes), { existed: false });
  await rm(objectPath(store, blake3));
  await t.rejects((await store.get(blake3)).bytes(), { code: 'AS_ERR_NOT_FOUND' });
  t.match(await store.stat(blake3), { state: 'corrupt' });
});

t.test('a deletion that crosses an ingest never loses an acknowledged copy', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  let crossing: (() => Promise<unknown>) | undefined;
  const slow = altered(plane, {
    ingestStream: async (source, hints) => {
      const result = await plane.ingestStream(source, hints);
      const cross = crossing;
      crossing = undefined;
      await cross?.(); // between the data plane’s commit and the event
      return result;
    },
    ingestMany: async (sources) => {
      const table = await plane.ingestMany(sources);
      const cross = crossing;
      crossing = undefined;
      await cross?.();
      return table;
    },
  });
  const store = new StoreClass(path, false, 'test', slow, log);
  t.teardown(() => store.close());
  const bytes = randomBytes(1_000);
  const { blake3 } = await store.put(bytes);
  crossing = () => store.delete(blake3);
  t.match(await store.put(bytes), { existed: false }, 'bytes are stored again by themselves');
  t.ok(equal(await (await store.get(blake3)).bytes(), bytes), 'and are there');
  crossing = () => store.delete(blake3);
  await t.rejects(store.put(Readable.from([bytes])), { code: 'AS_ERR_CONFLICT' }, 'a stream must be sent again');
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
  await store.put(bytes);
  crossing = () => store.delete(blake3);
  const many = await store.putMany([text('other'), bytes]);
  t.match(many.at(1), { blake3, existed: false }, 'one of many is stored again too');
  t.match(many.at(0), { size: 5 });
  t.ok(equal(await (await store.get(blake3)).bytes(), bytes));
  crossing = () => store.delete(blake3);
  const streams = await store.putMany([text('other'), Readable.from([bytes])]);
  t.match(streams.at(1), { code: 'AS_ERR_CONFLICT' });
  t.match(streams.at(0), { size: 5 }, 'which leaves the others alone');
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
});

t.test('a put that begins while the same content is being deleted', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  let found: (() => void) | undefined;
  const slow = altered(plane, {
    ingestStream: async (source, hints) => {
      const result = await plane.ingestStream(source, hints);
      found?.();
      return result;
    },
    deleteObject: async (address) => {
      // The put finds the bytes there, and waits for the deletion to say so.
      const isFound = new Promise<void>((resolve) => {
        found = resolve;
      });
      second = store.put(Readable.from([bytes]));
      second.catch(() => undefined); // looked at below
      await isFound;
      return plane.deleteObject(address);
    },
  });
  const store = new StoreClass(path, false, 'test', slow, log);
  t.teardown(() => store.close());
  const bytes = randomBytes(300_000);
  let second: Promise<PutResult> = Promise.reject(new Error('no deletion yet'));
  second.catch(() => undefined);
  const { blake3 } = await store.put(bytes);
  await store.delete(blake3);
  await t.rejects(second, { code: 'AS_ERR_CONFLICT' }, 'is not told that they are there');
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
});

t.test('ingest and delete of the same content at random', async (t) => {
  const store = await opened(t);
  const bytes = randomBytes(5_000);
  const { blake3 } = await store.put(bytes);
  let puts = 0;
  await Promise.all(
    Array.from({ length: 120 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      if (i % 4 !== 0) await store.delete(blake3).catch((error) => t.equal(error.code, 'AS_ERR_GONE'));
      else await store.put(bytes).then(() => puts++);
    }),
  );
  t.equal(puts, 30, 'every put was acknowledged');
  const { state } = await store.stat(blake3);
  const verified = state === 'live' ? (await store.verify(blake3)).status : 'missing';
  t.equal(verified, state === 'live' ? 'intact' : 'missing', `state is ${state}`);
});

t.test('the guard', async (t) => {
  const guard = new AddressGuard();
  const a = 'blake3:a' as ContentAddress;
  const order: string[] = [];
  await Promise.allSettled([
    guard.locked(a, async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push('first');
      throw new Error('failed');
    }),
    guard.locked(a, async () => order.push('second')),
    guard.locked('blake3:b', async () => order.push('other')),
  ]);
  t.same(order, ['other', 'first', 'second']);
  const early = guard.begin();
  guard.noteDeletion(a);
  const late = guard.begin();
  t.equal(guard.deletedSince(early, a), true);
  t.equal(guard.deletedSince(late, a), false);
  guard.end(early);
  guard.end(late);
});

t.test('opening and closing', async (t) => {
  const path = await folder(t);
  await t.rejects(openStore({ path: join(path, 'none'), create: false }), { code: 'AS_ERR_STORE_MISSING' });
  await t.rejects(openStore({ path, readOnly: true }), { code: 'AS_ERR_STORE_MISSING' });
  const nested = join(path, 'a', 'b', 'store');
  const store = await openStore({ path: nested });
  await t.rejects(openStore({ path: nested }), { code: 'AS_ERR_STORE_LOCKED' });
  const { blake3 } = await store.put(text('kept'));
  await Promise.all([store.close(), store.close()]);
  await t.rejects(store.put(text('x')), { code: 'AS_ERR_CLOSED' });
  const reader = await openStore({ path: nested, readOnly: true });
  t.equal(await (await reader.get(blake3)).text(), 'kept');
  const refusals: Promise<unknown>[] = [reader.put(text('x')), reader.delete(blake3), reader.rebuild()];
  for (const refused of refusals) {
    await t.rejects(refused, { code: 'AS_ERR_READ_ONLY' });
  }
  t.match(await reader.verify(blake3), { status: 'intact' });
  await reader.close();
  await rename(join(nested, 'events.sqlite'), join(path, 'log'));
  await t.rejects(openStore({ path: nested }), { code: 'AS_ERR_LOG_DAMAGED' }, 'objects without a log');
  await writeFile(join(nested, 'events.sqlite'), 'this is no database, whatever its name says');
  await t.rejects(openStore({ path: nested }), { code: 'AS_ERR_LOG_DAMAGED' });
  await rm(join(nested, 'events.sqlite'));
  await rename(join(path, 'log'), join(nested, 'events.sqlite'));
  await writeFile(join(nested, 'data', 'FORMAT'), 'artifactstore-data 3\n');
  await t.rejects(openStore({ path: nested }), { code: 'AS_ERR_STORE_FORMAT' });
  const other = join(path, 'other');
  await mkdir(other);
  await writeFile(join(other, 'thesis.txt'), 'years of work');
  await t.rejects(openStore({ path: other }), { code: 'AS_ERR_STORE_FORMAT' });
  t.same(await readdir(other), ['thesis.txt'], 'left as it was');
});

t.test('rebuild and follow', async (t) => {
  const store = await opened(t);
  const seen: string[] = [];
  const controller = new AbortController();
  const following = (async () => {
    for await (const event of store.follow({ after: 0, signal: controller.signal })) {
      seen.push(event.kind);
      if (seen.length === 4) break;
    }
  })();
  const { blake3 } = await store.put(text('one'));
  await store.put(text('two'));
  await store.delete(blake3);
  await following;
  t.same(seen, ['object.ingested', 'object.ingested', 'object.tombstoned', 'object.deleted']);
  const before = await store.list();
  await store.rebuild();
  t.same(await store.list(), before);
  const ended = (async () => {
    for await (const _ of store.follow({ signal: controller.signal })) t.fail('nothing happens');
  })();
  setTimeout(() => controller.abort(), 20);
  await ended;
  const untilClosed = (async () => {
    for await (const _ of store.follow()) t.fail('nothing happens');
  })();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await store.close();
  await untilClosed;
});

t.test('a deletion that a crash interrupted is finished on opening', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  const broken = altered(plane, { deleteObject: () => Promise.reject(new Error('the power went out')) });
  const store = new StoreClass(path, false, 'test', broken, log);
  const { blake3 } = await store.put(text('to be deleted'));
  await t.rejects(store.delete(blake3), { message: /power/ });
  t.match(await store.stat(blake3), { state: 'tombstoned' });
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
  await store.close();
  const again = await openStore({ path });
  t.match(await again.stat(blake3), { state: 'deleted' });
  await again.close();
  const bytes = await openInproc({ path: join(path, 'data') });
  t.match(await bytes.verifyObject(blake3), { status: 'missing' }, 'the bytes are gone');
  await bytes.close();
});

t.test('kill -9 in the middle of puts leaves a store that opens and verifies clean', async (t) => {
  let path = '';
  for (let round = 0; round < KILLS; round++) {
    path = round % 25 ? path : await folder(t); // each round opens what the ones before have left
    const child = forkUnhooked(new URL('./put-forever.js', import.meta.url), [path, round % 2 ? 'deferred' : '']);
    const acknowledged: string[] = [];
    child.on('message', (address) => acknowledged.push(address as string));
    await once(child, 'message');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
    child.kill('SIGKILL');
    await once(child, 'close');
    const store = await openStore({ path, create: false });
    for (const address of acknowledged) {
      const { status } = await store.verify(address);
      if (status !== 'intact') t.fail(`${address} was acknowledged and is ${status}`);
    }
    t.ok(acknowledged.length > 0, `round ${round}: ${acknowledged.length} acknowledged objects are whole`);
    const before = await allObjects(store);
    await store.rebuild();
    t.ok(isDeepStrictEqual(await allObjects(store), before), 'views equal a rebuild');
    t.same(await readdir(join(path, 'data', 'staging')), [], 'staging is empty');
    await store.close();
  }
});

t.test('a full disk', async (t) => {
  const path = await folder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    t.comment('this user may not mount a tmpfs: left out');
    return;
  }
  t.teardown(() => execFileSync('umount', [path]));
  const store = await openStore({ path });
  const small = await store.put(text('fits'));
  await t.rejects(store.put(randomBytes(20_000_000)), { code: 'AS_ERR_NO_SPACE' });
  await t.rejects(store.put(Readable.from([randomBytes(7_000_000), randomBytes(7_000_000)])), {
    code: 'AS_ERR_NO_SPACE',
  });
  t.match(await store.verify(small.blake3), { status: 'intact' });
  t.equal((await store.list()).objects.length, 1, 'nothing half stored');
  t.match(await store.put(text('fits too')), { existed: false }, 'and the space is back');
  await store.close();
});

t.test('what is known of objects is forgotten with what happens to them', async (t) => {
  const name = `blake3:${'a'.repeat(64)}` as const;
  const record = { blake3: name, sha256: `sha256:${'b'.repeat(64)}`, size: 1, state: 'live' } as ObjectRecord;
  const known = new KnownObjects();
  let asked = 0;
  const ask = async () => {
    asked++;
    return { ...record };
  };
  await known.get(name, ask);
  t.notOk(known.get(name, ask) instanceof Promise, 'remembered');
  t.notOk(known.get(record.sha256, ask) instanceof Promise, 'by both digests');
  t.equal(asked, 1);
  known.forget(name);
  t.ok(known.get(record.sha256, ask) instanceof Promise, 'forgotten by both');

  const other = new KnownObjects();
  let answer: (record: ObjectRecord) => void = () => undefined;
  const late = other.get(
    name,
    () =>
      new Promise<ObjectRecord>((resolve) => {
        answer = resolve;
      }),
  );
  other.forget(name); // while the registry is being asked: what it says may be of before
  answer({ ...record });
  await late;
  t.ok(other.get(name, ask) instanceof Promise, 'what may be old is not remembered');
  const dead = new KnownObjects();
  await dead.get(name, async () => ({ ...record, state: 'deleted' }));
  t.ok(dead.get(name, ask) instanceof Promise, 'only what is live is');
});

t.test('what runs is told to whoever listens', async (t) => {
  const spans: Span[] = [];
  const listen = (span: unknown) => spans.push(span as Span);
  subscribe(SPANS, listen);
  const began = performance.now();
  const store = await opened(t);
  const puts = await store.putMany(Array.from({ length: 3 }, (_, n) => text(`told ${n}`)));
  await store.retire([...puts].map((put) => (put as PutResult).blake3));
  await store.sweep();
  await store.close();
  unsubscribe(SPANS, listen);
  const ended = performance.now();
  for (const { begin, end } of spans) t.ok(began <= begin && begin <= end && end <= ended);
  const native = spans.filter(({ kind }) => kind === 'native').flatMap(({ what }) => what.split(' '));
  for (const operation of ['open', 'ingestMany', 'removeMany']) t.ok(native.includes(operation), operation);
  t.ok(spans.some(({ kind, what }) => kind === 'sqlite' && what.startsWith('INSERT INTO commits_')));
  const count = spans.length;
  await (await opened(t)).put(text('nobody listens'));
  t.equal(spans.length, count);
});
