/**
 * How long to wait before a connection is looked at again over which little comes, so that it holds no thread.
 *
 * Imports limits. Called by whoever has the core receive.
 */

import { RECEIVE_PAUSE_FIRST_MS, RECEIVE_PAUSE_MAX_MS } from '../limits.js';

/** An eighth of the time in which nothing came, in milliseconds: so no more than that is lost on one who was kept from sending for a while. */
export function pauseAfter(silentMs: number): number {
  return Math.min(Math.max(silentMs / 8, RECEIVE_PAUSE_FIRST_MS), RECEIVE_PAUSE_MAX_MS);
}
