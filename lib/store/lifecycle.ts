/**
 * The end of an object, in two phases: a tombstone, from which on it is gone for readers, and, when its grace is over, the removal of its bytes. Between the
 * two the tombstone can be taken back.
 *
 * Imports event kinds, the contract, the registry's types, protection, errors, limits and the guard. The facade makes one, and shows it as verbs of its own.
 *
 * Everything is done in blocks of LIFECYCLE_BLOCK objects, some of them at once, each under the locks of its addresses: what is asked of the registry and of who protects holds until the
 * events are written. A crash between two steps leaves tombstones, which the next sweep carries out; nothing is kept beside the log.
 */

import { deleteAll, deleteEach } from '../dataplane/removal.js';
import type { ContentAddress, DataPlane, DeletionResult } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { objectCorrupted, objectUndeleted } from '../events/kinds.js';
import type { EventLog, NewEvent } from '../events/log.js';
import { GRACE_MS_MAX, KEPT_SHOWN_MAX, LIFECYCLE_BLOCK, LIFECYCLE_BLOCKS_IN_FLIGHT } from '../limits.js';
import type { DuePlace, LifecycleRegistry, Removable, Standing } from '../registry/lifecycle.js';
import type { Protection, Protector } from '../retention/protection.js';
import type { AddressGuard } from './address-guard.js';
import { CompactionBeside } from './compaction-beside.js';
import { Window } from './window.js';

/** Why an object was left as it is. */
export type KeptBecause =
  /** Nothing was ever stored under this address. */
  | 'unknown'
  /** It is tombstoned or deleted already. */
  | 'gone'
  /** It is there: there is no tombstone to take back. */
  | 'there'
  /** Versions of packages need it. */
  | 'needed'
  /** A package that is on its way needs it; the next time it may be another matter. */
  | 'busy'
  /** A hold, a lock or a policy forbids it. */
  | 'protected';

/** An object that was left as it is. */
export interface Kept {
  address: ContentAddress;
  because: KeptBecause;
  /** What forbids it, where something does. */
  protector?: Protector;
}

/** How objects are retired. */
export interface RetireOptions {
  /** Who acts. Default: the store's own actor. */
  actor?: string;
  /** Stands in the tombstones. */
  reason?: string;
  /** Milliseconds in which the bytes stay and the objects can be undeleted, 0 to GRACE_MS_MAX. Default 0: the next sweep removes them. */
  grace?: number;
  /** The retention plan that names them. */
  plan?: string;
  /** Also what packages need; they cannot be pulled then. What protects an object holds all the same. Default false. */
  force?: boolean;
  /** Ends it between two blocks. */
  signal?: AbortSignal;
}

/** What `retire` or `undeleteMany` did. */
export interface ChangeReport {
  /** Objects that were changed. */
  objects: number;
  /** Their bytes, and those they occupy by their receipts. */
  size: number;
  storedSize: number;
  /** Objects that were left as they are; the first KEPT_SHOWN_MAX of them in `kept`. */
  keptCount: number;
  kept: Kept[];
}

export interface SweepOptions {
  actor?: string;
  /** Objects to remove at most. Default: all that are due. */
  limit?: number;
  /** Ends it between two blocks; what is done is done, the next sweep goes on. */
  signal?: AbortSignal;
  /** Told after every block what has been done so far. */
  onProgress?: (report: SweepReport) => void;
}

/** What `sweep` did. */
export interface SweepReport {
  /** Objects whose bytes were removed. */
  objects: number;
  /** Bytes given back to the file system: with them, and by compaction after many, of what they shared with others. */
  freedSize: number;
  /** Objects that are due and protected; the first KEPT_SHOWN_MAX of them in `kept`. */
  keptCount: number;
  kept: Kept[];
  /** Objects whose bytes could not be removed; the first KEPT_SHOWN_MAX of them in `failed`. They stay due. */
  failedCount: number;
  failed: { address: ContentAddress; error: Error }[];
}

