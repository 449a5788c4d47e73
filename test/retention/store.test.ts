/** Retention in a store: policies, classes, pulls, holds, locks, and plans, which say what goes and do just that. */

import { writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import type { StoredEvent } from '../../lib/events/log.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openStore, type Store } from '../../lib/index.js';
import type { FileEntry } from '../../lib/packages/manifest.js';
import { registryViews } from '../../lib/registry/views.js';
import { seqsOf } from '../../lib/retention/plan.js';
import type { PackageSource } from '../../lib/store/entry-intake.js';
import { dumpViews } from '../events/dump.js';

const DAY = 86_400_000;

/** Moves the clock of this process; the log's follows it, forwards alone. */
function clock(t: Test): (ms: number) => void {
  const real = Date.now;
  let offset = 0;
  Date.now = () => real() + offset;
  t.teardown(() => {
    Date.now = real;
  });
  return (ms) => {
    offset += ms;
  };
}

async function open(t: Test, path: string): Promise<Store> {
  const store = await openStore({ path, actor: 'tester' });
  t.teardown(() => store.close());
  return store;
}

/** Publishes files by name as one version. */
async function publish(
  store: Store,
  name: string,
  files: Record<string, string>,
  options: { class?: string; refs?: string[]; immutable?: boolean } = {},
): Promise<void> {
  async function* entries(): AsyncGenerator<PackageSource> {
    for (const [path, text] of Object.entries(files)) {
      const bytes = Buffer.from(text);
      const content = async function* () {
        yield bytes;
      };
      yield { kind: 'file', path, size: bytes.byteLength, content: content() };
    }
  }
  await store.packages.pushEntries(entries(), name, options);
}

/** The digits of the address of the first file of a package. */
async function firstFile(store: Store, name: string): Promise<string> {
  const [entry] = (await store.packages.open(name)).entries;
  return Buffer.from((entry as FileEntry).blake3).toString('hex');
}

async function eventsOf(store: Store, kind: string): Promise<StoredEvent[]> {
  return store.events({ kind, limit: 1000 });
}

t.test('what a plan says is what applying it does, and nothing else', async (t) => {
  const advance = clock(t);
  const path = t.testdir();
  const store = await open(t, `${path}/s`);
  await store.retention.setPolicy('ci', {
    defaultClass: 'build',
    classes: { build: { keep: { afterPublish: '7d' }, grace: '2d' } },
  });
  await publish(store, 'ci/app@1', { a: 'alone in one', shared: 'shared by one and two' });
  advance(5 * DAY);
  await publish(store, 'ci/app@2', { b: 'alone in two', shared: 'shared by one and two' }, { refs: ['latest'] });
  await publish(store, 'other/app@1', { a: 'elsewhere' });
  const loose = await store.put(Buffer.from('in no package'));
  t.match(await store.retention.plan({ record: false }), { versions: 0, objects: 0 }, 'nothing is old enough');
  t.equal((await eventsOf(store, 'retention.planned')).length, 0, 'a plan that is only looked at leaves nothing');
  advance(2 * DAY);
  const plan = await store.retention.plan();
  t.match(plan, { versions: 1, objects: 2, more: 0 });
  t.match(plan.entries, [
    {
      version: 'ci/app@1',
      because: /class "build": keeps only what was published in the last 1w/,
      grace: 2 * DAY,
      refs: [],
      count: 2,
    },
  ]);
  const named: string[] = [];
  for await (const { blake3, version, because } of store.retention.plannedObjects(plan)) {
    named.push(blake3);
    t.equal(version, 'ci/app@1');
    t.match(because, /published in the last 1w/);
  }
  t.equal(named.length, 2);
  const announced = plan.storedSize;
  const before = await store.usage();
  const { plan: id } = plan as { plan: string };
  t.match(
    await store.retention.openPlan(id.slice(0, 20)),
    { plan: id, entries: [{ version: 'ci/app@1' }], versions: 1 },
    'it is found again',
  );
  const report = await store.retention.apply(id.slice(0, 20), { actor: 'keeper' });
  t.match(report, { plan: id, versions: 1, objects: 2, storedSize: announced, keptCount: 0 });
  const tombstones = await eventsOf(store, 'object.tombstoned');
  t.same(
    tombstones.map(({ subject }) => subject).sort(),
    named.sort(),
    'the list of the plan is the list of what was done',
  );
  t.match(tombstones[0], { actor: 'keeper', data: { plan: id, grace: 2 * DAY, reason: /^ci\/app@1: class "build"/ } });
  t.match(await eventsOf(store, 'package.withdrawn'), [{ subject: 'ci/app@1', data: { plan: id } }]);
  const after = await store.usage();
  // The plan itself became an object before usage was asked, and stays.
  t.equal(before.storedSize - after.storedSize, announced, 'the space announced is the space returned');
  await t.rejects(store.packages.get('ci/app@1'), { code: 'AS_ERR_GONE' });
  t.ok(await store.packages.open('ci/app@2'));
  t.ok(await store.stat(loose.blake3));
  await t.rejects(store.retention.apply(id), { code: 'AS_ERR_PLAN', message: /carried out already/ });
  t.match(await store.retention.status(), {
    policies: 1,
    plans: [{ plan: id, applied: { objects: 2 } }],
    unfinished: [],
  });
  t.match(await store.retention.why(named[0] as string), {
    state: 'gone',
    sentences: [/deleted on .* by keeper: ci\/app@1: class "build".*still there/],
  });
  t.match(await store.sweep(), { objects: 0 }, 'the grace lasts');
  advance(2 * DAY + 1);
  t.match(await store.sweep(), { objects: 2 });
  t.match(await store.retention.why(named[0] as string), { state: 'gone', sentences: [/bytes are removed/] });
  await store.close();
  const log = await openEventLog({ path: `${path}/s/events.sqlite`, views: registryViews });
  const live = await dumpViews(log.plainReader);
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), live, 'a rebuild gives the same');
  await log.close();
});

