/**
 * PUT /v1/objects/<digest>, and POST or PUT /v1/objects: bytes on their way in.
 *
 * Imports the exchange, digest names, the header parsers and the rules for bodies. Called by the router. Everything that can be refused without the body is refused before its first byte is
 * asked for.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { ByteSource, Digest } from '../../dataplane/spi.js';
import { parseDigest } from '../../digest-name.js';
import { isStoreError } from '../../errors.js';
import { STREAM_HELD_MAX } from '../../limits.js';
import { prefersCbor } from './accept.js';
import { announcedSize, requireIdentity } from './body-rules.js';
import { checkPreconditions, type Validators, validatorsOf } from './conditional.js';
import { expectedDigests } from './digest-fields.js';
import type { Answer, Exchange } from './exchange.js';
import { Refusal } from './refusal.js';
import { stored } from './stored.js';
import { begin } from './uploads/handlers.js';

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

async function store(exchange: Exchange, target?: Digest): Promise<Answer> {
  const { store, headers, actor } = exchange;
  if (isResumable(headers)) return begin(exchange, target);
  requireWholeObject(headers);
  const size = announcedSize(headers);
  const expect = expectedDigests(headers, target);
  // Who asks before sending is answered before anything comes: a quota may have no room for it.
  const isHeld = size !== undefined && size <= STREAM_HELD_MAX && headers.expect === undefined;
  const result = await store.put(isHeld ? await wholeOf(exchange.body, size) : exchange.body, {
    actor,
    expect,
    ...(size !== undefined && { size }),
  });
  return stored(result, prefersCbor(headers.accept));
}

/** All bytes of a small body in one piece, so that it can share an operation and a commit with others; it comes to an end before its size only by an error. */
async function wholeOf(body: ByteSource, size: number): Promise<Uint8Array> {
  const whole = Buffer.allocUnsafe(size);
  let end = 0;
  for await (const chunk of body) {
    whole.set(chunk, end);
    end += chunk.byteLength;
  }
  return whole.subarray(0, end);
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

/** Whether a client begins a resumable upload here, as the IETF draft lets it on any resource; one that cannot be told of it sends all at once. */
function isResumable(headers: IncomingHttpHeaders): boolean {
  const complete = headers['upload-complete'];
  return complete === '?0' || (complete !== undefined && headers['upload-draft-interop-version'] !== undefined);
}

/** Refuses parts of an object: they have a resource of their own. */
function requireWholeObject(headers: IncomingHttpHeaders): void {
  if (headers['content-range'] !== undefined || headers['tus-resumable'] !== undefined) {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      400,
      'This resource takes an object whole, in one request. To send it in parts, begin an upload: POST /v1/uploads.',
    );
  }
  requireIdentity(headers);
}