/** What the facade lends. */
export interface LifecycleHost {
  readonly actor: string;
  readonly log: EventLog;
  readonly registry: LifecycleRegistry;
  /** The same for questions about many objects, one after the other: those of others do not wait behind them. */
  readonly registryBehind: LifecycleRegistry;
  readonly guard: AddressGuard;
  readonly protection: Protection;
  readonly dataPlane: Pick<DataPlane, 'deleteObject' | 'deleteMany' | 'eraseObject'>;
  /** Gives back the space that deleted objects still take in files shared with others. */
  compact(signal: AbortSignal | undefined): Promise<{ freedSize: number }>;
  /** Makes durable what was deferred, or an event could say later that what is deleted now is there. */
  flush(): Promise<void>;
  /** Whether the bytes of an object can be read, as far as a look at its first byte tells. */
  isPresent(address: ContentAddress): Promise<boolean>;
}

export class Lifecycle {
  /** The two newest blocks for the log, stored or not. */
  #last: Promise<void> = Promise.resolve();
  #beforeLast: Promise<void> = Promise.resolve();

  constructor(private readonly host: LifecycleHost) {}

  /**
   * Writes tombstones, in blocks. What is not live, what packages need, and what is protected, stays, and is reported.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: the grace
   */
  async retire(addresses: readonly ContentAddress[], options: RetireOptions = {}): Promise<ChangeReport> {
    requireGrace(options.grace);
    return this.#inBlocks(addresses, options.signal, (block, report) => this.retireLocked(block, options, report));
  }

  /** Takes tombstones back, in blocks. What has none, or whose bytes are removed, stays as it is, and is reported. */
  async undelete(
    addresses: readonly ContentAddress[],
    options: Pick<RetireOptions, 'actor' | 'reason' | 'signal'> = {},
  ): Promise<ChangeReport> {
    return this.#inBlocks(addresses, options.signal, (block, report) => this.#undeleteLocked(block, options, report));
  }

  /** Removes the bytes of what is tombstoned and due, in blocks, and writes the receipts. */
  async sweep({ limit = Number.POSITIVE_INFINITY, ...options }: SweepOptions = {}): Promise<SweepReport> {
    return this.#sweepDue(this.host.registryBehind, await this.host.log.now(), limit, options);
  }

  /** Removes the bytes of what was deleted without a grace, up to `limit` objects: what a crash left behind. */
  async finish(limit: number): Promise<void> {
    await this.#sweepDue(this.host.registry, 0, limit, {});
  }

