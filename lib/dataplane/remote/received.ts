/**
 * A long stream from a daemon, received by the core: chunk by chunk into memory that is the reader's to keep, the next one on its way while the reader works on the one before.
 *
 * Imports the connection's types, the native receiver, frames and limits. Called by the client's reads. docs/adr/0041 says why.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { REMOTE_RECEIVE_WAIT_MS, SLAB_SIZE } from '../../limits.js';
import { Pieces } from '../../native/pieces.js';
import { NativeError } from '../../native/scheduler.js';
import { pauseAfter } from '../receive-pause.js';
import type { Answer } from './connection.js';
import { malformed } from './frames.js';

/** A chunk, and what has ended the stream behind it. */
interface Filled {
  bytes: Uint8Array;
  mark: number | undefined;
}

/**
 * The bytes of an answer over a connection of its own. Where the connection cannot be read by the core, Node reads it.
 *
 * @param size bytes that were asked for
 * @throws as the stream of any answer does
 */
export async function* received(answer: Answer, size: number): AsyncGenerator<Uint8Array> {
  const { channel, body, descriptor = -1 } = answer;
  const pieces = descriptor < 0 ? undefined : Pieces.over(descriptor);
  if (pieces === undefined) {
    if (descriptor >= 0) channel?.takeReading();
    return yield* body.stream();
  }
  const receiver = new Receiver(answer, pieces, size);
  try {
    for (;;) {
      const { bytes, mark } = await receiver.next();
      if (bytes.byteLength > 0) yield bytes;
      if (mark === undefined) continue;
      channel?.takeReading();
      await body.ended(mark);
      await body.end();
      if (receiver.left > 0) throw malformed('there is less than was asked for');
      return;
    }
  } finally {
    await receiver.close();
  }
}

class Receiver {
  /** Bytes that have not come. */
  left: number;
  /** Those that no memory has been taken for. */
  #unasked: number;
  #coming: Promise<Filled>;
  #isWanted = true;

  constructor(
    private readonly answer: Answer,
    private readonly pieces: Pieces,
    size: number,
  ) {
    this.left = size;
    this.#unasked = size;
    this.#coming = this.#fill();
  }

  async next(): Promise<Filled> {
    const filled = await this.#coming;
    this.left -= filled.bytes.byteLength;
    if (this.left < 0) throw malformed('there is more than was asked for');
    if (filled.mark === undefined) {
      this.#coming = this.#fill();
      this.#coming.catch(() => undefined); // reported where it is awaited
    }
    return filled;
  }

  async close(): Promise<void> {
    this.#isWanted = false;
    await this.#coming.catch(() => undefined);
    this.pieces.close();
  }

  /** A chunk of a slab's size, or what is left of the stream. */
  async #fill(): Promise<Filled> {
    const size = Math.min(SLAB_SIZE, this.#unasked);
    this.#unasked -= size;
    const memory = Buffer.allocUnsafeSlow(Math.max(size, 1)); // behind the last byte the end is still to come
    let [at, waitMs, heard] = [0, REMOTE_RECEIVE_WAIT_MS, performance.now()];
    while (this.#isWanted) {
      const received = await this.#receive(memory.subarray(at), waitMs);
      const { size = 0, mark } = received ?? {};
      at += size;
      if (received === undefined && at === 0) throw this.answer.cut();
      if (received === undefined || mark !== undefined || at === memory.byteLength)
        return { bytes: new Uint8Array(memory.buffer, 0, at), mark };
      // A connection over which little comes holds no thread.
      waitMs = size > 0 ? REMOTE_RECEIVE_WAIT_MS : 0;
      if (size > 0) heard = performance.now();
      await sleep(pauseAfter(performance.now() - heard));
    }
    return { bytes: memory.subarray(0, 0), mark: undefined };
  }

  /** Undefined: nothing comes any more. */
  async #receive(into: Uint8Array, waitMs: number) {
    if (this.answer.channel?.isOpen === false) return undefined;
    try {
      return await this.pieces.receive(into, waitMs);
    } catch (error) {
      if (error instanceof NativeError) return undefined;
      throw error;
    }
  }
}
