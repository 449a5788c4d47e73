/**
 * Objects between tiers: moved by the contract alone, each step an event, and nothing acknowledged ever lost.
 *
 * A move copies first, into the other tier, and says so in the log; then it removes, and says so too. Whatever it is interrupted at, the object is in one
 * tier or in both, and the same move asked for again does what is left. Nobody holds an address while its bytes are copied, which may take long; what was true
 * before is looked at again under the lock, and a deletion meanwhile has the copying begin anew.
 *
 * Imports the data plane over two tiers, event kinds, the registry's and the guard's types, checks, errors and limits. Made where the store has a
 * cold tier.
 */

import type { ContentAddress, IngestResult, Receipt } from '../dataplane/spi.js';
import { copyObject, type TieredPlane } from '../dataplane/tiered/index.js';
import { isThere } from '../dataplane/tiered/reading.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { objectCopied, objectEvicted } from '../events/kinds.js';
import type { EventLog } from '../events/log.js';
import { KeyLocks } from '../key-locks.js';
import { PUT_ATTEMPTS_MAX, TIER_MOVES_IN_FLIGHT } from '../limits.js';
import { counter, type Family } from '../metrics/exposition.js';
import type { ObjectRecord, Registry } from '../registry/registry.js';
import type { AddressGuard, IngestTicket } from './address-guard.js';
import { requireReadable } from './checks.js';
import { aborted } from './source.js';

/** Where a store can have its objects. */
export type StoreTier = 'hot' | 'cold';

/** What reading an object of the cold tier does: `stream` its bytes from there, or `restore` it first, which copies it to the hot tier. */
export type ColdReads = 'stream' | 'restore';

/** What moving one object did. */
export interface Moved {
  blake3: ContentAddress;
  /** Bytes. */
  size: number;
  /** Where it is now, and nowhere else. */
  tier: StoreTier;
  /** False when it was there already, and nowhere else. */
  moved: boolean;
  /** Bytes of storage given back in the tier that it left. */
  freedSize: number;
}

/** What became of one of many objects that were to be moved. */
export type MoveReport = Moved | { blake3: ContentAddress; error: Error };

export interface MoveOptions {
  actor: string;
  /** No further object is moved; one on its way arrives. */
  signal?: AbortSignal;
}

/** What the facade lends. */
export interface TiersContext {
  plane: TieredPlane;
  log: EventLog;
  registry: Registry;
  guard: AddressGuard;
  readOnly: boolean;
  coldReads: ColdReads;
  /** Makes durable what others have deferred. */
  flush: () => Promise<void>;
}

/** The tiers of one store. */
export class Tiers {
  readonly #moving = new KeyLocks();
  /** Restorations under way: whoever else wants the object waits for the same one. */
  readonly #restoring = new Map<ContentAddress, Promise<void>>();
  #copied = { hot: 0, cold: 0 };
  #copiedSize = { hot: 0, cold: 0 };

  constructor(private readonly context: TiersContext) {}

  /**
   * Makes sure that the cold tier is the one of the log: an object that the log says is there alone is looked for.
   *
   * @throws AS_ERR_STORE_FORMAT: it is not there
   */
  async requireOwn(address: string): Promise<void> {
    const { registry, plane } = this.context;
    const some = await registry.someCold();
    if (some === undefined || (await isInPlane(plane.cold, some))) return;
    const message = `${address} is not the cold tier of this store: ${some} is not there, and nowhere else. Name the right one; nothing was changed.`;
    throw new ArtifactStoreError('AS_ERR_STORE_FORMAT', message, { cold: address, address: some });
  }

  /**
   * Moves an object: afterwards it is in this tier and in no other.
   *
   * @throws AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_NOT_FOUND: it cannot be read; AS_ERR_CONFLICT: it was deleted again and again meanwhile
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO, AS_ERR_UNAVAILABLE, AS_ERR_READ_ONLY: either tier
   */
  move(address: ContentAddress, tier: StoreTier, actor: string): Promise<Moved> {
    return this.#repeated(address, (record) => this.#bring(record, tier, actor, true));
  }

  /** Moves many, several at a time, and tells of each when it is done. One that fails keeps no other back. */
  async *moveMany(
    addresses: Iterable<ContentAddress>,
    tier: StoreTier,
    { actor, signal }: MoveOptions,
  ): AsyncGenerator<MoveReport> {
    const waiting = new Map<ContentAddress, Promise<MoveReport>>();
    const one = (address: ContentAddress) =>
      this.move(address, tier, actor).catch((error: Error): MoveReport => ({ blake3: address, error }));
    try {
      for (const address of addresses) {
        if (signal?.aborted) throw aborted();
        waiting.set(address, one(address));
        if (waiting.size === TIER_MOVES_IN_FLIGHT) yield await next();
      }
      while (waiting.size > 0) yield await next();
    } finally {
      await Promise.all(waiting.values());
    }

    async function next(): Promise<MoveReport> {
      const report = await Promise.race(waiting.values());
      waiting.delete(report.blake3);
      return report;
    }
  }

