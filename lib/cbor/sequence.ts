/**
 * CBOR sequences (RFC 8742): values one behind the other, cut apart as they come; and arrays, cut into their elements. May import head and
 * limits. Called by lib/client, which reads streams of events so.
 */

import { ArtifactStoreError } from '../errors.js';
import { Head, MAJOR } from './head.js';

/**
 * The bytes of each value of a sequence. They are found by their heads alone: `decodeCanonical` checks a value.
 *
 * @param sizeMax bytes of one value at most
 * @throws AS_ERR_CBOR_DECODE: what comes is not CBOR, a value is larger, or the sequence ends within one
 */
export async function* sequenceItems(stream: AsyncIterable<Uint8Array>, sizeMax: number): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array = new Uint8Array();
  for await (const chunk of stream) {
    waiting = waiting.byteLength === 0 ? chunk : Buffer.concat([waiting, chunk]);
    let start = 0;
    for (let end = itemEnd(waiting, start); end !== undefined; end = itemEnd(waiting, start)) {
      yield waiting.subarray(start, end);
      start = end;
    }
    waiting = waiting.subarray(start);
    if (waiting.byteLength > sizeMax) throw malformed(`a value has more than ${sizeMax} bytes`);
  }
  if (waiting.byteLength > 0) throw malformed('it ends in the middle of a value');
}

/**
 * The exact bytes of the elements of an array.
 *
 * @param bytes an array, whole
 * @throws AS_ERR_CBOR_DECODE: they are not one
 */
export function elementSlices(bytes: Uint8Array): Uint8Array[] {
  const head = new Head();
  if (head.read(bytes, 0) !== undefined || head.major !== MAJOR.array) throw malformed('a value is not an array');
  const count = head.argument;
  const slices: Uint8Array[] = [];
  let start = head.end;
  while (slices.length < count) {
    const end = itemEnd(bytes, start);
    if (end === undefined) throw malformed('an array ends in the middle of an element');
    slices.push(bytes.subarray(start, end));
    start = end;
  }
  return slices;
}

/** Where the value that begins at `start` ends; undefined when it has not come whole. */
function itemEnd(bytes: Uint8Array, start: number): number | undefined {
  const head = new Head();
  let at = start;
  for (let pending = 1; pending > 0; pending--) {
    const fault = head.read(bytes, at);
    if (fault === 'truncated') return undefined;
    if (fault !== undefined) throw malformed('a head is not as short as it can be, or of indefinite length');
    at = head.end;
    if (head.major === MAJOR.bytes || head.major === MAJOR.text) at += head.argument;
    else if (head.major === MAJOR.array) pending += head.argument;
    else if (head.major === MAJOR.map) pending += head.argument * 2;
    if (at > bytes.byteLength) return undefined;
  }
  return at;
}

function malformed(reason: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_CBOR_DECODE', `These bytes are not a sequence of canonical CBOR: ${reason}.`, {
    reason,
  });
}
