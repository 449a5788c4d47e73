/**
 * A rendering of CBOR values as JSON, for people and `--json` output; never stored, never read back. May import the value types.
 * Called by the doors.
 */

import { Buffer } from 'node:buffer';
import type { CborValue } from './value.js';

/** What `JSON.stringify` writes without loss. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * Renders a value: byte strings as lower-case hex, integers beyond ±(2^53-1) as decimal text, everything else as itself.
 * @param value a value that `decodeCanonical` gave or `encodeCanonical` takes
 */
export function toJson(value: CborValue): JsonValue {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  if (Array.isArray(value)) return value.map(toJson);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]));
}
