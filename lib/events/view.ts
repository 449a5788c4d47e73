/**
 * What a view is: tables derived from the log, and nothing that the log does not say.
 *
 * Imports types only. `lib/registry/views.ts` defines views, `log-index.ts` the one that the log itself reads; the log applies them in the
 * transaction that stores the events, so a caller reads its own writes, and applies them again from the first event when it rebuilds.
 *
 * A view is two halves. `project` is a pure function: a batch of events in, plain data out. `apply` is a fixed list of SQL statements
 * over that data. So a batch costs the same few statements whatever its size, and a view cannot depend on anything but
 * the events. The outcome must not depend on where batches begin and end: a rebuild cuts them differently.
 */

import type { StoredEvent } from './log.js';

/** JSON as views use it. */
export type Changes = string | number | boolean | null | readonly Changes[] | { readonly [key: string]: Changes };

/** Changes with byte strings, which JSON can carry only as text: they lie end to end in `bytes`, and the JSON names their places. */
export class PackedChanges {
  constructor(
    readonly json: Changes,
    readonly bytes: Uint8Array,
  ) {}
}

/** One view. */
export interface View {
  /** Unique among the views of a log. */
  readonly name: string;
  /** Raised whenever `schema`, `project` or `apply` changes: a log that holds another version of the view rebuilds it. */
  readonly version: number;
  /** SQL that creates its tables, empty. */
  readonly schema: string;
  /** SQL that drops them. It is kept in the database, so that any later version can drop what this one made. */
  readonly drop: string;
  /** What a batch of events changes; null for nothing. Events that the view does not know are passed over. */
  project(events: readonly StoredEvent[]): Changes | PackedChanges;
  /**
   * Statements, run in this order, each with the changes as JSON text in `:changes` and their bytes in `:bytes`. They have no other parameter
   * and no WITH clause in front, and do nothing when the JSON is `null`. They may read the tables of the log's own index, which
   * knows the batch already.
   */
  readonly apply: readonly string[];
}
