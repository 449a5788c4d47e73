/**
 * Locks: what one is, and which may take another's place.
 *
 * Pure; imports errors and formatting. The facade asks before it writes `lock.set`; docs/retention.md has the same rules in plain words.
 *
 * A lock in force can be made longer or stricter by whoever may lock. A `governance` lock can be made shorter, or ended, by who has the scope `release` and
 * says so expressly; a `compliance` lock by nobody. One that is over is as if there were none.
 */

import { ArtifactStoreError } from '../errors.js';
import { formatTime } from '../format.js';

export const LOCK_MODES = ['governance', 'compliance'] as const;
export type LockMode = (typeof LOCK_MODES)[number];

/** Until when a thing is kept, and how firmly. */
export interface Lock {
  mode: LockMode;
  /** Milliseconds since 1970 UTC; from then on it is over. */
  until: number;
}

/** Whether a lock is in force. */
export function isInForce({ until }: Lock, now: number): boolean {
  return now < until;
}

/**
 * Refuses a lock that may not take the place of another.
 *
 * @param before the lock that is there, if there is one
 * @param now the log's time
 * @param bypass who asks may shorten a governance lock, and said that this is meant
 * @throws AS_ERR_LOCKED: it would shorten or loosen a lock in force; AS_ERR_INVALID_ARGUMENT: it would be over at once, and ends nothing
 */
export function requireAllowed(thing: string, before: Lock | undefined, to: Lock, now: number, bypass: boolean): void {
  const standing = before !== undefined && isInForce(before, now) ? before : undefined;
  if (standing === undefined) {
    if (isInForce(to, now)) return;
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `A lock of ${thing} until ${formatTime(to.until)} would be over already: it is ${formatTime(now)}. Give a later time.`,
      { subject: thing, until: to.until, now },
    );
  }
  const isShorter = to.until < standing.until;
  const isLooser = standing.mode === 'compliance' && to.mode === 'governance';
  if (!isShorter && !isLooser) return;
  const what = isShorter ? `end ${formatTime(to.until)}` : 'become a governance lock';
  const held = `${thing} has a ${standing.mode} lock until ${formatTime(standing.until)}`;
  const details = { subject: thing, rule: `${standing.mode} lock`, mode: standing.mode, until: standing.until };
  if (standing.mode === 'compliance') {
    throw new ArtifactStoreError(
      'AS_ERR_LOCKED',
      `${held}, which nobody can shorten or loosen: it cannot ${what}. It can be extended.`,
      details,
    );
  }
  if (bypass) return;
  throw new ArtifactStoreError(
    'AS_ERR_LOCKED',
    `${held}: it cannot ${what} unless who has the scope "release" says expressly that governance is to be bypassed.`,
    details,
  );
}