t.test('a plan that no longer fits is not carried out, and says what changed', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  await store.retention.setPolicy('*', { defaultClass: 'build', classes: { build: { keep: { afterPublish: '1d' } } } });
  const files = (n: number) => ({ [`f${n}`]: `content ${n}`, common: 'common' });
  for (const n of [1, 2, 3]) await publish(store, `a/x@${n}`, files(n));
  advance(DAY);
  const fits = async (change: () => Promise<unknown>, what: RegExp, undo?: () => Promise<unknown>) => {
    const plan = await store.retention.plan();
    t.equal(plan.versions, 3);
    await change();
    const last = (await store.events({ reverse: true, limit: 1 }))[0]?.seq;
    await t.rejects(store.retention.apply(plan.plan as string), { code: 'AS_ERR_PLAN', message: what });
    t.equal((await store.events({ reverse: true, limit: 1 }))[0]?.seq, last, 'nothing was done');
    await undo?.();
  };
  await fits(
    () => store.retention.hold('a/x@1', { case: 'C-1', reason: 'evidence' }),
    /of a\/x@1 it has to be said now that tester placed a hold for the case C-1: evidence/,
    () => store.retention.release('a/x@1', { case: 'C-1' }),
  );
  await fits(
    () => store.retention.hold('a/', { case: 'C-2', reason: 'audit' }),
    /tester placed a hold on a\/ for the case C-2/,
    () => store.retention.release('a/', { case: 'C-2' }),
  );
  await fits(
    () => store.packages.moveRef('a/x:latest', 'a/x@2'),
    /of a\/x@2 .*ref "latest" names/,
    () => store.packages.removeRef('a/x:latest'),
  );
  await fits(() => publish(store, 'b/y@1', { common: 'common' }), /blake3:.* a version that stays needs it/);
  const plan = await store.retention.plan();
  await publish(store, 'b/y@2', { f1: 'unrelated', f9: 'unrelated too' });
  t.match(
    await store.retention.apply(plan.plan as string),
    { versions: 3, keptCount: 0 },
    'what happens beside it does not matter',
  );
  await t.rejects(store.retention.apply('blake3:0123456789'), { code: 'AS_ERR_NOT_FOUND' });
  const { blake3 } = await store.put(Buffer.from('not a plan'));
  await t.rejects(store.retention.openPlan(blake3), {
    code: 'AS_ERR_NOT_FOUND',
    message: /no plan that this store has made/,
  });
});

