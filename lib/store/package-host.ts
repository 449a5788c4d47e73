/**
 * What the packages' part of the facade needs of the store around it. Types only, so that its files can be read apart from `store.ts`, which
 * fills it in.
 */

import type { DataPlane } from '../dataplane/spi.js';
import type { EventLog } from '../events/log.js';
import type { PackageRegistry } from '../registry/packages.js';
import type { AddressGuard } from './address-guard.js';
import type { StoredObject } from './stored-object.js';

export interface PackageHost {
  /** Absolute path of the store's folder. */
  readonly path: string;
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly dataPlane: Pick<DataPlane, 'ingestStream'>;
  readonly log: EventLog;
  readonly registry: PackageRegistry;
  readonly guard: AddressGuard;
  /** As `Store.get`. */
  get(name: string, options?: { signal?: AbortSignal; range?: { start: number; end: number } }): Promise<StoredObject>;
  /** Throws AS_ERR_CLOSED. */
  requireOpen(): void;
  /** Throws AS_ERR_CLOSED, AS_ERR_READ_ONLY. */
  requireWritable(): void;
}
