/** Policies, holds, locks and plans from the command line, on a folder and on a service, and by the client: what is decided, what is told, and what is refused. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../../lib/cli/exit.js';
import { openClient } from '../../lib/client/index.js';
import { serve } from '../api/support.js';
import { cli, jsonLines } from '../cli/run.js';

const work = mkdtempSync(join(tmpdir(), 'artifactstore-decisions-'));
t.setTimeout(580_000);
t.teardown(() => rmSync(work, { recursive: true, force: true }));

const tree = (content: string) => {
  const folder = join(work, `tree-${content}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'file'), content);
  return folder;
};

/** The last of each package stays, and what a ref names; `grace`: what goes can be brought back so long. */
const LAST = { defaultClass: 'build', classes: { build: { keep: { last: 1 }, grace: '3d' } } };
const DAY = 86_400_000;

async function steps(t: Test, store: string): Promise<void> {
  const run = (...args: string[]) => cli(['--store', store, ...args]);
  const text = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return stdout.toString();
  };
  const json = async (...args: string[]) => jsonLines(Buffer.from(await text('--json', ...args)));
  const fails = async (code: number, pattern: RegExp, ...args: string[]) => {
    const ended = await run(...args);
    t.match([ended.code, ended.stderr], [code, pattern], args.join(' '));
  };
  const policy = join(work, 'policy.json');
  writeFileSync(policy, JSON.stringify(LAST));
  for (const n of ['1', '2']) await json('push', tree(n), `ci/app@${n}`);

  t.match(
    await text('policy', 'set', 'ci', policy, '--reason', 'a full disk'),
    /^ci {2}build {2}default build {2}.*\(event \d+\)\n$/,
  );
  t.match(await json('policy', 'ls'), [{ namespace: 'ci', reason: 'a full disk', policy: LAST }]);
  t.same(JSON.parse(await text('policy', 'show', 'ci')), LAST, 'as a file that "policy set" takes');
  writeFileSync(policy, '{"classes":{"build":{"minimun":"1d"}}}');
  await fails(EXIT.usage, /Did you mean "minimum"\?.*AS_ERR_POLICY/, 'policy', 'set', 'ci', policy);
  await fails(EXIT.usage, /not JSON.*AS_ERR_POLICY/, 'policy', 'set', 'ci', join(tree('x'), 'file'));
  await fails(EXIT.source, /AS_ERR_SOURCE_UNREADABLE/, 'policy', 'set', 'ci', join(work, 'none'));
  await fails(EXIT.notFound, /"policy ls" lists/, 'policy', 'show', 'other');

  const on = 'ci/app@1';
  await fails(EXIT.usage, /--reason/, 'hold', 'place', on, '--case', 'C-1');
  t.match(
    await text('hold', 'place', on, '--case', 'C-1', '--reason', 'litigation'),
    /^ci\/app@1 {2}C-1 {2}.*: litigation\n$/,
  );
  t.match(await json('hold', 'ls', on), [{ subject: on, case: 'C-1', reason: 'litigation' }]);
  t.match(
    await text('retention', 'plan', '--dry-run', '--brief'),
    /^ci\/app@1 {2}stays: .*C-1.*\nno plan kept: 0 versions, 0 objects, 0 B to go; 1 thing stays all the same\n$/,
  );
  await fails(EXIT.conflict, /placed a hold for the case C-1.*AS_ERR_PROTECTED/, 'withdraw', on);
  t.match(await json('hold', 'release', on, '--case', 'C-1', '--reason', 'settled'), [{ case: 'C-1', released: true }]);
  await fails(EXIT.notFound, /"hold ls" lists/, 'hold', 'release', on, '--case', 'C-1');

  t.match(
    await text('lock', 'set', on, '--until', '2d', '--reason', 'audit'),
    /^ci\/app@1 {2}governance {2}until .*: audit\n$/,
  );
  await fails(EXIT.conflict, /AS_ERR_LOCKED/, 'lock', 'set', on, '--until', '1d');
  await fails(EXIT.usage, /--until/, 'lock', 'set', on);
  await fails(EXIT.usage, /--until/, 'lock', 'set', on, '--until', 'soon');
  await json('lock', 'set', on, '--until', 'now', '--bypass-governance');
  t.match(await text('lock', 'ls', on), /^ci\/app@1 {2}governance {2}ended /);

  const planned = await json('retention', 'plan');
  const summary = planned.at(-1) as { plan: string };
  t.match(planned, [
    { kind: 'version', version: on, count: 2 },
    { kind: 'object' },
    { kind: 'object' },
    { kind: 'plan', versions: 1, objects: 2 },
  ]);
  t.match(
    await text('retention', 'plan', '--show', summary.plan, '--brief'),
    /^ci\/app@1 {2}goes: .* can be brought back for 3d\nplan blake3:.* to go\n$/,
  );
  t.match(await text('retention', 'status'), /; 1 policy\n.*not carried out\n$/);
  await fails(EXIT.usage, /--plan/, 'retention', 'apply');
  t.match(await json('retention', 'apply', '--plan', summary.plan, '--throttle', '1000'), [
    { versions: 1, objects: 2, keptCount: 0 },
  ]);
  await fails(EXIT.conflict, /AS_ERR_PLAN/, 'retention', 'apply', '--plan', summary.plan);
  t.match(await json('retention', 'status'), [
    { policies: 1, unfinished: [], plans: [{ plan: summary.plan, applied: { versions: 1 } }] },
  ]);
  await fails(EXIT.notFound, /AS_ERR_GONE/, 'pull', on, join(work, 'out'));
  t.match(await json('policy', 'rm', 'ci'), [{ namespace: 'ci', removed: true }]);
}

