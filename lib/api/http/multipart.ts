/**
 * Several ranges of an object in one answer: `multipart/byteranges` (RFC 9110, section 14.6).
 *
 * Imports the parser of ranges. Called by `download.ts`.
 */

import { randomUUID } from 'node:crypto';
import type { ByteRange } from '../../dataplane/spi.js';
import { formatContentRange } from './range.js';

export interface Multipart {
  contentType: string;
  /** Bytes of the whole body. */
  length: number;
  /** The body. The first bytes of the first range are read before anything is given, so that what is wrong with them is noticed in time. */
  body: AsyncGenerator<Uint8Array>;
}

/**
 * @param size bytes in the object
 * @param open reads one range
 */
export function multipart(
  ranges: readonly ByteRange[],
  size: number,
  open: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>,
): Multipart {
  const boundary = randomUUID(); // 122 random bits: nobody can store an object that contains it
  const heads = ranges.map((range) => partHead(boundary, range, size));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const length = ranges.reduce((sum, { start, end }) => sum + end - start, tail.length);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length: heads.reduce((sum, head) => sum + head.length, length),
    body: parts(ranges, heads, tail, open),
  };
}

async function* parts(
  ranges: readonly ByteRange[],
  heads: readonly Uint8Array[],
  tail: Uint8Array,
  open: (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  for (const [n, range] of ranges.entries()) {
    const bytes = (await open(range))[Symbol.asyncIterator]();
    try {
      let step = await bytes.next();
      yield heads[n] as Uint8Array;
      for (; !step.done; step = await bytes.next()) yield step.value;
    } finally {
      await bytes.return?.();
    }
  }
  yield tail;
}

function partHead(boundary: string, range: ByteRange, size: number): Uint8Array {
  const type = 'Content-Type: application/octet-stream';
  return Buffer.from(`\r\n--${boundary}\r\n${type}\r\nContent-Range: ${formatContentRange(range, size)}\r\n\r\n`);
}
