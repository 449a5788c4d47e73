/**
 * Bytes on their way to the bucket: in one request, or in parts side by side. What has been sent is looked at again before it counts.
 *
 * A part is kept in memory until the server has it, so that it can be sent again; the number of parts in memory is bounded over all objects. Imports the bucket, the
 * hasher, what the server honours, errors and limits. Called by the operations.
 */

import { createHash } from 'node:crypto';
import { ArtifactStoreError } from '../../../errors.js';
import {
  S3_ATTEMPTS_MAX,
  S3_PART_SIZE,
  S3_PART_SIZE_MAX,
  S3_PARTS_HELD_MAX,
  S3_PARTS_IN_FLIGHT,
  S3_PARTS_MAX,
  S3_PIECE_SIZE,
} from '../../../limits.js';
import type { Hasher } from '../../../native/hasher.js';
import type { ByteRange } from '../../spi.js';
import { type Bucket, base64Of, type HashedBody, type Put, type PutOptions, type Stored } from './bucket.js';

/** What is to be stored under one key. */
export interface Content {
  size: number;
  /** All of it, or a part; as often as asked. */
  read(range?: ByteRange): AsyncIterable<Uint8Array>;
  /** A part of it into memory, verified, with its SHA-256 in hex: where that is to be had for less than by reading. Not for parts beyond that memory. */
  fill?(buffer: ArrayBuffer, range: ByteRange): Promise<{ buffer: ArrayBuffer; sha256: string }>;
}

/** What the server was found to honour, as far as we would rely on it. */
export interface Honoured {
  conditionalPut: boolean;
  checksums: boolean;
  multiDelete: boolean;
}

/** What stands in the bucket now: as it was found after storing. `present`: somebody else was first, and nothing was written. */
export type Uploaded = Stored | 'present';

interface Part extends HashedBody {
  /** Gives its memory back. */
  release(): void;
}

export class Uploader {
  readonly #free: ArrayBuffer[] = [];
  readonly #waiting: ((buffer: ArrayBuffer) => void)[] = [];
  #unmade = S3_PARTS_HELD_MAX;

  constructor(
    private readonly bucket: Bucket,
    private readonly hasher: Hasher,
    private readonly honoured: () => Honoured,
    private readonly partSize: number = S3_PART_SIZE,
  ) {}

