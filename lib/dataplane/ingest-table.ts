/**
 * What many ingests gave, by column: an object for each result would cost more than storing a small object does.
 *
 * Imports the contract's types, limits and digest text. Data planes fill tables, the facade and the log read them.
 */

import { toHex } from '../digest-name.js';
import { DIGEST_SIZE } from '../limits.js';
import type { IngestResult, Receipt } from './spi.js';

/** What the receipts of a table have in common. The key of each is the BLAKE3 digest in hex. */
export type CommonReceipt = Pick<Receipt, 'backend' | 'tier' | 'durability'>;

/** One result. */
export interface TableEntry {
  /** BLAKE3 then SHA-256: 64 bytes. */
  digests: Uint8Array;
  size: number;
  storedSize: number;
  existed: boolean;
  healed: boolean;
}

/** Results of ingests in the order in which they were asked for, each with one receipt, or the error in its place. */
export class IngestTable {
  /** 64 bytes each: BLAKE3 then SHA-256. */
  readonly digests: Uint8Array;
  /** Bytes in the object. */
  readonly sizes: Float64Array;
  /** Bytes it occupies. */
  readonly storedSizes: Float64Array;
  /** 1 where the same bytes were stored before. */
  readonly existed: Uint8Array;
  /** 1 where a damaged copy was replaced. */
  readonly healed: Uint8Array;
  /** By index. What the columns have there means nothing. */
  readonly errors = new Map<number, Error>();

  constructor(
    readonly length: number,
    readonly receipt: CommonReceipt,
  ) {
    this.digests = new Uint8Array(2 * DIGEST_SIZE * length);
    this.sizes = new Float64Array(length);
    this.storedSizes = new Float64Array(length);
    this.existed = new Uint8Array(length);
    this.healed = new Uint8Array(length);
  }

  /** BLAKE3 of the object at `index`: 32 bytes, not a copy. */
  blake3(index: number): Uint8Array {
    return this.digests.subarray(2 * DIGEST_SIZE * index, 2 * DIGEST_SIZE * index + DIGEST_SIZE);
  }

  /** Sets the result at `index`; `digests` are 64 bytes. */
  set(index: number, { digests, size, storedSize, existed, healed }: TableEntry): void {
    this.digests.set(digests, 2 * DIGEST_SIZE * index);
    this.sizes[index] = size;
    this.storedSizes[index] = storedSize;
    this.existed[index] = existed ? 1 : 0;
    this.healed[index] = healed ? 1 : 0;
  }

  /** The result at `index`, as `ingestStream` gives it. */
  result(index: number): IngestResult {
    const blake3 = this.blake3(index);
    const storedSize = this.storedSizes[index] as number;
    return {
      blake3,
      sha256: this.digests.subarray(2 * DIGEST_SIZE * index + DIGEST_SIZE, 2 * DIGEST_SIZE * (index + 1)),
      size: this.sizes[index] as number,
      existed: this.existed[index] === 1,
      healed: this.healed[index] === 1,
      receipts: [{ ...this.receipt, key: toHex(blake3), storedSize }],
    };
  }
}
