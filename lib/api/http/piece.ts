/**
 * Memory for a small answer, head and body in one piece, so that both leave by one write and nothing is made for each answer: Node would put the head as
 * text before the body, copy both, and have its memory collected.
 *
 * Imports limits. Taken by `download.ts` and `send.ts`, given back by `send.ts` when the kernel has the bytes.
 */

import { SEND_HEAD_SIZE_MAX, SEND_JOINED_SIZE_MAX, SEND_PIECES_KEPT } from '../../limits.js';

/** Pieces that nobody has. */
const free: Piece[] = [];

/** A body of up to SEND_JOINED_SIZE_MAX bytes, with room for a head before it. */
export class Piece {
  readonly #memory = Buffer.allocUnsafeSlow(SEND_HEAD_SIZE_MAX + SEND_JOINED_SIZE_MAX);
  /** Where the body is written. */
  readonly room = this.#memory.subarray(SEND_HEAD_SIZE_MAX);
  /** Bytes of the body. */
  size = 0;

  private constructor() {}

  /** One that nobody else has, until `release`. One that is never given back is collected as any memory. */
  static take(): Piece {
    return free.pop() ?? new Piece();
  }

  /** A piece with a text as its body; undefined: it may not fit. */
  static of(text: string): Piece | undefined {
    if (text.length * 3 > SEND_JOINED_SIZE_MAX) return undefined;
    const piece = Piece.take();
    piece.size = piece.room.write(text);
    return piece;
  }

  /** Has bytes that were written into its room as its body, wherever in it they begin. */
  fill(bytes: Uint8Array): void {
    const start = bytes.byteOffset - this.room.byteOffset;
    if (start > 0) this.room.copyWithin(0, start, start + bytes.byteLength);
    this.size = bytes.byteLength;
  }

  /** The body; copy it to keep it beyond `release`. */
  get body(): Uint8Array {
    return this.room.subarray(0, this.size);
  }

  /**
   * The body behind a head, which is `beginning` and then `rest`; undefined: there is no room for it.
   *
   * @param rest characters of one byte
   */
  behind(beginning: Uint8Array, rest: string): Uint8Array | undefined {
    const start = SEND_HEAD_SIZE_MAX - beginning.byteLength - rest.length;
    if (start < 0) return undefined;
    this.#memory.set(beginning, start);
    this.#memory.write(rest, start + beginning.byteLength, 'latin1');
    return this.#memory.subarray(start, SEND_HEAD_SIZE_MAX + this.size);
  }

  /** Gives it back; nobody may touch its bytes afterwards. */
  release(): void {
    if (free.length < SEND_PIECES_KEPT) free.push(this);
  }
}
