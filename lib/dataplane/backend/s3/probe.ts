/**
 * What the server honours, found out by trying: documentation of S3-compatible servers says less than their answers do.
 *
 * Some refuse what they do not know, some ignore it, which would be worse to rely on. Imports the bucket, keys and errors. Called when the backend is opened for writing.
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

const BODY = Buffer.from('What this server honours is found out by trying.\n');
const SHA256 = hashOf(BODY, 'sha256');
/** Whose digests are well-formed, and not those of what is sent. */
const OTHER = Buffer.from('something else');
/** What fails is found out soon. */
const FEW = { attempts: 3 };

/**
 * Tries.
 *
 * @throws what storing an object throws: then nothing can be stored here at all
 */
export async function probe(bucket: Bucket, keys: Keys): Promise<Findings> {
  const key = keys.probe(randomUUID());
  await bucket.put(key, { body: BODY, sha256: SHA256 }, FEW);
  try {
    const parts = tryParts(bucket, keys.probe(randomUUID()));
    parts.catch(() => undefined); // is awaited below, unless something else fails before
    const asked = await tryReading(bucket, key);
    const { conditionalPut, checksums, facts } = await tryWriting(bucket, key);
    const partEtags = await parts;
    const multi = await tryRemoving(bucket, key);
    return {
      conditionalPut,
      checksums,
      multiDelete: multi === 'honoured',
      facts: { ...facts, partEtags, multiDelete: multi, ...asked },
    };
  } finally {
    await bucket.remove(key);
  }
}

/** What changes nothing, all at once. */
async function tryReading(bucket: Bucket, key: string): Promise<Record<string, string>> {
  const [lock, versions, isPublic, ranges] = await Promise.all([
    bucket.objectLock(),
    bucket.versioning(),
    bucket.isPublic(key),
    tryRange(bucket, key),
  ]);
  return {
    objectLock: yesOrNo(lock),
    versions: yesOrNo(versions),
    ranges,
    withoutCredentials: isPublic ? 'answered: who reaches the server may read' : 'refused',
  };
}

/** The first byte alone: servers that take 0 for nothing send everything, and call it what was asked for. */
async function tryRange(bucket: Bucket, key: string): Promise<string> {
  const coming = await tried(() => bucket.get(key, 0, 1));
  if (coming === 'refused' || coming === undefined) return 'refused';
  await coming.body[Symbol.asyncIterator]().return?.();
  return coming.sent.end === 1 ? 'honoured' : 'more is sent than was asked for, and left out';
}

/** One after the other, because all of it is under one key. */
async function tryWriting(bucket: Bucket, key: string) {
  const put = (options: PutOptions, sha256 = SHA256) =>
    tried(() => bucket.put(key, { body: BODY, sha256 }, { ...options, ...FEW }));
  const condition = await put({ onlyIfAbsent: true });
  const wrongPayload = await put({}, hashOf(OTHER, 'sha256'));
  const wrongMd5 = await put({ md5: base64Of(hashOf(OTHER, 'md5')) });
  const checksum = await put({ checksum: true });
  const kept = checksum === 'refused' ? undefined : (await bucket.head(key, true))?.checksum;
  const conditionalPut = condition === 'present';
  const checksums = kept === base64Of(SHA256);
  return {
    conditionalPut,
    checksums,
    facts: {
      conditionalPut: conditionalPut ? 'honoured' : condition === 'refused' ? 'refused' : 'ignored: not relied on',
      payloadHash: comparedOrNot(wrongPayload),
      contentMd5: comparedOrNot(wrongMd5),
      checksums: checksums ? 'SHA-256 kept' : checksum === 'refused' ? 'refused' : 'ignored',
    },
  };
}

/** Whether an upload may end with another part than the one that was sent. */
async function tryParts(bucket: Bucket, key: string): Promise<string> {
  const uploadId = await tried(() => bucket.beginParts(key, FEW));
  if (uploadId === 'refused') return 'refused: nothing large can be stored';
  await tried(() => bucket.putPart(key, uploadId, 1, { body: BODY, sha256: SHA256 }, FEW));
  const wrong = [{ etag: `"${hashOf(OTHER, 'md5')}"`, sha256: SHA256 }];
  const ended = await tried(() => bucket.endParts(key, uploadId, wrong, FEW));
  if (ended !== 'refused') await bucket.remove(key);
  else await tried(() => bucket.dropParts(key, uploadId)); // else swept later
  return comparedOrNot(ended);
}

async function tryRemoving(bucket: Bucket, key: string): Promise<string> {
  const removed = await tried(() => bucket.removeMany([key], FEW));
  if (removed === 'refused') return 'refused';
  const isGone = removed.has(key) && (await bucket.head(key)) === undefined;
  return isGone ? 'honoured' : 'ignored: not relied on';
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

/** A digest that was wrong was refused, or nobody looked at it. */
function comparedOrNot(outcome: unknown): string {
  return outcome === 'refused' ? 'compared' : 'not compared';
}

function yesOrNo(value: boolean | undefined): string {
  return value === undefined ? 'not said' : value ? 'on' : 'off';
}

function hashOf(bytes: Uint8Array, algorithm: 'sha256' | 'md5'): string {
  return createHash(algorithm).update(bytes).digest('hex');
}
