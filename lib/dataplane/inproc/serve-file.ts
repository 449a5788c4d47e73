/**
 * Giving bytes out into a local file: the core reads, verifies and writes them in steps, and none passes through JavaScript.
 *
 * Imports the backend, limits and errors. Called by index.ts.
 */

import { ArtifactStoreError } from '../../errors.js';
import { FILE_STEP_SIZE } from '../../limits.js';
import type { LocalBackend } from '../backend/local.js';
import type { ByteRange, ContentAddress, FileSink } from '../spi.js';

/** Puts an object, or one range of it, into a file. False: the core cannot write to this one, and has not. */
export async function serveFile(
  backend: LocalBackend,
  address: ContentAddress,
  { path, onWrite, signal }: FileSink,
  range?: ByteRange,
): Promise<boolean> {
  const sink = await backend.sinkBegin(address, path, range);
  if (sink === undefined) return false;
  try {
    for (let taken = FILE_STEP_SIZE; taken > 0; onWrite?.(taken)) {
      if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The read was given up.');
      taken = await backend.sinkPump(sink, FILE_STEP_SIZE, address, path);
    }
    return true;
  } finally {
    await backend.sinkClose(sink);
  }
}
