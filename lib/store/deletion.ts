/**
 * Deleting one object that somebody names, and taking that back. What goes by rules, many at a time, is the life-cycle's own (lifecycle.ts).
 *
 * Imports types, checks and the life-cycle. Made by composition.ts.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { UNKNOWN_NEEDS_SHOWN_MAX } from '../limits.js';
import type { Collectable, LifecycleRegistry } from '../registry/lifecycle.js';
import type { ObjectRecord, Registry } from '../registry/registry.js';
import { isProtected } from '../retention/protection.js';
import type { AddressGuard } from './address-guard.js';
import { requirePresent, requireTombstoned } from './checks.js';
import { type Lifecycle, noChange, nothingSwept, requireGrace } from './lifecycle.js';
import type { Presence } from './presence.js';
import type { ActorOption } from './puts.js';

export interface DeleteOptions {
  /** Stands in the tombstone. */
  reason?: string;
  /** Delete it although packages need it; they cannot be pulled then. Default false. */
  force?: boolean;
  /**
   * Milliseconds in which its bytes stay and it can be undeleted; a sweep removes them afterwards. Default 0: they are removed at once, and only storing them
   * again brings it back.
   */
  grace?: number;
}

/** What `delete` did. */
export interface DeleteReport {
  record: ObjectRecord;
  /** Bytes of storage given back; 0 while the grace lasts. */
  freedSize: number;
}

/** What deleting needs of the store around it. */
export interface DeletionHost {
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly registry: Pick<Registry, 'resolve'>;
  readonly lifecycleRegistry: LifecycleRegistry;
  readonly lifecycle: Lifecycle;
  readonly guard: AddressGuard;
  readonly presence: Presence;
  /** Makes durable, and known to the registry, what was put with its durability deferred. */
  flush(): Promise<void>;
  /** Throws AS_ERR_IN_USE where packages need an object. */
  requireUnneeded(address: ContentAddress): Promise<void>;
}

/** Each of its operations is described where the facade passes it on. */
export class Deletion {
  constructor(private readonly host: DeletionHost) {}

  async delete(name: string, options: ActorOption & DeleteOptions): Promise<DeleteReport> {
    requireGrace(options.grace);
    const { registry, guard, lifecycle, presence } = this.host;
    const actor = options.actor ?? this.host.actor;
    const { blake3 } = await registry.resolve(name);
    return guard.locked(blake3, async () => {
      await this.host.flush(); // a deferred put of it may wait to be recorded
      requirePresent(await presence.record(blake3));
      if (!options.force) await this.host.requireUnneeded(blake3);
      const retired = noChange();
      // What packages need has been asked; one that is on its way with it begins anew.
      await lifecycle.retireLocked([blake3], { ...options, actor, force: true }, retired);
      for (const { protector } of retired.kept) if (protector) throw isProtected(blake3, 'retire', protector);
      const swept = nothingSwept();
      if (!options.grace) await lifecycle.sweepLocked([blake3], 0, actor, swept);
      for (const { error } of swept.failed) throw error;
      return { record: await presence.record(blake3), freedSize: swept.freedSize };
    });
  }

  async undelete(name: string, options: ActorOption & { reason?: string }): Promise<ObjectRecord> {
    const { blake3 } = await this.host.registry.resolve(name);
    const { objects } = await this.host.lifecycle.undelete([blake3], options);
    const record = await this.host.presence.record(blake3);
    if (objects === 0) requireTombstoned(record);
    return record;
  }

  async collectable(after: number, limit: number): Promise<Collectable[]> {
    const { lifecycleRegistry } = this.host;
    const unknown = await lifecycleRegistry.unknownNeeds(UNKNOWN_NEEDS_SHOWN_MAX);
    if (unknown.length > 0) {
      throw new ArtifactStoreError(
        'AS_ERR_IN_USE',
        `What the packages with the manifests ${unknown.join(', ')} need is not known, because the manifests cannot be read. Store those again, or withdraw the packages.`,
        { manifests: unknown },
      );
    }
    return lifecycleRegistry.collectable(limit, after);
  }
}
