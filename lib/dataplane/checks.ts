/**
 * Arguments of the contract that every data plane refuses alike.
 *
 * Imports digest text, errors and the contract's types. Called by the data planes.
 */

import { isContentAddress } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import type { ByteRange } from './spi.js';

/** Throws AS_ERR_INVALID_ARGUMENT unless it is one of the two. */
export function checkDurability(durability: string): void {
  if (durability === 'durable' || durability === 'deferred') return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `An object cannot be stored with durability "${durability}": write durable or deferred.`,
    { durability },
  );
}

/** Throws AS_ERR_INVALID_ARGUMENT unless it is one of the two. */
export function checkDigests(digests: string): void {
  if (digests === 'both' || digests === 'blake3') return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `An object cannot be verified by "${digests}": write both or blake3.`,
    { digests },
  );
}

/** Throws AS_ERR_INVALID_ARGUMENT unless it is absent or above 0. */
export function checkRate(bytesPerSecond: number | undefined): void {
  if (bytesPerSecond === undefined || bytesPerSecond > 0) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${bytesPerSecond} bytes a second would never end; give a rate above 0.`,
    { bytesPerSecond },
  );
}

/** Throws AS_ERR_INVALID_DIGEST unless it is a content address. */
export function checkAddress(address: string): void {
  if (isContentAddress(address)) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_DIGEST',
    `"${address}" is not a content address: write blake3: and 64 lower-case hex digits.`,
    { address },
  );
}

/** Throws AS_ERR_RANGE unless it is absent or 0 ≤ start ≤ end. */
export function checkRange(range: ByteRange | undefined): void {
  if (range === undefined) return;
  const { start, end } = range;
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end) return;
  throw new ArtifactStoreError('AS_ERR_RANGE', `Bytes ${start} to ${end} are not a range: give 0 ≤ start ≤ end.`, {
    start,
    end,
  });
}

/** Throws AS_ERR_INVALID_ARGUMENT unless it is a first byte that addresses can have. */
export function checkPart(part: number): void {
  if (Number.isInteger(part) && part >= 0 && part <= 255) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `Objects are listed by the first byte of their addresses, 0 to 255, not ${part}.`,
    { part },
  );
}
