/**
 * The table that a data plane fills with what many ingests gave.
 *
 * Imports the contract's types, limits and digest text.
 */

import { toHex } from '../digest-name.js';
import { DIGEST_SIZE } from '../limits.js';
import type { CommonReceipt, IngestResult, IngestTable } from './spi.js';

/** One result. */
export interface TableEntry {
  /** BLAKE3 then SHA-256: 64 bytes. */
  digests: Uint8Array;
  size: number;
  storedSize: number;
  existed: boolean;
  healed: boolean;
}

/** A table to be filled. */
export class MutableIngestTable implements IngestTable {
  readonly digests: Uint8Array;
  readonly sizes: Float64Array;
  readonly storedSizes: Float64Array;
  readonly existed: Uint8Array;
  readonly healed: Uint8Array;
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
