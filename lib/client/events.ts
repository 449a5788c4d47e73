/**
 * The event log of a service: read, and followed over broken connections and restarts without missing or repeating an event.
 *
 * Events come as a CBOR sequence, byte for byte as they are stored, so they are those of the library. Imports CBOR, the envelope, the log's
 * types, errors, limits and this folder. Called by the client.
 */

import { decodeCanonical, elementSlices, sequenceItems } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { decodeEvent } from '../events/envelope.js';
import type { ReadQuery, StoredEvent } from '../events/log.js';
import { revealed } from '../events/personal-texts.js';
import type { Moment } from '../events/read-all.js';
import { type Delivery, eventsOnly } from '../events/subscribe.js';
import { EVENT_SIZE_MAX, PAGE_SIZE_DEFAULT } from '../limits.js';
import type { FollowOptions } from '../store/history.js';
import { Interrupted } from './interrupted.js';
import type { Service } from './service.js';

const SEQUENCE = 'application/cbor-seq';

/** Bytes of an item of the sequence: its event, up to four texts that may each be as long, and some around them. */
const ITEM_SIZE_MAX = 5 * EVENT_SIZE_MAX + 1024;

/** The largest number that a query takes: 15 digits. */
const QUERY_INTEGER_MAX = 999_999_999_999_999;

/** As `Store.events`. */
export async function readEvents(service: Service, query: ReadQuery = {}): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  const attempts = service.attempts();
  const { limit = PAGE_SIZE_DEFAULT, ...asked } = query;
  for (;;) {
    const after = events.at(-1)?.seq ?? query.after;
    try {
      const call = { ...asked, ...(after !== undefined && { after }), limit: limit - events.length };
      for await (const delivery of deliveries(service, call))
        if (delivery.type === 'event') events.push(delivery.event);
      return events;
    } catch (error) {
      await attempts.after(error);
      if (events.length >= limit) return events;
    }
  }
}

/** Seq of the newest event at a moment; 0 before the first. */
export async function seqAt(service: Service, moment: Moment): Promise<number> {
  // What is later than can be said is later than everything.
  const bound = (value: number) => Math.min(value, QUERY_INTEGER_MAX);
  const at = 'seq' in moment ? { last: bound(moment.seq) } : { until: bound(moment.time) };
  const [newest] = await readEvents(service, { ...at, reverse: true, limit: 1 });
  return newest?.seq ?? 0;
}

/** As `Store.follow`. */
export function follow(service: Service, options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
  return eventsOnly(subscribe(service, options));
}

/**
 * As `Store.subscribe`; `checkpoint`s come as often as the service says that nothing is new, too. When the connection breaks it goes on behind the last
 * event or mark that came; it ends with its signal, and fails when the service stays away.
 */
export async function* subscribe(service: Service, options: FollowOptions = {}): AsyncGenerator<Delivery> {
  const { signal, after: start, ...filters } = options;
  const attempts = service.attempts(signal);
  // Where it begins must be known before the first connection can break.
  let after = start ?? (await seqAt(service, { time: Number.MAX_SAFE_INTEGER }));
  let isCaughtUp = false;
  while (!signal?.aborted) {
    try {
      for await (const delivery of deliveries(service, { ...filters, after, follow: true }, signal)) {
        attempts.progress();
        after = delivery.type === 'event' ? delivery.event.seq : delivery.seq;
        // A service that was away says it anew; to the reader nothing has changed.
        const isKnown = delivery.type === 'caught-up' && isCaughtUp;
        isCaughtUp = delivery.type === 'fell-behind' ? false : isCaughtUp || delivery.type === 'caught-up';
        if (!isKnown) yield delivery;
      }
      // The service has ended the stream, because it stops.
      await attempts.after(ended(service));
    } catch (error) {
      if (signal?.aborted) return;
      await attempts.after(error).catch((failure: Interrupted) => {
        if (!signal?.aborted) throw failure;
      });
    }
  }
}

async function* deliveries(
  service: Service,
  query: ReadQuery & { follow?: boolean },
  signal?: AbortSignal,
): AsyncGenerator<Delivery> {
  const { bytes } = await service.send({
    method: 'GET',
    path: '/v1/events',
    query: { ...query },
    headers: { accept: SEQUENCE },
    signal,
  });
  for await (const item of sequenceItems(bytes, ITEM_SIZE_MAX)) {
    const delivery = deliveryOf(item);
    if (delivery !== undefined) yield delivery;
  }
}

/** `[seq, event]`, `[seq, event, texts]`, `[seq, name of a mark, …]`, or `[seq]` and `[]`, which are signs of life. */
function deliveryOf(item: Uint8Array): Delivery | undefined {
  const [first, second, third] = elementSlices(item);
  if (first === undefined) return undefined;
  const seq = decodeCanonical(first);
  if (typeof seq !== 'number') throw notEvents();
  if (second === undefined) return { type: 'checkpoint', seq };
  const mark = isMap(second) ? undefined : decodeCanonical(second);
  if (mark === undefined) return { type: 'event', event: eventOf(seq, new Uint8Array(second), third) };
  if (mark === 'caught-up') return { type: mark, seq };
  if (mark === 'fell-behind') return { type: mark, seq, waiting: Number(third && decodeCanonical(third)) };
  return undefined; // of a newer service
}

/** An event with the texts that came beside it. */
function eventOf(seq: number, bytes: Uint8Array, texts: Uint8Array | undefined): StoredEvent {
  const event = decodeEvent(seq, bytes);
  if (texts === undefined || !isMap(texts)) return event;
  const known = Object.entries(decodeCanonical(texts) as object).filter(([, text]) => typeof text === 'string');
  return revealed(event, new Map(known as [string, string][]));
}

function isMap(bytes: Uint8Array): boolean {
  return (bytes[0] as number) >> 5 === 5;
}

function notEvents(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_HTTP_ANSWER', 'What came are not events. Check what is at this address.');
}

function ended({ url }: Service): Interrupted {
  const message = `${url} has ended the stream of events. Try again.`;
  return new Interrupted('AS_ERR_UNAVAILABLE', message, {}, { mayBeDone: false });
}
