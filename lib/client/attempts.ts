/**
 * Trying again: how often, and after how long.
 *
 * Imports limits and this folder's failure. Called by everything in this folder that can go on after an interruption.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENT_BACKOFF_FIRST_MS, CLIENT_BACKOFF_MAX_MS, CLIENT_WAIT_MAX_MS } from '../limits.js';
import { aborted } from '../store/source.js';
import { Interrupted } from './interrupted.js';

/** The attempts at one thing. */
export class Attempts {
  #failed = 0;

  /** @param most attempts without progress at most, as things stand */
  constructor(
    private readonly signal: AbortSignal | undefined,
    private readonly most: () => number,
  ) {}

  /** Something has come of the last attempt: what failed before counts no more. */
  progress(): void {
    this.#failed = 0;
  }

  /**
   * Waits until it is time for another attempt: twice as long each time, and at random up to half as long, so that clients that lost the same
   * service do not come back at the same moment.
   *
   * @throws the failure, when it is not an interruption or there were enough; AS_ERR_ABORTED
   */
  async after(failure: unknown): Promise<void> {
    if (!(failure instanceof Interrupted)) throw failure;
    this.#failed++;
    const { waitMs = 0 } = failure;
    if (this.#failed >= this.most() || waitMs > CLIENT_WAIT_MAX_MS) throw failure;
    const longest = Math.min(CLIENT_BACKOFF_FIRST_MS * 2 ** (this.#failed - 1), CLIENT_BACKOFF_MAX_MS);
    try {
      await sleep(waitMs + longest * (1 - Math.random() / 2), undefined, this.signal && { signal: this.signal });
    } catch {
      throw aborted();
    }
  }
}
