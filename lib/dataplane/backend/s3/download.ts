/**
 * Bytes of a stored object as they come, over as many connections as it takes: what breaks off is gone on with where it broke.
 *
 * Nothing is verified here. Imports the bucket, errors and limits. Called by whatever reads from the bucket.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { ArtifactStoreError, isStoreError } from '../../../errors.js';
import { S3_ATTEMPTS_MAX, S3_BACKOFF_FIRST_MS, S3_BACKOFF_MAX_MS } from '../../../limits.js';
import type { ByteRange } from '../../spi.js';
import type { Body, Bucket } from './bucket.js';
import { unavailable } from './problems.js';
import { connectionReason } from './requests.js';

/** A stored object that is being read. */
export interface Coming {
  /** Of the whole object. */
  size: number;
  /** To be read to its end, or left. */
  bytes: AsyncGenerator<Uint8Array>;
  /** Nothing of it is wanted; instead of reading it. */
  leave(): Promise<void>;
}

/**
 * Begins to read. The range is clipped to the object.
 *
 * @param range absent: all of it
 * @returns undefined: nothing is there
 */
export async function resumed(bucket: Bucket, key: string, range?: ByteRange): Promise<Coming | undefined> {
  const first = await bucket.get(key, range?.start, range?.end);
  if (first === undefined) return undefined;
  const wanted = { start: range?.start ?? 0, end: Math.min(range?.end ?? first.size, first.size) };
  return { size: first.size, bytes: goingOn(bucket, key, wanted, first), leave: () => leave(first.body) };
}

async function leave(body: AsyncIterable<Uint8Array>): Promise<void> {
  await body[Symbol.asyncIterator]().return?.();
}

async function* goingOn(
  bucket: Bucket,
  key: string,
  { start, end }: ByteRange,
  first: Body,
): AsyncGenerator<Uint8Array> {
  let at = start;
  let body = first.body;
  for (let failed = 0; ; ) {
    let reason = 'it ended early';
    try {
      for await (const chunk of body) {
        const part = at + chunk.byteLength > end ? chunk.subarray(0, end - at) : chunk;
        at += part.byteLength;
        if (part.byteLength > 0) failed = 0;
        if (part.byteLength > 0) yield part;
      }
    } catch (error) {
      if (isStoreError(error)) throw error;
      reason = connectionReason(error);
    }
    if (at >= end) return;
    if (++failed >= S3_ATTEMPTS_MAX) throw unavailable(`GET ${bucket.place.bucket}/${key}`, failed, reason);
    const wait = Math.random() * Math.min(S3_BACKOFF_FIRST_MS * 2 ** failed, S3_BACKOFF_MAX_MS);
    bucket.notice(
      `GET ${bucket.place.bucket}/${key} broke off at byte ${at} of ${end} because ${reason}; it goes on from there in ${wait.toFixed(0)} ms.`,
    );
    await sleep(wait);
    const next = await bucket.get(key, at, end);
    if (next !== undefined && next.size !== first.size) await leave(next.body);
    if (next?.size !== first.size) throw goneMeanwhile(bucket, key);
    body = next.body;
  }
}

/** Bytes that fit into memory; fewer come where the object is shorter. */
export async function collect(bytes: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array> {
  const memory = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for await (const chunk of bytes) {
    memory.set(chunk, at);
    at += chunk.byteLength;
  }
  return new Uint8Array(memory.buffer, 0, at);
}

/** A block that is to be hashed. */
export interface Block {
  /** A copy of its bytes in one piece, whose memory is used again. */
  buffer: ArrayBuffer;
  size: number;
  /** The same bytes as they came. */
  pieces: Uint8Array[];
}

/**
 * Bytes in blocks of `size` bytes each but the last.
 *
 * @param free memory that is used again: fresh memory costs more than everything else that happens to a block. Whoever is done with a block's puts it there
 */
export async function* blocks(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
  free: ArrayBuffer[],
): AsyncGenerator<Block> {
  let buffer = free.pop() ?? new ArrayBuffer(size);
  let filled = 0;
  let pieces: Uint8Array[] = [];
  for await (const chunk of bytes) {
    for (let from = 0; from < chunk.byteLength; ) {
      const part = chunk.subarray(from, from + size - filled);
      new Uint8Array(buffer, filled).set(part);
      pieces.push(part);
      filled += part.byteLength;
      from += part.byteLength;
      if (filled < size) continue;
      yield { buffer, size, pieces };
      buffer = free.pop() ?? new ArrayBuffer(size);
      filled = 0;
      pieces = [];
    }
  }
  if (filled > 0) yield { buffer, size: filled, pieces };
}

function goneMeanwhile(bucket: Bucket, key: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_NOT_FOUND',
    `${bucket.place.bucket}/${key} was removed or replaced while it was being read. Ask again.`,
    { key },
  );
}
