/**
 * The log's own view: which events are of a kind, and which are about a subject. Reading with a filter goes through it, and other views find
 * what they know about a subject by it.
 *
 * Imports the view interface and node:crypto. `sqlite-log.ts` keeps it with every log, before all other views.
 *
 * A subject stands in the index by its head alone: for a content address the first bytes of the digest, so that the order of heads is that of
 * addresses; for any other text the first bytes of its SHA-256. Two subjects may share a head, so whoever looks one up
 * compares the whole of it. Entries are a third of the size that whole subjects would need, and come in random order: their size decides how
 * many pages a commit has to write.
 */

import { createHash } from 'node:crypto';
import type { StoredEvent } from './log.js';
import { type Changes, PackedChanges, type View } from './view.js';

/** Bytes of a head: among a million subjects the chance that any two share one is 1 in 500. */
export const HEAD_SIZE = 6;

const ADDRESS_START = 'blake3:';

/** Events in a block, by which kinds are found: block n has the events from n * BLOCK_EVENTS + 1 on. An entry an event would say no more. */
export const BLOCK_EVENTS = 32;

/** The head of a subject: HEAD_SIZE bytes. */
export function subjectHead(subject: string): Uint8Array {
  const head = Buffer.alloc(HEAD_SIZE);
  writeHead(head, 0, subject);
  return head;
}

/** The block of an event. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK_EVENTS);
}

/** `kinds` names the blocks in which a kind occurs, `subjects` the events about a subject. */
export const logIndex: View = {
  name: 'index',
  version: 1,
  schema: `
    CREATE TABLE kinds (
      kind TEXT NOT NULL,
      block INTEGER NOT NULL,
      PRIMARY KEY (kind, block)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE subjects (
      head BLOB NOT NULL,
      seq INTEGER NOT NULL,
      PRIMARY KEY (head, seq)
    ) STRICT, WITHOUT ROWID;
  `,
  drop: 'DROP TABLE kinds; DROP TABLE subjects;',
  project,
  apply: [
    `INSERT INTO kinds (kind, block)
      SELECT value ->> 0, value ->> 1 FROM json_each(:changes, '$.kinds') WHERE true
      ON CONFLICT DO NOTHING`,
    `INSERT INTO subjects (head, seq)
      SELECT substr(:bytes, 1 + ${HEAD_SIZE} * key, ${HEAD_SIZE}), value FROM json_each(:changes, '$.subjects')`,
  ],
};

function project(events: readonly StoredEvent[]): PackedChanges {
  const kinds: [string, number][] = [];
  const newest = new Map<string, number>();
  const heads = Buffer.allocUnsafe(HEAD_SIZE * events.length);
  const seqs: number[] = [];
  for (const { seq, kind, subject } of events) {
    const block = blockOf(seq);
    if (newest.get(kind) !== block) {
      newest.set(kind, block);
      kinds.push([kind, block]);
    }
    if (subject !== null) writeHead(heads, HEAD_SIZE * (seqs.push(seq) - 1), subject);
  }
  return inOrder(kinds, seqs, heads);
}

/** Puts the subjects into the order of their heads: entries that follow each other then meet the same pages. Almost sorted is as good. */
function inOrder(kinds: Changes, seqs: readonly number[], heads: Buffer): PackedChanges {
  const places = new Float64Array(seqs.length);
  // The first half of the head and the place in one number, exact in a double: numbers sort many times faster than objects.
  for (let i = 0; i < seqs.length; i++) places[i] = heads.readUInt32BE(HEAD_SIZE * i) * PLACES_MAX + i;
  places.sort();
  const bytes = Buffer.allocUnsafe(HEAD_SIZE * seqs.length);
  const subjects: number[] = [];
  for (let i = 0; i < seqs.length; i++) {
    const place = (places[i] as number) % PLACES_MAX;
    for (let n = 0; n < HEAD_SIZE; n++) bytes[HEAD_SIZE * i + n] = heads[HEAD_SIZE * place + n] as number;
    subjects.push(seqs[place] as number);
  }
  return new PackedChanges({ kinds, subjects }, bytes);
}

/** More than a batch has events; 2^32 of them are exact in a double. */
const PLACES_MAX = 2 ** 20;

function writeHead(target: Buffer, offset: number, subject: string): void {
  if (subject.startsWith(ADDRESS_START)) {
    const digits = subject.slice(ADDRESS_START.length, ADDRESS_START.length + 2 * HEAD_SIZE);
    if (target.write(digits, offset, 'hex') === HEAD_SIZE) return;
  }
  createHash('sha256').update(subject).digest().copy(target, offset, 0, HEAD_SIZE);
}
