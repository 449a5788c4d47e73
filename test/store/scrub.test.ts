/** Verifying many objects: pace, samples, age, going on after an interruption, and what happens to objects meanwhile. */

import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import { type Clock, Pacer } from '../../lib/pacer.js';
import { SmallestScores, sampleScore } from '../../lib/store/sample.js';
import { openStore, type ScrubOptions, type Store } from '../../lib/store.js';

const HOUR = 3_600_000;

class FakeClock implements Clock {
  time = 1_000_000;
  readonly sleeps: number[] = [];

  now(): number {
    return this.time;
  }

  async sleep(ms: number): Promise<void> {
    this.sleeps.push(ms);
    this.time += ms;
  }
}

t.test('a pacer keeps to its rate', async (t) => {
  const clock = new FakeClock();
  const begun = clock.time;
  const pacer = new Pacer(1_000_000, clock);
  for (let i = 0; i < 1_000; i++) await pacer.take(10_000);
  const elapsed = clock.time - begun;
  t.ok(Math.abs(elapsed - 9_990) <= 10, `10 MB at 1 MB/s, the last not waited for: ${elapsed} ms`);
  t.ok(clock.sleeps.every((ms) => ms >= 5));
  await pacer.take(3_000_000);
  await pacer.take(1);
  t.ok(clock.time - begun >= 12_990, 'a large piece is paid for by what follows it');

  clock.time += 60_000;
  const stalled = clock.time;
  for (let i = 0; i < 500; i++) await pacer.take(10_000);
  t.ok(clock.time - stalled >= 3_900, 'a stall is not made up for at full speed');
  const free = new FakeClock();
  const fast = new Pacer(1e12, free);
  for (let i = 0; i < 1_000; i++) await fast.take(10_000);
  t.same(free.sleeps, []);
});

t.test('a real pause ends when it is given up', async () => {
  const pacer = new Pacer(1);
  await pacer.take(1e9);
  await pacer.take(1, AbortSignal.abort());
});

t.test('samples', (t) => {
  const addresses = Array.from({ length: 20_000 }, (_, i) => `blake3:${i}`);
  const scores = addresses.map((address) => sampleScore('a', address));
  t.ok(
    addresses.every((address, i) => sampleScore('a', address) === scores[i]),
    'the same seed, the same scores',
  );
  t.ok(scores.every((score) => score >= 0 && score < 1));
  const share = scores.filter((score) => score <= 0.05).length;
  t.ok(share > 850 && share < 1_150, `5% of 20,000 are about 1,000: ${share}`);
  const other = addresses.filter((address, i) => sampleScore('b', address) <= 0.05 && (scores[i] as number) <= 0.05);
  t.ok(other.length < 110, `another seed, other objects: ${other.length} in both`);
  for (const most of [1, 7, 1_000, 19_999]) {
    const smallest = new SmallestScores(most);
    for (const score of scores) smallest.add(score);
    const { bound } = smallest;
    t.equal(scores.filter((score) => score <= bound).length, most);
  }
  const few = new SmallestScores(10);
  few.add(0.5);
  t.equal(few.bound, 1, 'fewer than wanted: all');
  t.end();
});

/** A store of so many objects. */
async function filled(t: Test, count: number): Promise<{ store: Store; addresses: ContentAddress[]; path: string }> {
  const path = join(t.testdir(), 'store');
  const store = await openStore({ path });
  t.teardown(() => store.close());
  const bytes = (i: number) => new TextEncoder().encode(`object ${i} `.repeat(20 + (i % 50)));
  const put = await Promise.all(Array.from({ length: count }, (_, i) => store.put(bytes(i))));
  return { store, addresses: put.map(({ blake3 }) => blake3), path };
}

/** The objects that a scrub verified, and how it found them. */
async function scrubbed(store: Store, options: ScrubOptions = {}): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const report of await store.scrub(options)) {
    found.set(report.object.blake3, 'result' in report ? report.result.status : 'failed');
  }
  return found;
}

t.test('all, and in the order in which they were stored', async (t) => {
  const { store, addresses, path } = await filled(t, 1_200);
  const scrub = await store.scrub();
  t.equal(scrub.count, 1_200);
  t.equal(scrub.size, (await store.usage()).size);
  const seqs: number[] = [];
  for await (const report of scrub) {
    t.ok(existsSync(join(path, 'verify.json')) || seqs.length > 0);
    seqs.push(report.object.seq);
  }
  t.equal(seqs.length, 1_200);
  t.ok(seqs.every((seq, i) => i === 0 || seq > (seqs[i - 1] as number)));
  t.notOk(existsSync(join(path, 'verify.json')), 'nothing is left of one that has ended');
  const [event] = await store.events({ kind: 'object.verified', reverse: true, limit: 1 });
  t.strictSame(Object.keys(event?.data as object).sort(), ['repaired', 'size', 'status']);
  t.equal((await scrubbed(store, { digests: 'blake3' })).size, addresses.length);
  const [quick] = await store.events({ kind: 'object.verified', reverse: true, limit: 1 });
  t.match(quick?.data, { digests: 'blake3', status: 'intact' }, 'what was left unchecked is told');
});

