/**
 * What every implementation of the event log must do, whatever database stands behind it. Called by the test of each implementation.
 */

import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { Encoded, encodeCanonical } from '../../lib/cbor/index.js';
import { encodeIngestResult } from '../../lib/dataplane/encoding.js';
import { MutableIngestTable } from '../../lib/dataplane/ingest-table.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { isStoreError } from '../../lib/errors.js';
import { objectTombstoned } from '../../lib/events/kinds.js';
import type { EventLog, NewEvent, StoredEvent } from '../../lib/events/log.js';
import { COMMIT_EVENTS_MAX, EVENT_SIZE_MAX } from '../../lib/limits.js';

/** What the kit needs to know about an implementation. */
export interface LogUnderTest {
  /** Opens the log at `place`; the same place gives the same log. */
  open(place: string): Promise<EventLog>;
}

const ADDRESS = `blake3:${'0f'.repeat(32)}` as const;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Runs the kit: one subtest for each promise of `lib/events/log.ts`. */
export function testEventLog(name: string, log: LogUnderTest): void {
  t.test(name, async (t) => {
    t.test('an appended event is given back as it was stored', (t) => roundTrip(t, log));
    t.test('cursor, limit, filters and direction', (t) => reading(t, log));
    t.test('calls made together share commits', (t) => groupCommit(t, log));
    t.test('the events of one call stand together, in order', (t) => together(t, log));
    t.test('many ingests are recorded as each would be', (t) => manyIngests(t, log));
    t.test('events outside the limits or the form are refused, and nothing is stored', (t) => refusals(t, log));
    t.test('time and seq never run backwards', (t) => monotonic(t, log));
    t.test('kinds this version does not know are kept', (t) => unknownKinds(t, log));
    t.test('listeners hear of every commit until they leave', (t) => listeners(t, log));
    t.test('closing waits for appends and refuses later calls', (t) => closing(t, log));
  });
}

async function roundTrip(t: Test, { open }: LogUnderTest): Promise<void> {
  const place = `${t.testdir()}/log`;
  const log = await open(place);
  const data = { text: 'Grüße', list: [1, -1, 2 ** 40, true, null], bytes: new Uint8Array([1, 2, 3]) };
  const before = Date.now();
  const [stored] = await log.append([{ kind: 'test.one', actor: 'kit', subject: 'thing', data }]);
  t.ok(stored !== undefined && stored.time >= before && stored.time <= Date.now(), 'time is now');
  t.match(stored, { seq: 1, v: 1, kind: 'test.one', actor: 'kit', subject: 'thing', data });
  t.match(stored?.id, UUID_V7);
  const spliced = encodeCanonical({ exact: 'bytes' });
  await log.append([{ kind: 'test.two', actor: 'kit', subject: null, data: new Encoded(spliced) }]);
  await log.close();

  const again = await open(place);
  const [one, two] = await again.read();
  t.same(plain(one), plain(stored), 'the same after reopening');
  t.ok(Buffer.from(two?.dataBytes ?? []).equals(spliced), 'encoded data is stored byte for byte');
  t.equal(two?.subject, null);
  await again.close();
}

