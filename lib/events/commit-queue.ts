/**
 * Group commit: calls that come while a commit runs wait, and the next commit takes them all. Knows no database, so that every
 * implementation of the log can stand on it.
 *
 * Imports errors and limits. `sqlite-log.ts` calls it.
 */

import { ArtifactStoreError, isStoreError } from '../errors.js';
import { COMMIT_EVENTS_MAX, COMMIT_SIZE_MAX } from '../limits.js';

/** What one call wants committed, together. */
interface Call<Item, Result> {
  readonly item: Item;
  /** Events in the item, and their bytes. */
  readonly count: number;
  readonly size: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Work that must not run beside a commit. */
interface Exclusive {
  readonly run: () => Promise<void>;
}

/** Joins calls into commits, one commit at a time. */
export class CommitQueue<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<Result[]>;
  readonly #waiting: (Call<Item, Result> | Exclusive)[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  /** @param commit stores all items or none, durably, and gives one result for each in order */
  constructor(commit: (items: readonly Item[]) => Promise<Result[]>) {
    this.#commit = commit;
  }

  /**
   * Commits an item, all of it or nothing, with whatever else is waiting.
   *
   * @param count events in it
   * @param size bytes of them
   * @throws AS_ERR_LIMIT: more events or bytes than one commit may have
   * @throws AS_ERR_CLOSED, and what `commit` throws
   */
  add(item: Item, count: number, size: number): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (count > COMMIT_EVENTS_MAX || size > COMMIT_SIZE_MAX) throw tooLarge(count, size);
      this.#enqueue({ item, count, size, resolve, reject });
    });
  }

  /** Runs `work` alone, behind the calls made before. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#enqueue({ run: () => work().then(resolve, reject) }));
  }

  /** Refuses new calls, and waits for those before. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #enqueue(entry: Call<Item, Result> | Exclusive): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The event log has been closed.');
    this.#waiting.push(entry);
    // Starting a microtask later lets calls made together share the first commit too.
    this.#running ??= Promise.resolve().then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if ('run' in first) {
        this.#waiting.shift();
        await first.run();
      } else await this.#commitGroup(this.#takeGroup());
    }
    this.#running = undefined;
  }

  /** As many of the calls at the front as one commit may have. */
  #takeGroup(): Call<Item, Result>[] {
    const group: Call<Item, Result>[] = [];
    let count = 0;
    let size = 0;
    for (const entry of this.#waiting) {
      if ('run' in entry) break;
      count += entry.count;
      size += entry.size;
      if (count > COMMIT_EVENTS_MAX || size > COMMIT_SIZE_MAX) break;
      group.push(entry);
    }
    this.#waiting.splice(0, group.length);
    return group;
  }

  /** Commits a group; if that fails because of one call, each call alone, so that the others succeed. */
  async #commitGroup(group: readonly Call<Item, Result>[]): Promise<void> {
    let results: Result[];
    try {
      results = await this.#commit(group.map(({ item }) => item));
    } catch (error) {
      if (group.length > 1 && mayBeOneCall(error)) for (const call of group) await this.#commitGroup([call]);
      else for (const call of group) call.reject(error);
      return;
    }
    for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
  }
}

/** Whether a failure can come from what one call wants stored; a full disk, a lock or a lost device meets all calls alike. */
function mayBeOneCall(error: unknown): boolean {
  return !isStoreError(error, 'AS_ERR_NO_SPACE', 'AS_ERR_READ_ONLY', 'AS_ERR_STORE_LOCKED', 'AS_ERR_IO');
}

function tooLarge(events: number, size: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LIMIT',
    `One append of ${events} events with ${size} bytes is more than the ${COMMIT_EVENTS_MAX} events and ${COMMIT_SIZE_MAX} bytes of a commit. Append in several calls.`,
    { events, size, eventsMax: COMMIT_EVENTS_MAX, sizeMax: COMMIT_SIZE_MAX },
  );
}
