/** Digest names, the registry's views and its answers: any name finds its object, any history rebuilds to the same rows. */

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { encodeCanonical } from '../../lib/cbor/index.js';
import type { ContentAddress, Receipt } from '../../lib/dataplane/spi.js';
import * as names from '../../lib/digest-name.js';
import * as kinds from '../../lib/events/kinds.js';
import type { NewEvent, StoredEvent } from '../../lib/events/log.js';
import { openEventLog, type SqliteEventLog } from '../../lib/events/sqlite-log.js';
import { EVENT_SIZE_MAX, INDEXED_RUNS_MAX } from '../../lib/limits.js';
import type { DuePlace, LifecycleRegistry } from '../../lib/registry/lifecycle.js';
import { blocksOf, runsOf } from '../../lib/registry/object-sets.js';
import type { NamespaceUsage, PackageQuery, PackageRecord, RefRecord } from '../../lib/registry/packages.js';
import { keptReceipts, readReceipts } from '../../lib/registry/receipts.js';
import type { ObjectPage, ObjectRecord, Registry } from '../../lib/registry/registry.js';
import { createLifecycleRegistry } from '../../lib/registry/sqlite-lifecycle.js';
import { createPackageRegistry } from '../../lib/registry/sqlite-packages.js';
import { createRegistry } from '../../lib/registry/sqlite-registry.js';
import { registryViews } from '../../lib/registry/views.js';
import { dumpViews } from '../events/dump.js';
import { everyKind } from '../events/every-kind.js';
import { ingestResult, randomEvent, randomSource } from '../events/random-events.js';

const HEX = '0123456789abcdef'.repeat(4);

interface Opened {
  log: SqliteEventLog;
  registry: Registry;
}

async function open(path: string): Promise<Opened> {
  const log = await openEventLog({ path, views: registryViews });
  return { log, registry: createRegistry(log.reader) };
}

t.test('digests as text and bytes', (t) => {
  const bytes = names.fromHex(HEX);
  t.equal(names.toHex(bytes), HEX);
  t.equal(names.formatBlake3(bytes), `blake3:${HEX}`);
  t.equal(names.formatSha256(bytes), `sha256:${HEX}`);
  t.same(names.digestBytes(`sha256:${HEX}`), bytes);
  t.equal(names.digestAlgorithm(`sha256:${HEX}`), 'sha256');
  t.equal(names.digestAlgorithm(`blake3:${HEX}`), 'blake3');
  t.equal(names.parseDigest(`SHA256:${HEX.toUpperCase()}`), `sha256:${HEX}`, 'upper case is read, lower case written');
  t.ok(names.isDigest(`blake3:${HEX}`) && names.isDigest(`sha256:${HEX}`));
  for (const text of ['', HEX, `blake3:${HEX}0`, `blake3:${HEX.slice(1)}`, `md5:${HEX}`, `blake3:${HEX.slice(1)}g`]) {
    t.notOk(names.isDigest(text));
    t.throws(() => names.parseDigest(text), { code: 'AS_ERR_INVALID_DIGEST' }, text);
  }
  t.same(names.parseDigestPrefix(' Blake3:ABCDE '), { algorithm: 'blake3', hex: 'abcde' });
  t.same(names.parseDigestPrefix('0123'), { hex: '0123' });
  for (const text of ['', '012', 'blake3:', 'blake3:012', 'sha512:0123', 'xyz0', `${HEX}0`, `0123\n4`]) {
    t.throws(() => names.parseDigestPrefix(text), { code: 'AS_ERR_INVALID_DIGEST' }, JSON.stringify(text));
  }
  for (const text of ['0', '0g', 'xx']) t.throws(() => names.fromHex(text), { code: 'AS_ERR_INVALID_DIGEST' });
  t.throws(() => names.formatBlake3(new Uint8Array(31)), { code: 'AS_ERR_INVALID_DIGEST' });
  t.end();
});