t.test('a sample is the same for a seed, and of the size asked for', async (t) => {
  const { store } = await filled(t, 500);
  const once = await scrubbed(store, { sample: { count: 40 }, seed: 'x' });
  t.equal(once.size, 40);
  t.same([...(await scrubbed(store, { sample: { count: 40 }, seed: 'x' })).keys()], [...once.keys()]);
  const larger = await scrubbed(store, { sample: { count: 80 }, seed: 'x' });
  t.ok(
    [...once.keys()].every((address) => larger.has(address)),
    'a larger sample contains the smaller one',
  );
  t.not([...(await scrubbed(store, { sample: { count: 40 }, seed: 'y' })).keys()].join(), [...once.keys()].join());
  const share = await scrubbed(store, { sample: { share: 0.2 }, seed: 'x' });
  t.ok(share.size > 50 && share.size < 150, `${share.size} of 500`);
  t.equal((await scrubbed(store, { sample: { share: 1 } })).size, 500);
  t.equal((await scrubbed(store, { sample: { count: 10_000 } })).size, 500);
  t.match((await store.scrub({ sample: { count: 1 } })).seed, /^[0-9a-f]{8}$/, 'a random one otherwise');
});

t.test('by age', async (t) => {
  const { store, addresses } = await filled(t, 60);
  t.equal((await scrubbed(store, { olderThan: HOUR })).size, 60, 'what was never verified is due');
  t.equal((await scrubbed(store, { olderThan: HOUR })).size, 0, 'and now it is not');
  await new Promise((resolve) => setTimeout(resolve, 2));
  t.equal((await scrubbed(store, { olderThan: 0 })).size, 60);
  const [first = '', second = ''] = addresses;
  await store.delete(first);
  const bytes = new TextEncoder().encode('object 0 '.repeat(20));
  t.equal((await store.put(bytes)).blake3, first);
  t.same([...(await scrubbed(store, { olderThan: HOUR })).keys()], [first], 'bytes stored anew have not been verified');
  await store.rebuild();
  t.equal((await scrubbed(store, { olderThan: HOUR })).size, 0, 'the same after a rebuild');
  await store.delete(second);
  t.notOk((await scrubbed(store)).has(second));
});

t.test('one that was interrupted goes on', async (t) => {
  const { store, path, addresses } = await filled(t, 1_000);
  await t.rejects(store.scrub({ resume: true }), { code: 'AS_ERR_INVALID_ARGUMENT', message: /none was interrupted/ });
  const stop = new AbortController();
  const before = new Set<string>();
  const options = { sample: { share: 0.9 }, seed: 's', digests: 'blake3', bytesPerSecond: 20_000 } as const;
  const all = await store.scrub(options);
  for await (const { object } of await store.scrub({ ...options, signal: stop.signal })) {
    before.add(object.blake3);
    if (before.size === 20) stop.abort();
  }
  t.ok(before.size >= 20 && before.size < all.count, `${before.size} of ${all.count}`);
  t.ok(existsSync(join(path, 'verify.json')));
  await t.rejects(store.scrub({ resume: true, digests: 'both' }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  const rest = await store.scrub({ resume: true, bytesPerSecond: 40_000 });
  t.equal(rest.count, all.count - before.size, 'what is left, of the same sample');
  t.equal(rest.seed, 's');
  let seen = 0;
  for await (const { object } of rest) {
    seen++;
    t.notOk(before.has(object.blake3));
    if (seen === 100) break; // interrupted once more, by whoever iterates
  }
  const last = await scrubbed(store, { resume: true });
  t.ok(last.size > 0 && last.size <= all.count - before.size - 100);
  await t.rejects(store.scrub({ resume: true }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  writeFileSync(join(path, 'verify.json'), '{"version":1,');
  await t.rejects(store.scrub({ resume: true }), { code: 'AS_ERR_INVALID_ARGUMENT' }, 'a torn file remembers nothing');
  t.equal((await scrubbed(store)).size, addresses.length);
});

t.test(
  'a large object is throttled too, given up when nobody waits for it, and verified when it goes on',
  async (t) => {
    const { store } = await filled(t, 3);
    const { blake3 } = await store.put(randomBytes(3_000_000));
    const seen: string[] = [];
    for await (const { object } of await store.scrub({ bytesPerSecond: 20_000 })) {
      seen.push(object.blake3);
      if (seen.length === 3) break; // the large one is next or has begun, and would take minutes
    }
    t.notOk(seen.includes(blake3));
    t.same(
      [...(await scrubbed(store, { resume: true }))].map(([address]) => address),
      [blake3],
    );
  },
);

t.test('objects deleted meanwhile are left out', async (t) => {
  const { store, addresses } = await filled(t, 1_100);
  const scrub = await store.scrub({ bytesPerSecond: 20_000_000 });
  const reports = scrub[Symbol.asyncIterator]();
  await reports.next();
  await Promise.all(addresses.slice(-50).map((address) => store.delete(address)));
  let failures = 0;
  for (;;) {
    const { value, done } = await reports.next();
    if (done) break;
    if (!('result' in value) || value.result.status !== 'intact') failures++;
  }
  t.equal(failures, 0);
  t.equal((await store.list({ state: 'corrupt' })).objects.length, 0);
  t.equal((await store.list({ state: 'deleted' })).objects.length, 50);
});

t.test('read-only, and what is refused', async (t) => {
  const { store, path } = await filled(t, 30);
  for (const options of [
    { sample: { share: 0 } },
    { sample: { share: 1.1 } },
    { sample: { count: 0 } },
    { sample: { count: 1.5 } },
    { olderThan: -1 },
    { olderThan: Number.NaN },
    { bytesPerSecond: 0 },
    { seed: 'alone' },
  ]) {
    await t.rejects(store.scrub(options), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(options));
  }
  await store.close();
  await t.rejects(store.scrub(), { code: 'AS_ERR_CLOSED' });
  const reader = await openStore({ path, readOnly: true });
  t.teardown(() => reader.close());
  t.equal((await scrubbed(reader)).size, 30);
  t.notOk(existsSync(join(path, 'verify.json')));
  await t.rejects(reader.scrub({ resume: true }), { code: 'AS_ERR_INVALID_ARGUMENT', message: /read-only/ });
});
