/**
 * `/v1/tokens`: tokens made, listed and revoked while the service runs.
 *
 * Imports the exchange, the shapes and limits. Called by the router.
 */

import { SCOPES } from '../../../access/scopes.js';
import { TOKEN_BODY_SIZE_MAX } from '../../../limits.js';
import type { TokenGrant } from '../../../store/tokens.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { count, list, record, text } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

/** Says who may do what: for those who asked, and nobody's cache. */
const PRIVATE = { 'Cache-Control': 'no-store' };

export const GRANT_BODY = record(
  {
    holder: text('Whom it is for.'),
    scopes: list({ enum: Object.keys(SCOPES) }),
    namespaces: list(text()),
    expires: count('When it stops counting, in milliseconds since 1970 UTC.'),
    rate: count('Requests a minute.'),
    quota: count('Bytes of objects that may be there by it.'),
  },
  ['namespaces', 'expires', 'rate', 'quota'],
);

/** POST /v1/tokens. The answer is the only place where the token's text ever stands. */
export async function createToken(exchange: Exchange): Promise<Answer> {
  const grant = (await structuredBody(exchange, GRANT_BODY, TOKEN_BODY_SIZE_MAX)) as TokenGrant;
  const made = await exchange.store.tokens.create(grant, { actor: exchange.actor });
  return json(201, made, { ...PRIVATE, Location: `/v1/tokens/${made.id}` });
}

/** GET /v1/tokens: one page, ordered by id. */
export async function listTokens({ store, query }: Exchange): Promise<Answer> {
  const { tokens, cursor } = await store.tokens.list(query);
  return json(200, { tokens, ...(cursor !== undefined && { next: cursor }) }, PRIVATE);
}

/** GET /v1/tokens/<id>. */
export async function describeToken({ store, params: [id = ''] }: Exchange): Promise<Answer> {
  return json(200, await store.tokens.find(id), PRIVATE);
}

/** DELETE /v1/tokens/<id>: from the answer on, nobody can use it. */
export async function revokeToken({ store, params: [id = ''], query, actor }: Exchange): Promise<Answer> {
  const reason = query.reason === undefined ? undefined : String(query.reason).normalize('NFC');
  return json(200, await store.tokens.revoke(id, { actor, ...(reason && { reason }) }), PRIVATE);
}
