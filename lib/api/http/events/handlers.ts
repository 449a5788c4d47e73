/**
 * `GET /v1/events`: the log, as the Accept header wants it: a page, all of it, or what happens from now on.
 *
 * Imports the exchange, the formats and the streams. Called by the router.
 */

import type { ReadQuery, StoredEvent } from '../../../events/log.js';
import type { Store } from '../../../store.js';
import { preferredType } from '../accept.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { cborSeq, cloudEvent, eventJson, ndjson, type StreamFormat, sse } from './formats.js';
import { followOf, readQuery, streamQuery, waitOf } from './query.js';
import { bulk, live } from './stream.js';

const JSON_PAGE = 'application/json';
const CLOUD_EVENTS = 'application/cloudevents-batch+json';

/** Streams have the media type they are asked by. */
const STREAMS: ReadonlyMap<string, StreamFormat> = new Map([sse, ndjson, cborSeq].map((one) => [one.mediaType, one]));

export async function listEvents(exchange: Exchange): Promise<Answer> {
  const type = preferredType(exchange.headers.accept, [JSON_PAGE, CLOUD_EVENTS, ...STREAMS.keys()]);
  const format = STREAMS.get(type);
  if (format !== undefined) return stream(exchange, format);
  const query = readQuery(exchange);
  const events = await firstPage(exchange, query);
  // At the end of the log there is something to wait for behind `after`; at its beginning, read backwards, there is not.
  const next = events.at(-1)?.seq ?? (query.reverse ? undefined : (query.after ?? 0));
  const vary = { Vary: 'Accept' };
  if (type === JSON_PAGE) return json(200, { events: events.map(eventJson), next }, vary);
  const position = next !== undefined && { 'Artifactstore-Next': next };
  return json(200, events.map(cloudEvent), { ...vary, ...position, 'Content-Type': CLOUD_EVENTS });
}

async function stream(exchange: Exchange, format: StreamFormat): Promise<Answer> {
  const { store, method, heartbeatMs } = exchange;
  const isLive = format === sse || followOf(exchange);
  const query = isLive ? streamQuery(exchange) : readQuery(exchange);
  const headers = {
    'Content-Type': format.mediaType,
    'Cache-Control': 'no-store',
    Vary: 'Accept',
    'X-Accel-Buffering': 'no', // nginx would hold back what is small
  };
  if (method === 'HEAD') return { status: 200, headers };
  const rest = isLive
    ? live(store, query, format, { signal: exchange.ended(), heartbeatMs })
    : bulk(store, query, format);
  return { status: 200, headers, body: { first: await rest.next(), rest } };
}

/** The page; when it is empty and the client wants to wait, the page once there is something on it. */
async function firstPage(exchange: Exchange, query: ReadQuery): Promise<StoredEvent[]> {
  const waitMs = waitOf(exchange);
  const page = await exchange.store.events(query);
  if (page.length > 0 || waitMs === 0 || query.reverse || exchange.method === 'HEAD') return page;
  const ending = new AbortController();
  const end = () => ending.abort();
  const ended = exchange.ended();
  if (ended.aborted) return page;
  ended.addEventListener('abort', end);
  const timer = setTimeout(end, waitMs);
  try {
    return await pageAfterNext(exchange.store, query, ending.signal);
  } finally {
    clearTimeout(timer);
    ended.removeEventListener('abort', end);
  }
}

async function pageAfterNext(store: Store, query: ReadQuery, signal: AbortSignal): Promise<StoredEvent[]> {
  const { kind, subject, actor, after = 0 } = query;
  const filters = { ...(kind && { kind }), ...(subject && { subject }), ...(actor && { actor }) };
  for await (const { type } of store.subscribe({ ...filters, after, signal })) {
    if (type !== 'event') continue;
    const page = await store.events(query);
    if (page.length > 0) return page;
  }
  return [];
}
