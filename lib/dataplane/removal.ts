/**
 * The fourth operation as whoever removes things asks for it: with the members that a data plane may leave out, or without them.
 *
 * Imports the contract. Called by the facade's lifecycle and erasure, the tiers and the daemon.
 */

import type { ContentAddress, DataPlane, DeletionResult } from './spi.js';

/** Erases an object; where the data plane has no such operation, deleting it is as good. Throws as `eraseObject`. */
export function eraseFrom(
  plane: Pick<DataPlane, 'eraseObject' | 'deleteObject'>,
  address: ContentAddress,
): Promise<DeletionResult> {
  return plane.eraseObject?.(address) ?? plane.deleteObject(address);
}

/** Deletes objects, in one call where the data plane has one and it is worth it. Gives for each, in their order, what was done, or the error of its deletion. */
export function deleteAll(
  plane: Pick<DataPlane, 'deleteMany' | 'deleteObject'>,
  addresses: readonly ContentAddress[],
): Promise<(DeletionResult | Error)[]> {
  if (plane.deleteMany !== undefined && addresses.length > 1) return plane.deleteMany(addresses);
  return Promise.all(addresses.map((address) => plane.deleteObject(address).catch((error: Error) => error)));
}
