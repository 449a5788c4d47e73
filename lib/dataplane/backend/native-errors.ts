/**
 * The core's failures as ours: which code, and a sentence that says what to do. One place, so that a door never sees an errno.
 *
 * Called by local.ts, and by s3 for what is expected of small objects. Errors that are not the core's pass through unchanged.
 */

import { formatBlake3, formatSha256 } from '../../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import { DIGEST_SIZE } from '../../limits.js';
import { NativeError } from '../../native/scheduler.js';
import type { ContentAddress, ObjectHints } from '../spi.js';

/** Opening the store in folder `path` failed. */
export function openError(error: unknown, path: string): unknown {
  if (!(error instanceof NativeError)) return error;
  const { name, detail } = error.failure;
  const at = { path, detail };
  switch (name) {
    case 'AS_E_LOCKED':
      return new ArtifactStoreError(
        'AS_ERR_STORE_LOCKED',
        `The store in ${path} is open in another process (${detail}). Close that one, or talk to it over HTTP if it is a service.`,
        at,
      );
    case 'AS_E_FORMAT':
      return new ArtifactStoreError(
        'AS_ERR_STORE_FORMAT',
        `${path} is not a store that this version can open (${detail}). Use the version that wrote it, or another folder.`,
        at,
      );
    case 'AS_E_MISSING':
    case 'ENOENT':
    case 'ENOTDIR':
      return new ArtifactStoreError(
        'AS_ERR_STORE_MISSING',
        `There is no store in ${path} (${detail || name}). Check the path, or put something to create one.`,
        at,
      );
    case 'AS_E_READ_ONLY':
      return new ArtifactStoreError(
        'AS_ERR_READ_ONLY',
        `${path} cannot be written (${detail}). Open it read-only, or check the mount.`,
        at,
      );
    case 'AS_E_INVALID':
      return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `The store was not opened (${detail}).`, at);
    default:
      return storeError(error, path, {});
  }
}

/** Something failed on the side of the store in folder `path`, or what was expected of the bytes did not hold. */
export function storeError(error: unknown, path: string, hints: ObjectHints): unknown {
  if (!(error instanceof NativeError)) return error;
  const { failure } = error;
  const at = { path, detail: failure.detail };
  switch (failure.name) {
    case 'AS_E_MISMATCH':
      return digestMismatch(failure.digests ?? new Uint8Array(2 * DIGEST_SIZE), hints);
    case 'AS_E_SIZE':
      return sizeMismatch(failure.size ?? 0, hints);
    case 'ENOSPC':
    case 'EDQUOT':
      return new ArtifactStoreError(
        'AS_ERR_NO_SPACE',
        `No space is left for the store in ${path} (${failure.detail}). Free some space or raise the quota, then repeat; nothing was stored.`,
        at,
      );
    case 'AS_E_READ_ONLY':
    case 'EROFS':
      return new ArtifactStoreError(
        'AS_ERR_READ_ONLY',
        `The store in ${path} is read-only. Open it for writing to change it.`,
        at,
      );
    default:
      return new ArtifactStoreError(
        'AS_ERR_IO',
        `The store in ${path} failed: ${failure.detail || failure.name}. Check the disk and its permissions.`,
        { ...at, errno: failure.name },
      );
  }
}

/** Making durable what was deferred failed. */
export function syncError(error: unknown, path: string): unknown {
  const cause = storeError(error, path, {});
  if (!isStoreError(cause)) return cause;
  return new ArtifactStoreError(
    cause.code,
    `What was deferred could not be made durable in ${path} (${cause.details.detail}). Close the store, open it again, and store again what has not been synced.`,
    cause.details,
  );
}

/** Taking in the local file `source` failed: on its side or on the store's. */
export function sourceError(error: unknown, source: string | Uint8Array, hints: ObjectHints): unknown {
  if (!(error instanceof NativeError)) return error;
  const path = typeof source === 'string' ? source : Buffer.from(source).toString();
  const { name, detail } = error.failure;
  switch (name) {
    case 'AS_E_CHANGED':
      return new ArtifactStoreError(
        'AS_ERR_SOURCE_CHANGED',
        `${path} changed while it was being read; nothing was stored. Repeat when its writer is done.`,
        { path },
      );
    case 'AS_E_NOT_FILE':
      return new ArtifactStoreError(
        'AS_ERR_SOURCE_UNREADABLE',
        `${path} is not a regular file. Pipe it in, or name a file.`,
        { path },
      );
    case 'AS_E_SOURCE':
      return new ArtifactStoreError(
        'AS_ERR_SOURCE_UNREADABLE',
        `${path} cannot be read (${detail}). Check that it exists and that you may read it.`,
        { path, detail },
      );
    default:
      return storeError(error, path, hints);
  }
}

