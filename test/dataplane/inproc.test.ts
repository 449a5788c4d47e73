/** The in-process data plane on the local backend: the conformance kit, and what is its own: locks, formats, closing, arenas. */

import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once as eventOf } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Gather } from '../../lib/dataplane/backend/gather.js';
import type { LocalBackend } from '../../lib/dataplane/backend/local.js';
import { Arena } from '../../lib/dataplane/inproc/arena.js';
import { Compaction } from '../../lib/dataplane/inproc/compaction.js';
import { type InprocOptions, openInproc } from '../../lib/dataplane/inproc/index.js';
import { StreamIngest } from '../../lib/dataplane/inproc/ingest.js';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import { digestHex, formatBlake3 } from '../../lib/digest-name.js';
import {
  COMPACT_STEP_SIZE,
  READS_AHEAD,
  SESSION_CHECKPOINT_SIZE,
  SESSIONS_WRITTEN_MAX,
  SLAB_COUNT,
} from '../../lib/limits.js';
import { Op, OpenFlag, type Operation } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load.js';
import { Scheduler } from '../../lib/native/scheduler.js';
import { damageStored, flip } from '../support/stored.js';
import { conformance } from './conformance.js';

const SESSION_CHILD = new URL('./session-child.js', import.meta.url).pathname;

async function folder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'artifactstore-inproc-'));
}