t.test('holds: any number, on anything, and nothing gets past them', async (t) => {
  const store = await open(t, t.testdir());
  await publish(store, 'a/x@1', { f: 'one file' });
  const { blake3: address } = await store.stat(await firstFile(store, 'a/x@1'));
  const loose = await store.put(Buffer.from('loose'));
  const reason = 'litigation';
  t.match(await store.retention.hold(loose.sha256, { case: 'C-1', reason }), {
    subject: loose.blake3,
    case: 'C-1',
    actor: 'tester',
  });
  await store.retention.hold(loose.blake3, { case: 'C-2', reason, actor: 'counsel' });
  await t.rejects(store.retention.hold(loose.blake3, { case: 'C-1', reason }), { code: 'AS_ERR_CONFLICT' });
  const held = { code: 'AS_ERR_PROTECTED', message: /tester placed a hold for the case C-1: litigation \(hold C-1\)/ };
  await t.rejects(store.delete(loose.blake3), held);
  await t.rejects(store.delete(loose.blake3, { force: true }), held, 'not even by force');
  await store.retention.release(loose.blake3, { case: 'C-1', reason: 'settled' });
  await t.rejects(store.delete(loose.blake3), {
    code: 'AS_ERR_PROTECTED',
    message: /counsel placed a hold for the case C-2/,
  });
  await store.retention.release(loose.blake3, { case: 'C-2' });
  await t.rejects(store.retention.release(loose.blake3, { case: 'C-2' }), { code: 'AS_ERR_NOT_FOUND' });
  await store.delete(loose.blake3);
  await t.rejects(store.retention.hold(loose.blake3, { case: 'C-3', reason }), { code: 'AS_ERR_GONE' });

  for (const thing of ['a/x@1', 'a/x', 'a/']) {
    await store.retention.hold(thing, { case: 'C', reason });
    const through = { code: 'AS_ERR_PROTECTED', message: /placed a hold.* for the case C: litigation/ };
    await t.rejects(store.packages.withdraw('a/x@1'), through, `${thing} keeps the version`);
    await t.rejects(store.delete(address, { force: true }), through, `${thing} keeps the file`);
    t.match(await store.retention.why(address), {
      state: 'kept',
      sentences: [new RegExp(`hold on ${thing.replace('/', '\\/')} for the case C`), /a\/x@1 needs it/],
    });
    await store.retention.release(thing, { case: 'C' });
  }
  t.same((await store.retention.holds()).holds, []);
  for (const [thing, code] of [
    ['a/x@9', 'AS_ERR_NOT_FOUND'],
    ['a/x:latest', 'AS_ERR_INVALID_ARGUMENT'],
    ['nothing', 'AS_ERR_INVALID_DIGEST'],
    ['0123456789', 'AS_ERR_NOT_FOUND'],
  ] as const)
    await t.rejects(store.retention.hold(thing, { case: 'C', reason }), { code }, thing);
  for (const bad of [
    { case: '', reason },
    { case: ' ', reason },
    { case: '-', reason },
    { case: 'C', reason: ' ' },
    { case: 'C', reason: 'x'.repeat(2001) },
  ])
    await t.rejects(
      store.retention.hold('a/x', bad),
      { code: 'AS_ERR_INVALID_ARGUMENT' },
      JSON.stringify(bad).slice(0, 40),
    );
  const story: string[] = [];
  for await (const { sentence } of await store.explain('a/x')) story.push(sentence);
  t.match(story, [
    'tester placed a hold on it for the case C: litigation.',
    'tester released the hold for the case C.',
  ]);
  await store.packages.withdraw('a/x@1');
});

