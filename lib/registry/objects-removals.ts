/**
 * Tombstones and deletions of one batch, each alone with its object, as rows of fixed width: what a sweep of many objects writes.
 *
 * Imports batches, event kinds, fixed rows and the tables beside it. objects-view.ts calls it.
 */

import type { EventBatch } from '../events/batch.js';
import { putDigits, putNumber } from '../events/fixed-rows.js';
import { factsOf } from '../events/kinds.js';
import { restOfTombstone } from './objects-fold.js';
import { deletionRows, tombstoneRows } from './objects-schema.js';

/** What events have in common that are of the same facts, time and actor. */
interface Shared {
  /** When the object may be swept. */
  readonly sweepAfter: number;
  /** Where the rest of the tombstone is among `rests`, from 1 as SQL counts. */
  readonly restPlace: number;
  readonly restSize: number;
}

/** The JSON that tombstones share, end to end. */
class Rests {
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  add(json: string): Pick<Shared, 'restPlace' | 'restSize'> {
    const part = Buffer.from(json);
    const restPlace = this.#size + 1;
    this.#parts.push(part);
    this.#size += part.byteLength;
    return { restPlace, restSize: part.byteLength };
  }

  take(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** The changes as the statements of objects-schema.ts take them. */
export function removalsOf(batch: EventBatch, tombstoned: readonly number[], deleted: readonly number[]) {
  if (tombstoned.length + deleted.length === 0) return null;
  const rests = new Rests();
  return {
    ...(tombstoned.length > 0 && { tombstoned: rowsOf(batch, tombstoned, tombstoneRows, rests) }),
    ...(deleted.length > 0 && { deleted: rowsOf(batch, deleted, deletionRows, rests) }),
    rests: rests.take(),
  };
}

function rowsOf(batch: EventBatch, indexes: readonly number[], rows: typeof tombstoneRows, rests: Rests): Uint8Array {
  const { first, bytes, removals } = batch;
  const { width, places } = rows;
  const blob = rows.blob(indexes.length);
  let shared: Shared | undefined;
  let before = -1;
  for (let row = 0; row < indexes.length; row++) {
    const i = indexes[row] as number;
    if (shared === undefined || !areAlike(batch, before, i)) shared = sharedOf(batch, i, rests);
    before = i;
    const at = width * row;
    putDigits(blob, at, places.blake3, bytes, removals.digitsAt[i] as number);
    putNumber(blob, at, places.seq, first + i);
    putNumber(blob, at, places.sweepAfter, shared.sweepAfter);
    putNumber(blob, at, places.idPlace, (removals.idAt[i] as number) + 1); // SQL counts from 1
    putNumber(blob, at, places.restPlace, shared.restPlace);
    putNumber(blob, at, places.restSize, shared.restSize);
  }
  return blob;
}

/** Whether two events of a kind have the same time and actor, and tombstones the same facts, as far as their bytes tell. */
function areAlike({ bytes, removals }: EventBatch, before: number, index: number): boolean {
  const [at, other] = [removals.alikeAt[index] as number, removals.alikeAt[before] as number];
  const size = (removals.digitsAt[index] as number) - at;
  if (size !== (removals.digitsAt[before] as number) - other) return false;
  for (let i = 0; i < size; i++) if (bytes[at + i] !== bytes[other + i]) return false;
  return true;
}

function sharedOf(batch: EventBatch, index: number, rests: Rests): Shared {
  const event = batch.event(index);
  const facts = factsOf(event, 'object.tombstoned');
  const sweepAfter = facts?.grace === undefined ? 0 : event.time + facts.grace;
  return { sweepAfter, ...rests.add(restOfTombstone(event, facts)) };
}
