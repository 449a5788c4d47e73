/**
 * What a request for events asks for: which, from where on, how long to wait.
 *
 * Imports the exchange, the log's types and limits. Called by `handlers.ts`.
 */

import type { ReadQuery } from '../../../events/log.js';
import { EVENTS_WAIT_MAX_S } from '../../../limits.js';
import { type Exchange, integerParameter } from '../exchange.js';
import { Refusal } from '../refusal.js';

export const EVENT_PARAMETERS = [
  'after',
  'limit',
  'kind',
  'subject',
  'actor',
  'since',
  'until',
  'reverse',
  'wait',
  'follow',
] as const;

/** Parameters that describe an end, which a stream does not have. */
const ENDS = ['limit', 'until', 'reverse', 'wait'];

/**
 * Which events to read; absent members say nothing.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function readQuery({ query }: Exchange): ReadQuery {
  const numbers = ['after', 'limit', 'since', 'until'].map((name) => [name, integerParameter(query, name)] as const);
  const texts = ['kind', 'subject', 'actor'].map((name) => [name, query.get(name) ?? undefined] as const);
  const given = [...numbers, ...texts].filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...(flag(query, 'reverse') && { reverse: true }) };
}

/** Milliseconds to wait for the first event. Throws AS_ERR_INVALID_ARGUMENT. */
export function waitOf({ query }: Exchange): number {
  const seconds = integerParameter(query, 'wait') ?? 0;
  if (seconds <= EVENTS_WAIT_MAX_S) return seconds * 1000;
  throw invalid(`wait=${seconds} is more than ${EVENTS_WAIT_MAX_S} seconds. Ask again after each answer.`);
}

/** Whether the request wants what is yet to come. Throws AS_ERR_INVALID_ARGUMENT. */
export function followOf({ query }: Exchange): boolean {
  return flag(query, 'follow');
}

/**
 * Which events a stream gives, and behind which seq it starts; without one it starts with what is new.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a parameter that describes an end, or Last-Event-ID is not a seq
 */
export function streamQuery(exchange: Exchange): ReadQuery {
  const { query, headers } = exchange;
  const end = ENDS.find((name) => query.has(name));
  if (end !== undefined) throw invalid(`"${end}" has no meaning in a stream, which has no end. Leave it out.`);
  const asked = readQuery(exchange);
  const last = headers['last-event-id'];
  if (last === undefined) return asked;
  // A browser that connects again repeats its URL with the old `after`, and says here how far it came.
  if (!/^\d{1,15}$/.test(String(last)))
    throw invalid(`Last-Event-ID: ${last} is not the id of an event of this stream.`);
  return { ...asked, after: Number(last) };
}

function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null || text === 'false' || text === '0') return false;
  if (text === 'true' || text === '1') return true;
  throw invalid(`${name}=${text} is neither true nor false.`);
}

function invalid(message: string): Refusal {
  return new Refusal('AS_ERR_INVALID_ARGUMENT', 400, message);
}
