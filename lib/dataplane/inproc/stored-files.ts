/**
 * Where the local engine keeps objects, for whoever looks at a folder without opening it: see docs/format.md, "Where an object is".
 *
 * Imports node:path and folders. Called by the store's folder and by the spool of the S3 backend.
 */

import { join } from 'node:path';
import { namesIn } from '../../folders.js';

/** Paths of what holds objects in a data folder: folders of large ones, and segments of small ones. Throws what the file system says. */
export async function storedFiles(data: string): Promise<string[]> {
  const lists = ['objects', 'packs'].map(async (name) =>
    ((await namesIn(join(data, name))) ?? []).map((entry) => join(data, name, entry)),
  );
  return (await Promise.all(lists)).flat();
}