function objectPath(path: string, address: ContentAddress): string {
  const hex = digestHex(address);
  return join(path, 'objects', hex.slice(0, 2), hex);
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

async function openSubject(options: Partial<InprocOptions> = {}) {
  const path = await folder();
  let current = await openInproc({ path, ...options });
  const reopen = async () => {
    await current.close();
    current = await openInproc({ path, ...options });
    return current;
  };
  return {
    plane: current,
    sync: () => current.sync(),
    sessions: { reopen },
    close: async () => {
      await current.close();
      await rm(path, { recursive: true });
    },
    damage: (address: ContentAddress, offset: number) => damageStored(path, address, offset),
  };
}

await conformance(t, { name: 'inproc/local', open: () => openSubject() });
await conformance(t, { name: 'inproc/local with one thread', open: () => openSubject({ threads: 1 }) });

t.test('opening', async (t) => {
  const path = await folder();
  t.teardown(() => rm(path, { recursive: true, force: true }));
  await t.rejects(openInproc({ path: join(path, 'none'), create: false }), { code: 'AS_ERR_STORE_MISSING' });
  await t.rejects(openInproc({ path, threads: 0 }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  const first = await openInproc({ path });
  await t.rejects(openInproc({ path }), { code: 'AS_ERR_STORE_LOCKED', message: new RegExp(String(process.pid)) });
  await first.close();
  const again = await openInproc({ path, create: false });
  await again.close();
  await writeFile(join(path, 'FORMAT'), 'artifactstore-data 99\n');
  await t.rejects(openInproc({ path }), { code: 'AS_ERR_STORE_FORMAT' });
});

t.test('a folder of other things is left alone', async (t) => {
  const path = await folder();
  t.teardown(() => rm(path, { recursive: true, force: true }));
  await writeFile(join(path, 'thesis.txt'), 'years of work');
  await t.rejects(openInproc({ path }), { code: 'AS_ERR_STORE_FORMAT' });
  t.same(await readdir(path), ['thesis.txt']);
});

t.test('read-only', async (t) => {
  const path = await folder();
  t.teardown(() => rm(path, { recursive: true, force: true }));
  await t.rejects(openInproc({ path, readOnly: true }), { code: 'AS_ERR_STORE_MISSING' });
  const writer = await openInproc({ path });
  const bytes = randomBytes(100_000);
  const address = formatBlake3((await writer.ingestStream(once(bytes), {})).blake3);
  await t.rejects(openInproc({ path, readOnly: true }), { code: 'AS_ERR_STORE_LOCKED' });
  await writer.close();
  const reader = await openInproc({ path, readOnly: true });
  const second = await openInproc({ path, readOnly: true });
  await t.rejects(openInproc({ path }), { code: 'AS_ERR_STORE_LOCKED' });
  for await (const chunk of second.serveObject(address)) t.same(chunk, new Uint8Array(bytes));
  await t.rejects(reader.ingestStream(once(bytes), {}), { code: 'AS_ERR_READ_ONLY' });
  await t.rejects(reader.deleteObject(address), { code: 'AS_ERR_READ_ONLY' });
  t.match(await reader.backendHealth(), { ready: true, readOnly: true });
  await Promise.all([reader.close(), second.close()]);
});

t.test('streams that drip give their slabs to others', async (t) => {
  const { plane, close } = await openSubject();
  t.teardown(close);
  const sizes = Array.from({ length: 3 * SLAB_COUNT }, (_, n) => [20_000, 300_000, 1_500_000][n % 3] as number);
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let waiting = 0;
  const drips = sizes.map((size) => randomBytes(size));
  const slow = drips.map((bytes) =>
    plane.ingestStream(
      (async function* () {
        for (let at = 0; at < bytes.byteLength - 7; at += 17_001)
          yield bytes.subarray(at, Math.min(at + 17_001, bytes.byteLength - 7));
        waiting++;
        await released;
        yield bytes.subarray(-7);
      })(),
      {},
    ),
  );
  const outcomes = Promise.allSettled(slow);
  const fast = randomBytes(5_000_000);
  const chunks = async function* () {
    for (let at = 0; at < fast.byteLength; at += 60_000) yield fast.subarray(at, at + 60_000);
  };
  const { sha256 } = await plane.ingestStream(chunks(), {});
  t.same(Buffer.from(sha256), createHash('sha256').update(fast).digest(), 'a fast one gets through');
  while (waiting < drips.length) await new Promise((resolve) => setTimeout(resolve, 5));
  release();
  for (const [n, outcome] of (await outcomes).entries()) {
    const expected = createHash('sha256')
      .update(drips[n] as Buffer)
      .digest();
    t.same(outcome.status === 'fulfilled' && Buffer.from(outcome.value.sha256), expected, `${sizes[n]} bytes`);
  }
});

t.test('closing', async (t) => {
  const { plane, close } = await openSubject();
  const bytes = randomBytes(5_000_000);
  const ingesting = plane.ingestStream(once(bytes), {});
  const address = formatBlake3((await plane.ingestStream(once(bytes), {})).blake3);
  const abandoned = plane.serveObject(address)[Symbol.asyncIterator]();
  await abandoned.next();
  await close();
  t.equal((await ingesting).size, bytes.byteLength, 'what was under way has ended well');
  for (let i = 0; i < READS_AHEAD; i++)
    t.notOk((await abandoned.next()).done, 'read ahead before the end, and verified');
  await t.rejects(abandoned.next(), { code: 'AS_ERR_CLOSED' });
  await t.rejects(plane.ingestStream(once(bytes), {}), { code: 'AS_ERR_CLOSED' });
  t.match(await plane.backendHealth(), { ready: false, problem: /closed/ });
  await plane.close();
});

t.test('damage in helper files', async (t) => {
  const path = await folder();
  const plane = await openInproc({ path });
  t.teardown(async () => {
    await plane.close();
    await rm(path, { recursive: true });
  });
  const bytes = randomBytes(400_000);
  const address = formatBlake3((await plane.ingestStream(once(bytes), {})).blake3);
  const packed = formatBlake3((await plane.ingestStream(once(bytes.subarray(0, 200_000)), {})).blake3);
  await flip(`${objectPath(path, address)}.obao4`, 20);
  await damageStored(path, packed, 200_000 + 20); // in a pack the outboard stands behind the object
  for (const one of [address, packed]) {
    t.match(await plane.verifyObject(one), { status: 'intact', repaired: true }, 'whole bytes get their outboard back');
    t.match(await plane.verifyObject(one), { status: 'intact', repaired: false });
  }
  await truncate(objectPath(path, address), 100_000);
  t.match(await plane.verifyObject(address), { status: 'corrupt' }, 'a truncated file is noticed');
  t.match(await plane.ingestStream(once(bytes), {}), { healed: true });
});

t.test('upload sessions are listed, and refused when their files are damaged', async (t) => {
  const path = await folder();
  const plane = await openInproc({ path });
  t.teardown(async () => {
    await plane.close();
    await rm(path, { recursive: true });
  });
  t.same(await plane.uploadSessions(), []);
  const before = Date.now();
  await plane.ingestStream(once(randomBytes(400_000)), { session: { id: 'a', offset: 0, final: false } });
  await plane.ingestStream(once(randomBytes(10)), { session: { id: 'b', offset: 0, final: false } });
  const sessions = await plane.uploadSessions();
  t.same(sessions.map(({ id }) => id).sort(), ['a', 'b']);
  for (const { changed, storedSize } of sessions) {
    t.ok(changed >= before - 2_000 && changed <= Date.now() + 2_000, 'when it last changed');
    t.ok(storedSize > 0);
  }
  await truncate(join(path, 'uploads', 'a.part'), 399_999);
  const append = () => plane.ingestStream(once(randomBytes(1)), { session: { id: 'a', offset: 400_000, final: true } });
  await t.rejects(append(), { code: 'AS_ERR_CORRUPT' });
  await t.rejects(plane.ingestStream(once(randomBytes(1)), { session: { id: 'a', query: true } }), {
    code: 'AS_ERR_CORRUPT',
  });
  await plane.ingestStream(once(randomBytes(1)), { session: { id: 'a', abort: true } });
  t.same(
    (await plane.uploadSessions()).map(({ id }) => id),
    ['b'],
  );
});

t.test('a fast upload session becomes durable as it goes', async (t) => {
  const { plane, close } = await openSubject();
  t.teardown(close);
  const query = () => plane.ingestStream(once(new Uint8Array(1)), { session: { id: 'fast', query: true } });
  async function* fast() {
    yield new Uint8Array(SESSION_CHECKPOINT_SIZE + 10);
    t.ok((await query()).session.offset >= SESSION_CHECKPOINT_SIZE, 'before more is asked for');
  }
  const result = await plane.ingestStream(fast(), { session: { id: 'fast', offset: 0, final: true } });
  t.equal(result.size, SESSION_CHECKPOINT_SIZE + 10);
});

t.test('upload sessions written to at once are bounded', async (t) => {
  const { plane, close } = await openSubject();
  t.teardown(close);
  let go: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  async function* waiting() {
    await gate;
    yield new Uint8Array(1);
  }
  const append = (id: string) => plane.ingestStream(waiting(), { session: { id, offset: 0, final: true } });
  const writing = Array.from({ length: SESSIONS_WRITTEN_MAX }, (_, i) => append(`w${i}`));
  await t.rejects(append('more'), { code: 'AS_ERR_LIMIT' });
  go();
  t.equal((await Promise.all(writing)).length, SESSIONS_WRITTEN_MAX);
  t.equal((await append('more')).existed, true, 'then there is room again');
  t.same(await plane.uploadSessions(), [], 'nothing is left of them');
});

t.test('an upload session outlives kill -9', async (t) => {
  const path = await folder();
  t.teardown(() => rm(path, { recursive: true, force: true }));
  const bytes = randomBytes(40_000_000);
  await writeFile(join(path, 'bytes'), bytes);
  const child = spawn(process.execPath, [SESSION_CHILD, join(path, 'data'), join(path, 'bytes')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await eventOf(child.stdout, 'data'); // it has acknowledged the first 20 MB and is taking the rest
  await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGKILL');
  await eventOf(child, 'exit');
  const plane = await openInproc({ path: join(path, 'data') });
  t.teardown(() => plane.close());
  const { session } = await plane.ingestStream(once(bytes), { session: { id: 'killed', query: true } });
  t.ok(session.offset >= 20_000_000, `${session.offset} bytes are there`);
  const { offset } = session;
  const rest = once(bytes.subarray(offset));
  const result = await plane.ingestStream(rest, { session: { id: 'killed', offset, final: true } });
  t.same(Buffer.from(result.sha256), createHash('sha256').update(bytes).digest());
});

t.test('bytes that are a small part of a large buffer', async (t) => {
  const plane = await openInproc({ path: t.testdir() });
  t.teardown(() => plane.close());
  const large = new Uint8Array(64 * 1024 * 1024);
  const count = 64;
  const before = process.memoryUsage().rss;
  const parts = Array.from({ length: count }, (_, i) => {
    const bytes = large.subarray(i * 100_000, (i + 1) * 100_000);
    bytes[0] = i;
    return { bytes, [Symbol.asyncIterator]: () => once(bytes) };
  });
  const results = await Promise.all(parts.map((part) => plane.ingestStream(part, {})));
  t.equal(new Set(results.map(({ blake3 }) => formatBlake3(blake3))).size, count);
  const grown = process.memoryUsage().rss - before;
  t.ok(grown < 150 * 1024 * 1024, `memory grew by ${grown}: the whole buffer was not copied for each part`);
});

t.test('files that are not what they seem', async (t) => {
  const { plane, close } = await openSubject();
  const path = await folder();
  t.teardown(async () => {
    await close();
    await rm(path, { recursive: true });
  });
  const { fileSource } = await import('../../lib/dataplane/file-source.js');
  execFileSync('mkfifo', [join(path, 'pipe')]);
  await t.rejects(plane.ingestStream(fileSource(join(path, 'pipe')), {}), { code: 'AS_ERR_SOURCE_UNREADABLE' });
  await writeFile(join(path, 'real'), 'abc');
  await symlink('real', join(path, 'link'));
  t.equal((await plane.ingestStream(fileSource(join(path, 'link')), {})).size, 3, 'a link that was named is followed');
  const latin1 = Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0x66, 0xfc, 0x72])]);
  await writeFile(latin1, 'abcd');
  t.equal((await plane.ingestStream(fileSource(latin1), {})).size, 4, 'a name that is not UTF-8');
  if (process.getuid?.() === 0) t.comment('root reads every file: permission test left out');
  else {
    await chmod(join(path, 'real'), 0);
    await t.rejects(plane.ingestStream(fileSource(join(path, 'real')), {}), { code: 'AS_ERR_SOURCE_UNREADABLE' });
  }
});

t.test('a slow source holds a slab, never a worker', async (t) => {
  const { plane, close } = await openSubject({ threads: 1 });
  t.teardown(close);
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  async function* slow() {
    yield randomBytes(10);
    await gate;
  }
  const waiting = Array.from({ length: 20 }, () => plane.ingestStream(slow(), {}));
  const quick = await plane.ingestStream(once(randomBytes(3_000_000)), {});
  t.equal(quick.size, 3_000_000, 'others go on meanwhile');
  release();
  t.equal((await Promise.all(waiting)).length, 20);
});

t.test('more streams than slabs', async (t) => {
  const { plane, close } = await openSubject();
  t.teardown(close);
  const objects = Array.from({ length: 100 }, () => randomBytes(2_100_000));
  const results = await Promise.all(objects.map((bytes) => plane.ingestStream(once(bytes), {})));
  t.ok(
    results.every(({ size }) => size === 2_100_000),
    'all of them get through',
  );
});

t.test('streams that wait for one worker are hashed two at a time, small objects in batches', async (t) => {
  const { plane, close } = await openSubject({ threads: 1 });
  t.teardown(close);
  const before = loadAddon().describe().counters;
  const objects = Array.from({ length: 9 }, () => randomBytes(3_000_000));
  const streams = await Promise.all(objects.map((bytes) => plane.ingestStream(once(bytes), {})));
  for (const [i, { sha256 }] of streams.entries()) {
    t.same(
      Buffer.from(sha256),
      createHash('sha256')
        .update(objects[i] as Uint8Array)
        .digest(),
    );
  }
  await Promise.all(Array.from({ length: 200 }, () => plane.ingestStream(once(randomBytes(1_000)), {})));
  const after = loadAddon().describe().counters;
  t.ok(after.twoStream.units > before.twoStream.units, 'the two-stream kernel ran');
  const verified = await Promise.all(streams.map(({ blake3 }) => plane.verifyObject(formatBlake3(blake3))));
  for (const [i, { status, sha256 }] of verified.entries()) {
    t.equal(status, 'intact');
    t.same(sha256, streams[i]?.sha256);
  }
  const { twoStream } = loadAddon().describe().counters;
  t.ok(twoStream.units > after.twoStream.units, 'and again when they are verified');
  t.ok(after.batch.units >= before.batch.units + 200, 'so did the batch kernel');
  t.ok(after.batch.calls < before.batch.calls + 200, 'for several objects at once');
});

t.test('arena', async (t) => {
  const arena = new Arena(2, 16_384);
  const [first, second] = [await arena.acquire(), await arena.acquire()];
  const order: number[] = [];
  const third = arena.acquire().then(() => order.push(3));
  const fourth = arena.acquire().then(() => order.push(4));
  t.same(order, []);
  arena.release(first);
  arena.release(second);
  await Promise.all([third, fourth]);
  t.same(order, [3, 4], 'first come, first served');
  t.throws(() => new Arena(1, 1000), RangeError);
});

/** A core that takes bytes only once it is let: until then they lie where they were put. */
class SlowCore {
  /** What each ingest has; 0 is the object that came whole. */
  readonly taken: Buffer[] = [];
  let: () => void = () => undefined;
  readonly #turn = new Promise<void>((resolve) => {
    this.let = resolve;
  });
  begun = 0;

  async ingestBegin() {
    await this.#turn;
    return ++this.begun;
  }
  async ingestAppend(ingest: number, bytes: Uint8Array) {
    await this.#turn;
    this.taken[ingest] = Buffer.concat([this.taken[ingest] ?? Buffer.alloc(0), bytes]);
  }
  async ingestWhole(bytes: Uint8Array) {
    await this.ingestAppend(0, bytes);
    return 0;
  }
  async ingestCommit(ingest: number) {
    return ingest;
  }
  async ingestAbort() {}
}

