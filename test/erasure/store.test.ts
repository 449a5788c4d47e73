/** Erasure from a store, by the library, the command line, the service and the client: what goes, what stays, and what is refused. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../../lib/cli/exit.js';
import { openClient } from '../../lib/client/index.js';
import { objectsTombstoned } from '../../lib/events/kinds.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openRegistry, openStore, type Store } from '../../lib/index.js';
import type { FileEntry } from '../../lib/packages/manifest.js';
import { registryViews } from '../../lib/registry/views.js';
import { serve } from '../api/support.js';
import { cli, jsonLines } from '../cli/run.js';

const ORDER = 'DSR 2031/17';
const text = (content: string) => Buffer.from(content);

/** All bytes of all files below a folder. */
function everything(folder: string): Buffer {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name));
  return Buffer.concat(names.filter((name) => statSync(name).isFile()).map((name) => readFileSync(name)));
}

async function newStore(t: Test): Promise<Store> {
  const store = await openStore({ path: `${t.testdir()}/s`, actor: 'alice' });
  t.teardown(() => store.close());
  return store;
}

async function publish(store: Store, name: string, files: Record<string, string>): Promise<string[]> {
  async function* entries() {
    for (const [path, content] of Object.entries(files)) {
      const bytes = text(content);
      yield {
        kind: 'file' as const,
        path,
        size: bytes.byteLength,
        content: (async function* () {
          yield bytes;
        })(),
      };
    }
  }
  await store.packages.pushEntries(entries(), name);
  const opened = await store.packages.open(name);
  return opened.entries.map((entry) => `blake3:${Buffer.from((entry as FileEntry).blake3).toString('hex')}`);
}

t.test('an object goes at once, whatever needs it, and everyone is told under which order', async (t) => {
  const store = await newStore(t);
  await store.retention.setPolicy('acme', {
    defaultClass: 'build',
    classes: { build: { minimum: '90d', keep: { last: 5 } } },
  });
  const [letter, other] = (await publish(store, 'acme/case@1', {
    'letter.txt': 'dear Zenobia',
    'other.txt': 'nothing',
  })) as [string, string];
  const large = await store.put(Buffer.alloc(600_000, 'Zenobia '));
  const graced = await store.put(text('Zenobia once more'));
  await store.delete(graced.blake3, { grace: 86_400_000 });
  const objects = [letter, large.blake3, graced.blake3.slice(0, 20)];
  const shown = await store.erase({ order: ORDER, objects, dryRun: true });
  t.match(shown, {
    dryRun: true,
    objects: [{ address: letter }, { address: large.blake3 }, { address: graced.blake3 }],
    events: [],
  });
  t.ok(everything(store.path).includes('Zenobia'), 'looking changes nothing');

  const done = await store.erase({ order: ORDER, objects, reason: 'asked for by letter', actor: 'officer' });
  t.match(done, { dryRun: false, textCount: 0, remains: false, standing: [] });
  t.ok((done.objects[1]?.freedSize ?? 0) > 0, 'blocks that are shared with others are overwritten, not freed');
  t.notOk(everything(store.path).includes('Zenobia'), 'nothing of them is on the disk');
  for (const name of [letter, large.blake3, graced.blake3]) {
    await t.rejects(store.get(name), {
      code: 'AS_ERR_GONE',
      message: /was erased under the order DSR 2031\/17 on .* by officer \(asked for by letter\)/,
      details: { order: ORDER },
    });
    t.match(await store.stat(name), { state: 'deleted', tombstone: { order: ORDER, actor: 'officer' } });
    await t.rejects(store.undelete(name), { code: 'AS_ERR_GONE' });
  }
  t.equal(Buffer.from(await (await store.get(other)).bytes()).toString(), 'nothing', 'what stands beside it stays');
  t.equal((await store.packages.open('acme/case@1')).entries.length, 2);
  await t.rejects(
    store.packages.openFile('acme/case@1', 'letter.txt').then((file) => file.bytes()),
    { code: 'AS_ERR_GONE' },
  );
  t.match(await store.events({ kind: 'data.erased' }), [
    { subject: ORDER, actor: 'officer', data: { reason: 'asked for by letter' } },
  ]);
  const story: string[] = [];
  for await (const { sentence } of await store.explain(letter)) story.push(sentence);
  t.match(story.at(-2), /^officer erased it under the order DSR 2031\/17: asked for by letter\.$/);
  const orders: string[] = [];
  for await (const { sentence } of await store.explain(ORDER)) orders.push(sentence);
  t.same(orders, ['officer erased 3 objects under the order DSR 2031/17: asked for by letter.']);
  t.match((await store.retention.why(letter)).sentences.join(' '), /erased under the order DSR 2031\/17/);

  const again = await store.erase({ order: ORDER, objects: [letter] });
  t.match(again.objects, [{ address: letter, freedSize: 0 }], 'the same order again goes on, and finds nothing');
  const back = await store.put(text('dear Zenobia'));
  t.match(await store.stat(back.blake3), { state: 'live' }, 'the same bytes can be stored again');
});

