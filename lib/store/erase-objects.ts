/**
 * Erasing objects: the tombstone that names the order, the removal of the bytes, and the receipt, with no grace between them.
 *
 * Imports the registry's types, protection, errors and limits. `erasure.ts` calls it; what it needs the facade lends to the end of objects anyway (`lifecycle.ts`).
 *
 * What versions of packages need goes too, and what policies keep: an order is above both. A hold and a lock are above an order, because they say that somebody is bound by law to
 * keep the thing.
 */

import { eraseFrom } from '../dataplane/removal.js';
import type { ContentAddress, DeletionResult } from '../dataplane/spi.js';
import { LIFECYCLE_BLOCK } from '../limits.js';
import { ERASE_AFTER, type Standing } from '../registry/lifecycle.js';
import { isProtected } from '../retention/protection.js';
import type { LifecycleHost } from './lifecycle.js';

/** By whom, and under which order. */
export interface ErasedBy {
  actor: string;
  order: string;
  reason?: string;
}

/** An object that is erased. */
export interface ErasedObject {
  address: ContentAddress;
  /** Bytes given back to the file system; 0 when none were left. */
  freedSize: number;
}

/**
 * Refuses what a hold or a lock keeps.
 *
 * @throws AS_ERR_PROTECTED: of the first such object, what keeps it
 */
export async function requireErasable(
  { registry, protection, log }: LifecycleHost,
  addresses: readonly ContentAddress[],
): Promise<Standing[]> {
  const now = await log.now();
  const all: Standing[] = [];
  for (let from = 0; from < addresses.length; from += LIFECYCLE_BLOCK) {
    const found = await registry.standing(addresses.slice(from, from + LIFECYCLE_BLOCK));
    const there = found.filter((standing) => standing !== undefined && standing.state !== 'deleted') as Standing[];
    const [forbidden] = await protection.ofObjects(there, 'erase', now);
    if (forbidden !== undefined) throw isProtected(forbidden[0], 'erase', forbidden[1]);
    all.push(...there);
  }
  return all;
}

/**
 * Erases objects. Those whose bytes are gone already stay as they are, and are given all the same.
 *
 * @throws AS_ERR_PROTECTED: as `requireErasable`; AS_ERR_IO and what removing bytes throws: those before are erased, the same call again goes on
 */
export async function eraseObjects(
  host: LifecycleHost,
  addresses: readonly ContentAddress[],
  by: ErasedBy,
): Promise<ErasedObject[]> {
  const erased: ErasedObject[] = [];
  for (let from = 0; from < addresses.length; from += LIFECYCLE_BLOCK) {
    const block = addresses.slice(from, from + LIFECYCLE_BLOCK);
    const freed = await host.guard.lockedMany(block, () => eraseBlock(host, block, by));
    for (const address of block) erased.push({ address, freedSize: freed.get(address) ?? 0 });
  }
  return erased;
}

/** Erases a block under the locks of its addresses; gives what became free. */
async function eraseBlock(
  host: LifecycleHost,
  block: readonly ContentAddress[],
  { actor, order, reason }: ErasedBy,
): Promise<Map<ContentAddress, number>> {
  const { log, guard, flush } = host;
  await flush(); // a deferred put of one may wait to be recorded
  const addresses = (await requireErasable(host, block)).map(({ blake3 }) => blake3);
  if (addresses.length === 0) return new Map();
  try {
    await log.appendRemovals({ actor, addresses, facts: { order, ...(reason !== undefined && { reason }) } });
  } finally {
    for (const address of addresses) guard.noteDeletion(address);
  }
  return removeBytes(host, addresses, actor);
}

/** Removes the bytes of what is tombstoned for an erasure, under the locks of its addresses; gives what became free. */
async function removeBytes(
  host: LifecycleHost,
  addresses: readonly ContentAddress[],
  actor: string,
): Promise<Map<ContentAddress, number>> {
  const { log, guard } = host;
  const freed = new Map<ContentAddress, number>();
  const results = await guard.removing(addresses, () => remove(host, addresses));
  const removed = results.map((result, index) => [addresses[index] as ContentAddress, result] as const);
  const done = removed.filter((one): one is [ContentAddress, DeletionResult] => !(one[1] instanceof Error));
  const receipts = { addresses: done.map(([address]) => address), results: done.map(([, result]) => result) };
  await log.appendRemovals({ actor, ...receipts });
  for (const [address, { freedSize }] of done) freed.set(address, freedSize);
  const failed = results.find((result) => result instanceof Error);
  if (failed) throw failed;
  return freed;
}

/** Ends erasures that a crash cut short between the tombstone and the removal of the bytes. */
export async function finishErasures(host: LifecycleHost): Promise<void> {
  for (;;) {
    const addresses = await host.registry.toErase(LIFECYCLE_BLOCK);
    if (addresses.length === 0) return;
    await host.guard.lockedMany(addresses, async () => {
      const still = (await host.registry.standing(addresses)).filter((one) => one?.sweepAfter === ERASE_AFTER);
      const found = still.map((one) => (one as Standing).blake3);
      await removeBytes(host, found, host.actor);
    });
  }
}

function remove(
  { dataPlane }: LifecycleHost,
  addresses: readonly ContentAddress[],
): Promise<(DeletionResult | Error)[]> {
  return Promise.all(addresses.map((address) => eraseFrom(dataPlane, address).catch((error: Error) => error)));
}