t.test('any digest, or an unambiguous prefix, finds its object', async (t) => {
  const { log, registry } = await open(`${t.testdir()}/log`);
  const digest = (start: string, fill: string) => names.fromHex(start.padEnd(64, fill));
  const store = (blake3: Uint8Array, sha256: Uint8Array) =>
    log.append([kinds.objectIngested('me', ingestResult(1, { blake3, sha256 }))]);
  await store(digest('abcd1', '1'), digest('5555a', '1'));
  await store(digest('abcd2', '2'), digest('5555b', '2'));
  await store(digest('7777', '3'), digest('abcd1f', '3'));
  await store(digest('8888', '4'), digest('8888', '4'));
  await store(digest('', 'f'), digest('', '0'));
  const found = async (text: string) => (await registry.resolve(text)).blake3.slice('blake3:'.length, 14);
  t.equal(await found(`blake3:${'abcd1'.padEnd(64, '1')}`), 'abcd111');
  t.equal(await found(`sha256:${'5555b'.padEnd(64, '2')}`), 'abcd222');
  t.equal(await found('abcd1'.padEnd(64, '1')), 'abcd111', 'bare BLAKE3');
  t.equal(await found('5555A'.padEnd(64, '1')), 'abcd111', 'bare SHA-256, upper case');
  t.equal(await found('blake3:abcd1'), 'abcd111', 'an odd number of digits');
  t.equal(await found('abcd2'), 'abcd222');
  t.equal(await found('abcd11'), 'abcd111', 'an even number of digits');
  t.equal(await found('sha256:abcd'), '7777333', 'a prefix of the SHA-256');
  t.equal(await found('8888'), '8888444', 'both digests of one object begin alike');
  t.equal(await found('ffffffffff'), 'fffffff', 'the last address there can be');
  t.equal(await found('00000'), 'fffffff', 'the first SHA-256 there can be');
  const ambiguous = (text: string, ...starts: string[]) =>
    t.rejects(registry.resolve(text), {
      code: 'AS_ERR_AMBIGUOUS_DIGEST',
      details: { candidates: starts.map((start) => new RegExp(`^blake3:${start}`)) },
    });
  await ambiguous('abcd1', '7777', 'abcd1');
  await ambiguous('blake3:abcd', 'abcd1', 'abcd2');
  await ambiguous('abcd', '7777', 'abcd1', 'abcd2');
  await ambiguous('sha256:5555', 'abcd1', 'abcd2');
  for (const text of ['9999', 'blake3:7777a', 'sha256:7777', `blake3:${HEX}`]) {
    await t.rejects(registry.resolve(text), { code: 'AS_ERR_NOT_FOUND' }, text);
  }
  await t.rejects(registry.resolve('abc'), { code: 'AS_ERR_INVALID_DIGEST' });
  await log.append(
    Array.from({ length: 12 }, (_, n) =>
      kinds.objectIngested('me', ingestResult(1, { blake3: digest(`6666${n.toString(16)}`, '0') })),
    ),
  );
  const error = await registry.resolve('6666').catch((error: { details: { candidates: string[] } }) => error);
  t.equal('details' in error && error.details.candidates.length, 10, 'no more than ten candidates are named');
  await log.close();
});

t.test('a SHA-256 with two content addresses is kept as the proof it is', async (t) => {
  const { log, registry } = await open(`${t.testdir()}/log`);
  const { sha256 } = ingestResult(1);
  await log.append([1, 2].map((n) => kinds.objectIngested('me', ingestResult(n, { sha256 }))));
  await t.rejects(registry.resolve(names.formatSha256(sha256)), { code: 'AS_ERR_AMBIGUOUS_DIGEST' });
  t.equal((await registry.stat(addressOf(1)))?.sha256, names.formatSha256(sha256));
  t.equal((await registry.stat(addressOf(2)))?.sha256, names.formatSha256(sha256));
  await log.close();
});

t.test('the life of an object', async (t) => {
  const { log, registry } = await open(`${t.testdir()}/log`);
  const address = addressOf(1);
  const after = async (...events: NewEvent[]) => {
    const stored = await log.append(events);
    return [await registry.stat(address), ...stored] as [ObjectRecord | undefined, StoredEvent];
  };
  const verified = (status: 'intact' | 'corrupt' | 'missing') =>
    kinds.objectVerified('me', address, { status, size: 1, damaged: [], repaired: false });
  const ranges = [{ start: 0, end: 16_384 }];
  t.equal((await after(verified('corrupt')))[0], undefined, 'what was never stored has no record');

  const [live, ingested] = await after(kinds.objectIngested('me', ingestResult(1)));
  const { receipts } = ingestResult(1);
  const sha256 = names.formatSha256(ingestResult(1).sha256);
  const record = { blake3: address, sha256, size: 1001, ingestedAt: ingested.time, receipts };
  t.same(live, { ...record, state: 'live', lastSeq: 2 });
  t.same(await registry.usage(), { objects: 1, size: 1001, storedSize: 4096 });

  const [corrupt] = await after(kinds.objectCorrupted('me', address, ranges, 'read'));
  t.same(corrupt, { ...record, state: 'corrupt', lastSeq: 3, damaged: ranges });
  t.same((await after(verified('corrupt')))[0]?.damaged, ranges, 'a verification keeps the ranges that are known');
  t.equal((await after(verified('intact')))[0]?.state, 'live', 'found whole');
  t.match((await after(verified('missing')))[0], { state: 'corrupt', damaged: undefined });
  const [healed] = await after(kinds.objectIngested('me', ingestResult(1, { healed: true })));
  t.same(healed, { ...record, state: 'live', lastSeq: 7 }, 'stored again');

  const [tombstoned, { seq, id, time }] = await after(kinds.objectTombstoned('owner', address, 'old'));
  const tombstone = { seq, id, time, actor: 'owner', reason: 'old' };
  t.same(tombstoned, { ...record, state: 'tombstoned', lastSeq: 8, tombstone });
  const [still] = await after(kinds.objectCorrupted('me', address, ranges, 'verify'), verified('intact'));
  t.same(still, { ...tombstoned, lastSeq: 10 }, 'damage no longer matters');
  const [deleted] = await after(kinds.objectDeleted('sweeper', address, { deleted: true, freedSize: 1 }));
  t.same(deleted, { ...record, receipts: [], state: 'deleted', lastSeq: 11, tombstone });
  t.same(await registry.usage(), { objects: 0, size: 0, storedSize: 0 });
  t.equal((await registry.resolve(address)).state, 'deleted', 'a deleted object can still be found');

  const [again] = await after(kinds.objectIngested('me', ingestResult(1)));
  t.same(again, { ...record, state: 'live', lastSeq: 12 }, 'stored after deletion');
  const [swept, event] = await after(kinds.objectDeleted('sweeper', address, { deleted: true, freedSize: 1 }));
  t.same(swept?.tombstone, { seq: event.seq, id: event.id, time: event.time, actor: 'sweeper' }, 'without tombstone');
  await log.close();
});

