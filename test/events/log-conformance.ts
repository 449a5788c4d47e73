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
import { objectDeleted, objectsTombstoned, objectTombstoned } from '../../lib/events/kinds.js';
import type { EventLog, NewEvent, ReadQuery, StoredEvent } from '../../lib/events/log.js';
import { readAll, seqAt } from '../../lib/events/read-all.js';
import { type Delivery, eventsOnly, type SubscribeOptions, subscribe } from '../../lib/events/subscribe.js';
import { COMMIT_EVENTS_MAX, EVENT_SIZE_MAX, PAGE_SIZE_MAX, SUBSCRIPTION_PAGE_SIZE } from '../../lib/limits.js';
import { randomSource } from './random-events.js';

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
    t.test('bounds, times and filters together, both ways, against a plain model', (t) => combined(t, log));
    t.test('a subscription catches up, goes on, and marks where it is', (t) => subscription(t, log));
    t.test('a slow reader of a subscription falls behind, loses nothing and costs nothing', (t) => slowReader(t, log));
    t.test('calls made together share commits', (t) => groupCommit(t, log));
    t.test('the events of one call stand together, in order', (t) => together(t, log));
    t.test('many ingests are recorded as each would be', (t) => manyIngests(t, log));
    t.test('many removals are recorded as each would be', (t) => manyRemovals(t, log));
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
  const deferred = new MutableIngestTable(1, { ...table.receipt, durability: 'deferred' });
  const unsafe = log.appendIngests({ actor: 'kit', table: deferred, indexes: new Uint32Array(1) });
  await t.rejects(unsafe, { code: 'AS_ERR_INVALID_ARGUMENT' }, 'an event never outlives its bytes');
  t.equal(await log.last(), read.length);
  await log.close();
  await t.rejects(log.appendIngests({ actor: 'kit', table, indexes }), { code: 'AS_ERR_CLOSED' });
}

