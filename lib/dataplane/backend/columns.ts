/**
 * What the columns of gathered operations say about one item.
 *
 * Pure; imports the addon's types and limits. Called by local.ts.
 */

import { DIGEST_SIZE } from '../../limits.js';
import {
  type Handle,
  IngestFlag,
  type NativeColumns,
  type NativeFailure,
  type NativeIngested,
  type NativeRemovedColumns,
  type NativeVerified,
  type NativeVerifiedColumns,
  RemovedFlag,
  VerifiedFlag,
} from '../../native/addon.js';
import type { MutableIngestTable } from '../ingest-table.js';

/** Stored, or the handle of a file that was too long for one step. */
export function ingestOutcome(columns: NativeColumns, index: number): NativeIngested | Handle | NativeFailure {
  const flags = columns.flags[index] ?? 0;
  if (flags & IngestFlag.other) return columns.others[index] as NativeFailure | Handle;
  return {
    digests: digestsAt(columns.digests, index),
    size: columns.sizes[index] ?? 0,
    storedSize: columns.storedSizes[index] ?? 0,
    existed: (flags & IngestFlag.existed) !== 0,
    healed: (flags & IngestFlag.healed) !== 0,
    deferred: (flags & IngestFlag.deferred) !== 0,
  };
}

/** Those of an operation that are not stored, by the index of their item: a failure, or the handle of a file. */
type Left = [number, NativeFailure | Handle][];

/**
 * Adds ingests to a table, from column `index` to the place of each.
 *
 * @param start the index, among `places`, of the operation's first item
 */
export function addToTable(
  table: MutableIngestTable,
  places: readonly number[],
  start: number,
  columns: NativeColumns,
): Left {
  const { digests, sizes, storedSizes, flags } = columns;
  const count = sizes.length;
  const first = places[start] as number;
  // Places ascend: so many from the first to the last are a run.
  if ((places[start + count - 1] as number) - first === count - 1) {
    return fillTable(table, first, columns).map(([index, other]) => [start + index, other]);
  }
  for (let index = 0; index < count; index++) {
    const place = places[start + index] as number;
    table.digests.set(digestsAt(digests, index), 2 * DIGEST_SIZE * place);
    table.sizes[place] = sizes[index] as number;
    table.storedSizes[place] = storedSizes[index] as number;
    setFlags(table, place, flags[index] as number);
  }
  return leftOf(columns).map(([index, other]) => [start + index, other]);
}

/** Adds ingests to a table whose places are a run that begins at `first`. */
export function fillTable(table: MutableIngestTable, first: number, columns: NativeColumns): Left {
  const { digests, sizes, storedSizes, flags } = columns;
  table.digests.set(digests, 2 * DIGEST_SIZE * first);
  table.sizes.set(sizes, first);
  table.storedSizes.set(storedSizes, first);
  for (let index = 0; index < flags.length; index++) {
    const flag = flags[index] as number;
    if (flag !== 0) setFlags(table, first + index, flag);
  }
  return leftOf(columns);
}

function setFlags(table: MutableIngestTable, place: number, flag: number): void {
  table.existed[place] = flag & IngestFlag.existed ? 1 : 0;
  table.healed[place] = flag & IngestFlag.healed ? 1 : 0;
}

function leftOf({ others }: NativeColumns): Left {
  return Object.entries(others).map(([index, other]) => [Number(index), other]);
}

/** What was found; null for an object that is too large for one step; undefined for one that has to wait for another. */
export function verifyOutcome(
  columns: NativeVerifiedColumns,
  index: number,
): NativeVerified | NativeFailure | null | undefined {
  switch (columns.flags[index]) {
    case VerifiedFlag.later:
      return undefined;
    case VerifiedFlag.large:
      return null;
    case VerifiedFlag.other:
      return columns.others[index] as NativeFailure | NativeVerified;
    default:
      return {
        digests: digestsAt(columns.digests, index),
        size: columns.sizes[index] ?? 0,
        intact: true,
        repaired: false,
        damaged: [],
      };
  }
}

/** Whether something was there, as 0 or 1, and the bytes freed. */
export function removeOutcome(columns: NativeRemovedColumns, index: number): number[] | NativeFailure {
  const flag = columns.flags[index] ?? 0;
  if (flag & RemovedFlag.failed) return columns.others[index] as NativeFailure;
  return [flag & RemovedFlag.removed, columns.freedSizes[index] ?? 0];
}

function digestsAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * 2 * DIGEST_SIZE, (index + 1) * 2 * DIGEST_SIZE);
}
