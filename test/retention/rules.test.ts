/** The rules of retention alone: policies as text, patterns, lengths of time, verdicts, locks, plans as bytes, and the view of all of it. */

import t from 'tap';
import { encodeCanonical } from '../../lib/cbor/index.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import * as kinds from '../../lib/events/kinds.js';
import type { NewEvent } from '../../lib/events/log.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { createRetentionRegistry } from '../../lib/registry/sqlite-retention.js';
import { registryViews } from '../../lib/registry/views.js';
import { formatDuration, readDuration } from '../../lib/retention/duration.js';
import { type Candidate, judge, kept, minimumUntil } from '../../lib/retention/evaluate.js';
import { matchesGlob } from '../../lib/retention/glob.js';
import { requireAllowed } from '../../lib/retention/locks.js';
import { decodePlan, encodePlan, type Plan, seqsOf, totalsOf } from '../../lib/retention/plan.js';
import { type ClassRule, type Policy, parsePolicy, policyJson } from '../../lib/retention/policy.js';
import { protectorsOf, thingOf } from '../../lib/retention/thing.js';
import { parseWindow, RetentionSchedule, untilClosed, untilOpen } from '../../lib/store/retention-schedule.js';
import { dumpViews } from '../events/dump.js';
import { ingestResult, randomSource } from '../events/random-events.js';

const DAY = 86_400_000;
const ADDRESS = formatBlake3(ingestResult(1).blake3);

t.test('lengths of time', (t) => {
  for (const [text, length] of Object.entries({
    '0s': 0,
    '90s': 90_000,
    '15m': 900_000,
    '36h': 1.5 * DAY,
    '2w': 14 * DAY,
    '1y': 365 * DAY,
  }))
    t.equal(readDuration(text), length, text);
  for (const text of ['', '3', 'd', '1.5d', '-1d', '1 d', '1D', '1001y', '99999999999d', '1d1h'])
    t.equal(readDuration(text), undefined, text);
  for (const text of ['0s', '1y', '2w', '3d', '5h', '7m', '11s'])
    t.equal(formatDuration(readDuration(text) ?? -1), text);
  t.equal(formatDuration(1500), '1500ms');
  t.end();
});

t.test('patterns fit as a regular expression of the same meaning does', (t) => {
  const random = randomSource(5);
  const letters = 'ab*?.';
  const word = (length: number, among: number) => Array.from({ length }, () => letters[random(among)]).join('');
  for (let n = 0; n < 5000; n++) {
    const pattern = word(random(7), 4);
    const text = word(random(9), 2);
    const asRegex = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    if (matchesGlob(pattern, text) !== asRegex.test(text)) t.fail(`"${pattern}" and "${text}"`);
  }
  t.ok(matchesGlob('v1.*', 'v1.2.3') && !matchesGlob('v1.*', 'v12'));
  t.notOk(matchesGlob('*a'.repeat(100), 'b'.repeat(10_000)), 'a pattern that would choke a regular expression');
  t.end();
});

t.test('a policy reads as it is written', (t) => {
  const written = {
    defaultClass: 'build',
    classes: {
      build: {
        maximum: '1y',
        keep: { afterPublish: '30d', afterPull: '2w', last: 10, matching: ['v*'], refs: ['*'] },
        grace: '3d',
      },
      evidence: { minimum: '10y' },
      scratch: { keep: { refs: [] }, deleteEverything: true },
    },
  };
  const policy = parsePolicy(written);
  t.equal(policy.classes.build?.keep?.afterPublish, 30 * DAY);
  t.same(policyJson(policy), {
    ...written,
    classes: {
      ...written.classes,
      build: { ...written.classes.build, keep: { ...written.classes.build.keep, afterPublish: '30d' } },
    },
  });
  t.same(parsePolicy(policyJson(policy)), policy, 'and back');
  t.same(parsePolicy({}), { classes: {} }, 'nothing said: everything stays');
  t.same(parsePolicy({ defaultClass: 'release' }), { defaultClass: 'release', classes: {} });
  t.end();
});

