/**
 * Reading pages of events: from rows that hold several, and through the log's index when only a kind or a subject is wanted.
 *
 * Imports the database connection's type, the rest of this folder, errors and limits. `sqlite-log.ts` calls it, with its reading connection.
 */

import { ArtifactStoreError } from '../errors.js';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import type { Connection, SqlValue } from '../sqlite/connection.js';
import { decodeEvent } from './envelope.js';
import type { ReadQuery, StoredEvent } from './log.js';
import { BLOCK_EVENTS, blockOf } from './log-index.js';
import { type EventRow, ROW_COLUMNS, splitRow } from './rows.js';
import { subjectHead } from './subject-head.js';

/** Events that may be what is asked for, looked at in one step: a few hundred rows at most. */
const CANDIDATES_MAX = 1024;

/** A checked query: events with a seq above `above` and below `below`. */
interface Query {
  above: number;
  below: number;
  limit: number;
  kind: string | undefined;
  subject: string | undefined;
  reverse: boolean;
}

/** Rows that hold the events of a list of seqs, each row once. */
const ROWS_OF = `
  SELECT ${ROW_COLUMNS} FROM events WHERE last IN
    (SELECT (SELECT last FROM events WHERE last >= value ORDER BY last LIMIT 1) FROM json_each(?1))
  ORDER BY last`;

/** Rows that hold the events with a seq from ?1 to ?2. */
const ROWS_BETWEEN = `
  SELECT ${ROW_COLUMNS} FROM events
  WHERE last >= ?1 AND last <= coalesce((SELECT last FROM events WHERE last >= ?2 ORDER BY last LIMIT 1), ?2)
  ORDER BY last`;

/** One page of events, as `EventLog.read` gives it. */
export async function readEvents(reader: Connection, query: ReadQuery): Promise<StoredEvent[]> {
  const checked = checkQuery(query);
  if (checked.kind !== undefined || checked.subject !== undefined) return readFiltered(reader, checked);
  const { above, below, limit, reverse } = checked;
  const end = reverse ? Math.min(below, (await lastSeq(reader)) + 1) : below;
  const [from, to] = reverse ? [Math.max(above + 1, end - limit), end - 1] : [above + 1, above + limit];
  if (from > to) return [];
  const events = eventsOf(await reader.all<EventRow>(ROWS_BETWEEN, [from, to]), (seq) => seq >= from && seq <= to);
  return reverse ? events.reverse() : events;
}

/** Takes candidates from the index, step by step, until the page is full or there are no more. */
async function readFiltered(reader: Connection, query: Query): Promise<StoredEvent[]> {
  const { limit, kind, subject, reverse } = query;
  const page: StoredEvent[] = [];
  for (let [above, below, more] = [query.above, query.below, true]; more && page.length < limit; ) {
    const step = await candidates(reader, { ...query, above, below });
    const seqs = new Set(step.seqs.filter((seq) => seq > above && seq < below));
    const rows = await reader.all<EventRow>(ROWS_OF, [JSON.stringify([...seqs])]);
    const events = eventsOf(rows, (seq) => seqs.has(seq));
    const found = events.filter(
      (event) => (kind ?? event.kind) === event.kind && (subject ?? event.subject) === event.subject,
    );
    page.push(...(reverse ? found.reverse() : found));
    more = step.more;
    const seen = step.seqs.at(-1) ?? 0;
    if (reverse) below = seen;
    else above = seen;
  }
  return page.slice(0, limit);
}

/** Seqs of events that may match, in reading order, the nearest first; `more`: there may be others behind them. */
async function candidates(reader: Connection, query: Query): Promise<{ seqs: number[]; more: boolean }> {
  const { above, below, kind, subject, reverse } = query;
  const order = reverse ? 'DESC' : 'ASC';
  if (subject !== undefined) {
    const sql = `SELECT seq FROM subjects WHERE head = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq ${order} LIMIT ?4`;
    const found = await numbers(reader, sql, [subjectHead(subject), above, below, CANDIDATES_MAX]);
    return { seqs: found, more: found.length === CANDIDATES_MAX };
  }
  const most = CANDIDATES_MAX / BLOCK_EVENTS;
  const sql = `SELECT block FROM kinds WHERE kind = ?1 AND block BETWEEN ?2 AND ?3 ORDER BY block ${order} LIMIT ?4`;
  const blocks = await numbers(reader, sql, [kind as string, blockOf(above + 1), blockOf(below - 1), most]);
  const offsets = Array.from({ length: BLOCK_EVENTS }, (_, n) => (reverse ? BLOCK_EVENTS - n : n + 1));
  return {
    seqs: blocks.flatMap((block) => offsets.map((offset) => block * BLOCK_EVENTS + offset)),
    more: blocks.length === most,
  };
}

/** The one column of a statement's result. */
async function numbers(reader: Connection, sql: string, parameters: readonly SqlValue[]): Promise<number[]> {
  const rows = await reader.all<{ [column: string]: number }>(sql, parameters);
  return rows.flatMap((row) => Object.values(row));
}

function eventsOf(rows: readonly EventRow[], wanted: (seq: number) => boolean): StoredEvent[] {
  return rows
    .flatMap((row) => splitRow(row, (seq, bytes) => (wanted(seq) ? decodeEvent(seq, bytes) : undefined)))
    .filter((event) => event !== undefined);
}

async function lastSeq(reader: Connection): Promise<number> {
  const row = await reader.get<{ last: number }>('SELECT coalesce(max(last), 0) AS last FROM events');
  return row?.last ?? 0;
}

function checkQuery({ after, limit = PAGE_SIZE_DEFAULT, kind, subject, reverse = false }: ReadQuery): Query {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX) {
    throw invalid(`the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}`);
  }
  if (after !== undefined && (!Number.isSafeInteger(after) || after < 0)) {
    throw invalid(`the cursor is ${after}; give the seq of an event, or 0`);
  }
  const above = reverse ? 0 : (after ?? 0);
  const below = reverse ? (after ?? Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER;
  return { above, below, limit, kind, subject, reverse };
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Events cannot be read: ${what}.`);
}