/** A call of the upload session `id` failed, at `offset` if it appends. */
export function sessionError(error: unknown, path: string, id: string, hints: ObjectHints, offset?: number): unknown {
  if (!(error instanceof NativeError)) return error;
  const { name, detail, durable, size } = error.failure;
  switch (name) {
    case 'AS_E_OFFSET':
      return new ArtifactStoreError(
        'AS_ERR_OFFSET',
        `Upload session ${id} stands at byte ${durable}, not ${offset}. Go on from there.`,
        { id, offset, expected: durable },
      );
    case 'AS_E_MISSING':
      return new ArtifactStoreError(
        'AS_ERR_NOT_FOUND',
        `There is no upload session ${id}, or it has ended. Begin one at offset 0.`,
        { id },
      );
    case 'AS_E_BUSY':
      return new ArtifactStoreError(
        'AS_ERR_CONFLICT',
        `Somebody else is writing to upload session ${id}. Repeat when that call has ended.`,
        { id },
      );
    case 'AS_E_CORRUPT':
      return new ArtifactStoreError(
        'AS_ERR_CORRUPT',
        `The files of upload session ${id} are damaged (${detail}). Abort it and send the object again.`,
        { id, detail },
      );
    case 'AS_E_SIZE':
      return new ArtifactStoreError(
        'AS_ERR_SIZE_MISMATCH',
        `${hints.size} bytes were announced and ${size} came. Nothing was stored; ask where upload session ${id} stands and go on, or abort it.`,
        { id, expected: hints.size, actual: size },
      );
    default:
      return storeError(error, path, hints);
  }
}

/** Reading the object at `address` failed. */
export function readError(error: unknown, address: ContentAddress): unknown {
  if (!(error instanceof NativeError)) return error;
  const { name, detail, start, end } = error.failure;
  switch (name) {
    case 'AS_E_MISSING':
      return new ArtifactStoreError('AS_ERR_NOT_FOUND', `No object ${address} is stored here.`, { address });
    case 'AS_E_RANGE':
      return new ArtifactStoreError('AS_ERR_RANGE', `The range lies outside ${address}: ${detail}.`, { address });
    case 'AS_E_CORRUPT':
      return start === undefined || end === undefined
        ? new ArtifactStoreError(
            'AS_ERR_CORRUPT',
            `${address} is known to be damaged. Store the same bytes again to heal it.`,
            { address },
          )
        : new ArtifactStoreError(
            'AS_ERR_CORRUPT',
            `${address} is damaged: bytes ${start} to ${end - 1} do not match its digest. Store the same bytes again to heal it.`,
            { address, ranges: [[start, end]] },
          );
    default:
      return new ArtifactStoreError('AS_ERR_IO', `${address} cannot be read: ${detail || name}. Check the disk.`, {
        address,
        detail,
        errno: name,
      });
  }
}

/** Whether the core leaves a file alone that was to take an object's bytes: asked when it has opened it. */
export function isSinkRefused(error: unknown): boolean {
  return error instanceof NativeError && error.failure.name === 'AS_E_SINK';
}

/** Putting the object at `address` into the file `sink` failed: on the file's side or on the store's. */
export function sinkError(error: unknown, address: ContentAddress, sink: string | Uint8Array): unknown {
  if (!(error instanceof NativeError)) return error;
  const path = typeof sink === 'string' ? sink : Buffer.from(sink).toString();
  const { name, detail } = error.failure;
  switch (name) {
    case 'AS_E_SINK_FULL':
      return new ArtifactStoreError(
        'AS_ERR_NO_SPACE',
        `${path} cannot be written (${detail}). Free some space on its disk or raise the quota.`,
        { path, detail },
      );
    case 'AS_E_SINK':
      return new ArtifactStoreError('AS_ERR_IO', `${path} cannot be written (${detail}). Check its disk.`, {
        path,
        detail,
      });
    default:
      return readError(error, address);
  }
}

/** Sending the object at `address` to a socket failed: because of the other end, or of the store. */
export function senderError(error: unknown, address: ContentAddress): unknown {
  return error instanceof NativeError && error.failure.name === 'AS_E_SINK'
    ? connectionGone()
    : readError(error, address);
}

/** Receiving bytes from a socket failed: because of the other end, or of the store. */
export function receiveError(error: unknown, path: string): unknown {
  return error instanceof NativeError && error.failure.name === 'AS_E_SOURCE'
    ? senderGone()
    : storeError(error, path, {});
}

/** Nobody sends any more on a socket. */
export function senderGone(): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_ABORTED',
    'The connection ended before all bytes had come; nothing was stored. Send the object again.',
  );
}

/** Nobody is at the other end of a socket any more. */
export function connectionGone(): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_ABORTED',
    'The connection ended before all bytes had been sent. Ask for the rest.',
  );
}

/** Bytes came with digests (BLAKE3, then SHA-256) that are not those expected. */
export function digestMismatch(came: Uint8Array, hints: ObjectHints): ArtifactStoreError {
  const blake3 = formatBlake3(came.subarray(0, DIGEST_SIZE));
  const sha256 = formatSha256(came.subarray(DIGEST_SIZE));
  const [expected, actual] =
    hints.blake3 !== undefined && hints.blake3 !== blake3 ? [hints.blake3, blake3] : [hints.sha256 ?? '', sha256];
  return new ArtifactStoreError(
    'AS_ERR_DIGEST_MISMATCH',
    `The bytes are not the ones expected: they have ${actual}, not ${expected}. Nothing was stored; send the right bytes or correct the digest.`,
    { expected, actual },
  );
}

/** Fewer or more bytes came than were announced. */
export function sizeMismatch(actual: number, hints: ObjectHints): ArtifactStoreError {
  const expected = hints.size ?? 0;
  return new ArtifactStoreError(
    'AS_ERR_SIZE_MISMATCH',
    `${expected} bytes were announced and ${actual} came. Nothing was stored; send the whole object again.`,
    { expected, actual },
  );
}
