/**
 * GET and HEAD /v1/objects/<digest or prefix>: an object's bytes, whole or in ranges, each verified before it leaves.
 *
 * Imports the exchange and the header parsers. Called by the router.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { ByteRange } from '../../dataplane/spi.js';
import { isDigest } from '../../digest-name.js';
import { SEND_DIRECT_FROM, SEND_FIRST_SIZE, SEND_JOINED_SIZE_MAX } from '../../limits.js';
import type { ObjectRecord } from '../../registry/registry.js';
import type { StoredObject } from '../../store/stored-object.js';
import { checkPreconditions, rangeCounts, type Validators, validatorsOf } from './conditional.js';
import { formatArtifactstoreDigest, formatReprDigest, wantsSha256 } from './digest-fields.js';
import type { Answer, Exchange } from './exchange.js';
import { multipart } from './multipart.js';
import { formatContentRange, parseRanges } from './range.js';
import { Refusal } from './refusal.js';

/**
 * Absence and damage are the errors of `store.get`, and of reading the first chunk.
 *
 * @param name a digest or prefix; by default what the path has as its first parameter
 */
export function readObject(exchange: Exchange, name = exchange.params[0] ?? ''): Answer | Promise<Answer> {
  const { store, actor } = exchange;
  // Whether it has to be restored from the cold tier shows when its bytes are wanted.
  const options = { actor, restore: false };
  const known = store.getKnown(name, options);
  if (known !== undefined) return answerWith(known, name, exchange);
  return store.get(name, options).then((object) => answerWith(object, name, exchange));
}

function answerWith(object: StoredObject, name: string, exchange: Exchange): Answer | Promise<Answer> {
  const { method, headers } = exchange;
  const { record } = object;
  const validators = validatorsOf(record);
  const metadata = objectHeaders(record, name, validators, headers);
  const verdict = checkPreconditions(method, headers, validators);
  if (verdict === 'failed') {
    throw new Refusal('AS_ERR_HTTP_PRECONDITION', 412, `A precondition does not hold for ${record.blake3}.`);
  }
  if (verdict === 'not-modified') return { status: 304, headers: metadata };
  if (method === 'HEAD') return { status: 200, headers: metadata, body: object };
  if (object.isToRestore) return restored(object, metadata, validators, exchange);
  return bytesOf(object, metadata, validators, exchange);
}

/** Has an object copied to the hot tier before it is sent; where there is no room it comes from the cold one. */
async function restored(
  { record: { blake3 } }: StoredObject,
  metadata: OutgoingHttpHeaders,
  validators: Validators,
  exchange: Exchange,
): Promise<Answer> {
  const object = await exchange.store.get(blake3, { actor: exchange.actor });
  const headers = object.isRestored ? { ...metadata, [TIER_FIELD]: 'hot;restored' } : metadata;
  return bytesOf(object, headers, validators, exchange);
}

/** The answer with the bytes that are asked for. */
function bytesOf(
  object: StoredObject,
  metadata: OutgoingHttpHeaders,
  validators: Validators,
  exchange: Exchange,
): Answer | Promise<Answer> {
  const { headers } = exchange;
  const { record } = object;
  const ranges = rangeCounts(headers, validators) ? parseRanges(headers.range, record.size) : 'whole';
  if (ranges === 'whole') return download(200, withContentDigest(metadata, record, headers), object, exchange);
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
  exchange: Exchange,
): Promise<Answer> {
  const headers = { ...metadata, 'Content-Range': formatContentRange(range, size) };
  return download(206, headers, await exchange.store.get(blake3, { range, actor: exchange.actor }), exchange);
}

function download(
  status: number,
  headers: OutgoingHttpHeaders,
  object: StoredObject,
  exchange: Exchange,
): Answer | Promise<Answer> {
  if (object.size <= SEND_JOINED_SIZE_MAX && object.size === object.record.size)
    return { status, headers, body: object };
  const small = object.inOnePiece();
  if (small instanceof Promise) return small.then((body) => ({ status, headers, body }));
  if (small !== undefined) return { status, headers, body: small };
  return downloadChunks(status, headers, object, exchange);
}

async function downloadChunks(
  status: number,
  headers: OutgoingHttpHeaders,
  object: StoredObject,
  { store, actor }: Exchange,
): Promise<Answer> {
  const all = { ...headers, 'Content-Length': object.size };
  if (object.size < SEND_DIRECT_FROM) {
    const rest = object[Symbol.asyncIterator]();
    return { status, headers: all, body: { first: await rest.next(), rest } };
  }
  const { start, end } = object.range;
  const middle = start + SEND_FIRST_SIZE;
  const part = (range: ByteRange) => store.get(object.record.blake3, { range, actor });
  const [beginning, others] = [await part({ start, end: middle }), await part({ start: middle, end })];
  return {
    status,
    headers: all,
    body: {
      first: { done: false, value: await beginning.bytes() },
      rest: others[Symbol.asyncIterator](),
      intoSocket: (socket) => others.intoSocket(socket),
    },
  };
}

/** Of objects asked for by a whole digest and without wishes: nearly all, and again and again the same ones. */
const usualHeaders = new WeakMap<ObjectRecord, OutgoingHttpHeaders>();

function objectHeaders(
  record: ObjectRecord,
  name: string,
  validators: Validators,
  request: IncomingHttpHeaders,
): OutgoingHttpHeaders {
  const isWhole = name === record.blake3 || name === record.sha256 || isDigest(name);
  if (!isWhole || request['want-repr-digest'] !== undefined) return makeHeaders(record, isWhole, validators, request);
  let usual = usualHeaders.get(record);
  if (usual === undefined) {
    usual = Object.freeze(makeHeaders(record, isWhole, validators, request));
    usualHeaders.set(record, usual);
  }
  return usual;
}

function makeHeaders(
  record: ObjectRecord,
  isWhole: boolean,
  { etag, lastModified }: Validators,
  request: IncomingHttpHeaders,
): OutgoingHttpHeaders {
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
    ...(record.receipts[0]?.tier === 'cold' && { [TIER_FIELD]: 'cold' }),
  };
}

/** Where the bytes come from, when that is not plainly the hot tier: a structured field, `cold` or `hot;restored`. */
const TIER_FIELD = 'Artifactstore-Tier';

/** Of an answer that carries the whole, on demand: its content is the object. */
function withContentDigest(
  metadata: OutgoingHttpHeaders,
  { sha256 }: ObjectRecord,
  request: IncomingHttpHeaders,
): OutgoingHttpHeaders {
  const isWanted = wantsSha256(request['want-content-digest']);
  return isWanted ? { ...metadata, 'Content-Digest': formatReprDigest(sha256) } : metadata;
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
