/**
 * What many ingests gave, where each has receipts that say more than those of a local engine: the results as they are, and the columns of the contract beside them.
 *
 * Imports the table, and the contract's types. Called by index.ts.
 */

import { MutableIngestTable } from '../../ingest-table.js';
import type { IngestResult } from '../../spi.js';

export class ResultTable extends MutableIngestTable {
  readonly hasOwnReceipts = true;
  readonly #results: IngestResult[] = [];

  add(index: number, result: IngestResult): void {
    const { blake3, sha256, receipts } = result;
    this.#results[index] = result;
    const storedSize = receipts.reduce((sum, receipt) => sum + receipt.storedSize, 0);
    this.set(index, { ...result, digests: Buffer.concat([blake3, sha256]), storedSize });
  }

  override result(index: number): IngestResult {
    return this.#results[index] as IngestResult;
  }
}