t.test('a hold that is placed on what is deleted at the same time either holds, or is refused', async (t) => {
  const store = await open(t, t.testdir());
  for (let n = 0; n < 40; n++) {
    const name = `a/x@${n}`;
    await publish(store, name, { f: `content ${n}` });
    const [placed, withdrawn] = await Promise.allSettled([
      n % 2 === 0 ? store.retention.hold(name, { case: 'C', reason: 'r' }) : store.packages.withdraw(name),
      n % 2 === 0 ? store.packages.withdraw(name) : store.retention.hold(name, { case: 'C', reason: 'r' }),
    ]);
    const done = [placed, withdrawn].filter(({ status }) => status === 'fulfilled').length;
    t.equal(done, 1, `${n}: one of the two`);
  }
});

t.test('locks, and a clock that is set back', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  const { blake3 } = await store.put(Buffer.from('locked'));
  const start = Date.now();
  await store.retention.lock(blake3, { mode: 'governance', until: start + 10 * DAY, reason: 'audit' });
  const locked = { code: 'AS_ERR_PROTECTED', message: /tester set a governance lock: audit \(lock governance\)/ };
  await t.rejects(store.delete(blake3), locked);
  await t.rejects(store.retention.lock(blake3, { mode: 'governance', until: start + 5 * DAY }), {
    code: 'AS_ERR_LOCKED',
    message: /scope "release"/,
  });
  t.match(await store.retention.lock(blake3, { mode: 'governance', until: start + 5 * DAY, bypassGovernance: true }), {
    until: start + 5 * DAY,
  });
  t.match((await eventsOf(store, 'lock.set')).at(-1)?.data, { bypass: true });
  await store.retention.lock(blake3, { mode: 'compliance', until: start + 5 * DAY });
  for (const bypassGovernance of [false, true])
    await t.rejects(store.retention.lock(blake3, { mode: 'compliance', until: start + 4 * DAY, bypassGovernance }), {
      code: 'AS_ERR_LOCKED',
      message: /nobody can shorten/,
    });
  await store.retention.lock(blake3, { mode: 'compliance', until: start + 6 * DAY });
  advance(7 * DAY);
  await store.put(Buffer.from('the log has seen this day'));
  advance(-30 * DAY);
  const { now } = await store.retention.status();
  t.ok(now >= start + 7 * DAY, 'the time of the log does not go back with the clock');
  await t.rejects(store.retention.lock(blake3, { mode: 'governance', until: start + 6 * DAY }), {
    code: 'AS_ERR_INVALID_ARGUMENT',
    message: /over already/,
  });
  await store.retention.lock(blake3, { mode: 'governance', until: start + 8 * DAY });
  await t.rejects(store.delete(blake3), { code: 'AS_ERR_PROTECTED' }, 'and a clock set back unlocks nothing either');
  for (const bad of [
    { mode: 'soft' as never, until: 1 },
    { mode: 'governance' as const, until: -1 },
    { mode: 'governance' as const, until: 1.5 },
  ])
    await t.rejects(store.retention.lock(blake3, bad), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.match((await store.retention.locks({ subject: blake3 })).locks, [{ mode: 'governance', until: start + 8 * DAY }]);
});

t.test('a clock set back does not bring a retention period to its end', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  await store.retention.setPolicy('a', {
    defaultClass: 'evidence',
    classes: { evidence: { minimum: '10d', keep: { afterPublish: '10d' } } },
  });
  await publish(store, 'a/x@1', { f: 'x' });
  advance(-1000 * DAY);
  t.match(await store.retention.plan({ record: false }), { versions: 0 });
  await t.rejects(store.packages.withdraw('a/x@1'), {
    code: 'AS_ERR_PROTECTED',
    message: /class "evidence", which must be kept for 10d \(policy evidence\)/,
  });
  const hex = await firstFile(store, 'a/x@1');
  await t.rejects(store.delete(hex, { force: true }), {
    code: 'AS_ERR_PROTECTED',
    message: /a\/x@1 is of the class "evidence"/,
  });
  await t.rejects(store.retention.classify('a/x@1', 'ephemeral'), {
    code: 'AS_ERR_LOCKED',
    message: /must be kept until/,
  });
  t.match(await store.retention.why('a/x@1'), {
    state: 'kept',
    sentences: [/the minimum of class "evidence" until/, /No policy lets it go/],
  });
  advance(1000 * DAY + 10 * DAY);
  t.match(await store.retention.why('a/x@1'), { state: 'goes' });
  t.match(await store.retention.why(hex), {
    state: 'goes',
    sentences: [/a\/x@1 needs it. The policy lets that version go since/],
  });
  await store.retention.classify('a/x@1', 'release');
  t.match(await store.retention.why('a/x@1'), { state: 'stays', sentences: [/no rule for the class "release"/] });
  await store.packages.withdraw('a/x@1');
});