t.test('what a hold or a lock keeps is not erased, nor is anything beside it', async (t) => {
  const store = await newStore(t);
  const [held] = (await publish(store, 'acme/held@1', { f: 'held by way of its package' })) as [string];
  const locked = (await store.put(text('locked'))).blake3;
  const free = (await store.put(text('free'))).blake3;
  await store.retention.hold('acme/held', { case: 'C-1', reason: 'litigation' });
  await store.retention.lock(locked, { mode: 'compliance', until: Date.now() + 86_400_000 });
  const name = { names: ['alice'] };
  await t.rejects(store.erase({ order: ORDER, objects: [free, held], ...name }), {
    code: 'AS_ERR_PROTECTED',
    message: /cannot be erased.*alice placed a hold.*C-1.*litigation/,
  });
  await t.rejects(store.erase({ order: ORDER, objects: [free, locked], ...name }), {
    code: 'AS_ERR_PROTECTED',
    message: /compliance/,
  });
  await t.rejects(store.erase({ order: ORDER, objects: [free, locked], dryRun: true }), { code: 'AS_ERR_PROTECTED' });
  t.match(await store.stat(free), { state: 'live' });
  t.equal((await store.events({ kind: 'data.erased' })).length, 0);
  await store.retention.release('acme/held', { case: 'C-1' });
  t.match(await store.erase({ order: ORDER, objects: [free, held] }), {
    objects: [{ address: free }, { address: held }],
  });
});

t.test('a lock counts also where the minimum of a policy lasts longer', async (t) => {
  const store = await newStore(t);
  await store.retention.setPolicy('acme', {
    defaultClass: 'evidence',
    classes: { evidence: { minimum: '90d', keep: { last: 5 } } },
  });
  const [file] = (await publish(store, 'acme/case@1', { f: 'kept for two reasons' })) as [string];
  await store.retention.lock('acme/case@1', { mode: 'governance', until: Date.now() + 3_600_000 });
  await t.rejects(store.erase({ order: ORDER, objects: [file] }), {
    code: 'AS_ERR_PROTECTED',
    message: /governance lock/,
  });
  await store.retention.lock('acme/case@1', { mode: 'governance', until: 0, bypassGovernance: true });
  t.match(await store.erase({ order: ORDER, objects: [file] }), { objects: [{ address: file }] });
});

t.test('bad demands', async (t) => {
  const store = await newStore(t);
  const { blake3 } = await store.put(text('x'));
  for (const demand of [
    { order: '' },
    { order: ' \n' },
    { order: 'a'.repeat(129) },
    { order: ORDER, names: [''] },
    { order: ORDER, mentioning: [''] },
    { order: ORDER, events: [0] },
    { order: ORDER, events: [99] },
    { order: ORDER, reason: 'x'.repeat(2001) },
  ]) {
    await t.rejects(
      store.erase({ objects: [blake3], ...demand }),
      { code: 'AS_ERR_INVALID_ARGUMENT' },
      JSON.stringify(demand).slice(0, 60),
    );
  }
  await t.rejects(store.erase({ order: ORDER, objects: [`blake3:${'0'.repeat(64)}`] }), { code: 'AS_ERR_NOT_FOUND' });
  t.match(await store.stat(blake3), { state: 'live' });
});

t.test('names and texts go from every answer', async (t) => {
  const store = await newStore(t);
  await publish(store, 'acme/tools@1', { f: 'one' });
  await publish(store, 'acme/tools@2', { f: 'two' });
  await store.retention.setPolicy('acme', { defaultClass: 'build', classes: { build: { keep: { last: 1 } } } });
  await store.retention.hold('acme/tools@1', { case: 'C-1', reason: 'asked by Zenobia' });
  await store.quotas.set('acme', { logical: 1000, reason: 'for Zenobia' });
  const token = await store.tokens.create({ holder: 'Zenobia', scopes: ['read'] });
  const plan = await store.retention.plan();
  t.match(plan.held, [{ because: /^alice placed a hold.*asked by Zenobia$/ }], 'a plan names who holds');
  const object = await (await store.get(plan.plan as string)).bytes();
  t.notMatch(Buffer.from(object).toString('latin1'), /alice|Zenobia/, 'but not in its bytes, which nothing may change');
  t.match((await store.retention.openPlan(plan.plan as string)).held, plan.held);

  const shown = await store.erase({ order: ORDER, names: ['alice'], mentioning: ['Zenobia'], dryRun: true });
  t.equal(shown.textCount, 4);
  t.match(shown.texts.map((one) => one.text).sort(), ['Zenobia', 'alice', 'asked by Zenobia', 'for Zenobia'].sort());
  const done = await store.erase({ order: ORDER, names: ['alice'], mentioning: ['Zenobia'], actor: 'officer' });
  t.equal(done.textCount, 4);
  t.ok(
    done.texts.every((one) => one.text === undefined),
    'what they were nobody says any more',
  );
  t.notMatch(everything(store.path).toString('latin1'), /alice|Zenobia/);

  const answers = {
    holds: await store.retention.holds(),
    quotas: await store.quotas.list(),
    tokens: await store.tokens.list(),
    versions: await store.packages.list(),
    plan: (await store.retention.openPlan(plan.plan as string)).held,
    why: await store.retention.why('acme/tools@1'),
    events: (await store.events()).map(({ actor, data }) => [actor, data]),
  };
  t.notMatch(JSON.stringify(answers), /alice|Zenobia/);
  t.match(answers.holds.holds, [{ actor: /^~/, reason: /^~/, case: 'C-1' }]);
  t.match(answers.tokens, { tokens: [{ id: token.id, holder: /^~/ }] });
  const sentences: string[] = [];
  for await (const { sentence } of await store.explain('acme/tools@1')) sentences.push(sentence);
  t.match(
    sentences.at(-1),
    /^Somebody whose name was erased \(~.*\) placed a hold on it for the case C-1 \(the reason was erased\)\.$/,
  );
  await store.retention.release('acme/tools@1', { case: 'C-1', reason: 'over' });

  const seq = (await store.events({ kind: 'hold.released' }))[0]?.seq as number;
  t.match(await store.erase({ order: ORDER, events: [seq] }), { textCount: 1, texts: [{ isActor: false }] });
  t.match(
    await store.events({ first: seq, last: seq }),
    [{ actor: 'alice', data: { reason: /^~/ } }],
    'who did it stays',
  );
});

