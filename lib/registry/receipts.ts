/**
 * Receipts as the registry keeps them: the canonical CBOR of the event that brought them; of those that say nothing but their stored size, as nearly all do, that alone.
 *
 * Imports CBOR, the layout of ingest results, digest text and the contract's types. `object-records.ts` reads them for every record it gives; `objects-fold.ts` writes them.
 */

import { decodeCanonical, encodeCanonical } from '../cbor/index.js';
import type { ContentAddress, Receipt } from '../dataplane/spi.js';
import { digestHex } from '../digest-name.js';
import { isPlain, plainReceipt } from '../events/ingest-layout.js';

/** Stored sizes by what is kept of them: there are as many as sizes. */
const known = new Map<string, number>();
const KNOWN_MAX = 1000;

/** The first byte of an array in CBOR; those of integers are smaller. */
const ARRAY = 0x80;

/** What is kept of receipts. */
export function keptReceipts(receipts: readonly Receipt[], address: ContentAddress): Uint8Array {
  const [first] = receipts;
  if (first !== undefined && isPlain(receipts, digestHex(address))) return encodeCanonical(first.storedSize);
  return encodeCanonical(receipts.map(({ ...receipt }) => receipt));
}

/**
 * Reads receipts, with their members in the order of the contract.
 *
 * @param kept what is kept of them, a character for each byte (`latin1`)
 * @param digits of the address
 */
export function readReceipts(kept: string, digits: string): Receipt[] {
  if (kept.charCodeAt(0) < ARRAY) return [plainReceipt(digits, storedSizeOf(kept))];
  const decoded = decodeCanonical(Buffer.from(kept, 'latin1')) as unknown as Receipt[];
  return decoded.map(({ backend, tier, key, storedSize, durability, ...more }) => ({
    backend,
    tier,
    key,
    storedSize,
    durability,
    ...more,
  }));
}

function storedSizeOf(kept: string): number {
  const found = known.get(kept);
  if (found !== undefined) return found;
  const storedSize = decodeCanonical(Buffer.from(kept, 'latin1')) as number;
  if (known.size === KNOWN_MAX) known.clear();
  known.set(kept, storedSize);
  return storedSize;
}
