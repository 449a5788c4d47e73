/**
 * The log's own view: which events are of a kind, and which are about a subject. Reading with a filter goes through it, and other views find
 * what they know about a subject by it.
 *
 * Imports the view interface and what a batch is. `sqlite-log.ts` keeps it with every log, before all other views.
 *
 * A subject stands in the index by its head alone. Entries are a third of the size that whole subjects would need, and come in random order:
 * their size decides how many pages a commit has to write.
 */

import type { EventBatch } from './batch.js';
import { FixedRows } from './fixed-rows.js';
import { HEAD_SIZE } from './subject-head.js';
import type { View } from './view.js';

/** Events in a block, by which kinds are found: block n has the events from n * BLOCK_EVENTS + 1 on. An entry an event would say no more. */
export const BLOCK_EVENTS = 32;

/** The block of an event. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK_EVENTS);
}

const subjects = new FixedRows(':subjects', { head: HEAD_SIZE, seq: 'number' });

/** `kinds` names the blocks in which a kind occurs, `subjects` the events about a subject. */
export const logIndex: View<'kinds' | 'subjects'> = {
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
  parameters: ['kinds', 'subjects'],
  project: (batch) => ({ kinds: JSON.stringify(kindBlocks(batch)), subjects: subjectRows(batch) }),
  apply: [
    `INSERT INTO kinds (kind, block)
      SELECT value ->> 0, value ->> 1 FROM json_each(:kinds) WHERE true
      ON CONFLICT DO NOTHING`,
    `INSERT INTO subjects (head, seq) SELECT ${subjects.get('head')}, ${subjects.get('seq')} FROM ${subjects.rows}`,
  ],
};

/** Kinds and the blocks in which they occur. */
function kindBlocks({ first, kinds, kindOf }: EventBatch): [string, number][] {
  const blocks: [string, number][] = [];
  const newest = new Float64Array(kinds.length).fill(-1);
  for (const [index, kind] of kindOf.entries()) {
    const block = blockOf(first + index);
    if (newest[kind] === block) continue;
    newest[kind] = block;
    blocks.push([kinds[kind] as string, block]);
  }
  return blocks;
}

function subjectRows({ first, order, heads }: EventBatch): Uint8Array {
  const blob = subjects.blob(order.length);
  for (let row = 0; row < order.length; row++) {
    const index = order[row] as number;
    subjects.setBytes(blob, row, 'head', heads, HEAD_SIZE * index);
    subjects.setNumber(blob, row, 'seq', first + index);
  }
  return blob;
}
