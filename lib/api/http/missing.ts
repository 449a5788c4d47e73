/**
 * POST /v1/objects/missing: which of many objects are not here, so that a client sends only those.
 *
 * Imports the exchange, CBOR, digest names and limits. Called by the router.
 */

import { type CborValue, decodeCanonical, encodeCanonical } from '../../cbor/index.js';
import type { ByteSource, Digest } from '../../dataplane/spi.js';
import { parseDigest } from '../../digest-name.js';
import { MISSING_BODY_SIZE_MAX, MISSING_DIGESTS_MAX } from '../../limits.js';
import { prefersCbor } from './accept.js';
import { requireIdentity } from './body-rules.js';
import { type Answer, type Exchange, json } from './exchange.js';
import { Refusal } from './refusal.js';

const CBOR = 'application/cbor';
const JSON_TYPE = 'application/json';

/** Takes a list of digests in JSON or CBOR; gives those without an object that can be read, in the same order, each once. */
export async function listMissing({ store, headers, body }: Exchange): Promise<Answer> {
  requireIdentity(headers);
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== CBOR && type !== JSON_TYPE) {
    throw new Refusal('AS_ERR_HTTP_REQUEST', 415, `Content-Type is ${type ?? 'absent'}; send ${JSON_TYPE} or ${CBOR}.`);
  }
  const bytes = await collect(body, Number(headers['content-length'] ?? 0));
  const digests = toDigests(type === CBOR ? decodeCanonical(bytes) : parseJson(bytes));
  const missing = await store.missing(digests);
  if (!prefersCbor(headers.accept)) return json(200, { missing }, { Vary: 'Accept' });
  const fields = { 'Content-Type': CBOR, 'Cache-Control': 'no-cache', Vary: 'Accept' };
  return { status: 200, headers: fields, body: encodeCanonical({ missing }) };
}

async function collect(body: ByteSource, announced: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = announced;
  if (size <= MISSING_BODY_SIZE_MAX) {
    size = 0;
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > MISSING_BODY_SIZE_MAX) break;
      chunks.push(chunk);
    }
  }
  if (size <= MISSING_BODY_SIZE_MAX) return Buffer.concat(chunks);
  throw tooMuch(`The list has more than ${MISSING_BODY_SIZE_MAX} bytes.`);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw new Refusal('AS_ERR_HTTP_REQUEST', 400, 'The body is not JSON. Send a list of digests.');
  }
}

function toDigests(value: unknown | CborValue): Digest[] {
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string')) {
    throw new Refusal('AS_ERR_HTTP_REQUEST', 400, 'The body is not a list of digests, each a text such as "sha256:…".');
  }
  if (value.length > MISSING_DIGESTS_MAX) throw tooMuch(`The list has ${value.length} digests.`);
  return [...new Set(value.map(parseDigest))];
}

function tooMuch(what: string): Refusal {
  const limits = `${MISSING_DIGESTS_MAX} digests and ${MISSING_BODY_SIZE_MAX} bytes`;
  return new Refusal('AS_ERR_LIMIT', 413, `${what} One request may have ${limits}; ask in several.`);
}
