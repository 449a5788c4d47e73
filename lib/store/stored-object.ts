/**
 * An object on its way out: what it is, and its bytes.
 *
 * Imports the writing of a local file. Made by the facade's `get`; doors and users iterate it.
 */

import { resolve } from 'node:path';
import { writeSink } from '../dataplane/file-sink.js';
import type { ByteRange, FileSink, Tier } from '../dataplane/spi.js';
import type { ObjectRecord } from '../registry/registry.js';

/** How bytes come: what the facade has the data plane do. */
export interface Ways {
  iterate(): AsyncIterable<Uint8Array>;
  /** Has the data plane write them to a file; false when it does not. */
  intoFile?(sink: FileSink): Promise<boolean>;
  /** Has the data plane send them to a socket; undefined when it does not. */
  intoSocket?(socket: number): AsyncIterable<Uint8Array | number> | undefined;
  /** All in one piece; undefined when they are not given so. */
  inOnePiece?(): Uint8Array | Promise<Uint8Array> | undefined;
}

/** What reading does, or has done, to the tiers of an object. */
export interface TierState {
  isRestored?: boolean;
  isToRestore?: boolean;
}

/** Verified bytes of one object, or of one range of it, to be read once. */
export class StoredObject implements AsyncIterable<Uint8Array> {
  readonly #ways: Ways;

  constructor(
    /** What the registry says about it. */
    readonly record: ObjectRecord,
    /** Which bytes this gives. */
    readonly range: ByteRange,
    ways: Ways,
    private readonly tiers: TierState = {},
  ) {
    this.#ways = ways;
  }

  /** It was in the cold tier alone, and has been copied to the hot one to be read. */
  get isRestored(): boolean {
    return this.tiers.isRestored ?? false;
  }

  /** It is in the cold tier alone, and who gets it without saying otherwise has it copied to the hot one first. */
  get isToRestore(): boolean {
    return this.tiers.isToRestore ?? false;
  }

  /** The tier that it is read from. */
  get tier(): Tier | undefined {
    return this.record.receipts[0]?.tier;
  }

  /** How many bytes this gives. */
  get size(): number {
    return this.range.end - this.range.start;
  }

  /**
   * The bytes, chunk by chunk, each verified before it comes and the reader's to keep. Ending early releases everything.
   *
   * @throws AS_ERR_CORRUPT before a wrong byte; AS_ERR_IO; AS_ERR_CLOSED; AS_ERR_ABORTED
   */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#ways.iterate()[Symbol.asyncIterator]();
  }

  /**
   * Puts the bytes into the file at `path`, from its first byte on: an empty regular file that is there, a device or a pipe. The data plane
   * writes them itself where it can, faster than iterating. The file is not synced, and nobody else may write to it. When this fails the file
   * may hold anything: write beside its place, then rename.
   *
   * @param onWrite told how many further bytes the file has
   * @throws as iterating does; AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO: the file
   */
  async writeTo(path: string | Uint8Array, onWrite?: (size: number) => void): Promise<void> {
    const sink = { path: typeof path === 'string' ? resolve(path) : path, ...(onWrite && { onWrite }) };
    if (!(await this.#ways.intoFile?.(sink))) await writeSink(this, sink);
  }

  /** All the bytes in one array: for objects that fit in memory. Throws as iterating does. */
  async bytes(): Promise<Uint8Array> {
    const small = this.inOnePiece();
    if (small !== undefined) return small;
    const all = new Uint8Array(this.size);
    let offset = 0;
    for await (const chunk of this) {
      all.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return all;
  }

  /** All the bytes, where they are so few that they come in one piece; undefined where they do not. Throws or rejects as iterating does. */
  inOnePiece(): Uint8Array | Promise<Uint8Array> | undefined {
    return this.#ways.inOnePiece?.();
  }

  /**
   * Has the data plane send the bytes to a socket, where it can: see `serveSocket` of the contract for what comes, and what is asked of the caller. Undefined: iterate
   * instead.
   *
   * @throws as iterating does; AS_ERR_ABORTED: the connection has ended
   */
  intoSocket(socket: number): AsyncIterable<Uint8Array | number> | undefined {
    return this.#ways.intoSocket?.(socket);
  }

  /** All the bytes as UTF-8 text. Throws as iterating does. */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }
}
