/**
 * Whether a source is a small object, found out by reading no more of it than that takes.
 *
 * Imports the contract, limits and node:fs. Called by index.ts.
 */

import { stat } from 'node:fs/promises';
import { S3_SMALL_SIZE_MAX } from '../../../limits.js';
import {
  type ByteSource,
  type FileSource,
  type IngestHints,
  isBytesSource,
  isFileSource,
  isSocketSource,
} from '../../spi.js';

/** Bytes that are all there, or a source that goes on with what has been read of it. */
export type Sized = { bytes: Uint8Array } | { source: ByteSource };

/** Reads a source as far as a small object goes. Throws what the source throws. */
export async function sized(source: ByteSource, { size }: IngestHints): Promise<Sized> {
  if (isBytesSource(source)) return source.bytes.byteLength <= S3_SMALL_SIZE_MAX ? { bytes: source.bytes } : { source };
  if (isFileSource(source)) return (await isSmallFile(source)) ? begin(source) : { source };
  // A socket may be given away, and then it is not read here.
  if (isSocketSource(source) || (size !== undefined && size > S3_SMALL_SIZE_MAX)) return { source };
  return begin(source);
}

async function isSmallFile({ path, signal }: FileSource): Promise<boolean> {
  if (signal?.aborted) return false; // the spool says so as it says everything else about files
  try {
    const found = await stat(typeof path === 'string' ? path : Buffer.from(path));
    return found.isFile() && found.size <= S3_SMALL_SIZE_MAX;
  } catch {
    return false;
  }
}

async function begin(source: ByteSource): Promise<Sized> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const step = await iterator.next();
    if (step.done) return { bytes: new Uint8Array(Buffer.concat(chunks, size)) };
    // A copy, because a chunk is its source's again when the next one is asked for.
    chunks.push(Uint8Array.from(step.value));
    size += step.value.byteLength;
    if (size > S3_SMALL_SIZE_MAX) return { source: goOn(chunks, iterator) };
  }
}

async function* goOn(before: readonly Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let isEnded = false;
  try {
    yield* before;
    for (let step = await iterator.next(); !step.done; step = await iterator.next()) yield step.value;
    isEnded = true;
  } finally {
    if (!isEnded) await iterator.return?.();
  }
}
