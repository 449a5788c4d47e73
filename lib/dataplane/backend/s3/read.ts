/**
 * Reading from the bucket: small objects as a whole, large ones block by block, nothing before it is verified.
 *
 * What comes wrong is fetched once more, because a connection may have changed it; what is wrong again is damage. Imports the bucket, the tree, the hasher, errors and
 * limits. Called by index.ts.
 */

import { digest } from '../../../digest.js';
import { digestBytes } from '../../../digest-name.js';
import { ArtifactStoreError } from '../../../errors.js';
import { DIGEST_SIZE, GROUP_SIZE, S3_BLOCK_SIZE, S3_SMALL_SIZE_MAX } from '../../../limits.js';
import type { Hasher } from '../../../native/hasher.js';
import type { ByteRange, ContentAddress } from '../../spi.js';
import type { Bucket } from './bucket.js';
import { blocks, collect, resumed } from './download.js';
import type { Keys } from './keys.js';
import { OutboardReader } from './outboard.js';
import { groupValues, HEADER_SIZE, NODE_SIZE, outboardOf, outboardSize, ProvenTree } from './tree.js';

/** What reading takes. */
export interface ReadTools {
  bucket: Bucket;
  keys: Keys;
  hasher: Hasher;
}

/** Bytes of nodes that are given out together. */
const NODES_GIVEN = 64 * 1024;

/** The range, widened to the groups that it touches. */
function wholeGroups({ start, end }: ByteRange, size: number): ByteRange {
  return { start: start - (start % GROUP_SIZE), end: Math.min(Math.ceil(end / GROUP_SIZE) * GROUP_SIZE, size) };
}

/**
 * A whole small object, verified.
 *
 * @param size of the object; at most S3_SMALL_SIZE_MAX
 * @throws AS_ERR_NOT_FOUND, AS_ERR_CORRUPT
 */
export async function readSmall(
  { bucket, keys }: ReadTools,
  address: ContentAddress,
  size: number,
): Promise<Uint8Array> {
  const key = keys.object(address);
  let bytes: Uint8Array = new Uint8Array();
  for (let attempt = 0; attempt < 2; attempt++) {
    const coming = await resumed(bucket, key);
    if (coming === undefined) throw notFound(address);
    bytes = await collectSmall(coming, size);
    if (Buffer.compare(digest(bytes).blake3, digestBytes(address)) === 0) return bytes;
  }
  throw corrupt(address, await damagedGroups({ bucket, keys }, address, bytes));
}

async function collectSmall(
  coming: NonNullable<Awaited<ReturnType<typeof resumed>>>,
  size: number,
): Promise<Uint8Array> {
  if (coming.size <= S3_SMALL_SIZE_MAX) return collect(coming.bytes, coming.size);
  await coming.leave(); // it has grown, so it is not what was stored
  return new Uint8Array(size);
}

/** Which groups of a small object differ from its outboard; all of it where nobody can tell. */
export async function damagedGroups(
  { bucket, keys }: Pick<ReadTools, 'bucket' | 'keys'>,
  address: ContentAddress,
  bytes: Uint8Array,
): Promise<ByteRange[]> {
  const size = bytes.byteLength;
  if (size <= GROUP_SIZE) return [{ start: 0, end: size }];
  const reader = new OutboardReader(bucket, keys.outboard(address), size);
  const tree = new ProvenTree(address, size, { start: 0, end: size }, (index) => reader.node(index));
  const wrong = await wrongGroups(tree, 0, size, groupValues(bytes), size);
  return wrong.length > 0 ? wrong : [{ start: 0, end: size }];
}

/**
 * A range of a large object, each block verified before it is given.
 *
 * @param size of the object
 * @throws AS_ERR_NOT_FOUND, AS_ERR_CORRUPT
 */
export async function* readLarge(
  tools: ReadTools,
  address: ContentAddress,
  size: number,
  range: ByteRange,
): AsyncGenerator<Uint8Array> {
  const { bucket, keys } = tools;
  const wanted = wholeGroups(range, size);
  const coming = await resumed(bucket, keys.object(address), wanted);
  if (coming === undefined) throw notFound(address);
  if (coming.size !== size) {
    await coming.leave();
    throw corrupt(address, [{ start: 0, end: size }]);
  }
  const reader = new OutboardReader(bucket, keys.outboard(address), size);
  const tree = new ProvenTree(address, size, wanted, (index) => reader.node(index));
  const free: ArrayBuffer[] = [];
  let at = wanted.start;
  // Hashed here, natively, a block at a time: handing one to a worker was measured to cost several times what hashing it does.
  for await (const { buffer, size: length, pieces } of blocks(coming.bytes, S3_BLOCK_SIZE, free)) {
    const values = groupValues(new Uint8Array(buffer, 0, length), at / GROUP_SIZE);
    free.push(buffer);
    const wrong = await wrongGroups(tree, at, length, values, size);
    const block = { start: at, end: at + length };
    yield* within(wrong.length === 0 ? pieces : [await again(tools, address, size, block)], at, range);
    at += length;
  }
}