t.test('views equal a rebuild, and a simple model, after random histories', async (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const { log, registry } = await open(`${t.testdir({})}/log`);
    const random = randomSource(seed);
    for (let call = 0; call < 60; call++) {
      const calls = Array.from({ length: 1 + random(3) }, () =>
        log.append(Array.from({ length: 1 + random(8) }, () => randomEvent(random))),
      );
      await Promise.all(calls);
    }
    const live = await dumpViews(log.plainReader);
    await log.rebuild();
    t.same(await dumpViews(log.plainReader), live, `seed ${seed}`);
    const { objects } = await registry.list();
    const events = await log.read({ limit: 10_000 });
    t.same(new Map(objects.map((record) => [record.blake3, summary(record)])), model(events));
    const packages = createPackageRegistry(log.reader);
    const [{ packages: versions }, { refs }] = [await packages.versions(), await packages.refs()];
    const needs = needsOf(events);
    t.same(await packages.usage(100), usageModel(objects, versions, refs, needs), `usage, seed ${seed}`);
    t.same(await registry.usage(), usageSum(objects), `usage in all, seed ${seed}`);
    t.same(versions.map(versionKey), versionsModel(events), `versions, seed ${seed}`);
    await compareLifecycle(t, createLifecycleRegistry(log.reader), objects, versions, needs, seed);
    for (const { blake3 } of objects) {
      const needing = versions.filter(({ manifest }) => needs.get(manifest)?.has(blake3));
      t.same(await packages.needing(blake3, 100), needing, `who needs ${blake3}, seed ${seed}`);
    }
    await log.close();
  }
});

t.test('views equal a rebuild after every kind of event', async (t) => {
  const { log } = await open(`${t.testdir()}/log`);
  const history = [...everyKind, kinds.objectIngested('me', ingestResult(1, { existed: true }))];
  for (const event of history) {
    await log.append([event]);
    const live = await dumpViews(log.plainReader);
    const progress: unknown[] = [];
    await log.rebuild((step) => progress.push(step));
    t.same(await dumpViews(log.plainReader), live, event.kind);
    const events = await log.last();
    t.same(progress, [{ events, total: events }]);
  }
  await log.close();
});

t.test('sets of objects as runs and as blocks', (t) => {
  const random = randomSource(5);
  for (let round = 0; round < 200; round++) {
    const seqs = Array.from({ length: random(300) }, () => 1 + random(1 + random(3000)));
    const before = random(3) === 0 ? 1 + random(3000) : 4000;
    const wanted = [...new Set(seqs)].filter((seq) => seq < before).sort((a, b) => a - b);
    const found = runsOf(seqs).flatMap((runs) =>
      blocksOf(runs, before).flatMap(([block, bits]) =>
        Array.from({ length: 32 }, (_, n) => n)
          .filter((n) => Math.floor(bits / 2 ** n) % 2 === 1)
          .map((n) => 32 * block + n + 1),
      ),
    );
    t.same(found, wanted, `round ${round}`);
  }
  t.same(runsOf([]), [], 'nothing needs no event');
  t.same(runsOf([1, 2, 3, 5]), [[0, 3, 1, 1]]);
  const apart = Array.from({ length: INDEXED_RUNS_MAX + 1 }, (_, n) => 2 ** 40 + 2 ** 33 * n);
  t.same(runsOf(apart)[1], [(apart.at(-1) as number) - 1, 1], 'each part counts from the beginning');
  const event = kinds.manifestIndexed('me', addressOf(1), runsOf(apart)[0] as number[]);
  t.ok(encodeCanonical(event.data).byteLength < EVENT_SIZE_MAX - 1000, 'a part fits into an event');
  t.end();
});

