/**
 * Two data planes as one: a hot tier, to which everything comes, and a cold one, to which objects are moved.
 *
 * Imports the contract alone, and what stands beside it. Who moves objects, and says so in the log, is the control plane (lib/store/tiers.ts), by way of
 * `hot` and `cold`; this file only finds an object wherever it is. The composition root makes one.
 *
 * - Bytes come to `hot`. What is in `cold` alone counts as there before (`existed`), and is in both tiers from then on.
 * - Reading asks `hot` first, then `cold`. An object that is not in the one any more, or is damaged there, is read on from the other, whether that was to
 *   be seen before its first byte or is in the middle: both give the same bytes, because both verify them.
 * - Verifying verifies every copy. One that is damaged is replaced from one that is whole, which the result calls `repaired`.
 * - Deleting deletes every copy, health is that of `hot` with `cold` beside it.
 */

import { formatBlake3 } from '../../digest-name.js';
import { isStoreError } from '../../errors.js';
import type { Family } from '../../metrics/exposition.js';
import type { ClosableDataPlane, ObjectListing, UploadSession } from '../closable.js';
import { mergeListings } from '../listing.js';
import { deleteAll, eraseFrom } from '../removal.js';
import type {
  BackendStatus,
  ByteRange,
  ByteSource,
  ContentAddress,
  DataPlane,
  DeletionResult,
  FileList,
  FileSink,
  IngestHints,
  IngestOutcome,
  IngestResult,
  IngestTable,
  SessionHints,
  SessionResult,
  SmallSend,
  VerifyOptions,
  VerifyResult,
} from '../spi.js';
import { collect, isThere, readOn } from './reading.js';

type WorkerLoad = ReturnType<ClosableDataPlane['load']>;
type CompactionWatch = NonNullable<Parameters<ClosableDataPlane['compact']>[0]>;
type CompactionReport = Awaited<ReturnType<ClosableDataPlane['compact']>>;

export interface Tiers {
  hot: ClosableDataPlane;
  cold: ClosableDataPlane;
  /** Replace no damaged copies. Default false. */
  readOnly?: boolean;
  /**
   * Which of these objects are in `cold`. Default: asks `cold` for each, which may be far away; whoever keeps a record of what is where
   * knows it sooner.
   */
  areCold?: (addresses: readonly ContentAddress[]) => Promise<readonly boolean[]>;
}

export class TieredPlane implements ClosableDataPlane {
  readonly hot: ClosableDataPlane;
  readonly cold: ClosableDataPlane;
  readonly #readOnly: boolean;
  readonly #areCold: (addresses: readonly ContentAddress[]) => Promise<readonly boolean[]>;
  /** What is where is on record. */
  readonly #isRecorded: boolean;
  /** What either has; absent where one of them cannot say. */
  readonly listObjects?: (part: number) => Promise<ObjectListing>;

  constructor({ hot, cold, readOnly = false, areCold }: Tiers) {
    this.hot = hot;
    this.cold = cold;
    if (hot.listObjects !== undefined && cold.listObjects !== undefined) {
      this.listObjects = async (part) =>
        mergeListings(...(await Promise.all([hot.listObjects?.(part), cold.listObjects?.(part)])));
    }
    this.#readOnly = readOnly;
    this.#isRecorded = areCold !== undefined;
    this.#areCold = areCold ?? ((addresses) => Promise.all(addresses.map((address) => isThere(cold, address))));
  }

