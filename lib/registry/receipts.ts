/**
 * Receipts as the registry keeps them: the canonical CBOR of the event that brought them.
 *
 * Imports CBOR and the contract's types. `object-records.ts` reads them for every record it gives.
 */

import { decodeCanonical } from '../cbor/index.js';
import type { Receipt } from '../dataplane/spi.js';

/** One receipt whose key is 64 hex digits, as far as behind the key: that of nearly every object. */
const USUAL_START = /^\x81\xa5\x63key\x78\x40([0-9a-f]{64})/;
const KEY_END = 8 + 64;

/** What stood behind such a key before, and what it says: there are as many as sizes. */
const known = new Map<string, Omit<Receipt, 'key'>>();
const KNOWN_MAX = 1000;

/**
 * Reads receipts, with their members in the order of the contract.
 *
 * @param bytes the array of them, a character for each byte (`latin1`)
 */
export function readReceipts(bytes: string): Receipt[] {
  const key = USUAL_START.exec(bytes)?.[1];
  const rest = key === undefined ? undefined : bytes.slice(KEY_END);
  const found = rest === undefined ? undefined : known.get(rest);
  if (key !== undefined && found !== undefined) {
    const { backend, tier, storedSize, durability } = found;
    return [{ backend, tier, key, storedSize, durability }];
  }
  const decoded = decodeCanonical(Buffer.from(bytes, 'latin1')) as unknown as Receipt[];
  const receipts = decoded.map(({ backend, tier, key, storedSize, durability, ...more }) => ({
    backend,
    tier,
    key,
    storedSize,
    durability,
    ...more,
  }));
  if (rest !== undefined && receipts[0] !== undefined) {
    if (known.size === KNOWN_MAX) known.clear();
    known.set(rest, receipts[0]);
  }
  return receipts;
}
