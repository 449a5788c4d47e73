/**
 * Erasure over HTTP.
 *
 * Imports the exchange, limits and the shapes. Called by the router. It takes the scope admin: who may erase decides for everybody.
 */

import { ERASURE_BODY_SIZE_MAX } from '../../../limits.js';
import type { ErasureDemand } from '../../../store.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { flag, list, record, text } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

/** What an erasure takes. */
export const ERASURE_BODY = record(
  {
    order: text('Which order demands it, as a case is named. It stays in the log, so it should name nobody.'),
    names: list(text('The name of an actor.')),
    mentioning: list(text('What stands in names of actors, or in what people wrote.')),
    events: list({ type: 'integer', minimum: 1, description: 'The seq of an event: what people wrote in it.' }),
    objects: list(text('Either digest, or an unambiguous prefix of one.')),
    reason: text('Stands in the events.'),
    dryRun: flag('Only say what would go.'),
  },
  ['names', 'mentioning', 'events', 'objects', 'reason', 'dryRun'],
);

/** POST /v1/erasures. */
export async function erase(exchange: Exchange): Promise<Answer> {
  const { store, actor } = exchange;
  const demand = (await structuredBody(exchange, ERASURE_BODY, ERASURE_BODY_SIZE_MAX)) as ErasureDemand;
  return json(200, await store.erase({ ...demand, actor }), { 'Cache-Control': 'no-store' });
}
