/**
 * The head of a subject, by which the log's index knows it: a number, because the database compares those fastest.
 *
 * For a content address it is the first 48 bits of the digest, so that the order of heads is that of addresses; for any other text those of
 * its SHA-256. Two subjects may share a head, so whoever looks one up compares the whole of it.
 *
 * Imports node:crypto and the parts of the envelope. The log's index, its reader and the registry call it.
 */

import { createHash } from 'node:crypto';
import { ADDRESS_START } from './envelope-parts.js';

/** Digits of a content address that its head is made of: among a million subjects the chance that any two share one is 1 in 500. */
const HEAD_DIGITS = 12;
const CONTENT_HEAD = /^[0-9a-f]{12}/;

/** The head of a subject. */
export function subjectHead(subject: string): number {
  if (subject.startsWith(ADDRESS_START)) {
    const digits = subject.slice(ADDRESS_START.length, ADDRESS_START.length + HEAD_DIGITS);
    if (CONTENT_HEAD.test(digits)) return Number.parseInt(digits, 16);
  }
  return digestHead(createHash('sha256').update(subject).digest(), 0);
}

/** The head of the digest that begins at `at`: an integer from 0 to 2^48-1. */
export function digestHead(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const middle = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  const low = ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
  // Each number beyond 31 bits is an object until this has been compiled for good: so there are few.
  return high * 2 ** 32 + (((middle << 16) | low) >>> 0);
}

/** The value of each byte that is a lower-case hex digit; NOT_A_DIGIT of every other. */
const DIGIT_VALUES = new Uint8Array(256).fill(0xff);
for (const [value, byte] of Buffer.from('0123456789abcdef', 'latin1').entries()) DIGIT_VALUES[byte] = value;
const NOT_A_DIGIT = 0xff;

/** Whether a byte is a lower-case hex digit. */
export function isDigit(byte: number): boolean {
  return DIGIT_VALUES[byte] !== NOT_A_DIGIT;
}

/** The byte that the two lower-case hex digits at `at` are. */
export function byteOfDigits(bytes: Uint8Array, at: number): number {
  return ((DIGIT_VALUES[bytes[at] as number] as number) << 4) | (DIGIT_VALUES[bytes[at + 1] as number] as number);
}

/** The head of the digest whose lower-case hex digits begin at `at`. */
export function digitsHead(bytes: Uint8Array, at: number): number {
  const high = (byteOfDigits(bytes, at) << 8) | byteOfDigits(bytes, at + 2);
  const middle = (byteOfDigits(bytes, at + 4) << 8) | byteOfDigits(bytes, at + 6);
  const low = (byteOfDigits(bytes, at + 8) << 8) | byteOfDigits(bytes, at + 10);
  return high * 2 ** 32 + middle * 2 ** 16 + low;
}
