/**
 * Bodies that are values, not bytes: JSON or canonical CBOR, of bounded size, held against the schema of their route.
 *
 * Imports the exchange, CBOR and the validation. Called by handlers.
 */

import { decodeCanonical } from '../../cbor/index.js';
import { requireIdentity } from './body-rules.js';
import type { Exchange } from './exchange.js';
import { Refusal } from './refusal.js';
import type { Schema } from './route.js';
import { requireFit } from './validate.js';

export const CBOR_TYPE = 'application/cbor';
export const JSON_TYPE = 'application/json';

/**
 * The value of a request's body.
 *
 * @param sizeMax bytes that the body may have
 * @throws AS_ERR_HTTP_REQUEST (400, 415): not a value of that schema; AS_ERR_LIMIT (413): more bytes; AS_ERR_CBOR_DECODE
 */
export async function structuredBody(
  { headers, body }: Pick<Exchange, 'headers' | 'body'>,
  schema: Schema,
  sizeMax: number,
): Promise<unknown> {
  requireIdentity(headers);
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (type !== CBOR_TYPE && type !== JSON_TYPE) {
    const message = `Content-Type is ${type ?? 'absent'}; send ${JSON_TYPE} or ${CBOR_TYPE}.`;
    throw new Refusal('AS_ERR_HTTP_REQUEST', 415, message);
  }
  const bytes = await collectBody({ headers, body }, sizeMax);
  const value = type === CBOR_TYPE ? decodeCanonical(bytes) : parseJson(bytes);
  requireFit(value, schema);
  return value;
}

/** All of a body. Throws AS_ERR_LIMIT (413): more bytes than `sizeMax`. */
export async function collectBody(
  { headers, body }: Pick<Exchange, 'headers' | 'body'>,
  sizeMax: number,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = Number(headers['content-length'] ?? 0);
  if (size <= sizeMax) {
    size = 0;
    for await (const chunk of body) {
      size += chunk.byteLength;
      if (size > sizeMax) break;
      chunks.push(chunk);
    }
  }
  if (size <= sizeMax) return Buffer.concat(chunks);
  throw new Refusal(
    'AS_ERR_LIMIT',
    413,
    `The body has more than ${sizeMax} bytes, which is the most this request may have.`,
  );
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw new Refusal('AS_ERR_HTTP_REQUEST', 400, 'The body is not JSON.');
  }
}