t.test('a policy that is none, or does harm, is refused with the place and what to do', (t) => {
  const rule = (build: unknown) => ({ classes: { build } });
  const wrong: [unknown, RegExp][] = [
    [null, /The policy is null; write an object/],
    [[], /write an object/],
    [{ classs: {} }, /does not know "classs". Did you mean "classes"\?/],
    [{ xyz: 1 }, /knows defaultClass, classes/],
    [rule({ minimun: '1d' }), /The policy's classes.build does not know "minimun". Did you mean "minimum"\?/],
    [
      rule({ keep: { afterpublish: '1d' } }),
      /classes.build.keep does not know "afterpublish". Did you mean "afterPublish"\?/,
    ],
    [rule({ minimum: 30 }), /classes.build.minimum is 30; write a length such as "30d"/],
    [rule({ minimum: '30 days' }), /is "30 days"/],
    [rule({ keep: { last: -1 } }), /keep.last is -1/],
    [rule({ keep: { last: 1.5 } }), /keep.last is 1.5/],
    [rule({ keep: { matching: 'v*' } }), /write a list/],
    [rule({ keep: { matching: [''] } }), /write a list/],
    [rule({ keep: { refs: [7] } }), /write a list/],
    [
      rule({ minimum: '2y', maximum: '1y' }),
      /must be kept for 2y \(minimum\) and may not be kept for longer than 1y \(maximum\)/,
    ],
    [
      rule({ maximum: '7d', keep: { afterPublish: '30d' } }),
      /for 30d \(keep.afterPublish\), longer than its maximum of 1w/,
    ],
    [rule({ maximum: '7d', keep: { afterPull: '8d' } }), /keep.afterPull/],
    [rule({ keep: {} }), /would delete everything.*"deleteEverything": true/],
    [rule({ keep: { refs: [], last: 0, afterPublish: '0s' } }), /would delete everything/],
    [rule({ maximum: '0s' }), /would delete everything/],
    [rule({ maximum: '0s', keep: { last: 3 } }), /would delete everything/],
    [rule({ deleteEverything: false }), /write true, or leave it out/],
    [{ classes: { 'No Name': {} } }, /is no name of a class/],
    [{ defaultClass: 'relase' }, /Did you mean "release"\?/],
    [{ defaultClass: 7 }, /has no such class/],
    [{ classes: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`c${n}`, {}])) }, /has 101 classes/],
  ];
  for (const [policy, message] of wrong)
    t.throws(() => parsePolicy(policy), { code: 'AS_ERR_POLICY', message }, JSON.stringify(policy).slice(0, 80));
  t.ok(parsePolicy(rule({ keep: {}, deleteEverything: true })), 'in so many words');
  t.ok(parsePolicy(rule({ keep: { refs: ['*'] } })), 'what refs name is something');
  t.ok(parsePolicy(rule({ keep: {}, minimum: '1d' })), 'a minimum is something');
  t.end();
});

const version = (of: Partial<Candidate> & Pick<Candidate, 'version'>): Candidate => ({
  name: 'x',
  publishedAt: 0,
  seq: 1,
  refs: [],
  class: 'build',
  ...of,
});

