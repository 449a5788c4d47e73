/**
 * An object on its way out: what it is, and its bytes.
 *
 * Imports the writing of a local file. Made by the facade's `get`; doors and users iterate it.
 */

import { resolve } from 'node:path';
import { writeSink } from '../dataplane/file-sink.js';
import type { ByteRange, FileSink } from '../dataplane/spi.js';
import type { ObjectRecord } from '../registry/registry.js';

/** Verified bytes of one object, or of one range of it, to be read once. */
export class StoredObject implements AsyncIterable<Uint8Array> {
  readonly #bytes: AsyncIterable<Uint8Array>;
  readonly #serveFile: (sink: FileSink) => Promise<boolean>;

  constructor(
    /** What the registry says about it. */
    readonly record: ObjectRecord,
    /** Which bytes this gives. */
    readonly range: ByteRange,
    bytes: AsyncIterable<Uint8Array>,
    /** Has the data plane write the bytes to a file; false when it does not. */
    serveFile: (sink: FileSink) => Promise<boolean> = async () => false,
  ) {
    this.#bytes = bytes;
    this.#serveFile = serveFile;
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
    return this.#bytes[Symbol.asyncIterator]();
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
    if (!(await this.#serveFile(sink))) await writeSink(this, sink);
  }

  /** All the bytes in one array: for objects that fit in memory. Throws as iterating does. */
  async bytes(): Promise<Uint8Array> {
    const all = new Uint8Array(this.size);
    let offset = 0;
    for await (const chunk of this) {
      all.set(chunk, offset);
      offset += chunk.byteLength;
    }
    return all;
  }

  /** All the bytes as UTF-8 text. Throws as iterating does. */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }
}
