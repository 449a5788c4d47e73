/**
 * The registry as it was, for who asks over HTTP: derived for one moment at a time, and held a while for the next page.
 *
 * Imports the past registry's type, the store's type and limits. Called by `objects.ts`.
 */

import { HTTP_PAST_HELD_MS } from '../../limits.js';
import type { PastRegistry } from '../../registry/past-registry.js';
import type { Store } from '../../store.js';

const pasts = new WeakMap<Store, Past>();

/**
 * Asks the registry as it was behind an event. It takes as long as a rebuild of so many events, so requests wait for each other.
 *
 * @throws as `Store.at`, and what `question` throws
 */
export function atSeq<T>(store: Store, seq: number, question: (past: PastRegistry) => Promise<T>): Promise<T> {
  let past = pasts.get(store);
  if (past === undefined) {
    past = new Past(store);
    pasts.set(store, past);
  }
  return past.ask(seq, question);
}

class Past {
  #held: PastRegistry | undefined;
  #letGo: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly store: Store) {}

  ask<T>(seq: number, question: (past: PastRegistry) => Promise<T>): Promise<T> {
    return this.#next(async () => question(await this.#derive(seq)));
  }

  /** Runs `work` when everything before it has ended. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #derive(seq: number): Promise<PastRegistry> {
    clearTimeout(this.#letGo);
    this.#letGo = setTimeout(() => void this.#next(() => this.#drop()), HTTP_PAST_HELD_MS).unref();
    if (this.#held?.seq === seq) return this.#held;
    await this.#drop();
    // What is behind the newest event is the newest event, which may be another by now.
    const held = await this.store.at({ seq });
    this.#held = held;
    return held;
  }

  async #drop(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.close();
  }
}
