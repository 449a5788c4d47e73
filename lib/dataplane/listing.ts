/**
 * Lists of stored objects made from rows: of a bucket's entries, and of what is in either of two places.
 *
 * Imports types and limits. Called by the data planes.
 */

import { DIGEST_SIZE } from '../limits.js';
import type { ListedColumns, ObjectListing } from './closable.js';

/** What a list says of each object, by the hex digits of its address. */
export type ListedRows = Map<string, { size: number; changed: number }>;

/** Rows as a list, in the order of the addresses. */
export function listingOf(rows: ListedRows): ListedColumns {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    addresses: Buffer.from(sorted.map(([address]) => address).join(''), 'hex'),
    sizes: Float64Array.from(sorted, ([, { size }]) => size),
    changed: Float64Array.from(sorted, ([, { changed }]) => changed),
  };
}

/** Both lists in one, in the order of the addresses; what is in both stands there once, as changed when the later of the two was. What is left over in one place is so where neither has the object. */
export function mergeListings(...lists: readonly (ObjectListing | undefined)[]): ObjectListing {
  const objects = rowsOf(lists);
  const leftovers = rowsOf(lists.map((list) => list?.leftovers));
  for (const address of objects.keys()) leftovers.delete(address);
  return { ...listingOf(objects), ...(leftovers.size > 0 && { leftovers: listingOf(leftovers) }) };
}

function rowsOf(lists: readonly (ListedColumns | undefined)[]): ListedRows {
  const rows: ListedRows = new Map();
  for (const { addresses, sizes, changed } of lists.filter((list) => list !== undefined)) {
    const bytes = Buffer.from(addresses.buffer, addresses.byteOffset, addresses.byteLength);
    for (let n = 0; n < sizes.length; n++) {
      const address = bytes.toString('hex', DIGEST_SIZE * n, DIGEST_SIZE * (n + 1));
      const time = Math.max(changed[n] as number, rows.get(address)?.changed ?? 0);
      rows.set(address, { size: sizes[n] as number, changed: time });
    }
  }
  return rows;
}