t.test('versions never change, refs follow their newest event, and both are listed in pages', async (t) => {
  const { log } = await open(`${t.testdir()}/log`);
  const registry = createPackageRegistry(log.reader);
  const [one, two] = [ingestResult(1).blake3, ingestResult(2).blake3];
  const x = { namespace: 'a', name: 'x' };
  const publish = (version: string, manifest: Uint8Array, named = x) =>
    kinds.packagePublished('me', { ...named, version }, { manifest, entries: 1, size: 10 });
  const [first] = (await log.append([publish('1', one), publish('1', two)])) as [StoredEvent];
  const { seq, time: publishedAt } = first;
  const record = { ...x, version: '1', manifest: addressOf(1), entries: 1, size: 10, publishedAt, actor: 'me', seq };
  t.same(await registry.version({ ...x, version: '1' }), record, 'the first publication counts');
  await log.append([publish('1', two), publish(addressOf(2), one), publish(addressOf(2), two)]);
  t.same(await registry.version({ ...x, version: '1' }), record, 'in a later batch too');
  t.equal((await registry.version({ ...x, version: addressOf(2) }))?.seq, 5, 'an address must be that of the manifest');
  t.equal((await registry.versionWith(x, addressOf(2)))?.version, addressOf(2));
  t.equal(await registry.versionWith({ namespace: 'a', name: 'y' }, addressOf(2)), undefined);

  const ref = { ...x, ref: 'latest' };
  await log.append([
    kinds.refMoved('me', ref, { target: one }),
    kinds.refMoved('you', ref, { target: two, from: one }),
  ]);
  t.match(await registry.ref(ref), { ...ref, target: addressOf(2), immutable: false, actor: 'you', seq: 7 });
  await log.append([
    kinds.refRemoved('me', ref, { from: two }),
    kinds.refMoved('me', ref, { target: one, immutable: true }),
  ]);
  t.match(await registry.ref(ref), { target: addressOf(1), immutable: true, seq: 9 });
  await log.append([kinds.refMoved('me', ref, { target: one }), kinds.refRemoved('me', ref, { from: two })]);
  t.equal(await registry.ref(ref), undefined);

  const names = ['b/x', 'b/y', 'c/x'].map((text) => ({ namespace: text[0] as string, name: text[2] as string }));
  await log.append(names.flatMap((named) => ['2', '1'].map((version) => publish(version, one, named))));
  await log.append(names.map((named) => kinds.refMoved('me', { ...named, ref: 'r' }, { target: one })));
  const listed = async (query: PackageQuery) => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await registry.versions({ ...query, limit: 2, ...(cursor !== undefined && { cursor }) });
      seen.push(...page.packages.map(({ namespace, name, version }) => `${namespace}/${name}@${version}`));
      cursor = page.cursor;
    } while (cursor !== undefined);
    return seen;
  };
  const inB = ['b/x@1', 'b/x@2', 'b/y@1', 'b/y@2'];
  t.same(await listed({}), ['a/x@1', `a/x@${addressOf(2)}`, ...inB, 'c/x@1', 'c/x@2']);
  t.same(await listed({ namespace: 'b' }), inB);
  t.same(await listed({ namespace: 'b', name: 'x' }), inB.slice(0, 2));
  t.same(
    (await registry.refs({ namespace: 'b' })).refs.map(({ name }) => name),
    ['x', 'y'],
  );
  const { cursor } = await registry.refs({ limit: 1 });
  t.same(
    (await registry.refs({ cursor: cursor as string })).refs.map(({ namespace, name }) => namespace + name),
    ['by', 'cx'],
  );
  for (const query of [{ limit: 0 }, { limit: 10_001 }, { cursor: 'x' }, { name: 'x' }]) {
    await t.rejects(registry.versions(query), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(query));
  }
  await log.close();
});

