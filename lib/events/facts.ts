/**
 * How the facts of one kind of event are written and read, and the checks that several kinds share.
 *
 * Imports CBOR and limits. Each file of kinds uses it; `kinds.ts` puts them together.
 */

import { type CborInput, type CborValue, decodeCanonical } from '../cbor/index.js';
import { DIGEST_SIZE } from '../limits.js';

/** Members of a map. */
export type Members = { readonly [key: string]: CborValue };

/** One kind: what it may be about, and how its facts are written, members in canonical order, and read. */
export interface KindCodec<Facts> {
  /** Whether an event of this kind can be about `subject`. */
  isSubject(subject: string | null): boolean;
  write(facts: Facts): CborInput;
  /** The facts; undefined, or an error, for bytes of another shape. */
  read(bytes: Uint8Array): Facts | undefined;
}

/** A codec for each kind of a table of facts. */
export type KindCodecs<Table> = { readonly [K in keyof Table]: KindCodec<Table[K]> };

/** The members of a canonical map; none for any other value. */
export function members(bytes: Uint8Array): Members {
  const value = decodeCanonical(bytes);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isMap ? { ...value } : {};
}

/** A number of bytes. */
export function isSize(value: CborValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}

/** Bytes [start, end). */
export function isRange(value: CborValue): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && isSize(value[0]) && isSize(value[1]) && value[0] <= value[1];
}

/** The 32 bytes of a digest. */
export function isDigest(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.byteLength === DIGEST_SIZE;
}

export function isText(value: CborValue | undefined): value is string {
  return typeof value === 'string';
}

/** Milliseconds since 1970 UTC. */
export function isTime(value: CborValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}

/** A member that may be left out. */
export function optional<T extends CborValue>(
  value: CborValue | undefined,
  check: (value: CborValue | undefined) => value is T,
): value is T | undefined {
  return value === undefined || check(value);
}