  async ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    const outcome = ofHot(await this.hot.ingestStream(source, hints));
    if ('session' in outcome || outcome.existed || outcome.healed) return outcome as IngestOutcome<H>;
    const [isCold] = await this.#areCold([formatBlake3(outcome.blake3)]);
    return (isCold ? { ...outcome, existed: true } : outcome) as IngestOutcome<H>;
  }

  async ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    const table = await this.hot.ingestMany(sources);
    if (table.receipt.tier !== 'hot') Object.assign(table, { receipt: { ...table.receipt, tier: 'hot' } });
    const fresh: number[] = [];
    for (let index = 0; index < table.length; index++) {
      if (table.existed[index] === 0 && table.healed[index] === 0 && !table.errors.has(index)) fresh.push(index);
    }
    if (fresh.length === 0) return table;
    const areCold = await this.#areCold(fresh.map((index) => formatBlake3(table.blake3(index))));
    for (const [at, index] of fresh.entries()) if (areCold[at]) table.existed[index] = 1;
    return table;
  }

  serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    return readOn(
      [this.hot, this.cold, this.hot].map((plane) => (rest) => plane.serveObject(address, rest)),
      range,
    );
  }

  serveOutboard(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    // What is given of nodes says nothing of where it stands: it is begun anew, without what has been given.
    return readOn(
      [this.hot, this.cold, this.hot].map((plane) => () => plane.serveOutboard(address, range)),
      undefined,
    );
  }

  serveSmall(address: ContentAddress, range: ByteRange): Uint8Array | Promise<Uint8Array> | undefined {
    const elsewhere = (error: unknown) => {
      if (!isElsewhere(error)) throw error;
      return collect(this.serveObject(address, range), range.end - range.start);
    };
    try {
      const bytes = this.hot.serveSmall?.(address, range);
      return bytes instanceof Promise ? bytes.catch(elsewhere) : bytes;
    } catch (error) {
      return elsewhere(error);
    }
  }

  sendSmall(memory: Uint8Array, sends: readonly SmallSend[]): void {
    this.hot.sendSmall?.(memory, sends);
  }

  /** A tier that does not send itself gives chunks, which the caller writes. */
  async *serveSocket(address: ContentAddress, socket: number, range: ByteRange): AsyncGenerator<Uint8Array | number> {
    const places = [this.hot, this.cold, this.hot].map(
      (plane) =>
        (rest = range) =>
          plane.serveSocket?.(address, socket, rest) ?? plane.serveObject(address, rest),
    );
    yield* readOn<Uint8Array | number>(places, range);
  }

  async serveFile(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean> {
    try {
      return (await this.hot.serveFile?.(address, sink, range)) ?? false;
    } catch (error) {
      if (!isElsewhere(error)) throw error;
      // Of damaged bytes a part may have been written: who asked writes all of them, from the first on, as `serveObject` gives them.
      const isDamaged = isStoreError(error, 'AS_ERR_CORRUPT');
      if (isDamaged && (await isThere(this.cold, address))) return false;
      if (isDamaged) throw error;
    }
    try {
      return (await this.cold.serveFile?.(address, sink, range)) ?? false;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND') && (await isThere(this.hot, address))) return false; // moved meanwhile
      throw error;
    }
  }

  /** Twice, where it is nowhere: it may have been moved between the looks. */
  async verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    const first = await this.#verify(address, options);
    return first.status === 'missing' ? this.#verify(address, options) : first;
  }

  async #verify(address: ContentAddress, options: VerifyOptions): Promise<VerifyResult> {
    const hot = await this.hot.verifyObject(address, options);
    // Without a record a copy that is damaged looks as if it were not there.
    if (hot.status === 'intact' && this.#isRecorded && !(await this.#areCold([address]))[0]) return hot;
    const cold = await this.cold.verifyObject(address, options);
    if (cold.status === 'missing') return hot;
    if (hot.status === 'missing') return cold;
    const [whole, damaged] = hot.status === 'intact' ? [hot, cold] : [cold, hot];
    if (damaged.status === 'intact') return { ...whole, repaired: whole.repaired || damaged.repaired };
    if (whole.status !== 'intact' || this.#readOnly) return damaged;
    const [from, to] = whole === hot ? [this.hot, this.cold] : [this.cold, this.hot];
    await copyObject(from, to, address);
    return { ...whole, repaired: true };
  }

  /** Of `cold` first: what a crash leaves is then where it is looked for first. */
  async deleteObject(address: ContentAddress): Promise<DeletionResult> {
    const cold = await this.cold.deleteObject(address);
    const hot = await this.hot.deleteObject(address);
    return { deleted: hot.deleted || cold.deleted, freedSize: hot.freedSize + cold.freedSize };
  }

  async eraseObject(address: ContentAddress): Promise<DeletionResult> {
    const cold = await eraseFrom(this.cold, address);
    const hot = await eraseFrom(this.hot, address);
    return { deleted: hot.deleted || cold.deleted, freedSize: hot.freedSize + cold.freedSize };
  }

  async deleteMany(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]> {
    const cold = await deleteAll(this.cold, addresses);
    const hot = await deleteAll(this.hot, addresses);
    return hot.map((ofHot, index) => {
      const ofCold = cold[index] as DeletionResult | Error;
      if (ofHot instanceof Error || ofCold instanceof Error) return ofHot instanceof Error ? ofHot : (ofCold as Error);
      return { deleted: ofHot.deleted || ofCold.deleted, freedSize: ofHot.freedSize + ofCold.freedSize };
    });
  }

  async backendHealth(): Promise<BackendStatus> {
    const [hot, cold] = await Promise.all([this.hot.backendHealth(), this.cold.backendHealth()]);
    return { ...hot, cold: { ...cold, tier: 'cold' } };
  }

  /** What goes to `cold` is durable when it is there. */
  sync(): Promise<void> {
    return this.hot.sync();
  }

  async compact(watch?: CompactionWatch): Promise<CompactionReport> {
    const hot = await this.hot.compact(watch);
    if (watch?.signal?.aborted) return hot;
    const cold = await this.cold.compact({
      ...watch,
      ...(watch?.onProgress && { onProgress: (report: CompactionReport) => watch.onProgress?.(sum(hot, report)) }),
    });
    return sum(hot, cold);
  }

  uploadSessions(): Promise<UploadSession[]> {
    return this.hot.uploadSessions();
  }

  load(): WorkerLoad {
    const [hot, cold] = [this.hot.load(), this.cold.load()];
    const lines = Object.entries(hot.waiting) as [keyof WorkerLoad['waiting'], number][];
    const waiting = Object.fromEntries(lines.map(([line, count]) => [line, count + cold.waiting[line]]));
    return {
      workers: hot.workers + cold.workers,
      busy: hot.busy + cold.busy,
      waiting: waiting as WorkerLoad['waiting'],
    };
  }

  /** Of each tier by its name. */
  families(): Family[] {
    const families = new Map<string, Family>();
    for (const tier of ['hot', 'cold'] as const) {
      for (const family of this[tier].families?.() ?? []) {
        const before = families.get(family.name)?.samples ?? [];
        const samples = family.samples.map((sample) => ({ ...sample, labels: { ...sample.labels, tier } }));
        families.set(family.name, { ...family, samples: [...before, ...samples] });
      }
    }
    return [...families.values()];
  }

  async close(): Promise<void> {
    try {
      await this.hot.close();
    } finally {
      await this.cold.close();
    }
  }
}

