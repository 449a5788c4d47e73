/**
 * The outboard of a stored object, read in pieces as its nodes are needed: that of a large object does not fit into memory.
 *
 * Imports the bucket, the tree's layout and limits. Called by whatever reads large objects; one reader each.
 */

import { S3_OUTBOARD_BLOCK_SIZE, S3_OUTBOARD_BLOCKS_KEPT } from '../../../limits.js';
import type { Bucket } from './bucket.js';
import { collect, resumed } from './download.js';
import { groupCount, HEADER_SIZE, NODE_SIZE, outboardSize } from './tree.js';

const NODES_PER_BLOCK = S3_OUTBOARD_BLOCK_SIZE / NODE_SIZE;

export class OutboardReader {
  /** By number, the one used last at the end. */
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  readonly #nodes: number;

  /** @param size of the object */
  constructor(
    private readonly bucket: Bucket,
    private readonly key: string,
    private readonly size: number,
  ) {
    this.#nodes = groupCount(size) - 1;
  }

  /** The node at an index; undefined when the stored outboard has none there. */
  async node(index: number): Promise<Uint8Array | undefined> {
    const number = Math.floor(index / NODES_PER_BLOCK);
    const block = await this.#block(number);
    const at = (index - number * NODES_PER_BLOCK) * NODE_SIZE;
    return at + NODE_SIZE <= block.byteLength ? block.subarray(at, at + NODE_SIZE) : undefined;
  }

  #block(number: number): Promise<Uint8Array> {
    const known = this.#blocks.get(number);
    this.#blocks.delete(number);
    const block = known ?? this.#fetch(number);
    block.catch(() => undefined); // reported where it is awaited
    this.#blocks.set(number, block);
    for (const oldest of this.#blocks.keys()) {
      if (this.#blocks.size <= S3_OUTBOARD_BLOCKS_KEPT) break;
      this.#blocks.delete(oldest);
    }
    return block;
  }

  async #fetch(number: number): Promise<Uint8Array> {
    const first = number * NODES_PER_BLOCK;
    const end = Math.min(first + NODES_PER_BLOCK, this.#nodes);
    const range = { start: HEADER_SIZE + first * NODE_SIZE, end: HEADER_SIZE + end * NODE_SIZE };
    const found = await resumed(this.bucket, this.key, range);
    // One that is shorter than it must be is damaged: its nodes are not asked for where they cannot be.
    if (found !== undefined && found.size !== outboardSize(this.size)) await found.leave();
    if (found?.size !== outboardSize(this.size)) return new Uint8Array();
    return collect(found.bytes, range.end - range.start);
  }
}
