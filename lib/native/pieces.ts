/**
 * A stream in pieces that the core receives from a socket, on threads of the addon, into memory of the caller's: sizes of pieces are read where they stand, and no byte is copied in
 * between.
 *
 * Imports the addon and its errors. Called by the client of a daemon.
 */

import { type Handle, isFailure, Op, type Outcome } from './addon.js';
import { loadAddon } from './load.js';
import { NativeError } from './scheduler.js';

export class Pieces {
  private constructor(private readonly handle: Handle) {}

  /**
   * @param socket descriptor of a socket that is open. Nobody else reads from it
   * @returns undefined: there is no descriptor to be had
   */
  static over(socket: number): Pieces | undefined {
    const handle = loadAddon().keepPieces(socket);
    return handle === 0 ? undefined : new Pieces(handle);
  }

  /**
   * Receives what comes while no more than `waitMs` milliseconds are spent on waiting.
   *
   * @param into memory that is left alone meanwhile
   * @returns how many bytes, and what stood in place of a size, once the stream has ended: 0, or more than a piece may have
   * @throws NativeError: AS_E_SOURCE, nothing comes any more
   */
  async receive(into: Uint8Array, waitMs: number): Promise<{ size: number; mark: number | undefined }> {
    const outcome = await new Promise<Outcome>((resolve) =>
      loadAddon().start([Op.piecesReceive, this.handle, into, waitMs], resolve),
    );
    if (isFailure(outcome)) throw new NativeError(outcome);
    const [size = 0, mark = -1] = outcome as number[];
    return { size, mark: mark < 0 ? undefined : mark };
  }

  /** Nobody receives any more. */
  close(): void {
    loadAddon().dropPieces(this.handle);
  }
}
