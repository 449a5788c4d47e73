/**
 * How values and streams stand in the bodies of requests and answers.
 *
 * A body begins with a head: its size as 4 bytes, big-endian, and so many bytes of canonical CBOR. What follows is nothing, a payload of which the head
 * says what it is, or a stream: pieces, each with its size as 4 bytes before it, then 4 bytes of 0; or, when the stream failed, 4 bytes of 255 and a head that
 * says why. So a stream that was cut is told from one that ended, and one that failed leaves its connection in order.
 *
 * Imports CBOR, errors, limits and failures. Called by both ends.
 */

import { type CborInput, type CborValue, decodeCanonical, encodeCanonical } from '../../cbor/index.js';
import { ArtifactStoreError } from '../../errors.js';
import { REMOTE_COPIED_MAX, REMOTE_HEAD_SIZE_MAX, REMOTE_PIECE_SIZE_MAX } from '../../limits.js';
import type { ByteSource } from '../spi.js';
import { failureOf, failureValue } from './failure.js';

const SIZE = 4;
const FAILED = 0xffff_ffff;
export const STREAM_END = u32(0);

/** A value as a head; as a piece too, because both have their size before them. Throws AS_ERR_CBOR_ENCODE. */
export function encodeHead(value: CborInput): Buffer {
  const bytes = encodeCanonical(value);
  return Buffer.concat([u32(bytes.byteLength), bytes]);
}

/** The end of a stream that failed. */
export function encodeFailedEnd(error: unknown): Buffer {
  return Buffer.concat([u32(FAILED), encodeHead(failureValue(error))]);
}

/** Bytes as a stream of one piece, or of none. */
export function encodeWhole(bytes: Uint8Array): Buffer {
  return Buffer.concat(bytes.byteLength === 0 ? [STREAM_END] : [u32(bytes.byteLength), bytes, STREAM_END]);
}

/**
 * The pieces of a source, each ready to be written. Small chunks are copied, because they belong to the source again when the next is asked for and may still wait
 * to be written then; whoever writes a large one waits for its end.
 */
export async function* encodePieces(source: ByteSource): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; at += REMOTE_PIECE_SIZE_MAX) {
      const piece = chunk.subarray(at, at + REMOTE_PIECE_SIZE_MAX);
      if (piece.byteLength > REMOTE_COPIED_MAX) {
        yield u32(piece.byteLength);
        yield piece;
      } else yield Buffer.concat([u32(piece.byteLength), piece]);
    }
  }
}