t.test('an erasure that a crash cut short is gone on with', async (t) => {
  const path = `${t.testdir()}/s`;
  let store = await openStore({ path, actor: 'alice' });
  const { blake3 } = await store.put(text('to be erased'));
  await store.close();
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  await log.append(objectsTombstoned('alice', [blake3], { order: ORDER }));
  await log.close();
  t.ok(everything(path).includes('to be erased'), 'the tombstone was all that came of it');
  store = await openStore({ path, actor: 'alice' });
  t.match(await store.stat(blake3), { state: 'deleted', tombstone: { order: ORDER } }, 'opening it again ends it');
  t.notOk(everything(path).includes('to be erased'));
  const { objects, events } = await store.erase({ order: ORDER, objects: [blake3] });
  t.match([objects.length, events.length], [1, 1], 'the order again writes down what was erased under it');
  await store.close();
});

async function doors(t: Test, store: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-erase-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: string[]) => cli(['--store', store, ...args]);
  const file = join(folder, 'file');
  writeFileSync(file, 'what Zenobia wrote');
  const [put] = jsonLines((await run('--json', 'put', file)).stdout) as [{ blake3: string }];
  t.equal((await run('quota', 'set', 'acme', '--logical', '1GB', '--reason', 'for Zenobia')).code, 0);
  t.match(await run('erase', '--order', ORDER), { code: EXIT.usage, stderr: /Nothing to erase is named/ });
  t.match(await run('erase', put.blake3), { code: EXIT.usage, stderr: /--order is missing/ });
  const demand = ['erase', put.blake3, '--order', ORDER, '--mentioning', 'Zenobia'];
  const dry = await run(...demand, '--dry-run');
  t.match(dry, { code: 0, stderr: /text {2}for Zenobia/ });
  t.match(dry.stdout.toString(), /^1 text and 1 object would be erased under the order DSR 2031\/17/);
  const done = jsonLines((await run('--json', ...demand)).stdout);
  t.match(done, [{ order: ORDER, textCount: 1, objects: [{ address: put.blake3 }], remains: false }]);
  t.match(await run('get', put.blake3, '-o', join(folder, 'back')), {
    code: EXIT.notFound,
    stderr: /erased under the order/,
  });
  t.notMatch((await run('quota', 'ls')).stdout.toString(), /Zenobia/);
  t.notMatch((await run('--json', 'audit')).stdout.toString(), /Zenobia/);
  const cbor = await run('audit', '--format', 'cbor');
  t.notOk(cbor.stdout.includes('local:'), 'the very bytes have no names');
}

t.test('the command line, on a folder', async (t) => {
  const path = join(t.testdir(), 's');
  await doors(t, path);
  t.notMatch(everything(path).toString('latin1'), /Zenobia/);
  const reader = await openRegistry({ path });
  t.match(await reader.events({ kind: 'data.erased' }), [{ actor: /^local:/, subject: ORDER }], 'who erased is named');
  await reader.close();
});

t.test('the command line, on a service, and the client', async (t) => {
  const service = await serve(t);
  await doors(t, service.url);
  const client = await openClient({ url: service.url });
  t.teardown(() => client.close());
  const local = await service.store.events();
  const remote = await client.events();
  t.same(
    remote.map(({ actor, data }) => [actor, data]),
    local.map(({ actor, data }) => [actor, data]),
    'events come with their texts',
  );
  t.same(
    remote.map(({ bytes }) => Buffer.from(bytes)),
    local.map(({ bytes }) => Buffer.from(bytes)),
    'and byte for byte',
  );
  const { actor } = local[0] as { actor: string };
  t.match(await client.erase({ order: 'second', names: [actor] }), { textCount: 1 });
  t.match((await client.events())[0], { actor: /^~/ });
  const refused = await service.call('POST', '/v1/erasures', {
    headers: { 'content-type': 'application/json' },
    body: '{"order":"x","everything":true}',
  });
  t.equal(refused.status, 400);
});