t.test('which of many objects are stored just so, and where they stand', async (t) => {
  const { log } = await open(`${t.testdir()}/log`);
  const registry = createPackageRegistry(log.reader);
  const objects = Array.from({ length: 50 }, (_, n) => ingestResult(n));
  t.same(
    await registry.absent(objects),
    objects.map((_, n) => n),
    'none',
  );
  t.same(await registry.absent([]), []);
  await log.append(objects.filter((_, n) => n !== 7).map((result) => kinds.objectIngested('me', result)));
  await log.append([
    kinds.objectTombstoned('me', addressOf(3)),
    kinds.objectCorrupted('me', addressOf(4), [], 'read'),
    kinds.objectIngested('me', ingestResult(5, { existed: true })),
  ]);
  t.same(await registry.absent(objects), [3, 4, 7]);
  t.same(
    await registry.absent([
      ingestResult(1, { size: 1 }),
      ingestResult(2),
      ingestResult(8, { sha256: new Uint8Array(32) }),
    ]),
    [0, 2],
  );
  const seqs = objects.flatMap((_, n) => (n === 7 ? [] : [n < 7 ? n + 1 : n]));
  t.same(await registry.seqs(objects.map(({ blake3 }) => blake3)), seqs);
  t.same(await registry.seqs([]), []);
  await log.close();
});

t.test('listing in pages, while objects are stored', async (t) => {
  const { log, registry } = await open(`${t.testdir()}/log`);
  t.same(await registry.list(), { objects: [] });
  const store = (from: number, count: number) =>
    log.append(Array.from({ length: count }, (_, i) => kinds.objectIngested('me', ingestResult(from + i))));
  await store(0, 500);
  const seen: ContentAddress[] = [];
  let cursor: string | undefined;
  let stored = 500;
  do {
    const page = await registry.list({ limit: 37, ...(cursor === undefined ? {} : { cursor }) });
    seen.push(...page.objects.map(({ blake3 }) => blake3));
    cursor = page.cursor;
    await store(stored, 20);
    stored += 20;
  } while (cursor !== undefined);
  t.same(seen, [...new Set(seen)].sort(), 'in order, none twice');
  const original = Array.from({ length: 500 }, (_, n) => addressOf(n));
  t.same(
    original.filter((address) => !seen.includes(address)),
    [],
    'all that were there at the start',
  );

  const all = await registry.list({ limit: 10_000 });
  t.equal(all.objects.length, stored);
  t.equal(all.cursor, undefined, 'no cursor behind the last page');
  const exact = await registry.list({ limit: stored });
  t.equal(exact.cursor, undefined, 'nor behind a page that happens to be full');
  await log.append([
    kinds.objectTombstoned('me', addressOf(3)),
    kinds.objectTombstoned('me', addressOf(4)),
    kinds.objectDeleted('me', addressOf(4), { deleted: true, freedSize: 1 }),
    kinds.objectCorrupted('me', addressOf(5), [], 'read'),
  ]);
  const inState = async (state: ObjectRecord['state']) =>
    (await registry.list({ state, limit: 10_000 })).objects.map(({ blake3 }) => blake3);
  t.same(await inState('tombstoned'), [addressOf(3)]);
  t.same(await inState('deleted'), [addressOf(4)]);
  t.same(await inState('corrupt'), [addressOf(5)]);
  t.equal((await inState('live')).length, stored - 3);
  const unfit = [{ limit: 0 }, { limit: 10_001 }, { limit: 2.5 }, { cursor: 'x' }, { cursor: `${'A'.repeat(42)}B` }];
  for (const query of [...unfit, { state: 'lost' as never }]) {
    await t.rejects(registry.list(query), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(query));
  }
  await log.close();
});

t.test('pages have objects that share a head, or were heard of before they were stored', async (t) => {
  const { log, registry } = await open(`${t.testdir()}/log`);
  const atHead = (head: number, last: number) => {
    const blake3 = Buffer.alloc(32, last);
    blake3.writeUIntBE(head, 0, 6);
    return blake3;
  };
  // The last byte runs against the order of storing, so that a page that ends between two of one head would show it.
  const stored = [3, 1, 2].flatMap((head) => [5, 1, 4, 2].map((last) => atHead(head, last)));
  await log.append(
    [atHead(2, 9), atHead(4, 1)].map((blake3) => kinds.objectCorrupted('me', names.formatBlake3(blake3), [], 'read')),
  );
  for (const blake3 of [...stored, atHead(4, 1), atHead(2 ** 48 - 1, 1)])
    await log.append([kinds.objectIngested('me', ingestResult(0, { blake3, sha256: blake3 }))]);
  const expected = [1, 2, 3].flatMap((head) => [1, 2, 4, 5].map((last) => atHead(head, last)));
  const addresses = [...expected, atHead(4, 1), atHead(2 ** 48 - 1, 1)].map((blake3) => names.formatBlake3(blake3));
  for (let limit = 1; limit <= addresses.length + 1; limit++) {
    const seen: ContentAddress[] = [];
    let cursor: string | undefined;
    do {
      const page: ObjectPage = await registry.list({ limit, state: 'live', ...(cursor !== undefined && { cursor }) });
      t.ok(page.objects.length <= limit);
      seen.push(...page.objects.map(({ blake3 }) => blake3));
      cursor = page.cursor;
    } while (cursor !== undefined);
    t.same(seen, addresses, `${limit} a page`);
  }
  await log.close();
});

