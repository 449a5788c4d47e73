/**
 * Many objects in one message, by column: a value for each would cost more than storing a small object does. Numbers stand big-endian, one behind the other,
 * in byte strings: 4 bytes each for what a batch bounds, 8 for sizes.
 *
 * Imports CBOR's types, limits, digest text, failures, the table and the shapes. Called by both ends.
 */

import type { CborInput, CborValue } from '../../cbor/index.js';
import { formatBlake3 } from '../../digest-name.js';
import { DIGEST_SIZE, REMOTE_BATCH_MAX, REMOTE_BATCH_SIZE_MAX } from '../../limits.js';
import { MutableIngestTable } from '../ingest-table.js';
import type { ByteRange, CommonReceipt, ContentAddress, FileList, IngestTable } from '../spi.js';
import { failureOf, failureValue } from './failure.js';
import { malformed } from './frames.js';
import { hasOnly, isBytes, isCount, isMap } from './shapes.js';

const PAIR = 2 * DIGEST_SIZE;

/** What many ingests take: the sizes of objects that follow as payload, or the paths of files. */
export type ManyRequest = { sizes: number[] } | { files: Pick<FileList, 'paths' | 'ends'> };

export function objectsValue(sizes: readonly number[]): CborInput {
  return { sizes: numbers32(sizes) };
}

export function filesValue({ paths, ends }: Pick<FileList, 'paths' | 'ends'>): CborInput {
  return { paths, ends: numbers32(ends) };
}

export function readManyRequest(value: CborValue): ManyRequest {
  if (isMap(value) && hasOnly(value, 'sizes') && isBytes(value.sizes)) {
    const sizes = readNumbers32(value.sizes);
    if (sum(sizes) > REMOTE_BATCH_SIZE_MAX)
      throw malformed(`a batch of objects has more than ${REMOTE_BATCH_SIZE_MAX} bytes`);
    return { sizes };
  }
  if (!isMap(value) || !hasOnly(value, 'paths', 'ends') || !isBytes(value.paths) || !isBytes(value.ends)) {
    throw malformed('many ingests have sizes, or paths and their ends');
  }
  const ends = Uint32Array.from(readNumbers32(value.ends));
  const { paths } = value;
  const ascend = ends.every((end, n) => end >= (n === 0 ? 0 : (ends[n - 1] as number)));
  if (!ascend || (ends.at(-1) ?? 0) !== paths.byteLength) throw malformed('paths do not end where it is said');
  return { files: { paths, ends } };
}

/** What came of many ingests. */
export function tableValue(table: IngestTable): CborInput {
  const { receipt, digests, sizes, storedSizes, existed, healed, errors } = table;
  return {
    receipt: { ...receipt },
    digests,
    sizes: numbers64(sizes),
    storedSizes: numbers64(storedSizes),
    existed,
    healed,
    errors: errorsValue(errors),
  };
}

/** @param length of the batch that was sent */
export function readTable(value: CborValue, length: number): MutableIngestTable {
  const fits =
    isMap(value) &&
    isMap(value.receipt) &&
    Object.values(value.receipt).every((one) => typeof one === 'string') &&
    isBytes(value.digests, PAIR * length) &&
    isBytes(value.sizes, 8 * length) &&
    isBytes(value.storedSizes, 8 * length) &&
    isBytes(value.existed, length) &&
    isBytes(value.healed, length);
  if (!fits) throw malformed('what came of many ingests is not complete');
  const table = new MutableIngestTable(length, value.receipt as unknown as CommonReceipt);
  table.digests.set(value.digests as Uint8Array);
  readNumbers64(value.sizes as Uint8Array, table.sizes);
  readNumbers64(value.storedSizes as Uint8Array, table.storedSizes);
  table.existed.set(value.existed as Uint8Array);
  table.healed.set(value.healed as Uint8Array);
  for (const [index, error] of readErrors(value.errors, length)) table.errors.set(index, error);
  return table;
}

/** Puts a part of a table into one for all: each row where it belongs, and what receipts have in common. */
export function placeTable(into: MutableIngestTable, part: IngestTable, placeOf: (row: number) => number): void {
  Object.assign(into.receipt, part.receipt);
  for (let row = 0; row < part.length; row++) {
    const place = placeOf(row);
    const error = part.errors.get(row);
    if (error !== undefined) {
      into.errors.set(place, error);
      continue;
    }
    into.digests.set(part.digests.subarray(PAIR * row, PAIR * (row + 1)), PAIR * place);
    into.sizes[place] = part.sizes[row] as number;
    into.storedSizes[place] = part.storedSizes[row] as number;
    into.existed[place] = part.existed[row] as number;
    into.healed[place] = part.healed[row] as number;
  }
}

