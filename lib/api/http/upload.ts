/**
 * PUT /v1/objects/<digest>, and POST or PUT /v1/objects: bytes on their way in.
 *
 * Imports the exchange, digest names and the header parsers. Called by the router. Everything that can be refused without the body is refused before its first byte is
 * asked for.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Digest } from '../../dataplane/spi.js';
import { parseDigest } from '../../digest-name.js';
import { isStoreError } from '../../errors.js';
import type { PutResult } from '../../store.js';
import { prefersCbor } from './accept.js';
import { checkPreconditions, type Validators, validatorsOf } from './conditional.js';
import { expectedDigests, formatArtifactstoreDigest } from './digest-fields.js';
import { type Answer, type Exchange, json, Refusal } from './exchange.js';

/** Stores whatever comes, unless a header says which digest it must have. */
export async function storeObject(exchange: Exchange): Promise<Answer> {
  return store(exchange);
}

/** Stores bytes that must have the digest in the path. */
export async function storeObjectAs(exchange: Exchange): Promise<Answer> {
  const { method, headers, params } = exchange;
  const target = parseDigest(params[0] ?? '');
  const isConditional = headers['if-match'] ?? headers['if-none-match'] ?? headers['if-unmodified-since'];
  if (isConditional !== undefined) {
    const verdict = checkPreconditions(method, headers, await readable(exchange, target));
    if (verdict === 'failed') {
      throw new Refusal(
        'AS_ERR_HTTP_PRECONDITION',
        412,
        `A precondition does not hold for ${target}; nothing was stored.`,
      );
    }
  }
  return store(exchange, target);
}

async function store({ store, headers, body, actor }: Exchange, target?: Digest): Promise<Answer> {
  requireWholeObject(headers);
  const size = announcedSize(headers);
  const result = await store.put(body, {
    actor,
    expect: expectedDigests(headers, target),
    ...(size !== undefined && { size }),
  });
  return stored(result, prefersCbor(headers.accept));
}

/** 201 for an object that was not here, whole, before. In CBOR the body is, byte for byte, the data of the event. */
function stored(result: PutResult, inCbor: boolean): Answer {
  const { blake3, sha256, size, existed, healed, receipts, event, cbor } = result;
  const status = existed ? 200 : 201;
  const headers = {
    Location: `/v1/objects/${blake3}`,
    ETag: `"${blake3}"`,
    // Not Repr-Digest: in this answer that would have to be the digest of its own body (RFC 9530, section 3.1).
    'Artifactstore-Digest': formatArtifactstoreDigest(result),
    'Artifactstore-Event': event.seq,
    Vary: 'Accept',
  };
  if (inCbor) {
    return {
      status,
      headers: { ...headers, 'Content-Type': 'application/cbor', 'Cache-Control': 'no-cache' },
      body: cbor,
    };
  }
  const { seq, id, time } = event;
  return json(status, { blake3, sha256, size, existed, healed, receipts, event: { seq, id, time } }, headers);
}

/** What a precondition is compared with: an object that can be read, or nothing. */
async function readable({ store }: Exchange, digest: Digest): Promise<Validators | undefined> {
  try {
    const record = await store.stat(digest);
    return record.state === 'live' ? validatorsOf(record) : undefined;
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Bytes announced; undefined for a chunked body. Node has checked that the framing is sound. */
function announcedSize(headers: IncomingHttpHeaders): number | undefined {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) {
    if (coding.trim().toLowerCase() === 'chunked') return undefined;
    throw refusal(
      501,
      `Transfer-Encoding: ${coding} is not understood. Send the bytes as they are, chunked or with a Content-Length.`,
    );
  }
  const length = headers['content-length'];
  if (length === undefined) {
    throw refusal(
      411,
      'The request announces no body. Send a Content-Length (0 for the empty object) or a chunked body.',
    );
  }
  const size = Number(length);
  if (Number.isSafeInteger(size)) return size;
  throw refusal(413, `Content-Length: ${length} is more than an object can have.`);
}

/** Refuses bodies that are not the object itself: storing them as they come would store something else than was meant. */
function requireWholeObject(headers: IncomingHttpHeaders): void {
  if (headers['content-range'] !== undefined) {
    throw refusal(400, 'Content-Range is not accepted: an object is stored whole. Send all its bytes in one request.');
  }
  if (headers['tus-resumable'] !== undefined || headers['upload-complete'] === '?0') {
    throw refusal(501, 'Resumable uploads come with a later version. Send the whole object in one request.');
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      415,
      `Content-Encoding: ${coding} is not undone here. Send the bytes that are to be stored, without Content-Encoding.`,
      {},
      { 'Accept-Encoding': 'identity' },
    );
  }
  if (headers['content-type']?.toLowerCase().startsWith('multipart/form-data')) {
    throw refusal(
      415,
      'A form is not an object. Send the bytes alone as the body, for example with curl --upload-file.',
    );
  }
}

function refusal(status: number, message: string): Refusal {
  return new Refusal('AS_ERR_HTTP_REQUEST', status, message);
}
