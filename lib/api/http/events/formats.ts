/**
 * Events as clients read them: JSON, CBOR, server-sent events and CloudEvents.
 *
 * Imports CBOR and the log's types. Called by `handlers.ts` and `stream.ts`.
 */

import { Encoded, encodeCanonical, toJson } from '../../../cbor/index.js';
import type { StoredEvent } from '../../../events/log.js';
import { EVENTS_RETRY_MS } from '../../../limits.js';

/** How a stream says things. */
export interface StreamFormat {
  readonly mediaType: string;
  /** First of all, so that the client knows that it is connected. */
  hello(): string;
  event(event: StoredEvent): string | Uint8Array;
  /** A mark between events; empty where the format has none. */
  mark(name: 'caught-up' | 'fell-behind', facts: { seq: number; waiting?: number }): string | Uint8Array;
  /** Nothing new up to `seq`, or as far as is known when absent. */
  heartbeat(seq: number | undefined): string | Uint8Array;
}

/** One event as a JSON value. */
export function eventJson({ seq, v, id, time, kind, actor, subject, data }: StoredEvent) {
  return { seq, v, id, time, kind, actor, subject, data: toJson(data) };
}

/**
 * One event as CloudEvents 1.0 has it, structured. `id` is unique over all logs; `sequence` is the extension of that name, `actor` one of our own.
 */
export function cloudEvent({ seq, id, time, kind, actor, subject, data }: StoredEvent) {
  return {
    specversion: '1.0',
    id,
    source: '/v1/events',
    type: `artifactstore.${kind}`,
    ...(subject !== null && { subject }),
    time: new Date(time).toISOString(),
    datacontenttype: 'application/json',
    sequence: String(seq).padStart(16, '0'),
    actor,
    data: toJson(data),
  };
}

/** JSON text of events that several readers get: a commit wakes them all, and they share the event. */
const texts = new WeakMap<StoredEvent, string>();

function eventText(event: StoredEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = JSON.stringify(eventJson(event));
    texts.set(event, text);
  }
  return text;
}

/** Lines of JSON; an empty line is a sign of life. */
export const ndjson: StreamFormat = {
  mediaType: 'application/x-ndjson',
  hello: () => '\n',
  event: (event) => `${eventText(event)}\n`,
  mark: () => '',
  heartbeat: () => '\n',
};

/**
 * A CBOR sequence (RFC 8742) of `[seq, event]`, or `[seq, event, texts]`: the event byte for byte as it is stored, and what its pseudonyms stand for; `[seq, name]` is a mark, `[seq]`, or
 * `[]`, a sign of life.
 */
export const cborSeq: StreamFormat = {
  mediaType: 'application/cbor-seq',
  hello: () => '\x80',
  event: ({ seq, bytes, texts }) =>
    encodeCanonical([seq, new Encoded(bytes), ...(texts?.size ? [Object.fromEntries(texts)] : [])]),
  mark: (name, { seq, waiting }) => encodeCanonical(waiting === undefined ? [seq, name] : [seq, name, waiting]),
  heartbeat: (seq) => encodeCanonical(seq === undefined ? [] : [seq]),
};

/** Server-sent events, as the HTML standard has them. A mark is a message of its own name; a heartbeat moves only the id along. */
export const sse: StreamFormat = {
  mediaType: 'text/event-stream',
  hello: () => `retry: ${EVENTS_RETRY_MS}\n\n`,
  event: (event) => `id: ${event.seq}\ndata: ${eventText(event)}\n\n`,
  mark: (name, facts) => `id: ${facts.seq}\nevent: ${name}\ndata: ${JSON.stringify(facts)}\n\n`,
  heartbeat: (seq) => `:\n${seq === undefined ? '' : `id: ${seq}\n`}\n`,
};
