/**
 * An object on its way out: what it is, and its bytes.
 *
 * Imports types only. Made by the facade's `get`; doors and users iterate it.
 */

import type { ByteRange } from '../dataplane/spi.js';
import type { ObjectRecord } from '../registry/registry.js';

/** Verified bytes of one object, or of one range of it, to be read once. */
export class StoredObject implements AsyncIterable<Uint8Array> {
  readonly #bytes: AsyncIterable<Uint8Array>;

  constructor(
    /** What the registry says about it. */
    readonly record: ObjectRecord,
    /** Which bytes this gives. */
    readonly range: ByteRange,
    bytes: AsyncIterable<Uint8Array>,
  ) {
    this.#bytes = bytes;
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
