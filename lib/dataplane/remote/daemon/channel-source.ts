/**
 * The object that a client sends over a connection of its own, as a byte source: whoever stores it may receive it from the connection's socket, and no byte passes through JavaScript.
 *
 * Imports the contract, the channel, frames, errors and limits. Called by the operations on channels. docs/adr/0041 says why.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { RECEIVERS_MAX } from '../../../limits.js';
import type { GivenSocket, SocketSource } from '../../spi.js';
import type { ChannelExchange } from './channel-exchange.js';

/** Sources whose sockets have been given away and are still coming. */
let given = 0;

export class ChannelSource implements SocketSource {
  #isCounted = false;
  #parts: AsyncGenerator<Uint8Array> | undefined;

  constructor(private readonly exchange: ChannelExchange) {}

  /** The client sends only from here on, or from when the socket is given away. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.#parts === undefined) {
      await this.exchange.begin();
      this.#parts = this.exchange.body.stream();
    }
    yield* this.#parts;
  }

  async giveSocket(): Promise<GivenSocket | undefined> {
    const { channel, body } = this.exchange;
    if (this.#parts !== undefined || body.isAhead || given >= RECEIVERS_MAX) return undefined;
    const descriptor = channel.giveReading();
    if (descriptor < 0) return undefined;
    given++;
    this.#isCounted = true;
    await this.exchange.begin();
    return {
      get descriptor() {
        return channel.isOpen ? channel.descriptor : -1;
      },
      before: [],
      size: 'pieces',
      took: () => {
        if (!channel.isOpen) throw gone();
      },
      ended: async (mark) => {
        channel.takeReading();
        await body.ended(mark);
      },
    };
  }

  /** Nobody takes any more of it. */
  close(): void {
    if (this.#isCounted) given--;
    this.#isCounted = false;
  }
}

function gone(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The client went away; nothing was stored.');
}
