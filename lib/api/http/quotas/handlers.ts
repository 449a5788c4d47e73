/**
 * `/v1/quotas`: what namespaces may take, and do.
 *
 * Imports the exchange, limits and the shapes. Called by the router. Quotas are the operator's: they take the scope admin, which nobody has who is bounded to
 * namespaces.
 */

import { RETENTION_BODY_SIZE_MAX } from '../../../limits.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { record, text } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

const PRIVATE = { 'Cache-Control': 'no-store' };

/** GET /v1/quotas: every rule, with what its namespace takes. */
export async function listQuotas({ store }: Exchange): Promise<Answer> {
  return json(200, { quotas: await store.quotas.list() }, PRIVATE);
}

/** GET /v1/quotas/<namespace>: what bounds it, and what it takes. */
export async function describeQuota({ store, params: [namespace = ''] }: Exchange): Promise<Answer> {
  return json(200, await store.quotas.status(namespace), PRIVATE);
}

const size = (description: string) => ({ type: 'integer', minimum: 0, description });

export const QUOTA_BODY = record(
  {
    logical: size('Bytes of files, as its versions have them: what two versions have counts twice.'),
    physical: size('Bytes of the objects that its versions need, each once.'),
    reason: text('Stands in the event.'),
  },
  ['logical', 'physical', 'reason'],
);

/** PUT /v1/quotas/<namespace>: sets it, or replaces it. */
export async function setQuota(exchange: Exchange): Promise<Answer> {
  const { store, actor, params } = exchange;
  const body = (await structuredBody(exchange, QUOTA_BODY, RETENTION_BODY_SIZE_MAX)) as {
    logical?: number;
    physical?: number;
    reason?: string;
  };
  return json(200, await store.quotas.set(params[0] ?? '', { ...body, actor }), PRIVATE);
}

/** DELETE /v1/quotas/<namespace>. */
export async function removeQuota(exchange: Exchange): Promise<Answer> {
  const { store, actor, params, query } = exchange;
  const reason = query.reason === undefined ? {} : { reason: String(query.reason) };
  return json(200, await store.quotas.remove(params[0] ?? '', { actor, ...reason }), PRIVATE);
}
