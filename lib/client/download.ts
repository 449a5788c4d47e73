/**
 * Bytes on their way here: every one of them proven before it is given, and gone on with when the connection breaks.
 *
 * Imports digests, trees, errors, limits and this folder. Called by the client's `get` and by packages.
 *
 * A small object is taken whole and digested before anything of it is given. Of a larger one, or a range, the part of its tree that proves it comes beside it,
 * and 256 KiB at a time are checked and given. SHA-256, which has no tree, is computed on the way over whole objects; the last bytes wait for it.
 */

import { createHash } from 'node:crypto';
import type { ByteRange, ContentAddress, Sha256Digest } from '../dataplane/spi.js';
import { createDigester, type Digests } from '../digest.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { CLIENT_WHOLE_SIZE_MAX } from '../limits.js';
import { provenBytes, wholeGroups } from '../tree.js';
import { Interrupted } from './interrupted.js';
import type { Service } from './service.js';

/** Bytes before a node of a tree in an outboard: the size. */
const OUTBOARD_HEADER = 8;

export interface Wanted {
  address: ContentAddress;
  sha256: Sha256Digest;
  /** Bytes of the object. */
  size: number;
  range: ByteRange;
  /** Where its bytes are, and what proves them. Without the latter they are only taken whole, and proven at the end. */
  path: string;
  outboardPath?: string;
  signal?: AbortSignal | undefined;
}

/**
 * The bytes wanted.
 *
 * @throws AS_ERR_CORRUPT: what came is not the object; nothing wrong was given. AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_UNAVAILABLE, AS_ERR_ABORTED, …
 */
export function download(service: Service, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const { size, range, outboardPath } = wanted;
  const isWhole = range.start === 0 && range.end === size;
  if (isWhole && size <= CLIENT_WHOLE_SIZE_MAX) return downloadWhole(service, wanted);
  const bytes = outboardPath === undefined ? unproven(service, wanted) : proven(service, wanted, outboardPath);
  return isWhole ? checked(bytes, wanted, outboardPath !== undefined) : bytes;
}

async function* downloadWhole(service: Service, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const all = new Uint8Array(wanted.size);
  let offset = 0;
  for await (const chunk of unproven(service, wanted)) {
    all.set(chunk, offset);
    offset += chunk.byteLength;
  }
  requireDigests(createDigester().update(all).digest(), wanted);
  if (all.byteLength > 0) yield all;
}

/** Bytes that the content address proves, cut to the range. What came unproven when a connection broke is asked for again. */
async function* proven(service: Service, wanted: Wanted, outboardPath: string): AsyncGenerator<Uint8Array> {
  const { address, size, range, signal } = wanted;
  const groups = wholeGroups(range, size);
  const attempts = service.attempts(signal);
  for (let at = groups.start; at < groups.end; ) {
    const part = { start: at, end: groups.end };
    try {
      const nodes = outboard(service, { ...wanted, range: part }, outboardPath);
      for await (const block of provenBytes({ address, size, range: part }, ranged(service, wanted, part), nodes)) {
        const start = Math.max(range.start - at, 0);
        at += block.byteLength;
        attempts.progress();
        yield block.subarray(start, Math.min(block.byteLength, block.byteLength - (at - range.end)));
      }
    } catch (error) {
      await attempts.after(unlessShort(error));
    }
  }
}

/** Bytes that only their end can prove. */
async function* unproven(service: Service, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const { range, signal } = wanted;
  const attempts = service.attempts(signal);
  for (let at = range.start; at < range.end; ) {
    try {
      for await (const chunk of ranged(service, wanted, { start: at, end: range.end })) {
        at += chunk.byteLength;
        if (at > range.end) throw moreThanAsked(wanted);
        attempts.progress();
        yield chunk;
      }
      if (at < range.end) throw shortened(wanted.path);
    } catch (error) {
      await attempts.after(error);
    }
  }
}

/** What the service sends for a range, once. */
async function* ranged(service: Service, { path, size, signal }: Wanted, { start, end }: ByteRange) {
  const isWhole = start === 0 && end === size;
  const headers = { 'want-repr-digest': 'sha-256=0', ...(!isWhole && { range: `bytes=${start}-${end - 1}` }) };
  const { status, bytes } = await service.send({ method: 'GET', path, headers, signal });
  if (!isWhole && status !== 206) {
    throw new ArtifactStoreError(
      'AS_ERR_HTTP_ANSWER',
      `A range of ${path} was asked for, and ${status} came. Something between here and the service does not pass ranges on.`,
      { status },
    );
  }
  yield* bytes;
}

/** The nodes that prove a range, once. */
async function* outboard(service: Service, { size, range, signal, address }: Wanted, path: string) {
  const isWhole = range.start === 0 && range.end === size;
  const query = isWhole ? {} : { start: range.start, end: range.end };
  const { bytes } = await service.send({ method: 'GET', path, query, signal });
  let header = Buffer.alloc(0);
  for await (const chunk of bytes) {
    if (header.byteLength === OUTBOARD_HEADER) {
      yield chunk;
      continue;
    }
    const missing = OUTBOARD_HEADER - header.byteLength;
    header = Buffer.concat([header, chunk.subarray(0, missing)]);
    if (header.byteLength < OUTBOARD_HEADER) continue;
    if (header.readBigUInt64LE() !== BigInt(size)) throw mismatch(address, 'its outboard states another size');
    yield chunk.subarray(missing);
  }
}

/** Whole objects: gives the last bytes only when the digests that have no tree are right. */
async function* checked(
  bytes: AsyncIterable<Uint8Array>,
  wanted: Wanted,
  isProven: boolean,
): AsyncGenerator<Uint8Array> {
  const sums = isProven ? new Sha256Only(wanted.address) : createDigester();
  let held: Uint8Array | undefined;
  for await (const chunk of bytes) {
    sums.update(chunk);
    if (held !== undefined) yield held;
    held = chunk;
  }
  requireDigests(sums.digest(), wanted);
  if (held !== undefined) yield held;
}

/** SHA-256 alone, of bytes whose BLAKE3 digest is proven already. */
class Sha256Only {
  readonly #hash = createHash('sha256');

  constructor(private readonly address: ContentAddress) {}

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  digest(): Digests {
    return { blake3: Buffer.from(this.address.slice('blake3:'.length), 'hex'), sha256: this.#hash.digest() };
  }
}

function requireDigests({ blake3, sha256 }: Digests, wanted: Wanted): void {
  if (formatBlake3(blake3) !== wanted.address) throw mismatch(wanted.address, `it is ${formatBlake3(blake3)}`);
  if (formatSha256(sha256) !== wanted.sha256) throw mismatch(wanted.address, `its SHA-256 is not ${wanted.sha256}`);
}

function mismatch(address: ContentAddress, reason: string): ArtifactStoreError {
  const message = `What was sent as ${address} is not that: ${reason}. Do not trust who sent it.`;
  return new ArtifactStoreError('AS_ERR_CORRUPT', message, { address });
}

function moreThanAsked({ address, size }: Wanted): ArtifactStoreError {
  return mismatch(address, `it has more than ${size} bytes`);
}

/** An answer that ends early although the connection did not break. */
function shortened(path: string): Interrupted {
  return new Interrupted(
    'AS_ERR_UNAVAILABLE',
    `The answer for ${path} ended early. Try again.`,
    {},
    { mayBeDone: false },
  );
}

function unlessShort(error: unknown): unknown {
  return isStoreError(error, 'AS_ERR_SIZE_MISMATCH') ? shortened(String(error.details.address ?? '')) : error;
}
