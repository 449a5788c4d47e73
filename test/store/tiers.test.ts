/** Objects between tiers, through the store: moving, reading, deleting, races, kills; and what happens when the cold tier is away. */

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startServer } from '../../lib/api/http/server.js';
import { openClient } from '../../lib/client/index.js';
import { openInproc } from '../../lib/dataplane/inproc/index.js';
import { type ColdReads, type MoveReport, openStore, type Store, type StoreTier } from '../../lib/index.js';
import { hostStore } from '../../lib/store/host.js';
import { cli, jsonLines, lines } from '../cli/run.js';
import { countWhole } from '../support/acknowledged.js';
import { allObjects } from '../support/all-objects.js';
import { Random } from '../support/random.js';
import { damageStored } from '../support/stored.js';
import { spawnUnhooked } from '../support/unhooked.js';

const folder = mkdtempSync(join(tmpdir(), 'as-tiers-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const SEED = Number(process.env.ARTIFACTSTORE_TEST_SEED ?? 1 + (process.pid % 1_000_000));
t.comment(`seed ${SEED}; ARTIFACTSTORE_TEST_SEED repeats it`);

let names = 0;
const newPath = () => join(folder, `${++names}`);

/** A store with a cold tier in a folder. */
async function open(t: Test, coldReads: ColdReads = 'stream', path = newPath(), cold = newPath()) {
  const store = await openStore({ path, cold, coldReads, actor: 'tester' });
  t.teardown(() => store.close());
  return { store, path, cold };
}

async function move(store: Pick<Store, 'tier'>, name: string, tier: StoreTier): Promise<MoveReport[]> {
  const reports: MoveReport[] = [];
  for await (const report of store.tier(name, tier)) reports.push(report);
  return reports;
}

async function tiers(store: Store, name: string): Promise<string[]> {
  return (await store.stat(name)).receipts.map(({ tier }) => tier);
}

async function kinds(store: Store, subject: string): Promise<string[]> {
  return (await store.events({ subject, limit: 1000 })).map(({ kind }) => kind);
}

async function rebuiltTheSame(t: Test, store: Store): Promise<void> {
  const before = [await allObjects(store), await store.usage()];
  await store.rebuild();
  t.same([await allObjects(store), await store.usage()], before, 'the views are what the log says');
}

t.test('an object is moved, and is itself wherever it is', async (t) => {
  const { store, path, cold } = await open(t);
  const random = new Random(SEED);
  let last = '';
  for (const size of [0, 70_000, 2_000_000]) {
    const bytes = Buffer.alloc(size, random.bytes(997));
    const { blake3, sha256 } = await store.put(bytes);
    t.same(await tiers(store, blake3), ['hot']);
    const [report] = await move(store, sha256, 'cold');
    t.match(report, { blake3, size, tier: 'cold', moved: true });
    t.same(await tiers(store, blake3), ['cold']);
    t.match((await store.stat(blake3)).receipts, [{ backend: 'local', tier: 'cold', durability: 'synced' }]);
    const read = await store.get(blake3);
    t.match([read.tier, read.isRestored], ['cold', false]);
    t.ok(Buffer.from(await read.bytes()).equals(bytes), `${size} bytes are streamed from the cold tier`);
    const range = { start: Math.min(10, size), end: size };
    const parts: Uint8Array[] = [];
    for await (const part of await store.get(blake3, { range })) parts.push(part);
    t.ok(Buffer.concat(parts).equals(bytes.subarray(range.start)));
    const file = newPath();
    writeFileSync(file, '');
    await (await store.get(blake3)).writeTo(file);
    let proof = 0;
    for await (const part of await store.outboard(blake3)) proof += part.byteLength;
    t.equal(proof, 8 + 64 * Math.max(Math.ceil(size / 16_384) - 1, 0), 'what proves it comes too');
    t.match(await store.verify(blake3), { status: 'intact', repaired: false });
    t.match(await move(store, blake3, 'cold'), [{ moved: false, freedSize: 0 }], 'it is there already');
    t.match(await move(store, blake3.slice(0, 40), 'hot'), [{ tier: 'hot', moved: true }]);
    t.same(await tiers(store, blake3), ['hot']);
    t.ok(Buffer.from(await (await store.get(blake3)).bytes()).equals(bytes), 'and back');
    const [ingested, ...steps] = await kinds(store, blake3);
    t.equal(ingested, 'object.ingested');
    t.same(
      steps.filter((kind) => kind !== 'object.verified'),
      ['object.copied', 'object.evicted', 'object.copied', 'object.evicted'],
      'each step is an event',
    );
    await move(store, blake3, 'cold');
    last = blake3;
  }
  const { objects, cold: inCold } = await store.usage();
  t.match([objects, inCold?.objects], [3, 3]);
  await rebuiltTheSame(t, store);
  const story: string[] = [];
  for await (const { sentence } of await store.explain(last)) story.push(sentence);
  t.match(story.join('\n'), /tester copied it to the cold tier.*\n.*tester removed it from the hot tier/);
  for await (const found of await store.scrub()) t.match(found, { result: { status: 'intact' } });
  t.match(await store.health(), { ready: true, tier: 'hot', cold: { ready: true, tier: 'cold' } });
  await t.rejects(move(store, last, 'warm' as StoreTier), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(move(store, `blake3:${'0'.repeat(64)}`, 'cold'), { code: 'AS_ERR_NOT_FOUND' });
  await store.close();

  await t.rejects(
    openStore({ path }),
    { code: 'AS_ERR_STORE_MISSING', message: /--cold/ },
    'not without its cold tier',
  );
  const other = newPath();
  await t.rejects(openStore({ path, cold: other }), { code: 'AS_ERR_STORE_FORMAT' }, 'nor with another');
  await t.rejects(openStore({ path, cold: join(path, 'data') }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  const reader = await openStore({ path, cold, readOnly: true, coldReads: 'restore' });
  t.equal((await reader.get(last)).size, 2_000_000);
  await t.rejects(move(reader, last, 'hot'), { code: 'AS_ERR_READ_ONLY' });
  await reader.close();
  const single = await openStore({ path: newPath() });
  await t.rejects(move(single, last, 'cold'), { code: 'AS_ERR_INVALID_ARGUMENT', message: /no cold tier/ });
  await single.close();
});

t.test('what is cold alone and comes again is there, and hot too', async (t) => {
  const { store } = await open(t);
  const random = new Random(SEED);
  const contents = [100, 20_000, 400_000].map((size) => random.bytes(size));
  async function* stream(bytes: Uint8Array) {
    yield bytes;
  }
  for (const bytes of contents) {
    for (const put of [
      () => store.put(bytes),
      () => store.put(stream(bytes)),
      () => store.put(bytes, { size: bytes.byteLength }),
      async () => (await store.putMany([bytes, random.bytes(50)])).at(0) as Awaited<ReturnType<Store['put']>>,
    ]) {
      const { blake3 } = await store.put(bytes);
      await move(store, blake3, 'cold');
      t.match(await put(), { blake3, existed: true });
      t.same(await tiers(store, blake3), ['hot', 'cold'], 'the bytes that have come are kept');
      t.match(await move(store, blake3, 'cold'), [{ moved: true }]);
      t.same(await tiers(store, blake3), ['cold'], 'moving it again has little to do');
      await store.put(bytes, { durability: 'deferred' });
      await store.sync();
      t.same(await tiers(store, blake3), ['hot', 'cold']);
      t.match(await move(store, blake3, 'hot'), [{ moved: true }]);
      t.same(await tiers(store, blake3), ['hot']);
    }
  }
  t.equal((await store.usage()).cold, undefined);
  await rebuiltTheSame(t, store);
});

t.test('deleting deletes every copy', async (t) => {
  const { store, path, cold } = await open(t);
  const random = new Random(SEED);
  for (const way of ['cold', 'both'] as const) {
    const bytes = random.bytes(600_000);
    const { blake3 } = await store.put(bytes);
    await move(store, blake3, 'cold');
    if (way === 'both') await store.put(bytes);
    const { freedSize } = await store.delete(blake3);
    t.ok(freedSize >= (way === 'both' ? 2 : 1) * bytes.byteLength, `${freedSize} bytes freed`);
    await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
    await t.rejects(move(store, blake3, 'hot'), { code: 'AS_ERR_GONE' });
    t.same((await store.stat(blake3)).receipts, []);
  }
  const many = await Promise.all(Array.from({ length: 5 }, () => store.put(random.bytes(300_000))));
  const addresses = many.map(({ blake3 }) => blake3);
  await Promise.all(addresses.slice(2).map((name) => move(store, name, 'cold')));
  t.match(await store.reconcile({ age: 0 }), { objects: 5, orphans: 0, lost: 0 }, 'what is in either tier is there');
  t.match(await store.retire(addresses, { grace: 60_000 }), { objects: 5 });
  await store.undelete(addresses[4] as string);
  t.equal(
    (await (await store.get(addresses[4] as string)).bytes()).byteLength,
    300_000,
    'taken back, it is where it was',
  );
  t.same(await tiers(store, addresses[4] as string), ['cold']);
  await store.delete(addresses[4] as string);
  await store.undeleteMany(addresses);
  await store.retire(addresses);
  t.match(await store.sweep(), { objects: 4, failedCount: 0 }, 'many at once too');
  const files = [join(path, 'data'), cold].flatMap((data) =>
    readdirSync(join(data, 'objects'), { recursive: true, withFileTypes: true }).filter((one) => one.isFile()),
  );
  t.same(files, [], 'no file of either is left');
  t.match(await store.usage(), { objects: 0, size: 0, storedSize: 0 });
});

t.test('damage in one tier', async (t) => {
  const { store, path, cold } = await open(t);
  const random = new Random(SEED);
  const bytes = random.bytes(500_000);
  const { blake3 } = await store.put(bytes);
  await move(store, blake3, 'cold');
  await store.put(bytes);
  await damageStored(join(path, 'data'), blake3, 400_000);
  t.ok(Buffer.from(await (await store.get(blake3)).bytes()).equals(bytes), 'the other copy is read');
  t.equal((await store.stat(blake3)).state, 'live');
  t.match(await store.verify(blake3), { status: 'intact', repaired: true }, 'verifying replaces the damaged one');
  await damageStored(join(path, 'data'), blake3, 400_000);
  t.match(
    await move(store, blake3, 'hot'),
    [{ moved: true }],
    'the whole one is not removed before the other is whole',
  );
  t.ok(Buffer.from(await (await store.get(blake3)).bytes()).equals(bytes));
  await move(store, blake3, 'cold');
  await damageStored(cold, blake3, 400_000);
  await t.rejects((await store.get(blake3)).bytes(), { code: 'AS_ERR_CORRUPT' });
  t.equal((await store.stat(blake3)).state, 'corrupt', 'the only copy');
  await t.rejects(move(store, blake3, 'hot'), { code: 'AS_ERR_CORRUPT' });
  await store.put(bytes);
  t.ok(Buffer.from(await (await store.get(blake3)).bytes()).equals(bytes), 'stored again it is whole');
  t.match(await store.verify(blake3), { status: 'intact', repaired: true }, 'and then in both tiers');
  await rebuiltTheSame(t, store);
});

t.test('a copy that no event names, as a crash leaves it', async (t) => {
  const [path, cold] = [newPath(), newPath()];
  const random = new Random(SEED);
  const contents = Array.from({ length: 4 }, (_, n) => random.bytes(n % 2 === 0 ? 900 : 300_000));
  const first = await openStore({ path, cold });
  const stored = await Promise.all(contents.map((bytes) => first.put(bytes)));
  await first.close();
  const plane = await openInproc({ path: cold });
  for (const bytes of contents) {
    await plane.ingestStream(
      (async function* () {
        yield bytes;
      })(),
      {},
    );
  }
  await plane.close();
  const { store } = await open(t, 'stream', path, cold);
  const [back, forth, damaged, deleted] = stored.map(({ blake3 }) => blake3) as [string, string, string, string];
  t.match(await move(store, back, 'hot'), [{ moved: true }], 'it is removed by who wants the object where it is');
  t.match(await move(store, forth, 'cold'), [{ moved: true }], 'and used by who wants it there');
  await damageStored(join(path, 'data'), damaged, 10);
  t.match(await move(store, damaged, 'cold'), [{ moved: true }], 'and may be the only one that is whole');
  for (const [name, tier, bytes] of [
    [back, 'hot', contents[0]],
    [forth, 'cold', contents[1]],
    [damaged, 'cold', contents[2]],
  ] as const) {
    t.same(await tiers(store, name), [tier]);
    t.ok(Buffer.from(await (await store.get(name)).bytes()).equals(bytes as Buffer));
  }
  await store.delete(deleted);
  await store.close();
  const left = await openInproc({ path: cold, readOnly: true });
  for (const name of [back, deleted])
    t.match(await left.verifyObject(name as `blake3:${string}`), { status: 'missing' });
  await left.close();
});

t.test('a package, and objects that are restored when they are read', async (t) => {
  const { store, path, cold } = await open(t);
  const tree = newPath();
  mkdirSync(join(tree, 'sub'), { recursive: true });
  const random = new Random(SEED);
  const content = (n: number) => Buffer.alloc(1 + n * 7_919, `${SEED} ${n}`);
  for (let n = 0; n < 60; n++) writeFileSync(join(tree, 'sub', `${n}`), content(n));
  const pushed = await store.packages.push(tree, 'acme/tools@1');
  const reports = await move(store, 'acme/tools@1', 'cold');
  t.equal(reports.length, 60);
  t.ok(reports.every((report) => 'moved' in report && report.moved));
  t.same(await tiers(store, pushed.manifest), ['hot'], 'the manifest stays where it is');
  t.equal((await store.usage()).cold?.objects, 60);
  const out = newPath();
  await store.packages.pull('acme/tools@1', out);
  t.same(readdirSync(join(out, 'sub')).length, 60, 'it is pulled as any other');
  const file = await store.packages.openFile('acme/tools@1', 'sub/59');
  t.ok(Buffer.from(await file.bytes()).equals(content(59)));
  const again = await store.packages.push(tree, 'acme/tools@2', { reread: true });
  t.match([again.published, again.manifest], [true, pushed.manifest]);
  const usage = await store.usage();
  t.match([usage.objects, usage.cold?.objects], [61, 60], 'what was read again is hot too');
  t.same(await tiers(store, reports[0]?.blake3 as string), ['hot', 'cold']);
  await move(store, 'acme/tools@2', 'cold');
  await rebuiltTheSame(t, store);
  const whole = random.pick(reports).blake3;
  await damageStored(cold, whole, 0);
  const back = await move(store, 'acme/tools:none', 'hot').catch((error: { code: string }) => error.code);
  t.equal(back, 'AS_ERR_NOT_FOUND');
  const partly = await move(store, 'acme/tools@1', 'hot');
  t.equal(partly.length, 61);
  t.same(
    partly.flatMap((report) => ('error' in report ? [report.blake3] : [])),
    [whole],
    'what cannot be moved keeps nothing else back',
  );
  await store.close();

  const restoring = await openStore({ path, cold, coldReads: 'restore' });
  t.teardown(() => restoring.close());
  const moved = partly.map(({ blake3 }) => blake3).filter((blake3) => blake3 !== whole && blake3 !== pushed.manifest);
  await Promise.all(moved.slice(0, 20).map((name) => move(restoring, name, 'cold')));
  const [first = '', second = '', ...others] = moved;
  const seen = await Promise.all(Array.from({ length: 10 }, () => restoring.get(first)));
  t.ok(seen.every(({ tier }) => tier === 'hot'));
  t.same(await tiers(restoring, first), ['hot', 'cold'], 'the cold copy stays');
  t.equal((await kinds(restoring, first)).at(-1), 'object.copied');
  t.notOk((await restoring.get(first)).isRestored, 'once is enough');
  const peeked = await restoring.get(second, { restore: false });
  t.match([peeked.tier, peeked.isToRestore], ['cold', true]);
  await peeked.bytes();
  t.same(await tiers(restoring, second), ['cold'], 'read where it is by who says so');
  t.match(await restoring.get(second, { range: { start: 0, end: 1 } }), { isRestored: true, size: 1 });
  const opened = await restoring.packages.open('acme/tools@1');
  const readFile = restoring.packages.reader(opened);
  for (const [index, entry] of opened.entries.entries()) {
    if (entry.kind !== 'file' || `blake3:${Buffer.from(entry.blake3).toString('hex')}` === whole) continue;
    for await (const _ of readFile(index));
  }
  for (const name of others) t.equal((await tiers(restoring, name))[0], 'hot', 'whatever is read of a package too');
  await restoring.close();
});

t.test('everything at once', async (t) => {
  const { store } = await open(t, new Random(SEED).oneIn(2) ? 'restore' : 'stream');
  const random = new Random(SEED);
  const contents = Array.from({ length: 6 }, (_, n) => random.bytes(n % 2 === 0 ? 2_000 : 300_000));
  async function* stream(bytes: Uint8Array) {
    yield bytes.subarray(0, 100);
    yield bytes.subarray(100);
  }
  /** When each was last acknowledged, and last asked to be deleted: what comes later decides. */
  const clock = { now: 0 };
  const acknowledged = new Map<string, number>();
  const deletions = new Map<string, number>();
  const addresses: string[] = [];
  for (const bytes of contents) addresses.push((await store.put(bytes)).blake3);
  const allowed = new Set(['AS_ERR_GONE', 'AS_ERR_CONFLICT']);
  const step = async () => {
    const n = random.below(contents.length);
    const [bytes, address] = [contents[n] as Buffer, addresses[n] as string];
    const choice = random.below(10);
    try {
      if (choice < 2) {
        const begun = ++clock.now;
        await store.put(bytes);
        acknowledged.set(address, begun);
      } else if (choice < 3) {
        const begun = ++clock.now;
        await store.put(stream(bytes));
        acknowledged.set(address, begun);
      } else if (choice < 4) {
        const begun = ++clock.now;
        const results = await store.putMany(contents);
        for (const [index, one] of addresses.entries()) {
          if (!(results.at(index) instanceof Error)) acknowledged.set(one, begun);
        }
      } else if (choice < 7) await move(store, address, random.oneIn(2) ? 'hot' : 'cold');
      else if (choice < 9) t.ok(Buffer.from(await (await store.get(address)).bytes()).equals(bytes), 'the right bytes');
      else {
        await store.delete(address);
        deletions.set(address, ++clock.now);
      }
    } catch (error) {
      const { code = '', message } = error as { code?: string; message: string };
      // A reader that began before a deletion may find nothing any more.
      if (!allowed.has(code) && !(choice >= 7 && choice < 9 && code === 'AS_ERR_NOT_FOUND'))
        t.fail(`${code} ${message}`);
    }
  };
  await Promise.all(
    Array.from({ length: 12 }, async () => {
      for (let n = 0; n < 40; n++) await step();
    }),
  );
  for (const [n, address] of addresses.entries()) {
    const { state } = await store.stat(address);
    t.ok(state === 'live' || state === 'deleted', `${address} is ${state}`);
    if (deletions.get(address) === undefined || (acknowledged.get(address) ?? 0) > (deletions.get(address) ?? 0))
      t.equal(state, 'live', 'what was acknowledged last is there');
    if (state !== 'live') continue;
    t.ok(Buffer.from(await (await store.get(address, { restore: false })).bytes()).equals(contents[n] as Buffer));
    t.match(await store.verify(address), { status: 'intact' });
    await move(store, address, 'cold');
    t.same(await tiers(store, address), ['cold']);
    t.ok(Buffer.from(await (await store.get(address, { restore: false })).bytes()).equals(contents[n] as Buffer));
  }
  t.notOk((await store.events({ kind: 'object.corrupted', limit: 1000 })).length, 'nobody took a move for damage');
  await rebuiltTheSame(t, store);
});

t.test('killed at any instant, nothing is lost, and the same command finishes', async (t) => {
  const [path, cold] = [newPath(), newPath()];
  const random = new Random(SEED);
  const module = fileURLToPath(new URL('./tier-forever.js', import.meta.url));
  const acknowledged = new Set<string>();
  const kills = Number(process.env.ARTIFACTSTORE_KILLS ?? 3);
  for (let kill = 0; kill < kills; kill++) {
    const args = [module, path, cold, String(SEED + kill)];
    const child = spawnUnhooked(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const ended = once(child, 'exit');
    let told = 0;
    let moves = 0;
    const until = 20 + random.below(120);
    child.on('message', ({ put, moved }: { put?: string; moved?: string }) => {
      if (put !== undefined) acknowledged.add(put);
      if (moved !== undefined) moves++;
      if (++told >= until) child.kill('SIGKILL');
    });
    const [, signal] = (await ended) as [number | null, string | null];
    t.equal(signal, 'SIGKILL', 'it went on until it was killed');
    t.ok(moves > 0, `${moves} moves before kill ${kill}`);
    const store = await openStore({ path, cold });
    const checked = await countWhole(t, store, acknowledged);
    t.ok(checked >= acknowledged.size, `${checked} objects are whole`);
    const objects = (await store.list({ limit: 10_000 })).objects;
    const to: StoreTier = kill % 2 === 0 ? 'cold' : 'hot';
    await Promise.all(objects.map(({ blake3 }) => move(store, blake3, to)));
    await rebuiltTheSame(t, store);
    const { storedSize, cold: inCold } = await store.usage();
    t.equal(inCold?.storedSize ?? 0, to === 'cold' ? storedSize : 0, `all are in the ${to} tier, and nowhere else`);
    await store.close();
    const other = await openInproc({ path: to === 'cold' ? join(path, 'data') : cold, readOnly: true });
    for (const { blake3 } of objects) {
      const { status } = await other.verifyObject(blake3);
      if (status !== 'missing') t.fail(`${blake3} is still in the other tier: ${status}`);
    }
    await other.close();
  }
});

t.test('a cold tier that is away', async (t) => {
  const [hosted, path] = [newPath(), newPath()];
  const address = `unix:${newPath()}`;
  const host = () =>
    hostStore({
      path: hosted,
      listen: [address],
      software: 'test',
      readOnly: false,
      closeGraceMs: 0,
      onError: () => undefined,
    });
  let daemon = await host();
  const store = await openStore({ path, cold: address });
  t.teardown(() => store.close());
  const random = new Random(SEED);
  const [away, here] = [await store.put(random.bytes(50_000)), await store.put(random.bytes(50_000))];
  await move(store, away.blake3, 'cold');
  await daemon.close();
  await t.rejects((await store.get(away.blake3)).bytes(), { code: 'AS_ERR_UNAVAILABLE' });
  t.equal((await store.stat(away.blake3)).state, 'live', 'that is no damage');
  t.equal((await (await store.get(here.blake3)).bytes()).byteLength, 50_000, 'the hot tier goes on');
  await store.put(random.bytes(1000));
  await t.rejects(move(store, here.blake3, 'cold'), { code: 'AS_ERR_UNAVAILABLE' });
  t.same(await tiers(store, here.blake3), ['hot']);
  t.match(await store.health(), { ready: true, cold: { ready: false } });
  daemon = await host();
  t.equal((await (await store.get(away.blake3)).bytes()).byteLength, 50_000, 'and again when it is there');
  t.match(await move(store, here.blake3, 'cold'), [{ moved: true }]);
  await store.close();
  await daemon.close();
});

t.test('over HTTP, and by the client', async (t) => {
  for (const coldReads of ['stream', 'restore'] as const) {
    const { store } = await open(t, coldReads);
    const server = await startServer(store, { port: 0 });
    const client = openClient({ url: server.url });
    t.teardown(async () => {
      await client.close();
      await server.close();
    });
    const random = new Random(SEED);
    const tierOf = async (path: string, method: 'GET' | 'HEAD' = 'GET', headers: Record<string, string> = {}) => {
      const reply = await request(`${server.url}${path}`, { method, headers });
      const bytes = Buffer.from(await reply.body.arrayBuffer());
      return { status: reply.statusCode, tier: reply.headers['artifactstore-tier'], bytes };
    };
    const restores = coldReads === 'restore';
    for (const size of [500, 6_000_000]) {
      const bytes = Buffer.alloc(size, random.bytes(997));
      const { blake3 } = await store.put(bytes);
      const path = `/v1/objects/${blake3}`;
      t.match(await tierOf(path), { status: 200, tier: undefined }, 'nothing is said of what is hot');
      t.match(await move(client, blake3, 'cold'), [{ blake3, size, tier: 'cold', moved: true }]);
      t.match(await tierOf(path, 'HEAD'), { status: 200, tier: 'cold' });
      const tag = { 'if-none-match': `"${blake3}"` };
      t.match(await tierOf(path, 'GET', tag), { status: 304, tier: 'cold' });
      t.same(await tiers(store, blake3), ['cold'], 'asking about it restores nothing');
      const part = await tierOf(path, 'GET', { range: 'bytes=1-99' });
      t.match(part, { status: 206, tier: restores ? 'hot;restored' : 'cold' });
      t.ok(part.bytes.equals(bytes.subarray(1, 100)));
      const whole = await tierOf(path);
      t.match(whole, { status: 200, tier: restores ? undefined : 'cold' });
      t.ok(whole.bytes.equals(bytes), `${size} bytes, ${coldReads}`);
      t.same(await tiers(store, blake3), restores ? ['hot', 'cold'] : ['cold']);
      await move(client, blake3, 'cold');
      t.ok(Buffer.from(await (await client.get(blake3)).bytes()).equals(bytes), 'proven by the client all the same');
    }
    const tree = newPath();
    mkdirSync(tree);
    for (let n = 0; n < 10; n++) writeFileSync(join(tree, `${n}`), `${SEED} ${n} `.repeat(1 + n * 1000));
    await client.packages.push(tree, 'acme/tools@1');
    t.equal((await move(client, 'acme/tools@1', 'cold')).length, 10);
    const archive = await request(`${server.url}/v1/packages/acme/tools/versions/1`, {
      headers: { accept: 'application/x-tar' },
    });
    t.equal(archive.statusCode, 200);
    await archive.body.dump();
    const file = await tierOf('/v1/packages/acme/tools/versions/1/files/9');
    t.equal(file.bytes.toString(), `${SEED} 9 `.repeat(9001));
    const metrics = (await tierOf('/metrics')).bytes.toString();
    t.match(metrics, /artifactstore_cold_objects 1\d\n/);
    t.match(metrics, /artifactstore_tier_copies_total\{tier="cold"\} 1\d\n/);
    t.match(metrics, /artifactstore_cold_storage_ready 1\n/);
    const ready = JSON.parse((await tierOf('/readyz')).bytes.toString()) as { cold: { facts: object } };
    t.match(ready, { ready: true, cold: { ready: true } });
    t.notMatch(Object.keys(ready.cold.facts), ['path'], 'nobody is told where it is');
    t.ok((await client.usage()).cold);
    await t.rejects(move(client, `blake3:${'0'.repeat(64)}`, 'cold'), { code: 'AS_ERR_NOT_FOUND' });
    await t.rejects(move(client, 'acme/none@1', 'cold'), { code: 'AS_ERR_NOT_FOUND' });
    const wrong = await request(`${server.url}/v1/tiers/warm/${'0'.repeat(64)}`, { method: 'POST' });
    t.equal(wrong.statusCode, 400, await wrong.body.text());
  }
});

t.test('the command line', async (t) => {
  const [path, cold, config] = [newPath(), newPath(), join(folder, 'config.json')];
  writeFileSync(config, JSON.stringify({ store: { path, cold } }));
  const at = ['--config', config];
  const [stored] = jsonLines((await cli([...at, '--json', 'put', '-'], { input: 'abc' })).stdout);
  const blake3 = String(stored?.blake3);
  const moved = await cli([...at, 'tier', blake3, 'cold']);
  t.match(moved, { code: 0, stdout: /moved to the cold tier/ }, moved.stderr);
  t.match((await cli([...at, 'tier', blake3, 'cold'])).stdout.toString(), /in the cold tier already/);
  t.match((await cli([...at, 'ls'])).stdout.toString(), / {2}cold {2}live/);
  t.match((await cli([...at, 'stat', blake3])).stdout.toString(), /tier {10}cold\n/);
  t.equal((await cli([...at, 'get', blake3])).stdout.toString(), 'abc');
  const doctor = lines((await cli([...at, 'doctor'])).stdout);
  t.match(
    doctor.filter((line) => line.startsWith('cold')),
    [/cold tier +local/, /cold objects +1 object/, /cold free/],
  );
  const tree = newPath();
  mkdirSync(tree);
  writeFileSync(join(tree, 'a'), 'one');
  writeFileSync(join(tree, 'b'), 'two');
  await cli([...at, 'push', tree, 'acme/x@1']);
  t.match((await cli([...at, 'tier', 'acme/x@1', 'cold'])).stdout.toString(), /^2 objects in the cold tier, 6 B/);
  t.equal((await cli([...at, 'cat', 'acme/x@1', 'b'])).stdout.toString(), 'two');
  t.equal(jsonLines((await cli([...at, '--json', 'tier', 'acme/x@1', 'hot'])).stdout).length, 3);
  t.match(await cli(['--store', path, 'get', blake3]), { code: 7, stderr: /--cold/ });
  t.equal((await cli([...at, 'tier', blake3, 'warm'])).code, 2);
  t.equal((await cli([...at, '--cold-reads', 'restore', 'get', blake3])).code, 0);
  t.match((await cli([...at, 'stat', blake3])).stdout.toString(), /tier {10}hot, cold\n/, 'restored');
});
