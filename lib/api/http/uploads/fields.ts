/**
 * The header fields that the dialects of uploads share: lengths, offsets, completeness, the kind of a body.
 *
 * Imports the exchange and limits. Called by the dialects.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { UPLOAD_LENGTH_MAX } from '../../../limits.js';
import { Refusal } from '../refusal.js';

/**
 * A field whose value is a whole number; undefined when absent.
 *
 * @throws AS_ERR_HTTP_REQUEST (400): not a number; AS_ERR_LIMIT (413): more than UPLOAD_LENGTH_MAX
 */
export function integerField(headers: IncomingHttpHeaders, name: string): number | undefined {
  const text = headers[name.toLowerCase()];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(String(text))) throw malformed(`${name}: ${text} is not a whole number from 0 on.`);
  const value = Number(text);
  if (value <= UPLOAD_LENGTH_MAX) return value;
  throw new Refusal('AS_ERR_LIMIT', 413, `${name}: ${text} is more than ${UPLOAD_LENGTH_MAX}.`);
}

/** `Upload-Complete`, a boolean of RFC 9651; undefined when absent. Throws AS_ERR_HTTP_REQUEST (400). */
export function completeField(headers: IncomingHttpHeaders): boolean | undefined {
  const text = headers['upload-complete'];
  if (text === undefined) return undefined;
  if (text === '?1' || text === '?0') return text === '?1';
  throw malformed(`Upload-Complete: ${text} is neither ?1 nor ?0.`);
}

/** Whether the request announces a body of at least one byte, or one of unknown length. */
export function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Refuses a body of another media type with 415. */
export function requireMediaType(headers: IncomingHttpHeaders, type: string): void {
  const given = headers['content-type'];
  if (given?.split(';')[0]?.trim().toLowerCase() === type) return;
  throw new Refusal(
    'AS_ERR_HTTP_REQUEST',
    415,
    `Content-Type is ${given ?? 'absent'}; the bytes of an upload come as ${type}.`,
    {},
    { 'Accept-Patch': type },
  );
}

/** A request that does not follow its dialect. */
export function malformed(message: string): Refusal {
  return new Refusal('AS_ERR_HTTP_REQUEST', 400, message);
}
