/**
 * The head of a subject, by which the log's index knows it.
 *
 * For a content address it is the first bytes of the digest, so that the order of heads is that of addresses; for any other text the first bytes
 * of its SHA-256. Two subjects may share a head, so whoever looks one up compares the whole of it.
 *
 * Imports node:crypto and the parts of the envelope. The log's index, its reader and the registry call it.
 */

import { createHash } from 'node:crypto';
import { ADDRESS_START } from './envelope-parts.js';

/** Bytes of a head: among a million subjects the chance that any two share one is 1 in 500. */
export const HEAD_SIZE = 6;

/** The head of a subject: HEAD_SIZE bytes. */
export function subjectHead(subject: string): Uint8Array {
  const head = Buffer.alloc(HEAD_SIZE);
  writeHead(head, 0, subject);
  return head;
}

/** Writes the head of a subject into `target`. */
export function writeHead(target: Buffer, offset: number, subject: string): void {
  if (subject.startsWith(ADDRESS_START)) {
    const digits = subject.slice(ADDRESS_START.length, ADDRESS_START.length + 2 * HEAD_SIZE);
    if (target.write(digits, offset, 'hex') === HEAD_SIZE) return;
  }
  createHash('sha256').update(subject).digest().copy(target, offset, 0, HEAD_SIZE);
}
