/**
 * The head of a CBOR data item (RFC 8949 section 3): major type and argument. Shared by the checker, which must not trust it, and
 * the reader, which may. Imports nothing.
 */

/** Major types, RFC 8949 section 3.1. */
export const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/** The three simple values of the profile, as whole heads. */
export const FALSE = 0xf4;
export const TRUE = 0xf5;
export const NULL = 0xf6;

/** Additional information below this is the argument itself. */
const INLINE_END = 24;

/** Bytes in the shortest head for an argument from 0 to 2^64-1. */
export function headSize(argument: number): number {
  if (argument < INLINE_END) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x10000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** What `Head.read` found. */
export type HeadFault = 'truncated' | 'reserved' | 'indefinite' | 'long';

/** One head, read in place: an instance is reused for every item, since a value has millions. */
export class Head {
  major = 0;
  /** Additional information: the low five bits of the first byte. */
  info = 0;
  /** Argument as a number; rounded when `high` is 2^21 or more, exact otherwise. */
  argument = 0;
  /** Upper and lower 32 bits of the argument. */
  high = 0;
  low = 0;
  /** Offset of the first byte after the head. */
  end = 0;

  /**
   * Reads the head at `offset`.
   * @returns undefined when it is whole and as short as can be, else what is wrong; the members are then partly set
   */
  read(bytes: Uint8Array, offset: number): HeadFault | undefined {
    const initial = bytes[offset];
    if (initial === undefined) return 'truncated';
    this.major = initial >> 5;
    this.info = initial & 0x1f;
    this.end = offset + 1;
    this.high = 0;
    this.low = this.info;
    this.argument = this.info;
    if (this.info < INLINE_END) return undefined;
    if (this.info > 27) return this.info === 31 ? 'indefinite' : 'reserved';
    return this.#readArgument(bytes);
  }

  /** The argument as an exact integer. */
  exact(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  #readArgument(bytes: Uint8Array): HeadFault | undefined {
    const width = 1 << (this.info - INLINE_END);
    if (this.end + width > bytes.length) return 'truncated';
    this.low = 0;
    for (let i = 0; i < width; i++) {
      if (i === 4) {
        this.high = this.low;
        this.low = 0;
      }
      this.low = ((this.low << 8) | (bytes[this.end + i] as number)) >>> 0;
    }
    this.argument = this.high * 0x1_0000_0000 + this.low;
    this.end += width;
    return headSize(this.argument) < 1 + width ? 'long' : undefined;
  }
}