t.test('a stream is asked for its slab while it ends, or begins', async (t) => {
  const ends: Record<string, [size: number, end: (stream: StreamIngest) => Promise<unknown>]> = {
    'in one slab': [10_000, (stream) => stream.finish()],
    'behind a slab that is still to be taken': [20_000, (stream) => stream.finish()],
    'when the core has to have it all': [10_000, (stream) => stream.begun()],
  };
  for (const [when, [size, end]] of Object.entries(ends)) {
    const core = new SlowCore();
    const arena = new Arena(2, 16_384);
    const stream = new StreamIngest(core as unknown as LocalBackend, arena, {});
    const bytes = randomBytes(size);
    const ended = (async () => {
      await stream.write(bytes);
      return end(stream);
    })();
    await new Promise(setImmediate);
    stream.giveBack();
    await new Promise(setImmediate);
    const other = async () => {
      const slab = await arena.acquire();
      slab.bytes.fill(0);
      arena.release(slab);
    };
    const others = [other(), other()];
    await new Promise(setImmediate);
    core.let();
    const ingest = (await ended) as number;
    await stream.dispose();
    await Promise.all(others);
    t.ok(core.taken[ingest]?.equals(bytes), `${when}: each byte once, and its own`);
    t.ok(core.begun <= 1, 'in one ingest');
  }
});

