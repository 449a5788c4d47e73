/** The data plane over two tiers: the conformance kit on it as it is, and with every object moved to the cold tier at once; and what is its own. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ClosableDataPlane } from '../../lib/dataplane/closable.js';
import { openInproc } from '../../lib/dataplane/inproc/index.js';
import type { ByteSource, ContentAddress, DataPlane, IngestHints, SessionHints } from '../../lib/dataplane/spi.js';
import { copyObject, TieredPlane } from '../../lib/dataplane/tiered/index.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { isStoreError } from '../../lib/errors.js';
import { damageStored } from '../support/stored.js';
import { conformance } from './conformance.js';
import { openDaemon } from './remote-support.js';

async function openTiers() {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-tiered-'));
  const open = async () =>
    new TieredPlane({
      hot: await openInproc({ path: join(path, 'hot') }),
      cold: await openInproc({ path: join(path, 'cold') }),
    });
  let plane = await open();
  return {
    path,
    get plane() {
      return plane;
    },
    reopen: async () => {
      await plane.close();
      plane = await open();
      return plane;
    },
    close: async () => {
      await plane.close();
      await rm(path, { recursive: true });
    },
    damage: (tier: 'hot' | 'cold', address: ContentAddress, offset: number) =>
      damageStored(join(path, tier), address, offset),
  };
}

await conformance(t, {
  name: 'tiered, hot',
  open: async () => {
    const tiers = await openTiers();
    return {
      plane: tiers.plane,
      sync: () => tiers.plane.sync(),
      sessions: { reopen: tiers.reopen },
      close: tiers.close,
      damage: (address, offset) => tiers.damage('hot', address, offset),
    };
  },
});

/** Whatever comes is moved to the cold tier before anybody is told, so that everything else happens to cold objects. */
function movingToCold(plane: TieredPlane): DataPlane {
  const move = async (address: ContentAddress) => {
    try {
      await copyObject(plane.hot, plane.cold, address);
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_NOT_FOUND')) throw error; // another put of the same bytes has moved it
    }
    await plane.hot.deleteObject(address);
  };
  const moving: Partial<ClosableDataPlane> = {
    async ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H) {
      const { durability, ...others } = hints as IngestHints; // what is deferred cannot be moved: it is durable at once here
      const result = await plane.ingestStream(source, (durability === 'deferred' ? others : hints) as H);
      if (!('session' in result)) await move(formatBlake3(result.blake3));
      return result;
    },
    async ingestMany(sources) {
      const table = await plane.ingestMany(sources);
      const stored = Array.from({ length: table.length }, (_, index) => index).filter(
        (index) => !table.errors.has(index),
      );
      await Promise.all([...new Set(stored.map((index) => formatBlake3(table.blake3(index))))].map(move));
      return table;
    },
  };
  return new Proxy(plane, {
    get: (target, name) => {
      const own = moving[name as keyof typeof moving] ?? target[name as keyof TieredPlane];
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}

await conformance(t, {
  name: 'tiered, cold',
  open: async () => {
    const tiers = await openTiers();
    return { plane: movingToCold(tiers.plane), close: tiers.close };
  },
});

async function* once(bytes: Uint8Array) {
  yield bytes;
}

async function read(plane: DataPlane, address: ContentAddress, range?: { start: number; end: number }) {
  const chunks: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(address, range)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

t.test('an object is found in either tier, and in both', async (t) => {
  const tiers = await openTiers();
  t.teardown(tiers.close);
  const { plane } = tiers;
  for (const size of [100, 70_000, 5_000_000]) {
    const bytes = randomBytes(size);
    const { blake3, receipts } = await plane.ingestStream(once(bytes), {});
    const address = formatBlake3(blake3);
    t.match(receipts, [{ tier: 'hot' }]);
    t.match(await copyObject(plane.hot, plane.cold, address, { size }), { existed: false });
    await plane.hot.deleteObject(address);
    t.ok((await read(plane, address)).equals(bytes), 'from the cold tier');
    t.ok((await read(plane, address, { start: 50, end: 99 })).equals(bytes.subarray(50, 99)));
    t.match(await plane.verifyObject(address), { status: 'intact', repaired: false });
    t.match(await plane.ingestStream(once(bytes), {}), { existed: true }, 'what is cold alone is there');
    const table = await plane.ingestMany([once(bytes), once(randomBytes(size))]);
    t.same([...table.existed], [1, 0]);
    await plane.cold.deleteObject(address);
    t.ok((await read(plane, address)).equals(bytes), 'and what comes again is in the hot tier too');
    await copyObject(plane.hot, plane.cold, address);
    t.match(await plane.deleteObject(address), { deleted: true });
    for (const tier of [plane.hot, plane.cold])
      t.equal((await tier.verifyObject(address)).status, 'missing', 'no copy is left');
    await t.rejects(read(plane, address), { code: 'AS_ERR_NOT_FOUND' });
  }
});

t.test('of two copies one may be damaged', async (t) => {
  for (const bad of ['hot', 'cold'] as const) {
    const tiers = await openTiers();
    t.teardown(tiers.close);
    const { plane } = tiers;
    for (const size of [100, 70_000, 5_000_000]) {
      const bytes = randomBytes(size);
      const address = formatBlake3((await plane.ingestStream(once(bytes), {})).blake3);
      await copyObject(plane.hot, plane.cold, address);
      await tiers.damage(bad, address, size - 1);
      t.ok(
        (await read(plane, address)).equals(bytes),
        `${size} bytes, damaged in the ${bad} tier, are read all the same`,
      );
      const range = { start: 10, end: size };
      const piece = await plane.serveSmall(address, range);
      if (piece !== undefined) t.ok(Buffer.from(piece).equals(bytes.subarray(10)));
      const readOnly = new TieredPlane({ hot: plane.hot, cold: plane.cold, readOnly: true });
      t.match(await readOnly.verifyObject(address), { status: 'corrupt' }, 'who may not write says so');
      t.match(await plane.verifyObject(address), { status: 'intact', repaired: true }, 'verifying replaces it');
      t.match(await plane[bad].verifyObject(address), { status: 'intact' });
      await plane.deleteObject(address);
    }
  }
});

t.test('a daemon as the cold tier', async (t) => {
  const daemon = await openDaemon();
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-tiered-'));
  const plane = new TieredPlane({ hot: await openInproc({ path }), cold: daemon.client });
  t.teardown(async () => {
    await plane.close();
    await daemon.close();
    await rm(path, { recursive: true });
  });
  const bytes = randomBytes(3_000_000);
  const address = formatBlake3((await plane.ingestStream(once(bytes), {})).blake3);
  await copyObject(plane.hot, plane.cold, address);
  await plane.hot.deleteObject(address);
  t.ok((await read(plane, address)).equals(bytes));
  t.match(await plane.backendHealth(), { ready: true, tier: 'hot', cold: { ready: true, tier: 'cold' } });
  const families = plane.families().flatMap(({ samples }) => samples);
  t.ok(
    families.length > 0 && families.every(({ labels }) => labels?.tier === 'cold'),
    'what each counts is told apart',
  );
  t.ok(plane.load().workers > 2);
});
