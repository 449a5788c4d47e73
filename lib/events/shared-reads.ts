/**
 * One read of the log for all who ask the same at the same time: a commit wakes every subscription at once, and a thousand of them at the end of the
 * log ask the same question.
 *
 * Imports the log's types. Made for each log by whoever gives out subscriptions.
 */

import type { EventLog, ReadQuery, StoredEvent } from './log.js';

/** What a subscription needs of a log. */
export type FollowedLog = Pick<EventLog, 'last' | 'read' | 'onCommit'>;

export class SharedReads implements FollowedLog {
  readonly #log: FollowedLog;
  /** Reads under way that began behind the newest commit: what they find is what one that begins now would. */
  readonly #reads = new Map<string, Promise<StoredEvent[]>>();
  #last: Promise<number> | undefined;

  constructor(log: FollowedLog) {
    this.#log = log;
    log.onCommit(() => {
      this.#reads.clear();
      this.#last = undefined;
    });
  }

  last(): Promise<number> {
    if (this.#last) return this.#last;
    const last = this.#log.last();
    const forget = () => {
      if (this.#last === last) this.#last = undefined;
    };
    this.#last = last;
    last.then(forget, forget);
    return last;
  }

  read(query: ReadQuery = {}): Promise<StoredEvent[]> {
    const key = JSON.stringify(query);
    const shared = this.#reads.get(key);
    if (shared) return shared;
    const read = this.#log.read(query);
    const forget = () => {
      if (this.#reads.get(key) === read) this.#reads.delete(key);
    };
    this.#reads.set(key, read);
    read.then(forget, forget);
    return read;
  }

  onCommit(listener: (last: number) => void): () => void {
    return this.#log.onCommit(listener);
  }
}
