/**
 * Encoding: prepare the value, let cbor-x write it, hand out a copy. May import the rest of this folder and cbor-x. Called through
 * index.
 */

import { Buffer } from 'node:buffer';
// This entry, unlike the package's main one, never looks for the native accelerator.
import { Encoder } from 'cbor-x/encode';
import { Preparation, type Splice } from './prepare.js';
import type { CborInput } from './value.js';

/** Members that cbor-x has and its declarations lack. */
interface EncoderBuffer {
  useBuffer(buffer: Uint8Array): void;
}

/** No records, no tags on maps and byte strings, heads as short as can be. */
const encoder = new Encoder({
  useRecords: false,
  mapsAsObjects: false,
  variableMapSize: true,
  tagUint8Array: false,
}) as Encoder & EncoderBuffer;

/** Bytes of the buffer cbor-x begins with; ours after a large value. */
const BUFFER_SIZE = 8192;
/** cbor-x keeps the largest buffer it ever needed, for ever; beyond this size it gets a fresh one instead. */
const KEPT_BUFFER_MAX = 1024 * 1024;

/**
 * Encodes a value as canonical CBOR (profile: docs/formats/cbor.md). Keys may stand in any order; in canonical order (shorter first,
 * then by their bytes) they need no sorting. Members are the own enumerable ones.
 *
 * @param value plain data; an `Encoded` anywhere in it stands for the value that it encodes
 * @returns the bytes, in memory of their own
 * @throws AS_ERR_CBOR_ENCODE: a part of the value is outside the profile or a limit; `details.path` and `details.reason`
 */
export function encodeCanonical(value: CborInput): Uint8Array {
  const preparation = new Preparation();
  const written: Uint8Array = encoder.encode(preparation.prepare(value, 0));
  const { size, splices } = preparation;
  if (written.length > KEPT_BUFFER_MAX) encoder.useBuffer(Buffer.allocUnsafeSlow(BUFFER_SIZE));
  const cut = splices.reduce((sum, splice) => sum + splice.headSize, 0);
  if (written.length - cut !== size)
    throw new Error(`cbor-x wrote ${written.length - cut} bytes, and the profile needs ${size}`);
  return copyWithout(written, splices, size);
}

/** Copies what cbor-x wrote, without the heads it put before the parts that were encoded already. */
function copyWithout(written: Uint8Array, splices: readonly Splice[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let from = 0;
  let to = 0;
  for (const { offset, headSize } of splices) {
    bytes.set(written.subarray(from, from + offset - to), to);
    from += offset - to + headSize;
    to = offset;
  }
  bytes.set(written.subarray(from), to);
  return bytes;
}