async function manyRemovals(t: Test, { open }: LogUnderTest): Promise<void> {
  const folder = t.testdir();
  const log = await open(`${folder}/log`);
  const addresses = Array.from({ length: 40 }, () => formatBlake3(randomBytes(32)));
  const sizes = [0, 23, 24, 255, 256, 4096, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const results = addresses.map((_, n) => ({ deleted: n % 3 > 0, freedSize: sizes[n % sizes.length] as number }));
  const tombstones = [
    {},
    { reason: 'old' },
    { reason: 'über alle Maßen', grace: 1 },
    { grace: 2 ** 40, plan: 'p-7', reason: '"\\' },
  ];
  const expected: NewEvent[] = [];
  for (const actor of ['kit', 'an actor with a name that is long', 'zoë']) {
    expected.push(event('test.before', 'thing'));
    const before = log.append([event('test.before', 'thing')]);
    const written = tombstones.map((facts) => log.appendRemovals({ actor, addresses, facts }));
    await Promise.all([before, ...written, log.appendRemovals({ actor, addresses, results })]);
    for (const facts of tombstones) expected.push(...objectsTombstoned(actor, addresses, facts));
    expected.push(
      ...addresses.map((address, n) => objectDeleted(actor, address, results[n] as (typeof results)[number])),
    );
  }
  const other = await open(`${folder}/other`);
  await other.append(expected);
  const [read, plainly] = [await log.read({ limit: PAGE_SIZE_MAX }), await other.read({ limit: PAGE_SIZE_MAX })];
  t.equal(read.length, expected.length);
  for (const [n, one] of read.entries()) {
    const { kind, actor, subject, dataBytes } = plainly[n] as StoredEvent;
    t.equal(one.seq, n + 1);
    t.match(one, { kind, actor, subject });
    t.ok(Buffer.from(one.dataBytes).equals(dataBytes), `the facts of event ${n + 1}`);
    t.match(one.id, UUID_V7);
  }
  t.equal(new Set(read.map(({ id }) => id)).size, read.length, 'each has an identity of its own');
  await log.appendRemovals({ actor: 'kit', addresses: [] });
  await t.rejects(log.appendRemovals({ actor: '', addresses }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  const wrong = log.appendRemovals({ actor: 'kit', addresses, facts: { grace: -1 } });
  await t.rejects(wrong, { code: 'AS_ERR_INVALID_ARGUMENT' }, 'facts that are none');
  t.equal(await log.last(), read.length);
  await log.close();
  await other.close();
  await t.rejects(log.appendRemovals({ actor: 'kit', addresses }), { code: 'AS_ERR_CLOSED' });
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

/** Appends events of few kinds, subjects and actors at times that stand still, go on and jump. */
async function appendHistory(t: Test, log: EventLog, random: (below: number) => number): Promise<void> {
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  let clock = 1_000_000;
  Date.now = () => clock;
  for (let commit = 0; commit < 120; commit++) {
    clock += [0, 1, 1000][random(3)] ?? 0;
    const events = Array.from({ length: 1 + random(random(5) === 0 ? 90 : 6) }, () => ({
      kind: `test.k${random(3)}`,
      actor: `a${random(3)}`,
      subject: random(9) === 0 ? null : `s${random(3)}`,
      data: {},
    }));
    await log.append(events);
  }
  Date.now = now;
}

async function combined(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  t.same(await log.read({ since: 0, until: 2 ** 45, actor: 'a0', reverse: true }), [], 'nothing in an empty log');
  const random = randomSource(5);
  await appendHistory(t, log, random);
  const all: StoredEvent[] = [];
  for await (const event of readAll((query) => log.read(query), { limit: 7 })) all.push(event);
  t.equal(all.length, await log.last(), 'reading all gives all, page by page');
  const [from, to] = [all[0]?.time ?? 0, all.at(-1)?.time ?? 0];
  const maybe = <T>(value: T) => (random(2) === 0 ? value : undefined);
  const anySeq = () => random(all.length + 3);
  const anyTime = () => (random(2) === 0 ? (all[random(all.length)]?.time ?? 0) : from - 5 + random(to - from + 10));
  const wrong: object[] = [];
  for (let round = 0; round < 400; round++) {
    const choice = {
      after: maybe(anySeq()),
      first: maybe(anySeq()),
      last: maybe(anySeq()),
      since: maybe(anyTime()),
      until: maybe(anyTime()),
      kind: maybe(`test.k${random(4)}`),
      subject: maybe(`s${random(4)}`),
      actor: maybe(`a${random(4)}`),
      reverse: maybe(true),
      limit: maybe(1 + random(20)),
    };
    const query: ReadQuery = Object.fromEntries(Object.entries(choice).filter(([, value]) => value !== undefined));
    const found = (await log.read(query)).map(({ seq }) => seq);
    const expected = modelRead(all, query);
    if (found.join() !== expected.join()) wrong.push({ query, found, expected });
  }
  t.same(wrong, [], '400 random queries');
  for (const time of [0, from - 1, from, from + 1, to, to + 1, 2 ** 45]) {
    t.equal(await seqAt(log, { time }), all.filter((event) => event.time <= time).length, `seq at ${time}`);
  }
  t.same(await Promise.all([0, 5, 1e9].map((seq) => seqAt(log, { seq }))), [0, 5, all.length]);
  for (const query of [{ since: -1 }, { until: 0.5 }, { first: -1 }, { last: Number.NaN }]) {
    await t.rejects(log.read(query), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(query));
  }
  await log.close();
}

/** Seqs that a query must give, by looking at every event. */
function modelRead(all: readonly StoredEvent[], query: ReadQuery): number[] {
  const { after, limit = 1000, first = 0, last = all.length, since = 0, until = 2 ** 50, reverse = false } = query;
  const wanted = (['kind', 'subject', 'actor'] as const).filter((filter) => query[filter] !== undefined);
  return (reverse ? all.toReversed() : all)
    .filter(({ seq }) => after === undefined || (reverse ? seq < after : seq > after))
    .filter(({ seq, time }) => seq >= first && seq <= last && time >= since && time <= until)
    .filter((event) => wanted.every((filter) => event[filter] === query[filter]))
    .slice(0, limit)
    .map(({ seq }) => seq);
}

async function subscription(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  const old = SUBSCRIPTION_PAGE_SIZE + 3;
  await log.append(Array.from({ length: old }, (_, i) => event(i % 100 === 0 ? 'test.rare' : 'test.often', `s${i}`)));
  const stop = new AbortController();
  const rest = subscribe(log, { after: old - 2, signal: stop.signal });
  t.same(shape(await take(rest, 3)), [old - 1, old, `caught-up ${old}`], 'what was there, then the mark');
  const waiting = take(rest, 2);
  await log.append([event('test.often', 'new'), event('test.often', 'newer')]);
  t.same(shape(await waiting), [old + 1, old + 2], 'then what is new, without another mark');
  stop.abort();
  t.same(await take(rest, 1), [], 'until it is ended');

  const subscribed = async (count: number, options: SubscribeOptions) => {
    const deliveries = subscribe(log, options);
    const taken = shape(await take(deliveries, count));
    await deliveries.return(undefined);
    return taken;
  };
  t.same(await subscribed(1, {}), [`caught-up ${old + 2}`], 'without a place it starts with what is new');
  t.same(
    await subscribed(6, { after: 0, kind: 'test.rare', checkpointEvery: 120 }),
    [1, 101, 'checkpoint 120', 201, 'checkpoint 240', `caught-up ${old + 2}`],
    'checkpoints move on where the filter lets nothing through',
  );
  t.same(await subscribed(1, { after: 240, subject: 's1' }), [`caught-up ${old + 2}`], 'a filter that finds nothing');
  const seen: number[] = [];
  for await (const { seq } of eventsOnly(subscribe(log, { after: 0, signal: AbortSignal.timeout(60_000) }))) {
    if (seen.push(seq) === old + 2) break;
  }
  t.same(
    seen,
    Array.from({ length: old + 2 }, (_, i) => i + 1),
    'over several pages, each event once',
  );
  for (const options of [{ after: -1 }, { after: 0.5 }, { checkpointEvery: 0 }, { checkpointEvery: 1.5 }]) {
    await t.rejects(take(subscribe(log, options), 1), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(options));
  }
  const deaf = facade(log, { onCommit: () => () => undefined });
  const polling = subscribe(deaf, { after: old + 2, intervalMs: 1 });
  t.same(shape(await take(polling, 1)), [`caught-up ${old + 2}`]);
  const later = take(polling, 1);
  await log.append([event('test.often', 'from elsewhere')]);
  t.same(shape(await later), [old + 3], 'a log that another process writes is looked at now and then');
  await polling.return(undefined);
  await log.close();
  await t.rejects(take(subscribe(log, { after: 0 }), 1), { code: 'AS_ERR_CLOSED' });
}

async function slowReader(t: Test, { open }: LogUnderTest): Promise<void> {
  const log = await open(`${t.testdir()}/log`);
  let largestPage = 0;
  const counted = facade(log, {
    read: async (query) => {
      const page = await log.read(query);
      largestPage = Math.max(largestPage, page.length);
      return page;
    },
  });
  const reader = subscribe(counted, { after: 0 });
  t.same(shape(await take(reader, 1)), ['caught-up 0']);
  const commit = Array.from({ length: COMMIT_EVENTS_MAX }, () => event('test.flood', 's'));
  const first = take(reader, 1);
  await log.append(commit);
  t.same(shape(await first), [1], 'one commit behind is not behind');
  await log.append(commit);
  const total = 2 * COMMIT_EVENTS_MAX;
  const rest = await take(reader, total - 1 + 2);
  const page = SUBSCRIPTION_PAGE_SIZE;
  t.match(rest[page - 1], { type: 'fell-behind', seq: page, waiting: total - page }, 'more than one commit behind');
  t.match(rest.at(-1), { type: 'caught-up', seq: total });
  const seqs = rest.flatMap((delivery) => (delivery.type === 'event' ? delivery.event.seq : []));
  t.ok(seqs.length === total - 1 && seqs.every((seq, i) => seq === i + 2), 'every event came, once and in order');
  await reader.return(undefined);
  await log.close();
  t.ok(largestPage <= SUBSCRIPTION_PAGE_SIZE, `at most ${largestPage} events were held for it`);
}

/** A log with some of its calls replaced. */
function facade(log: EventLog, replaced: Partial<EventLog>): EventLog {
  return {
    append: (events) => log.append(events),
    appendIngests: (ingests) => log.appendIngests(ingests),
    appendRemovals: (removals) => log.appendRemovals(removals),
    read: (query) => log.read(query),
    last: () => log.last(),
    now: () => log.now(),
    onCommit: (listener) => log.onCommit(listener),
    rebuild: (progress) => log.rebuild(progress),
    textsOf: (pseudonyms) => log.textsOf(pseudonyms),
    findTexts: (query) => log.findTexts(query),
    erase: (pseudonyms, event) => log.erase(pseudonyms, event),
    settle: () => log.settle(),
    close: () => log.close(),
    ...replaced,
  };
}

/** The next deliveries, fewer when it ends. */
async function take(deliveries: AsyncGenerator<Delivery>, count: number): Promise<Delivery[]> {
  const taken: Delivery[] = [];
  while (taken.length < count) {
    const { value, done } = await deliveries.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** Events as their seqs, marks as words. */
function shape(deliveries: readonly Delivery[]): (number | string)[] {
  return deliveries.map((delivery) =>
    delivery.type === 'event' ? delivery.event.seq : `${delivery.type} ${delivery.seq}`,
  );
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