/**
 * Copies an object from one tier to another, by the contract alone: the bytes are verified on their way out, and must have its address on their way in.
 *
 * @param expected what else they must be
 * @throws AS_ERR_NOT_FOUND: it is not in `from`; AS_ERR_CORRUPT, and what storing throws
 */
export function copyObject(
  from: DataPlane,
  to: DataPlane,
  address: ContentAddress,
  expected: Omit<IngestHints, 'blake3' | 'durability'> = {},
): Promise<IngestResult> {
  return to.ingestStream(from.serveObject(address), { ...expected, blake3: address });
}

/** A plane says of itself what tier it is; here it is the hot one. */
function ofHot(outcome: IngestResult | SessionResult): IngestResult | SessionResult {
  if ('session' in outcome || outcome.receipts.every(({ tier }) => tier === 'hot')) return outcome;
  return { ...outcome, receipts: outcome.receipts.map((receipt) => ({ ...receipt, tier: 'hot' as const })) };
}

/** Whether another tier may have what this one does not give. */
function isElsewhere(error: unknown): boolean {
  return isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT');
}

function sum(one: CompactionReport, other: CompactionReport): CompactionReport {
  return {
    movedSize: one.movedSize + other.movedSize,
    freedSize: one.freedSize + other.freedSize,
    removedSegments: one.removedSegments + other.removedSegments,
  };
}
