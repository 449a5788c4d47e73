/**
 * Gathers work on small objects into one native operation: a message to a worker, and values across the native boundary, cost several times
 * what storing or checking a small object does, so as many as wait share them.
 *
 * A batch is closed when a worker takes it, or when it is full; what comes later gathers for the next. Called by local.ts; what the
 * columns of an operation mean stands in columns.ts.
 */

import { isFailure, type NativeFailure } from '../../native/addon.js';
import { NativeError } from '../../native/scheduler.js';

export interface GatherOptions<T, C, R> {
  /** Items in one batch at most. */
  countMax: number;
  /** Weight of one batch at most, unless a single item is heavier. */
  weightMax: number;
  /** Runs the operation; calls `take` once, when it is about to be sent, for the items of the batch. */
  run: (take: () => readonly T[]) => Promise<C>;
  /** What became of the item at `index` of its batch; undefined: nothing yet, it goes into another. */
  outcome: (columns: C, index: number) => R | NativeFailure | undefined;
  /** The error for an item's failure, or for that of its whole batch. */
  error: (cause: unknown, item: T) => unknown;
}

interface Waiting<T, R> {
  item: T;
  weight: number;
  resolve: (outcome: R) => void;
  reject: (error: unknown) => void;
}

export class Gather<T, C, R> {
  /** The batch that still takes items. */
  #open: Waiting<T, R>[] | undefined;
  #weight = 0;

  constructor(private readonly options: GatherOptions<T, C, R>) {}

  /** What became of the item. */
  add(item: T, weight: number): Promise<R> {
    return new Promise((resolve, reject) => this.#wait({ item, weight, resolve, reject }));
  }

  /**
   * Runs many items in batches of their own.
   *
   * @param weightOf the weight of an item
   * @param done told of each batch where its items begin, and their columns
   * @param failed told of each item whose batch failed
   */
  async runMany(
    items: readonly T[],
    weightOf: (item: T) => number,
    done: (start: number, columns: C) => void,
    failed: (index: number, error: unknown) => void,
  ): Promise<void> {
    const starts = this.#divide(items, weightOf);
    const batches = starts.map(async (start, batch) => {
      const part = items.slice(start, starts[batch + 1]);
      try {
        done(start, await this.options.run(() => part));
      } catch (cause) {
        for (const [index, item] of part.entries()) failed(start + index, this.options.error(cause, item));
      }
    });
    await Promise.all(batches);
  }

  /** Where each batch of many items begins. */
  #divide(items: readonly T[], weightOf: (item: T) => number): number[] {
    const { countMax, weightMax } = this.options;
    const starts: number[] = [];
    let [weight, count] = [0, countMax];
    for (let i = 0; i < items.length; i++) {
      const own = weightOf(items[i] as T);
      if (count === countMax || weight + own > weightMax) {
        starts.push(i);
        [weight, count] = [0, 0];
      }
      weight += own;
      count++;
    }
    return starts;
  }

  #wait(waiting: Waiting<T, R>): void {
    const { countMax, weightMax } = this.options;
    const { weight } = waiting;
    if (this.#open && (this.#open.length >= countMax || this.#weight + weight > weightMax)) this.#open = undefined;
    if (!this.#open) {
      this.#open = [];
      this.#weight = 0;
      void this.#run(this.#open);
    }
    this.#open.push(waiting);
    this.#weight += weight;
  }

  async #run(batch: Waiting<T, R>[]): Promise<void> {
    try {
      const columns = await this.options.run(() => this.#close(batch));
      for (const [index, waiting] of batch.entries()) this.#settle(waiting, this.options.outcome(columns, index));
    } catch (cause) {
      for (const { item, reject } of this.#closed(batch)) reject(this.options.error(cause, item));
    }
  }

  #settle(waiting: Waiting<T, R>, outcome: R | NativeFailure | undefined): void {
    if (outcome === undefined) this.#wait(waiting);
    else if (isFailure(outcome)) waiting.reject(this.options.error(new NativeError(outcome), waiting.item));
    else waiting.resolve(outcome);
  }

  #close(batch: Waiting<T, R>[]): T[] {
    return this.#closed(batch).map(({ item }) => item);
  }

  /** The batch, which takes no more items: also where its operation failed before it was sent. */
  #closed(batch: Waiting<T, R>[]): readonly Waiting<T, R>[] {
    if (this.#open === batch) this.#open = undefined;
    return batch;
  }
}
