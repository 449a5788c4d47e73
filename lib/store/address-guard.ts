/**
 * Keeps a deletion and an ingest of the same content apart, so that an acknowledged copy is never lost.
 *
 * A data plane may commit an object (or find it present) and then see it deleted before the ingest's event is written. So an
 * ingest asks, under the lock of its address and before it acknowledges, whether a deletion of that address ran since it began.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { KeyLocks } from './key-locks.js';

/** One ingest under way. */
export interface IngestTicket {
  readonly begun: number;
}

export class AddressGuard extends KeyLocks<ContentAddress> {
  /** Ingests under way. */
  #ingests = 0;
  /** When each address was last deleted, in deletions counted; kept only while an ingest is old enough to care. */
  readonly #deletions = new Map<ContentAddress, number>();
  #clock = 0;

  /** An ingest begins; `end` it whatever happens. */
  begin(): IngestTicket {
    this.#ingests++;
    return { begun: this.#clock };
  }

  /** The ingest of a ticket is over; call it once for each. */
  end(_ticket: IngestTicket): void {
    if (--this.#ingests === 0) this.#deletions.clear();
  }

  /** Notes a deletion of bytes; call it under the lock of the address. */
  noteDeletion(address: ContentAddress): void {
    this.#deletions.set(address, ++this.#clock);
  }

  /** Whether bytes at `address` were deleted since the ingest began; ask under the lock of the address. */
  deletedSince(ticket: IngestTicket, address: ContentAddress): boolean {
    return (this.#deletions.get(address) ?? 0) > ticket.begun;
  }
}
