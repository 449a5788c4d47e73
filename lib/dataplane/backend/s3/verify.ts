/**
 * Verification of stored objects: all bytes are read again, digested, and compared with the address and with the outboard, which names what is damaged.
 *
 * Imports reading, the tree, the hasher, the pacer and limits. Called by index.ts, which marks what is damaged and repairs outboards.
 */

import { digest } from '../../../digest.js';
import { digestBytes } from '../../../digest-name.js';
import { ArtifactStoreError } from '../../../errors.js';
import { DIGEST_SIZE, GROUP_SIZE, S3_BLOCK_SIZE, S3_SMALL_SIZE_MAX, VERIFY_RANGES_MAX } from '../../../limits.js';
import { Pacer } from '../../../pacer.js';
import type { ByteRange, ContentAddress, VerifyOptions, VerifyResult } from '../../spi.js';
import { blocks, type Coming, collect, resumed } from './download.js';
import { OutboardReader } from './outboard.js';
import { damagedGroups, isOutboardOf, Ranges, type ReadTools, wrongGroups } from './read.js';
import { ProvenTree, RootOf } from './tree.js';

/** What was found. `outboardWrong`: the bytes are whole and their outboard is not. */
export type Verified = Omit<VerifyResult, 'repaired'> & { outboardWrong: boolean };

/** Re-reads an object. Throws AS_ERR_ABORTED: by the signal; and what reading throws. */
export async function verify(tools: ReadTools, address: ContentAddress, options: VerifyOptions): Promise<Verified> {
  requireWanted(options.signal);
  const coming = await resumed(tools.bucket, tools.keys.object(address));
  if (coming === undefined) return { status: 'missing', size: 0, damaged: [], outboardWrong: false };
  return coming.size <= S3_SMALL_SIZE_MAX
    ? verifySmall(tools, address, coming, options)
    : verifyLarge(tools, address, coming, options);
}

async function verifySmall(
  tools: ReadTools,
  address: ContentAddress,
  coming: Coming,
  { digests = 'both' }: VerifyOptions,
): Promise<Verified> {
  const bytes = await collect(coming.bytes, coming.size);
  const { blake3, sha256 } = digest(bytes);
  const found = { size: bytes.byteLength, blake3, ...(digests === 'both' && { sha256 }) };
  if (Buffer.compare(blake3, digestBytes(address)) !== 0) {
    return { status: 'corrupt', ...found, damaged: await damagedGroups(tools, address, bytes), outboardWrong: false };
  }
  const outboardWrong = bytes.byteLength > GROUP_SIZE && !(await isOutboardOf(tools, address, bytes));
  return { status: 'intact', ...found, damaged: [], outboardWrong };
}

async function verifyLarge(
  { bucket, keys, hasher }: ReadTools,
  address: ContentAddress,
  coming: Coming,
  { digests = 'both', bytesPerSecond, signal }: VerifyOptions,
): Promise<Verified> {
  const { size } = coming;
  const reader = new OutboardReader(bucket, keys.outboard(address), size);
  const tree = new ProvenTree(address, size, { start: 0, end: size }, (index) => reader.node(index));
  const pacer = bytesPerSecond === undefined ? undefined : new Pacer(bytesPerSecond);
  const stream = digests === 'both' ? hasher.stream() : undefined;
  const root = new RootOf();
  const ranges = new Ranges();
  const free: ArrayBuffer[] = [];
  let sha256: Uint8Array | undefined;
  let at = 0;
  try {
    for await (const { buffer, size: length } of blocks(coming.bytes, S3_BLOCK_SIZE, free)) {
      await pacer?.take(length, signal);
      requireWanted(signal);
      const first = at / GROUP_SIZE;
      const hashed = stream ? stream.update(buffer, length, first) : hasher.groups(buffer, length, first);
      const { values, buffer: back } = await hashed;
      free.push(back);
      for (let offset = 0; offset < values.byteLength; offset += DIGEST_SIZE) {
        root.add(values.subarray(offset, offset + DIGEST_SIZE));
      }
      for (const range of await wrongGroups(tree, at, length, values, size)) ranges.add(range);
      at += length;
    }
  } finally {
    sha256 = await stream?.end();
  }
  const blake3 = root.root();
  const found = { size, blake3, ...(sha256 && { sha256 }) };
  const isIntact = Buffer.compare(blake3, digestBytes(address)) === 0;
  if (isIntact) return { status: 'intact', ...found, damaged: [], outboardWrong: ranges.found.length > 0 };
  const damaged = ranges.found.length > 0 ? ranges.found : [{ start: 0, end: size }];
  return { status: 'corrupt', ...found, damaged: few(damaged), outboardWrong: false };
}

/** As many ranges as a result has at most; the last takes the rest. */
function few(ranges: readonly ByteRange[]): ByteRange[] {
  if (ranges.length <= VERIFY_RANGES_MAX) return [...ranges];
  const { start } = ranges[VERIFY_RANGES_MAX - 1] as ByteRange;
  const { end } = ranges.at(-1) as ByteRange;
  return [...ranges.slice(0, VERIFY_RANGES_MAX - 1), { start, end }];
}

function requireWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The verification was given up.');
}
