/**
 * An object and its outboard on their way to the bucket, the outboard first: where the object is, its outboard is.
 *
 * Imports the uploader, the tree, the spool, downloads and limits. Called by intake.ts, which decides whether to store, and by plane.ts for outboards that are to be
 * made anew.
 */

import { digest } from '../../../digest.js';
import { toHex } from '../../../digest-name.js';
import { GROUP_SIZE, S3_SMALL_SIZE_MAX } from '../../../limits.js';
import type { Hasher } from '../../../native/hasher.js';
import type { ClosableDataPlane } from '../../closable.js';
import type { ContentAddress } from '../../spi.js';
import type { Stored } from './bucket.js';
import { collect, resumed } from './download.js';
import type { Parts } from './parts.js';
import type { Spool } from './spool.js';
import { spooledContent } from './spooled-content.js';
import { outboardHeader, outboardOf, outboardSize } from './tree.js';
import { Uploader } from './upload.js';

export class Writing {
  readonly #parts: Parts;
  readonly #hasher: Hasher;
  readonly #uploader: Uploader;

  constructor(parts: Parts, hasher: Hasher) {
    this.#parts = parts;
    this.#hasher = hasher;
    this.#uploader = new Uploader(parts.bucket, hasher, () => parts.findings, parts.options.partSize);
  }

  /** Stores bytes that are in memory. `present`: it was to be stored only where nothing is, and something is. */
  async small(
    address: ContentAddress,
    sha256: Uint8Array,
    bytes: Uint8Array,
    onlyIfAbsent: boolean,
  ): Promise<Stored | 'present'> {
    const { keys } = this.#parts;
    if (bytes.byteLength > GROUP_SIZE) await this.#smallOutboard(address, bytes);
    const hex = toHex(sha256);
    return this.#uploader.putBytes(keys.object(address), bytes, hex, { metadata: { sha256: hex }, onlyIfAbsent });
  }

  /** Stores what is in the spool. `present`: as above. */
  async large(
    address: ContentAddress,
    sha256: Uint8Array,
    size: number,
    spool: Spool,
    onlyIfAbsent: boolean,
  ): Promise<Stored | 'present'> {
    const { keys } = this.#parts;
    await this.#largeOutboard(address, size, spool.plane);
    const content = spooledContent(spool, this.#hasher, address, size);
    return this.#uploader.put(keys.object(address), content, { metadata: { sha256: toHex(sha256) }, onlyIfAbsent });
  }

  /** Makes the outboard of an object anew, whose bytes are whole. False: it is gone. */
  async outboard(address: ContentAddress, spool: Spool): Promise<boolean> {
    const { bucket, keys } = this.#parts;
    const coming = await resumed(bucket, keys.object(address));
    if (coming === undefined) return false;
    if (coming.size <= S3_SMALL_SIZE_MAX) {
      await this.#smallOutboard(address, await collect(coming.bytes, coming.size));
      return true;
    }
    const spooled = await spool.take(coming.bytes, { blake3: address });
    try {
      await this.#largeOutboard(address, spooled.result.size, spool.plane);
      return true;
    } finally {
      await spooled.release();
    }
  }

  async #smallOutboard(address: ContentAddress, bytes: Uint8Array): Promise<void> {
    const outboard = outboardOf(bytes);
    await this.#uploader.putBytes(this.#parts.keys.outboard(address), outboard, toHex(digest(outboard).sha256), {});
  }

  async #largeOutboard(address: ContentAddress, size: number, plane: ClosableDataPlane): Promise<void> {
    async function* bytes() {
      yield outboardHeader(size);
      yield* plane.serveOutboard(address);
    }
    await this.#uploader.put(this.#parts.keys.outboard(address), { size: outboardSize(size), read: bytes }, {});
  }
}
