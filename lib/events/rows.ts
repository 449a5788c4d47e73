/**
 * Rows of the log: events end to end, and where each ends.
 *
 * Imports batches, limits and errors. `sqlite-log.ts` writes and reads them, `sqlite-views.ts` reads them.
 */

import { ArtifactStoreError } from '../errors.js';
import { ROW_EVENTS_MAX, ROW_SIZE_MAX } from '../limits.js';
import type { FillRecords } from '../record-form.js';
import { EventBatch } from './batch.js';

/** One row, as docs/formats/events.md has it. */
export interface EventRow {
  first: number;
  last: number;
  /** For each event where it ends in `bytes`: 32 bits, unsigned, little-endian. */
  ends: Uint8Array;
  bytes: Uint8Array;
}

/** Columns of a row, for SQL. */
export const ROW_COLUMNS = 'first, last, ends, bytes';

/** Where rows end in one commit. */
export interface RowPlan {
  /** For each row: seqs of its first and last event, then offset and size of its bytes and of its ends, offsets from 1 as SQL counts. */
  readonly rows: readonly (readonly [number, number, number, number, number, number])[];
  /** The ends of all rows. */
  readonly ends: Uint8Array;
}

/**
 * Divides the events of a commit into rows.
 *
 * @param first seq of the first event
 * @param ends where each event ends in the bytes of the commit
 */
export function planRows(first: number, ends: Uint32Array): RowPlan {
  const rows: [number, number, number, number, number, number][] = [];
  const packed = new Uint8Array(4 * ends.length);
  const view = new DataView(packed.buffer);
  let from = 0;
  let start = 0;
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number;
    view.setUint32(4 * i, end - start, true);
    const count = i + 1 - from;
    if (count < ROW_EVENTS_MAX && end - start < ROW_SIZE_MAX && i + 1 < ends.length) continue;
    rows.push([first + from, first + i, start + 1, end - start, 4 * from + 1, 4 * count]);
    from = i + 1;
    start = end;
  }
  return { rows, ends: packed };
}

/**
 * Gives each event of a row: its seq and its bytes, a view into those of the row.
 *
 * @throws AS_ERR_LOG_DAMAGED: the ends are not those of its events
 */
export function splitRow<T>(row: EventRow, take: (seq: number, bytes: Uint8Array) => T): T[] {
  const ends = new Uint32Array(row.last - row.first + 1);
  readEnds(row, ends, 0, 0);
  return Array.from(ends, (end, index) => take(row.first + index, row.bytes.subarray(ends[index - 1] ?? 0, end)));
}

/**
 * The events of rows that follow each other, as one batch; undefined when there is no row.
 *
 * @throws AS_ERR_LOG_DAMAGED: as for `splitRow`
 */
export function joinRows(rows: readonly EventRow[], fillRecords?: FillRecords): EventBatch | undefined {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const ends = new Uint32Array(last.last - first.first + 1);
  let base = 0;
  for (const row of rows) {
    readEnds(row, ends, row.first - first.first, base);
    base += row.bytes.byteLength;
  }
  const bytes = Buffer.concat(rows.map((row) => row.bytes));
  return new EventBatch(first.first, bytes, ends, undefined, undefined, undefined, fillRecords);
}

/** Writes where the events of a row end, plus `base`, into `target` from index `at` on. */
function readEnds({ first, last, ends, bytes }: EventRow, target: Uint32Array, at: number, base: number): void {
  const view = new DataView(ends.buffer, ends.byteOffset, ends.byteLength);
  let start = 0;
  for (let seq = first; seq <= last; seq++) {
    const place = 4 * (seq - first);
    const end = place + 4 <= view.byteLength ? view.getUint32(place, true) : 0;
    if (end <= start || end > bytes.byteLength) throw damaged(seq);
    target[at + seq - first] = base + end;
    start = end;
  }
  if (start !== bytes.byteLength) throw damaged(last);
}

function damaged(seq: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LOG_DAMAGED',
    `Event ${seq} cannot be read: its place in the log is not where the log says. Restore the log from a copy.`,
    { seq },
  );
}