t.test('what goes and what stays', (t) => {
  const verdict = (rule: ClassRule, of: Partial<Candidate>, now: number) =>
    judge({ policy: { classes: { build: rule } } }, [version({ version: '1', ...of })], now)[0];
  t.match(judge(undefined, [version({ version: '1' })], 9 * DAY), [{ goes: false, because: /has no policy/ }]);
  t.match(judge({ policy: { classes: {} } }, [version({ version: '1' })], 9 * DAY), [
    { goes: false, because: /no rule for the class "build"/ },
  ]);
  const { class: _, ...without } = version({ version: '1' });
  t.match(judge({ policy: { classes: {} } }, [without], 9 * DAY), [
    { goes: false, because: /no class, and its policy no default/ },
  ]);
  t.match(verdict({}, {}, 1e12), { goes: false, because: /nothing ends the time/ }, 'the default is to keep');

  const month = { keep: { afterPublish: 30 * DAY } };
  t.match(verdict(month, {}, 30 * DAY - 1), { goes: false, because: /published in the last 30d/ });
  t.match(verdict(month, {}, 30 * DAY), {
    goes: true,
    since: 30 * DAY,
    because: /keeps only what was published in the last 30d, or what a ref names/,
  });
  t.match(
    verdict(month, { refs: ['latest'] }, 30 * DAY),
    { goes: false, because: /the ref "latest" names/ },
    'refs keep unless it says otherwise',
  );
  t.match(verdict({ keep: { ...month.keep, refs: [] } }, { refs: ['latest'] }, 30 * DAY), { goes: true });
  t.match(verdict({ keep: { ...month.keep, refs: ['rel*'] } }, { refs: ['latest'] }, 30 * DAY), { goes: true });
  t.match(verdict({ keep: { ...month.keep, refs: ['rel*'] } }, { refs: ['latest', 'release'] }, 30 * DAY), {
    goes: false,
  });
  t.match(verdict({ keep: { refs: [], afterPublish: DAY } }, { refs: ['for-good'], fixedRef: 'for-good' }, 9 * DAY), {
    goes: false,
    wouldGo: true,
    because: /"for-good", which cannot move/,
  });

  const pulled = { keep: { afterPull: 7 * DAY } };
  t.match(
    verdict(pulled, {}, 7 * DAY),
    { goes: true, since: 7 * DAY },
    'one that nobody pulled counts from its publication',
  );
  t.match(verdict(pulled, { pulledAt: 5 * DAY }, 7 * DAY), { goes: false, because: /pulled in the last 1w/ });
  t.match(verdict(pulled, { pulledAt: 5 * DAY }, 12 * DAY), { goes: true, since: 12 * DAY });
  t.match(verdict({ keep: { matching: ['v*'] } }, { version: 'v1' }, 1e12), { goes: false, because: /matches "v\*"/ });
  t.match(verdict({ keep: { matching: ['x@2'] } }, { version: '2' }, 1e12), { goes: false });
  t.match(verdict({ keep: { matching: ['y@2'] } }, { version: '2' }, 1e12), { goes: true });

  t.match(verdict({ minimum: 5 * DAY, keep: { last: 0, refs: [] } }, {}, 4 * DAY), {
    goes: false,
    lockedUntil: 5 * DAY,
    wouldGo: true,
  });
  t.match(verdict({ minimum: 5 * DAY, keep: { last: 0, refs: [] } }, {}, 5 * DAY), { goes: true });
  t.match(verdict({ maximum: 5 * DAY, keep: { matching: ['*'] } }, { refs: ['latest'] }, 5 * DAY), {
    goes: true,
    since: 5 * DAY,
    because: /may not be kept longer than 5d/,
  });
  t.match(verdict({ maximum: 5 * DAY, keep: { matching: ['*'] } }, {}, 5 * DAY - 1), { goes: false });
  t.match(verdict({ ...month, grace: DAY }, {}, 30 * DAY), { goes: true, grace: DAY });

  const policy: Policy = {
    defaultClass: 'build',
    classes: { build: { keep: { last: 2 } }, release: { keep: { last: 1 } } },
  };
  const { class: __, ...unclassed } = version({ version: '4', seq: 4 });
  const all = [1, 2, 3]
    .map((n) => version({ version: `${n}`, seq: n }))
    .concat(
      unclassed,
      version({ version: 'r1', seq: 5, class: 'release' }),
      version({ name: 'y', version: '1', seq: 6 }),
    );
  t.same(
    judge({ policy }, all, 1e12).map(({ goes }) => goes),
    [true, true, false, false, false, false],
    'the last ones of each package and class',
  );
  t.same(minimumUntil({ classes: { build: { minimum: 7 } } }, { class: 'build', publishedAt: 3 }), {
    class: 'build',
    until: 10,
  });
  t.equal(minimumUntil({ classes: { build: {} } }, { class: 'build', publishedAt: 3 }), undefined);
  t.equal(minimumUntil(undefined, { class: 'build', publishedAt: 3 }), undefined);
  t.equal(kept({ refs: [] }), 'nothing');
  t.end();
});

