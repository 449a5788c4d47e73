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

import type { EventBatch } from './batch.js';

/** What a batch changes, by the name of the parameter: text such as JSON, or bytes such as those of `FixedRows`. */
export type Projection<Parameter extends string = string> = {
  readonly [name in Parameter]?: string | Uint8Array | null;
};

/** One view. */
export interface View<Parameter extends string = string> {
  /** Unique among the views of a log. */
  readonly name: string;
  /** Raised whenever `schema`, `project` or `apply` changes what is in the tables: a log that holds another version of the view rebuilds all. */
  readonly version: number;
  /** SQL that creates its tables, empty, and triggers, which may be on the tables of views before it. */
  readonly schema: string;
  /** SQL that drops them. It is kept in the database, so that any later version can drop what this one made. */
  readonly drop: string;
  /** The names of what `project` gives: words of lower-case letters. */
  readonly parameters: readonly Parameter[];
  /** What a batch of events changes; null for nothing. Events that the view does not know are passed over. */
  project(batch: EventBatch): Projection<Parameter> | null;
  /**
   * Statements, run in this order, with the parameters by name, such as `:changes`; what `project` left out is null, and with all of them null they do
   * nothing. `:events` has the bytes of the batch. They have no other parameter and no WITH clause in front. They may read the tables of the
   * log's own index and of views before this one, which know the batch already.
   */
  readonly apply: readonly string[];
}
