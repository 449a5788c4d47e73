/**
 * What damage means to the registry: which ranges an event names.
 *
 * Pure; imports digest text and types. Called by reads.ts and verification.ts.
 */

import type { ByteRange, VerifyResult } from '../dataplane/spi.js';
import { formatSha256 } from '../digest-name.js';
import type { ArtifactStoreError } from '../errors.js';
import type { ObjectRecord } from '../registry/registry.js';

/** The data plane knows an object by BLAKE3; that SHA-256, if it was computed, is what was recorded too is for the one who recorded it to check. */
export function withRegisteredDigest(
  result: VerifyResult,
  record: Pick<ObjectRecord, 'sha256' | 'size'>,
  digests: 'both' | 'blake3' = 'both',
): VerifyResult {
  if (result.status !== 'intact' || digests === 'blake3') return result;
  if (result.sha256 && formatSha256(result.sha256) === record.sha256) return result;
  return { ...result, status: 'corrupt', damaged: wholeIfNone([], record) };
}

/** The ranges that an error names; the whole object when it names none. */
export function damagedRanges(error: ArtifactStoreError, record: Pick<ObjectRecord, 'size'>): ByteRange[] {
  const named = (error.details.ranges ?? []) as readonly (readonly [number, number])[];
  return wholeIfNone(
    named.map(([start, end]) => ({ start, end })),
    record,
  );
}

/** Damage that nobody could narrow down is damage of the whole. */
export function wholeIfNone(ranges: ByteRange[], { size }: Pick<ObjectRecord, 'size'>): ByteRange[] {
  return ranges.length > 0 ? ranges : [{ start: 0, end: size }];
}
