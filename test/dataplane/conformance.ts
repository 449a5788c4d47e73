/**
 * The conformance kit of the data-plane contract: what any implementation and any backend must do, tested through the five operations
 * alone. Call `conformance` from a test file with a way to open the implementation, and, where the backend allows it, a way to
 * damage what it keeps.
 *
 * Independent of the implementation: expected digests come from node:crypto and from known answers.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { decodeCanonical, encodeCanonical } from '../../lib/cbor/index.js';
import type { ClosableDataPlane } from '../../lib/dataplane/closable.js';
import { encodeIngestResult } from '../../lib/dataplane/encoding.js';
import { fileSource } from '../../lib/dataplane/file-source.js';
import type {
  ByteRange,
  ByteSource,
  ContentAddress,
  DataPlane,
  IngestResult,
  IngestTable,
  SessionResult,
  SmallSend,
  VerifyOptions,
} from '../../lib/dataplane/spi.js';
import { formatBlake3, formatSha256, toHex } from '../../lib/digest-name.js';
import { isStoreError } from '../../lib/errors.js';
import { GROUP_SIZE } from '../../lib/limits.js';

/** What the kit needs of an implementation. */
export interface Subject {
  name: string;
  /** Small objects in the tests of many; fewer where each takes a server some 20 ms. Default 1,500. */
  many?: number;
  /** Opens an empty data plane; `close` ends it and removes what it kept. */
  open(): Promise<{
    /** It may list what it has, which is no part of the contract. */
    plane: DataPlane & Pick<Partial<ClosableDataPlane>, 'listObjects'>;
    close(): Promise<void>;
    /** Flips one bit of the stored byte at `offset`; absent when the backend cannot be reached behind its back. */
    damage?(address: ContentAddress, offset: number): Promise<void>;
    /** The data plane’s barrier; absent when it has none, and takes `deferred` for `durable`. */
    sync?(): Promise<void>;
    /** Upload sessions are offered. `reopen` ends the data plane and opens it again with what it kept; absent when it keeps nothing. */
    sessions?: { reopen?(): Promise<DataPlane> };
  }>;
}

type Opened = Awaited<ReturnType<Subject['open']>> & { many: number };

const EMPTY_BLAKE3 = 'blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262';
const ABC_BLAKE3 = 'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85';
/** Nothing has this address: nobody knows bytes that hash to zero. */
const ABSENT: ContentAddress = `blake3:${'0'.repeat(64)}`;

const ABSENT_BYTES = new Uint8Array(32);
const EMPTY = new Uint8Array(0);

/** Runs the kit as subtests of `t`. */
export async function conformance(t: Test, subject: Subject): Promise<void> {
  await t.test(`${subject.name}: the data-plane contract`, async (t) => {
    const opened: Opened = { many: 1_500, ...(subject.many && { many: subject.many }), ...(await subject.open()) };
    t.teardown(() => opened.close());
    await t.test('ingest names bytes by both digests', (t) => ingestNames(t, opened));
    await t.test('ingest takes any chunking and gives back the same bytes', (t) => ingestChunking(t, opened));
    await t.test('ingest takes a local file', (t) => ingestFile(t, opened));
    await t.test('ingest is idempotent, also at the same time', (t) => ingestTwice(t, opened));
    await t.test('ingest keeps to its hints', (t) => ingestHints(t, opened));
    if (opened.plane.ingestMany === undefined) t.comment('not many objects in one call: their test left out');
    else await t.test('many in one call are what each would be', (t) => ingestManyAtOnce(t, opened));
    await t.test('ingest takes deferred durability as a hint', (t) => ingestDeferred(t, opened));
    await t.test('a failing source leaves nothing behind', (t) => failingSource(t, opened));
    await t.test('results are plain data', (t) => plainResults(t, opened));
    await t.test('serve gives any range', (t) => serveRanges(t, opened));
    if (opened.plane.serveFile === undefined) t.comment('it does not write files itself: their test left out');
    else await t.test('serve puts into a file what it would give', (t) => serveIntoFiles(t, opened));
    if (opened.plane.serveSmall === undefined) t.comment('it gives nothing in one piece: their test left out');
    else await t.test('serve gives few bytes in one piece', (t) => serveInOnePiece(t, opened));
    if (opened.plane.sendSmall === undefined) t.comment('it sends no small ones together: their test left out');
    else await t.test('serve sends many small ones to sockets at once', (t) => sendTogether(t, opened));
    if (opened.plane.serveSocket === undefined) t.comment('it sends nothing itself: their test left out');
    else await t.test('serve sends to a socket what it would give', (t) => serveIntoSockets(t, opened));
    await t.test('serve refuses what is not there', (t) => serveAbsent(t, opened));
    await t.test('serve may be ended early, abandoned, and run many times at once', (t) => serveEarlyEnd(t, opened));
    await t.test('chunks are the reader’s to keep', (t) => serveOwned(t, opened));
    await t.test('verify finds whole objects intact and absent ones missing', (t) => verifyIntact(t, opened));
    await t.test('verify computes BLAKE3 alone when asked to', (t) => verifyQuick(t, opened));
    await t.test('verify reads a large object no faster than asked to, and ends when told to', (t) =>
      verifySlowly(t, opened),
    );
    await t.test('many are verified and deleted at once, each by itself', (t) => manyAtOnce(t, opened));
    await t.test('delete is idempotent and final', (t) => deleteTwice(t, opened));
    if (opened.plane.eraseObject === undefined) t.comment('its objects share no files: the test of erasing left out');
    else await t.test('erasing is deleting, of one among others', (t) => erase(t, opened));
    if (opened.plane.deleteMany === undefined) t.comment('not many deletions in one call: their test left out');
    else await t.test('many deletions in one call are what each would be', (t) => deleteManyAtOnce(t, opened));
    if (opened.plane.listObjects === undefined) t.comment('it does not list what it has: that test left out');
    else await t.test('what is stored is listed, and nothing else', (t) => listed(t, opened));
    if (opened.sessions === undefined) t.comment('no upload sessions here: their tests left out');
    else {
      await t.test('upload sessions give what a plain ingest gives', (t) => sessionSplits(t, opened));
      await t.test('upload sessions go on only from where they stand', (t) => sessionOffsets(t, opened));
      await t.test('upload sessions check what is expected when they end', (t) => sessionHints(t, opened));
      await t.test('upload sessions have one writer', (t) => sessionWriters(t, opened));
      await t.test('upload sessions keep what came before a cut', (t) => sessionCuts(t, opened));
    }
    await t.test('everything at once', (t) => everythingAtOnce(t, opened));
    await t.test('health says what stands behind', (t) => health(t, opened));
    if (opened.damage === undefined) t.comment('this backend cannot be damaged behind its back: damage tests left out');
    else await t.test('damage is noticed, named, never served, and healed', (t) => damaged(t, opened));
  });
}

