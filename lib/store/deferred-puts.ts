/**
 * Puts whose durability was deferred: their bytes are in the data plane, their events wait here until the bytes are durable. So no event is
 * ever durable before the bytes it names, and what nobody can find yet nobody misses after a crash.
 *
 * Imports limits and types. Made by composition.ts.
 */

import type { IngestResult } from '../dataplane/spi.js';
import type { NewEvent } from '../events/log.js';
import { DEFERRED_PUTS_MAX } from '../limits.js';

export class DeferredPuts {
  /** Puts whose bytes may be in the data plane while their events are not here yet. */
  #underWay = 0;
  /** In the order in which they will stand in the log. */
  readonly #waiting: NewEvent[] = [];
  /** A flush under way; never rejects. */
  #running: Promise<void> | undefined;
  /** The one behind it, which everybody shares who asks meanwhile. */
  #next: Promise<void> | undefined;
  /** Wakes whoever waits for the end of the puts under way. */
  #idle: (() => void) | undefined;

  /**
   * @param sync makes all bytes durable that the data plane has taken in
   * @param append puts one event into the log, durably
   */
  constructor(
    private readonly sync: () => Promise<void>,
    private readonly append: (event: NewEvent) => Promise<unknown>,
  ) {}

  /** Runs a put that adds its event. */
  async during<T>(put: () => Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await put();
    } finally {
      if (--this.#underWay === 0) this.#idle?.();
    }
  }

  /**
   * Keeps an event until the next flush; when as many wait as may, flushes first.
   *
   * @throws what `flush` throws
   */
  async add(event: NewEvent): Promise<void> {
    while (this.#waiting.length >= DEFERRED_PUTS_MAX) await (this.#running ?? this.flush());
    this.#waiting.push(event);
  }

  /**
   * Makes everything durable that was added before the call: first the bytes, those of puts under way too, with one sync, then the events.
   * What fails waits for the next flush. Nothing happens when nothing was deferred.
   *
   * @throws what `sync` and `append` throw
   */
  flush(): Promise<void> {
    if (this.#waiting.length + this.#underWay === 0 && !this.#running && !this.#next) return Promise.resolve();
    this.#next ??= this.#begin(this.#running ?? Promise.resolve());
    return this.#next;
  }

  /** Waits for the puts under way, then flushes. Nothing may be put afterwards. Throws as `flush` does. */
  async close(): Promise<void> {
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.flush();
  }

  async #begin(before: Promise<void>): Promise<void> {
    await before;
    const run = this.#flush();
    this.#next = undefined;
    const ended = run
      .catch(() => undefined) // reported to those who asked
      .then(() => {
        if (this.#running === ended) this.#running = undefined;
      });
    this.#running = ended;
    await run;
  }

  async #flush(): Promise<void> {
    const count = this.#waiting.length;
    if (count + this.#underWay > 0) await this.sync();
    const events = this.#waiting.splice(0, count);
    const outcomes = await Promise.allSettled(events.map((event) => this.append(event))); // they share commits
    this.#waiting.unshift(...events.filter((_, index) => outcomes[index]?.status === 'rejected'));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
}

/** The result as it is once the bytes are durable. */
export function settled(result: IngestResult): IngestResult {
  const receipts = result.receipts.map((receipt) =>
    receipt.durability === 'deferred' ? { ...receipt, durability: 'synced' as const } : receipt,
  );
  return { ...result, receipts };
}
