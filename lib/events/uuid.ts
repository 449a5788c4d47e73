/**
 * UUID version 7 (RFC 9562 section 5.7): event identities that sort by time, so that the index over them only ever grows at its end.
 *
 * Imports node:crypto only. The event envelope calls it.
 */

import { randomFillSync } from 'node:crypto';

/** Bytes of randomness fetched at once, and turned into text at once: for one identity at a time either costs more than everything else here. */
const POOL_SIZE = 10 * 400;
/** Digits that one identity takes from the pool: two of them give four bits and two bits. */
const DIGITS = 20;
const pool = Buffer.alloc(POOL_SIZE);
let digits = '';
let used = 0;

/** The time of the identity made last, as text: those of one commit share it. */
let stampTime = -1;
let stamp = '';

/** By a hex digit: its lowest two bits under the two bits of the variant. */
const VARIANT = '89ab89ab89ab89ab';

/**
 * A new UUIDv7.
 *
 * @param time milliseconds since 1970 UTC
 */
export function uuidv7(time: number): string {
  if (used === digits.length) refill();
  if (time !== stampTime) {
    const hex = time.toString(16).padStart(12, '0');
    stamp = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    stampTime = time;
  }
  const at = used;
  used += DIGITS;
  const variant = VARIANT[Number.parseInt(digits[at + 3] as string, 16)];
  return `${stamp}${digits.slice(at, at + 3)}-${variant}${digits.slice(at + 4, at + 7)}-${digits.slice(at + 8, at + DIGITS)}`;
}

function refill(): void {
  digits = randomFillSync(pool).toString('hex');
  used = 0;
}
