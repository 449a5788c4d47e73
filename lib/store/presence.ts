/**
 * Whether the bytes of an object are there, by asking the data plane, and their removal where no event names them.
 *
 * Imports the contract, errors, limits and the guard of addresses. Made by composition.ts; what it is told of deferred puts comes from there.
 */

import type { ContentAddress, DataPlane } from '../dataplane/spi.js';
import { isStoreError } from '../errors.js';
import { PUT_PART_MAX } from '../limits.js';
import type { ObjectRecord, Registry } from '../registry/registry.js';
import type { AddressGuard } from './address-guard.js';
import type { Tiers } from './tiers.js';

/** What the facade lends. */
export interface PresenceHost {
  readonly dataPlane: DataPlane;
  readonly registry: Pick<Registry, 'stat'>;
  readonly guard: AddressGuard;
  /** Where there is a cold tier. */
  readonly tiers: Pick<Tiers, 'isPresent'> | undefined;
  /** Makes durable, and known to the registry, what was put with its durability deferred. */
  flush(): Promise<void>;
}

/** Asks the data plane. */
export class Presence {
  constructor(private readonly host: PresenceHost) {}

  /** What the registry says now about an object that it has named before. */
  async record(address: ContentAddress): Promise<ObjectRecord> {
    return (await this.host.registry.stat(address)) as ObjectRecord; // records are never removed
  }

  /** Whether an object is there, durably: what somebody else has deferred is synced. Throws what reading it throws. */
  async isPresent(address: ContentAddress): Promise<boolean> {
    return (await this.look(address)) === 'present';
  }

  /** The same, telling damage from absence, as far as a look at the first byte tells. */
  async look(address: ContentAddress): Promise<'present' | 'damaged' | 'absent'> {
    await this.host.flush();
    try {
      for await (const _ of this.host.dataPlane.serveObject(address, { start: 0, end: 0 })) break;
      return 'present';
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return 'absent';
      if (isStoreError(error, 'AS_ERR_CORRUPT')) return 'damaged';
      throw error;
    }
  }

  /** For an ingest that a removal has crossed: whether its bytes are where its receipts say; they are brought back from another tier. */
  async isStored(address: ContentAddress): Promise<boolean> {
    const { tiers, flush } = this.host;
    if (tiers === undefined) return this.isPresent(address);
    await flush();
    return tiers.isPresent(address);
  }

  /** Removes bytes that were stored and are named by no event; what somebody else has recorded meanwhile stays. */
  async discard(addresses: readonly ContentAddress[]): Promise<void> {
    const { guard } = this.host;
    for (let from = 0; from < addresses.length; from += PUT_PART_MAX) {
      const part = addresses.slice(from, from + PUT_PART_MAX);
      await Promise.all(part.map((address) => guard.locked(address, () => this.#discard(address))));
    }
  }

  async #discard(address: ContentAddress): Promise<void> {
    const { registry, guard, dataPlane, flush } = this.host;
    await flush(); // a deferred put of the same bytes is about to be recorded
    const record = await registry.stat(address);
    if (record?.state === 'live' || record?.state === 'tombstoned') return; // the latter may be undeleted
    await guard.removing([address], () => dataPlane.deleteObject(address));
  }
}
