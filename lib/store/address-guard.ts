/**
 * Keeps a deletion and an ingest of the same content apart, so that an acknowledged copy is never lost.
 *
 * A data plane may commit an object (or find it present) and then see it deleted before the ingest's event is written. So an
 * ingest asks, under the lock of its address and before it acknowledges, whether a deletion of that address ended since it began.
 * Imports the contract's types and limits. The model of it is test/model/sweep.pml.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { DELETIONS_NOTED_MAX } from '../limits.js';

/** One ingest under way. */
export interface IngestTicket {
  readonly begun: number;
}

export class AddressGuard {
  readonly #locks = new Map<ContentAddress, Promise<void>>();
  /** Who holds all addresses. */
  readonly #whole = new Set<Promise<void>>();
  /** Those of them that nobody may hold any beside. */
  readonly #alone = new Set<Promise<void>>();
  /** Ingests under way, the oldest first. */
  readonly #ingests = new Set<IngestTicket>();
  /**
   * When each address was last deleted, in deletions counted, the oldest first; kept only while an ingest is old enough to care. By the first 48 bits of the
   * address: should two share them, an ingest looks once more, which costs little and harms nothing.
   */
  readonly #deletions = new Map<number, number>();
  /** Deletions up to this one may have been forgotten. */
  #forgotten = 0;
  /** What ingests under way need to stay, by the ingest. */
  readonly #claims = new Map<IngestTicket, ReadonlySet<ContentAddress>>();
  #tidyAt = 1024;
  #clock = 0;

  /** An ingest begins; `end` it whatever happens. */
  begin(): IngestTicket {
    const ticket = { begun: this.#clock };
    this.#ingests.add(ticket);
    return ticket;
  }

  /** The ingest of a ticket is over; call it once for each. */
  end(ticket: IngestTicket): void {
    this.#ingests.delete(ticket);
    this.#claims.delete(ticket);
    if (this.#ingests.size === 0) this.#deletions.clear();
  }

  /**
   * Says which objects an ingest needs to stay until it has ended, which who collects leaves alone: a package that is on its way would otherwise have to begin
   * anew each time. The set may grow.
   */
  claim(ticket: IngestTicket, addresses: ReadonlySet<ContentAddress>): void {
    this.#claims.set(ticket, addresses);
  }

  /** Whether an ingest under way needs an object to stay. */
  isClaimed(address: ContentAddress): boolean {
    for (const claim of this.#claims.values()) if (claim.has(address)) return true;
    return false;
  }

  /**
   * Removes bytes, and notes it; call it under the locks of the addresses. Noted when it is over, however it ends: an ingest that began while the bytes were still
   * there may have found them.
   */
  async removing<T>(addresses: readonly ContentAddress[], remove: () => Promise<T>): Promise<T> {
    try {
      return await remove();
    } finally {
      for (const address of addresses) this.noteDeletion(address);
    }
  }

  /** Notes that an address has been deleted; call it under its lock, and of bytes once they are gone: see `removing`. */
  noteDeletion(address: ContentAddress): void {
    this.#clock++;
    if (this.#ingests.size === 0) return;
    const key = keyOf(address);
    this.#deletions.delete(key); // so that it is the newest
    this.#deletions.set(key, this.#clock);
    if (this.#deletions.size >= this.#tidyAt) this.#tidy();
  }

  /** Whether `address` was deleted since the ingest began; ask under the lock of the address. */
  deletedSince({ begun }: IngestTicket, address: ContentAddress): boolean {
    return this.#forgotten > begun || (this.#deletions.get(keyOf(address)) ?? 0) > begun;
  }

  /** Whether any address was deleted since the ingest began. */
  anyDeletedSince({ begun }: IngestTicket): boolean {
    return this.#clock > begun;
  }

  /** Runs `work` while nobody else holds `address`, in the order of asking. */
  locked<T>(address: ContentAddress, work: () => Promise<T>): Promise<T> {
    return this.lockedMany([address], work);
  }

  /** Runs `work` while nobody else holds any of the addresses, in the order of asking. */
  lockedMany<T>(addresses: readonly ContentAddress[], work: () => Promise<T>): Promise<T> {
    const before = new Set(this.#whole);
    for (const address of addresses) {
      const lock = this.#locks.get(address);
      if (lock !== undefined) before.add(lock);
    }
    return this.#held([...before], work, (settled) => {
      for (const address of addresses) this.#locks.set(address, settled);
      return () => {
        for (const address of addresses) if (this.#locks.get(address) === settled) this.#locks.delete(address);
      };
    });
  }

  /**
   * Runs `work` while nobody else holds a single address, in the order of asking. Several may run it at once: it is for who only stores, and
   * stores so many objects that a lock for each would cost more than storing it.
   *
   * @param addresses which of them matter, asked for only where somebody holds some: who deletes others need not be waited for
   */
  lockedAll<T>(work: () => Promise<T>, addresses?: () => ReadonlySet<ContentAddress>): Promise<T> {
    return this.#held([...this.#alone, ...this.#locksOf(addresses)], work, (settled) => {
      this.#whole.add(settled);
      return () => this.#whole.delete(settled);
    });
  }

  /**
   * Runs `work` while nobody else holds any address, nor all of them, in the order of asking: for who decides about everything at once, and is soon done.
   * It must not be asked for by who holds any.
   */
  lockedAlone<T>(work: () => Promise<T>): Promise<T> {
    return this.#held([...this.#whole, ...new Set(this.#locks.values())], work, (settled) => {
      this.#whole.add(settled);
      this.#alone.add(settled);
      return () => {
        this.#whole.delete(settled);
        this.#alone.delete(settled);
      };
    });
  }

  #locksOf(addresses: (() => ReadonlySet<ContentAddress>) | undefined): Promise<void>[] {
    if (this.#locks.size === 0) return [];
    if (addresses === undefined) return [...new Set(this.#locks.values())];
    const before = new Set<Promise<void>>();
    for (const address of addresses()) {
      const lock = this.#locks.get(address);
      if (lock !== undefined) before.add(lock);
    }
    return [...before];
  }

  /** Forgets deletions that are older than every ingest, and the oldest of the others when they become too many. */
  #tidy(): void {
    const [oldest] = this.#ingests;
    let excess = this.#deletions.size - DELETIONS_NOTED_MAX / 2;
    const isTooMany = this.#deletions.size >= DELETIONS_NOTED_MAX;
    for (const [key, time] of this.#deletions) {
      const isOld = oldest !== undefined && time <= oldest.begun;
      if (!isOld && !(isTooMany && excess > 0)) break;
      if (!isOld) this.#forgotten = time;
      this.#deletions.delete(key);
      excess--;
    }
    this.#tidyAt = Math.min(Math.max(2 * this.#deletions.size, 1024), DELETIONS_NOTED_MAX);
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

/** The first 48 bits of an address. */
function keyOf(address: ContentAddress): number {
  return Number.parseInt(address.slice(7, 19), 16);
}
