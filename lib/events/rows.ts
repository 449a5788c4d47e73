/**
 * Rows of the log: events end to end, and where each ends.
 *
 * Imports limits and errors. `sqlite-log.ts` writes and reads them, `sqlite-views.ts` reads them.
 */

import { ArtifactStoreError } from '../errors.js';
import { ROW_EVENTS_MAX, ROW_SIZE_MAX } from '../limits.js';

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
export function planRows(first: number, ends: readonly number[]): RowPlan {
  const rows: [number, number, number, number, number, number][] = [];
  const packed = Buffer.allocUnsafe(4 * ends.length);
  let from = 0;
  let start = 0;
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number;
    packed.writeUInt32LE(end - start, 4 * i);
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
export function splitRow<T>({ first, last, ends, bytes }: EventRow, take: (seq: number, bytes: Uint8Array) => T): T[] {
  const view = new DataView(ends.buffer, ends.byteOffset, ends.byteLength);
  const taken: T[] = [];
  let start = 0;
  for (let seq = first; seq <= last; seq++) {
    const at = 4 * (seq - first);
    const end = at + 4 <= view.byteLength ? view.getUint32(at, true) : 0;
    if (end <= start || end > bytes.byteLength) throw damaged(seq);
    taken.push(take(seq, bytes.subarray(start, end)));
    start = end;
  }
  if (start !== bytes.byteLength) throw damaged(last);
  return taken;
}

function damaged(seq: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LOG_DAMAGED',
    `Event ${seq} cannot be read: its place in the log is not where the log says. Restore the log from a copy.`,
    { seq },
  );
}