t.test('on a folder', (t) => steps(t, join(work, 'store')));

t.test('on a service', async (t) => steps(t, (await serve(t)).url));

t.test('by the client', async (t) => {
  const { url, store } = await serve(t);
  const client = openClient({ url });
  t.teardown(() => client.close());
  const { retention } = client;
  for (const n of ['1', '2']) await client.packages.push(tree(n), `ci/app@${n}`);
  const { blake3 } = await client.put(Buffer.from('held by itself'));

  const set = await retention.setPolicy('ci', LAST, { reason: 'why' });
  t.same(set, await store.retention.policy('ci'), 'what the service has is what the client tells');
  t.same(await retention.policy('ci'), set);
  t.same(await retention.policies(), [set]);
  await t.rejects(retention.setPolicy('ci', { classes: { build: { keep: {} } } }), { code: 'AS_ERR_POLICY' });
  t.same(await retention.classify('ci/app@1', 'release', { reason: 'shipped' }), {
    namespace: 'ci',
    name: 'app',
    version: '1',
    class: 'release',
  });
  await t.rejects(retention.classify('ci/app@1', 'relaese'), { code: 'AS_ERR_POLICY', message: /"release"/ });
  await retention.classify('ci/app@1', 'build');

  const things = [blake3, 'ci/', 'ci/app', 'ci/app@1'];
  for (const on of things) await retention.hold(on, { case: 'C/1', reason: 'r' });
  t.match(await store.retention.holds(), { holds: { length: 4 } });
  const first = await retention.holds({ limit: 3 });
  t.equal(first.holds.length, 3);
  const second = await retention.holds({ limit: 3, cursor: first.cursor as string });
  t.same([...first.holds, ...second.holds], (await store.retention.holds()).holds, 'page by page');
  t.equal(second.cursor, undefined);
  t.match((await retention.holds({ subject: blake3.slice(0, 20) })).holds, [{ subject: blake3, case: 'C/1' }]);
  await t.rejects(retention.hold('ci/', { case: 'C/1', reason: 'r' }), { code: 'AS_ERR_CONFLICT' });
  await t.rejects(client.delete(blake3, { force: true }), { code: 'AS_ERR_PROTECTED' });
  for (const on of things) t.match(await retention.release(on, { case: 'C/1', reason: 'over' }), { case: 'C/1' });
  await t.rejects(retention.release('ci/', { case: 'C/1' }), { code: 'AS_ERR_NOT_FOUND' });

  const { now } = await retention.status();
  const lock = await retention.lock('ci/app@1', { mode: 'governance', until: now + DAY, reason: 'r' });
  t.match(lock, { subject: 'ci/app@1', mode: 'governance', until: now + DAY, reason: 'r' });
  t.match((await retention.locks({ subject: 'ci/app@1' })).locks, [lock]);
  t.match(await retention.why('ci/app@1'), { state: 'kept', sentences: [String] });
  await t.rejects(retention.lock('ci/app@1', { mode: 'governance', until: 0 }), { code: 'AS_ERR_LOCKED' });
  await retention.lock('ci/app@1', { mode: 'governance', until: 0, bypassGovernance: true });

  const looked = await retention.planRun({ record: false, objects: false });
  t.match(looked.summary, { plan: undefined, versions: 1, objects: 2 });
  const lines = async (run: AsyncIterable<{ kind: string }>) => {
    const kinds: string[] = [];
    for await (const { kind } of run) kinds.push(kind);
    return kinds;
  };
  t.same(await lines(looked), ['version']);
  const run = await retention.planRun();
  t.same(await lines(run), ['version', 'object', 'object']);
  const plan = String(run.summary.plan);
  const shown = await retention.showPlan(plan.slice(0, 20), { objects: false });
  t.match(shown.summary, { plan, versions: 1 });
  t.same(await lines(shown), ['version']);
  const seen: unknown[] = [];
  const report = await retention.apply(plan, { onProgress: (progress) => seen.push(progress) });
  t.match([report, seen], [{ plan, versions: 1, objects: 2, keptCount: 0 }, [{ objects: 2, total: 2 }]]);
  t.match(await retention.status(), { policies: 1, plans: [{ plan, appliedAt: Number }], unfinished: [] });
  await t.rejects(retention.apply(plan), { code: 'AS_ERR_PLAN' });
  await t.rejects(client.packages.get('ci/app@1'), { code: 'AS_ERR_GONE' });
  t.match(await retention.removePolicy('ci', { reason: 'enough' }), { namespace: 'ci' });
  await t.rejects(retention.policy('ci'), { code: 'AS_ERR_NOT_FOUND' });

  const reader = openClient({ url, readOnly: true });
  t.teardown(() => reader.close());
  const refused: (() => Promise<unknown>)[] = [
    () => reader.retention.setPolicy('ci', LAST),
    () => reader.retention.removePolicy('ci'),
    () => reader.retention.classify('ci/app@2', 'build'),
    () => reader.retention.hold('ci/', { case: '1', reason: 'r' }),
    () => reader.retention.release('ci/', { case: '1' }),
    () => reader.retention.lock('ci/', { mode: 'governance', until: 1 }),
    () => reader.retention.planRun(),
    () => reader.retention.apply(plan),
  ];
  for (const forbidden of refused) await t.rejects(forbidden, { code: 'AS_ERR_READ_ONLY' });
  t.match((await reader.retention.planRun({ record: false })).summary, { versions: 0 }, 'looking changes nothing');
});