/** A body as it comes. */
export class BodyReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  readonly #channel: { cut: () => Error } | undefined;

  /** @param channel of what comes over a connection of its own, which ends when both sides have what they want: the error where it ends before */
  constructor(source: AsyncIterable<Uint8Array>, channel?: { cut: () => Error }) {
    this.#source = source[Symbol.asyncIterator]();
    this.#channel = channel;
  }

  /** Whether something has come that nobody has asked for. */
  get isAhead(): boolean {
    return this.#rest.byteLength > 0;
  }

  /** A head. Throws AS_ERR_PROTOCOL: it is none; AS_ERR_LIMIT: too large; what the other end says, where it stands in place of one. */
  async head(sizeMax: number = REMOTE_HEAD_SIZE_MAX): Promise<CborValue> {
    const size = await this.#size();
    if (size === FAILED) throw failureOf(await this.head());
    if (size > sizeMax) throw tooLarge('a head', size, sizeMax);
    return decodeHead(await this.bytes(size));
  }

  /** Exactly so many bytes. Throws AS_ERR_PROTOCOL: there are fewer. */
  async bytes(size: number): Promise<Uint8Array> {
    const chunk = await this.#some(size);
    if (chunk.byteLength === size) return chunk;
    const bytes = Buffer.allocUnsafeSlow(size);
    bytes.set(chunk);
    await this.fill(bytes.subarray(chunk.byteLength));
    return bytes;
  }

  /** As many bytes as there is memory. Throws as `bytes`. */
  async fill(memory: Uint8Array): Promise<void> {
    for (let at = 0; at < memory.byteLength; ) {
      const chunk = await this.#some(memory.byteLength - at);
      memory.set(chunk, at);
      at += chunk.byteLength;
    }
  }

  /**
   * A stream, piece by piece in parts as they come.
   *
   * @throws AS_ERR_PROTOCOL: it is none, or it was cut; what the other end says of a stream that failed
   */
  async *stream(): AsyncGenerator<Uint8Array> {
    for (let size = await this.#piece(); size > 0; size = await this.#piece()) {
      for (let left = size; left > 0; ) {
        const part = await this.#some(left);
        left -= part.byteLength;
        yield part;
      }
    }
    await this.end();
  }

  /** A stream of values: each piece is one. Throws as `stream`. */
  async *values(): AsyncGenerator<CborValue> {
    for (let size = await this.#piece(); size > 0; size = await this.#piece()) {
      if (size > REMOTE_HEAD_SIZE_MAX) throw tooLarge('a value', size, REMOTE_HEAD_SIZE_MAX);
      yield decodeHead(await this.bytes(size));
    }
    await this.end();
  }

  /** Nothing more comes. Throws AS_ERR_PROTOCOL: something does. */
  async end(): Promise<void> {
    const isMore = this.isAhead || (this.#channel === undefined && (await this.#next()) !== undefined);
    if (isMore) throw malformed('there is more than was announced');
  }

  /** Reads on and forgets, so that who still sends is not held up. */
  async drain(): Promise<void> {
    try {
      while ((await this.#next()) !== undefined);
    } catch {
      // whoever sent it has gone
    }
  }

  /** What a stream ended with that somebody else has read up to there, the size of a piece that is none. Throws as `stream` does. */
  async ended(mark: number): Promise<void> {
    if (mark === FAILED) await this.#fail();
    if (mark > REMOTE_PIECE_SIZE_MAX) throw tooLarge('a piece', mark, REMOTE_PIECE_SIZE_MAX);
  }

  /** The size of the next piece; 0 behind the last. */
  async #piece(): Promise<number> {
    const size = await this.#size();
    await this.ended(size);
    return size;
  }

  async #fail(): Promise<never> {
    const error = failureOf(await this.head());
    await this.end(); // so that the connection stays in order
    throw error;
  }

  async #size(): Promise<number> {
    const bytes = await this.bytes(SIZE);
    return Buffer.from(bytes.buffer, bytes.byteOffset, SIZE).readUInt32BE();
  }

  /** One byte or more, up to `most`; nothing when nothing was asked for. */
  async #some(most: number): Promise<Uint8Array> {
    if (this.#rest.byteLength === 0 && most > 0) {
      const chunk = await this.#next();
      if (chunk === undefined) throw this.#channel?.cut() ?? malformed('it ends too early');
      this.#rest = chunk;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.byteLength);
    return part;
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      if (value.byteLength > 0) return value;
    }
  }
}

function decodeHead(bytes: Uint8Array): CborValue {
  try {
    return decodeCanonical(bytes);
  } catch (cause) {
    const { message } = cause as Error;
    throw new ArtifactStoreError('AS_ERR_PROTOCOL', `What should be a value is none: ${message}`, {}, { cause });
  }
}

/** The error for what does not follow the protocol. */
export function malformed(reason: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_PROTOCOL',
    `A message between data plane and client is not as docs/dataplane-protocol.md has it: ${reason}.`,
    { reason },
  );
}

function tooLarge(what: string, size: number, limit: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LIMIT',
    `${what} of ${size} bytes is more than the ${limit} that it may have.`,
    {
      size,
      limit,
    },
  );
}

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(SIZE);
  bytes.writeUInt32BE(value);
  return bytes;
}
