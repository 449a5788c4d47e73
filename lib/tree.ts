/**
 * Parts of an object checked against its content address: BLAKE3 trees over chunk groups of 16 KiB, as bao-tree has them.
 *
 * Imports the native addon, errors and limits. Called by lib/client, which believes no byte that it is sent. The part of the tree that proves a
 * range is what `Store.outboard` gives: of every node over some of the range's groups that has children, the chaining values of the two, in
 * pre-order (docs/format.md, "Outboards").
 */

import type { ByteRange, ContentAddress } from './dataplane/spi.js';
import { digest } from './digest.js';
import { digestBytes } from './digest-name.js';
import { ArtifactStoreError } from './errors.js';
import { DIGEST_SIZE, GROUP_SIZE, VERIFIED_BLOCK_SIZE } from './limits.js';
import { loadAddon } from './native/load.js';

/** Bytes of a node: the chaining values of its two children. */
const NODE_SIZE = 2 * DIGEST_SIZE;

/** What is to be proven: bytes of the object with this address, which is said to have this size. */
export interface Proven {
  address: ContentAddress;
  size: number;
  /** Begins at a group, and ends at one or at the end of the object: see `wholeGroups`. */
  range: ByteRange;
}

/** The range, widened to the groups that it touches. */
export function wholeGroups({ start, end }: ByteRange, size: number): ByteRange {
  if (start >= end) return { start: 0, end: 0 };
  return {
    start: start - (start % GROUP_SIZE),
    end: Math.min(Math.ceil(end / GROUP_SIZE) * GROUP_SIZE, size),
  };
}

/**
 * The bytes of a range as they come, each proven by the address before it is given. What reaches the end of the object proves its size, too.
 *
 * @param bytes those of `proven.range`, in chunks of any size
 * @param nodes of the tree, those that prove the range, in pre-order
 * @throws AS_ERR_CORRUPT: bytes or nodes are not those of the object; `details.start` and `details.end`. Nothing wrong has been given
 * @throws AS_ERR_SIZE_MISMATCH: fewer bytes or nodes came, or more bytes
 */
export async function* provenBytes(
  proven: Proven,
  bytes: AsyncIterable<Uint8Array>,
  nodes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { start, end } = proven.range;
  const expected = new ExpectedValues(proven, nodes);
  try {
    let at = start;
    for await (const block of blocksOf(bytes, end - start)) {
      await checkBlock(proven, at, block, expected);
      at += block.byteLength;
      yield block;
    }
    if (at !== end) throw cutShort(proven.address, at - start, end - start);
    if (proven.size === 0) await checkBlock(proven, 0, new Uint8Array(), expected);
  } finally {
    await expected.end();
  }
}

async function checkBlock({ address, size }: Proven, at: number, block: Uint8Array, expected: ExpectedValues) {
  if (size <= GROUP_SIZE) {
    if (Buffer.compare(digest(block).blake3, digestBytes(address)) !== 0) throw wrong(address, 0, size);
    return;
  }
  const values = groupValues(block, at / GROUP_SIZE);
  for (let offset = 0; offset < values.byteLength; offset += DIGEST_SIZE) {
    const value = await expected.next();
    if (Buffer.compare(values.subarray(offset, offset + DIGEST_SIZE), value) === 0) continue;
    const start = at + (offset / DIGEST_SIZE) * GROUP_SIZE;
    throw wrong(address, start, Math.min(start + GROUP_SIZE, size));
  }
}

/** The chaining values of groups that stand one behind the other, 32 bytes each. */
function groupValues(bytes: Uint8Array, first: number): Uint8Array {
  const values = new Uint8Array(Math.ceil(bytes.byteLength / GROUP_SIZE) * DIGEST_SIZE);
  loadAddon().groupValues(bytes, first, values);
  return values;
}

/** Bytes in blocks of VERIFIED_BLOCK_SIZE, each in memory of its own; the last may be shorter. Throws AS_ERR_SIZE_MISMATCH: more than `size`. */
async function* blocksOf(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  let block = newBlock(left);
  let filled = 0;
  for await (const chunk of bytes) {
    for (let from = 0; from < chunk.byteLength; ) {
      if (left === 0)
        throw new ArtifactStoreError('AS_ERR_SIZE_MISMATCH', `More than the ${size} bytes asked for came.`);
      const part = chunk.subarray(from, from + block.byteLength - filled);
      block.set(part, filled);
      filled += part.byteLength;
      from += part.byteLength;
      if (filled < block.byteLength) continue;
      yield block;
      left -= filled;
      block = newBlock(left);
      filled = 0;
    }
  }
  // What is behind the last whole group cannot be proven.
  const whole = filled - (filled % GROUP_SIZE);
  if (whole > 0) yield block.subarray(0, whole);
}

