/**
 * Objects as they are asked for: found, served and verified, and what that says of damage noted.
 *
 * Imports reading (read.ts, verify.ts), marks, checks, errors and limits. Called by plane.ts.
 */

import { isStoreError } from '../../../errors.js';
import { GROUP_SIZE, S3_RECEIVE_FROM, S3_SMALL_SIZE_MAX } from '../../../limits.js';
import { checkAddress, checkRange } from '../../checks.js';
import type { Permits } from '../../inproc/permits.js';
import type { ByteRange, ContentAddress, FileSink, VerifyOptions } from '../../spi.js';
import { intoFile } from './into-file.js';
import type { Parts, Sizes } from './parts.js';
import { downloadInto, isOfBlocks } from './proven-download.js';
import { knownCorrupt, notFound, type ReadTools, rangeError, readLarge, readNodes, readSmall } from './read.js';
import { outboardOf } from './tree.js';
import { type Verified, verify } from './verify.js';

export class Reading {
  constructor(
    private readonly parts: Parts,
    private readonly tools: ReadTools,
    private readonly sizes: Sizes,
    private readonly small: Permits,
  ) {}

  /** As `serveObject`. */
  async *object(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#check(address, range);
    const isNothing = range !== undefined && range.start === range.end;
    // Who asks for nothing asks whether it is there.
    const size = isNothing ? await this.#lookUp(address) : (this.sizes.get(address) ?? (await this.#lookUp(address)));
    const wanted = range ?? { start: 0, end: size };
    if (wanted.end > size) throw rangeError(address, wanted, size);
    if (isNothing) return;
    try {
      if (size > S3_SMALL_SIZE_MAX) yield* readLarge(this.tools, address, size, wanted);
      else yield* this.#smallObject(address, size, wanted);
    } catch (error) {
      await this.#noteFailure(address, error);
      throw error;
    }
  }

  /** As `serveFile`. */
  async file(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean> {
    this.#check(address, range);
    const size = this.sizes.get(address) ?? (await this.#lookUp(address));
    const wanted = range ?? { start: 0, end: size };
    const isLarge = Math.min(wanted.end, size) - wanted.start >= S3_RECEIVE_FROM;
    const isForCore = isLarge && wanted.end <= size && isOfBlocks(wanted, size);
    if (!isForCore) return intoFile(this.object(address, range), sink);
    try {
      return await downloadInto(this.tools, address, size, wanted, sink);
    } catch (error) {
      await this.#noteFailure(address, error);
      throw error;
    }
  }

  /** As `serveOutboard`. */
  async *outboard(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#check(address, range);
    const size = await this.#lookUp(address);
    const wanted = range ?? { start: 0, end: size };
    if (wanted.end > size) throw rangeError(address, wanted, size);
    if (size <= GROUP_SIZE || wanted.start === wanted.end) return;
    try {
      const isSmall = size <= S3_SMALL_SIZE_MAX;
      const outboard = isSmall ? outboardOf(await readSmall(this.tools, address, size)) : undefined;
      yield* readNodes(this.tools, address, size, wanted, outboard);
    } catch (error) {
      await this.#noteFailure(address, error);
      throw error;
    }
  }

  /** Reads all of an object again. A connection may have changed what was read: what is damaged is so twice, and is then marked. */
  async verified(address: ContentAddress, options: VerifyOptions): Promise<Verified> {
    let found = await this.small.run(() => verify(this.tools, address, options));
    if (found.status === 'corrupt') found = await verify(this.tools, address, options);
    if (found.status === 'corrupt') await this.parts.marks.set(address);
    return found;
  }

  async *#smallObject(address: ContentAddress, size: number, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    const bytes = await this.small.run(() => readSmall(this.tools, address, size));
    const part = bytes.subarray(start, end);
    if (part.byteLength > 0) yield part;
  }

  #check(address: ContentAddress, range: ByteRange | undefined): void {
    checkAddress(address);
    checkRange(range);
    if (this.parts.marks.has(address)) throw knownCorrupt(address);
  }

  /** The size of an object that is there. Throws AS_ERR_NOT_FOUND. */
  async #lookUp(address: ContentAddress): Promise<number> {
    const { bucket, keys } = this.parts;
    const found = await bucket.head(keys.object(address));
    if (found === undefined) throw notFound(address);
    this.sizes.remember(address, found.size);
    return found.size;
  }

  async #noteFailure(address: ContentAddress, error: unknown): Promise<void> {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) this.sizes.forget(address);
    if (isStoreError(error, 'AS_ERR_CORRUPT')) await this.parts.marks.set(address);
  }
}
