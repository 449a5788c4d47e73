/**
 * What objects a bucket has, whether or not anybody knows of them, and outboards whose objects never came: they are stored first.
 *
 * Imports the bucket, keys and lists. Called by plane.ts. When each came is what the server says, by its own clock; one of which it says nothing came just now.
 */

import type { ObjectListing } from '../../closable.js';
import { type ListedRows, listingOf } from '../../listing.js';
import type { Bucket } from './bucket.js';
import type { Keys } from './keys.js';

/** Objects whose addresses begin with the byte `part`. Throws AS_ERR_IO: the server does not list them all. */
export async function listObjects(bucket: Bucket, keys: Keys, part: number): Promise<ObjectListing> {
  const objects: ListedRows = new Map();
  const outboards: ListedRows = new Map();
  for await (const { key, size, changed } of bucket.entries(keys.part(part))) {
    const row = { size, changed: Number.isNaN(changed) ? Date.now() : changed };
    const [hex, ofOutboard] = [keys.hexOf(key), keys.hexOfOutboard(key)];
    if (hex !== undefined) objects.set(hex, row);
    else if (ofOutboard !== undefined) outboards.set(ofOutboard, row);
  }
  for (const hex of objects.keys()) outboards.delete(hex);
  return { ...listingOf(objects), ...(outboards.size > 0 && { leftovers: listingOf(outboards) }) };
}
