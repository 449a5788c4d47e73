/**
 * BLAKE3 trees over groups of 16 KiB, as far as this backend needs them: the outboard of a small object, proven values of the groups of a large one, and the
 * root over values that come one after the other. docs/format.md, "Outboards", has the layout.
 *
 * Imports the native addon, digest text and limits. Called by the operations that read, verify and store.
 */

import { digestBytes } from '../../../digest-name.js';
import { DIGEST_SIZE, GROUP_SIZE } from '../../../limits.js';
import { loadAddon } from '../../../native/load.js';
import type { ByteRange, ContentAddress } from '../../spi.js';

/** Bytes of a node: the chaining values of its two children. */
export const NODE_SIZE = 2 * DIGEST_SIZE;
/** Bytes of an outboard before its nodes: the object's size. */
export const HEADER_SIZE = 8;

export function groupCount(size: number): number {
  return Math.ceil(size / GROUP_SIZE);
}

/** Bytes of the outboard of an object; 0 where it has none. */
export function outboardSize(size: number): number {
  return size <= GROUP_SIZE ? 0 : HEADER_SIZE + NODE_SIZE * (groupCount(size) - 1);
}

/** What an outboard begins with. */
export function outboardHeader(size: number): Uint8Array {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeBigUInt64LE(BigInt(size));
  return header;
}

/** The chaining values of the groups in these bytes, of which the first has this number; 32 bytes each. On this thread: for some hundred KiB. */
export function groupValues(bytes: Uint8Array, first = 0): Uint8Array {
  const values = new Uint8Array(groupCount(bytes.byteLength) * DIGEST_SIZE);
  loadAddon().groupValues(bytes, first, values);
  return values;
}

/** The whole outboard of an object in memory, of more than one group. */
export function outboardOf(bytes: Uint8Array): Uint8Array {
  const count = groupCount(bytes.byteLength);
  const values = groupValues(bytes);
  const outboard = new Uint8Array(outboardSize(bytes.byteLength));
  outboard.set(outboardHeader(bytes.byteLength));
  const fill = (first: number, groups: number, node: number): Uint8Array => {
    if (groups === 1) return values.subarray(first * DIGEST_SIZE, (first + 1) * DIGEST_SIZE);
    const left = leftGroups(groups);
    const pair = outboard.subarray(HEADER_SIZE + node * NODE_SIZE, HEADER_SIZE + (node + 1) * NODE_SIZE);
    pair.set(fill(first, left, node + 1));
    pair.set(fill(first + left, groups - left, node + left), DIGEST_SIZE);
    return parentValue(pair, groups === count);
  };
  fill(0, count, 0);
  return outboard;
}

/** Groups under the left child of a node over so many. */
function leftGroups(groups: number): number {
  return 2 ** Math.floor(Math.log2(groups - 1));
}

function parentValue(pair: Uint8Array, isRoot: boolean): Uint8Array {
  const value = new Uint8Array(DIGEST_SIZE);
  loadAddon().parentValue(pair, isRoot, value);
  return value;
}

/** Gives the node that stands at an index of an outboard; undefined: there is none. */
export type NodeSource = (index: number) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

interface Subtree {
  first: number;
  count: number;
  /** Of its own node, counted from the root. */
  node: number;
  /** Its chaining value, proven; undefined below a node that is damaged. */
  value: Uint8Array | undefined;
}

/** The groups of a range in order, and the nodes above them in pre-order, each proven by the address. */
export class ProvenTree {
  readonly #pending: Subtree[];
  readonly #count: number;
  readonly #first: number;
  readonly #end: number;

  constructor(
    address: ContentAddress,
    size: number,
    range: ByteRange,
    private readonly nodes: NodeSource,
    private readonly onNode: (pair: Uint8Array) => void = () => undefined,
    /** Groups that are proven together, a power of two: what is asked for is then the value over so many, or over those that are left at the end. */
    private readonly together = 1,
  ) {
    this.#count = groupCount(size);
    this.#first = Math.floor(range.start / GROUP_SIZE);
    this.#end = Math.ceil(range.end / GROUP_SIZE);
    this.#pending = [{ first: 0, count: this.#count, node: 0, value: digestBytes(address) }];
  }

  /**
   * The chaining value that the next group of the range must have, or as many as are proven together.
   *
   * @returns undefined where the outboard is damaged, so nobody knows; null when the range has no further group
   */
  async next(): Promise<Uint8Array | undefined | null> {
    for (let tree = this.#pending.pop(); tree; tree = this.#pending.pop()) {
      const { first, count, node, value } = tree;
      if (first >= this.#end || first + count <= this.#first) continue;
      if (count <= this.together) return value;
      const pair = value && (await this.nodes(node));
      const isProven = pair && Buffer.compare(parentValue(pair, count === this.#count), value) === 0;
      if (isProven) this.onNode(pair);
      const left = leftGroups(count);
      const right = isProven ? pair.subarray(DIGEST_SIZE) : undefined;
      this.#pending.push({ first: first + left, count: count - left, node: node + left, value: right });
      this.#pending.push({
        first,
        count: left,
        node: node + 1,
        value: isProven ? pair.subarray(0, DIGEST_SIZE) : undefined,
      });
    }
    return null;
  }
}

/** The root over the values of groups that come in order: at least two of them. */
export class RootOf {
  /** Values of whole subtrees, the largest first. */
  readonly #subtrees: Uint8Array[] = [];
  #added = 0;
  #last: Uint8Array | undefined;

  add(value: Uint8Array): void {
    if (this.#last) this.#push(this.#last);
    this.#last = value;
  }

  root(): Uint8Array {
    let value = this.#last as Uint8Array;
    while (this.#subtrees.length > 0) {
      const left = this.#subtrees.pop() as Uint8Array;
      value = parentValue(Buffer.concat([left, value]), this.#subtrees.length === 0);
    }
    return value;
  }

  /** More come after this one, so every subtree that it completes is whole, and none is the root. */
  #push(value: Uint8Array): void {
    let whole = value;
    this.#added++;
    for (let total = this.#added; total % 2 === 0; total /= 2) {
      whole = parentValue(Buffer.concat([this.#subtrees.pop() as Uint8Array, whole]), false);
    }
    this.#subtrees.push(whole);
  }
}
