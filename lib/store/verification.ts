/**
 * Verifying objects, one or many, and recording what was found.
 *
 * Imports the contract, the log, the guard of addresses and what stands beside it. Made by the facade, which says when it may be called.
 */

import type { DataPlane, VerifyOptions, VerifyResult } from '../dataplane/spi.js';
import { objectCorrupted, objectVerified } from '../events/kinds.js';
import type { EventLog, NewEvent } from '../events/log.js';
import type { ObjectRecord, Registry, ScannedObject } from '../registry/registry.js';
import type { AddressGuard, IngestTicket } from './address-guard.js';
import { requirePresent } from './checks.js';
import { wholeIfNone, withRegisteredDigest } from './damage.js';
import type { Presence } from './presence.js';
import type { ActorOption } from './puts.js';
import { Scrub, type ScrubOptions } from './scrub.js';

export interface VerifyObjectOptions extends VerifyOptions, ActorOption {}

/** What `verify` found. */
export interface VerifyReport extends VerifyResult {
  record: ObjectRecord;
}

/** What the facade lends. */
export interface VerificationHost {
  /** Folder of the store. */
  readonly path: string;
  readonly readOnly: boolean;
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly dataPlane: DataPlane;
  readonly log: Pick<EventLog, 'append'>;
  readonly registry: Pick<Registry, 'scan'>;
  readonly guard: AddressGuard;
  readonly presence: Presence;
  /** Whether objects may be in more than one tier, so that a copy may be removed while the object stays. */
  readonly isTiered: boolean;
  /** Makes durable what was put with its durability deferred. */
  flush(): Promise<void>;
}

/** Verifies objects. What each verb promises stands at the facade's. */
export class Verification {
  constructor(private readonly host: VerificationHost) {}

  /** @param record what the registry says of the object */
  async verify(record: ObjectRecord, options: VerifyObjectOptions): Promise<VerifyReport> {
    const { dataPlane, guard, presence, readOnly } = this.host;
    const { digests = 'both', actor = this.host.actor } = options;
    const { blake3 } = record;
    requirePresent(record);
    const found = await dataPlane.verifyObject(blake3, { digests });
    const result = withRegisteredDigest(found, record, digests);
    if (!readOnly) {
      await guard.locked(blake3, async () => {
        const { state } = await presence.record(blake3);
        if (state === 'live' || state === 'corrupt') await this.#record(record, result, digests, actor);
      });
    }
    return { ...result, record: await presence.record(blake3) };
  }

  scrub(options: ScrubOptions): Promise<Scrub> {
    const { path, readOnly, registry, guard } = this.host;
    const { actor = this.host.actor } = options;
    const begin = (how: VerifyOptions) => {
      const ticket = guard.begin();
      return {
        verify: (object: ScannedObject) => this.#verifyScanned(ticket, object, how, actor),
        end: () => guard.end(ticket),
      };
    };
    return Scrub.plan({ path, readOnly, registry, begin }, options);
  }

  /** Verifies an object that was present when the ticket was taken; undefined when it was deleted meanwhile. */
  async #verifyScanned(
    ticket: IngestTicket,
    object: ScannedObject,
    how: VerifyOptions,
    actor: string,
  ): Promise<VerifyResult | undefined> {
    const { dataPlane, guard, readOnly } = this.host;
    const { digests = 'both' } = how;
    const found = await dataPlane.verifyObject(object.blake3, how);
    const result = withRegisteredDigest(found, object, digests);
    return guard.locked(object.blake3, async () => {
      if (guard.deletedSince(ticket, object.blake3) && !(await this.#wasMoved(object, result))) return undefined;
      if (!readOnly) await this.#record(object, result, digests, actor);
      return result;
    });
  }

  /** Whether a copy of an object was removed while it was verified, and it is whole all the same. */
  async #wasMoved({ blake3 }: ScannedObject, { status }: VerifyResult): Promise<boolean> {
    const { isTiered, presence } = this.host;
    return isTiered && status === 'intact' && (await presence.record(blake3)).state === 'live';
  }

  /** Writes the events of a verification, under the lock of the address and while the object is not deleted. */
  async #record(
    object: Pick<ObjectRecord, 'blake3' | 'size'>,
    result: VerifyResult,
    digests: 'both' | 'blake3',
    actor: string,
  ): Promise<void> {
    const { log, flush } = this.host;
    const { blake3 } = object;
    if (result.status === 'intact') await flush(); // what is intact may be a deferred copy of what was damaged
    const events: NewEvent[] = [objectVerified(actor, blake3, result, digests)];
    if (result.status !== 'intact')
      events.push(objectCorrupted(actor, blake3, wholeIfNone(result.damaged, object), 'verify'));
    await log.append(events);
  }
}
