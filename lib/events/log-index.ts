/**
 * The log's own view: which events are of a kind, which are by an actor, and which are about a subject. Reading with a filter goes through it, and other views find
 * what they know about a subject by it.
 *
 * Imports the view interface and what a batch is. `sqlite-log.ts` keeps it with every log, before all other views.
 *
 * A subject stands in the index by its head alone. Entries are a third of the size that whole subjects would need, and come in random order:
 * their size decides how many pages a commit has to write. Nearly every subject has one event, its ingest, so the first event about a head has
 * a table in which nothing but the head is looked up; what comes later about the same head is in another, by the seq of that first event. One insert into
 * the first both stores an event and finds out whether its subject is new, which the views that follow want to know. By the first event and not by the head,
 * because what happens to many objects later happens in the order in which they came: a sweep then writes neighbouring entries, and not a page for each.
 */

import type { EventBatch } from './batch.js';
import { FixedRows } from './fixed-rows.js';
import type { View } from './view.js';

/** Events in a block, by which kinds and actors are found: block n has the events from n * BLOCK_EVENTS + 1 on. An entry an event would say no more. */
export const BLOCK_EVENTS = 32;

/** The block of an event. */
export function blockOf(seq: number): number {
  return Math.floor((seq - 1) / BLOCK_EVENTS);
}

const subjects = new FixedRows(':subjects', { head: 'head', seq: 'number' });
const head = subjects.get('head');
const seq = subjects.get('seq');

/** `kinds` and `actors` name the blocks in which one occurs, `subjects` the events about a subject. */
export const logIndex: View<'kinds' | 'actors' | 'subjects'> = {
  name: 'index',
  version: 4,
  schema: `
    CREATE TABLE kinds (
      kind TEXT NOT NULL,
      block INTEGER NOT NULL,
      PRIMARY KEY (kind, block)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE actors (
      actor TEXT NOT NULL,
      block INTEGER NOT NULL,
      PRIMARY KEY (actor, block)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE heads (
      head INTEGER PRIMARY KEY,
      seq INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE later (
      seq INTEGER PRIMARY KEY,
      first INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX later_by_first ON later (first);
  `,
  drop: 'DROP TABLE kinds; DROP TABLE actors; DROP TABLE heads; DROP TABLE later;',
  parameters: ['kinds', 'actors', 'subjects'],
  project: (batch) => ({
    kinds: JSON.stringify(kindBlocks(batch)),
    actors: JSON.stringify(actorBlocks(batch)),
    subjects: subjectRows(batch),
  }),
  apply: [
    `INSERT INTO kinds (kind, block)
      SELECT value ->> 0, value ->> 1 FROM json_each(:kinds) WHERE true
      ON CONFLICT DO NOTHING`,
    `INSERT INTO actors (actor, block)
      SELECT value ->> 0, value ->> 1 FROM json_each(:actors) WHERE true
      ON CONFLICT DO NOTHING`,
    `INSERT INTO heads (head, seq) SELECT ${head}, ${seq} FROM ${subjects.rows} WHERE true
      ON CONFLICT DO NOTHING`,
    // Right behind the statement before, whose number of rows it asks for: as a rule all were stored, and there is nothing to look for.
    `INSERT INTO later (seq, first)
      SELECT ${seq}, heads.seq FROM ${subjects.rows} CROSS JOIN heads ON heads.head = ${head}
      WHERE (SELECT changes() < ${subjects.count}) AND heads.seq <> ${seq}
      ORDER BY 1`,
  ],
};

/** Kinds and the blocks in which they occur. */
function kindBlocks({ first, kinds, kindOf }: EventBatch): [string, number][] {
  const blocks: [string, number][] = [];
  const newest = new Float64Array(kinds.length).fill(-1);
  for (let index = 0; index < kindOf.length; index++) {
    const kind = kindOf[index] as number;
    const block = blockOf(first + index);
    if (newest[kind] === block) continue;
    newest[kind] = block;
    blocks.push([kinds[kind] as string, block]);
  }
  return blocks;
}

/** Actors and the blocks in which they occur. Nearly every event has the actor of the one before it, and is then passed over. */
function actorBlocks(batch: EventBatch): [string, number][] {
  const blocks: [string, number][] = [];
  const newest = new Map<string, number>();
  let [actor, blockOfActor] = ['', -1];
  for (let i = 0; i < batch.count; i++) {
    const block = blockOf(batch.first + i);
    const isSame = i > 0 && batch.hasActorOfThatBefore(i);
    if (isSame && block === blockOfActor) continue;
    if (!isSame) actor = batch.actor(i);
    blockOfActor = block;
    if (newest.get(actor) === block) continue;
    newest.set(actor, block);
    blocks.push([actor, block]);
  }
  return blocks;
}

function subjectRows({ order, heads, seqs, fillRecords }: EventBatch): Uint8Array {
  return subjects.fill(fillRecords, order, { head: { numbers: heads }, seq: { numbers: seqs } });
}
