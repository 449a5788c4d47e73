/** Quotas of namespaces: by the library, by every door, and what the view of them says whatever the history. */

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../../lib/cli/exit.js';
import { openClient } from '../../lib/client/index.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { manifestIndexed, newEvent, objectDeleted, objectIngested, packagePublished } from '../../lib/events/kinds.js';
import type { NewEvent } from '../../lib/events/log.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openStore, type Store } from '../../lib/index.js';
import { encodeManifest } from '../../lib/packages/manifest.js';
import { registryViews } from '../../lib/registry/views.js';
import { serve } from '../api/support.js';
import { cli, jsonLines } from '../cli/run.js';
import { dumpViews } from '../events/dump.js';
import { ingestResult, randomSource } from '../events/random-events.js';

t.setTimeout(580_000);

const full = (bound: string, quota: number) => ({ code: 'AS_ERR_QUOTA', details: { namespace: 'team', bound, quota } });
const taken = async (store: Store) => (await store.quotas.status('team')).taken;

/** Files of a package as they come out of an archive. */
async function* entries(...files: Uint8Array[]) {
  for (const [n, content] of files.entries()) {
    yield { kind: 'file', path: `f${n}`, size: content.byteLength, content } as const;
  }
}

/** A folder of its own with these files. */
function folderOf(t: Test, files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-quotas-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

async function open(t: Test, path = folderOf(t)): Promise<Store> {
  const store = await openStore({ path, actor: 'ana' });
  t.teardown(() => store.close());
  return store;
}

/** Drops every view and makes it again: what is taken must not change by it. */
async function rebuilt(t: Test, store: Store): Promise<void> {
  const before = [await store.quotas.list(), await taken(store)];
  await store.rebuild();
  t.same([await store.quotas.list(), await taken(store)], before, 'a rebuild gives the same');
}

t.test('rules: set, replaced, removed, for one namespace or for each without its own', async (t) => {
  const store = await open(t);
  t.same(await store.quotas.list(), []);
  t.match(await store.quotas.status('team'), { quota: undefined, taken: { logical: 0, physical: 0, reserved: 0 } });
  const set = await store.quotas.set('*', { logical: 10, reason: ' a small disk ' });
  t.match(set, { namespace: '*', logical: 10, physical: undefined, actor: 'ana', reason: 'a small disk' });
  t.match((await store.quotas.status('team')).quota, { namespace: '*', logical: 10 });
  await t.rejects(store.packages.pushEntries(entries(randomBytes(11)), 'team/a@1'), full('logical', 10));
  await store.quotas.set('team', { physical: 1000, actor: 'ben' });
  t.match((await store.quotas.status('team')).quota, { namespace: 'team', physical: 1000, actor: 'ben' });
  await store.packages.pushEntries(entries(randomBytes(11)), 'team/a@1');
  t.match(await store.quotas.list(), [
    { namespace: '*', taken: undefined },
    { namespace: 'team', taken: { logical: 11 } },
  ]);
  t.match(await store.quotas.remove('team', { reason: 'over' }), { namespace: 'team', physical: 1000 });
  await t.rejects(store.packages.pushEntries(entries(randomBytes(1)), 'team/a@2'), full('logical', 10));
  await t.rejects(store.quotas.remove('team'), { code: 'AS_ERR_NOT_FOUND' });
  for (const wrong of [
    {},
    { logical: -1 },
    { physical: 0.5 },
    { logical: Number.NaN },
    { logical: 1, reason: 'x'.repeat(9999) },
  ])
    await t.rejects(store.quotas.set('team', wrong), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(wrong));
  await t.rejects(store.quotas.set('no such', { logical: 1 }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(store.quotas.status('*'), { code: 'AS_ERR_INVALID_ARGUMENT' }, 'is no namespace');
  const told: string[] = [];
  for await (const { sentence } of await store.explain('team')) told.push(sentence);
  t.match(told, [/ben set its quota: at most 1\.0 kB|ben set its quota: at most 1 kB/, /ana removed its quota: over/]);
  await rebuilt(t, store);
});

t.test('packages: to the last byte and no further, and nothing stays of what was refused', async (t) => {
  const path = folderOf(t);
  let store = await open(t, path);
  const [one, two] = [randomBytes(400), randomBytes(300)];
  await store.quotas.set('team', { logical: 1000 });
  await store.packages.pushEntries(entries(one, two), 'team/a@1');
  t.match(await taken(store), { logical: 700 });
  let asked = 0;
  const late = async function* () {
    for (let n = 0; n < 9; n++) {
      asked++;
      yield { kind: 'file', path: `${n}`, size: 200, content: randomBytes(200) } as const;
    }
  };
  await t.rejects(store.packages.pushEntries(late(), 'team/b@1'), full('logical', 1000));
  t.equal(asked, 2, 'it was refused before the bytes of what does not fit');
  t.match((await store.packages.pushEntries(entries(one, two), 'team/a@1')).published, false, 'again is no more');
  await t.rejects(
    store.packages.pushEntries(entries(one), 'team/a@2'),
    full('logical', 1000),
    'what it has counts again',
  );
  await t.rejects(store.packages.pushEntries(copies(two), 'team/a@2'), full('logical', 1000), 'and so do copies');
  await store.packages.pushEntries(entries(two), 'team/a@2');
  t.match(await taken(store), { logical: 1000, reserved: 0 });
  await t.rejects(store.packages.pushEntries(entries(randomBytes(1)), 'team/a@3'), full('logical', 1000));
  await store.packages.pushEntries(entries(randomBytes(5000)), 'other/a@1');

  await store.packages.withdraw('team/a@2');
  t.match(await taken(store), { logical: 700 });
  await store.packages.pushEntries(entries(randomBytes(100)), 'team/a@3');
  await t.rejects(store.packages.undelete('team/a@2'), full('logical', 1000), 'nor by what comes back');
  t.match((await store.packages.list({ namespace: 'team' })).packages.length, 2);
  await store.packages.withdraw('team/a@3');
  t.match(await store.packages.undelete('team/a@2'), { record: { version: '2' } });
  await store.close();
  store = await open(t, path);
  await t.rejects(store.packages.pushEntries(entries(randomBytes(1)), 'team/a@4'), full('logical', 1000));
  await rebuilt(t, store);
});

async function* copies(content: Uint8Array) {
  yield* entries(content);
  yield { kind: 'copy', path: 'copy', of: 'f0' } as const;
}

t.test('physical: each object once, directories, manifests, and many at once', async (t) => {
  const store = await open(t);
  const [one, two] = [randomBytes(4000), randomBytes(3000)];
  const folder = folderOf(t, { one, 'two/again': one });
  const first = await store.packages.push(folder, 'team/a@1');
  const { physical } = (await taken(store)) ?? { physical: 0 };
  t.equal(physical, 4000 + (await store.stat(first.manifest)).size);
  const limit = physical + 3000 + 4500; // one file that it has already can be on its way beside what is new, and not two
  await store.quotas.set('team', { physical: limit });
  writeFileSync(join(folder, 'more'), two);
  await store.packages.push(folder, 'team/a@2', { reread: true });
  t.match(await taken(store), { logical: 8000 + 11_000 }, 'what it has already took no room');
  const left = limit - ((await taken(store))?.physical ?? 0);
  t.ok(left > 4000 && left < 4500);
  writeFileSync(join(folder, 'most'), randomBytes(left + 1));
  await t.rejects(store.packages.push(folder, 'team/a@3'), full('physical', limit));
  await t.rejects(store.get('team/a@3'), 'is not there');

  const loose = await store.put(randomBytes(left + 1));
  const manifest = (path: string) => {
    const [blake3, sha256] = [loose.blake3, loose.sha256].map((digest) =>
      Buffer.from(digest.split(':')[1] ?? '', 'hex'),
    );
    return encodeManifest({ entries: [{ kind: 'file', path, blake3, sha256, size: left + 1 } as never] });
  };
  await t.rejects(store.packages.publish(manifest('x'), 'team/m@1'), full('physical', limit));
  await store.packages.publish(manifest('x'), 'other/m@1');
  await t.rejects(store.packages.publish(manifest('x'), 'team/m@1'), full('physical', limit), 'though others have it');

  await store.quotas.set('team', { physical: physical + 20_000 });
  const rooms = 20_000 - ((await taken(store))?.physical ?? 0) + physical;
  const outcomes = await Promise.allSettled(
    Array.from({ length: 30 }, (_, n) => store.packages.pushEntries(entries(randomBytes(2000)), `team/many@${n}`)),
  );
  const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
  t.ok(stored > 0 && stored * 2000 <= rooms, `${stored} of 30 fit`);
  for (const one of outcomes) if (one.status === 'rejected') t.match(one.reason, full('physical', physical + 20_000));
  t.ok(((await taken(store))?.physical ?? Number.NaN) <= physical + 20_000);
  t.match(await taken(store), { reserved: 0 });
  await rebuilt(t, store);
});

t.test('uploads for a namespace: reserved from opening to end, counted until a package has them', async (t) => {
  const path = folderOf(t);
  let store = await open(t, path);
  await store.quotas.set('team', { logical: 1000, physical: 1200 });
  const ofTeam = { namespace: 'team' };
  const first = await store.uploads.open({ ...ofTeam, size: 700 });
  t.match(await taken(store), { logical: 0, physical: 0, reserved: 700 });
  await t.rejects(store.uploads.open({ ...ofTeam, size: 301 }), full('logical', 1000));
  await t.rejects(store.packages.pushEntries(entries(randomBytes(301)), 'team/a@1'), full('logical', 1000));
  await store.uploads.abort(first);
  t.match(await taken(store), { reserved: 0 }, 'released on abort');
  const second = await store.uploads.open(ofTeam);
  await store.uploads.append(second, randomBytes(600), { offset: 0 });
  await t.rejects(
    store.uploads.open({ ...ofTeam, size: 401 }),
    full('logical', 1000),
    'one without a length has what came',
  );
  await t.rejects(store.uploads.announce(second, 1001), full('logical', 1000));
  await store.uploads.announce(second, 900);
  t.match(await taken(store), { reserved: 900 });
  await store.close();
  store = await open(t, path);
  await t.rejects(store.uploads.open({ ...ofTeam, size: 101 }), full('logical', 1000), 'a restart forgets none');
  const short = await store.uploads.open({ ...ofTeam, size: 100, expires: Date.now() - 1 });
  t.same(await store.uploads.expire({ idleSince: 0 }), [short]);
  await rebuilt(t, store);
  await store.uploads.append(second, randomBytes(300), { offset: 600 });
  const stored = await store.uploads.complete(second);
  t.match(await taken(store), { logical: 900, physical: 900, waiting: 900, reserved: 0 });
  t.match(await store.uploads.find(second), { state: 'completed', namespace: 'team' });
  await t.rejects(store.uploads.open({ ...ofTeam, size: 101 }), full('logical', 1000), 'what is in no package counts');

  const [blake3, sha256] = [stored.blake3, stored.sha256].map((digest) =>
    Buffer.from(digest.split(':')[1] ?? '', 'hex'),
  );
  const entry = { kind: 'file', path: 'x', blake3, sha256, size: 900 } as never;
  await store.packages.publish(encodeManifest({ entries: [entry] }), 'team/a@1');
  t.match(await taken(store), { logical: 900, waiting: 0 }, 'published it counts once, as before');
  await store.packages.withdraw('team/a@1');
  t.match(await taken(store), { logical: 0, physical: 0 });

  const again = await store.uploads.open({ ...ofTeam, size: 50 });
  await store.uploads.append(again, randomBytes(50), { offset: 0 });
  const { blake3: waiting } = await store.uploads.complete(again);
  await store.delete(waiting);
  t.match(await taken(store), { waiting: 0 }, 'deleted it counts no more');
  await t.rejects(store.uploads.open({ namespace: 'no such' }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await rebuilt(t, store);
});

t.test('an upload whose end a crash took holds no room for ever', async (t) => {
  const path = folderOf(t);
  let store = await open(t, path);
  await store.uploads.open({ id: 'gone', namespace: 'team', size: 700 });
  const kept = await store.uploads.open({ namespace: 'team', size: 7 });
  await store.close();
  for (const name of filesOf(path, 'gone')) rmSync(name, { recursive: true });
  store = await open(t, path);
  t.notOk(
    (await store.uploads.list()).some(({ id }) => id === 'gone'),
    'nothing is left of it',
  );
  t.match(await taken(store), { reserved: 707 }, 'as the log says');
  t.same(await store.uploads.expire({ idleSince: 0 }), ['gone']);
  t.match(await taken(store), { reserved: 7 });
  t.same(await store.uploads.expire({ idleSince: 0 }), [], 'and the others are left');
  t.equal(await store.uploads.offset(kept), 0);
});

t.test('a quota that comes, goes and changes while a package is on its way', async (t) => {
  const store = await open(t);
  let arrive: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  let go: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow = async function* () {
    yield* entries(randomBytes(600));
    arrive();
    await gone;
    yield { kind: 'file', path: 'last', size: 500, content: randomBytes(500) } as const;
  };
  const pushing = store.packages.pushEntries(slow(), 'team/slow@1');
  await arrived;
  await store.quotas.set('team', { logical: 1000 });
  await t.rejects(
    store.packages.pushEntries(entries(randomBytes(401)), 'team/a@1'),
    full('logical', 1000),
    'what is on its way counts',
  );
  go();
  await t.rejects(pushing, full('logical', 1000), 'and is bounded itself');
  await store.packages.pushEntries(entries(randomBytes(1000)), 'team/a@1');
  await store.quotas.set('team', { logical: 10 });
  t.match(await taken(store), { logical: 1000 }, 'nothing is deleted');
  await t.rejects(store.packages.pushEntries(entries(randomBytes(1)), 'team/b@1'), full('logical', 10));
  await store.packages.pushEntries(entries(), 'team/b@1');
  await store.quotas.remove('team');
  await store.packages.pushEntries(entries(randomBytes(5000)), 'team/b@2');
});

t.test('any history gives the same rows, wherever batches end, and by a rebuild', async (t) => {
  const random = randomSource(34);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const objects = [1, 2, 3, 4, 5, 6].map((n) => ingestResult(n));
  const address = (n: number) => formatBlake3((objects[n] as (typeof objects)[number]).blake3);
  const manifest = ingestResult(9);
  const make = (): NewEvent => {
    const [namespace, id, n] = [pick(['a', 'b', '*']), pick(['u1', 'u2', 'u3']), random(objects.length)];
    const of = namespace === '*' ? {} : { namespace };
    const { size, blake3, sha256 } = objects[n] as (typeof objects)[number];
    return pick([
      () =>
        newEvent('quota.set', 'me', namespace, { [pick(['logical', 'physical'])]: random(99), reason: `${random(9)}` }),
      () => newEvent('quota.removed', 'me', namespace, {}),
      () => newEvent('upload.opened', 'me', id, { ...of, ...(random(2) === 0 && { size: random(99) }) }),
      () => newEvent('upload.sized', 'me', id, { size: random(99) }),
      () => newEvent('upload.completed', 'me', id, { size, blake3, sha256, ...of }),
      () => newEvent('upload.aborted', 'me', id, { offset: 0 }),
      () => objectIngested('me', objects[n] as (typeof objects)[number]),
      () => objectDeleted('me', address(n), { deleted: true, freedSize: 1 }),
      () =>
        random(4) === 0
          ? manifestIndexed('me', formatBlake3(manifest.blake3), [random(90), 1])
          : newEvent('upload.expired', 'me', id, { offset: 0, idleSince: 0 }),
      () =>
        packagePublished(
          'me',
          { namespace: 'a', name: 'x', version: `${random(3)}` },
          { manifest: manifest.blake3, entries: 1, size: 5 },
        ),
    ])();
  };
  const events = Array.from({ length: 500 }, make);
  const dumps: string[] = [];
  for (const size of [1, 7, 500]) {
    const log = await openEventLog({ path: `${t.testdir()}/log-${size}`, views: registryViews });
    for (let at = 0; at < events.length; at += size) await log.append(events.slice(at, at + size));
    const dump = async () => {
      const { quotas, namespace_uploads: uploads, namespace_waiting: waiting } = await dumpViews(log.reader);
      return JSON.stringify([quotas, uploads, waiting], (key, value) => (key === 'set_at' ? Boolean(value) : value));
    };
    const live = await dump();
    dumps.push(live);
    await log.rebuild();
    t.equal(await dump(), live, `rebuilt, ${size} at a time`);
    await log.close();
  }
  for (const rows of JSON.parse(dumps[0] as string)) t.ok(rows.length > 0, 'each table has something');
  t.equal(dumps[1], dumps[0]);
  t.equal(dumps[2], dumps[0]);
});

/** The same steps on any store: `run` is the command line with `--store` and `--json`. */
async function steps(t: Test, store: string): Promise<void> {
  const run = (...args: string[]) => cli(['--store', store, '--json', ...args]);
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return jsonLines(stdout);
  };
  const folder = folderOf(t, { file: 'x'.repeat(600) });
  t.match(await json('quota', 'set', 'team', '--logical', '1kB', '--reason', 'a small disk'), [
    { namespace: 'team', logical: 1000, reason: 'a small disk' },
  ]);
  await json('push', folder, 'team/a@1');
  t.match(await json('push', folder, 'team/a@1'), [{ published: false }], 'again it takes no more');
  writeFileSync(join(folder, 'more'), 'y'.repeat(500));
  const full = await run('push', folder, 'team/a@3');
  t.match([full.code, full.stderr], [EXIT.storage, /logical quota of the namespace .{0,2}team.*AS_ERR_QUOTA/s]);
  t.match(await json('quota', 'ls'), [
    { namespace: 'team', quota: { logical: 1000 }, taken: { logical: 600, reserved: 0 } },
  ]);
  t.match(await json('quota', 'ls', 'other'), [{ namespace: 'other', quota: undefined, taken: { logical: 0 } }]);
  await json('quota', 'set', '*', '--physical', '1GiB');
  const { stdout } = await cli(['--store', store, 'quota', 'ls']);
  t.match(stdout.toString(), /^\* {2}physical 1\.1 GB .*\nteam {2}logical 600 B of 1(\.0)? kB, physical /);
  t.match((await cli(['--store', store, 'quota', 'ls', 'other'])).stdout.toString(), /by the quota of \*\n$/);
  t.match(await json('quota', 'rm', 'team', '--reason', 'enough'), [{ namespace: 'team', removed: true }]);
  t.equal((await run('quota', 'rm', 'team')).code, EXIT.notFound);
  t.equal((await run('quota', 'set', 'team')).code, EXIT.usage);
  t.equal((await run('quota', 'set', 'team', '--logical', 'much')).code, EXIT.usage);
}

t.test('the command line, on a folder', (t) => steps(t, join(folderOf(t), 'store')));

t.test('the command line, on a service', async (t) => steps(t, (await serve(t)).url));

t.test('over HTTP, and by the client', async (t) => {
  const { url, store, call } = await serve(t);
  const client = openClient({ url });
  t.teardown(() => client.close());
  t.match(await client.quotas.set('team', { logical: 1000, reason: 'r' }), { logical: 1000, reason: 'r' });
  t.match(await client.quotas.list(), [{ namespace: 'team', quota: { logical: 1000 } }]);
  const body = { headers: { 'content-type': 'application/json' }, body: '{"logical":-1}' };
  t.equal((await call('PUT', '/v1/quotas/team', body)).status, 400);
  t.equal((await call('PUT', '/v1/quotas/team', { ...body, body: '{}' })).status, 400);

  const open = (length: number, dialect: Record<string, string> = {}) =>
    call('POST', '/v1/uploads?namespace=team', { headers: { 'upload-length': `${length}`, ...dialect } });
  const first = await open(900);
  t.equal(first.status, 201);
  t.match(await client.quotas.status('team'), { taken: { reserved: 900 } });
  const tus = { 'tus-resumable': '1.0.0' };
  for (const dialect of [{}, tus, { 'upload-complete': '?0' }]) {
    const { status, json } = await open(101, dialect);
    t.match([status, json], [507, { code: 'AS_ERR_QUOTA', namespace: 'team', bound: 'logical', left: 100 }]);
  }
  const location = new URL(String(first.headers.location), url).pathname;
  t.match((await call('GET', location)).json, { namespace: 'team', length: 900 });
  t.equal((await call('DELETE', location)).status, 204);
  t.match(await client.quotas.status('team'), { taken: { reserved: 0 } });
  t.equal((await open(1000)).status, 201);

  const folder = folderOf(t, { file: randomBytes(200_000) });
  const before = (await store.usage()).objects;
  await t.rejects(client.packages.push(folder, 'team/a@1'), {
    code: 'AS_ERR_QUOTA',
    details: { namespace: 'team', bound: 'logical' },
  });
  t.equal((await store.usage()).objects, before, 'the client asked before it sent anything');
  t.match(await client.quotas.remove('team'), { namespace: 'team' });
  const reader = openClient({ url, readOnly: true });
  t.teardown(() => reader.close());
  for (const change of [() => reader.quotas.set('team', { logical: 1 }), () => reader.quotas.remove('team')])
    await t.rejects(change, { code: 'AS_ERR_READ_ONLY' });
});

t.test('who may', async (t) => {
  const { url, store, call } = await serve(t, { auth: 'required' });
  const token = async (scopes: string[], namespaces?: string[]) =>
    (await store.tokens.create({ holder: 'ci', scopes: scopes as never, ...(namespaces && { namespaces }) })).token;
  const as = async (text: string, method: string, path: string, more: Record<string, string> = {}, body?: string) =>
    (
      await call(method, path, {
        headers: { authorization: `Bearer ${text}`, ...more },
        ...(body !== undefined && { body }),
      })
    ).status;
  const json = { 'content-type': 'application/json' };
  const [admin, writer, mine] = [
    await token(['admin']),
    await token(['read', 'write']),
    await token(['write', 'read'], ['mine']),
  ];
  t.equal(await as(admin, 'PUT', '/v1/quotas/team', json, '{"logical":1000}'), 200, url);
  t.equal(await as(writer, 'PUT', '/v1/quotas/team', json, '{"logical":2000}'), 403);
  t.equal(
    await as(mine, 'PUT', '/v1/quotas/mine', json, '{"logical":2000}'),
    403,
    'nobody sets the quota that bounds it',
  );
  t.equal(await as(mine, 'DELETE', '/v1/quotas/mine'), 403);
  t.equal(await as(writer, 'GET', '/v1/quotas/team'), 200);
  t.equal(await as(mine, 'GET', '/v1/quotas/mine'), 200);
  t.equal(await as(mine, 'GET', '/v1/quotas/team'), 403);
  t.equal(await as(mine, 'POST', '/v1/uploads?namespace=team', { 'upload-length': '1' }), 403);
  t.equal(await as(mine, 'POST', '/v1/uploads?namespace=mine', { 'upload-length': '1' }), 201);
});

/** Whatever in a folder has a name with this in it. */
function filesOf(folder: string, name: string): string[] {
  const all = readdirSync(folder, { recursive: true }).map(String);
  return all.filter((one) => one.includes(name)).map((one) => join(folder, one));
}
