/**
 * Which objects are known to be damaged: an empty object in the bucket for each, so that every node and every later process knows, and a set in memory.
 *
 * Imports the bucket and keys. Called by the operations.
 */

import type { ContentAddress } from '../../spi.js';
import type { Bucket } from './bucket.js';
import type { Keys } from './keys.js';
import { EMPTY_PAYLOAD_HASH } from './sigv4.js';

export class Marks {
  #marked: ReadonlySet<ContentAddress> = new Set();

  constructor(
    private readonly bucket: Bucket,
    private readonly keys: Keys,
    private readonly readOnly: boolean,
  ) {}

  /** Reads them from the bucket, also those that others have set. */
  async load(): Promise<void> {
    const keys = await this.bucket.list(this.keys.marks);
    this.#marked = new Set(keys.map((key) => this.keys.marked(key)));
  }

  has(address: ContentAddress): boolean {
    return this.#marked.has(address);
  }

  /** From now on the object counts as absent; for others too, if they can be told. */
  async set(address: ContentAddress): Promise<void> {
    if (this.has(address)) return;
    this.#marked = new Set([...this.#marked, address]);
    if (this.readOnly) return;
    try {
      await this.bucket.put(this.keys.mark(address), { body: new Uint8Array(), sha256: EMPTY_PAYLOAD_HASH });
    } catch (error) {
      this.bucket.notice(
        `${address} is damaged, and could not be marked so in the bucket: ${(error as Error).message}`,
      );
    }
  }

  /** The object is whole, or gone. */
  async clear(address: ContentAddress): Promise<void> {
    if (!this.has(address)) return;
    if (!this.readOnly) await this.bucket.remove(this.keys.mark(address));
    this.#marked = new Set([...this.#marked].filter((marked) => marked !== address));
  }
}