/** A small read: an object's bytes from `start` to `end`. */
export interface SmallRead {
  address: Uint8Array;
  range: ByteRange;
}

export function readsValue(reads: readonly SmallRead[]): CborInput {
  return {
    addresses: Buffer.concat(reads.map(({ address }) => address)),
    starts: numbers32(reads.map(({ range }) => range.start)),
    ends: numbers32(reads.map(({ range }) => range.end)),
  };
}

export function readReads(value: CborValue): { address: ContentAddress; range: ByteRange }[] {
  const fits =
    isMap(value) &&
    hasOnly(value, 'addresses', 'starts', 'ends') &&
    isBytes(value.addresses) &&
    isBytes(value.starts) &&
    isBytes(value.ends, value.starts.byteLength) &&
    value.addresses.byteLength * 4 === value.starts.byteLength * DIGEST_SIZE;
  if (!fits) throw malformed('many reads have addresses, and as many starts and ends');
  const { addresses, starts, ends } = value as Record<string, Uint8Array>;
  const from = readNumbers32(starts as Uint8Array);
  return readNumbers32(ends as Uint8Array).map((end, n) => ({
    address: formatBlake3((addresses as Uint8Array).subarray(DIGEST_SIZE * n, DIGEST_SIZE * (n + 1))),
    range: { start: from[n] as number, end },
  }));
}

/** Sizes of what was read, in order, and the errors of the others, whose size is 0. */
export function readOutcomesValue(outcomes: readonly (Uint8Array | Error)[]): CborInput {
  const errors = new Map<number, Error>();
  for (const [n, outcome] of outcomes.entries()) if (outcome instanceof Error) errors.set(n, outcome);
  return {
    sizes: numbers32(outcomes.map((outcome) => (outcome instanceof Error ? 0 : outcome.byteLength))),
    errors: errorsValue(errors),
  };
}

export function readReadOutcomes(value: CborValue, length: number): { sizes: number[]; errors: Map<number, Error> } {
  if (!isMap(value) || !isBytes(value.sizes, 4 * length)) throw malformed('what came of many reads is not complete');
  return { sizes: readNumbers32(value.sizes), errors: readErrors(value.errors, length) };
}

export function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0);
}

export function errorsValue(errors: ReadonlyMap<number, Error>): CborInput {
  return [...errors].map(([index, error]) => [index, failureValue(error)]);
}

export function readErrors(value: CborValue | undefined, length: number): Map<number, Error> {
  if (!Array.isArray(value)) throw malformed('errors are a list');
  return new Map(
    value.map((entry) => {
      const [index, error] = Array.isArray(entry) ? entry : [];
      if (!isCount(index) || index >= length || error === undefined)
        throw malformed('an error has a place and a value');
      return [index, failureOf(error)];
    }),
  );
}

function numbers32(values: ArrayLike<number>): Buffer {
  const bytes = Buffer.allocUnsafeSlow(4 * values.length);
  for (let n = 0; n < values.length; n++) bytes.writeUInt32BE(values[n] as number, 4 * n);
  return bytes;
}

/** Throws AS_ERR_PROTOCOL: not whole numbers, or more than a batch has. */
function readNumbers32(bytes: Uint8Array): number[] {
  const count = bytes.byteLength / 4;
  if (!Number.isInteger(count)) throw malformed('numbers have four bytes each');
  if (count > REMOTE_BATCH_MAX) throw malformed(`a batch has more than ${REMOTE_BATCH_MAX} entries`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: count }, (_, n) => view.getUint32(4 * n));
}

const HALF = 2 ** 32;

export function numbers64(values: Float64Array): Buffer {
  const bytes = Buffer.allocUnsafeSlow(8 * values.length);
  for (let n = 0; n < values.length; n++) {
    const value = values[n] as number;
    bytes.writeUInt32BE(Math.floor(value / HALF), 8 * n);
    bytes.writeUInt32BE(value % HALF, 8 * n + 4);
  }
  return bytes;
}

export function readNumbers64(bytes: Uint8Array, into: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let n = 0; n < into.length; n++) into[n] = view.getUint32(8 * n) * HALF + view.getUint32(8 * n + 4);
  if (!into.every(Number.isSafeInteger)) throw malformed('a size is beyond what any object has');
}
