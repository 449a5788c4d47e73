/**
 * What the packages' part of the facade needs of the store around it. Types only, so that its files can be read apart from `composition.ts`, which
 * fills it in.
 */

import type { ContentAddress, DataPlane } from '../dataplane/spi.js';
import type { EventLog } from '../events/log.js';
import type { PackageRegistry } from '../registry/packages.js';
import type { Protection } from '../retention/protection.js';
import type { AddressGuard } from './address-guard.js';
import type { Quotas } from './quotas.js';
import type { Retention } from './retention.js';
import type { StoredObject } from './stored-object.js';

export interface PackageHost {
  /** Absolute path of the store's folder. */
  readonly path: string;
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly dataPlane: Pick<DataPlane, 'ingestStream'> & Required<Pick<DataPlane, 'ingestMany'>>;
  readonly log: EventLog;
  readonly registry: PackageRegistry;
  readonly guard: AddressGuard;
  readonly quotas: Quotas;
  readonly protection: Protection;
  /** What is decided about versions as they are published, and what is noted of them as they are read. */
  readonly retention: Pick<Retention, 'requireClass' | 'classifying' | 'notePull'>;
  /** As `Store.get`. */
  get(name: string, options?: { signal?: AbortSignal; range?: { start: number; end: number } }): Promise<StoredObject>;
  /** The bytes of an object that the registry knows to be there. Damage becomes an event, as with `get`. */
  serve(object: { blake3: ContentAddress; size: number }, actor: string): AsyncIterable<Uint8Array>;
  /** For each object whether the registry says that it is live. */
  areLive(addresses: readonly ContentAddress[]): Promise<boolean[]>;
  /** Whether the bytes of an object can be read, as far as a look at its first byte tells. */
  isPresent(address: ContentAddress): Promise<boolean>;
  /** Removes the bytes of objects that were stored and that nobody has recorded. */
  discard(addresses: readonly ContentAddress[]): Promise<void>;
  /** Throws AS_ERR_CLOSED. */
  requireOpen(): void;
  /** Throws AS_ERR_CLOSED, AS_ERR_READ_ONLY. */
  requireWritable(): void;
}