  async #sweepDue(
    registry: LifecycleRegistry,
    now: number,
    limit: number,
    options: SweepOptions,
  ): Promise<SweepReport> {
    const { guard, compact } = this.host;
    const report = nothingSwept();
    const compaction = new CompactionBeside(() => compact(options.signal));
    let after: DuePlace | undefined;
    const blocks = new Window(LIFECYCLE_BLOCKS_IN_FLIGHT);
    const feed = async () => {
      while (!options.signal?.aborted) {
        const room = limit - report.objects - blocks.weight;
        if (room <= 0 && blocks.weight === 0) break;
        const page = room <= 0 ? [] : await registry.due(now, Math.min(LIFECYCLE_BLOCK, room), after);
        if (page.length === 0) {
          if (room > 0) break; // there are no others
          await blocks.next(); // of those under way some may stay
          continue;
        }
        after = page.at(-1);
        const addresses = page.map(({ blake3 }) => blake3);
        await blocks.add(addresses.length, async () => {
          await guard.lockedMany(addresses, async () =>
            this.#sweepFound(await registry.stillDue(page, now), options.actor, report),
          );
          compaction.note(report);
          options.onProgress?.({ ...report });
        });
      }
    };
    try {
      await blocks.run(feed);
      report.freedSize += await compaction.finish();
    } finally {
      await compaction.settle();
    }
    return report;
  }

  async #inBlocks(
    addresses: readonly ContentAddress[],
    signal: AbortSignal | undefined,
    work: (block: ContentAddress[], report: ChangeReport) => Promise<void>,
  ): Promise<ChangeReport> {
    const report = noChange();
    const blocks = new Window(LIFECYCLE_BLOCKS_IN_FLIGHT);
    await blocks.run(async () => {
      for (let from = 0; from < addresses.length && !signal?.aborted; from += LIFECYCLE_BLOCK) {
        const block = [...new Set(addresses.slice(from, from + LIFECYCLE_BLOCK))];
        await blocks.add(block.length, () => this.host.guard.lockedMany(block, () => work(block, report)));
      }
    });
    return report;
  }

  /** Writes the tombstones of a block, under the locks of its addresses. */
  async retireLocked(block: readonly ContentAddress[], options: RetireOptions, report: ChangeReport): Promise<void> {
    const { log, guard, protection, flush } = this.host;
    await flush();
    const found = await this.#registryFor(block).standing(block);
    const candidates: Standing[] = [];
    for (const [index, standing] of found.entries()) {
      const because = standing === undefined ? 'unknown' : this.#whyNotRetired(standing, options.force === true);
      if (because !== undefined) keep(report, { address: block[index] as ContentAddress, because });
      else if (standing !== undefined) candidates.push(standing);
    }
    if (candidates.length === 0) return;
    const forbidden = await protection.ofObjects(candidates, 'retire', await log.now());
    const chosen = unforbidden(candidates, forbidden, report);
    if (chosen.length === 0) return;
    const { actor = this.host.actor, reason, grace, plan } = options;
    const facts = {
      ...(reason !== undefined && { reason }),
      ...(grace !== undefined && grace > 0 && { grace }),
      ...(plan !== undefined && { plan }),
    };
    const addresses = chosen.map(({ blake3 }) => blake3);
    try {
      await this.#record(() => this.host.log.appendRemovals({ actor, addresses, facts }), addresses.length);
    } finally {
      // Behind it, not before: who took its ticket in between and saw them live has to look again before it publishes.
      for (const address of addresses) guard.noteDeletion(address);
    }
    count(report, chosen);
  }

  #registryFor({ length }: readonly ContentAddress[]): LifecycleRegistry {
    return length > 1 ? this.host.registryBehind : this.host.registry;
  }

  #whyNotRetired({ blake3, state, needed }: Standing, force: boolean): KeptBecause | undefined {
    if (state === 'tombstoned' || state === 'deleted') return 'gone';
    if (force) return undefined;
    if (needed) return 'needed';
    return this.host.guard.isClaimed(blake3) ? 'busy' : undefined;
  }

  async #undeleteLocked(
    block: readonly ContentAddress[],
    { actor = this.host.actor, reason }: RetireOptions,
    report: ChangeReport,
  ): Promise<void> {
    const { isPresent } = this.host;
    const found = await this.#registryFor(block).standing(block);
    const chosen: Standing[] = [];
    const events: NewEvent[] = [];
    for (const [index, standing] of found.entries()) {
      const address = block[index] as ContentAddress;
      if (standing?.state !== 'tombstoned') {
        const because = standing === undefined ? 'unknown' : standing.state === 'deleted' ? 'gone' : 'there';
        keep(report, { address, because });
        continue;
      }
      events.push(objectUndeleted(actor, address, reason));
      // Damage that was known before the tombstone is known again.
      if (!(await isPresent(address)))
        events.push(objectCorrupted(actor, address, [{ start: 0, end: standing.size }], 'read'));
      chosen.push(standing);
    }
    await this.#record(() => this.host.log.append(events), events.length);
    count(report, chosen);
  }

  /** Removes the bytes of those of a block that are tombstoned and due, under the locks of its addresses. */
  async sweepLocked(
    block: readonly ContentAddress[],
    now: number,
    actor: string | undefined,
    report: SweepReport,
  ): Promise<void> {
    const found = await this.host.registry.standing(block);
    const isDue = (one: Standing | undefined) => one?.state === 'tombstoned' && (one.sweepAfter ?? 0) <= now;
    await this.#sweepFound(found.filter(isDue) as Standing[], actor, report);
  }

  /** The same of those that are due under those locks. */
  async #sweepFound(due: readonly Removable[], actor = this.host.actor, report: SweepReport): Promise<void> {
    const { log, guard, protection } = this.host;
    if (due.length === 0) return; // undeleted, or stored again, meanwhile
    const chosen = unforbidden(due, await protection.ofObjects(due, 'sweep', await log.now()), report);
    if (chosen.length === 0) return;
    const addresses = chosen.map(({ blake3 }) => blake3);
    const remove = addresses.length > 1 ? deleteAll : deleteEach;
    const results = await guard.removing(addresses, () => remove(this.host.dataPlane, addresses));
    const removed = new Map<ContentAddress, DeletionResult>();
    for (const [index, result] of results.entries()) {
      const address = addresses[index] as ContentAddress;
      if (result instanceof Error) {
        report.failedCount++;
        if (report.failed.length < KEPT_SHOWN_MAX) report.failed.push({ address, error: result });
        continue;
      }
      report.objects++;
      report.freedSize += result.freedSize;
      removed.set(address, result);
    }
    const receipts = { actor, addresses: [...removed.keys()], results: [...removed.values()] };
    await this.#record(() => log.appendRemovals(receipts), removed.size);
  }

  /**
   * Appends the events of a block while those of the block before are stored, and no sooner. Given to the log at once, those of all blocks would be one commit, and whoever stores
   * something beside them would wait for as long as that takes.
   */
  async #record(append: () => Promise<unknown>, count: number): Promise<void> {
    if (count <= 1) {
      await append(); // those of single deletions share a commit with whatever waits
      return;
    }
    const recorded = this.#beforeLast.then(append);
    this.#beforeLast = this.#last;
    this.#last = recorded.then(
      () => undefined,
      () => undefined,
    );
    await recorded;
  }
}

