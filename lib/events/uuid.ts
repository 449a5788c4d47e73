/**
 * UUID version 7 (RFC 9562 section 5.7): event identities that sort by time, so that the index over them only ever grows at its end.
 *
 * Imports node:crypto only. The event envelope calls it.
 */

import { randomFillSync } from 'node:crypto';

/** Bytes of randomness fetched at once: asking the system for 10 bytes at a time costs more than everything else here. */
const POOL_SIZE = 10 * 400;
const RANDOM_SIZE = 10;
const pool = Buffer.alloc(POOL_SIZE);
let used = POOL_SIZE;

/**
 * A new UUIDv7.
 *
 * @param time milliseconds since 1970 UTC
 */
export function uuidv7(time: number): string {
  if (used === POOL_SIZE) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + RANDOM_SIZE);
  used += RANDOM_SIZE;
  random[0] = ((random[0] as number) & 0x0f) | 0x70;
  random[2] = ((random[2] as number) & 0x3f) | 0x80;
  const stamp = time.toString(16).padStart(12, '0');
  const tail = random.toString('hex');
  return `${stamp.slice(0, 8)}-${stamp.slice(8)}-${tail.slice(0, 4)}-${tail.slice(4, 8)}-${tail.slice(8)}`;
}
