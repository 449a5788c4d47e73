/**
 * Whether a value that came is what it should be.
 *
 * Imports CBOR's types. Called by whoever reads values in this folder.
 */

import type { CborValue } from '../../cbor/index.js';

export type CborMap = { [key: string]: CborValue };

export function isMap(value: CborValue | undefined): value is CborMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** A whole number from 0 that JavaScript has exactly. */
export function isCount(value: CborValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isBytes(value: CborValue | undefined, size?: number): value is Uint8Array {
  return value instanceof Uint8Array && (size === undefined || value.byteLength === size);
}

/** Whether there is nothing, or something that fits. */
export function isAbsentOr(value: CborValue | undefined, fits: (value: CborValue) => boolean): boolean {
  return value === undefined || fits(value);
}

/** Whether a map has no members but these. */
export function hasOnly(value: CborMap, ...names: string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name));
}