t.test('receipts are read as they were written, whatever their keys are', (t) => {
  const receipt = (key: string): Receipt => ({
    backend: 'local',
    tier: 'hot',
    key,
    storedSize: 4096,
    durability: 'synced',
  });
  const keys = ['é'.repeat(32), `${'é'.repeat(31)}ab`, HEX.toUpperCase(), HEX.slice(1), `${HEX}0`, 'a/key', ''];
  const address: ContentAddress = `blake3:${HEX}`;
  const plain = { ...receipt(HEX), backend: 'local', tier: 'hot', durability: 'synced' } as const;
  const others = [
    { ...plain, key: 'f'.repeat(64) },
    { ...plain, backend: 's3' },
    { ...plain, tier: 'cold' as const },
    { ...plain, durability: 'replicated' as const },
    { ...plain, etag: 'abc' },
  ];
  for (const receipts of [
    ...keys.map((key) => [receipt(key)]),
    ...others.map((other) => [other]),
    [plain, plain],
    [],
    [receipt('é'), receipt(HEX)],
  ]) {
    const bytes = keptReceipts(receipts, address);
    t.same(bytes, encodeCanonical(receipts.map((one) => ({ ...one }))), 'kept as they are');
    t.same(readReceipts(Buffer.from(bytes).toString('latin1'), HEX), receipts, JSON.stringify(receipts));
  }
  for (const storedSize of [0, 23, 24, 255, 256, 65_536, 2 ** 32, 2 ** 53 - 1]) {
    const bytes = keptReceipts([{ ...plain, storedSize }], address);
    t.same(bytes, encodeCanonical(storedSize), 'of one that says nothing else, its stored size');
    t.strictSame(readReceipts(Buffer.from(bytes).toString('latin1'), HEX), [{ ...plain, storedSize }]);
  }
  t.end();
});

t.test('no statement is prepared anew for each limit', (t) => {
  const lib = resolve(import.meta.dirname, '../../../lib');
  const sources = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const having = (form: RegExp) => sources.filter((file) => form.test(readFileSync(join(lib, file), 'utf8')));
  t.same(having(/LIMIT \?\d/), [], 'see Connection.all');
  t.ok(having(/LIMIT \+\?\d/).length > 1, 'they were looked at');
  t.end();
});

function addressOf(n: number): ContentAddress {
  return names.formatBlake3(ingestResult(n).blake3);
}

type Summary = ReturnType<typeof summary>;

function summary({ state, lastSeq, receipts, tombstone, damaged, lost, sha256 }: ObjectRecord) {
  const places = receipts.map(({ key }) => key);
  return { state, lastSeq, places, tombstone: tombstone?.seq, damaged, lost, sha256 };
}

/** Which objects each manifest needs, as its events say: the object that is named is one whose first ingest stands there already. */
function needsOf(events: readonly StoredEvent[]): Map<string, Set<string>> {
  const first = new Map<number, string>();
  const needs = new Map<string, Set<string>>();
  const met = new Set<string>();
  for (const event of events) {
    const { subject, seq } = event;
    if (subject === null) continue;
    if (event.kind === 'object.ingested' && met.size < met.add(subject).size) first.set(seq, subject);
    const { objects } = kinds.factsOf(event, 'manifest.indexed') ?? { objects: [] };
    let at = 1;
    for (const [index, count] of objects.entries()) {
      const set = needs.get(subject) ?? new Set();
      needs.set(subject, set);
      for (let n = at; index % 2 === 1 && n < at + count; n++) {
        const object = first.get(n);
        if (object !== undefined) set.add(object);
      }
      at += count;
    }
  }
  return needs;
}

function usageSum(objects: readonly ObjectRecord[]) {
  const live = objects.filter(({ state }) => state === 'live');
  const sizeOf = ({ receipts }: ObjectRecord) => receipts.reduce((sum, { storedSize }) => sum + storedSize, 0);
  const sum = (value: (record: ObjectRecord) => number) => live.reduce((total, record) => total + value(record), 0);
  const copies = live.flatMap(({ receipts }) => receipts.filter(({ key }) => key.startsWith('cold/')));
  const cold = { objects: copies.length, storedSize: copies.reduce((total, { storedSize }) => total + storedSize, 0) };
  const all = { objects: live.length, size: sum(({ size }) => size), storedSize: sum(sizeOf) };
  return { ...all, ...(cold.objects > 0 && { cold }) };
}

