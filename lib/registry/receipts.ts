/**
 * Receipts as the registry keeps them: the canonical CBOR of the event that brought them.
 *
 * Imports CBOR and the contract's types. `sqlite-registry.ts` reads them for every record it gives.
 */

import { decodeCanonical } from '../cbor/index.js';
import type { Receipt } from '../dataplane/spi.js';

/** One receipt whose key has 64 characters, as far as the key, in hex: that of nearly every object. */
const BEFORE_KEY = '81a5636b65797840';
const KEY_END = BEFORE_KEY.length + 2 * 64;

/** What stood behind such a key before, and what it says: there are as many as sizes. */
const known = new Map<string, Omit<Receipt, 'key'>>();
const KNOWN_MAX = 1000;

/**
 * Reads receipts, with their members in the order of the contract.
 *
 * @param hex the array of them; empty when there are none
 */
export function readReceipts(hex: string): Receipt[] {
  if (hex === '') return [];
  const rest = hex.startsWith(BEFORE_KEY) ? hex.slice(KEY_END) : undefined;
  const found = rest === undefined ? undefined : known.get(rest);
  if (found !== undefined) {
    const key = Buffer.from(hex.slice(BEFORE_KEY.length, KEY_END), 'hex').toString();
    const { backend, tier, storedSize, durability } = found;
    return [{ backend, tier, key, storedSize, durability }];
  }
  const decoded = decodeCanonical(Buffer.from(hex, 'hex')) as unknown as Receipt[];
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
