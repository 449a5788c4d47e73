/**
 * What the server honours, found out by trying: documentation of S3-compatible servers says less than their answers do.
 *
 * Some refuse a condition, some ignore it, which would be worse to rely on. Imports the bucket and keys. Called when the backend is opened for writing.
 */

import { createHash, randomUUID } from 'node:crypto';
import { isStoreError } from '../../../errors.js';
import { type Bucket, base64Of, type PutOptions } from './bucket.js';
import type { Keys } from './keys.js';
import type { Honoured } from './upload.js';

/** What was found. */
export interface Findings extends Honoured {
  /** In words, for `backendHealth`. */
  facts: Record<string, string>;
}

/** Before anything was tried, and where nothing may be written. */
export const NOTHING_HONOURED: Findings = { conditionalPut: false, checksums: false, multiDelete: false, facts: {} };

/**
 * Tries.
 *
 * @throws what storing an object throws: then nothing can be stored here at all
 */
export async function probe(bucket: Bucket, keys: Keys): Promise<Findings> {
  const key = keys.probe(randomUUID());
  const body = Buffer.from('What this server honours is found out by trying.\n');
  const sha256 = createHash('sha256').update(body).digest('hex');
  const put = (options: PutOptions, as = sha256) => bucket.put(key, { body, sha256: as }, { ...options, attempts: 3 });
  await put({});
  try {
    const other = createHash('sha256').update('something else').digest('hex');
    const condition = await tried(() => put({ onlyIfAbsent: true }));
    const wrongPayload = await tried(() => put({}, other));
    const checksum = await tried(() => put({ checksum: true }));
    const kept = checksum === 'refused' ? undefined : (await bucket.head(key, true))?.checksum;
    const [lock, versions] = [await bucket.objectLock(), await bucket.versioning()];
    const checksums = kept === base64Of(sha256);
    const removed = await tried(() => bucket.removeMany([key], { attempts: 3 }));
    const isGone = removed !== 'refused' && removed.has(key) && (await bucket.head(key)) === undefined;
    return {
      conditionalPut: condition === 'present',
      checksums,
      multiDelete: isGone,
      facts: {
        conditionalPut:
          condition === 'present' ? 'honoured' : condition === 'refused' ? 'refused' : 'ignored: not relied on',
        payloadHash: wrongPayload === 'refused' ? 'compared' : 'not compared',
        checksums: checksums ? 'SHA-256 kept' : checksum === 'refused' ? 'refused' : 'ignored',
        multiDelete: isGone ? 'honoured' : removed === 'refused' ? 'refused' : 'ignored: not relied on',
        objectLock: yesOrNo(lock),
        versions: yesOrNo(versions),
      },
    };
  } finally {
    await bucket.remove(key);
  }
}

/** What came of a request that a server may refuse. */
async function tried<T>(request: () => Promise<T>): Promise<T | 'refused'> {
  try {
    return await request();
  } catch (error) {
    if (isStoreError(error) && error.code !== 'AS_ERR_ABORTED') return 'refused';
    throw error;
  }
}

function yesOrNo(value: boolean | undefined): string {
  return value === undefined ? 'not said' : value ? 'on' : 'off';
}
