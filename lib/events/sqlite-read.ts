/**
 * Reading pages of events: from rows that hold several, and through the log's index when only a kind, an actor or a subject is wanted.
 *
 * Imports the database connection's type, the rest of this folder, errors and limits. `sqlite-log.ts` calls it, with its reading connection.
 *
 * Times become seqs before anything is read: time never runs backwards in a log, so the events of a period stand together.
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
  filters: Filters;
  reverse: boolean;
}

interface Filters {
  readonly kind: string | undefined;
  readonly subject: string | undefined;
  /** The forms in which the actor may stand in events. */
  readonly actors: readonly string[] | undefined;
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

/**
 * How many events are older than ?1, by halving: the answer lies from `low` to `high`, both of them ends of rows, and a row has one time.
 * Twenty-odd rows are looked at in a log of ten million events.
 */
const COUNT_BEFORE = `
  WITH RECURSIVE search (low, high) AS (
    SELECT 0, coalesce(max(last), 0) FROM events
    UNION ALL
    SELECT iif(time < ?1, last, low), iif(time < ?1, high, first - 1)
    FROM search CROSS JOIN events
    WHERE low < high AND last = (SELECT middle.last FROM events AS middle WHERE middle.last > (low + high) / 2 ORDER BY middle.last LIMIT 1)
  )
  SELECT low FROM search WHERE low = high`;

/**
 * One page of events, as `EventLog.read` gives it, but for their texts.
 *
 * @param actors the forms in which the actor of the query may stand in events
 */
export async function readEvents(
  reader: Connection,
  query: ReadQuery,
  actors: readonly string[] | undefined,
): Promise<StoredEvent[]> {
  const checked = await withinTime(reader, checkQuery(query, actors), query);
  const { above, below, limit, filters, reverse } = checked;
  if (above + 1 >= below) return [];
  if (isFiltering(filters)) return readFiltered(reader, checked);
  const [from, to] = reverse ? [Math.max(above + 1, below - limit), below - 1] : [above + 1, above + limit];
  const events = await eventsBetween(reader, from, Math.min(to, below - 1));
  return reverse ? events.reverse() : events;
}

/** Takes candidates step by step, until the page is full or there are no more. */
async function readFiltered(reader: Connection, query: Query): Promise<StoredEvent[]> {
  const { limit, filters, reverse } = query;
  const page: StoredEvent[] = [];
  for (let [above, below] = [query.above, query.below]; above + 1 < below && page.length < limit; ) {
    const { events, seen } = await candidates(reader, { ...query, above, below });
    const found = events.filter((event) => matches(event, filters));
    page.push(...(reverse ? found.reverse() : found));
    if (reverse) below = seen;
    else above = seen;
  }
  return page.slice(0, limit);
}

/** Events within the bounds that may match, in the order of the log, and the seq up to which none is left in reading order. */
interface Candidates {
  events: StoredEvent[];
  seen: number;
}

/** The nearest candidates by the filter that leaves the fewest. */
function candidates(reader: Connection, query: Query): Promise<Candidates> {
  const { subject, kind, actors } = query.filters;
  if (subject !== undefined) return aboutSubject(reader, query, subject);
  const names = JSON.stringify(actors);
  if (kind !== undefined && actors !== undefined) return inBlocks(reader, query, BLOCKS_OF_BOTH, [kind, names]);
  if (kind !== undefined) return inBlocks(reader, query, 'kinds WHERE kind = ?4', [kind]);
  return inBlocks(reader, query, 'actors WHERE actor IN (SELECT value FROM json_each(?4))', [names]);
}

async function aboutSubject(reader: Connection, query: Query, subject: string): Promise<Candidates> {
  const { above, below, reverse } = query;
  const order = reverse ? 'DESC' : 'ASC';
  const sql = `
    SELECT seq FROM heads WHERE head = ?1 AND seq > ?2 AND seq < ?3
    UNION ALL SELECT later.seq FROM heads CROSS JOIN later ON later.first = heads.seq WHERE head = ?1 AND later.seq > ?2 AND later.seq < ?3
    ORDER BY seq ${order} LIMIT +?4`;
  const seqs = await numbers(reader, sql, [subjectHead(subject), above, below, CANDIDATES_MAX]);
  return { events: await eventsAt(reader, seqs), seen: seenUpTo(query, seqs.at(-1), seqs.length < CANDIDATES_MAX) };
}

/** Blocks that have both a kind and an actor; they need not be of one event. */
const BLOCKS_OF_BOTH = `
  actors WHERE actor IN (SELECT value FROM json_each(?5)) AND EXISTS (SELECT 1 FROM kinds WHERE kinds.kind = ?4 AND kinds.block = actors.block)`;

/**
 * Events in the nearest of certain blocks.
 *
 * @param blocksOf SQL: a table of the index and the condition on its rows, with parameters from ?4 on
 */
