/**
 * Many deletions in one message, by column: addresses as bytes, 32 each; what was done as a byte and 8 bytes each.
 *
 * Imports CBOR's types, digest text, limits, columns and shapes. Called by both ends.
 */

import type { CborInput, CborValue } from '../../cbor/index.js';
import { digestBytes, formatBlake3 } from '../../digest-name.js';
import { DIGEST_SIZE, REMOTE_BATCH_MAX } from '../../limits.js';
import type { ContentAddress, DeletionResult } from '../spi.js';
import { errorsValue, numbers64, readErrors, readNumbers64 } from './columns.js';
import { malformed } from './frames.js';
import { hasOnly, isBytes, isMap } from './shapes.js';

export function deletionsValue(addresses: readonly ContentAddress[]): CborInput {
  return { addresses: Buffer.concat(addresses.map(digestBytes)) };
}

/** Throws AS_ERR_PROTOCOL: they are none, or more than a batch has. */
export function readDeletions(value: CborValue): ContentAddress[] {
  if (!isMap(value) || !hasOnly(value, 'addresses') || !isBytes(value.addresses))
    throw malformed('deletions have addresses');
  const { addresses } = value;
  const count = addresses.byteLength / DIGEST_SIZE;
  if (!Number.isInteger(count) || count > REMOTE_BATCH_MAX)
    throw malformed(`deletions have up to ${REMOTE_BATCH_MAX} addresses of ${DIGEST_SIZE} bytes`);
  return Array.from({ length: count }, (_, n) =>
    formatBlake3(addresses.subarray(DIGEST_SIZE * n, DIGEST_SIZE * (n + 1))),
  );
}

/** What came of them; the columns mean nothing where there is an error. */
export function deletedValue(outcomes: readonly (DeletionResult | Error)[]): CborInput {
  const results = outcomes.map((outcome) => (outcome instanceof Error ? undefined : outcome));
  const errors = [...outcomes.entries()].filter((entry): entry is [number, Error] => entry[1] instanceof Error);
  return {
    deleted: Uint8Array.from(results, (result) => (result?.deleted ? 1 : 0)),
    freedSizes: numbers64(Float64Array.from(results, (result) => result?.freedSize ?? 0)),
    errors: errorsValue(new Map(errors)),
  };
}

/** @param length of the batch that was sent */
export function readDeleted(value: CborValue, length: number): (DeletionResult | Error)[] {
  if (!isMap(value) || !isBytes(value.deleted, length) || !isBytes(value.freedSizes, 8 * length))
    throw malformed('what came of deletions is not complete');
  const freedSizes = new Float64Array(length);
  readNumbers64(value.freedSizes, freedSizes);
  const errors = readErrors(value.errors, length);
  return Array.from(
    value.deleted,
    (deleted, n) => errors.get(n) ?? { deleted: deleted === 1, freedSize: freedSizes[n] as number },
  );
}
