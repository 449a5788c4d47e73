/**
 * Keeps work to so many bytes a second: each piece waits until all before it would have passed at that rate.
 *
 * Imports timers only. Called by lib/store/scrub.ts, for objects one after the other, and by the data plane, for the steps of a large one.
 */

import { setTimeout as sleep } from 'node:timers/promises';

/** Time, so that a test can have its own. */
export interface Clock {
  /** Milliseconds, only ever growing. */
  now(): number;
  /** Resolves after `ms` milliseconds, or earlier when the signal is aborted; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal && { signal }).catch(() => undefined),
};

/** Milliseconds a pacer may be behind before it forgets it: after a stall it does not make up for lost time at full speed. */
const CREDIT_MS_MAX = 1_000;

/** Waits shorter than this are saved up: a timer cannot keep them. */
const WAIT_MS_MIN = 5;

export class Pacer {
  readonly #rate: number;
  readonly #clock: Clock;
  /** When the next piece may begin. */
  #next: number;

  /** @param rate bytes a second, above 0 */
  constructor(rate: number, clock: Clock = systemClock) {
    this.#rate = rate;
    this.#clock = clock;
    this.#next = clock.now();
  }

  /** Resolves when a piece of `size` bytes may begin. */
  async take(size: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    this.#next = Math.max(this.#next, now - CREDIT_MS_MAX);
    const wait = this.#next - now;
    this.#next += (size / this.#rate) * 1000;
    if (wait >= WAIT_MS_MIN) await this.#clock.sleep(wait, signal);
  }
}
