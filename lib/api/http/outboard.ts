/**
 * GET /v1/objects/<digest or prefix>/outboard: the tree that proves an object's bytes, so that a client checks every range while it comes.
 *
 * Imports the exchange, digest names and conditions. Called by the router.
 */

import { isDigest } from '../../digest-name.js';
import { checkPreconditions, validatorsOf } from './conditional.js';
import { formatArtifactstoreDigest } from './digest-fields.js';
import type { Answer, Exchange } from './exchange.js';

/** What proves all bytes, or those from `start` up to `end`. */
export async function readOutboard({ store, method, headers, query, params, actor }: Exchange): Promise<Answer> {
  const name = params[0] ?? '';
  const record = await store.stat(name);
  const { start = 0, end = record.size } = query as { start?: number; end?: number };
  const nodes = await store.outboard(name, { range: { start, end }, actor });
  // Of one object and one range there is but one; it is not the object, so it has a tag of its own.
  const etag = `"outboard-${start}-${end}-${record.blake3}"`;
  const fields = {
    'Content-Type': 'application/octet-stream',
    ETag: etag,
    'Artifactstore-Digest': formatArtifactstoreDigest(record),
    'Cache-Control': isDigest(name) ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  const validators = { etag, lastModified: validatorsOf(record).lastModified };
  if (checkPreconditions(method, headers, validators) === 'not-modified') return { status: 304, headers: fields };
  if (method === 'HEAD') return { status: 200, headers: fields };
  const rest = nodes[Symbol.asyncIterator]();
  return { status: 200, headers: fields, body: { first: await rest.next(), rest } };
}
