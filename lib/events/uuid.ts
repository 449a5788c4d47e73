/**
 * UUID version 7 (RFC 9562 section 5.7): event identities that sort by time, so that the index over them only ever grows at its end.
 *
 * Imports node:crypto and what parts are. The event envelope and the blocks call it.
 */

import { randomFillSync } from 'node:crypto';
import type { Parts } from '../record-parts.js';

/** Bytes of randomness fetched at once, and turned into text at once: for one identity at a time either costs more than everything else here. */
const POOL_SIZE = 10 * 400;
/** Digits that one identity takes from the pool: two of them give four bits and two bits. */
const DIGITS = 20;
const pool = Buffer.alloc(POOL_SIZE);
let digits = '';
let used = 0;

/** The time of the identity made last, as text: those of one commit share it. */
let stampTime = -1;
let stamp = '';

/** By a hex digit: its lowest two bits under the two bits of the variant. */
const VARIANT = '89ab89ab89ab89ab';

/**
 * A new UUIDv7.
 *
 * @param time milliseconds since 1970 UTC
 */
export function uuidv7(time: number): string {
  if (used === digits.length) refill();
  if (time !== stampTime) {
    const hex = time.toString(16).padStart(12, '0');
    stamp = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    stampTime = time;
  }
  const at = used;
  used += DIGITS;
  const variant = VARIANT[Number.parseInt(digits[at + 3] as string, 16)];
  return `${stamp}${digits.slice(at, at + 3)}-${variant}${digits.slice(at + 4, at + 7)}-${digits.slice(at + 8, at + DIGITS)}`;
}

/** Random bytes that `writeUuidv7` takes for one identity. */
export const UUID_RANDOM_SIZE = 10;
/** Characters of an identity as text. */
const UUID_LENGTH = 36;

/**
 * Writes a UUIDv7 as text: for many at once, whose randomness has been drawn together.
 *
 * @param at where its 36 characters begin in `target`
 * @param time milliseconds since 1970 UTC
 * @param random UUID_RANDOM_SIZE bytes from `from` on
 */
export function writeUuidv7(target: Uint8Array, at: number, time: number, random: Uint8Array, from: number): void {
  const high = Math.floor(time / 2 ** 32);
  const low = time % 2 ** 32;
  let place = at;
  for (let i = 0; i < UUID_SIZE; i++) {
    // The time has 48 bits, then come four bits of version and, two bytes later, two of variant among the random ones.
    let byte: number;
    if (i < 2) byte = (high >>> (8 * (1 - i))) & 255;
    else if (i < 6) byte = (low >>> (8 * (5 - i))) & 255;
    else byte = random[from + i - 6] as number;
    if (i === 6) byte = 0x70 | (byte & 15);
    if (i === 8) byte = 0x80 | (byte & 63);
    if (i === 4 || i === 6 || i === 8 || i === 10) target[place++] = DASH;
    target[place++] = DIGIT_CODES[byte >> 4] as number;
    target[place++] = DIGIT_CODES[byte & 15] as number;
  }
}

/** Makes another UUIDv7 of the same time out of one that `writeUuidv7` wrote at `at`. */
export function refillUuidv7(target: Uint8Array, at: number, random: Uint8Array, from: number): void {
  target[at + 15] = DIGIT_CODES[(random[from] as number) & 15] as number;
  putByte(target, at + 16, random[from + 1] as number);
  putByte(target, at + 19, 0x80 | ((random[from + 2] as number) & 63));
  putByte(target, at + 21, random[from + 3] as number);
  for (let i = 0; i < 6; i++) putByte(target, at + 24 + 2 * i, random[from + 4 + i] as number);
}

/** In what UUIDv7s of the same time differ, as text that begins at `at` in a record: the characters behind the version, and bytes that stand as digits. */
export function uuidv7Parts(at: number): Omit<Parts, 'copies'> {
  return { own: [at + 15, 1], digits: [at + 16, 1, at + 19, 1, at + 21, 1, at + 24, 6] };
}

function putByte(target: Uint8Array, at: number, byte: number): void {
  target[at] = DIGIT_CODES[byte >> 4] as number;
  target[at + 1] = DIGIT_CODES[byte & 15] as number;
}

/** The text that `writeUuidv7` writes. */
export function formatUuidv7(time: number, random: Uint8Array, from: number): string {
  const text = Buffer.alloc(UUID_LENGTH);
  writeUuidv7(text, 0, time, random, from);
  return text.toString('latin1');
}

const UUID_SIZE = 16;
const DIGIT_CODES = Buffer.from('0123456789abcdef', 'latin1');
const DASH = 0x2d;

function refill(): void {
  digits = randomFillSync(pool).toString('hex');
  used = 0;
}