t.test('verdicts are those of a simple model, whatever the rules and versions', (t) => {
  const seed = Number(process.env.ARTIFACTSTORE_RETENTION_SEED ?? 20_261_129);
  const random = randomSource(seed);
  const maybe = <T>(value: () => T): T | undefined => (random(2) === 0 ? undefined : value());
  const days = () => random(8) * DAY;
  for (let round = 0; round < 20_000; round++) {
    const keep = Object.fromEntries(
      Object.entries({
        afterPublish: maybe(days),
        afterPull: maybe(days),
        last: maybe(() => random(3)),
        matching: maybe(() => ['1*']),
        refs: maybe(() => (random(2) === 0 ? [] : ['a'])),
      }).filter(([, value]) => value !== undefined),
    );
    const rule: ClassRule = {
      ...(random(4) > 0 && { keep }),
      ...(random(3) === 0 && { minimum: days() }),
      ...(random(3) === 0 && { maximum: days() }),
    };
    const now = 8 * DAY;
    const candidates = Array.from({ length: 1 + random(5) }, (_, n) =>
      version({
        version: `${n}`,
        seq: n,
        publishedAt: random(8) * DAY,
        ...(random(3) === 0 && { pulledAt: random(9) * DAY }),
        refs: ['a', 'b'].filter(() => random(3) === 0),
      }),
    );
    const verdicts = judge({ policy: { classes: { build: rule } } }, candidates, now);
    for (const [index, one] of candidates.entries()) {
      const age = now - one.publishedAt;
      const idle = Math.min(age, now - (one.pulledAt ?? one.publishedAt));
      const newer = candidates.filter(({ seq }) => seq > one.seq).length;
      const named = one.refs.some((ref) => keep.refs === undefined || (keep.refs as string[]).includes(ref));
      const isKept =
        rule.keep === undefined ||
        age < ((keep.afterPublish as number) ?? 0) ||
        idle < ((keep.afterPull as number) ?? 0) ||
        newer < ((keep.last as number) ?? 0) ||
        (keep.matching !== undefined && one.version.startsWith('1')) ||
        named;
      const isOver = rule.maximum !== undefined && age >= rule.maximum;
      const isYoung = age < (rule.minimum ?? 0);
      const goes = !isYoung && (isOver || !isKept);
      if (verdicts[index]?.goes !== goes)
        t.fail(`seed ${seed}, round ${round}: ${JSON.stringify({ rule, one, verdict: verdicts[index] })}`);
    }
  }
  t.end();
});

t.test('locks get longer and stricter, never the reverse', (t) => {
  const now = 100;
  const allow = (before: [string, number] | undefined, to: [string, number], bypass = false) =>
    requireAllowed(
      'a/x@1',
      before && { mode: before[0] as 'governance', until: before[1] },
      { mode: to[0] as 'governance', until: to[1] },
      now,
      bypass,
    );
  const held = { code: 'AS_ERR_LOCKED', details: { subject: 'a/x@1' } };
  allow(undefined, ['governance', 101]);
  allow(['compliance', 100], ['governance', 101]); // it was over
  allow(['governance', 200], ['governance', 200]);
  allow(['governance', 200], ['compliance', 300]);
  allow(['compliance', 200], ['compliance', 201]);
  allow(['governance', 200], ['governance', 150], true);
  allow(['governance', 200], ['governance', 0], true);
  t.throws(() => allow(undefined, ['governance', 100]), {
    code: 'AS_ERR_INVALID_ARGUMENT',
    message: /would be over already/,
  });
  t.throws(() => allow(['governance', 200], ['governance', 199]), { ...held, message: /scope "release"/ });
  t.throws(() => allow(['governance', 200], ['compliance', 199]), held);
  for (const bypass of [false, true]) {
    t.throws(() => allow(['compliance', 200], ['compliance', 199], bypass), { ...held, message: /nobody can shorten/ });
    t.throws(() => allow(['compliance', 200], ['governance', 300], bypass), held);
  }
  t.end();
});