  /** Stores bytes that are in memory. */
  putBytes(key: string, bytes: Uint8Array, sha256: string, options: PutOptions): Promise<Uploaded> {
    const { checksums } = this.honoured();
    const checksum = checksums ? base64Of(sha256) : undefined;
    return this.#checked(key, bytes.byteLength, checksum, (isAgain) => {
      // What we have written ourselves, wrongly, must not keep us from writing it again.
      const onlyIfAbsent = options.onlyIfAbsent === true && !isAgain;
      return this.bucket.put(key, { body: bytes, sha256 }, { ...options, onlyIfAbsent, checksum: checksums });
    });
  }

  /** Stores what is read: in one request if it fits into one part, else in parts. */
  async put(key: string, content: Content, options: PutOptions): Promise<Uploaded> {
    if (content.size > this.partSize) return this.#putParts(key, content, options);
    const parts = this.#partsOf(content, this.partSize);
    try {
      const { value: part } = await parts.next();
      if (!part) throw changed(key);
      try {
        return await this.putBytes(key, part.body as Uint8Array, part.sha256, options);
      } finally {
        part.release();
      }
    } finally {
      await parts.return(undefined);
    }
  }

  async #putParts(key: string, content: Content, options: PutOptions): Promise<Uploaded> {
    const { checksums } = this.honoured();
    const ended: { checksum?: string } = {};
    // How such an upload ends is found out by looking, so a second attempt never follows on one that did it.
    const write = async (): Promise<Put> => {
      const uploadId = await this.bucket.beginParts(key, { ...options, checksum: checksums });
      try {
        const parts = await this.#sendParts(key, uploadId, content, checksums);
        const whole = Buffer.concat(parts.map(({ sha256 }) => Buffer.from(sha256, 'hex')));
        if (checksums) ended.checksum = `${base64Of(hashOf(whole))}-${parts.length}`;
        const put = await this.bucket.endParts(key, uploadId, parts, { checksum: checksums }).catch((error) =>
          // Some servers fail where they are told again to end what has ended, because the first answer was lost.
          this.#hasEnded(key, content.size).then((isThere) => (isThere ? 'gone' : Promise.reject(error))),
        );
        if (put !== 'gone') return put;
        this.bucket.notice(
          `The upload of ${key} was not there any more when it was to end: an earlier attempt has ended it, or somebody gave it up.`,
        );
        return {};
      } catch (error) {
        await this.bucket.dropParts(key, uploadId).catch(() => undefined); // swept later
        throw error;
      }
    };
    return this.#checked(key, content.size, () => ended.checksum, write);
  }

  /** Whether an upload in parts has ended all the same, as far as its size tells. */
  async #hasEnded(key: string, size: number): Promise<boolean> {
    const found = await this.bucket.head(key, false, { attempts: 1 }).catch(() => undefined);
    return found?.size === size;
  }

  /** Sends all parts, several at once; the first that fails ends the others. */
  async #sendParts(key: string, uploadId: string, content: Content, checksum: boolean) {
    const partSize = this.#partSizeFor(content.size);
    const parts = partSize > this.partSize ? this.#streamedParts(content, partSize) : this.#partsOf(content, partSize);
    const done: { etag: string; sha256: string }[] = [];
    const stop = new AbortController();
    let failure: { error: unknown } | undefined;
    const going = new Set<Promise<void>>();
    let number = 0;
    for await (const part of parts) {
      const index = number++;
      const sent = this.bucket
        .putPart(key, uploadId, index + 1, part, { checksum, signal: stop.signal })
        .then((etag) => {
          done[index] = { etag, sha256: part.sha256 };
        })
        .catch((error) => {
          failure ??= { error };
          stop.abort();
        })
        .finally(() => {
          part.release();
          going.delete(sent);
        });
      going.add(sent);
      if (going.size >= S3_PARTS_IN_FLIGHT) await Promise.race(going);
      if (failure) break;
    }
    await Promise.all(going);
    if (failure) throw failure.error;
    if (number !== Math.ceil(content.size / partSize)) throw changed(key);
    return done;
  }

  /** Parts no smaller than ours, and few enough. */
  #partSizeFor(size: number): number {
    const least = Math.ceil(size / S3_PARTS_MAX);
    if (least <= this.partSize) return this.partSize;
    if (least > S3_PART_SIZE_MAX)
      throw new ArtifactStoreError(
        'AS_ERR_LIMIT',
        `An object of ${size} bytes does not fit into S3, which takes ${S3_PARTS_MAX} parts of ${S3_PART_SIZE_MAX} bytes.`,
        { size },
      );
    return Math.ceil(least / S3_PIECE_SIZE) * S3_PIECE_SIZE;
  }

  /** Parts that are kept in memory until they are there. */
  #partsOf(content: Content, partSize: number): AsyncGenerator<Part, void, undefined> {
    return content.fill ? this.#filledParts(content.size, partSize, content.fill) : this.#wholeParts(content, partSize);
  }

  async *#filledParts(
    size: number,
    partSize: number,
    fill: NonNullable<Content['fill']>,
  ): AsyncGenerator<Part, void, undefined> {
    for (let start = 0; start < size; start += partSize) {
      const range = { start, end: Math.min(start + partSize, size) };
      const memory = await this.#acquire();
      let filled: Awaited<ReturnType<typeof fill>>;
      try {
        filled = await fill(memory, range);
      } catch (error) {
        this.#release(memory);
        throw error;
      }
      const { buffer, sha256 } = filled;
      yield { body: Buffer.from(buffer, 0, range.end - start), sha256, release: () => this.#release(buffer) };
    }
  }

  /** The same of what is read from beginning to end. */
  async *#wholeParts(content: Content, partSize: number): AsyncGenerator<Part, void, undefined> {
    const source = content.read()[Symbol.asyncIterator]();
    let chunk: Uint8Array = new Uint8Array();
    let left = content.size;
    try {
      while (left > 0) {
        const size = Math.min(partSize, left);
        let buffer = await this.#acquire();
        let isHeld = true;
        try {
          const target = new Uint8Array(buffer, 0, size);
          for (let filled = 0; filled < size; ) {
            if (chunk.byteLength === 0) {
              const step = await source.next();
              if (step.done) return; // whoever counts parts notices
              chunk = step.value;
            }
            const piece = chunk.subarray(0, size - filled);
            target.set(piece, filled);
            filled += piece.byteLength;
            chunk = chunk.subarray(piece.byteLength);
          }
          const hashed = await this.hasher.sha256(buffer, size);
          buffer = hashed.buffer;
          left -= size;
          isHeld = false;
          yield { body: Buffer.from(buffer, 0, size), sha256: hashed.sha256, release: () => this.#release(buffer) };
        } finally {
          if (isHeld) this.#release(buffer);
        }
      }
    } finally {
      await source.return?.();
    }
  }

  /** Parts too large for memory: each is read for its digest, and again whenever it is sent. */
  async *#streamedParts(content: Content, partSize: number): AsyncGenerator<Part> {
    for (let start = 0; start < content.size; start += partSize) {
      const range = { start, end: Math.min(start + partSize, content.size) };
      const stream = () => content.read(range);
      const hash = this.hasher.stream();
      let buffer = await this.#acquire();
      try {
        for await (const chunk of stream()) {
          for (let from = 0; from < chunk.byteLength; from += S3_PIECE_SIZE) {
            const piece = chunk.subarray(from, from + S3_PIECE_SIZE);
            new Uint8Array(buffer).set(piece);
            buffer = (await hash.update(buffer, piece.byteLength, 0)).buffer;
          }
        }
      } finally {
        this.#release(buffer);
      }
      const sha256 = Buffer.from(await hash.end()).toString('hex');
      yield { body: { size: range.end - range.start, stream }, sha256, release: () => undefined };
    }
  }

  /**
   * Writes, and looks whether what was written is there with all its bytes; if not, all over again. What is there half in the end is removed.
   *
   * @throws AS_ERR_IO: the server does not keep what it is given
   */
  async #checked(
    key: string,
    size: number,
    checksum: string | undefined | (() => string | undefined),
    write: (isAgain: boolean) => Promise<Put | 'present'>,
  ): Promise<Uploaded> {
    const { checksums } = this.honoured();
    for (let attempt = 1; ; attempt++) {
      const put = await write(attempt > 1);
      if (put === 'present') return 'present';
      const found = await this.bucket.head(key, checksums);
      const expected = typeof checksum === 'function' ? checksum() : checksum;
      const isWrong = found?.checksum !== undefined && expected !== undefined && found.checksum !== expected;
      if (found !== undefined && found.size === size && !isWrong) return { ...put, ...found };
      const what =
        found === undefined ? 'is not there' : isWrong ? 'has another checksum' : `has ${found.size} of ${size} bytes`;
      if (attempt === CHECKED_ATTEMPTS_MAX) {
        if (found !== undefined) await this.bucket.remove(key);
        throw new ArtifactStoreError(
          'AS_ERR_IO',
          `${this.bucket.place.bucket}/${key} ${what} after it was stored ${attempt} times. Nothing was stored; this server does not keep what it is given.`,
          { key, size },
        );
      }
      this.bucket.notice(`${this.bucket.place.bucket}/${key} ${what} after it was stored; it is stored again.`);
    }
  }

  #acquire(): Promise<ArrayBuffer> {
    const free = this.#free.pop();
    if (free) return Promise.resolve(free);
    if (this.#unmade > 0) {
      this.#unmade--;
      return Promise.resolve(this.#make());
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #make(): ArrayBuffer {
    return new ArrayBuffer(Math.max(this.partSize, S3_PIECE_SIZE));
  }

  /** Memory that did not come back from a worker is replaced. */
  #release(given: ArrayBuffer): void {
    const buffer = given.byteLength === 0 ? this.#make() : given;
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }
}

/** Times that something is written which is found not to be there as it was written. */
const CHECKED_ATTEMPTS_MAX = Math.ceil(S3_ATTEMPTS_MAX / 2);

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function changed(key: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INTERNAL', `What was to be stored as ${key} became shorter while it was read.`);
}
