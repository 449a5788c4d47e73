/**
 * Where the frames and blocks of zstd data begin and end (RFC 8878, section 3), so that a decoder gets one block at a time and none that asks for more memory
 * than it may.
 *
 * Imports limits and errors. Called by `inflate.ts`.
 */

import { ZSTD_BLOCK_SIZE_MAX, ZSTD_WINDOW_SIZE_MAX } from '../../../limits.js';
import { archiveFault } from './archive-fault.js';

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const MAGIC_SIZE = 4;
/** Bytes of the content size, by the flag in the descriptor; with a single segment the first has one. */
const SIZE_BYTES = [0, 2, 4, 8] as const;
const ID_BYTES = [0, 1, 2, 4] as const;

/** What comes next. */
type Part = 'magic' | 'header' | 'skippable' | 'block' | 'content' | 'checksum';

export class ZstdFrames {
  #part: Part = 'magic';
  /** Bytes of the part that have come and are needed to understand it. */
  readonly #seen: number[] = [];
  /** Bytes of the part that are still to come. */
  #missing = MAGIC_SIZE;
  #isLastBlock = false;
  #hasChecksum = false;

  /** Whether what has come ends where a frame ends. */
  get isWhole(): boolean {
    return this.#part === 'magic' && this.#seen.length === 0;
  }

  /**
   * The chunk in pieces, none of which goes beyond the end of a block.
   *
   * @throws AS_ERR_ARCHIVE: not zstd, or a frame whose window is larger than ZSTD_WINDOW_SIZE_MAX
   */
  *pieces(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let at = 0; at < chunk.byteLength; ) {
      const taken = Math.min(this.#missing, chunk.byteLength - at);
      if (this.#part !== 'content') this.#seen.push(...chunk.subarray(at, at + taken));
      at += taken;
      this.#missing -= taken;
      if (this.#missing > 0) break;
      const isBlockEnd = this.#part === 'content';
      this.#enter();
      if (!isBlockEnd) continue;
      yield chunk.subarray(start, at);
      start = at;
    }
    if (start < chunk.byteLength) yield chunk.subarray(start);
  }

  /** A part is complete: what it says, and what follows it. */
  #enter(): void {
    if (this.#part === 'magic') this.#readMagic();
    else if (this.#part === 'header') this.#readHeader();
    else if (this.#part === 'skippable') this.#skip();
    else if (this.#part === 'block') this.#readBlock();
    else if (this.#part === 'checksum') this.#expect('magic', MAGIC_SIZE);
    else if (this.#isLastBlock) this.#endFrame();
    else this.#expect('block', 3);
  }

  #readMagic(): void {
    const magic = this.#number(0, 4);
    if (magic === MAGIC) this.#expect('header', 1);
    else if (magic >= SKIPPABLE && magic <= SKIPPABLE + 15) this.#expect('skippable', 4);
    else throw archiveFault('it is not zstd data');
  }

  /** The descriptor first, then what it says that follows. */
  #readHeader(): void {
    const descriptor = this.#seen[0] as number;
    const isSingle = (descriptor & 0x20) !== 0;
    const idBytes = ID_BYTES[descriptor & 3] as number;
    const sizeFlag = descriptor >> 6;
    const sizeBytes = sizeFlag === 0 && isSingle ? 1 : (SIZE_BYTES[sizeFlag] as number);
    const length = 1 + (isSingle ? 0 : 1) + idBytes + sizeBytes;
    if (this.#seen.length < length) {
      this.#missing = length - this.#seen.length;
      return;
    }
    const size = this.#number(length - sizeBytes, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    const window = isSingle ? size : windowSize(this.#seen[1] as number);
    if (window > ZSTD_WINDOW_SIZE_MAX) {
      throw archiveFault(
        `its zstd window has ${window} bytes, more than the ${ZSTD_WINDOW_SIZE_MAX} of RFC 9659; compress without --long and --ultra`,
      );
    }
    if (idBytes > 0 && this.#number(length - sizeBytes - idBytes, idBytes) !== 0) {
      throw archiveFault('it needs a zstd dictionary, which is not here');
    }
    this.#hasChecksum = (descriptor & 4) !== 0;
    this.#expect('block', 3);
  }

  /** Its length first, then its content. */
  #skip(): void {
    const length = this.#number(0, 4);
    this.#isLastBlock = true;
    this.#hasChecksum = false;
    if (length === 0) this.#endFrame();
    else this.#expect('content', length);
  }

  #readBlock(): void {
    const header = this.#number(0, 3);
    const type = (header >> 1) & 3;
    const size = header >> 3;
    if (size > ZSTD_BLOCK_SIZE_MAX || type === 3) throw archiveFault('a block of its zstd data is malformed');
    this.#isLastBlock = (header & 1) === 1;
    const length = type === 1 ? 1 : size;
    if (length > 0) this.#expect('content', length);
    else if (this.#isLastBlock) this.#endFrame();
    else this.#expect('block', 3);
  }

  #endFrame(): void {
    if (this.#hasChecksum) this.#expect('checksum', 4);
    else this.#expect('magic', MAGIC_SIZE);
  }

  #expect(part: Part, size: number): void {
    this.#part = part;
    this.#missing = size;
    this.#seen.length = 0;
  }

  /** A number in little-endian order. */
  #number(from: number, bytes: number): number {
    let value = 0;
    for (let at = from + bytes - 1; at >= from; at--) value = value * 256 + (this.#seen[at] as number);
    return value;
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}