/** What of pieces that begin at `at` is in the range. */
function within(pieces: readonly Uint8Array[], at: number, { start, end }: ByteRange): Uint8Array[] {
  const found: Uint8Array[] = [];
  let from = at;
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, start - from), Math.max(0, end - from));
    from += piece.byteLength;
    if (part.byteLength > 0) found.push(part);
  }
  return found;
}

/** A block that came wrong, fetched anew with what proves it. Throws AS_ERR_CORRUPT: it is wrong again. */
export async function again(
  { bucket, keys }: ReadTools,
  address: ContentAddress,
  size: number,
  block: ByteRange,
): Promise<Uint8Array> {
  const coming = await resumed(bucket, keys.object(address), block);
  if (coming === undefined) throw notFound(address);
  const bytes = await collect(coming.bytes, block.end - block.start);
  const reader = new OutboardReader(bucket, keys.outboard(address), size);
  const tree = new ProvenTree(address, size, block, (index) => reader.node(index));
  const wrong = await wrongGroups(
    tree,
    block.start,
    bytes.byteLength,
    groupValues(bytes, block.start / GROUP_SIZE),
    size,
  );
  if (wrong.length > 0) throw corrupt(address, wrong);
  bucket.notice(`Bytes ${block.start} to ${block.end - 1} of ${address} came wrong once and right the second time.`);
  return bytes;
}

/** Which groups of a block differ from what the tree says next. */
export async function wrongGroups(
  tree: ProvenTree,
  at: number,
  length: number,
  values: Uint8Array,
  size: number,
): Promise<ByteRange[]> {
  const ranges = new Ranges();
  for (let offset = 0; offset < values.byteLength; offset += DIGEST_SIZE) {
    const value = await tree.next();
    if (value && Buffer.compare(values.subarray(offset, offset + DIGEST_SIZE), value) === 0) continue;
    const start = at + (offset / DIGEST_SIZE) * GROUP_SIZE;
    ranges.add({ start, end: Math.min(start + GROUP_SIZE, at + length, size) });
  }
  return ranges.found;
}

/**
 * The nodes that prove a large object, or a range of it, in pre-order, each proven before it is given.
 *
 * @throws AS_ERR_CORRUPT: the stored outboard is damaged
 */
export async function* readNodes(
  { bucket, keys }: Pick<ReadTools, 'bucket' | 'keys'>,
  address: ContentAddress,
  size: number,
  range: ByteRange,
  outboard?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const reader = new OutboardReader(bucket, keys.outboard(address), size);
  const nodeIn = (index: number) =>
    outboard?.subarray(HEADER_SIZE + index * NODE_SIZE, HEADER_SIZE + (index + 1) * NODE_SIZE);
  let nodes: Uint8Array[] = [];
  const tree = new ProvenTree(address, size, range, outboard ? nodeIn : (index) => reader.node(index), (pair) =>
    nodes.push(pair),
  );
  for (let value = await tree.next(); value !== null; value = await tree.next()) {
    if (value === undefined) throw corrupt(address, [range]);
    if (nodes.length * NODE_SIZE < NODES_GIVEN) continue;
    yield new Uint8Array(Buffer.concat(nodes));
    nodes = [];
  }
  if (nodes.length > 0) yield new Uint8Array(Buffer.concat(nodes));
}

/** Ranges that come in order, merged where they touch. */
export class Ranges {
  readonly found: ByteRange[] = [];

  add({ start, end }: ByteRange): void {
    const last = this.found.at(-1);
    if (last !== undefined && last.end === start) last.end = end;
    else this.found.push({ start, end });
  }
}

/** Whether the outboard in the bucket is that of these bytes. */
export async function isOutboardOf(
  { bucket, keys }: Pick<ReadTools, 'bucket' | 'keys'>,
  address: ContentAddress,
  bytes: Uint8Array,
): Promise<boolean> {
  const coming = await resumed(bucket, keys.outboard(address));
  if (coming === undefined) return false;
  if (coming.size !== outboardSize(bytes.byteLength)) {
    await coming.leave();
    return false;
  }
  return Buffer.compare(await collect(coming.bytes, coming.size), outboardOf(bytes)) === 0;
}

export function notFound(address: ContentAddress): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', `No object ${address} is stored here.`, { address });
}

export function corrupt(address: ContentAddress, ranges: readonly ByteRange[]): ArtifactStoreError {
  const [{ start, end } = { start: 0, end: 0 }] = ranges;
  return new ArtifactStoreError(
    'AS_ERR_CORRUPT',
    `${address} is damaged: bytes ${start} to ${end - 1} do not match its digest. Store the same bytes again to heal it.`,
    { address, ranges: ranges.map((range) => [range.start, range.end]) },
  );
}

export function knownCorrupt(address: ContentAddress): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_CORRUPT',
    `${address} is known to be damaged. Store the same bytes again to heal it.`,
    { address },
  );
}

export function rangeError(address: ContentAddress, { start, end }: ByteRange, size: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_RANGE',
    `The range lies outside ${address}: bytes ${start} to ${end} of ${size}.`,
    { address, start, end, size },
  );
}
