/**
 * A list of stored objects as a stream: 48 bytes each, big-endian, in the order of their addresses. The address, its size, and when what it lies in last changed, in whole
 * milliseconds since 1970, rounded up: it was stored no later.
 *
 * Imports the list's type, the shapes and frames. Called by both ends.
 */

import type { CborValue } from '../../cbor/index.js';
import { DIGEST_SIZE } from '../../limits.js';
import type { ObjectListing } from '../closable.js';
import { malformed } from './frames.js';
import { hasOnly, isCount, isMap } from './shapes.js';

const ENTRY = DIGEST_SIZE + 16;

/** Entries that go in one piece: some 200 KB. */
const ENTRIES_TOGETHER = 4096;

/** Which addresses are asked for: those that begin with this byte. */
export function readListRequest(value: CborValue): number {
  if (isMap(value) && hasOnly(value, 'part') && isCount(value.part)) return value.part;
  throw malformed('a list is asked for by the first byte of addresses');
}

export async function* listingStream({ addresses, sizes, changed }: ObjectListing): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < sizes.length; from += ENTRIES_TOGETHER) {
    const count = Math.min(ENTRIES_TOGETHER, sizes.length - from);
    const piece = Buffer.allocUnsafeSlow(ENTRY * count);
    for (let n = 0; n < count; n++) {
      const at = ENTRY * n;
      const row = from + n;
      piece.set(addresses.subarray(DIGEST_SIZE * row, DIGEST_SIZE * (row + 1)), at);
      piece.writeBigUInt64BE(BigInt(sizes[row] as number), at + DIGEST_SIZE);
      piece.writeBigUInt64BE(BigInt(Math.max(Math.ceil(changed[row] as number), 0)), at + DIGEST_SIZE + 8);
    }
    yield piece;
  }
}

/** Throws AS_ERR_PROTOCOL: it is no list, or not in order; and what the stream throws. */
export async function readListing(stream: AsyncIterable<Uint8Array>): Promise<ObjectListing> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const count = bytes.byteLength / ENTRY;
  if (!Number.isInteger(count)) throw malformed(`entries of a list have ${ENTRY} bytes`);
  const addresses = Buffer.allocUnsafeSlow(DIGEST_SIZE * count);
  const [sizes, changed] = [new Float64Array(count), new Float64Array(count)];
  for (let n = 0; n < count; n++) {
    const entry = bytes.subarray(ENTRY * n, ENTRY * (n + 1));
    addresses.set(entry.subarray(0, DIGEST_SIZE), DIGEST_SIZE * n);
    sizes[n] = Number(entry.readBigUInt64BE(DIGEST_SIZE));
    changed[n] = Number(entry.readBigUInt64BE(DIGEST_SIZE + 8));
    const isInOrder =
      n === 0 || Buffer.compare(bytes.subarray(ENTRY * (n - 1), ENTRY * n - 16), entry.subarray(0, DIGEST_SIZE)) < 0;
    if (!isInOrder) throw malformed('addresses of a list ascend');
  }
  if (!sizes.every(Number.isSafeInteger) || !changed.every(Number.isSafeInteger))
    throw malformed('a size is beyond what any object has');
  return { addresses, sizes, changed };
}
