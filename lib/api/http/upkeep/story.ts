/**
 * GET /v1/stories/<name>: what happened to one thing, in sentences.
 *
 * Imports the exchange, why things stay or go, and lines of JSON. Called by the router.
 */

import type { Moment } from '../../../events/read-all.js';
import { whyIfAny } from '../../../retention/why.js';
import type { Answer, Exchange, QueryValues } from '../exchange.js';
import { linesAnswer } from '../lines.js';
import { Refusal } from '../refusal.js';

/** The subject in the first line, and, unless a moment of the past is asked for, why it is still here or gone; then an event each. Absence is the error of `store.explain`. */
export async function tellStory({ store, method, params: [name = ''], query }: Exchange): Promise<Answer> {
  const at = momentOf(query);
  const story = await store.explain(name, at && { at });
  const why = at === undefined ? await whyIfAny(store.retention, story.subject) : undefined;
  return linesAnswer(method, told({ subject: story.subject, ...(why && { why }) }, story));
}

async function* told(first: object, rest: AsyncIterable<object>): AsyncGenerator<object> {
  yield first;
  yield* rest;
}

function momentOf({ seq, time }: QueryValues): Moment | undefined {
  if (seq !== undefined && time !== undefined) {
    throw new Refusal('AS_ERR_INVALID_ARGUMENT', 400, 'A moment is a seq or a time, not both. Leave one out.');
  }
  if (seq !== undefined) return { seq: Number(seq) };
  return time === undefined ? undefined : { time: Number(time) };
}