t.test('policies: set, replaced, removed, and those that would delete everything', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  await publish(store, 'a/x@1', { f: 'x' });
  advance(30 * DAY);
  const all = { defaultClass: 'build', classes: { build: { keep: { afterPublish: '7d' } } } };
  await t.rejects(store.retention.setPolicy('a', all), {
    code: 'AS_ERR_POLICY',
    message: /would delete everything: of 1 versions in "a" it keeps none \(class "build"\)/,
  });
  await t.rejects(store.retention.setPolicy('*', all), { code: 'AS_ERR_POLICY', message: /in all namespaces/ });
  await t.rejects(store.retention.policy('a'), { code: 'AS_ERR_NOT_FOUND' }, 'nothing was changed');
  await publish(store, 'a/x@2', { f: 'y' });
  t.match(await store.retention.setPolicy('a', all, { reason: 'dear' }), {
    namespace: 'a',
    actor: 'tester',
    reason: 'dear',
    policy: all.classes.build && { defaultClass: 'build' },
  });
  await store.retention.setPolicy('a', {
    defaultClass: 'build',
    classes: { build: { keep: { afterPublish: '0s' }, deleteEverything: true } },
  });
  t.match(await store.retention.plan({ record: false }), { versions: 2 });
  await store.retention.setPolicy('b', { classes: {} });
  t.same(
    (await store.retention.policies()).map(({ namespace }) => namespace),
    ['a', 'b'],
  );
  await store.retention.removePolicy('a');
  await t.rejects(store.retention.removePolicy('a'), { code: 'AS_ERR_NOT_FOUND' });
  t.match(await store.retention.plan({ record: false }), { versions: 0 }, 'no policy, nothing goes');
  for (const name of ['A', 'a/', ''])
    await t.rejects(store.retention.setPolicy(name, {}), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(publish(store, 'a/x@3', { f: 'z' }, { class: 'relase' }), {
    code: 'AS_ERR_POLICY',
    message: /Did you mean "release"\?/,
  });
  await publish(store, 'a/x@3', { f: 'z' }, { class: 'release' });
  t.match((await eventsOf(store, 'package.classified'))[0], { subject: 'a/x@3', data: { class: 'release' } });
});

t.test('the last pull counts where a policy asks for it, and is noted once a day', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  const noted = async () => {
    await store.retention.settled();
    return (await eventsOf(store, 'package.pulled')).length;
  };
  await publish(store, 'a/x@1', { f: 'x' });
  await publish(store, 'a/x@2', { f: 'y' });
  await store.packages.open('a/x@1');
  t.equal(await noted(), 0, 'nobody asks for pulls');
  advance(30 * DAY);
  await store.retention.setPolicy('a', { defaultClass: 'build', classes: { build: { keep: { afterPull: '7d' } } } });
  t.match(await store.retention.plan({ record: false }), { versions: 0 }, 'who knows whether they were pulled before');
  advance(3 * DAY);
  await Promise.all([store.packages.open('a/x@1'), store.packages.get('a/x@1')]);
  await store.packages.get('a/x@1');
  t.equal(await noted(), 1);
  advance(4 * DAY);
  t.match((await store.retention.plan({ record: false })).entries, [{ version: 'a/x@2' }]);
  await store.packages.get('a/x@1');
  t.equal(await noted(), 2, 'a day later it is noted again');
  const plan = await store.retention.plan();
  await store.packages.open('a/x@2');
  t.equal(await noted(), 3);
  await t.rejects(store.retention.apply(plan.plan as string), {
    code: 'AS_ERR_PLAN',
    message: /pulled in the last 1w/,
  });
});

