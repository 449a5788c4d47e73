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

/**
 * Deletes objects, in one call where the data plane has one. Gives for each, in their order, what was done, or the error of its deletion. What is no digest is refused as
 * `deleteMany` of that data plane does.
 */
export function deleteAll(
  plane: Pick<DataPlane, 'deleteMany' | 'deleteObject'>,
  addresses: readonly ContentAddress[],
): Promise<(DeletionResult | Error)[]> {
  return plane.deleteMany?.(addresses) ?? deleteEach(plane, addresses);
}

/** The same in a call for each: for few, for which somebody waits. */
export function deleteEach(
  plane: Pick<DataPlane, 'deleteObject'>,
  addresses: readonly ContentAddress[],
): Promise<(DeletionResult | Error)[]> {
  return Promise.all(addresses.map((address) => plane.deleteObject(address).catch((error: Error) => error)));
}
