/**
 * Reading more events than a page holds, and where in the log a time is. Both over the log's interface alone, whatever database is behind it.
 *
 * Imports types. The facade, the audit and the command line call it.
 */

import type { EventLog, ReadQuery, StoredEvent } from './log.js';

/** What gives pages of events: the log, or a facade before it. */
export type ReadPage = (query: ReadQuery) => Promise<StoredEvent[]>;

/** Every event that a query finds, page by page as they are taken. `limit` is that of a page. */
export async function* readAll(read: ReadPage, query: ReadQuery): AsyncGenerator<StoredEvent> {
  let after = query.after;
  for (;;) {
    const page = await read({ ...query, ...(after !== undefined && { after }) });
    yield* page;
    after = page.at(-1)?.seq;
    if (after === undefined) return;
  }
}

/** A moment in the life of a log: behind the event with this seq, or at this time, in milliseconds since 1970 UTC. */
export type Moment = { readonly seq: number } | { readonly time: number };

/**
 * Seq of the newest event at a moment; 0 before the first. A moment that is yet to come is the newest event there is.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a seq or time outside its range
 */
export async function seqAt(log: Pick<EventLog, 'read'>, moment: Moment): Promise<number> {
  const bound = 'seq' in moment ? { last: moment.seq } : { until: moment.time };
  const [newest] = await log.read({ ...bound, reverse: true, limit: 1 });
  return newest?.seq ?? 0;
}