t.test('what gathers behind an operation that was never sent is told', async (t) => {
  const gather = new Gather<number, number, number>({
    countMax: 10,
    weightMax: 10,
    run: async () => Promise.reject(new Error('closed')),
    outcome: (columns) => columns,
    error: (cause) => cause,
  });
  await t.rejects(gather.add(1, 1), { message: 'closed' });
  await t.rejects(gather.add(2, 1), { message: 'closed' }, 'the next too, instead of waiting for ever');
});

t.test('the native boundary refuses nonsense without harm', async (t) => {
  const addon = loadAddon();
  const run = (...operations: unknown[]) => addon.run(operations as never);
  t.throws(() => (addon.run as (x: unknown) => unknown)('no'), TypeError);
  const outcomes = run(
    [Op.close, 99_999],
    [Op.ingestAppend, 0, new Uint8Array(1)],
    [Op.ingestAppend, 1.5, new Uint8Array(1)],
    [Op.readStart, 1, new Uint8Array(31), 0, null, new Uint8Array(16_384)],
    [Op.open, 'a\0b', 0],
    [Op.open, 7, 0],
    [999],
    'text',
    null,
    [],
  );
  t.equal(outcomes.length, 10);
  for (const outcome of outcomes) t.match(outcome, { name: 'AS_E_INVALID' });
  t.throws(() => addon.digestMany(['x' as unknown as Uint8Array], new Uint8Array(64)), TypeError);
  const bytes = new Uint8Array(100);
  for (const size of [0, 63, 65, 128]) t.throws(() => addon.digestOne(bytes, new Uint8Array(size)), RangeError);
  for (const ends of [[-1], [0.5], [2, 1], [101], [Number.NaN]]) {
    t.throws(() => addon.digestParts(bytes, Float64Array.from(ends), new Uint8Array(64 * ends.length)), RangeError);
  }
  t.throws(() => addon.digestParts(bytes, new Uint8Array(8) as unknown as Float64Array, new Uint8Array(64)), TypeError);
  t.throws(() => addon.selectKernel('no-such-kernel'), RangeError);
  const two = new Uint32Array(2);
  t.match(run([Op.ingestReceiveMany, two, new Uint32Array(1), two, 100])[0], { name: 'AS_E_INVALID' });
  const [received] = run([Op.ingestReceiveMany, two, two, two, 100]) as [unknown[]];
  t.match(received, [{ name: 'AS_E_INVALID' }, { name: 'AS_E_INVALID' }], 'each of many has an outcome of its own');
});

