/**
 * Comparing what the data plane stores with what the log says: bytes that no event names, and events whose bytes are not there.
 *
 * Imports event kinds, the contract's types, the registry's, digest text, errors, limits and the guard. The facade makes one and shows it as a verb.
 *
 * A 256th of the addresses at a time, so that memory stays flat. The list is taken before the registry is asked, and what differs is looked at again under the
 * locks of its addresses: nothing is concluded from two looks at different moments.
 */

import type { ListedColumns, ObjectListing } from '../dataplane/closable.js';
import type { ContentAddress, DataPlane } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { objectDiscarded, objectLost } from '../events/kinds.js';
import type { EventLog, NewEvent } from '../events/log.js';
import { DIGEST_SIZE, KEPT_SHOWN_MAX, LIFECYCLE_BLOCK, ORPHAN_AGE_MS } from '../limits.js';
import type { LifecycleRegistry } from '../registry/lifecycle.js';
import type { AddressGuard } from './address-guard.js';

export interface ReconcileOptions {
  actor?: string;
  /** Milliseconds that bytes without an event must have been there before they are removed. Default ORPHAN_AGE_MS, a day. */
  age?: number;
  /** Look and report, and change nothing. Default false. */
  dryRun?: boolean;
  /** Ends it between two steps; what is done is done. */
  signal?: AbortSignal;
  /** Told after every step what has been found so far, and how many of PARTS steps that were. */
  onProgress?: (report: ReconcileReport, steps: number) => void;
}

/** What was found, and done about it. */
export interface ReconcileReport {
  /** Objects that the data plane has, and their bytes. */
  objects: number;
  size: number;
  /** Those of them, and leftovers of others, that no event names, or whose deletion the log has recorded; and their bytes. */
  orphans: number;
  orphansSize: number;
  /** Of the orphans those that were removed, and the bytes given back; and those that are too young, or in use by who stores them. */
  discarded: number;
  freedSize: number;
  young: number;
  /** Objects that the log says are there and the data plane does not have: from now on they count as damaged. */
  lost: number;
  /** The first KEPT_SHOWN_MAX of each. */
  shown: { orphans: ContentAddress[]; lost: ContentAddress[] };
}

/** Steps of a reconciliation: one for each first byte that an address can have. */
export const PARTS = 256;

/** What the facade lends. */
export interface ReconcileHost {
  readonly actor: string;
  readonly log: EventLog;
  readonly registry: LifecycleRegistry;
  readonly guard: AddressGuard;
  readonly dataPlane: Pick<DataPlane, 'deleteObject'> & { listObjects?(part: number): Promise<ObjectListing> };
  /** Makes durable what was deferred: its bytes are there, and its event is to come. */
  flush(): Promise<void>;
  /** Whether the data plane has an object, as far as a look at its first byte tells. */
  look(address: ContentAddress): Promise<'present' | 'damaged' | 'absent'>;
}

/** An object that is stored, or what is left over of one that is not, and that no event names. */
interface Orphan {
  address: ContentAddress;
  size: number;
  changed: number;
}

/**
 * Compares, removes what is nobody's, and records what is lost.
 *
 * @throws AS_ERR_UNAVAILABLE: the data plane cannot list what it has; AS_ERR_INVALID_ARGUMENT: the age
 */
export async function reconcile(host: ReconcileHost, options: ReconcileOptions): Promise<ReconcileReport> {
  const { age = ORPHAN_AGE_MS } = options;
  if (!Number.isSafeInteger(age) || age < 0) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `An age of ${age} ms is none. Give 0 or more.`, { age });
  }
  const report: ReconcileReport = {
    objects: 0,
    size: 0,
    orphans: 0,
    orphansSize: 0,
    discarded: 0,
    freedSize: 0,
    young: 0,
    lost: 0,
    shown: { orphans: [], lost: [] },
  };
  for (let part = 0; part < PARTS && !options.signal?.aborted; part++) {
    await reconcilePart(host, part, { ...options, age }, report);
    options.onProgress?.({ ...report }, part + 1);
  }
  return report;
}