t.test('what can be held', (t) => {
  t.match(thingOf(ADDRESS), { kind: 'object', subject: ADDRESS });
  t.match(thingOf('a/x@1'), { kind: 'version', namespace: 'a' });
  t.match(thingOf('a/x'), { kind: 'package', namespace: 'a' });
  t.match(thingOf('a/'), { kind: 'namespace', namespace: 'a' });
  for (const text of ['', 'a', 'a/x:latest', 'A/', '/', 'blake3:12', 'a/x/']) t.equal(thingOf(text), undefined, text);
  t.same(protectorsOf({ namespace: 'a', name: 'x', version: '1' }), ['a/x@1', 'a/x', 'a/']);
  t.end();
});

t.test('a plan as bytes', (t) => {
  const plan: Plan = {
    time: 5,
    seq: 9,
    entries: [
      {
        version: 'a/x@1',
        manifest: ingestResult(1).blake3,
        because: 'so',
        since: 3,
        grace: 7,
        refs: ['latest'],
        objects: [0, 2, 3, 1],
        count: 3,
        size: 30,
        storedSize: 40,
      },
      {
        because: 'no version needs it any more',
        since: 5,
        grace: 7,
        refs: [],
        objects: [],
        count: 0,
        size: 0,
        storedSize: 0,
      },
    ],
    held: [
      { what: 'a/x@2', kind: 'lock', name: 'compliance', until: 99, because: 'me' },
      { what: ADDRESS, kind: 'hold', name: 'C-1', because: 'me' },
    ],
    heldMore: 1,
    more: 2,
  };
  const bytes = encodePlan(plan);
  t.same(JSON.parse(JSON.stringify(decodePlan(bytes))), {
    schema: 'artifactstore.retention-plan.v1',
    ...JSON.parse(JSON.stringify(plan)),
  });
  t.same([...seqsOf([0, 2, 3, 1])], [1, 2, 6]);
  t.same(totalsOf(plan), { versions: 1, objects: 3, size: 30, storedSize: 40 });
  const { manifest: ___, ...lame } = plan.entries[0] as (typeof plan.entries)[0];
  const wrong: unknown[] = [
    7,
    {},
    { ...plan, schema: 'other' },
    { ...plan, time: -1 },
    { ...plan, entries: {} },
    { ...plan, entries: [lame] },
    { ...plan, entries: [{ ...plan.entries[0], version: 'a/x' }] },
    { ...plan, entries: [{ ...plan.entries[0], objects: [-1] }] },
    { ...plan, entries: [7] },
    { ...plan, held: [{ ...plan.held[0], kind: 'ghost' }] },
    { ...plan, held: [null] },
  ];
  const schema = 'artifactstore.retention-plan.v1';
  for (const value of wrong) {
    const input =
      typeof value === 'object' && value !== null && Object.keys(value).length > 0 ? { schema, ...value } : value;
    t.throws(
      () => decodePlan(encodeCanonical(input as never)),
      { code: 'AS_ERR_PLAN' },
      JSON.stringify(value).slice(0, 60),
    );
  }
  t.throws(() => decodePlan(Buffer.from('no')), { code: 'AS_ERR_PLAN', message: /not a retention plan/ });
  t.end();
});

