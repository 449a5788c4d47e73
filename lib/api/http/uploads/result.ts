/**
 * What a request that brought bytes is answered: how far the upload has come, or the object that it became.
 *
 * Imports the exchange, the dialects' types and the answer to stored bytes. Called by `append.ts` and `handlers.ts`.
 */

import { encodeIngestResult } from '../../../dataplane/encoding.js';
import { digestBytes } from '../../../digest-name.js';
import { isStoreError } from '../../../errors.js';
import type { StoredEvent } from '../../../events/log.js';
import type { Upload } from '../../../store/uploads.js';
import type { PutResult } from '../../../store.js';
import { prefersCbor } from '../accept.js';
import { formatArtifactstoreDigest } from '../digest-fields.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { stored } from '../stored.js';
import type { Dialect } from './dialect.js';

/** The upload goes on. */
export function progressed(dialect: Dialect, upload: Upload, isNew: boolean): Answer {
  const headers = { 'Cache-Control': 'no-store', ...dialect.standing(upload) };
  if (!isNew) return { status: 204, headers };
  const location = { ...headers, Location: `/v1/uploads/${upload.id}` };
  if (!dialect.describes) return { status: 201, headers: { ...location, 'Content-Length': 0 } };
  const { id, state, offset, size, expires } = upload;
  return json(201, { id, state, offset, length: size, expires }, location);
}

/**
 * Makes the object of an upload that is whole. One that turns out to be another object than expected can never be right again, so it is ended.
 *
 * @throws as `Uploads.complete`
 */
export async function completed(
  { exchange, dialect, isNew }: { exchange: Exchange; dialect: Dialect; isNew: boolean },
  upload: Upload,
): Promise<Answer> {
  const { store, actor, uploads } = exchange;
  try {
    const result = await store.uploads.complete(upload.id, { actor });
    uploads.noteEnd();
    return finalAnswer(exchange, dialect, upload, result, isNew);
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_DIGEST_MISMATCH')) {
      await store.uploads.abort(upload.id, { actor, reason: 'its digest is not the one expected' });
      uploads.noteEnd();
    }
    throw error;
  }
}

/** The final answer once more, for a client that never got it. */
export async function finalAnswerAgain(exchange: Exchange, dialect: Dialect, upload: Upload): Promise<Answer> {
  const { blake3, sha256 } = upload.digests as Required<Upload>['digests'];
  const { receipts } = await exchange.store.stat(blake3);
  const known = { size: upload.offset, existed: true, healed: false, receipts };
  const cbor = encodeIngestResult({ blake3: digestBytes(blake3), sha256: digestBytes(sha256), ...known });
  const result = { blake3, sha256, ...known, event: upload.end as StoredEvent, cbor };
  return finalAnswer(exchange, dialect, upload, result, false);
}

function finalAnswer(
  { headers }: Exchange,
  dialect: Dialect,
  upload: Upload,
  result: PutResult,
  isNew: boolean,
): Answer {
  const { blake3, size, event } = result;
  const fields = dialect.standing({ ...upload, state: 'completed', offset: size, size });
  if (dialect.describes) {
    const answer = stored(result, prefersCbor(headers.accept));
    return { ...answer, headers: { ...answer.headers, ...fields } };
  }
  const names = {
    'Content-Location': `/v1/objects/${blake3}`,
    'Artifactstore-Digest': formatArtifactstoreDigest(result),
    'Artifactstore-Event': event.seq,
    'Cache-Control': 'no-store',
    ...fields,
  };
  if (!isNew) return { status: 204, headers: names };
  return { status: 201, headers: { ...names, Location: `/v1/uploads/${upload.id}`, 'Content-Length': 0 } };
}