function newBlock(left: number): Uint8Array {
  const memory = Buffer.allocUnsafeSlow(Math.min(left, VERIFIED_BLOCK_SIZE));
  return new Uint8Array(memory.buffer, 0, memory.byteLength);
}

interface TreeNode {
  /** Its groups. */
  first: number;
  count: number;
  /** Its chaining value, proven; of the root, the address. */
  value: Uint8Array;
}

/** The chaining values of a range's groups, in order, each proven by the nodes above it. */
class ExpectedValues {
  readonly #address: ContentAddress;
  readonly #size: number;
  readonly #nodes: NodeReader;
  /** Groups asked for. */
  readonly #first: number;
  readonly #end: number;
  /** Subtrees that are still to be walked, the next one last. */
  readonly #pending: TreeNode[];

  constructor({ address, size, range }: Proven, nodes: AsyncIterable<Uint8Array>) {
    this.#address = address;
    this.#size = size;
    this.#nodes = new NodeReader(nodes, address);
    this.#first = Math.floor(range.start / GROUP_SIZE);
    this.#end = Math.ceil(range.end / GROUP_SIZE);
    this.#pending = [{ first: 0, count: Math.ceil(size / GROUP_SIZE), value: digestBytes(address) }];
  }

  async next(): Promise<Uint8Array> {
    for (let node = this.#pending.pop(); node; node = this.#pending.pop()) {
      const { first, count, value } = node;
      if (first >= this.#end || first + count <= this.#first) continue;
      if (count === 1) return value;
      const pair = await this.#nodes.next();
      this.#require(node, pair);
      const left = 2 ** Math.floor(Math.log2(count - 1));
      this.#pending.push({ first: first + left, count: count - left, value: pair.subarray(DIGEST_SIZE) });
      this.#pending.push({ first, count: left, value: pair.subarray(0, DIGEST_SIZE) });
    }
    throw new ArtifactStoreError('AS_ERR_INTERNAL', 'A group was asked for that the range does not have.');
  }

  end(): Promise<void> {
    return this.#nodes.end();
  }

  #require({ first, count, value }: TreeNode, pair: Uint8Array): void {
    const actual = new Uint8Array(DIGEST_SIZE);
    const isRoot = first === 0 && count === Math.ceil(this.#size / GROUP_SIZE);
    loadAddon().parentValue(pair, isRoot, actual);
    if (Buffer.compare(actual, value) === 0) return;
    throw wrong(this.#address, first * GROUP_SIZE, Math.min((first + count) * GROUP_SIZE, this.#size));
  }
}

/** A stream of nodes, one at a time. */
class NodeReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #address: ContentAddress;
  #chunk: Uint8Array = new Uint8Array();
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>, address: ContentAddress) {
    this.#source = source[Symbol.asyncIterator]();
    this.#address = address;
  }

  async next(): Promise<Uint8Array> {
    if (this.#chunk.byteLength - this.#at < NODE_SIZE) await this.#fill();
    const node = this.#chunk.subarray(this.#at, this.#at + NODE_SIZE);
    this.#at += NODE_SIZE;
    return node;
  }

  async end(): Promise<void> {
    await this.#source.return?.();
  }

  async #fill(): Promise<void> {
    while (this.#chunk.byteLength - this.#at < NODE_SIZE) {
      const step = await this.#source.next();
      if (step.done) throw cutShort(this.#address, this.#chunk.byteLength - this.#at, NODE_SIZE);
      const rest = this.#chunk.subarray(this.#at);
      this.#chunk = rest.byteLength === 0 ? step.value : Buffer.concat([rest, step.value]);
      this.#at = 0;
    }
  }
}

function wrong(address: ContentAddress, start: number, end: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_CORRUPT',
    `What was sent as bytes ${start} to ${end - 1} of ${address} is not that. Nothing of it was used; ask again, and do not trust who sent it.`,
    { address, start, end },
  );
}

function cutShort(address: ContentAddress, size: number, expected: number): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_SIZE_MISMATCH', `${address} ended early: ${size} of ${expected} bytes came.`, {
    address,
    size,
    expected,
  });
}