t.test('memory is given back where nobody else sees it', async (t) => {
  const { freeBytes } = loadAddon();
  const alone = new Uint8Array(100);
  freeBytes(alone);
  t.equal(alone.byteLength, 0);
  freeBytes(alone);
  const others = [new Uint8Array(100).subarray(1), new Uint8Array(new SharedArrayBuffer(100)), Buffer.from('pooled')];
  for (const bytes of others) {
    const before = Buffer.from(bytes);
    freeBytes(bytes);
    t.ok(before.equals(bytes));
  }
  t.throws(() => freeBytes('text' as unknown as Uint8Array), TypeError);
});

t.test('the scheduler gathers what is submitted together', async (t) => {
  const scheduler = new Scheduler(1);
  const outcomes = await Promise.allSettled([
    scheduler.run([Op.close, 99_999]),
    scheduler.run([Op.health, 99_999]),
    scheduler.run([Op.open, '/nonexistent/store', 0]),
  ]);
  t.ok(
    outcomes.every(({ status }) => status === 'rejected'),
    'each failure reaches its own caller',
  );
  await scheduler.close();
  await t.rejects(scheduler.run([Op.close, 1]), { code: 'AS_ERR_CLOSED' });
});

t.test('compaction rests for what it copied, not for what it looked through', async (t) => {
  let clock = 0;
  const rests: number[] = [];
  t.intercept(performance, 'now', { value: () => clock });
  t.intercept(globalThis, 'setTimeout', {
    value: (wake: () => void, milliseconds: number) => {
      rests.push(milliseconds);
      wake();
    },
  });
  const moved = [0, COMPACT_STEP_SIZE, COMPACT_STEP_SIZE / 4, COMPACT_STEP_SIZE / 1000, 0, 2 * COMPACT_STEP_SIZE, 1];
  const compaction = new Compaction(async (from) => {
    clock += 1000;
    return [from + 1 < moved.length ? from + 1 : 0, moved[from] as number, 10, 1];
  });
  const report = await compaction.run();
  t.same(rests, [1000, 250, 1, 1000], 'and not at all behind the last step');
  const movedSize = moved.reduce((sum, size) => sum + size);
  t.same(report, { movedSize, freedSize: 10 * moved.length, removedSegments: moved.length });
});

