/**
 * Decoding: check the bytes, then build the value. May import the rest of this folder. Called through index.
 *
 * The values are built here rather than by cbor-x, because its decoder, even on checked bytes, gives other values than were encoded: it
 * drops a leading U+FEFF from text over 64 bytes, renames the key `__proto__`, makes every 64-bit integer a bigint, and adds a
 * property to the caller's array. Mending that would take a walk over its result that is longer than this reader.
 */

import { Buffer } from 'node:buffer';
import { plainBytes } from './bytes.js';
import { FALSE, Head, MAJOR, TRUE } from './head.js';
import { cachedKey } from './keys.js';
import { fail, scan } from './scan.js';
import type { CborValue } from './value.js';

/**
 * Decodes one canonical CBOR value (profile: docs/formats/cbor.md).
 *
 * @param bytes exactly one value, up to CBOR_SIZE_MAX bytes
 * @returns the value; nothing in it refers to `bytes`: byte strings are copies, each a plain Uint8Array. Integers beyond
 *   ±(2^53-1) are bigint. Maps are plain objects; a key `__proto__` is an ordinary own property.
 * @throws AS_ERR_CBOR_DECODE: the bytes are anything else; `details.offset` and `details.reason`
 */
export function decodeCanonical(bytes: Uint8Array): CborValue {
  const checked = plainBytes(bytes);
  scan(checked);
  return new Reader(checked).value();
}

/**
 * The exact bytes of one member's value in a canonical map, without decoding it.
 *
 * @param bytes a canonical map, checked whole
 * @returns a view into `bytes` (into a copy where they lie in shared memory); undefined when the map has no such key
 * @throws AS_ERR_CBOR_DECODE: not canonical, or not a map
 */
export function memberSlice(bytes: Uint8Array, key: string): Uint8Array | undefined {
  const checked = plainBytes(bytes);
  scan(checked);
  const reader = new Reader(checked);
  const members = reader.mapHeader();
  for (let i = 0; i < members; i++) {
    const found = reader.value() === key;
    const start = reader.offset;
    reader.skip();
    if (found) return checked.subarray(start, reader.offset);
  }
  return undefined;
}

/** Reads bytes that `scan` has accepted, so it checks nothing; its recursion is bounded by CBOR_DEPTH_MAX. */
class Reader {
  offset = 0;
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #head = new Head();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(): CborValue {
    this.#next();
    const argument = this.#head.argument;
    switch (this.#head.major) {
      case MAJOR.unsigned:
        return Number.isSafeInteger(argument) ? argument : this.#head.exact();
      case MAJOR.negative:
        return Number.isSafeInteger(-1 - argument) ? -1 - argument : -1n - this.#head.exact();
      case MAJOR.bytes:
        return this.#bytes.slice(this.#take(argument), this.offset);
      case MAJOR.text:
        return this.#text(argument);
      case MAJOR.array:
        return this.#array(argument);
      case MAJOR.map:
        return this.#map(argument);
      default:
        return this.#simple();
    }
  }

  /** Enters a map, and gives the number of its members. */
  mapHeader(): number {
    this.#next();
    if (this.#head.major !== MAJOR.map) fail(0, 'the value is not a map');
    return this.#head.argument;
  }

  /** Passes over one value. */
  skip(): void {
    for (let pending = 1; pending > 0; pending--) {
      this.#next();
      const { major, argument } = this.#head;
      if (major === MAJOR.bytes || major === MAJOR.text) this.offset += argument;
      else if (major === MAJOR.array) pending += argument;
      else if (major === MAJOR.map) pending += argument * 2;
    }
  }

  #next(): void {
    this.#head.read(this.#bytes, this.offset);
    this.offset = this.#head.end;
  }

  /** Passes over a string's content, and gives its start. */
  #take(size: number): number {
    this.offset += size;
    return this.offset - size;
  }

  #text(size: number): string {
    return this.#buffer.toString('utf8', this.#take(size), this.offset);
  }

  #key(): string {
    this.#next();
    const start = this.#take(this.#head.argument);
    return cachedKey(this.#bytes, start, this.offset, () => this.#buffer.toString('utf8', start, this.offset));
  }

  #array(count: number): CborValue[] {
    const array: CborValue[] = [];
    for (let i = 0; i < count; i++) array.push(this.value());
    return array;
  }

  #map(count: number): CborValue {
    const map: { [key: string]: CborValue } = {};
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      const value = this.value();
      // Plain assignment to this one name would change the object's prototype instead of adding a member.
      if (key === '__proto__') {
        Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
      } else map[key] = value;
    }
    return map;
  }

  #simple(): CborValue {
    const initial = (MAJOR.simple << 5) | this.#head.info;
    if (initial === TRUE) return true;
    return initial === FALSE ? false : null;
  }
}