t.test('facts that are none are refused', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  const wrong: [kinds.EventKind, string | null, unknown][] = [
    ['policy.set', 'a', {}],
    ['policy.set', 'a', { policy: { classes: { build: { minimum: 7 } } } }],
    ['policy.set', 'A', { policy: { classes: {} } }],
    ['policy.set', null, { policy: { classes: {} } }],
    ['policy.removed', 'a/', {}],
    ['policy.removed', 'a', { reason: 7 }],
    ['package.classified', 'a/x@1', {}],
    ['package.classified', 'a/x@1', { class: 'No' }],
    ['package.classified', 'a/x', { class: 'build' }],
    ['package.pulled', 'a/x:latest', {}],
    ['hold.placed', 'a/x@1', { case: '1' }],
    ['hold.placed', 'a/x@1', { case: ' 1', reason: 'r' }],
    ['hold.placed', 'a', { case: '1', reason: 'r' }],
    ['hold.released', ADDRESS, {}],
    ['hold.released', ADDRESS, { case: '1', reason: 7 }],
    ['lock.set', 'a/', { mode: 'strict', until: 1 }],
    ['lock.set', 'a/', { mode: 'governance', until: -1 }],
    ['lock.set', 'a/', { mode: 'governance', until: 1, bypass: false }],
    ['retention.planned', ADDRESS, { versions: 1, objects: 1 }],
    ['retention.planned', 'a/x@1', { versions: 1, objects: 1, storedSize: 1 }],
    ['retention.started', 'a/x@1', {}],
    ['retention.applied', ADDRESS, { versions: 1, objects: -1, storedSize: 1 }],
  ];
  for (const [kind, subject, data] of wrong)
    await t.rejects(
      log.append([{ kind, actor: 'me', subject, data: data as never }]),
      { code: 'AS_ERR_INVALID_ARGUMENT' },
      `${kind} ${JSON.stringify(data)}`,
    );
  t.equal(await log.last(), 0);
  await log.close();
});

/** Few things and cases, so that each is set, changed and taken away again. */
function randomRetentionEvent(random: (below: number) => number): NewEvent {
  const pick = <T>(of: readonly T[]): T => of[random(of.length)] as T;
  const version = pick(['a/x@1.0', 'a/x@2.0+x', 'b-c/y@1.0']);
  const thing = pick([ADDRESS, version, 'a/x', 'a/']);
  const namespace = pick(['a', 'b-c', '*']);
  const plan = formatBlake3(ingestResult(random(4)).blake3);
  const reason = random(2) === 0 ? {} : { reason: `reason ${random(9)}` };
  const id = pick(['C-1', 'C-2']);
  const facts = { versions: random(3), objects: random(9), storedSize: random(9999) };
  return pick([
    () =>
      kinds.newEvent('policy.set', 'me', namespace, {
        policy: { classes: { build: { minimum: random(9) * 1000 } } },
        ...reason,
      }),
    () => kinds.newEvent('policy.removed', 'me', namespace, reason),
    () => kinds.newEvent('package.classified', 'me', version, { class: pick(['build', 'release']), ...reason }),
    () => kinds.newEvent('package.pulled', 'me', version, {}),
    () => kinds.newEvent('hold.placed', pick(['me', 'you']), thing, { case: id, reason: `reason ${random(9)}` }),
    () => kinds.newEvent('hold.released', 'me', thing, { case: id, ...reason }),
    () =>
      kinds.newEvent('lock.set', 'me', thing, {
        mode: pick(['governance', 'compliance'] as const),
        until: random(9999),
        ...reason,
      }),
    () => kinds.newEvent('retention.planned', 'me', plan, facts),
    () => kinds.newEvent('retention.started', 'me', plan, {}),
    () => kinds.newEvent('retention.applied', 'me', plan, facts),
  ])();
}

