/**
 * Streams of events: what happens as it happens, with signs of life in between; and what there is, page by page.
 *
 * Imports the log's reading, the store's type, limits and the formats. Called by `handlers.ts`. Nothing is read ahead for a client that does not
 * take what it was given: one page of events is all that is ever held for it, and `send.ts` ends its connection when it takes nothing at all.
 */

import type { ReadQuery } from '../../../events/log.js';
import { readAll } from '../../../events/read-all.js';
import type { Delivery } from '../../../events/subscribe.js';
import { EVENTS_CHECKPOINT_EVERY, PAGE_SIZE_DEFAULT } from '../../../limits.js';
import type { Store } from '../../../store.js';
import { Inbox } from '../inbox.js';
import type { StreamFormat } from './formats.js';

/** What is new, until `signal`; then, as the last thing, how far it has come. `query` has no end; `since` is the time to start at. */
export async function* live(
  store: Store,
  { since, after, ...filters }: ReadQuery,
  format: StreamFormat,
  { signal, heartbeatMs }: { signal: AbortSignal; heartbeatMs: number },
): AsyncGenerator<Uint8Array> {
  const start = await startOf(store, after, since);
  const behind = start !== undefined && { after: start };
  const deliveries = store.subscribe({ ...filters, ...behind, checkpointEvery: EVENTS_CHECKPOINT_EVERY, signal });
  const inbox = new Inbox(deliveries);
  let seq = start;
  try {
    yield Buffer.from(format.hello(), 'latin1');
    for (;;) {
      const step = await inbox.next(heartbeatMs);
      if (step?.done) break;
      if (step) seq = step.value.type === 'event' ? step.value.event.seq : step.value.seq;
      const said = step ? say(step.value, format) : format.heartbeat(seq);
      if (said.length > 0) yield Buffer.from(said as string);
    }
    yield Buffer.from(format.heartbeat(seq) as string); // the end: where to go on from
  } finally {
    void deliveries.return(undefined); // not awaited: it ends with the signal, and its error would come too late for anybody
  }
}

/** Everything that a query finds now. `limit` bounds the whole, not a page. */
export async function* bulk(store: Store, query: ReadQuery, format: StreamFormat): AsyncGenerator<Uint8Array> {
  const { limit = Number.POSITIVE_INFINITY, ...rest } = query;
  const newest = await store.seqAt({ time: Number.MAX_SAFE_INTEGER });
  const last = Math.min(rest.last ?? newest, newest);
  const page = Math.min(limit, PAGE_SIZE_DEFAULT);
  let count = 0;
  let waiting: Uint8Array[] = [];
  for await (const event of readAll((one) => store.events(one), { ...rest, last, limit: page })) {
    waiting.push(Buffer.from(format.event(event) as string));
    count++;
    if (waiting.length < page && count < limit) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    if (count >= limit) return;
  }
  if (waiting.length > 0) yield Buffer.concat(waiting);
}

function say(delivery: Delivery, format: StreamFormat): string | Uint8Array {
  switch (delivery.type) {
    case 'event':
      return format.event(delivery.event);
    case 'checkpoint':
      return format.heartbeat(delivery.seq);
    default: {
      const { type, ...facts } = delivery;
      return format.mark(type, facts);
    }
  }
}

/** The seq to start behind; undefined: what is newest now. */
async function startOf(
  store: Store,
  after: number | undefined,
  since: number | undefined,
): Promise<number | undefined> {
  if (since === undefined) return after;
  const before = since === 0 ? 0 : await store.seqAt({ time: since - 1 });
  return Math.max(before, after ?? 0);
}
