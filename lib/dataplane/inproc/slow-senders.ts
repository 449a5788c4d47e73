/**
 * Sockets whose senders are slower than the core, looked at together: a few operations for all of them every few milliseconds. So hundreds of slow uploads hold no thread, no
 * slab and none of their bytes in JavaScript, and cost no promise a piece.
 *
 * Imports the backend and limits. Made by the data plane, used by receive.ts.
 */

import {
  RECEIVE_LOOK_MS_MAX,
  RECEIVE_LOOKS_PER_MS,
  RECEIVED_AT_ONCE,
  RECEIVED_TOGETHER,
  RECEIVERS_MAX,
} from '../../limits.js';
import type { NativeFailure } from '../../native/addon.js';
import type { LocalBackend, Receiving } from '../backend/local.js';
import { pauseAfter } from '../receive-pause.js';

/** One of them. */
export interface SlowSender extends Receiving {
  /** Told how many bytes have come at each look, 0 included. What it throws ends the receiving. */
  took(size: number): void;
}

interface Waiter extends SlowSender {
  resolve(left: number): void;
  reject(error: unknown): void;
}

export class SlowSenders {
  #waiting: Waiter[] = [];
  #isLooking = false;
  /** When something came last, by `performance.now()`. */
  #heard = 0;

  constructor(private readonly backend: LocalBackend) {}

  /**
   * Has what comes received, until nothing is left or the sender has become quick.
   *
   * @returns how many bytes are left
   * @throws AS_ERR_ABORTED: the connection ended before that; what `took` throws; AS_ERR_NO_SPACE, AS_ERR_IO
   */
  receive(sender: SlowSender): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...sender, resolve, reject });
      if (!this.#isLooking) this.#pause(true);
    });
  }

  /** One sender is looked at as soon as its bytes may be there, many as often as pieces of some size come of each. */
  #pause(hasCome: boolean): void {
    const now = performance.now();
    if (hasCome) this.#heard = now;
    const gatherMs = Math.min(this.#waiting.length / RECEIVE_LOOKS_PER_MS, RECEIVE_LOOK_MS_MAX);
    this.#isLooking = true;
    setTimeout(() => void this.#look(), Math.max(pauseAfter(now - this.#heard), gatherMs));
  }

  async #look(): Promise<void> {
    const all = this.#waiting.splice(0);
    const isCrowd = all.length > RECEIVERS_MAX;
    let hasCome = false;
    // One part behind the other: all at once would be in the way of everybody else who needs a worker.
    for (let at = 0; at < all.length; at += RECEIVED_TOGETHER)
      hasCome = (await this.#receive(all.slice(at, at + RECEIVED_TOGETHER), isCrowd)) || hasCome;
    if (this.#waiting.length > 0) this.#pause(hasCome);
    else this.#isLooking = false;
  }

  /** Takes what has come from some of them, and says whether anything has. Never throws. */
  async #receive(some: readonly Waiter[], isCrowd: boolean): Promise<boolean> {
    let outcomes: readonly (number | NativeFailure)[];
    try {
      outcomes = await this.backend.ingestReceiveMany(some, RECEIVED_AT_ONCE);
    } catch (error) {
      for (const { reject } of some) reject(error);
      return false;
    }
    const silent: Waiter[] = [];
    const served: Waiter[] = [];
    some.forEach((waiter, at) => {
      const outcome = outcomes[at] as number | NativeFailure;
      if (typeof outcome !== 'number') waiter.reject(this.backend.receiveFailure(outcome));
      else if (hasMore(waiter, outcome, isCrowd)) (outcome === 0 ? silent : served).push(waiter);
    });
    // Of all together there is a bound: who was not served comes first the next time.
    this.#waiting.push(...silent, ...served);
    return silent.length < some.length;
  }
}

/** Notes what has come of one, and whether it goes on as it is. */
function hasMore(waiter: Waiter, size: number, isCrowd: boolean): boolean {
  waiter.left -= size;
  try {
    waiter.took(size);
  } catch (error) {
    waiter.reject(error);
    return false;
  }
  const isQuick = size === RECEIVED_AT_ONCE && !isCrowd;
  if (waiter.left > 0 && !isQuick) return true;
  waiter.resolve(waiter.left);
  return false;
}
