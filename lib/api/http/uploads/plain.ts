/**
 * Uploads without a protocol to learn: POST or PUT to begin, HEAD to ask for the offset, PATCH or PUT to go on, as curl does with `-C`.
 *
 * Imports digest fields and the dialects' common fields. Called by `handlers.ts`.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { digestBytes } from '../../../digest-name.js';
import { parseDigestField } from '../digest-fields.js';
import { type Append, type Check, type Dialect, standing } from './dialect.js';
import { integerField, malformed } from './fields.js';

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i;

export const plain: Dialect = {
  name: 'plain',
  excess: 400,
  describes: true,
  creation(headers) {
    const length = integerField(headers, 'Upload-Length');
    return { ends: 'length', ...(length !== undefined && { length }), ...contentCheck(headers) };
  },
  append(method, headers) {
    return { ...place(method, headers), ...contentCheck(headers) };
  },
  standing,
};

/** `Content-Digest`: the bytes of this request must have it. */
export function contentCheck(headers: IncomingHttpHeaders): { check?: Check } {
  const field = headers['content-digest'];
  const sha256 = field === undefined ? undefined : parseDigestField('Content-Digest', String(field));
  return sha256 ? { check: { algorithm: 'sha256', digest: digestBytes(sha256), status: 400 } } : {};
}

/** Where the bytes belong: Content-Range, or Upload-Offset; a PUT with neither is the whole object. */
function place(method: string, headers: IncomingHttpHeaders): Append {
  const length = integerField(headers, 'Upload-Length');
  const announced = length !== undefined && { length };
  const range = headers['content-range'];
  const offset = integerField(headers, 'Upload-Offset');
  if (range === undefined) {
    if (offset !== undefined) return { ends: 'length', offset, ...announced };
    if (method === 'PUT') return { ends: 'body', offset: 0, ...announced };
    throw malformed('PATCH needs Upload-Offset, or Content-Range: where its bytes begin.');
  }
  const [, first, last, total = '*'] = CONTENT_RANGE.exec(String(range)) ?? [];
  const [start, end] = [Number(first), Number(last) + 1];
  const isSound = first !== undefined && start < end && (total === '*' || end <= Number(total));
  if (!isSound)
    throw malformed(`Content-Range: ${range} is not a range of bytes; write bytes <first>-<last>/<length>.`);
  if (offset !== undefined && offset !== start)
    throw malformed('Upload-Offset and Content-Range contradict each other.');
  if (headers['content-length'] !== undefined && Number(headers['content-length']) !== end - start) {
    throw malformed(`Content-Range: ${range} and Content-Length: ${headers['content-length']} contradict each other.`);
  }
  return { ends: 'length', offset: start, ...(total === '*' ? announced : { length: Number(total) }) };
}
