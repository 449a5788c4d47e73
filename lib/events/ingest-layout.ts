/**
 * Writes an ingest result, and finds the members of an encoded one by their places, without the general encoder and decoder: nearly every event
 * of a log carries one, and those cost ten times as much.
 *
 * Imports the contract's types, CBOR, the cursor and limits. `kinds.ts`, `envelope.ts` and the registry's views call it. It knows the form that canonical CBOR
 * gives to results as data planes write them; whatever has another is for `encodeIngestResult` and `decodeIngestResult`, which
 * give and take the same bytes.
 */

import { encodeCanonical } from '../cbor/index.js';
import { type IngestResult, LOCAL_RECEIPT, type Receipt } from '../dataplane/spi.js';
import { DIGEST_SIZE } from '../limits.js';
import { Cursor } from './cursor.js';

/** Places in the bytes of an ingest result; offsets from their start. */
export interface IngestLayout {
  blake3At: number;
  sha256At: number;
  /** What a registry keeps of the receipts: from here to `end`. Their canonical array; of plain ones (`isPlain`) the stored size alone, since the rest is known. */
  keptAt: number;
  end: number;
  /** Bytes in the object. */
  size: number;
  /** Bytes it occupies, over all receipts. */
  storedSize: number;
}

const BEFORE_SIZE = Buffer.from('\xa6\x64size', 'latin1');
const BEFORE_BLAKE3 = Buffer.from('\x66blake3\x58\x20', 'latin1');
const BEFORE_HEALED = Buffer.from('\x66healed', 'latin1');
const BEFORE_SHA256 = Buffer.from('\x66sha256\x58\x20', 'latin1');
const BEFORE_EXISTED = Buffer.from('\x67existed', 'latin1');
const BEFORE_RECEIPTS = Buffer.from('\x68receipts', 'latin1');
const BEFORE_KEY = Buffer.from('\xa5\x63key', 'latin1');
const BEFORE_TIER = Buffer.from('\x64tier', 'latin1');
const BEFORE_BACKEND = Buffer.from('\x67backend', 'latin1');
const BEFORE_DURABILITY = Buffer.from('\x6adurability', 'latin1');
const BEFORE_STORED_SIZE = Buffer.from('\x6astoredSize', 'latin1');
/** What stands between the values of a result with one receipt, whose key has 64 characters: the literals that `ingest-block.ts` writes. */
export const INGEST_PARTS = {
  beforeSize: BEFORE_SIZE,
  beforeBlake3: BEFORE_BLAKE3,
  beforeHealed: BEFORE_HEALED,
  beforeSha256: BEFORE_SHA256,
  beforeExisted: BEFORE_EXISTED,
  beforeKey: Buffer.concat([BEFORE_RECEIPTS, Buffer.from([0x81]), BEFORE_KEY, Buffer.from([0x78, 2 * DIGEST_SIZE])]),
  /** What stands between the key and the stored size. */
  afterKey: ({ tier, backend, durability }: Pick<Receipt, 'tier' | 'backend' | 'durability'>): Buffer =>
    Buffer.concat([
      BEFORE_TIER,
      encodeCanonical(tier),
      BEFORE_BACKEND,
      encodeCanonical(backend),
      BEFORE_DURABILITY,
      encodeCanonical(durability),
      BEFORE_STORED_SIZE,
    ]),
};

/** Of a receipt that says nothing but its stored size, what stands in front of the key, and behind it. */
const BEFORE_PLAIN_KEY = INGEST_PARTS.beforeKey.subarray(BEFORE_RECEIPTS.byteLength);
const AFTER_PLAIN_KEY = INGEST_PARTS.afterKey(LOCAL_RECEIPT);
const KEY_SIZE = 2 * DIGEST_SIZE;
const DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** Whether receipts say nothing but their stored size: there is one, of a folder here, whose key is the digits of the address. */
export function isPlain(receipts: readonly Receipt[], digits: string): boolean {
  const [{ tier, backend, durability, key } = {}] = receipts as readonly Partial<Receipt>[];
  const plain = LOCAL_RECEIPT;
  const isUsual = tier === plain.tier && backend === plain.backend && durability === plain.durability;
  return receipts.length === 1 && isUsual && key === digits && Object.keys(receipts[0] as Receipt).length === 5;
}

/** The receipt that says nothing but this. */
export function plainReceipt(digits: string, storedSize: number): Receipt {
  const { backend, tier, durability } = LOCAL_RECEIPT;
  return { backend, tier, key: digits, storedSize, durability };
}

