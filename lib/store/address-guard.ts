/**
 * Keeps a deletion and an ingest of the same content apart, so that an acknowledged copy is never lost.
 *
 * A data plane may commit an object (or find it present) and then see it deleted before the ingest's event is written. So an
 * ingest asks, under the lock of its address and before it acknowledges, whether a deletion of that address ran since it began.
 */

import type { ContentAddress } from '../dataplane/spi.js';

/** One ingest under way. */
export interface IngestTicket {
  readonly begun: number;
}

export class AddressGuard {
  readonly #locks = new Map<ContentAddress, Promise<void>>();
  /** Who holds all addresses. */
  readonly #whole = new Set<Promise<void>>();
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

  /** Whether bytes at any address were deleted since the ingest began. */
  anyDeletedSince({ begun }: IngestTicket): boolean {
    return this.#clock > begun;
  }

  /** Runs `work` while nobody else holds `address`, in the order of asking. */
  locked<T>(address: ContentAddress, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(address);
    return this.#held([...this.#whole, ...(before === undefined ? [] : [before])], work, (settled) => {
      this.#locks.set(address, settled);
      return () => {
        if (this.#locks.get(address) === settled) this.#locks.delete(address);
      };
    });
  }

  /**
   * Runs `work` while nobody else holds a single address, in the order of asking. Several may run it at once: it is for who only stores, and
   * stores so many objects that a lock for each would cost more than storing it.
   */
  lockedAll<T>(work: () => Promise<T>): Promise<T> {
    return this.#held([...this.#locks.values()], work, (settled) => {
      this.#whole.add(settled);
      return () => this.#whole.delete(settled);
    });
  }

  /** Runs `work` after `before`; `hold` notes its end, and gives what forgets it again. */
  #held<T>(
    before: readonly Promise<void>[],
    work: () => Promise<T>,
    hold: (settled: Promise<void>) => () => void,
  ): Promise<T> {
    const run = before.length === 0 ? work() : Promise.all(before).then(work);
    const settled: Promise<void> = run.then(
      () => forget(),
      () => forget(),
    );
    const forget = hold(settled);
    return run;
  }
}