/** Refuses a grace that is none. */
export function requireGrace(grace: number | undefined): void {
  if (grace === undefined || (Number.isSafeInteger(grace) && grace >= 0 && grace <= GRACE_MS_MAX)) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `A grace of ${grace} ms is outside 0 to ${GRACE_MS_MAX}. Give whole milliseconds in that range.`,
    { grace, max: GRACE_MS_MAX },
  );
}

/** Nothing done yet. */
export const noChange = (): ChangeReport => ({ objects: 0, size: 0, storedSize: 0, keptCount: 0, kept: [] });
export const nothingSwept = (): SweepReport => ({
  objects: 0,
  freedSize: 0,
  keptCount: 0,
  kept: [],
  failedCount: 0,
  failed: [],
});

/** Those that nothing forbids; the others are reported. */
function unforbidden<T extends Removable>(
  objects: readonly T[],
  forbidden: ReadonlyMap<ContentAddress, Protector>,
  report: Pick<ChangeReport, 'kept' | 'keptCount'>,
): T[] {
  if (forbidden.size === 0) return [...objects];
  return objects.filter(({ blake3: address }) => {
    const protector = forbidden.get(address);
    if (protector !== undefined) keep(report, { address, because: 'protected', protector });
    return protector === undefined;
  });
}

function keep(report: Pick<ChangeReport, 'kept' | 'keptCount'>, kept: Kept): void {
  report.keptCount++;
  if (report.kept.length < KEPT_SHOWN_MAX) report.kept.push(kept);
}

function count(report: ChangeReport, changed: readonly Standing[]): void {
  report.objects += changed.length;
  for (const { size, storedSize } of changed) {
    report.size += size;
    report.storedSize += storedSize;
  }
}