async function ingestNames(t: Test, { plane }: Opened): Promise<void> {
  const empty = await ingest(plane, new Uint8Array(0));
  t.equal(formatBlake3(empty.blake3), EMPTY_BLAKE3);
  t.equal(empty.size, 0);
  const abc = await ingest(plane, new TextEncoder().encode('abc'));
  t.equal(formatBlake3(abc.blake3), ABC_BLAKE3);
  t.equal(formatSha256(abc.sha256), sha256('abc'));
  t.equal(abc.size, 3);
  t.equal(abc.existed, false);
  t.ok(abc.receipts.length >= 1, 'there is a receipt');
}

async function ingestChunking(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [1, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1, 1 << 20, (1 << 20) + 1, 3_500_017]) {
    const bytes = randomBytes(size);
    for (const chunks of [
      [bytes],
      pieces(bytes, 65_536),
      [new Uint8Array(0), ...pieces(bytes, 1_000_003), new Uint8Array(0)],
    ]) {
      const result = await plane.ingestStream(stream(chunks), {});
      t.equal(formatSha256(result.sha256), sha256(bytes), `${size} bytes in ${chunks.length} chunks`);
      t.equal(result.size, size);
      t.ok(equal(await read(plane, formatBlake3(result.blake3)), bytes), 'the same bytes come back');
    }
  }
}

async function ingestManyAtOnce(t: Test, { plane, many }: Opened): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-kit-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const failure = new Error('the source broke');
  async function* breaking() {
    yield randomBytes(10);
    throw failure;
  }
  const known = randomBytes(500);
  await ingest(plane, known);
  const sizes = [0, 1, 4096, 70_000, 300_000, 1 << 20, ...Array.from({ length: many }, (_, i) => (i * 37) % 3000)];
  const objects = sizes.map((size) => randomBytes(size));
  const sources: ByteSource[] = objects.map((bytes) => ({ bytes, ...stream([bytes]) }));
  const expected: (Uint8Array | string | Error)[] = [...objects];
  const add = (source: ByteSource, outcome: Uint8Array | string | Error) => {
    sources.push(source);
    expected.push(outcome);
  };
  for (const size of [0, 10, 262_144, 262_145, 9_000_000]) {
    const bytes = randomBytes(size);
    await writeFile(join(folder, `file-${size}`), bytes);
    add(fileSource(join(folder, `file-${size}`)), bytes);
    add(fileSource(join(folder, 'none')), 'AS_ERR_SOURCE_UNREADABLE');
    add(breaking(), failure);
    add(stream(pieces(bytes, 1000)), bytes);
  }
  add(stream([known]), known);
  const table = (await plane.ingestMany?.(sources)) as IngestTable;
  t.equal(table.length, sources.length);
  for (const [index, outcome] of expected.entries()) {
    const error = table.errors.get(index);
    if (!(outcome instanceof Uint8Array)) {
      t.ok(error === outcome || isStoreError(error, outcome as string as never), `${index} fails as it would alone`);
      continue;
    }
    const result = table.result(index);
    if (error !== undefined || formatSha256(result.sha256) !== sha256(outcome) || result.size !== outcome.byteLength) {
      t.fail(`${index} has the digests and the size of its bytes`);
    }
    const again = await ingest(plane, outcome);
    t.same({ ...again, existed: false }, { ...result, existed: false }, 'and is what an ingest of its own gives');
  }
  t.equal(table.result(expected.length - 1).existed, true);
  t.equal((await plane.ingestMany?.([]))?.length, 0);
}

async function ingestFile(t: Test, { plane }: Opened): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-kit-'));
  t.teardown(() => rm(folder, { recursive: true }));
  for (const size of [0, 10, 20_000_003]) {
    const bytes = randomBytes(size);
    const path = join(folder, `file-${size}`);
    await writeFile(path, bytes);
    let seen = 0;
    const source = fileSource(path, { onRead: (more) => (seen += more) });
    const result = await plane.ingestStream(source, { size });
    t.equal(formatSha256(result.sha256), sha256(bytes));
    t.equal(seen, size, 'progress adds up to the size');
    t.ok(equal(await read(plane, formatBlake3(result.blake3)), bytes));
  }
  await rejects(t, plane.ingestStream(fileSource(join(folder, 'none')), {}), 'AS_ERR_SOURCE_UNREADABLE');
  await rejects(t, plane.ingestStream(fileSource(folder), {}), 'AS_ERR_SOURCE_UNREADABLE');
  const given = fileSource(join(folder, 'file-20000003'), { signal: AbortSignal.abort() });
  await rejects(t, plane.ingestStream(given, {}), 'AS_ERR_ABORTED');
}

async function ingestTwice(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [100, 2_000_000]) {
    const bytes = randomBytes(size);
    const results = await Promise.all(Array.from({ length: 12 }, () => ingest(plane, bytes)));
    t.equal(new Set(results.map(({ blake3 }) => toHex(blake3))).size, 1);
    t.equal(results.filter(({ existed }) => !existed).length, 1, 'exactly one of them was first');
    t.equal((await ingest(plane, bytes)).existed, true);
    t.ok(equal(await read(plane, formatBlake3((results[0] as IngestResult).blake3)), bytes));
  }
}

