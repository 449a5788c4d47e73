/**
 * Gathers small ingests into one native operation: a message to a worker, and values across the native boundary, cost several times what
 * storing a small object does, so as many as wait share them.
 *
 * A batch is closed when a worker takes it, or when it is full; what comes later gathers for the next. Called by local.ts.
 */

import { DIGEST_SIZE } from '../../limits.js';
import {
  type Handle,
  IngestFlag,
  type NativeColumns,
  type NativeFailure,
  type NativeIngested,
} from '../../native/addon.js';
import { NativeError } from '../../native/scheduler.js';

export interface GatherOptions<T> {
  /** Items in one batch at most. */
  countMax: number;
  /** Weight of one batch at most, unless a single item is heavier. */
  weightMax: number;
  /** Runs the operation; calls `take` once, when it is about to be sent, for the items of the batch. */
  run: (take: () => T[]) => Promise<NativeColumns>;
  /** The error for an item's failure, or for that of its whole batch. */
  error: (cause: unknown, item: T) => unknown;
}

interface Waiting<T> {
  item: T;
  resolve: (outcome: NativeIngested | Handle) => void;
  reject: (error: unknown) => void;
}

export class Gather<T> {
  /** The batch that still takes items. */
  #open: Waiting<T>[] | undefined;
  #weight = 0;

  constructor(private readonly options: GatherOptions<T>) {}

  /** What became of the item: stored, or the handle of a file that was too long for one step. */
  add(item: T, weight: number): Promise<NativeIngested | Handle> {
    return new Promise((resolve, reject) => {
      const { countMax, weightMax } = this.options;
      if (this.#open && (this.#open.length >= countMax || this.#weight + weight > weightMax)) this.#open = undefined;
      if (!this.#open) {
        this.#open = [];
        this.#weight = 0;
        void this.#run(this.#open);
      }
      this.#open.push({ item, resolve, reject });
      this.#weight += weight;
    });
  }

  async #run(batch: Waiting<T>[]): Promise<void> {
    try {
      settle(batch, await this.options.run(() => this.#close(batch)), this.options.error);
    } catch (cause) {
      for (const { item, reject } of batch) reject(this.options.error(cause, item));
    }
  }

  #close(batch: Waiting<T>[]): T[] {
    if (this.#open === batch) this.#open = undefined;
    return batch.map(({ item }) => item);
  }
}

function settle<T>(batch: Waiting<T>[], columns: NativeColumns, error: (cause: unknown, item: T) => unknown): void {
  for (const [index, { item, resolve, reject }] of batch.entries()) {
    const flags = columns.flags[index] ?? 0;
    if (flags & IngestFlag.other) {
      const outcome = columns.others[index] as NativeFailure | Handle;
      if (typeof outcome === 'number') resolve(outcome);
      else reject(error(new NativeError(outcome), item));
    } else {
      resolve({
        digests: columns.digests.subarray(index * 2 * DIGEST_SIZE, (index + 1) * 2 * DIGEST_SIZE),
        size: columns.sizes[index] ?? 0,
        storedSize: columns.storedSizes[index] ?? 0,
        existed: (flags & IngestFlag.existed) !== 0,
        healed: (flags & IngestFlag.healed) !== 0,
      });
    }
  }
}
