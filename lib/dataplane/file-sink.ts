/**
 * A local file as the place for an object's bytes where the data plane does not write it itself: what it yields is written here.
 *
 * Imports node:fs and errors. Called by the facade's objects.
 */

import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ArtifactStoreError } from '../errors.js';
import type { ByteSource, FileSink } from './spi.js';

/**
 * Writes all bytes to the file, from its first byte on, or into the pipe or device.
 *
 * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO: the file; whatever `bytes` throws
 */
export async function writeSink(bytes: ByteSource, { path, onWrite }: FileSink): Promise<void> {
  const name = typeof path === 'string' ? path : Buffer.from(path);
  const file = await onFile(name, () => open(name, constants.O_WRONLY | constants.O_TRUNC));
  try {
    for await (const chunk of bytes) {
      for (let offset = 0; offset < chunk.byteLength; ) {
        const { bytesWritten } = await onFile(name, () => file.write(chunk, offset));
        offset += bytesWritten;
      }
      onWrite?.(chunk.byteLength);
    }
  } finally {
    await file.close();
  }
}

/** Runs one step on the file; its failure becomes ours, and is told from one of the bytes. */
async function onFile<T>(name: string | Buffer, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const path = name.toString();
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new ArtifactStoreError(
      full ? 'AS_ERR_NO_SPACE' : code === 'EROFS' ? 'AS_ERR_READ_ONLY' : 'AS_ERR_IO',
      `${path} cannot be written: ${message}. Check the path, its permissions and the space on its disk.`,
      { path, ...(code !== undefined && { errno: code }) },
      { cause },
    );
  }
}
