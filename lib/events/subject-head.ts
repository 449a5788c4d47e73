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
  return high * 2 ** 32 + middle * 2 ** 16 + low;
}
