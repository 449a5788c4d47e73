/**
 * One request to the daemon that has a connection of its own, and its answer: the counterpart of exchange.ts where HTTP has ended.
 *
 * Imports the channel, frames, failures and errors. Made by `host.ts`, used by the operations on channels.
 */

import type { CborInput } from '../../../cbor/index.js';
import { isStoreError } from '../../../errors.js';
import type { Channel } from '../channel.js';
import { BodyReader, encodeFailedEnd, encodeHead, encodePieces, malformed, STREAM_END } from '../frames.js';
import { NOTHING } from '../values.js';

export class ChannelExchange {
  readonly body: BodyReader;

  constructor(readonly channel: Channel) {
    this.body = new BodyReader(channel, { cut: () => malformed('it ends too early') });
  }

  /** The client may send its stream; values follow. */
  begin(): Promise<void> {
    return this.channel.write(encodeHead(NOTHING));
  }

  /** The last value. */
  conclude(value: CborInput): void {
    this.channel.end(Buffer.concat([encodeHead(value), STREAM_END]));
  }

  /** All of a stream, at the pace of the client. */
  async stream(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    await this.channel.writeAll(encodePieces(bytes));
    this.end();
  }

  /** Lets somebody else write pieces to the connection, and writes what they leave. */
  async passOn(pieces: AsyncIterable<Uint8Array | number>): Promise<void> {
    for await (const step of pieces) if (typeof step !== 'number') await this.channel.write(step);
    this.end();
  }

  /** The stream has come to its end. */
  end(): void {
    this.channel.end(STREAM_END);
  }

  /** What was asked for failed. */
  fail(error: unknown): void {
    if (isStoreError(error, 'AS_ERR_ABORTED') && !this.channel.isOpen) return;
    this.channel.end(encodeFailedEnd(error));
  }
}
