/**
 * A local file as a source: a data plane on the same host opens the path itself; any other iterates it.
 *
 * Imports node:fs for the second case only. Called by the facade.
 */

import { createReadStream } from 'node:fs';
import { ArtifactStoreError } from '../errors.js';
import { SLAB_SIZE } from '../limits.js';
import type { FileSource } from './spi.js';

/**
 * A source that reads the regular file at `path`.
 *
 * @param path absolute; raw bytes for a name that is not UTF-8
 * @param watch who is told of progress, and who may end it
 */
export function fileSource(path: string | Uint8Array, watch: Pick<FileSource, 'onRead' | 'signal'> = {}): FileSource {
  return { path, ...watch, [Symbol.asyncIterator]: () => iterate(path, watch) };
}

async function* iterate(path: string | Uint8Array, { onRead, signal }: Pick<FileSource, 'onRead' | 'signal'>) {
  const name = typeof path === 'string' ? path : Buffer.from(path);
  try {
    for await (const chunk of createReadStream(name, { highWaterMark: SLAB_SIZE, ...(signal && { signal }) })) {
      onRead?.(chunk.byteLength);
      yield chunk as Uint8Array;
    }
  } catch (cause) {
    if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The read was given up.', {}, { cause });
    throw new ArtifactStoreError(
      'AS_ERR_SOURCE_UNREADABLE',
      `${name.toString()} cannot be read (${(cause as Error).message}). Check that it exists and that you may read it.`,
      { path: name.toString() },
      { cause },
    );
  }
}