async function ingestHints(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [1_000, 3_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    await plane.deleteObject(address);
    const other = randomBytes(size);
    const right = sha256(bytes);
    await rejects(t, plane.ingestStream(stream([other]), { blake3: address }), 'AS_ERR_DIGEST_MISMATCH');
    await rejects(t, plane.ingestStream(stream([other]), { sha256: right }), 'AS_ERR_DIGEST_MISMATCH');
    await rejects(t, plane.ingestStream(stream([bytes]), { size: size + 1 }), 'AS_ERR_SIZE_MISMATCH');
    await rejects(t, plane.ingestStream(stream([bytes]), { size: size - 1 }), 'AS_ERR_SIZE_MISMATCH');
    await rejects(
      t,
      plane.ingestStream(stream([bytes]), { blake3: address, sha256: sha256('other') }),
      'AS_ERR_DIGEST_MISMATCH',
    );
    t.equal((await plane.verifyObject(address)).status, 'missing', 'nothing was stored');
    const held = await plane.ingestStream(stream([bytes]), { blake3: address, sha256: right, size });
    t.equal(held.existed, false);
  }
}

async function ingestDeferred(t: Test, { plane, sync }: Opened): Promise<void> {
  const sizes = [0, 100, 20_000, 300_000, 3_500_000];
  const contents = sizes.map((size) => randomBytes(size));
  const defer = (bytes: Uint8Array) => plane.ingestStream(stream(pieces(bytes, 200_000)), { durability: 'deferred' });
  const results = await Promise.all(contents.map(defer));
  for (const [index, { blake3, sha256: found, receipts }] of results.entries()) {
    const bytes = contents[index] as Uint8Array;
    t.equal(formatSha256(found), sha256(bytes));
    if (sync === undefined)
      t.notMatch(receipts, [{ durability: 'deferred' }], 'what cannot be synced later is durable now');
    const before = await readUntilError(plane, formatBlake3(blake3));
    if (before.error) t.ok(isStoreError(before.error, 'AS_ERR_NOT_FOUND'), 'absent until the barrier, or there');
    else t.ok(equal(before.got, bytes));
  }
  await sync?.();
  for (const [index, { blake3 }] of results.entries()) {
    const address = formatBlake3(blake3);
    t.ok(equal(await read(plane, address), contents[index] as Uint8Array), 'there after the barrier');
    t.match(await plane.verifyObject(address), { status: 'intact' });
    const again = await defer(contents[index] as Uint8Array);
    t.equal(again.existed, true);
    t.notMatch(again.receipts, [{ durability: 'deferred' }], 'what was there is durable');
  }
  for (const size of [100, 300_000]) {
    const bytes = randomBytes(size);
    const { blake3 } = await defer(bytes);
    const durable = await ingest(plane, bytes);
    t.notMatch(durable.receipts, [{ durability: 'deferred' }], 'whoever asks for durability gets it');
    t.ok(equal(await read(plane, formatBlake3(blake3)), bytes));
    const { blake3: deleted } = await defer(randomBytes(size));
    await plane.deleteObject(formatBlake3(deleted));
    await sync?.();
    t.match(await plane.verifyObject(formatBlake3(deleted)), { status: 'missing' }, 'the barrier brings nothing back');
  }
  const hints = { durability: 'deferred', size: 4 } as const;
  await rejects(t, plane.ingestStream(stream([randomBytes(5)]), hints), 'AS_ERR_SIZE_MISMATCH');
  const unknown = { durability: 'sometime' as 'deferred' };
  await rejects(t, plane.ingestStream(stream([EMPTY]), unknown), 'AS_ERR_INVALID_ARGUMENT');
}

async function failingSource(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [100, 3_000_000]) {
    const bytes = randomBytes(size);
    const failure = new Error('the source broke');
    let returned = false;
    async function* breaking(): AsyncGenerator<Uint8Array> {
      try {
        yield bytes;
        throw failure;
      } finally {
        returned = true;
      }
    }
    await t.rejects(plane.ingestStream(breaking(), {}), failure, 'the source’s own error comes through');
    t.ok(returned);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    await plane.deleteObject(address);
    await t.rejects(plane.ingestStream(breaking(), {}), failure);
    t.equal((await plane.verifyObject(address)).status, 'missing');
  }
}

async function plainResults(t: Test, { plane }: Opened): Promise<void> {
  const result = await ingest(plane, randomBytes(20_000));
  const bytes = encodeIngestResult(result);
  t.same(encodeCanonical(decodeCanonical(bytes)), bytes, 'an ingest result is canonical CBOR');
  const address = formatBlake3(result.blake3);
  for (const value of [
    await plane.verifyObject(address),
    await plane.backendHealth(),
    await plane.deleteObject(address),
  ]) {
    t.same(decodeCanonical(encodeCanonical(plain(value))), value, 'a result survives canonical CBOR');
  }
}

async function serveRanges(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [0, 1, 50_000, 3_333_333]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    const ranges: ByteRange[] = [
      { start: 0, end: size },
      { start: 0, end: 0 },
      { start: size, end: size },
      { start: Math.floor(size / 3), end: Math.ceil(size / 2) },
    ];
    for (let i = 0; i < 20; i++) {
      const [start = 0, end = 0] = [random(size + 1), random(size + 1)].sort((a, b) => a - b);
      ranges.push({ start, end });
    }
    for (const range of ranges) {
      const got = await read(plane, address, range);
      t.ok(equal(got, bytes.subarray(range.start, range.end)), `bytes ${range.start} to ${range.end} of ${size}`);
    }
    await rejects(t, read(plane, address, { start: 0, end: size + 1 }), 'AS_ERR_RANGE');
    await rejects(t, read(plane, address, { start: size + 1, end: size + 1 }), 'AS_ERR_RANGE');
    await rejects(t, read(plane, address, { start: 1, end: 0 }), 'AS_ERR_RANGE');
    await rejects(t, read(plane, address, { start: -1, end: 0 }), 'AS_ERR_RANGE');
  }
}