async function inBlocks(reader: Connection, query: Query, blocksOf: string, wanted: string[]): Promise<Candidates> {
  const { above, below, reverse } = query;
  const most = CANDIDATES_MAX / BLOCK_EVENTS;
  const order = reverse ? 'DESC' : 'ASC';
  const sql = `SELECT DISTINCT block FROM ${blocksOf} AND block BETWEEN ?1 AND ?2 ORDER BY block ${order} LIMIT +?3`;
  const blocks = await numbers(reader, sql, [blockOf(above + 1), blockOf(below - 1), most, ...wanted]);
  const seqs = blocks
    .flatMap((block) => Array.from({ length: BLOCK_EVENTS }, (_, n) => block * BLOCK_EVENTS + n + 1))
    .filter((seq) => seq > above && seq < below);
  const [first, last] = [Math.min(...seqs), Math.max(...seqs)];
  const seen = seenUpTo(query, reverse ? first : last, blocks.length < most);
  return { events: await eventsAt(reader, seqs), seen };
}

/** Where the next step goes on: at the farthest candidate, or at the bound when there were no more. */
function seenUpTo({ above, below, reverse }: Query, farthest: number | undefined, all: boolean): number {
  if (!all && farthest !== undefined) return farthest;
  return reverse ? above + 1 : below - 1;
}

function isFiltering({ kind, subject, actors }: Filters): boolean {
  return kind !== undefined || subject !== undefined || actors !== undefined;
}

function matches(event: StoredEvent, { kind, subject, actors }: Filters): boolean {
  return (
    (kind ?? event.kind) === event.kind &&
    (subject ?? event.subject) === event.subject &&
    (actors === undefined || actors.includes(event.actor))
  );
}

/** The one column of a statement's result. */
async function numbers(reader: Connection, sql: string, parameters: readonly SqlValue[]): Promise<number[]> {
  const rows = await reader.all<{ [column: string]: number }>(sql, parameters);
  return rows.flatMap((row) => Object.values(row));
}

async function eventsAt(reader: Connection, seqs: readonly number[]): Promise<StoredEvent[]> {
  const wanted = new Set(seqs);
  return eventsOf(await reader.all<EventRow>(ROWS_OF, [JSON.stringify(seqs)]), (seq) => wanted.has(seq));
}

async function eventsBetween(reader: Connection, from: number, to: number): Promise<StoredEvent[]> {
  return eventsOf(await reader.all<EventRow>(ROWS_BETWEEN, [from, to]), (seq) => seq >= from && seq <= to);
}

function eventsOf(rows: readonly EventRow[], wanted: (seq: number) => boolean): StoredEvent[] {
  return rows.flatMap((row) => splitRow(row, wanted, decodeEvent));
}

/** Narrows the bounds to the events there are, and to those of the period that is asked for. */
async function withinTime(reader: Connection, query: Query, { since, until }: ReadQuery): Promise<Query> {
  let { above, below } = query;
  if (since !== undefined) above = Math.max(above, await countBefore(reader, since));
  if (until !== undefined) below = Math.min(below, (await countBefore(reader, until + 1)) + 1);
  // Forwards and unfiltered, a page ends with the log by itself. Any other reading takes several looks, which must agree on where that is.
  if (query.reverse || isFiltering(query.filters)) below = Math.min(below, (await lastSeq(reader)) + 1);
  return { ...query, above, below };
}

async function countBefore(reader: Connection, time: number): Promise<number> {
  const row = await reader.get<{ low: number }>(COUNT_BEFORE, [time]);
  return row?.low ?? 0;
}

async function lastSeq(reader: Connection): Promise<number> {
  const row = await reader.get<{ last: number }>('SELECT coalesce(max(last), 0) AS last FROM events');
  return row?.last ?? 0;
}

/** Checks a query; its times are still to be applied. */
function checkQuery(query: ReadQuery, actors: readonly string[] | undefined): Query {
  const { after, limit = PAGE_SIZE_DEFAULT, first = 1, last, since, until, kind, subject, reverse = false } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX) {
    throw invalid(`the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}`);
  }
  requireCount(after, 'cursor', 'the seq of an event, or 0');
  requireCount(first, 'first seq', 'the seq of an event, or 0');
  requireCount(last, 'last seq', 'the seq of an event, or 0');
  requireCount(since, 'earliest time', 'milliseconds since 1970');
  requireCount(until, 'latest time', 'milliseconds since 1970');
  const above = Math.max(first - 1, reverse ? 0 : (after ?? 0));
  const below = Math.min((last ?? MOST) + 1, reverse ? (after ?? MOST) : MOST);
  return { above, below, limit, filters: { kind, subject, actors }, reverse };
}

/** No log has so many events; one more is still exact. */
const MOST = Number.MAX_SAFE_INTEGER - 1;

function requireCount(value: number | undefined, name: string, wanted: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw invalid(`the ${name} is ${value}; give ${wanted}`);
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Events cannot be read: ${what}.`);
}
