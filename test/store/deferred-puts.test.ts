/** Deferred puts: nothing is found and nothing is in the log before a sync, everything after it, and never an event before its bytes. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { type ClosableDataPlane, openInproc } from '../../lib/dataplane/inproc/index.js';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import { ArtifactStoreError } from '../../lib/errors.js';
import { objectIngested } from '../../lib/events/kinds.js';
import type { EventLog, NewEvent } from '../../lib/events/log.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openStore } from '../../lib/index.js';
import { DEFERRED_PUTS_MAX } from '../../lib/limits.js';
import { registryViews } from '../../lib/registry/views.js';
import { DeferredPuts } from '../../lib/store/deferred-puts.js';
import { Store } from '../../lib/store.js';

const DEFERRED = { durability: 'deferred' } as const;

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-deferred-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A store whose parts `change` may change before it begins. */
async function altered(t: Test, change: (plane: ClosableDataPlane, log: EventLog) => void): Promise<Store> {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  const log = await openEventLog({ path: join(path, 'events.sqlite'), views: registryViews });
  change(plane, log);
  return new Store(path, false, 'test', plane, log);
}

const kinds = async (store: Store) => (await store.events()).map(({ kind }) => kind);

t.test('what is deferred is found when it has been synced', async (t) => {
  const path = await folder(t);
  const store = await openStore({ path, actor: 'test' });
  t.teardown(() => store.close());
  const file = join(path, '..', `${path.split('/').at(-1)}.source`);
  await writeFile(file, randomBytes(400_000));
  t.teardown(() => rm(file));
  const sources = [randomBytes(10), randomBytes(300_000), Readable.from([randomBytes(2_000_000)]), { path: file }];
  const results = await Promise.all(sources.map((source) => store.put(source, DEFERRED)));
  for (const result of results) {
    t.notOk('event' in result, 'there is no event yet');
    t.match(result.receipts, [{ durability: 'deferred' }]);
    await t.rejects(store.get(result.sha256), { code: 'AS_ERR_NOT_FOUND' });
  }
  t.match(await store.usage(), { objects: 0 });
  t.same(await kinds(store), []);

  await store.sync();
  const events = await store.events();
  t.same(events.map(({ subject }) => subject).sort(), results.map(({ blake3 }) => blake3).sort());
  for (const { data } of events) t.match(data, { existed: false, receipts: [{ durability: 'synced' }] });
  for (const { blake3, size } of results) t.equal((await (await store.get(blake3)).bytes()).byteLength, size);
  await store.sync();
  t.equal((await store.events()).length, results.length, 'a sync without deferred puts records nothing');
  const again = await store.put(sources[0] as Uint8Array, DEFERRED);
  t.match(again, { existed: true });
});

t.test('an event waits for its bytes', async (t) => {
  let release: () => void = () => undefined;
  let syncs = 0;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store = await altered(t, (plane) => {
    plane.sync = () => {
      syncs++;
      return gate;
    };
  });
  t.teardown(() => store.close());
  await store.put(randomBytes(100), DEFERRED);
  const first = store.sync();
  await store.put(randomBytes(100), DEFERRED);
  const rest = [store.sync(), store.sync()];
  await new Promise((resolve) => setImmediate(resolve));
  t.same(await kinds(store), [], 'the bytes are not durable');
  release();
  await first;
  await Promise.all(rest);
  t.same(await kinds(store), ['object.ingested', 'object.ingested']);
  t.equal(syncs, 2, 'those who ask during a sync share the next');
});

t.test('bytes that cannot be made durable get no event', async (t) => {
  const failure = new ArtifactStoreError('AS_ERR_IO', 'The disk is gone.');
  const store = await altered(t, (plane) => {
    plane.sync = () => Promise.reject(failure);
  });
  const { blake3 } = await store.put(randomBytes(100), DEFERRED);
  await t.rejects(store.sync(), failure);
  await t.rejects(store.sync(), failure, 'no later sync takes them for durable');
  await t.rejects(store.stat(blake3), { code: 'AS_ERR_NOT_FOUND' });
  const durable = await store.put(randomBytes(100));
  t.equal(durable.event.seq, 1);
  await t.rejects(store.close(), failure, 'closing tells');
  const again = await openStore({ path: store.path });
  t.teardown(() => again.close());
  t.same(await kinds(again), ['object.ingested']);
});

t.test('events that could not be recorded are recorded by the next sync', async (t) => {
  let failures = 1;
  const store = await altered(t, (_, log) => {
    const append = log.append.bind(log);
    log.append = (events) => (failures-- > 0 ? Promise.reject(new Error('no room')) : append(events));
  });
  t.teardown(() => store.close());
  for (let i = 0; i < 3; i++) await store.put(Buffer.from(`object ${i}`), DEFERRED);
  await t.rejects(store.sync(), { message: 'no room' });
  await store.sync();
  t.equal((await store.events()).length, 3);
});

t.test('deleting comes after what was deferred before', async (t) => {
  const store = await openStore({ path: await folder(t), actor: 'test' });
  t.teardown(() => store.close());
  for (const size of [100, 300_000]) {
    const bytes = randomBytes(size);
    const { blake3 } = await store.put(bytes);
    await store.put(bytes, DEFERRED);
    await store.delete(blake3);
    await store.sync();
    t.match(await store.stat(blake3), { state: 'deleted' });
    const events = await store.events({ subject: blake3 });
    t.same(
      events.map(({ kind }) => kind),
      ['object.ingested', 'object.ingested', 'object.tombstoned', 'object.deleted'],
    );
    await store.put(bytes, DEFERRED);
    await store.sync();
    t.match(await store.stat(blake3), { state: 'live' });
    t.ok(Buffer.compare(await (await store.get(blake3)).bytes(), bytes) === 0);
  }
});