/** Twice, because what has been read before may come from elsewhere. */
async function serveInOnePiece(t: Test, { plane, damage }: Opened): Promise<void> {
  const give = async (address: ContentAddress, range: ByteRange) => plane.serveSmall?.(address, range);
  for (const size of [0, 1, 4096, 16_385, 70_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    for (const range of [
      { start: 0, end: size },
      { start: Math.floor(size / 3), end: Math.ceil(size / 2) },
    ]) {
      for (let n = 0; n < 2; n++) {
        const given = await give(address, range);
        if (given === undefined) t.ok(range.end > 16_384, `${size} bytes are too many`);
        else
          t.ok(equal(given, bytes.subarray(range.start, range.end)), `bytes ${range.start} to ${range.end} of ${size}`);
      }
    }
    await rejects(
      t,
      give(address, { start: 0, end: size + 1 }).then(
        (given) => given ?? read(plane, address, { start: 0, end: size + 1 }),
      ),
      'AS_ERR_RANGE',
    );
  }
  await rejects(t, give(formatBlake3(randomBytes(32)), { start: 0, end: 1 }), 'AS_ERR_NOT_FOUND');
  if (damage === undefined) return;
  const address = formatBlake3((await ingest(plane, randomBytes(4096))).blake3);
  for (let n = 0; n < 2; n++) await give(address, { start: 0, end: 4096 });
  await damage(address, 2000);
  await rejects(t, give(address, { start: 0, end: 4096 }), 'AS_ERR_CORRUPT');
}

/** A connection on loopback: the descriptor of one end, and what comes out of the other. */
async function makeLine(t: Test) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  const chunks: Buffer[] = [];
  far.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
  near.on('error', () => undefined);
  t.teardown(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  const { fd } = (near as Socket & { _handle: { fd: number } })._handle;
  const write = (chunk: Uint8Array) => new Promise<void>((resolve) => near.write(chunk, () => resolve()));
  return { near, far, fd, chunks, write };
}

/** What has been read before may be at hand; nothing has to be. What is sent is right, and of a damaged object nothing is. */
async function sendTogether(t: Test, { plane, damage }: Opened): Promise<void> {
  const head = Buffer.from('a head');
  const put = async (size: number) => {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    for (let n = 0; n < 2; n++) await plane.serveSmall?.(address, { start: 0, end: size });
    return { bytes, address };
  };
  const objects = [await put(0), await put(1), await put(4096), await put(8192)];
  const wrong = await put(4096);
  if (damage !== undefined) await damage(wrong.address, 2000);
  const absent = { bytes: randomBytes(100), address: formatBlake3(randomBytes(32)) };
  const all = [...objects, wrong, absent, ...Array.from({ length: 100 }, () => objects[2] as (typeof objects)[0])];
  const memory = Buffer.alloc(all.length * 10_000);
  const lines = await Promise.all(all.map(() => makeLine(t)));
  const sends = all.map(({ bytes, address }, n): SmallSend => {
    const [start, end] = [n * 10_000 + 7, n * 10_000 + 7 + head.length];
    memory.set(head, start);
    return { socket: lines[n]?.fd ?? -1, start, end, address, size: bytes.length, sent: -1 };
  });
  const unconnected = { ...sends[0], socket: -1 } as SmallSend;
  plane.sendSmall?.(memory, [...sends, unconnected]);
  t.equal(unconnected.sent, -1, 'there is no socket');
  if (damage !== undefined) t.equal(sends[4]?.sent, -1, 'damaged bytes');
  t.equal(sends[5]?.sent, -1, 'what is not there');
  t.comment(`${sends.filter(({ sent }) => sent >= 0).length} of ${sends.length} were at hand`);
  for (const [n, { sent, start, end, size }] of sends.entries()) {
    const line = lines[n] as (typeof lines)[0];
    if (sent >= 0) await line.write(memory.subarray(start + sent, end + size));
    line.near.end();
    await once(line.far, 'close');
    const expected = sent < 0 ? Buffer.alloc(0) : Buffer.concat([head, (all[n] as typeof absent).bytes]);
    if (!equal(Buffer.concat(line.chunks), expected)) t.fail(`answer ${n} is not what was asked for`);
  }
}

async function serveIntoSockets(t: Test, { plane }: Opened): Promise<void> {
  const send = async (line: Awaited<ReturnType<typeof makeLine>>, address: ContentAddress, range: ByteRange) => {
    let told = 0;
    for await (const step of plane.serveSocket?.(address, line.fd, range) ?? []) {
      told += typeof step === 'number' ? step : step.byteLength;
      if (typeof step !== 'number') await line.write(step);
    }
    return told;
  };
  for (const size of [1, 70_000, 3_000_000, 30_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    const ranges = [
      { start: 0, end: size },
      { start: Math.floor(size / 3), end: Math.ceil(size / 2) },
    ];
    for (const range of ranges) {
      const line = await makeLine(t);
      if (size === 30_000_000) {
        line.far.pause(); // it takes some, and then nothing for a while
        setTimeout(() => line.far.resume(), 100);
      }
      const told = await send(line, address, range);
      t.equal(told, range.end - range.start);
      line.near.end();
      await once(line.far, 'close');
      t.ok(equal(Buffer.concat(line.chunks), bytes.subarray(range.start, range.end)), `${told} of ${size} bytes`);
    }
    await rejects(t, send(await makeLine(t), address, { start: 0, end: size + 1 }), 'AS_ERR_RANGE');
  }
  await rejects(t, send(await makeLine(t), formatBlake3(randomBytes(32)), { start: 0, end: 1 }), 'AS_ERR_NOT_FOUND');
  const address = formatBlake3((await ingest(plane, randomBytes(30_000_000))).blake3);
  const gone = await makeLine(t);
  gone.far.destroy();
  await rejects(t, send(gone, address, { start: 0, end: 30_000_000 }), 'AS_ERR_ABORTED');
}

async function serveIntoFiles(t: Test, { plane, damage }: Opened): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-kit-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'target');
  const put = async (address: ContentAddress, range?: ByteRange, signal?: AbortSignal) => {
    await writeFile(path, '');
    let told = 0;
    const sink = { path, onWrite: (size: number) => (told += size), ...(signal && { signal }) };
    const isDone = await plane.serveFile?.(address, sink, range);
    return { isDone, told, bytes: await readFile(path) };
  };
  for (const size of [0, 1, 16_384, 70_000, 262_145, 3_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    t.strictSame(await put(address), { isDone: true, told: size, bytes }, `${size} bytes`);
    const range = { start: Math.floor(size / 3), end: Math.ceil(size / 2) };
    const part = bytes.subarray(range.start, range.end);
    t.strictSame(await put(address, range), { isDone: true, told: part.length, bytes: part }, 'a range of them');
    await t.rejects(put(address, { start: 0, end: size + 1 }), { code: 'AS_ERR_RANGE' });
  }
  const bytes = randomBytes(9_000_000);
  const address = formatBlake3((await ingest(plane, bytes)).blake3);
  await writeFile(path, 'mine');
  t.equal(await plane.serveFile?.(address, { path }), false, 'a file with something in it is left alone');
  t.equal(await readFile(path, 'utf8'), 'mine');
  t.equal(await plane.serveFile?.(address, { path: join(folder, 'none') }), false, 'one that is not there is not made');
  await t.rejects(put(address, undefined, AbortSignal.abort()), { code: 'AS_ERR_ABORTED' });
  const absent = formatBlake3(randomBytes(32));
  await t.rejects(put(absent), { code: 'AS_ERR_NOT_FOUND' });
  if (damage === undefined) return;
  await damage(address, 5_000_000);
  await t.rejects(put(address), { code: 'AS_ERR_CORRUPT' });
  const there = await readFile(path);
  t.ok(
    there.every((byte, n) => byte === bytes[n] || byte === 0),
    'no wrong byte is in the file',
  );
}

async function serveAbsent(t: Test, { plane }: Opened): Promise<void> {
  await rejects(t, read(plane, ABSENT), 'AS_ERR_NOT_FOUND');
  await rejects(t, read(plane, 'blake3:../../etc/passwd'), 'AS_ERR_INVALID_DIGEST');
  await rejects(t, plane.verifyObject(`sha256:${'0'.repeat(64)}` as ContentAddress), 'AS_ERR_INVALID_DIGEST');
  await rejects(t, plane.deleteObject('blake3:' as ContentAddress), 'AS_ERR_INVALID_DIGEST');
}

async function serveEarlyEnd(t: Test, { plane }: Opened): Promise<void> {
  const bytes = randomBytes(5_000_000);
  const address = formatBlake3((await ingest(plane, bytes)).blake3);
  for (let i = 0; i < 50; i++) {
    for await (const chunk of plane.serveObject(address)) {
      t.ok(chunk.byteLength > 0);
      break;
    }
  }
  const abandoned = plane.serveObject(address)[Symbol.asyncIterator]();
  await abandoned.next();
  const all = await Promise.all(Array.from({ length: 40 }, () => read(plane, address)));
  t.ok(all.every((got) => equal(got, bytes)));
}

async function serveOwned(t: Test, { plane }: Opened): Promise<void> {
  const bytes = randomBytes(4_000_000);
  const address = formatBlake3((await ingest(plane, bytes)).blake3);
  const kept: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(address)) kept.push(chunk);
  await read(plane, address);
  t.ok(equal(Buffer.concat(kept), bytes), 'what was kept did not change');
  kept[0]?.fill(0);
  t.ok(equal(await read(plane, address), bytes), 'writing into a chunk changes nothing stored');
}