t.test('any history rebuilds to the same rows, wherever batches end', async (t) => {
  const random = randomSource(77);
  for (let round = 0; round < 12; round++) {
    const log = await openEventLog({ path: `${t.testdir()}/log-${round}`, views: registryViews });
    for (let n = 0; n < 25; n++)
      await log.append(
        Array.from({ length: 1 + random(round % 2 === 0 ? 3 : 40) }, () => randomRetentionEvent(random)),
      );
    const live = await dumpViews(log.plainReader);
    await log.rebuild();
    t.same(await dumpViews(log.plainReader), live, `round ${round}`);
    await log.close();
  }
});

t.test('the registry tells what the newest events say', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  const registry = createRetentionRegistry(log.reader);
  const say = async (...events: NewEvent[]) => (await log.append(events)).at(-1)?.time as number;
  const hold = (thing: string, id: string) => kinds.newEvent('hold.placed', 'me', thing, { case: id, reason: 'r' });
  await say(...['a/x', 'a/', ADDRESS, 'b/'].flatMap((thing) => [hold(thing, '1'), hold(thing, '2')]));
  await say(kinds.newEvent('hold.released', 'me', 'a/', { case: '1' }));
  const first = await registry.holds({ limit: 3 });
  t.same(
    first.holds.map(({ subject, case: id }) => `${subject} ${id}`),
    ['a/ 2', 'a/x 1', 'a/x 2'],
  );
  const second = await registry.holds({ limit: 4, cursor: first.cursor as string });
  t.same(
    second.holds.map(({ subject, case: id }) => `${subject} ${id}`),
    ['b/ 1', 'b/ 2', `${ADDRESS} 1`, `${ADDRESS} 2`],
  );
  t.equal(second.cursor, undefined);
  t.equal((await registry.holds({ subject: 'a/x' })).holds.length, 2);
  t.match(await registry.hold('a/x', '2'), { actor: 'me', reason: 'r' });
  t.same((await registry.guarding(['a/x', 'a/'], 0, 10)).holds.length, 3);
  t.same(
    (await registry.guardingEach([ADDRESS, 'a/x'], 0)).holds.map(({ case: id }) => id),
    ['1', '1'],
  );
  await say(
    kinds.newEvent('lock.set', 'me', 'a/', { mode: 'governance', until: 50 }),
    kinds.newEvent('lock.set', 'me', 'a/x', { mode: 'compliance', until: 60, reason: 'law' }),
  );
  t.same(
    (await registry.locks({ limit: 1 })).locks.map(({ subject }) => subject),
    ['a/'],
  );
  t.same(
    (await registry.locks({ cursor: (await registry.locks({ limit: 1 })).cursor as string })).locks.map(
      ({ reason }) => reason,
    ),
    ['law'],
  );
  t.same((await registry.locks({ subject: 'a/x' })).locks.length, 1);
  t.same(
    (await registry.guarding(['a/x', 'a/'], 50, 10)).locks.map(({ subject }) => subject),
    ['a/x'],
    'those that are over guard nothing',
  );
  for (const query of [
    { cursor: 'x' },
    { cursor: Buffer.from('[1,2]').toString('base64url') },
    { limit: 0 },
    { limit: 1e9 },
  ]) {
    await t.rejects(registry.holds(query), { code: 'AS_ERR_INVALID_ARGUMENT' });
    await t.rejects(registry.locks(query), { code: 'AS_ERR_INVALID_ARGUMENT' });
  }
  const plan = formatBlake3(ingestResult(3).blake3);
  const facts = { versions: 1, objects: 2, storedSize: 3 };
  await say(kinds.newEvent('retention.started', 'me', plan, {}));
  t.equal(await registry.plan(plan), undefined, 'a plan that nobody made means nothing');
  await say(kinds.newEvent('retention.planned', 'me', plan, facts));
  t.match(await registry.plans(5), [{ plan, ...facts, startedAt: undefined }]);
  const started = await say(kinds.newEvent('retention.started', 'me', plan, {}));
  t.match(await registry.unfinishedPlans(), [{ plan, startedAt: started }]);
  const applied = await say(kinds.newEvent('retention.applied', 'you', plan, { ...facts, objects: 1 }));
  t.match(await registry.plan(plan), { startedAt: started, appliedAt: applied, applied: { objects: 1 } });
  t.same(await registry.unfinishedPlans(), []);
  await log.close();
});