t.test('other events wait for deferred bytes that they may be about', async (t) => {
  const order: string[] = [];
  let crossing: (() => Promise<unknown>) | undefined;
  const store = await altered(t, (plane, log) => {
    const [one, many, sync] = [plane.ingestStream.bind(plane), plane.ingestMany.bind(plane), plane.sync.bind(plane)];
    const [append, appendIngests] = [log.append.bind(log), log.appendIngests.bind(log)];
    const appendRemovals = log.appendRemovals.bind(log);
    /** Between the data plane's commit and the event. */
    const crossed = async <T>(result: Promise<T>): Promise<T> => {
      await result;
      const cross = crossing;
      crossing = undefined;
      await cross?.();
      return result;
    };
    plane.ingestStream = (source, hints) => crossed(one(source, hints));
    plane.ingestMany = (sources) => crossed(many(sources));
    plane.sync = () => {
      order.push('sync');
      return sync();
    };
    log.append = (events) => {
      order.push(...events.map(({ kind }) => kind));
      return append(events);
    };
    log.appendIngests = (ingests) => {
      order.push(...Array.from(ingests.indexes, () => 'object.ingested'));
      return appendIngests(ingests);
    };
    log.appendRemovals = (removals) => {
      const kind = removals.results === undefined ? 'object.tombstoned' : 'object.deleted';
      order.push(...removals.addresses.map(() => kind));
      return appendRemovals(removals);
    };
  });
  t.teardown(() => store.close());
  const bytes = randomBytes(1000);
  const { blake3 } = await store.put(bytes);
  await store.verify(blake3);
  t.same(order.splice(0), ['object.ingested', 'object.verified']);
  crossing = async () => {
    await store.delete(blake3);
    await store.put(bytes, DEFERRED);
  };
  await store.put(bytes); // its copy was deleted: what is there is the deferred one
  t.same(order.splice(0), ['object.tombstoned', 'object.deleted', 'sync', 'object.ingested', 'object.ingested']);
  crossing = () => store.verify(blake3);
  await store.put(bytes, DEFERRED);
  t.same(order.splice(0), ['sync', 'object.verified'], 'of a put under way too');
});

t.test('a full disk', async (t) => {
  const path = await folder(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    t.comment('this user may not mount a tmpfs: left out');
    return;
  }
  t.teardown(() => execFileSync('umount', [path]));
  const reserve = join(path, 'reserve');
  await writeFile(reserve, randomBytes(4_000_000));
  const store = await openStore({ path: join(path, 'store') });
  const taken: ContentAddress[] = [];
  const fill = async (): Promise<never> => {
    for (;;) taken.push((await store.put(randomBytes(100_000), DEFERRED)).blake3);
  };
  await t.rejects(fill(), { code: 'AS_ERR_NO_SPACE' });
  await rm(reserve);
  await store.sync();
  t.ok(taken.length > 10, `${taken.length} objects were taken`);
  for (const address of taken) t.equal((await (await store.get(address)).bytes()).byteLength, 100_000);
  t.match(await store.usage(), { objects: taken.length });
  await store.close();
});

t.test('closing syncs', async (t) => {
  const path = await folder(t);
  const store = await openStore({ path, actor: 'test' });
  const puts = [10, 300_000].map((size) => store.put(randomBytes(size), DEFERRED));
  await puts[0];
  await store.close(); // also what is under way
  const results = await Promise.all(puts);
  await t.rejects(store.sync(), { code: 'AS_ERR_CLOSED' });
  const again = await openStore({ path, readOnly: true });
  t.teardown(() => again.close());
  for (const { blake3 } of results) t.match(await again.stat(blake3), { state: 'live' });
  await again.sync();
});

t.test('a durability that is none', async (t) => {
  const store = await openStore({ path: await folder(t), actor: 'test' });
  t.teardown(() => store.close());
  const options = { durability: 'later' as 'deferred' };
  await t.rejects(store.put(randomBytes(10), options), { code: 'AS_ERR_INVALID_ARGUMENT', message: /"later"/ });
});

t.test('no event for bytes that a power cut may take', (t) => {
  const receipt = { backend: 'local', tier: 'hot', key: 'k', storedSize: 1, durability: 'deferred' } as const;
  const digest = new Uint8Array(32);
  const result = { blake3: digest, sha256: digest, size: 1, existed: false, healed: false, receipts: [receipt] };
  t.throws(() => objectIngested('test', result), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.end();
});

t.test('no more wait than may', async (t) => {
  const appended: NewEvent[] = [];
  let syncs = 0;
  const deferred = new DeferredPuts(
    async () => {
      syncs++;
    },
    async (event) => appended.push(event),
  );
  const event = (n: number): NewEvent => ({ kind: 'test', actor: 'test', subject: null, data: n });
  const count = 2 * DEFERRED_PUTS_MAX + 5;
  await Promise.all(Array.from({ length: count }, (_, n) => deferred.add(event(n))));
  t.ok(syncs >= 2 && syncs <= 4, `${syncs} syncs`);
  t.ok(count - appended.length <= DEFERRED_PUTS_MAX, `${count - appended.length} wait`);
  await deferred.close();
  t.equal(appended.length, count);
});
