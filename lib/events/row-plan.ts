/**
 * Dividing a commit into rows of the log, packed where events are alike.
 *
 * Imports packed rows, forms and limits. `sqlite-log.ts` calls it.
 */

import { ROW_EVENTS_MAX, ROW_SIZE_MAX } from '../limits.js';
import { plainRowPacking, type RowPacking } from '../record-rows.js';
import type { EventForms } from './event-forms.js';

/** Events from which on it pays to call the core, whose arguments have to be taken apart first. */
const CORE_EVENTS_MIN = 16;

/** The rows of one commit. */
export interface RowPlan {
  /** For each row: seqs of its first and last event, then offset and size of its bytes and of its ends, offsets from 1 as SQL counts. */
  readonly rows: readonly (readonly [number, number, number, number, number, number])[];
  /** The ends of all rows. */
  readonly ends: Uint8Array;
  /** The bytes of all rows, where they are not those of the events. */
  readonly packed: Uint8Array | null;
}

/**
 * Divides the events of a commit into rows.
 *
 * @param first seq of the first event
 * @param bytes the events of the commit, end to end
 * @param ends where each ends
 * @param forms which of them are alike
 */
export function planRows(
  first: number,
  bytes: Uint8Array,
  ends: Uint32Array,
  forms: EventForms,
  packing: RowPacking,
): RowPlan {
  const rows = Uint32Array.from(cutRows(ends, forms.of));
  const target = Buffer.allocUnsafe(bytes.byteLength);
  const [rowEnds, endsInRows] = [new Uint32Array(rows.length), new Uint8Array(4 * ends.length)];
  const { pack } = ends.length < CORE_EVENTS_MIN ? plainRowPacking : packing;
  pack({ bytes, ends, rows, formOf: forms.of, forms: forms.parts, target, rowEnds, endsInRows });
  const plan = Array.from(rows, (to, index) => {
    const [from, start] = [rows[index - 1] ?? 0, rowEnds[index - 1] ?? 0];
    const size = (rowEnds[index] as number) - start;
    return [first + from, first + to - 1, start + 1, size, 4 * from + 1, 4 * (to - from)] as const;
  });
  const size = rowEnds.at(-1) ?? 0;
  return { rows: plan, ends: endsInRows, packed: size === bytes.byteLength ? null : target.subarray(0, size) };
}

/** For each row the index behind its last event. A row ends when it has enough; and where events of forms begin or end, because all of a row are packed, or none. */
function cutRows(ends: Uint32Array, formOf: Uint8Array): number[] {
  const rows: number[] = [];
  for (let from = 0; from < ends.length; ) {
    let to = from + 1;
    const start = ends[from - 1] ?? 0;
    const most = Math.min(from + ROW_EVENTS_MAX, ends.length);
    // Nearly every row is this: many events alike, and none of them large.
    if (
      formOf[from] !== 0 &&
      (ends[most - 1] as number) - start < ROW_SIZE_MAX &&
      !formOf.subarray(from, most).includes(0)
    )
      to = most;
    while (to < most && (ends[to - 1] as number) - start < ROW_SIZE_MAX && (formOf[to] === 0) === (formOf[from] === 0))
      to++;
    rows.push(to);
    from = to;
  }
  return rows;
}
