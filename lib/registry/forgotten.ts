/**
 * The objects whose bytes a batch says were removed, for views that have rows about few objects and forget those of any that goes.
 *
 * Imports batches and fixed rows. `verifications.ts` and `tokens-view.ts` call it.
 */

import type { EventBatch } from '../events/batch.js';
import { FixedRows, putNumber } from '../events/fixed-rows.js';
import { DELETED } from '../events/removed-event.js';
import { DIGEST_SIZE } from '../limits.js';

/** Where the digits of each address begin in the bytes of the batch: as a rule nobody looks there. */
const rows = new FixedRows(':gone', { digitsPlace: 'place' });
const blake3 = `unhex(CAST(substr(:events, ${rows.get('digitsPlace')}, ${2 * DIGEST_SIZE}) AS TEXT))`;

/** Whether the event at `index` is a usual deletion, and the only event of the batch about its object: those are in `goneRows`, and need not be looked at. */
export function isGone({ removals, crowded }: EventBatch, index: number): boolean {
  return removals.kind[index] === DELETED && crowded[index] === 0;
}

/** The addresses of those, for the parameter `gone`; null when there are none. */
export function goneRows(batch: EventBatch): Uint8Array | null {
  const { removals, count } = batch;
  let length = 0;
  for (let i = 0; i < count; i++) if (isGone(batch, i)) length++;
  if (length === 0) return null;
  const blob = rows.blob(length);
  let row = 0;
  for (let i = 0; i < count; i++) {
    if (!isGone(batch, i)) continue;
    putNumber(blob, rows.width * row, rows.places.digitsPlace, (removals.digitsAt[i] as number) + 1); // SQL counts from 1
    row++;
  }
  return blob;
}

/** SQL that forgets them in a table with a column `blake3`. As a rule it is empty, or has none of them. */
export const forgetGone = (table: string): string => `
  DELETE FROM ${table} WHERE blake3 IN (SELECT ${blake3} FROM ${rows.rows} WHERE EXISTS (SELECT 1 FROM ${table}))`;