async function verifyIntact(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [0, 5, 40_000, 9_000_001]) {
    const bytes = randomBytes(size);
    const { blake3 } = await ingest(plane, bytes);
    const result = await plane.verifyObject(formatBlake3(blake3));
    t.match(result, { status: 'intact', size, damaged: [], repaired: false });
    t.same(result.blake3, blake3);
    t.equal(formatSha256(result.sha256 as Uint8Array), sha256(bytes));
  }
  t.same(await plane.verifyObject(ABSENT), { status: 'missing', size: 0, damaged: [], repaired: false });
}

async function verifyQuick(t: Test, { plane, damage }: Opened): Promise<void> {
  for (const size of [0, 5, GROUP_SIZE + 1, 3_000_001]) {
    const { blake3 } = await ingest(plane, randomBytes(size));
    const address = formatBlake3(blake3);
    const expected = { status: 'intact', size, blake3, damaged: [], repaired: false };
    t.same(await plane.verifyObject(address, { digests: 'blake3' }), expected, `${size} bytes, without SHA-256`);
    t.ok((await plane.verifyObject(address, { digests: 'both' })).sha256, 'both when both are asked for');
  }
  t.match(await plane.verifyObject(ABSENT, { digests: 'blake3' }), { status: 'missing' });
  const wrong = { digests: 'sha256' } as unknown as VerifyOptions;
  await rejects(t, plane.verifyObject(ABSENT, wrong), 'AS_ERR_INVALID_ARGUMENT');
  if (damage === undefined) return;
  const size = 3_000_000;
  const address = formatBlake3((await ingest(plane, randomBytes(size))).blake3);
  await damage(address, 2_000_000);
  const start = 2_000_000 - (2_000_000 % GROUP_SIZE);
  const found = await plane.verifyObject(address, { digests: 'blake3' });
  t.match(found, { status: 'corrupt', damaged: [{ start, end: start + GROUP_SIZE }] }, 'it names the same damage');
  t.equal((await plane.deleteObject(address)).deleted, true);
}

