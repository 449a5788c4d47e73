/**
 * Giving bytes out: slab by slab, verified by the core, the next ones read while the reader works on this one.
 *
 * Bytes are copied out of the slab before they are yielded, so a chunk is the reader's to keep and a slow reader holds no slab.
 */

import { READS_AHEAD } from '../../limits.js';
import type { Handle } from '../../native/addon.js';
import type { LocalBackend } from '../backend/local.js';
import type { ByteRange, ContentAddress } from '../spi.js';
import type { Arena } from './arena.js';
import { type SmallReads, serveSmall } from './serve-small.js';

/** The bytes of an object, or of one range of it. What is small, and said to be, is read together with what else is. */
export async function* serveBytes(
  backend: LocalBackend,
  arena: Arena,
  small: SmallReads,
  address: ContentAddress,
  range?: ByteRange,
): AsyncGenerator<Uint8Array> {
  const start = range?.start ?? 0;
  const whole = range && (await serveSmall(small, address, range));
  if (whole !== undefined) {
    if (whole.byteLength > 0) yield whole;
    return;
  }
  const first = await readFirst(backend, arena, address, start, range?.end ?? null);
  const { reader, objectSize } = first;
  if (reader === undefined) {
    if (first.chunk.byteLength > 0) yield first.chunk;
    return;
  }
  const end = range?.end ?? objectSize;
  const coming: Promise<Uint8Array>[] = [];
  let offset = start + first.chunk.byteLength;
  /** Has as many chunks on their way as may be; every one but the last fills its slab, so it is known where each begins. */
  const readAhead = () => {
    for (; offset < end && coming.length < READS_AHEAD; offset += arena.slabSize) {
      const chunk = readNext(backend, arena, reader, address, offset, end);
      chunk.catch(() => undefined); // reported where it is awaited
      coming.push(chunk);
    }
  };
  readAhead();
  try {
    yield first.chunk;
    for (let next = coming.shift(); next; next = coming.shift()) {
      const chunk = await next;
      readAhead();
      yield chunk;
    }
  } finally {
    await Promise.allSettled(coming);
    await backend.readClose(reader);
  }
}

async function readFirst(
  backend: LocalBackend,
  arena: Arena,
  address: ContentAddress,
  start: number,
  end: number | null,
) {
  const slab = await arena.acquire();
  try {
    const { objectSize, skip, size, reader } = await backend.readStart(address, start, end, slab.bytes);
    return { objectSize, reader, chunk: copy(slab.bytes, skip, size) };
  } finally {
    arena.release(slab);
  }
}

async function readNext(
  backend: LocalBackend,
  arena: Arena,
  reader: Handle,
  address: ContentAddress,
  offset: number,
  end: number,
) {
  const slab = await arena.acquire();
  try {
    const { skip, size } = await backend.readNext(reader, address, offset, slab.bytes);
    return copy(slab.bytes, skip, Math.min(size, end - offset));
  } finally {
    arena.release(slab);
  }
}

/** A copy in memory of its own; `allocUnsafeSlow` spares zeroing what is overwritten at once. */
export function copy(slab: Uint8Array, skip: number, size: number): Uint8Array {
  const memory = Buffer.allocUnsafeSlow(size);
  memory.set(slab.subarray(skip, skip + size));
  return new Uint8Array(memory.buffer, 0, size);
}
