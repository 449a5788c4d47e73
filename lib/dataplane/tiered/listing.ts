/**
 * What is stored in either of two places, as one list.
 *
 * Imports types and limits. Called by index.ts.
 */

import { DIGEST_SIZE } from '../../limits.js';
import type { ObjectListing } from '../closable.js';

/** Both lists in one, in the order of the addresses; what is in both stands there once, as changed when the later of the two was. */
export function mergeListings(...lists: readonly (ObjectListing | undefined)[]): ObjectListing {
  const all = lists.filter((list) => list !== undefined);
  const rows = new Map<string, { size: number; changed: number }>();
  for (const { addresses, sizes, changed } of all) {
    const bytes = Buffer.from(addresses.buffer, addresses.byteOffset, addresses.byteLength);
    for (let n = 0; n < sizes.length; n++) {
      const address = bytes.toString('hex', DIGEST_SIZE * n, DIGEST_SIZE * (n + 1));
      const time = Math.max(changed[n] as number, rows.get(address)?.changed ?? 0);
      rows.set(address, { size: sizes[n] as number, changed: time });
    }
  }
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    addresses: Buffer.from(sorted.map(([address]) => address).join(''), 'hex'),
    sizes: Float64Array.from(sorted, ([, { size }]) => size),
    changed: Float64Array.from(sorted, ([, { changed }]) => changed),
  };
}
