/**
 * The bytes of a request that come with a checksum: held in memory until they match it, because an upload's offset never goes back.
 *
 * Imports the desk, which lends the memory, and limits. Called by `handlers.ts`.
 */

import { createHash } from 'node:crypto';
import type { ByteSource } from '../../../dataplane/spi.js';
import { UPLOAD_CHECKED_SIZE_MAX } from '../../../limits.js';
import { Refusal } from '../refusal.js';
import type { UploadDesk } from './desk.js';
import type { Check } from './dialect.js';

/**
 * Reads a body, checks it, and hands it on.
 *
 * @param size bytes announced; undefined for a chunked body
 * @throws AS_ERR_HTTP_REQUEST (411): no size; AS_ERR_LIMIT (413, 503); AS_ERR_DIGEST_MISMATCH (as the dialect says), and what the body throws
 */
export async function checked<T>(
  desk: UploadDesk,
  body: ByteSource,
  size: number | undefined,
  check: Check,
  take: (bytes: Uint8Array) => Promise<T>,
): Promise<T> {
  if (size === undefined) {
    throw new Refusal('AS_ERR_HTTP_REQUEST', 411, 'Bytes with a checksum need a Content-Length.');
  }
  if (size > UPLOAD_CHECKED_SIZE_MAX) {
    const message = `${size} bytes with a checksum are more than ${UPLOAD_CHECKED_SIZE_MAX}. Send smaller parts.`;
    throw new Refusal('AS_ERR_LIMIT', 413, message, { limit: UPLOAD_CHECKED_SIZE_MAX });
  }
  return desk.withMemory(size, async () => {
    const bytes = Buffer.allocUnsafe(size);
    const hash = createHash(check.algorithm);
    let end = 0;
    for await (const chunk of body) {
      bytes.set(chunk, end);
      hash.update(chunk);
      end += chunk.byteLength;
    }
    const digest = hash.digest();
    if (digest.equals(check.digest)) return take(bytes.subarray(0, end));
    const message = `The bytes have the ${check.algorithm} ${digest.toString('base64')}, not the one announced; none was taken in. Send them again.`;
    throw new Refusal('AS_ERR_DIGEST_MISMATCH', check.status, message, { algorithm: check.algorithm });
  });
}
