/**
 * A local file that takes bytes of an object on threads of the addon: out of a socket or out of memory, each block compared with its chaining value before it is written.
 *
 * Imports the addon and its errors. Called by the S3 backend, which knows the values. docs/adr/0039 says why.
 */

import { type Handle, isFailure, Op, type Operation, type Outcome } from './addon.js';
import { loadAddon } from './load.js';
import { NativeError } from './scheduler.js';

function start(operation: Operation): Promise<Outcome> {
  return new Promise((resolve) => loadAddon().start(operation, resolve));
}

export class ProvenFile {
  #position = 0;

  private constructor(private readonly file: Handle) {}

  /**
   * @param path of an empty regular file
   * @param firstGroup number in the object of the group that begins the file; a multiple of 16
   * @param size bytes that are to come; they end where the object or a block does
   * @throws NativeError: AS_E_SINK, it is no such file, and nothing has happened to it
   */
  static async begin(path: string | Uint8Array, firstGroup: number, size: number): Promise<ProvenFile> {
    const outcome = await start([Op.provenFileBegin, path, firstGroup, size]);
    if (isFailure(outcome)) throw new NativeError(outcome);
    return new ProvenFile(outcome as Handle);
  }

  /** Bytes that have come and have not been found wrong: what comes next belongs there. */
  get position(): number {
    return this.#position;
  }

  /**
   * Receives blocks from the one on in which the file stands, or what of them comes while no more than `waitMs` milliseconds are spent on waiting.
   *
   * @param values of the blocks, 32 bytes each
   * @throws NativeError: AS_E_SOURCE, nothing comes any more; AS_E_CORRUPT, a block is wrong, and the file stands where it begins; AS_E_SINK, AS_E_SINK_FULL
   */
  receive(socket: number, values: Uint8Array, waitMs: number): Promise<void> {
    return this.#step([Op.provenFileReceive, this.file, socket, values, waitMs]);
  }

  /** The same with bytes of these blocks that are in memory. */
  append(bytes: Uint8Array, values: Uint8Array): Promise<void> {
    return this.#step([Op.provenFileAppend, this.file, bytes, values]);
  }

  /** What was proven is in the file. Throws NativeError: AS_E_SINK, AS_E_SINK_FULL. */
  end(): Promise<void> {
    return this.#step([Op.provenFileEnd, this.file]);
  }

  /** In place of `end`: what the file holds means nothing. */
  abort(): Promise<void> {
    return this.#step([Op.provenFileAbort, this.file]);
  }

  async #step(operation: Operation): Promise<void> {
    const outcome = await start(operation);
    this.#position = isFailure(outcome) ? (outcome.position ?? this.#position) : (outcome as number);
    if (isFailure(outcome)) throw new NativeError(outcome);
  }
}