const TIERS = ['\x63hot', '\x64warm', '\x64cold'].map((tier) => Buffer.from(tier, 'latin1'));
const DURABILITIES = ['\x66synced', '\x6areplicated'].map((durability) => Buffer.from(durability, 'latin1'));

/**
 * The members of the ingest result that begins at `start`.
 *
 * @returns undefined when the bytes there are not one in the usual form
 */
export function readIngestLayout(bytes: Uint8Array, start: number): IngestLayout | undefined {
  const cursor = new Cursor(bytes, start);
  cursor.literal(BEFORE_SIZE);
  const size = cursor.head(0);
  cursor.literal(BEFORE_BLAKE3);
  const blake3At = cursor.skip(DIGEST_SIZE);
  cursor.literal(BEFORE_HEALED);
  cursor.boolean();
  cursor.literal(BEFORE_SHA256);
  const sha256At = cursor.skip(DIGEST_SIZE);
  cursor.literal(BEFORE_EXISTED);
  cursor.boolean();
  cursor.literal(BEFORE_RECEIPTS);
  const receiptsAt = cursor.at;
  const storedSize = skipReceipts(cursor);
  if (cursor.at < 0) return undefined;
  return { blake3At, sha256At, keptAt: keptFrom(bytes, receiptsAt, blake3At), end: cursor.at, size, storedSize };
}

/** Where what is kept of receipts begins: where they do, or at the stored size of plain ones. */
function keptFrom(bytes: Uint8Array, receiptsAt: number, blake3At: number): number {
  const keyAt = receiptsAt + BEFORE_PLAIN_KEY.byteLength;
  const sizeAt = keyAt + KEY_SIZE + AFTER_PLAIN_KEY.byteLength;
  if (!stands(bytes, receiptsAt, BEFORE_PLAIN_KEY) || !stands(bytes, keyAt + KEY_SIZE, AFTER_PLAIN_KEY))
    return receiptsAt;
  for (let i = 0; i < DIGEST_SIZE; i++) {
    const byte = bytes[blake3At + i] as number;
    const isDigits = bytes[keyAt + 2 * i] === DIGITS[byte >> 4] && bytes[keyAt + 2 * i + 1] === DIGITS[byte & 15];
    if (!isDigits) return receiptsAt;
  }
  return sizeAt;
}

function stands(bytes: Uint8Array, at: number, literal: Uint8Array): boolean {
  for (let i = 0; i < literal.length; i++) if (bytes[at + i] !== literal[i]) return false;
  return true;
}

/** Passes over the receipts, at least one; gives the sum of their stored sizes. */
function skipReceipts(cursor: Cursor): number {
  const count = cursor.head(0x80);
  let storedSize = 0;
  for (let n = 0; n < count && cursor.at >= 0; n++) {
    cursor.literal(BEFORE_KEY);
    cursor.text();
    cursor.literal(BEFORE_TIER);
    cursor.oneOf(TIERS);
    cursor.literal(BEFORE_BACKEND);
    cursor.text();
    cursor.literal(BEFORE_DURABILITY);
    cursor.oneOf(DURABILITIES);
    cursor.literal(BEFORE_STORED_SIZE);
    storedSize += cursor.head(0);
  }
  if (count === 0) cursor.at = -1;
  return storedSize;
}

/** Bytes of a piece of memory that results are written into: an allocation each would cost more than the writing. */
const SLAB_SIZE = 8192;
/** Bytes of an integer's head at most, and of a text's. */
export const HEAD_SIZE_MAX = 9;
let slab = Buffer.alloc(0);
let used = SLAB_SIZE;

/**
 * An ingest result as canonical CBOR.
 *
 * @returns the bytes of `encodeIngestResult`; undefined when only that can write them, or refuse
 */
