/**
 * The answer to bytes that have been stored, however they came.
 *
 * Imports the exchange and digest fields. Called by `upload.ts` and by the uploads in parts.
 */

import type { PutResult } from '../../store.js';
import { formatArtifactstoreDigest } from './digest-fields.js';
import { type Answer, json } from './exchange.js';

/** 201 for an object that was not here, whole, before. In CBOR the body is, byte for byte, the data of the event. */
export function stored(result: PutResult, inCbor: boolean): Answer {
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
