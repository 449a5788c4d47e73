/**
 * The beginning of a stream, held until it is known whether it is all: a small object then needs no connection of its own, however many come at once.
 *
 * Imports the contract and limits. Called by the client's ingests.
 */

import { STREAM_HELD_MAX } from '../../limits.js';
import type { ByteSource, BytesSource } from '../spi.js';

/** The source, as bytes in memory if it is small. Throws what the source throws. */
export async function held(source: ByteSource): Promise<BytesSource | ByteSource> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return inMemory(Buffer.concat(chunks, size));
    size += value.byteLength;
    if (size > STREAM_HELD_MAX) return resumed(chunks, value, iterator);
    chunks.push(Uint8Array.from(value)); // the source's own again when the next is asked for
  }
}

function inMemory(bytes: Uint8Array): BytesSource {
  return {
    bytes,
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}

/** What was held, what came last, and what comes. */
async function* resumed(
  before: readonly Uint8Array[],
  next: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let isEnded = false;
  try {
    yield* before;
    yield next;
    for (;;) {
      const { done, value } = await iterator.next();
      isEnded = done === true;
      if (done) return;
      yield value;
    }
  } catch (error) {
    isEnded = true;
    throw error;
  } finally {
    if (!isEnded) await iterator.return?.();
  }
}
