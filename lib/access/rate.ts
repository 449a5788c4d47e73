/**
 * How often who asks may ask: a bucket of requests for each, which refills evenly.
 *
 * Imports limits. The doors ask it before they do anything.
 */

import { RATE_BUCKETS_MAX, RATE_BURST_S } from '../limits.js';

interface Bucket {
  /** Requests left at `time`. */
  left: number;
  /** Milliseconds since 1970 UTC. */
  time: number;
}

export class RateLimiter {
  /** Those who asked longest ago come first. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param now the clock, in milliseconds */
  constructor(private readonly now: () => number = Date.now) {}

  /**
   * Takes one request out of a bucket.
   *
   * @param key whose bucket
   * @param rate requests a minute; the bucket holds what comes in RATE_BURST_S, at least one
   * @returns milliseconds until there will be one; 0 when there was
   */
  take(key: string, rate: number): number {
    const perMs = rate / 60_000;
    const capacity = Math.max(1, (rate * RATE_BURST_S) / 60);
    const now = this.now();
    const before = this.#buckets.get(key) ?? { left: capacity, time: now };
    // A clock that is set back gives nothing and takes nothing.
    const left = Math.min(capacity, before.left + Math.max(0, now - before.time) * perMs);
    const isLeft = left >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: isLeft ? left - 1 : left, time: now });
    this.#bound();
    return isLeft ? 0 : Math.ceil((1 - left) / perMs);
  }

  /** Forgets who has not asked for the longest time: a bucket that is forgotten is a full one. */
  #bound(): void {
    if (this.#buckets.size <= RATE_BUCKETS_MAX) return;
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined) this.#buckets.delete(oldest);
  }
}
