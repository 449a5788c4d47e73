/**
 * Compressed bodies as what they were before: gzip by Node's zlib, zstd by fzstd, either within bounds.
 *
 * Imports the decoders, limits and errors. Called by `archive.ts`. Why fzstd: docs/adr/0021.
 */

import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { ArtifactStoreError } from '../../../errors.js';
import { INFLATED_FREE_SIZE, INFLATED_RATIO_MAX } from '../../../limits.js';
import { archiveFault } from './archive-fault.js';
import { ZstdFrames } from './zstd-frames.js';

export type Coding = 'gzip' | 'zstd';

/**
 * The bytes before they were compressed.
 *
 * @throws AS_ERR_ARCHIVE: not of that coding, or cut short; AS_ERR_LIMIT: it becomes far more than it was; and what `bytes` throws
 */
export function inflate(bytes: AsyncIterable<Uint8Array>, coding: Coding): AsyncIterable<Uint8Array> {
  const bound = new Bound();
  const counted = bound.counting(bytes);
  return bound.checking(coding === 'gzip' ? gunzip(counted) : unzstd(counted));
}

/** How much has come, and what it has become. */
class Bound {
  #taken = 0;
  #given = 0;

  async *counting(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.#taken += chunk.byteLength;
      yield chunk;
    }
  }

  async *checking(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      this.#given += chunk.byteLength;
      if (this.#given > Math.max(INFLATED_FREE_SIZE, this.#taken * INFLATED_RATIO_MAX)) throw this.#excess();
      yield chunk;
    }
  }

  #excess(): ArtifactStoreError {
    return new ArtifactStoreError(
      'AS_ERR_LIMIT',
      `${this.#taken} compressed bytes have become more than ${INFLATED_FREE_SIZE}, and more than ${INFLATED_RATIO_MAX} times as many. Send the archive without compression.`,
      { compressed: this.#taken, inflated: this.#given, ratioMax: INFLATED_RATIO_MAX },
    );
  }
}

async function* gunzip(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflated = createGunzip();
  pipeline(bytes, inflated, () => undefined); // its error comes by the iteration
  try {
    yield* inflated;
  } catch (error) {
    if (error instanceof ArtifactStoreError) throw error;
    const isShort = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
    throw archiveFault(isShort ? 'its gzip data is cut short' : 'it is not gzip data, or damaged', error);
  }
}

async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  const blocks: Uint8Array[] = [];
  const decoder = new Decompress((block) => blocks.push(block));
  for await (const chunk of bytes) {
    for (const piece of frames.pieces(chunk)) {
      decode(decoder, piece, false);
      yield* blocks.splice(0);
    }
  }
  if (!frames.isWhole) throw archiveFault('its zstd data is cut short');
  decode(decoder, new Uint8Array(0), true);
  yield* blocks;
}

function decode(decoder: Decompress, piece: Uint8Array, isLast: boolean): void {
  try {
    decoder.push(piece, isLast);
  } catch (error) {
    throw archiveFault('its zstd data is damaged', error);
  }
}