async function manyIngests(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  const sizes = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const table = new MutableIngestTable(60, { backend: 'local', tier: 'hot', durability: 'synced' });
  for (let index = 0; index < table.length; index++) {
    table.set(index, {
      digests: randomBytes(64),
      size: sizes[index % sizes.length] as number,
      storedSize: sizes[(3 * index + 1) % sizes.length] as number,
      existed: index % 2 === 0,
      healed: index % 3 === 0,
    });
  }
  const indexes = Uint32Array.from({ length: table.length - 2 }, (_, index) => index + 1);
  const one = log.append([event('test.before', 'thing')]);
  const many = log.appendIngests({ actor: 'kit', table, indexes });
  const other = log.append([event('test.after', 'thing')]);
  const [stored] = await Promise.all([many, one, other]);
  t.equal(stored.length, indexes.length);
  t.equal(stored.first, 2);
  const read = await log.read();
  t.equal(read.length, indexes.length + 2);
  for (const [n, index] of indexes.entries()) {
    const result = table.result(index);
    const event = read[n + 1] as StoredEvent;
    t.same(plain(stored.event(n)), plain(event), 'what was given is what is stored');
    t.match(event, { seq: n + 2, kind: 'object.ingested', actor: 'kit', subject: formatBlake3(result.blake3) });
    t.match(event.id, UUID_V7);
    t.same(event.dataBytes, encodeIngestResult(result), 'the bytes of the result');
  }
  t.equal(new Set(read.map(({ id }) => id)).size, read.length, 'each has an identity of its own');
  await t.rejects(log.appendIngests({ actor: '', table, indexes }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.equal((await log.appendIngests({ actor: 'kit', table, indexes: new Uint32Array(0) })).length, 0);
  t.equal(await log.last(), read.length);
  await log.close();
  await t.rejects(log.appendIngests({ actor: 'kit', table, indexes }), { code: 'AS_ERR_CLOSED' });
}

async function reading(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  t.same(await log.read(), [], 'an empty log has no events');
  t.equal(await log.last(), 0);
  await log.append(Array.from({ length: 10 }, (_, i) => event(i % 2 === 0 ? 'test.even' : 'test.odd', `s${i % 3}`)));
  const seqs = async (query: Parameters<EventLog['read']>[0]) => (await log.read(query)).map(({ seq }) => seq);
  t.equal(await log.last(), 10);
  t.same(await seqs({}), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  t.same(await seqs({ after: 3, limit: 2 }), [4, 5]);
  t.same(await seqs({ after: 10 }), []);
  t.same(await seqs({ reverse: true, limit: 3 }), [10, 9, 8]);
  t.same(await seqs({ reverse: true, after: 3 }), [2, 1]);
  t.same(await seqs({ kind: 'test.odd', after: 4 }), [6, 8, 10]);
  t.same(await seqs({ subject: 's0' }), [1, 4, 7, 10]);
  t.same(await seqs({ kind: 'test.even', subject: 's0', reverse: true }), [7, 1]);
  t.same(await seqs({ kind: 'test.none' }), []);
  for (const query of [{ limit: 0 }, { limit: 1.5 }, { limit: 1e9 }, { after: -1 }, { after: 0.5 }]) {
    await t.rejects(log.read(query), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(query));
  }
  await log.close();
}

async function groupCommit(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  let commits = 0;
  log.onCommit(() => {
    commits++;
  });
  const first = Array.from({ length: 500 }, (_, i) => log.append([event('test.many', `a${i}`)]));
  await new Promise((resolve) => setImmediate(resolve));
  const second = Array.from({ length: 500 }, (_, i) => log.append([event('test.many', `b${i}`)]));
  const stored = (await Promise.all([...first, ...second])).flat();
  t.ok(commits <= 3, `1,000 calls took ${commits} commits`);
  t.same(
    stored.map(({ seq }) => seq),
    Array.from({ length: 1000 }, (_, i) => i + 1),
    'in the order of the calls',
  );
  commits = 0;
  await Promise.all(
    Array.from({ length: 3 }, () => log.append(Array(COMMIT_EVENTS_MAX / 2 + 1).fill(event('test.x', 's')))),
  );
  t.equal(commits, 3, 'a commit has no more than COMMIT_EVENTS_MAX events');
  t.same(await log.append([]), [], 'appending nothing is nothing');
  await log.close();
}

async function together(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  await Promise.all(
    ['a', 'b', 'c'].map((name) => log.append(['1', '2', '3'].map((n) => event('test.run', `${name}${n}`)))),
  );
  const subjects = (await log.read()).map(({ subject }) => subject);
  t.same(subjects, ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1', 'c2', 'c3']);
  await log.close();
}

async function refusals(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  const good = event('test.good', 'x');
  const tooLong = { ...good, data: 'x'.repeat(EVENT_SIZE_MAX) };
  await t.rejects(log.append([good, tooLong]), { code: 'AS_ERR_LIMIT' }, 'an event that is too large');
  await t.rejects(log.append(Array(COMMIT_EVENTS_MAX + 1).fill(good)), { code: 'AS_ERR_LIMIT' }, 'too many at once');
  await t.rejects(
    log.append([good, { ...good, data: 1.5 }]),
    { code: 'AS_ERR_CBOR_ENCODE' },
    'data outside the profile',
  );
  const unfit: Partial<NewEvent>[] = [
    { kind: 'nodots' },
    { kind: 'Upper.case' },
    { kind: '' },
    { actor: '' },
    { actor: 'a\0b' },
    { subject: '' },
    { kind: 'object.deleted' },
    { kind: 'object.deleted', subject: ADDRESS, data: { deleted: 'yes' } },
    { kind: 'object.verified', subject: ADDRESS, data: { status: 'fine', size: 1, repaired: false } },
    { kind: 'object.corrupted', subject: ADDRESS, data: { ranges: [[2, 1]], foundBy: 'read' } },
    { kind: 'object.tombstoned', subject: ADDRESS, data: { reason: 7 } },
    { kind: 'object.ingested', subject: ADDRESS, data: [] },
  ];
  for (const part of unfit) {
    const wrong = { ...good, ...part };
    await t.rejects(log.append([good, wrong]), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(part));
  }
  const settled = await Promise.allSettled([log.append([good]), log.append([tooLong]), log.append([good])]);
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
    'a refused call does not fail those beside it',
  );
  t.equal(await log.last(), 2);
  await log.close();
}

async function monotonic(t: Test, { open }: LogUnderTest): Promise<void> {
  const place = `${t.testdir()}/log`;
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  let log = await open(place);
  const future = now() + 3_600_000;
  Date.now = () => future;
  await log.append([event('test.clock', 'ahead')]);
  Date.now = () => future - 10_000;
  await log.append([event('test.clock', 'back')]);
  await log.close();
  Date.now = now;
  log = await open(place);
  await log.append([event('test.clock', 'reopened')]);
  t.same(
    (await log.read()).map(({ seq, time }) => [seq, time]),
    [
      [1, future],
      [2, future],
      [3, future],
    ],
  );
  await log.close();
}

async function unknownKinds(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  await log.append([
    { kind: 'object.teleported', actor: 'later', subject: ADDRESS, data: { to: 'mars' } },
    objectTombstoned('kit', ADDRESS, 'never stored'),
  ]);
  await log.rebuild();
  t.match(await log.read(), [{ kind: 'object.teleported', data: { to: 'mars' } }, { kind: 'object.tombstoned' }]);
  await log.close();
}

async function listeners(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  const heard: number[] = [];
  const leave = log.onCommit((last) => heard.push(last));
  await log.append([event('test.one', 'x'), event('test.one', 'x')]);
  t.same(heard, [2], 'before the caller goes on');
  await log.append([event('test.one', 'x')]);
  leave();
  await log.append([event('test.one', 'x')]);
  t.same(heard, [2, 3]);
  await log.close();
}

async function closing(t: Test, { open }: LogUnderTest): Promise<void> {
  const place = `${t.testdir()}/log`;
  const log = await open(place);
  const pending = Array.from({ length: 20 }, () => log.append([event('test.late', 'x')]));
  const rebuilt = log.rebuild();
  await log.close();
  t.equal((await Promise.all(pending)).flat().length, 20);
  await rebuilt;
  await log.close();
  const calls = [() => log.append([event('test.late', 'x')]), () => log.read(), () => log.last(), () => log.rebuild()];
  for (const call of calls) {
    const error = await call().then(
      () => undefined,
      (error: unknown) => error,
    );
    t.ok(isStoreError(error, 'AS_ERR_CLOSED'), 'a call after closing');
  }
  const again = await open(place);
  t.equal(await again.last(), 20);
  await again.close();
}

function event(kind: string, subject: string): NewEvent {
  return { kind, actor: 'kit', subject, data: {} };
}

/** An event as plain values, for comparison. */
function plain(event: StoredEvent | undefined): unknown {
  if (event === undefined) return undefined;
  const { seq, v, id, time, kind, actor, subject, data, bytes } = event;
  return { seq, v, id, time, kind, actor, subject, data, bytes: Buffer.from(bytes).toString('hex') };
}
