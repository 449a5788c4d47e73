/**
 * Bytes on their way to the service: small objects in one request, larger ones and streams as uploads that resume.
 *
 * Imports digests, errors, limits and this folder. Called by the client and by `push.ts`.
 */

import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { IngestHints } from '../dataplane/spi.js';
import { type Digests, digest } from '../digest.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { CLIENT_PART_SIZE, CLIENT_WHOLE_SIZE_MAX, PUT_ATTEMPTS_MAX } from '../limits.js';
import { hintsOf } from '../store/checks.js';
import { type PutSource, toByteSource } from '../store/source.js';
import type { Stored } from '../store/verbs.js';
import type { PutOptions } from '../store.js';
import { parseJson, type Service, segment } from './service.js';
import { bytesSource, fileSource, isFile, type Repeatable } from './sources.js';
import { gather, Upload, type Uploaded, type UploadOptions } from './upload.js';

export interface ClientPutOptions extends Omit<PutOptions, 'actor' | 'durability'> {
  /**
   * Names the upload, for bytes and files: another `put` with this name and the same source goes on where this one was broken off, also from another
   * process. 1 to 64 of A to Z, a to z, 0 to 9, _ and -; a name is used for one object.
   */
  upload?: string;
}

/** As `StoreClient.put`. */
export async function put(service: Service, source: PutSource, options: ClientPutOptions = {}): Promise<Stored> {
  const { signal, onProgress } = options;
  const hints = hintsOf(options);
  if (source instanceof Uint8Array) return putRepeatable(service, bytesSource(source), hints, options);
  if (isFile(source)) {
    const { path } = source;
    const file = await fileSource(typeof path === 'string' ? resolve(path) : path);
    try {
      return await putRepeatable(service, file, hints, options);
    } finally {
      await file.close();
    }
  }
  const stream = toByteSource(source, signal ? { signal } : {})[Symbol.asyncIterator]();
  try {
    const first = await gather(stream, CLIENT_PART_SIZE);
    const isAll = first.byteLength < CLIENT_PART_SIZE;
    if (isAll) return await putRepeatable(service, bytesSource(first), hints, options);
    const upload = new Upload(service, { id: randomUUID(), hints, signal, onProgress });
    return accepted(await orAbandon(upload, upload.stream(first, stream)));
  } finally {
    await stream.return?.();
  }
}

async function putRepeatable(
  service: Service,
  source: Repeatable,
  hints: IngestHints,
  options: ClientPutOptions,
): Promise<Stored> {
  requireSize(source.size, hints);
  const { upload, signal, onProgress } = options;
  if (source.size <= CLIENT_WHOLE_SIZE_MAX && upload === undefined) {
    const bytes = await gather(source.from(0)[Symbol.asyncIterator](), source.size);
    await source.requireUnchanged();
    const stored = await putWhole(service, bytes, digest(bytes), hints, signal);
    onProgress?.(source.size);
    return stored;
  }
  const known = { ...hints, size: source.size };
  for (let attempt = 1; ; attempt++) {
    const named: UploadOptions = { id: upload ?? randomUUID(), hints: known, signal, onProgress };
    const sending = new Upload(service, named);
    try {
      const whole = sending.whole(source, upload !== undefined);
      const uploaded = await (upload === undefined ? orAbandon(sending, whole) : whole);
      await source.requireUnchanged();
      return accepted(uploaded);
    } catch (error) {
      // The same content was deleted at this moment: it has to be sent again, under another name.
      const isCrossed = isStoreError(error, 'AS_ERR_CONFLICT') && error.details.address !== undefined;
      if (!isCrossed || upload !== undefined || attempt === PUT_ATTEMPTS_MAX) throw error;
    }
  }
}

/**
 * Stores bytes in one request, which may be repeated: storing the same bytes twice is storing them once.
 *
 * @param digests of the bytes
 */
export async function putWhole(
  service: Service,
  bytes: Uint8Array,
  digests: Digests,
  hints: IngestHints,
  signal?: AbortSignal,
): Promise<Stored> {
  const blake3 = formatBlake3(digests.blake3);
  const sha256 = formatSha256(digests.sha256);
  requireExpected({ blake3, sha256 }, hints);
  const { bytes: answer } = await service.read({
    method: 'PUT',
    path: `/v1/objects/${segment(blake3)}`,
    headers: { 'content-type': 'application/octet-stream', 'artifactstore-digest': `${blake3}, ${sha256}` },
    body: bytes,
    signal,
  });
  return parseJson<Stored>(answer, 'Storing an object');
}

/** An upload that nobody can name goes when it fails. */
async function orAbandon(upload: Upload, sending: Promise<Uploaded>): Promise<Uploaded> {
  try {
    return await sending;
  } catch (error) {
    await upload.abandon();
    throw error;
  }
}

/** What the service says it has must be what was sent. */
function accepted({ stored, sent }: Uploaded): Stored {
  if (stored.blake3 === formatBlake3(sent.blake3) && stored.sha256 === formatSha256(sent.sha256)) return stored;
  throw new ArtifactStoreError(
    'AS_ERR_DIGEST_MISMATCH',
    `The service has stored ${stored.blake3}, but what was sent is ${formatBlake3(sent.blake3)}. Send it again.`,
    { stored: stored.blake3, sent: formatBlake3(sent.blake3) },
  );
}

function requireSize(size: number, { size: expected }: IngestHints): void {
  if (expected === undefined || expected === size) return;
  throw new ArtifactStoreError(
    'AS_ERR_SIZE_MISMATCH',
    `${expected} bytes were announced and ${size} came. Nothing was stored; send the whole object again.`,
    { expected, actual: size },
  );
}

function requireExpected(actual: { blake3: string; sha256: string }, { blake3, sha256 }: IngestHints): void {
  for (const [expected, found] of [
    [blake3, actual.blake3],
    [sha256, actual.sha256],
  ]) {
    if (expected === undefined || expected === found) continue;
    throw new ArtifactStoreError(
      'AS_ERR_DIGEST_MISMATCH',
      `The bytes are not the ones expected: they have ${found}, not ${expected}. Nothing was stored; send the right bytes or correct the digest.`,
      { expected, actual: found },
    );
  }
}
