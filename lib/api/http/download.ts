/**
 * GET and HEAD /v1/objects/<digest or prefix>: an object's bytes, whole or in ranges, each verified before it leaves.
 *
 * Imports the exchange and the header parsers. Called by the router.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { ByteRange } from '../../dataplane/spi.js';
import { isDigest } from '../../digest-name.js';
import type { ObjectRecord } from '../../registry/registry.js';
import type { StoredObject } from '../../store/stored-object.js';
import { checkPreconditions, rangeCounts, type Validators, validatorsOf } from './conditional.js';
import { formatArtifactstoreDigest, formatReprDigest, wantsSha256 } from './digest-fields.js';
import type { Answer, Exchange } from './exchange.js';
import { multipart } from './multipart.js';
import { formatContentRange, parseRanges } from './range.js';
import { Refusal } from './refusal.js';

/** Absence and damage are the errors of `store.get`, and of reading the first chunk. */
export async function readObject(exchange: Exchange): Promise<Answer> {
  const { store, method, headers, actor, params } = exchange;
  const name = params[0] ?? '';
  const object = await store.get(name, { actor });
  const { record } = object;
  const validators = validatorsOf(record);
  const metadata = objectHeaders(record, name, validators, headers);
  const verdict = checkPreconditions(method, headers, validators);
  if (verdict === 'failed') {
    throw new Refusal('AS_ERR_HTTP_PRECONDITION', 412, `A precondition does not hold for ${record.blake3}.`);
  }
  if (verdict === 'not-modified') return { status: 304, headers: metadata };
  if (method === 'HEAD') return { status: 200, headers: { ...metadata, 'Content-Length': record.size } };
  const ranges = rangeCounts(headers, validators) ? parseRanges(headers.range, record.size) : 'whole';
  if (ranges === 'whole') return download(200, { ...metadata, ...contentDigest(record, headers) }, object);
  if (ranges === 'unsatisfiable') throw unsatisfiable(headers.range, record);
  const [range, ...others] = ranges as [ByteRange, ...ByteRange[]];
  if (others.length > 0) return downloadRanges(metadata, record, ranges, exchange);
  return downloadRange(metadata, record, range, exchange);
}

async function downloadRanges(
  metadata: OutgoingHttpHeaders,
  { blake3, size }: ObjectRecord,
  ranges: readonly ByteRange[],
  { store, actor }: Exchange,
): Promise<Answer> {
  const parts = multipart(ranges, size, (range) => store.get(blake3, { range, actor }));
  const headers = { ...metadata, 'Content-Type': parts.contentType, 'Content-Length': parts.length };
  return { status: 206, headers, body: { first: await parts.body.next(), rest: parts.body } };
}

async function downloadRange(
  metadata: OutgoingHttpHeaders,
  { blake3, size }: ObjectRecord,
  range: ByteRange,
  { store, actor }: Exchange,
): Promise<Answer> {
  const headers = { ...metadata, 'Content-Range': formatContentRange(range, size) };
  return download(206, headers, await store.get(blake3, { range, actor }));
}

async function download(status: number, headers: OutgoingHttpHeaders, object: StoredObject): Promise<Answer> {
  const rest = object[Symbol.asyncIterator]();
  const first = await rest.next();
  return { status, headers: { ...headers, 'Content-Length': object.size }, body: { first, rest } };
}

function objectHeaders(
  record: ObjectRecord,
  name: string,
  { etag, lastModified }: Validators,
  request: IncomingHttpHeaders,
): OutgoingHttpHeaders {
  const isWhole = isDigest(name);
  return {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    ETag: etag,
    'Last-Modified': new Date(lastModified).toUTCString(),
    ...(wantsSha256(request['want-repr-digest']) !== false && { 'Repr-Digest': formatReprDigest(record.sha256) }),
    'Artifactstore-Digest': formatArtifactstoreDigest(record),
    // A digest names the same bytes for ever; a prefix may become ambiguous tomorrow.
    'Cache-Control': isWhole ? 'public, max-age=31536000, immutable' : 'no-cache',
    ...(!isWhole && { 'Content-Location': `/v1/objects/${record.blake3}` }),
  };
}

/** Of an answer that carries the whole, on demand: its content is the object. */
function contentDigest({ sha256 }: ObjectRecord, request: IncomingHttpHeaders): OutgoingHttpHeaders {
  return wantsSha256(request['want-content-digest']) ? { 'Content-Digest': formatReprDigest(sha256) } : {};
}

function unsatisfiable(range: string | undefined, { blake3, size }: ObjectRecord): Refusal {
  return new Refusal(
    'AS_ERR_RANGE',
    416,
    `Range "${range}" has no byte of ${blake3}, which has ${size} bytes.`,
    { address: blake3, size },
    { 'Content-Range': `bytes */${size}` },
  );
}