/** What docs/formats/events.md says of usage, added up anew. */
function usageModel(
  objects: readonly ObjectRecord[],
  versions: readonly PackageRecord[],
  refs: readonly RefRecord[],
  needs: Map<string, Set<string>>,
): NamespaceUsage[] {
  const namespaces = new Set([...versions, ...refs].map(({ namespace }) => namespace));
  return [...namespaces].sort().map((namespace) => {
    const here = versions.filter((version) => version.namespace === namespace);
    const manifests = new Map<string, PackageRecord>();
    for (const version of here.toSorted((a, b) => a.seq - b.seq)) {
      const key = `${version.name} ${version.manifest}`;
      if (!manifests.has(key)) manifests.set(key, version);
    }
    const needed = objects.filter(({ blake3 }) => here.some(({ manifest }) => needs.get(manifest)?.has(blake3)));
    const { size: uniqueSize, ...sums } = usageSum(needed);
    return {
      namespace,
      packages: new Set(here.map(({ name }) => name)).size,
      versions: here.length,
      refs: refs.filter((ref) => ref.namespace === namespace).length,
      size: [...manifests.values()].reduce((sum, { size }) => sum + size, 0),
      objects: sums.objects,
      uniqueSize,
      storedSize: sums.storedSize,
      missing: needed.length - sums.objects,
    };
  });
}

const versionKey = ({ namespace, name, version, manifest, seq }: PackageRecord) =>
  `${namespace}/${name}@${version} ${manifest} ${seq}`;

/** The rules at the head of packages-view.ts, one event at a time. */
function versionsModel(events: readonly StoredEvent[]): string[] {
  const versions = new Map<string, { manifest: ContentAddress; seq: number; isThere: boolean }>();
  for (const event of events) {
    const { subject, seq } = event;
    const published = kinds.factsOf(event, 'package.published');
    const withdrawn = kinds.factsOf(event, 'package.withdrawn');
    if (subject === null || (published ?? withdrawn) === undefined) continue;
    const manifest = names.formatBlake3((published ?? withdrawn)?.manifest as Uint8Array);
    const [, version = ''] = subject.split('@');
    const known = versions.get(subject);
    if (published !== undefined) {
      if (version.includes(':') && version !== manifest) continue;
      if (known === undefined || (!known.isThere && known.manifest === manifest))
        versions.set(subject, { manifest, seq, isThere: true });
    } else if (known?.isThere && known.manifest === manifest) known.isThere = false;
  }
  const there = [...versions].filter(([, { isThere }]) => isThere);
  const key = (subject: string) => subject.split(/[/@]/);
  const before = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return there
    .sort(([a], [b]) => {
      const [left, right] = [key(a), key(b)];
      return [0, 1, 2].map((part) => before(left[part] ?? '', right[part] ?? '')).find((sign) => sign !== 0) ?? 0;
    })
    .map(([subject, { manifest, seq }]) => `${subject} ${manifest} ${seq}`);
}

/** What who deletes is told, against what it means, object by object. */
async function compareLifecycle(
  t: Test,
  lifecycle: LifecycleRegistry,
  objects: readonly ObjectRecord[],
  versions: readonly PackageRecord[],
  needs: Map<string, Set<string>>,
  seed: number,
): Promise<void> {
  const addresses = objects.map(({ blake3 }) => blake3);
  const isNeeded = (address: string) => versions.some(({ manifest }) => needs.get(manifest)?.has(address));
  const wasNeeded = (address: string) => [...needs.values()].some((set) => set.has(address));
  const expected = objects.map(({ blake3, state, size, tombstone }) => ({
    blake3,
    state,
    size,
    needed: isNeeded(blake3),
    sweepAfter: state === 'tombstoned' ? (tombstone?.sweepAfter ?? 0) : undefined,
  }));
  const byAddress = (a: { blake3: string }, b: { blake3: string }) => (a.blake3 < b.blake3 ? -1 : 1);
  const standing = await lifecycle.standing([...addresses, addressOf(1000)]);
  t.equal(standing.pop(), undefined, 'one that was never stored');
  t.match(standing, expected, `standing, seed ${seed}`);
  const there = objects.filter(({ state }) => state === 'live' || state === 'corrupt').map(({ blake3 }) => blake3);
  const collectable: string[] = [];
  for (let after = 0; ; ) {
    const page = await lifecycle.collectable(2, after);
    if (page.length === 0) break;
    collectable.push(...page.map(({ blake3 }) => blake3));
    after = page.at(-1)?.seq as number;
  }
  const unneeded = there.filter((address) => wasNeeded(address) && !isNeeded(address));
  t.same(collectable.toSorted(), unneeded.toSorted(), `collectable, seed ${seed}`);
  const counts = addresses.map(
    (address) => versions.filter(({ manifest }) => needs.get(manifest)?.has(address)).length,
  );
  t.same(await lifecycle.references(addresses), counts, `references, seed ${seed}`);
  const waiting = expected.filter(({ sweepAfter }) => sweepAfter !== undefined);
  for (const now of [0, Date.now() + 10_000]) {
    const due = await lifecycle.due(now, 1000);
    const wanted = waiting.filter(({ sweepAfter = 0 }) => sweepAfter <= now).map(({ blake3 }) => blake3);
    t.same(due.map(({ blake3 }) => blake3).toSorted(), wanted.toSorted(), `due, seed ${seed}`);
    const all = standing.map((one) => ({ seq: one?.seq ?? 0, blake3: one?.blake3 as ContentAddress, sweepAfter: 0 }));
    t.same(
      (await lifecycle.stillDue([...all, { seq: 1e9, blake3: addressOf(1000), sweepAfter: 0 }], now)).toSorted(
        byAddress,
      ),
      waiting
        .filter(({ sweepAfter = 0 }) => sweepAfter <= now)
        .map(({ blake3 }) => ({ blake3, needed: isNeeded(blake3) }))
        .toSorted(byAddress),
      `still due, seed ${seed}`,
    );
  }
  const pages: number[] = [];
  for (let after: DuePlace | undefined; ; ) {
    const [next] = await lifecycle.due(Number.MAX_SAFE_INTEGER, 1, after);
    if (next === undefined) break;
    pages.push(next.sweepAfter);
    after = next;
  }
  t.same(
    pages,
    waiting.map(({ sweepAfter }) => sweepAfter as number).toSorted((a, b) => a - b),
    'in order, by pages',
  );
}