/** At a rate at which it would take hours, an object is verified until the signal comes, and nothing is concluded about it. */
async function verifySlowly(t: Test, { plane }: Opened): Promise<void> {
  const address = formatBlake3((await ingest(plane, randomBytes(3_000_000))).blake3);
  const stop = new AbortController();
  const slow = plane.verifyObject(address, { bytesPerSecond: 100, signal: stop.signal });
  slow.catch(() => undefined); // reported below
  for (let i = 0; i < 3; i++)
    t.equal((await plane.verifyObject(address)).status, 'intact', 'others are not slowed down');
  stop.abort();
  await rejects(t, slow, 'AS_ERR_ABORTED');
  const fast = { bytesPerSecond: 1e12, signal: new AbortController().signal };
  t.match(await plane.verifyObject(address, fast), { status: 'intact', size: 3_000_000 });
  for (const bytesPerSecond of [0, -1, Number.NaN]) {
    await rejects(t, plane.verifyObject(address, { bytesPerSecond }), 'AS_ERR_INVALID_ARGUMENT');
  }
}

async function manyAtOnce(t: Test, { plane, many }: Opened): Promise<void> {
  const sizes = Array.from({ length: many }, (_, i) => (i % 300 === 0 ? 2_000_000 : 200 + i));
  const stored = await Promise.all(sizes.map((size) => ingest(plane, randomBytes(size))));
  const addresses = [...stored.map(({ blake3 }) => formatBlake3(blake3)), ABSENT];
  const verified = await Promise.all(
    addresses.map((address, i) => plane.verifyObject(address, i % 2 === 0 ? {} : { digests: 'blake3' })),
  );
  t.equal(verified.pop()?.status, 'missing');
  t.ok(verified.every(({ status, size }, i) => status === 'intact' && size === sizes[i]));
  t.ok(verified.every(({ sha256 }, i) => i % 2 === 1 || equal(sha256 ?? ABSENT_BYTES, stored[i]?.sha256 ?? EMPTY)));
  const deleted = await Promise.all([...addresses, ...addresses.slice(0, 3)].map((each) => plane.deleteObject(each)));
  t.equal(deleted.filter((each) => each.deleted).length, sizes.length, 'each once, and the absent one never');
  const gone = await Promise.all(addresses.map((address) => plane.verifyObject(address)));
  t.ok(gone.every(({ status }) => status === 'missing'));
}

async function deleteTwice(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [0, 100, 2_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    const first = await plane.deleteObject(address);
    t.equal(first.deleted, true);
    t.ok(first.freedSize >= 0);
    t.same(await plane.deleteObject(address), { deleted: false, freedSize: 0 });
    await rejects(t, read(plane, address), 'AS_ERR_NOT_FOUND');
    t.equal((await plane.verifyObject(address)).status, 'missing');
    t.equal((await ingest(plane, bytes)).existed, false, 'it may come back');
  }
}

async function erase(t: Test, { plane }: Opened): Promise<void> {
  const objects = [1, 12, 5000, 200_000, 600_000].map((size) => randomBytes(size));
  const others = [20, 3000, 70_000].map((size) => randomBytes(size));
  await Promise.all([...objects, ...others].map((bytes) => ingest(plane, bytes)));
  for (const bytes of objects) {
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    t.match(await plane.eraseObject?.(address), { deleted: true });
    t.same(await plane.eraseObject?.(address), { deleted: false, freedSize: 0 });
    await rejects(t, read(plane, address), 'AS_ERR_NOT_FOUND');
    t.equal((await plane.verifyObject(address)).status, 'missing');
  }
  for (const bytes of others) {
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    t.ok(equal(await read(plane, address), bytes), 'what stood beside them is whole');
    t.equal((await plane.verifyObject(address)).status, 'intact');
  }
  await rejects(t, Promise.resolve(plane.eraseObject?.('blake3:' as ContentAddress)), 'AS_ERR_INVALID_DIGEST');
}

async function deleteManyAtOnce(t: Test, { plane, many }: Opened): Promise<void> {
  const sizes = [0, 1, GROUP_SIZE + 1, 300_000, 2_000_000, ...Array.from({ length: many / 20 }, () => 100)];
  const contents = sizes.map((size) => randomBytes(size));
  const addresses: ContentAddress[] = [];
  for (const bytes of contents) addresses.push(formatBlake3((await ingest(plane, bytes)).blake3));
  const outcomes = (await plane.deleteMany?.([ABSENT, ...addresses])) ?? [];
  t.equal(outcomes.length, addresses.length + 1);
  t.same(outcomes[0], { deleted: false, freedSize: 0 }, 'what is not there is as good as deleted');
  for (const [index, outcome] of outcomes.slice(1).entries())
    t.ok(!(outcome instanceof Error) && outcome.deleted && outcome.freedSize >= 0, `${sizes[index]} bytes are gone`);
  for (const [index, address] of addresses.slice(0, 6).entries()) {
    await rejects(t, read(plane, address), 'AS_ERR_NOT_FOUND');
    t.equal((await plane.verifyObject(address)).status, 'missing');
    t.equal((await ingest(plane, contents[index] as Uint8Array)).existed, false, 'it may come back');
  }
  await rejects(t, Promise.resolve(plane.deleteMany?.(['blake3:' as ContentAddress])), 'AS_ERR_INVALID_DIGEST');
  t.same(await plane.deleteMany?.([]), []);
}