  /** Whether reading this object restores it first. */
  restores({ receipts }: Pick<ObjectRecord, 'receipts'>): boolean {
    const { coldReads, readOnly } = this.context;
    return coldReads === 'restore' && !readOnly && tierOf(receipts) === 'cold';
  }

  /** Whether reading restores at all. */
  get mayRestore(): boolean {
    return this.context.coldReads === 'restore' && !this.context.readOnly;
  }

  /** Copies an object to the hot tier, where it is not there yet. The cold copy stays: a read removes nothing. Where there is no room, nothing happens. Throws as `move`. */
  restore(address: ContentAddress, actor: string): Promise<void> {
    const running = this.#restoring.get(address);
    if (running !== undefined) return running;
    const restoring = this.#repeated(address, (record) => this.#bring(record, 'hot', actor, false))
      .then(() => undefined)
      .catch((error) => {
        if (!isStoreError(error, 'AS_ERR_NO_SPACE')) throw error; // it can still be streamed
      })
      .finally(() => this.#restoring.delete(address));
    this.#restoring.set(address, restoring);
    return restoring;
  }

  /** As `restore`, of an object of which nothing but its address is known. */
  async restoreIfCold(address: ContentAddress, actor: string): Promise<void> {
    if (!this.mayRestore) return;
    const record = await this.context.registry.stat(address);
    if (record?.state === 'live' && this.restores(record)) await this.restore(address, actor);
  }

  /**
   * For an ingest that found something removed since it began, under the lock of the address: whether its bytes are where its receipts say. An object that was moved
   * to the cold tier at this moment is copied back: whoever has stored it was about to be told that it is in the hot one.
   */
  async isPresent(address: ContentAddress): Promise<boolean> {
    const { hot, cold } = this.context.plane;
    if (await isThere(hot, address)) return true;
    if (!(await isThere(cold, address))) return false;
    await copyObject(cold, hot, address);
    return true;
  }

  /** What was copied, for metrics. */
  families(): Family[] {
    const samples = (counts: Readonly<Record<StoreTier, number>>) =>
      (['hot', 'cold'] as const).map((tier) => ({ labels: { tier }, value: counts[tier] }));
    return [
      {
        ...counter('artifactstore_tier_copies_total', 'Objects that were copied to a tier.', 0),
        samples: samples(this.#copied),
      },
      {
        ...counter('artifactstore_tier_copied_bytes_total', 'Their bytes.', 0),
        samples: samples(this.#copiedSize),
      },
    ];
  }

  /** Once more, when something was deleted meanwhile; one after the other where several want the same object moved. */
  #repeated<T>(address: ContentAddress, step: (record: ObjectRecord) => Promise<T | undefined>): Promise<T> {
    return this.#moving.locked(address, async () => {
      for (let attempt = 1; attempt <= PUT_ATTEMPTS_MAX; attempt++) {
        const record = await this.#readable(address);
        const done = await step(record);
        if (done !== undefined) return done;
      }
      const message = `${address} was deleted and stored again and again while it was moved. Move it once that has ended.`;
      throw new ArtifactStoreError('AS_ERR_CONFLICT', message, { address });
    });
  }

