/**
 * Local files that the daemon does not read, read here.
 *
 * Imports the file system, errors and limits. Called by the client's ingests.
 */

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ArtifactStoreError } from '../../errors.js';
import { GATHER_ALONE_SIZE } from '../../limits.js';

/**
 * All bytes of a small regular file; undefined of one that is larger.
 *
 * @param path absolute; raw bytes for a name that is not UTF-8
 * @throws AS_ERR_SOURCE_UNREADABLE: it cannot be read, or is no regular file, which a data plane refuses without reading
 */
export async function readIfSmall(path: string | Uint8Array): Promise<Uint8Array | undefined> {
  const name = typeof path === 'string' ? path : Buffer.from(path);
  try {
    const file = await open(name, constants.O_RDONLY | constants.O_NONBLOCK); // a pipe must not hold us up
    try {
      const found = await file.stat();
      if (!found.isFile()) throw new Error('it is not a regular file');
      if (found.size >= GATHER_ALONE_SIZE) return undefined;
      const bytes = await file.readFile();
      return bytes.byteLength < GATHER_ALONE_SIZE ? bytes : undefined;
    } finally {
      await file.close();
    }
  } catch (cause) {
    const message = `${name.toString()} cannot be read (${(cause as Error).message}). Check that it is a file that you may read.`;
    throw new ArtifactStoreError('AS_ERR_SOURCE_UNREADABLE', message, { path: name.toString() }, { cause });
  }
}