t.test('windows of the day', (t) => {
  const at = (time: string) => Date.parse(`2026-11-29T${time}:00Z`);
  const night = parseWindow('22:00-05:30');
  t.equal(untilOpen(night, at('22:00')), 0);
  t.equal(untilOpen(night, at('05:29')), 0);
  t.equal(untilOpen(night, at('05:30')), 16.5 * 3_600_000);
  t.equal(untilClosed(night, at('23:00')), 6.5 * 3_600_000);
  const noon = parseWindow('12:00-13:00');
  t.equal(untilOpen(noon, at('12:30')), 0);
  t.equal(untilOpen(noon, at('13:00')), 23 * 3_600_000);
  t.equal(untilOpen(noon, at('11:00')), 3_600_000);
  const always = parseWindow('03:00-03:00');
  t.equal(untilOpen(always, at('17:00')), 0);
  t.equal(untilClosed(always, at('17:00')), Number.POSITIVE_INFINITY);
  t.end();
});

t.test('a schedule plans, carries out and sweeps, within its window, and goes on after a failure', async (t) => {
  let now = Date.parse('2026-11-29T20:00:00Z');
  const began = now;
  const seen: string[] = [];
  const runs: number[] = [];
  let [due, failing, turns] = [3, true, 0];
  const ended = new Promise<void>((resolve) => {
    const clock = {
      now: () => now,
      time: () => now,
      // Time passes for who sleeps as a run begins or ends; the end of the window, asked for beside it, never comes here.
      sleep: async (ms: number, signal?: AbortSignal) => {
        if (ms === 7.5 * 3_600_000) return new Promise<void>((wake) => signal?.addEventListener('abort', () => wake()));
        now += ms;
        if (++turns > 12) resolve();
        if (turns > 12) await new Promise<void>((wake) => signal?.addEventListener('abort', () => wake()));
      },
    };
    const status = { now: 0, policies: 1, plans: [], unfinished: [] };
    const retention = {
      status: async () => status,
      plan: async ({ record = true } = {}) => {
        if (failing && seen.length === 0) {
          failing = false;
          throw new Error('the disk is full');
        }
        seen.push(record ? 'plan' : 'look');
        return { versions: 1, objects: 1, ...(record && { plan: ADDRESS }) } as never;
      },
      apply: async (plan: string, options: { actor?: string; throttle?: number } = {}) => {
        t.match(options, { actor: 'service:retention', throttle: 2 });
        seen.push(`apply ${plan === ADDRESS}`);
        return { versions: 1, objects: 1 } as never;
      },
    };
    const sweep = async ({ limit = 0 }: { limit?: number }) => {
      const objects = Math.min(limit, due);
      due -= objects;
      seen.push(`sweep ${objects}`);
      return { objects, freedSize: 10 * objects } as never;
    };
    const schedule = new RetentionSchedule(
      { retention, sweep },
      {
        everyMinutes: 60,
        window: '22:00-05:30',
        throttle: 2,
        clock,
        onRun: ({ swept }) => runs.push(swept),
        onError: (error) => seen.push((error as Error).message),
      },
    );
    t.teardown(() => schedule.stop());
  });
  await ended;
  t.ok(now >= began + 2 * 3_600_000, 'nothing happened before the window opened');
  t.same(
    seen.slice(0, 6),
    ['the disk is full', 'look', 'plan', 'apply true', 'sweep 2', 'sweep 1'],
    'the throttle divides the sweep',
  );
  t.equal(runs[0], 3);
});
