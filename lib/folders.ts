/**
 * What is done to folders in more than one place: looking what is in one that may not be there, and making the names in it durable.
 *
 * Imports node:fs. Called by whoever keeps files: the store's folder, the spool of the S3 backend, the command line.
 */

import { open, readdir } from 'node:fs/promises';

/** The names in a folder; undefined when it does not exist. Throws what the file system says otherwise. */
export async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes durable which names are in a folder: what was made, renamed or removed there. Throws what the file system says. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
