/**
 * `/v1/objects`: the listing, what is known about one object, and deletion. Bytes go in by `upload.ts` and out by `download.ts`.
 *
 * Imports the exchange and digest names. Called by the router.
 */

import { parseDigest } from '../../digest-name.js';
import type { ListQuery } from '../../registry/registry.js';
import { checkPreconditions, validatorsOf } from './conditional.js';
import { type Answer, type Exchange, json } from './exchange.js';
import { atSeq } from './past.js';
import { Refusal } from './refusal.js';

/** GET /v1/objects: one page, ordered as `Store.list` says. */
export async function listObjects({ store, query }: Exchange): Promise<Answer> {
  const { at, ...page } = query as ListQuery & { at?: number };
  const listed = at === undefined ? store.list(page) : atSeq(store, at, (past) => past.list(page));
  const { objects, cursor: next } = await listed;
  return json(200, { objects, ...(next !== undefined && { next }) });
}

/** GET /v1/objects/<digest or prefix>/meta: what is known about an object, a deleted one included. */
export async function describeObject({ store, query: { at }, params: [name = ''] }: Exchange): Promise<Answer> {
  return json(200, await (at === undefined ? store.stat(name) : atSeq(store, Number(at), (past) => past.stat(name))));
}

/** DELETE /v1/objects/<digest>. A prefix is not enough: what it names may be another object by the time it is deleted. */
export async function deleteObject(exchange: Exchange): Promise<Answer> {
  const { store, method, headers, query, actor } = exchange;
  const digest = parseDigest(exchange.params[0] ?? '');
  if (checkPreconditions(method, headers, validatorsOf(await store.stat(digest))) === 'failed') {
    throw new Refusal(
      'AS_ERR_HTTP_PRECONDITION',
      412,
      `A precondition does not hold for ${digest}; nothing was deleted.`,
    );
  }
  const reason = (query.reason as string | undefined)?.normalize('NFC');
  const force = query.force !== undefined;
  const grace = query.grace === undefined ? {} : { grace: Number(query.grace) };
  const { record, freedSize } = await store.delete(digest, { actor, force, ...grace, ...(reason && { reason }) });
  return json(200, { ...record, freedSize });
}