async function reconcilePart(
  host: ReconcileHost,
  part: number,
  options: ReconcileOptions & { age: number },
  report: ReconcileReport,
): Promise<void> {
  const { dataPlane, registry } = host;
  if (dataPlane.listObjects === undefined) {
    throw new ArtifactStoreError(
      'AS_ERR_UNAVAILABLE',
      'The data plane of this store cannot list what it has, so nothing can be compared with the log.',
    );
  }
  const listing = await dataPlane.listObjects(part);
  const known = new Set(await registry.presentIn(part));
  const orphans: Orphan[] = [];
  for (const listed of listedIn(listing)) {
    report.objects++;
    report.size += listed.size;
    if (!known.delete(listed.address)) orphans.push(listed);
  }
  // What is left of an object that is known will be needed when it is stored again.
  if (listing.leftovers)
    for (const left of listedIn(listing.leftovers)) if (!known.has(left.address)) orphans.push(left);
  for (const block of blocksOf(orphans)) await settleOrphans(host, block, options, report);
  for (const block of blocksOf([...known])) await settleLost(host, block, options, report); // those that were not listed
}

/** Removes those that are nobody's and old enough. Whoever is about to record one notices, and stores it again. */
async function settleOrphans(
  host: ReconcileHost,
  block: readonly Orphan[],
  { actor = host.actor, age, dryRun = false }: ReconcileOptions & { age: number },
  report: ReconcileReport,
): Promise<void> {
  const { guard, registry, dataPlane, log } = host;
  const addresses = block.map(({ address }) => address);
  await guard.lockedMany(addresses, async () => {
    await host.flush();
    const standing = await registry.standing(addresses);
    const events: NewEvent[] = [];
    for (const [index, { address, size, changed }] of block.entries()) {
      const state = standing[index]?.state ?? 'deleted';
      if (state !== 'deleted') continue; // its event has come since
      report.orphans++;
      report.orphansSize += size;
      if (report.shown.orphans.length < KEPT_SHOWN_MAX) report.shown.orphans.push(address);
      if (Date.now() - changed < age || guard.isClaimed(address)) report.young++;
      else if (!dryRun) {
        const { deleted, freedSize } = await guard.removing([address], () => dataPlane.deleteObject(address));
        if (!deleted) continue;
        report.discarded++;
        report.freedSize += freedSize;
        events.push(objectDiscarded(actor, address, { freedSize, changed: Math.max(Math.round(changed), 0) }));
      }
    }
    await log.append(events);
  });
}

/** Records those that are not there. */
async function settleLost(
  host: ReconcileHost,
  addresses: readonly ContentAddress[],
  { actor = host.actor, dryRun = false }: ReconcileOptions,
  report: ReconcileReport,
): Promise<void> {
  const { guard, registry, log } = host;
  await guard.lockedMany(addresses, async () => {
    const standing = await registry.standing(addresses);
    const events: NewEvent[] = [];
    for (const [index, address] of addresses.entries()) {
      if (standing[index]?.state !== 'live' || (await host.look(address)) !== 'absent') continue;
      report.lost++;
      if (report.shown.lost.length < KEPT_SHOWN_MAX) report.shown.lost.push(address);
      events.push(objectLost(actor, address));
    }
    if (!dryRun) await log.append(events);
  });
}

function* listedIn({ addresses, sizes, changed }: ListedColumns): Generator<Orphan> {
  for (let n = 0; n < sizes.length; n++) {
    const address = formatBlake3(addresses.subarray(DIGEST_SIZE * n, DIGEST_SIZE * (n + 1)));
    yield { address, size: sizes[n] as number, changed: changed[n] as number };
  }
}

function* blocksOf<T>(items: readonly T[]): Generator<T[]> {
  for (let from = 0; from < items.length; from += LIFECYCLE_BLOCK) yield items.slice(from, from + LIFECYCLE_BLOCK);
}