  async #readable(address: ContentAddress): Promise<ObjectRecord> {
    const record = await this.context.registry.stat(address);
    if (record === undefined) {
      const message = `No object has the digest ${address}.`;
      throw new ArtifactStoreError('AS_ERR_NOT_FOUND', message, { address });
    }
    requireReadable(record);
    return record;
  }

  /** Has an object in a tier and, where it is `alone`, in no other. Undefined: something was deleted meanwhile; begin again. */
  async #bring(record: ObjectRecord, to: StoreTier, actor: string, alone: boolean): Promise<Moved | undefined> {
    const { guard } = this.context;
    const { blake3: address } = record;
    const ticket = guard.begin();
    try {
      const copied = (await this.#isWhole(record, to)) ? undefined : await this.#copy(record, to);
      if (copied === 'changed') return undefined;
      return await guard.locked(address, () => this.#settle({ ticket, record, to, actor, alone, copied }));
    } finally {
      guard.end(ticket);
    }
  }

  /**
   * Whether an object is in a tier without copying. What the log says is not enough where another copy is removed next, which may be the only one that is whole: in
   * the hot tier it is read, in the cold one it is copied again, which costs no more than reading the hot one.
   */
  async #isWhole({ blake3, receipts }: ObjectRecord, to: StoreTier): Promise<boolean> {
    const there = tiersOf(receipts);
    const { plane } = this.context;
    if (!there.includes(to)) return false;
    if (there.length === 1) return isThere(plane[to], blake3);
    return to === 'hot' && (await plane.hot.verifyObject(blake3, { digests: 'blake3' })).status === 'intact';
  }

  /**
   * The copy, whole and durable. Where there is nothing to copy from, it is perhaps there already: then it is read, and stays as it is. If it is nowhere, because something
   * has happened to it meanwhile, that is told.
   */
  async #copy({ blake3, sha256, size, lastSeq }: ObjectRecord, to: StoreTier): Promise<IngestResult | 'changed'> {
    const { plane, registry } = this.context;
    let failure: unknown;
    for (const from of [other(to), to]) {
      try {
        const result = await copyObject(plane[from], plane[to], blake3, { sha256, size });
        if (from === to) return result;
        this.#copied[to]++;
        this.#copiedSize[to] += size;
        return result;
      } catch (error) {
        if (!isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) throw error;
        failure ??= error;
      }
    }
    if ((await registry.stat(blake3))?.lastSeq !== lastSeq) return 'changed';
    throw failure;
  }

  /** Writes down what has been copied, and removes what is to be removed; under the lock of the address. */
  async #settle(step: Step): Promise<Moved | undefined> {
    const { guard, plane, flush, log } = this.context;
    const { ticket, record, to, actor, alone, copied } = step;
    const { blake3: address, size } = record;
    await flush(); // or an event could say later that what is removed now is there
    const now = (await this.context.registry.stat(address)) as ObjectRecord; // records are never removed
    if (now.state !== 'live') {
      // A copy that came too late to be deleted with the others goes now; one that was there before is theirs who delete.
      if (copied?.existed === false && now.state !== 'corrupt') await this.#remove(to, address);
      requireReadable(now);
    }
    if (guard.deletedSince(ticket, address) && !(await isThere(plane[to], address))) return undefined;
    const there = tiersOf(now.receipts);
    const from = other(to);
    const isNews = copied !== undefined && (!there.includes(to) || copied.healed);
    if (isNews) await log.append([objectCopied(actor, address, copyFacts(to, copied))]);
    if (!alone) return { blake3: address, size, tier: to, moved: isNews, freedSize: 0 };
    const removed = await this.#remove(from, address);
    const isGone = removed.deleted || there.includes(from);
    if (isGone) await log.append([objectEvicted(actor, address, { tier: from, ...removed })]);
    return { blake3: address, size, tier: to, moved: isNews || isGone, freedSize: removed.freedSize };
  }

  /** Removes a copy; whoever is storing the same bytes at this moment finds out before it says that they are there. */
  #remove(tier: StoreTier, address: ContentAddress) {
    return this.context.guard.removing([address], () => this.context.plane[tier].deleteObject(address));
  }
}

interface Step {
  ticket: IngestTicket;
  record: ObjectRecord;
  to: StoreTier;
  actor: string;
  alone: boolean;
  copied: IngestResult | undefined;
}

const other = (tier: StoreTier): StoreTier => (tier === 'hot' ? 'cold' : 'hot');

/** A plane says of itself what tier it is; in a store of tiers it is what it is used as. */
function copyFacts(tier: StoreTier, { existed, receipts }: IngestResult) {
  return { tier, existed, receipts: receipts.map((receipt): Receipt => ({ ...receipt, tier })) };
}

/** The tiers of a store that has some, for an object that is to go to one. Throws AS_ERR_INVALID_ARGUMENT: it has none, or not this one. */
export function requireTier(tier: string, tiers: Tiers | undefined): Tiers {
  if (tier !== 'hot' && tier !== 'cold') {
    const message = `There is no tier "${tier}". Give hot or cold.`;
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { tier });
  }
  if (tiers !== undefined) return tiers;
  const message = 'The store has no cold tier, so nothing can be moved. Open it with one: --cold <folder or address>.';
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { tier });
}

/** The tiers that an object is in, that from which it is read first. */
export function tiersOf(receipts: readonly Receipt[]): Receipt['tier'][] {
  return [...new Set(receipts.map(({ tier }) => tier))];
}

/** The tier from which an object is read; undefined of one that is deleted. */
export function tierOf(receipts: readonly Receipt[]): Receipt['tier'] | undefined {
  return receipts[0]?.tier;
}

/** Whether a data plane has an object, damaged or not. */
async function isInPlane(plane: TieredPlane['cold'], address: ContentAddress): Promise<boolean> {
  try {
    for await (const _ of plane.serveObject(address, { start: 0, end: 0 })) break;
    return true;
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return false;
    return true; // damaged, or not to be asked now: that is told to who reads
  }
}