t.test('what goes behind the others takes none of their threads, and goes one of a kind after the other', async (t) => {
  const scheduler = new Scheduler(1);
  const order: string[] = [];
  const nowhere = 99_999; // no store: each fails when it has gone down, and its end can be seen
  const late = (name: string, operation: Operation) => {
    const build = () => {
      order.push(`${name} begins`);
      return operation;
    };
    return scheduler.run({ code: operation[0], build }).catch(({ code }) => order.push(`${name} ends: ${code}`));
  };
  const removal = (name: string) => late(name, [Op.removeMany, nowhere, new Uint8Array(32), 0]);
  const ended = [removal('first'), removal('second'), late('compaction', [Op.compact, nowhere, 0, 0])];
  ended.push(late('question', [Op.health, nowhere]));
  await Promise.resolve(); // what is submitted together goes down together
  t.strictSame(order, ['first begins', 'compaction begins', 'question begins'], 'beside each other, on one thread');
  t.strictSame(scheduler.load, { workers: 1, busy: 1, waiting: { syncing: 1, quick: 0 } }, 'only one counts as work');
  await Promise.all(ended);
  t.ok(order.indexOf('second begins') > order.findIndex((step) => step.startsWith('first ends')), order.join(', '));
  t.equal(order.filter((step) => step.includes(' ends: ')).length, 4);
  await scheduler.close();
});