async function listed(t: Test, { plane }: Opened): Promise<void> {
  const list = async (address: ContentAddress) => {
    const part = Number.parseInt(address.slice(7, 9), 16);
    const listing = await plane.listObjects?.(part);
    if (listing === undefined) throw new Error('it has ceased to list');
    const { sizes, changed } = listing;
    const names = Array.from(sizes, (_, n) => formatBlake3(listing.addresses.subarray(32 * n, 32 * (n + 1))));
    t.same(names, [...new Set(names)].sort(), 'in the order of addresses, each once');
    t.ok(
      names.every((name) => Number.parseInt(name.slice(7, 9), 16) === part),
      'and none that begins otherwise',
    );
    const at = names.indexOf(address);
    return at < 0 ? undefined : { size: sizes[at] as number, changed: changed[at] as number };
  };
  for (const size of [0, 1, GROUP_SIZE, 200_000, 300_000, 3_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    const found = await list(address);
    t.equal(found?.size, size, `${size} bytes are listed`);
    t.ok(Math.abs((found?.changed ?? 0) - Date.now()) < 60 * 60 * 1000, 'as stored within the hour');
    await plane.deleteObject(address);
    t.equal(await list(address), undefined, 'and not any more when they are deleted');
  }
  for (const part of [-1, 256, 1.5, Number.NaN])
    await rejects(t, Promise.resolve(plane.listObjects?.(part)), 'AS_ERR_INVALID_ARGUMENT');
}

async function everythingAtOnce(t: Test, { plane }: Opened): Promise<void> {
  const objects = Array.from({ length: 60 }, (_, i) => randomBytes(i % 10 === 0 ? 1_500_000 + i : 100 * i));
  await Promise.all(
    objects.map(async (bytes, i) => {
      const address = formatBlake3((await ingest(plane, bytes)).blake3);
      const [got, verified] = await Promise.all([read(plane, address), plane.verifyObject(address)]);
      t.ok(equal(got, bytes) && verified.status === 'intact', `object ${i}`);
      if (i % 3 === 0) t.equal((await plane.deleteObject(address)).deleted, true);
    }),
  );
}

/** Sizes below, at and beyond what an implementation may treat differently. */
async function sessionSplits(t: Test, opened: Opened): Promise<void> {
  let { plane } = opened;
  for (const size of [0, 1, GROUP_SIZE, GROUP_SIZE + 1, 200_000, 300_000, 3_500_017]) {
    const bytes = randomBytes(size);
    const id = `split-${size}`;
    let offset = 0;
    for (const end of [0, random(size + 1), random(size + 1), random(size + 1)].sort((a, b) => a - b)) {
      const part = bytes.subarray(offset, end);
      const result = await plane.ingestStream(stream(pieces(part, 70_000)), { session: { id, offset, final: false } });
      checkPrefix(t, result, id, bytes.subarray(0, end));
      t.same(decodeCanonical(encodeCanonical(plain(result))), result, 'a session result survives canonical CBOR');
      offset = end;
      if (random(2) === 0 && opened.sessions?.reopen) plane = opened.plane = await opened.sessions.reopen();
      t.same(await plane.ingestStream(stream([]), { session: { id, query: true } }), result, 'a query says the same');
    }
    const rest = stream([bytes.subarray(offset)]);
    const result = await plane.ingestStream(rest, { size, session: { id, offset, final: true } });
    t.match(result, { size, existed: size < 2 ? Boolean : false, healed: false }); // tests before may have stored such small ones
    t.ok(result.receipts.length >= 1, 'there is a receipt');
    t.equal(formatSha256(result.sha256), sha256(bytes));
    const address = formatBlake3(result.blake3);
    t.ok(equal(await read(plane, address), bytes), 'the same bytes come back');
    t.equal((await plane.verifyObject(address)).status, 'intact');
    t.equal((await ingest(plane, bytes)).existed, true, 'a plain ingest finds them');
    await rejects(t, plane.ingestStream(stream([]), { session: { id, query: true } }), 'AS_ERR_NOT_FOUND');
    await plane.deleteObject(address);
  }
}

async function sessionOffsets(t: Test, { plane }: Opened): Promise<void> {
  const bytes = randomBytes(400_000);
  const id = 'offsets';
  const append = (offset: number, final = false) =>
    plane.ingestStream(stream([bytes.subarray(offset)]), { session: { id, offset, final } });
  await rejects(t, append(1_000), 'AS_ERR_NOT_FOUND');
  const first = await plane.ingestStream(stream([bytes.subarray(0, 300_000)]), {
    session: { id, offset: 0, final: false },
  });
  for (const wrong of [0, 299_999, 300_001]) {
    for (const final of [false, true]) {
      await t.rejects(append(wrong, final), { code: 'AS_ERR_OFFSET', details: { expected: 300_000 } });
    }
  }
  t.same(await plane.ingestStream(stream([]), { session: { id, query: true } }), first, 'nothing has changed');
  const nothing = await plane.ingestStream(stream([]), { session: { id, offset: 300_000, final: false } });
  t.same(nothing, first, 'no bytes are no progress');
  const done = (await append(300_000, true)) as IngestResult;
  t.equal(formatSha256(done.sha256), sha256(bytes));
  await rejects(t, append(300_000, true), 'AS_ERR_NOT_FOUND');
  t.match(await append(0, true), { existed: true }, 'from its beginning it is a new session');
  for (let i = 0; i < 2; i++) {
    const gone = await plane.ingestStream(stream([]), { session: { id, abort: true } });
    checkPrefix(t, gone, id, new Uint8Array(0));
  }
  await append(0);
  await plane.ingestStream(stream([]), { session: { id, abort: true } });
  await rejects(t, append(400_000, true), 'AS_ERR_NOT_FOUND');
  for (const bad of ['', '../x', 'a/b', 'ü', 'a.part', 'x'.repeat(65)]) {
    await rejects(
      t,
      plane.ingestStream(stream([]), { session: { id: bad, offset: 0, final: false } }),
      'AS_ERR_INVALID_ARGUMENT',
    );
  }
  for (const offset of [-1, 1.5, Number.NaN, 2 ** 60]) {
    await rejects(
      t,
      plane.ingestStream(stream([]), { session: { id, offset, final: false } }),
      'AS_ERR_INVALID_ARGUMENT',
    );
  }
}

async function sessionHints(t: Test, { plane }: Opened): Promise<void> {
  for (const size of [1_000, 800_000]) {
    const bytes = randomBytes(size);
    const id = `hints-${size}`;
    const offset = Math.floor(size / 2);
    const wrong = sha256('other');
    const rest = () => stream([bytes.subarray(offset)]);
    const session = { id, offset, final: true } as const;
    const hints = { sha256: wrong, size: 7, session: { id, offset: 0, final: false } } as const;
    await plane.ingestStream(stream([bytes.subarray(0, offset)]), hints);
    await rejects(t, plane.ingestStream(rest(), { session, sha256: wrong }), 'AS_ERR_DIGEST_MISMATCH');
    await rejects(t, plane.ingestStream(rest(), { session, size: size + 1 }), 'AS_ERR_SIZE_MISMATCH');
    const stands = await plane.ingestStream(stream([]), { session: { id, query: true } });
    checkPrefix(t, stands, id, bytes.subarray(0, offset));
    const result = await plane.ingestStream(rest(), { session, sha256: sha256(bytes), size });
    t.equal(result.size, size, 'the session has stayed, and ends well');
  }
}

async function sessionWriters(t: Test, { plane }: Opened): Promise<void> {
  const id = 'writers';
  const bytes = randomBytes(500_000);
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  let begun: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  async function* slow(): AsyncGenerator<Uint8Array> {
    begun();
    yield bytes.subarray(0, 300_000);
    await gate;
    yield bytes.subarray(300_000);
  }
  const writing = plane.ingestStream(slow(), { session: { id, offset: 0, final: true } });
  await started;
  const second = plane.ingestStream(stream([bytes]), { session: { id, offset: 0, final: false } });
  await rejects(t, second, 'AS_ERR_CONFLICT');
  await rejects(t, plane.ingestStream(stream([]), { session: { id, abort: true } }), 'AS_ERR_CONFLICT');
  const many = Array.from({ length: 20 }, (_, i) =>
    plane.ingestStream(stream(pieces(bytes, 90_001)), { session: { id: `writer-${i}`, offset: 0, final: true } }),
  );
  t.equal((await Promise.all(many)).filter(({ existed }) => !existed).length, 1, 'others go on meanwhile');
  go();
  t.equal(formatSha256((await writing).sha256), sha256(bytes));
}

/** A source that throws, or pauses for long: what came before it is there. */
async function sessionCuts(t: Test, { plane }: Opened): Promise<void> {
  const bytes = randomBytes(2_500_000);
  const id = 'cuts';
  const failure = new Error('the connection was cut');
  let offset = 0;
  for (const final of [false, true, false]) {
    const next = offset + 700_000;
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield* pieces(bytes.subarray(offset, next), 65_536);
      throw failure;
    }
    await t.rejects(plane.ingestStream(cut(), { session: { id, offset, final } }), failure);
    const stands = await plane.ingestStream(stream([]), { session: { id, query: true } });
    checkPrefix(t, stands, id, bytes.subarray(0, next));
    offset = next;
  }
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* pausing(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(offset, offset + 10);
    await gate;
    yield bytes.subarray(offset + 10);
  }
  const result = plane.ingestStream(pausing(), { session: { id, offset, final: true } });
  for (let tries = 0; ; tries++) {
    const stands = await plane.ingestStream(stream([]), { session: { id, query: true } });
    if (stands.session.offset === offset + 10) break;
    if (tries === 100) t.fail('ten bytes are not durable after ten seconds');
    if (tries === 100) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  go();
  t.equal(formatSha256((await result).sha256), sha256(bytes));
}

function checkPrefix(t: Test, result: SessionResult, id: string, prefix: Uint8Array): void {
  t.same(result.session, { id, offset: prefix.byteLength });
  t.equal(result.size, prefix.byteLength);
  t.equal(formatSha256(result.sha256), sha256(prefix));
  t.equal(result.blake3.byteLength, 32);
}

async function health(t: Test, { plane }: Opened): Promise<void> {
  const status = await plane.backendHealth();
  t.match(status, { ready: true, readOnly: false, backend: String, tier: 'hot', facts: {} });
  if (status.freeSize !== undefined && status.totalSize !== undefined) t.ok(status.freeSize <= status.totalSize);
}

async function damaged(t: Test, { plane, damage }: Opened): Promise<void> {
  for (const { size, at } of [
    { size: 1, at: 0 },
    { size: 10_000, at: 9_999 },
    { size: GROUP_SIZE + 1, at: GROUP_SIZE },
    { size: 200_000, at: 123_456 },
    { size: 300_000, at: 299_999 },
    { size: 5_000_000, at: 4_321_000 },
  ]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await ingest(plane, bytes)).blake3);
    await damage?.(address, at);
    const { got, error } = await readUntilError(plane, address);
    t.ok(isStoreError(error, 'AS_ERR_CORRUPT'), `${size} bytes damaged at ${at} are not served`);
    t.ok(equal(got, bytes.subarray(0, got.byteLength)), 'what came before the error is right');
    const result = await plane.verifyObject(address);
    t.equal(result.status, 'corrupt');
    const start = at - (at % GROUP_SIZE);
    t.same(result.damaged, [{ start, end: Math.min(start + GROUP_SIZE, size) }], 'the damaged group is named');
    await rejects(t, read(plane, address), 'AS_ERR_CORRUPT');
    const healed = await ingest(plane, bytes);
    t.match(healed, { existed: false, healed: true }, 'the same bytes heal it');
    t.ok(equal(await read(plane, address), bytes));
    t.equal((await plane.verifyObject(address)).status, 'intact');
  }
}

function ingest(plane: DataPlane, bytes: Uint8Array): Promise<IngestResult> {
  return plane.ingestStream(stream([bytes]), {});
}

async function* stream(chunks: Iterable<Uint8Array>): ByteSource & AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await Promise.resolve();
    yield chunk;
  }
}

async function read(plane: DataPlane, address: ContentAddress, range?: ByteRange): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(address, range)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function readUntilError(plane: DataPlane, address: ContentAddress): Promise<{ got: Uint8Array; error: unknown }> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of plane.serveObject(address)) chunks.push(chunk);
    return { got: Buffer.concat(chunks), error: undefined };
  } catch (error) {
    return { got: Buffer.concat(chunks), error };
  }
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.byteLength / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function sha256(bytes: Uint8Array | string): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

/** An interface has no index signature; a literal of the same members does. */
function plain(value: object): Parameters<typeof encodeCanonical>[0] {
  return { ...value } as Parameters<typeof encodeCanonical>[0];
}

async function rejects(t: Test, promise: Promise<unknown>, code: string): Promise<void> {
  await t.rejects(promise, { code }, `refused with ${code}`);
}