t.test('maximum, refs that go with a version, and refs that cannot', async (t) => {
  const advance = clock(t);
  const store = await open(t, t.testdir());
  await store.retention.setPolicy('a', {
    defaultClass: 'ephemeral',
    classes: { ephemeral: { maximum: '1d', grace: '0s' } },
  });
  await publish(store, 'a/x@1', { f: 'x' }, { refs: ['one'] });
  await publish(store, 'a/y@1', { f: 'y' }, { refs: ['for-good'], immutable: true });
  await publish(store, 'a/z@1', { f: 'z' }, { refs: ['same'] });
  await publish(store, 'a/z@2', { f: 'z' }, { class: 'release' });
  advance(DAY);
  const plan = await store.retention.plan();
  t.match(plan.entries.map(({ version, refs }) => [version, refs]).sort(), [
    ['a/x@1', ['one']],
    ['a/z@1', []],
  ]);
  t.match(plan.held, [{ what: 'a/y@1', kind: 'policy', because: /ref "for-good", which cannot move/ }]);
  await store.retention.apply(plan.plan as string);
  t.equal(await store.packages.ref('a/x:one'), undefined);
  t.ok(await store.packages.get('a/z:same'), 'another version has the same content');
  t.match(await store.sweep(), { objects: 2 }, 'no grace was asked for');
});

t.test('what was once in a package and no version needs goes too, unless it is held', async (t) => {
  const store = await open(t, t.testdir());
  await publish(store, 'a/x@1', { f: 'first', g: 'second' });
  const hex = await firstFile(store, 'a/x@1');
  await store.packages.withdraw('a/x@1');
  await store.retention.hold(hex, { case: 'C', reason: 'r' });
  const plan = await store.retention.plan();
  t.match(plan.entries, [{ version: undefined, because: 'no version needs it any more', count: 2 }]);
  t.match(plan.held, [{ what: `blake3:${hex}`, kind: 'hold', name: 'C' }]);
  t.equal([...seqsOf(plan.entries[0]?.objects ?? [])].length, 2);
  t.match(await store.retention.why(hex), { state: 'kept', sentences: [/hold C/, /no version needs it any more/] });
  t.match(await store.retention.apply(plan.plan as string), { versions: 0, objects: 2 });
  await store.retention.release(hex, { case: 'C' });
  const next = await store.retention.plan();
  t.match(await store.retention.apply(next.plan as string), { objects: 1 });
  t.match(await store.retention.plan({ record: false }), { objects: 0 });
});

t.test('a plan that was interrupted is gone on with', async (t) => {
  const advance = clock(t);
  const path = t.testdir();
  const store = await open(t, `${path}/s`);
  await store.retention.setPolicy('a', { defaultClass: 'build', classes: { build: { keep: { afterPublish: '1d' } } } });
  for (let n = 0; n < 5; n++) await publish(store, `a/x@${n}`, { f: `file ${n}` });
  advance(DAY);
  const plan = await store.retention.plan();
  const ending = new AbortController();
  const half = await store.retention.apply(plan.plan as string, {
    throttle: 1e9,
    signal: ending.signal,
    onProgress: () => ending.abort(),
  });
  t.ok(half.objects < plan.objects, 'it was ended early');
  t.match(await store.retention.status(), { unfinished: [{ plan: plan.plan, versions: 5 }] });
  await store.close();
  const again = await open(t, `${path}/s`);
  t.match(await again.retention.apply(plan.plan as string), {
    versions: 5,
    objects: plan.objects,
    storedSize: plan.storedSize,
    keptCount: 0,
  });
  t.match(await again.retention.status(), { unfinished: [], plans: [{ applied: { objects: plan.objects } }] });
  await writeFile(`${path}/note`, '');
});
