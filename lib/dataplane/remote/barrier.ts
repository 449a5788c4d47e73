/**
 * Deferred durability across processes: which run of the daemon holds what has not been synced. One that was ended meanwhile may have lost it, and the next
 * would say in good faith that everything is durable.
 *
 * Imports the connection, the contract and errors. Called by the client.
 */

import { fromHex } from '../../digest-name.js';
import { ArtifactStoreError } from '../../errors.js';
import type { Connection } from './connection.js';
import type { Ingested } from './ingest.js';
import { NOTHING } from './values.js';

export class Barrier {
  /** The run of the daemon that holds what was deferred; undefined when nothing is. */
  #instance: string | undefined;
  /** Something was deferred in a run that has ended. */
  #isLost = false;
  /** How often something has been deferred. */
  #count = 0;

  constructor(private readonly connection: Connection) {}

  /** Notes what an ingest gave, and in which run of the daemon. */
  note(outcome: Ingested['outcome'], instance: string): void {
    if (!('receipts' in outcome) || outcome.receipts.every(({ durability }) => durability !== 'deferred')) return;
    this.#count++;
    if (this.#instance !== undefined && this.#instance !== instance) this.#isLost = true;
    this.#instance = instance;
  }

  /** Makes durable what was deferred before. Throws AS_ERR_IO: some of it may be lost; and then again, until the store is opened anew. */
  async sync(): Promise<void> {
    if (this.#isLost) throw lost();
    const count = this.#count;
    const head = this.#instance === undefined ? NOTHING : { instance: fromHex(this.#instance) };
    try {
      await this.connection.call({ operation: 'sync', head });
    } catch (error) {
      if (this.#instance !== undefined && error instanceof ArtifactStoreError && error.details.lost === true)
        this.#isLost = true;
      throw error;
    }
    if (count === this.#count) this.#instance = undefined;
  }

  /** As `sync`, if there is anything to do. */
  async close(): Promise<void> {
    if (this.#instance !== undefined || this.#isLost) await this.sync();
  }
}

/** What is said when a run of the daemon has ended with something deferred. */
export function lost(): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_IO',
    'The data plane was started again, and what was deferred before may be lost. Close the store, open it again, and store again what has not been synced.',
    { lost: true },
  );
}
