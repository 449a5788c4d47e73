/**
 * POST /v1/objects/missing: which of many objects are not here, so that a client sends only those.
 *
 * Imports the exchange, CBOR, digest names and limits. Called by the router.
 */

import { encodeCanonical } from '../../cbor/index.js';
import { parseDigest } from '../../digest-name.js';
import { MISSING_BODY_SIZE_MAX, MISSING_DIGESTS_MAX } from '../../limits.js';
import { prefersCbor } from './accept.js';
import { type Answer, type Exchange, json } from './exchange.js';
import { Refusal } from './refusal.js';
import { list, text } from './schemas.js';
import { CBOR_TYPE, structuredBody } from './structured-body.js';

/** What the request sends. How many and which, the handler says better than a schema. */
export const MISSING_BODY = list(text('A digest, such as "sha256:…".'));

/** Takes a list of digests in JSON or CBOR; gives those without an object that can be read, in the same order, each once. */
export async function listMissing(exchange: Exchange): Promise<Answer> {
  const { store, headers } = exchange;
  const names = (await structuredBody(exchange, MISSING_BODY, MISSING_BODY_SIZE_MAX)) as string[];
  if (names.length > MISSING_DIGESTS_MAX) {
    const message = `The list has ${names.length} digests. One request may have ${MISSING_DIGESTS_MAX}; ask in several.`;
    throw new Refusal('AS_ERR_LIMIT', 413, message);
  }
  const missing = await store.missing([...new Set(names.map(parseDigest))]);
  if (!prefersCbor(headers.accept)) return json(200, { missing }, { Vary: 'Accept' });
  const fields = { 'Content-Type': CBOR_TYPE, 'Cache-Control': 'no-cache', Vary: 'Accept' };
  return { status: 200, headers: fields, body: encodeCanonical({ missing }) };
}
