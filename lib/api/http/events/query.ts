/**
 * What a request for events asks for: which, from where on, how long to wait.
 *
 * Imports the exchange and the log's types. Called by `handlers.ts`.
 */

import type { ReadQuery } from '../../../events/log.js';
import type { Exchange } from '../exchange.js';
import { Refusal } from '../refusal.js';

/** Parameters that describe an end, which a stream does not have. */
const ENDS = ['limit', 'first', 'last', 'until', 'reverse', 'wait'];

/** Which events to read; absent members say nothing. */
export function readQuery({ query: { wait, follow, ...asked } }: Exchange): ReadQuery {
  return asked;
}

/** Milliseconds to wait for the first event. */
export function waitOf({ query }: Exchange): number {
  return Number(query.wait ?? 0) * 1000;
}

/** Whether the request wants what is yet to come. */
export function followOf({ query }: Exchange): boolean {
  return query.follow === true;
}

/**
 * Which events a stream gives, and behind which seq it starts; without one it starts with what is new.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a parameter that describes an end, or Last-Event-ID is not a seq
 */
export function streamQuery(exchange: Exchange): ReadQuery {
  const { query, headers } = exchange;
  const end = ENDS.find((name) => query[name] !== undefined);
  if (end !== undefined) throw invalid(`"${end}" has no meaning in a stream, which has no end. Leave it out.`);
  const asked = readQuery(exchange);
  const last = headers['last-event-id'];
  if (last === undefined) return asked;
  // A browser that connects again repeats its URL with the old `after`, and says here how far it came.
  if (!/^\d{1,15}$/.test(String(last)))
    throw invalid(`Last-Event-ID: ${last} is not the id of an event of this stream.`);
  return { ...asked, after: Number(last) };
}

function invalid(message: string): Refusal {
  return new Refusal('AS_ERR_INVALID_ARGUMENT', 400, message);
}