t.test(
  'one more operation about many objects goes down than there are threads, while nothing else waits',
  async (t) => {
    const scheduler = new Scheduler(1);
    const folder = t.testdir();
    const steps: string[] = [];
    const open = (name: string) => scheduler.run<number>([Op.open, join(folder, name), OpenFlag.create]);
    const late = () => {
      steps.push('put together');
      return [Op.health, 99_999] as Operation;
    };
    const opened = ['first', 'one more', 'behind'].map((name) => open(name).finally(() => steps.push(name)));
    const last = scheduler.run({ code: Op.walkBegin, build: late });
    await Promise.resolve(); // what is submitted together goes down together
    t.strictSame(scheduler.load, { workers: 1, busy: 1, waiting: { syncing: 3, quick: 0 } }, 'it counts as waiting');
    waitFor(() => existsSync(join(folder, 'one more')));
    t.ok(existsSync(join(folder, 'one more')), 'it began while this thread heard of nothing');
    t.notOk(existsSync(join(folder, 'behind')), 'no other did');
    const stores = await Promise.all(opened);
    await t.rejects(last, { name: 'NativeError' });
    t.ok(steps.indexOf('put together') > steps.indexOf('first'), steps.join(', '));
    t.strictSame(scheduler.load, { workers: 1, busy: 0, waiting: { syncing: 0, quick: 0 } });

    const question = scheduler.run([Op.health, 99_999]).catch((error: Error) => error.name);
    const asked = ['beside a question', 'after it'].map(open);
    await Promise.resolve();
    waitFor(() => existsSync(join(folder, 'beside a question')));
    waitFor(() => existsSync(join(folder, 'after it')), 20);
    t.ok(existsSync(join(folder, 'beside a question')));
    t.notOk(existsSync(join(folder, 'after it')), 'while something else waits, none goes down beyond the threads');
    stores.push(...(await Promise.all(asked)));
    t.equal(await question, 'NativeError');
    await scheduler.close(() => stores.map((store) => [Op.close, store]));
  },
);

/** Waits without giving this thread's other work a turn. */
function waitFor(isThere: () => boolean, tries = 1000): void {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let n = 0; n < tries && !isThere(); n++) Atomics.wait(nobody, 0, 0, 10);
}
