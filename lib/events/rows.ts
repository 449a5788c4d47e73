/**
 * Rows of the log: events end to end or packed, and where each ends.
 *
 * Imports batches, packed rows and errors. `sqlite-read.ts` and `sqlite-views.ts` read them; `row-plan.ts` makes them.
 */

import { ArtifactStoreError } from '../errors.js';
import type { FillRecords } from '../record-form.js';
import { isPacked, PackedRow, plainRowPacking, type RowPacking } from '../record-rows.js';
import { EventBatch } from './batch.js';

/** One row, as docs/formats/events.md has it. */
export interface EventRow {
  first: number;
  last: number;
  /** For each event where it ends among those of the row: 32 bits, unsigned, little-endian. */
  ends: Uint8Array;
  /** The events end to end, or packed. */
  bytes: Uint8Array;
}

/** Columns of a row, for SQL. */
export const ROW_COLUMNS = 'first, last, ends, bytes';

/**
 * Gives the wanted events of a row: of each its seq and its bytes.
 *
 * @throws AS_ERR_LOG_DAMAGED: the row is not one of its events
 */
export function splitRow<T>(
  row: EventRow,
  wanted: (seq: number) => boolean,
  take: (seq: number, bytes: Uint8Array) => T,
): T[] {
  const ends = new Uint32Array(row.last - row.first + 1);
  const packed = openRow(row, ends, 0, 0);
  const found: T[] = [];
  for (let n = 0; n < ends.length; n++) {
    if (!wanted(row.first + n)) continue;
    const start = ends[n - 1] ?? 0;
    found.push(take(row.first + n, packed?.record(n) ?? row.bytes.subarray(start, ends[n])));
  }
  return found;
}

/**
 * The events of rows that follow each other, as one batch; undefined when there is no row.
 *
 * @throws AS_ERR_LOG_DAMAGED: as for `splitRow`
 */
export function joinRows(
  rows: readonly EventRow[],
  fillRecords?: FillRecords,
  { unpack }: RowPacking = plainRowPacking,
): EventBatch | undefined {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const ends = new Uint32Array(last.last - first.first + 1);
  const opened: (PackedRow | undefined)[] = [];
  let base = 0;
  for (const row of rows) {
    opened.push(openRow(row, ends, row.first - first.first, base));
    base = ends[row.last - first.first] as number;
  }
  const bytes = Buffer.allocUnsafe(base);
  for (const [index, row] of rows.entries()) {
    const at = ends[row.first - first.first - 1] ?? 0;
    const packed = opened[index];
    if (packed === undefined) bytes.set(row.bytes, at);
    else packed.writeAll(unpack, bytes, at);
  }
  return new EventBatch(first.first, bytes, ends, undefined, undefined, undefined, fillRecords);
}

/** Writes where the events of a row end, plus `base`, into `target` from index `at` on; gives the row where it is packed. */
function openRow(row: EventRow, target: Uint32Array, at: number, base: number): PackedRow | undefined {
  const { first, last, bytes } = row;
  const packed = isPacked(bytes) ? openPacked(row) : undefined;
  const view = new DataView(row.ends.buffer, row.ends.byteOffset, row.ends.byteLength);
  let start = 0;
  for (let seq = first; seq <= last; seq++) {
    const place = 4 * (seq - first);
    const end = place + 4 <= view.byteLength ? view.getUint32(place, true) : 0;
    const isThere = packed === undefined ? end <= bytes.byteLength : end - start === packed.size(seq - first);
    if (end <= start || !isThere) throw damaged(seq);
    target[at + seq - first] = base + end;
    start = end;
  }
  if (packed === undefined && start !== bytes.byteLength) throw damaged(last);
  return packed;
}

function openPacked({ first, last, bytes }: EventRow): PackedRow {
  try {
    return new PackedRow(bytes, last - first + 1);
  } catch (cause) {
    throw damaged(first, cause);
  }
}

function damaged(seq: number, cause?: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LOG_DAMAGED',
    `Event ${seq} cannot be read: its place in the log is not where the log says. Restore the log from a copy.`,
    { seq },
    cause === undefined ? undefined : { cause },
  );
}
