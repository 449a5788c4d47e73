/**
 * `/v1/events`: the log, page by page.
 *
 * Imports the exchange and the JSON rendering of CBOR. Called by the router.
 */

import { toJson } from '../../cbor/index.js';
import type { StoredEvent } from '../../events/log.js';
import { type Answer, type Exchange, integerParameter, json } from './exchange.js';

/** GET /v1/events: events behind `after`, oldest first. `next` is the `after` of the page that follows, also when this one is empty. */
export async function listEvents({ store, query }: Exchange): Promise<Answer> {
  const after = integerParameter(query, 'after') ?? 0;
  const limit = integerParameter(query, 'limit');
  const kind = query.get('kind');
  const subject = query.get('subject');
  const events = await store.events({
    after,
    ...(limit !== undefined && { limit }),
    ...(kind !== null && { kind }),
    ...(subject !== null && { subject }),
  });
  return json(200, { events: events.map(render), next: events.at(-1)?.seq ?? after });
}

function render({ seq, v, id, time, kind, actor, subject, data }: StoredEvent) {
  return { seq, v, id, time, kind, actor, subject, data: toJson(data) };
}
