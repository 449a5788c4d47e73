/**
 * The types of values that canonical CBOR carries. Types only, so that everything in this folder may import it.
 */

import type { Encoded } from './encoded.js';

/**
 * What decoding gives. Integers are `number` in the safe range and `bigint` beyond it; byte strings are `Uint8Array`; maps are plain
 * objects, so test for a member with `Object.hasOwn` where the keys come from outside.
 */
export type CborValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | CborValue[]
  | { [key: string]: CborValue };

/** What encoding takes: the same, read-only, and at any place a value that is encoded already. */
export type CborInput =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Encoded
  | readonly CborInput[]
  | { readonly [key: string]: CborInput };