const OBJECT_KIND = /^object[.]/;

/** The rules of views.ts, applied one event at a time. */
function model(events: readonly StoredEvent[]): Map<string, Summary> {
  const objects = new Map<string, Modelled>();
  for (const event of events) {
    const { subject, seq } = event;
    const ingested = kinds.factsOf(event, 'object.ingested');
    const known = objects.get(subject ?? '');
    if (ingested !== undefined) {
      objects.set(subject ?? '', {
        state: 'live',
        lastSeq: seq,
        hot: ingested.receipts.map(({ key }) => key),
        cold: known?.cold ?? [],
        tombstone: undefined,
        damaged: undefined,
        lost: undefined,
        sha256: names.formatSha256(ingested.sha256),
      });
    } else if (known !== undefined && OBJECT_KIND.test(event.kind) && kinds.isKnownKind(event.kind))
      applyTo(known, event);
  }
  const summaries = [...objects].map(([address, { hot, cold, ...rest }]): [string, Summary] => {
    const { state, lastSeq, ...others } = rest;
    return [address, { state, lastSeq, places: [...hot, ...cold], ...others }];
  });
  return new Map(summaries);
}

/** Where an object is, tier by tier. */
type Modelled = Omit<Summary, 'places'> & { hot: string[]; cold: string[] };

function applyTo(object: Modelled, event: StoredEvent): void {
  object.lastSeq = event.seq;
  const copied = kinds.factsOf(event, 'object.copied');
  if (copied !== undefined) object[copied.tier === 'hot' ? 'hot' : 'cold'] = copied.receipts.map(({ key }) => key);
  const evicted = kinds.factsOf(event, 'object.evicted');
  if (evicted !== undefined) object[evicted.tier === 'hot' ? 'hot' : 'cold'] = [];
  if (copied !== undefined || evicted !== undefined) return;
  const present = object.state === 'live' || object.state === 'corrupt';
  const verified = kinds.factsOf(event, 'object.verified');
  const corrupted = kinds.factsOf(event, 'object.corrupted');
  if (event.kind === 'object.tombstoned') {
    Object.assign(object, { state: 'tombstoned', tombstone: event.seq, damaged: undefined, lost: undefined });
  } else if (event.kind === 'object.undeleted') {
    if (object.state === 'tombstoned')
      Object.assign(object, { state: 'live', tombstone: undefined, damaged: undefined, lost: undefined });
  } else if (event.kind === 'object.deleted') {
    Object.assign(object, { state: 'deleted', hot: [], cold: [], damaged: undefined, lost: undefined });
    object.tombstone ??= event.seq;
  } else if (event.kind === 'object.lost') {
    if (present) Object.assign(object, { state: 'corrupt', damaged: undefined, lost: true });
    return;
  } else if (event.kind === 'object.discarded') {
    return;
  } else if (present && verified?.status === 'intact') {
    Object.assign(object, { state: 'live', damaged: undefined, lost: undefined });
  } else if (present) {
    object.state = 'corrupt';
    if (corrupted !== undefined) {
      object.damaged = corrupted.ranges;
      object.lost = undefined;
    }
  }
}
