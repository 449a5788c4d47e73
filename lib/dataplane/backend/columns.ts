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

/**
 * Adds ingests to a table, from column `index` to the place of each.
 *
 * @returns those that are not stored, by the index of their item: a failure, or the handle of a file
 */
export function addToTable(
  table: MutableIngestTable,
  places: readonly number[],
  start: number,
  columns: NativeColumns,
): [number, NativeFailure | Handle][] {
  const { digests, sizes, storedSizes, flags, others } = columns;
  const left: [number, NativeFailure | Handle][] = [];
  for (let index = 0; index < sizes.length; index++) {
    const place = places[start + index] as number;
    const flag = flags[index] as number;
    for (let n = 0; n < 2 * DIGEST_SIZE; n++) {
      table.digests[2 * DIGEST_SIZE * place + n] = digests[2 * DIGEST_SIZE * index + n] as number;
    }
    table.sizes[place] = sizes[index] as number;
    table.storedSizes[place] = storedSizes[index] as number;
    table.existed[place] = flag & IngestFlag.existed ? 1 : 0;
    table.healed[place] = flag & IngestFlag.healed ? 1 : 0;
    if (flag & IngestFlag.other) left.push([start + index, others[index] as NativeFailure | Handle]);
  }
  return left;
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
