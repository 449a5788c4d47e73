/**
 * Makes a value ready for cbor-x, which is no canonical encoder by itself: refuses what is outside the profile, turns integers into
 * the types that cbor-x writes in their shortest form, puts keys in order, and counts bytes, so that the limits hold before anything
 * is allocated and already encoded parts can be put in their places. May import head, text, encoded, errors, limits. Called by encode.
 */

import { Buffer } from 'node:buffer';
import { ArtifactStoreError } from '../errors.js';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, CBOR_SIZE_MAX } from '../limits.js';
import { Encoded } from './encoded.js';
import { headSize } from './head.js';
import { compareKeys, isAscii, textFault } from './text.js';

/** What cbor-x writes canonically: a Map keeps its order whatever the keys are, an object does not. */
export type Prepared = null | boolean | number | bigint | string | Uint8Array | Prepared[] | Map<string, Prepared>;

/** An already encoded part: cbor-x writes it as a byte string, and the head of that has to go. */
export interface Splice {
  /** Offset of the head to cut out, in the final bytes. */
  offset: number;
  /** Bytes in that head. */
  headSize: number;
}

const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 64n - 1n;
/** cbor-x writes numbers beyond 32 bits as floats, and bigints always in nine bytes. */
const NUMBER_MIN = -0x1_0000_0000;
const NUMBER_MAX = 0xffff_ffff;
/** Characters of a key shown in an error: keys may be as long as the value. */
const SHOWN_KEY_MAX = 64;

/** One pass over one value. */
export class Preparation {
  /** Bytes of the final encoding so far. */
  size = 0;
  readonly splices: Splice[] = [];
  #items = 0;
  /** The way to the value in hand: entry n leads from depth n to n + 1. Entries beyond the depth in hand are left over. */
  readonly #path: (string | number)[] = [];

  /**
   * @param depth containers around `value`
   * @throws AS_ERR_CBOR_ENCODE with `details.path` and `details.reason`
   */
  prepare(value: unknown, depth: number): Prepared {
    this.#count(1, depth);
    switch (typeof value) {
      case 'string':
        this.#grow(this.#textSize(value, depth), depth);
        return value;
      case 'number':
        return this.#number(value, depth);
      case 'bigint':
        return this.#bigint(value, depth);
      case 'boolean':
        this.#grow(1, depth);
        return value;
      case 'object':
        return this.#object(value, depth);
      case 'undefined':
        return this.#refuse(depth, 'it is undefined; leave the member out or use null');
      default:
        return this.#refuse(depth, `a ${typeof value} has no place in CBOR`);
    }
  }

  #number(value: number, depth: number): number | bigint {
    if (Object.is(value, -0)) this.#refuse(depth, 'negative zero is not an integer; use 0');
    if (!Number.isSafeInteger(value)) {
      this.#refuse(depth, `the number ${value} is not a safe integer; use a bigint, text, or a smaller unit`);
    }
    this.#grow(headSize(value < 0 ? -1 - value : value), depth);
    return value < NUMBER_MIN || value > NUMBER_MAX ? BigInt(value) : value;
  }

  #bigint(value: bigint, depth: number): number | bigint {
    if (value < INT_MIN || value > INT_MAX) this.#refuse(depth, 'the integer is outside -2^63 … 2^64-1');
    if (value >= NUMBER_MIN && value <= NUMBER_MAX) return this.#number(Number(value), depth);
    this.#grow(9, depth);
    return value;
  }

  #object(value: object | null, depth: number): Prepared {
    if (value === null) {
      this.#grow(1, depth);
      return value;
    }
    if (value instanceof Uint8Array) {
      this.#grow(headSize(value.length) + value.length, depth);
      return value;
    }
    if (value instanceof Encoded) return this.#encoded(value, depth);
    if (Array.isArray(value)) return this.#array(value, depth);
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      this.#refuse(depth, `a ${value.constructor?.name || 'class instance'} is not plain data`);
    }
    return this.#map(value as Record<string, unknown>, depth);
  }

  #encoded(value: Encoded, depth: number): Uint8Array {
    this.#count(value.measure.items - 1, depth);
    if (depth + value.measure.depth > CBOR_DEPTH_MAX) this.#refuseDepth(depth);
    this.splices.push({ offset: this.size, headSize: headSize(value.bytes.length) });
    this.#grow(value.bytes.length, depth);
    return value.bytes;
  }

  #array(value: readonly unknown[], depth: number): Prepared[] {
    this.#open(value.length, depth);
    const array: Prepared[] = [];
    for (let i = 0; i < value.length; i++) {
      this.#path[depth] = i;
      array.push(this.prepare(value[i], depth + 1));
    }
    return array;
  }

  #map(value: Record<string, unknown>, depth: number): Map<string, Prepared> {
    const keys = inOrder(Object.keys(value));
    this.#open(keys.length, depth);
    const map = new Map<string, Prepared>();
    for (const key of keys) {
      this.#path[depth] = key;
      this.#count(1, depth + 1);
      this.#grow(this.#textSize(key, depth + 1), depth + 1);
      map.set(key, this.prepare(value[key], depth + 1));
    }
    return map;
  }

  #open(count: number, depth: number): void {
    if (depth === CBOR_DEPTH_MAX) this.#refuseDepth(depth);
    this.#grow(headSize(count), depth);
  }

  #textSize(text: string, depth: number): number {
    let size = text.length;
    if (!isAscii(text)) {
      const fault = textFault(text);
      if (fault) this.#refuse(depth, fault);
      size = Buffer.byteLength(text);
    }
    return headSize(size) + size;
  }

  #grow(bytes: number, depth: number): void {
    this.size += bytes;
    if (this.size > CBOR_SIZE_MAX) this.#refuse(depth, `up to here the value takes more than ${CBOR_SIZE_MAX} bytes`);
  }

  #count(items: number, depth: number): void {
    this.#items += items;
    if (this.#items > CBOR_ITEMS_MAX) this.#refuse(depth, `up to here the value has more than ${CBOR_ITEMS_MAX} items`);
  }

  #refuseDepth(depth: number): never {
    this.#refuse(depth, `containers are nested deeper than ${CBOR_DEPTH_MAX}; a value may also contain itself`);
  }

  #refuse(depth: number, reason: string): never {
    const path = this.#path.slice(0, depth).map(showStep).join('').replace(/^\./, '');
    const place = path === '' ? 'This value' : `The value at ${path}`;
    throw new ArtifactStoreError('AS_ERR_CBOR_ENCODE', `${place} cannot be canonical CBOR: ${reason}.`, {
      path,
      reason,
    });
  }
}

/** The keys in canonical order. Most callers write them so already, and seeing that is far cheaper than sorting. */
function inOrder(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) {
    if (compareKeys(keys[i - 1] as string, keys[i] as string) > 0) return keys.sort(compareKeys);
  }
  return keys;
}

function showStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  if (step.length <= SHOWN_KEY_MAX && /^[\p{L}_$][\p{L}\d_$]*$/u.test(step)) return `.${step}`;
  return `[${JSON.stringify(step.length > SHOWN_KEY_MAX ? `${step.slice(0, SHOWN_KEY_MAX)}…` : step)}]`;
}
