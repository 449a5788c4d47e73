/**
 * What objects a bucket has, whether or not anybody knows of them.
 *
 * Imports the bucket, keys and lists. Called by plane.ts. When each came is what the server says, by its own clock; one of which it says nothing came just now.
 */

import type { ObjectListing } from '../../closable.js';
import { type ListedRows, listingOf } from '../../listing.js';
import type { Bucket } from './bucket.js';
import type { Keys } from './keys.js';

/** Objects whose addresses begin with the byte `part`. Throws AS_ERR_IO: the server does not list them all. */
export async function listObjects(bucket: Bucket, keys: Keys, part: number): Promise<ObjectListing> {
  const rows: ListedRows = new Map();
  for await (const { key, size, changed } of bucket.entries(keys.part(part))) {
    const hex = keys.hexOf(key);
    if (hex !== undefined) rows.set(hex, { size, changed: Number.isNaN(changed) ? Date.now() : changed });
  }
  return listingOf(rows);
}