export function writeIngestResult(result: IngestResult): Uint8Array | undefined {
  const { size, blake3, sha256, healed, existed, receipts } = result;
  const sizeMax = FIXED_SIZE + receipts.reduce((sum, receipt) => sum + receiptSizeMax(receipt), 0);
  if (blake3.byteLength !== DIGEST_SIZE || sha256.byteLength !== DIGEST_SIZE || receipts.length > 23) return undefined;
  if (sizeMax > SLAB_SIZE || typeof healed !== 'boolean' || typeof existed !== 'boolean') return undefined;
  if (slab.byteLength - used < sizeMax) {
    slab = Buffer.from(new ArrayBuffer(SLAB_SIZE));
    used = 0;
  }
  const writer = new Writer(slab, used);
  writer.bytes(BEFORE_SIZE);
  writer.head(0, size);
  writer.bytes(BEFORE_BLAKE3);
  writer.bytes(blake3);
  writer.bytes(BEFORE_HEALED);
  writer.boolean(healed);
  writer.bytes(BEFORE_SHA256);
  writer.bytes(sha256);
  writer.bytes(BEFORE_EXISTED);
  writer.boolean(existed);
  writer.bytes(BEFORE_RECEIPTS);
  writer.head(0x80, receipts.length);
  for (const { key, tier, backend, durability, storedSize, bucket, etag, version } of receipts) {
    if ((bucket ?? etag ?? version) !== undefined) return undefined; // more than the usual members
    writer.bytes(BEFORE_KEY);
    writer.text(key);
    writer.bytes(BEFORE_TIER);
    writer.text(tier);
    writer.bytes(BEFORE_BACKEND);
    writer.text(backend);
    writer.bytes(BEFORE_DURABILITY);
    writer.text(durability);
    writer.bytes(BEFORE_STORED_SIZE);
    writer.head(0, storedSize);
  }
  if (writer.failed) return undefined;
  const start = used;
  used = writer.at;
  return new Uint8Array(slab.buffer, slab.byteOffset + start, used - start);
}

/** Bytes of the head of an integer from 0 to 2^53-1. */
export function headSize(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  if (value < 0x1_0000) return 3;
  return value < 0x1_0000_0000 ? 5 : HEAD_SIZE_MAX;
}

/** Writes into memory known to be large enough. */
export class Writer {
  failed = false;

  constructor(
    readonly target: Buffer,
    public at: number,
  ) {}

  bytes(source: Uint8Array): void {
    for (let i = 0; i < source.length; i++) this.target[this.at + i] = source[i] as number;
    this.at += source.length;
  }

  /** Leaves bytes as they are; gives where they begin. */
  skip(size: number): number {
    this.at += size;
    return this.at - size;
  }

  boolean(value: boolean): void {
    this.target[this.at++] = value ? 0xf5 : 0xf4;
  }

  head(base: number, value: number): void {
    const { target, at } = this;
    if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) this.failed = true;
    else if (value < 24) this.at = target.writeUInt8(base + value, at);
    else if (value < 0x100) this.at = target.writeUInt8(value, target.writeUInt8(base + 24, at));
    else if (value < 0x1_0000) this.at = target.writeUInt16BE(value, target.writeUInt8(base + 25, at));
    else if (value < 0x1_0000_0000) this.at = target.writeUInt32BE(value, target.writeUInt8(base + 26, at));
    else {
      const low = target.writeUInt32BE(Math.floor(value / 2 ** 32), target.writeUInt8(base + 27, at));
      this.at = target.writeUInt32BE(value % 2 ** 32, low);
    }
  }

  /** ASCII text: other text may have to be refused. */
  text(value: string): void {
    this.head(0x60, value.length);
    const { target, at } = this;
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) this.failed = true;
      target[at + i] = unit;
    }
    this.at = at + value.length;
  }
}

const FIXED_SIZE =
  [BEFORE_SIZE, BEFORE_BLAKE3, BEFORE_HEALED, BEFORE_SHA256, BEFORE_EXISTED, BEFORE_RECEIPTS].reduce(
    (sum, part) => sum + part.byteLength,
    0,
  ) +
  2 * (DIGEST_SIZE + HEAD_SIZE_MAX + 1);

const RECEIPT_FIXED_SIZE =
  [BEFORE_KEY, BEFORE_TIER, BEFORE_BACKEND, BEFORE_DURABILITY, BEFORE_STORED_SIZE].reduce(
    (sum, part) => sum + part.byteLength,
    0,
  ) +
  5 * HEAD_SIZE_MAX;

function receiptSizeMax({ key, tier, backend, durability }: IngestResult['receipts'][number]): number {
  return RECEIPT_FIXED_SIZE + key.length + tier.length + backend.length + durability.length;
}

/** Bytes of a result with one receipt, whose key has 64 characters, at most; `afterKey` as INGEST_PARTS gives it. */
export function ingestSizeMax(afterKey: Uint8Array): number {
  const { beforeSize, beforeBlake3, beforeHealed, beforeSha256, beforeExisted, beforeKey } = INGEST_PARTS;
  const literals = [beforeSize, beforeBlake3, beforeHealed, beforeSha256, beforeExisted, beforeKey, afterKey];
  const fixed = literals.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return fixed + 4 * DIGEST_SIZE + 2 * HEAD_SIZE_MAX + 2;
}
