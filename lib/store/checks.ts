/**
 * What the facade checks before it begins: expectations, the state of an object, ranges, reasons, cases.
 *
 * Pure; imports digest text, cases, errors, limits and types. Called by the parts beside it.
 */

import type { ByteRange, Digest, IngestHints } from '../dataplane/spi.js';
import { isContentAddress, isSha256Digest, parseDigest } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { isCase } from '../events/retention-kinds.js';
import { REASON_LENGTH_MAX } from '../limits.js';
import type { ObjectRecord } from '../registry/registry.js';

/** What the caller expects of the bytes. */
export interface Expectation {
  /** Digests that the bytes must have, one or both, with their algorithm; else AS_ERR_DIGEST_MISMATCH and nothing is stored. */
  expect?: Digest | readonly Digest[];
  /** Bytes that must come; else AS_ERR_SIZE_MISMATCH and nothing is stored. */
  size?: number;
}

/**
 * Expectations as the contract has them.
 *
 * @throws AS_ERR_INVALID_DIGEST; AS_ERR_INVALID_ARGUMENT: two different digests of one algorithm
 */
export function hintsOf({ expect, size }: Expectation): IngestHints {
  if (expect === undefined) return size === undefined ? {} : { size };
  const digests = [expect].flat().map(parseDigest);
  const blake3 = onlyOne(digests.filter(isContentAddress));
  const sha256 = onlyOne(digests.filter(isSha256Digest));
  return { ...(blake3 && { blake3 }), ...(sha256 && { sha256 }), ...(size !== undefined && { size }) };
}

/** The one value of a list that may repeat it; two different digests of one algorithm are a mistake, not a choice. */
function onlyOne<T extends string>(digests: readonly T[]): T | undefined {
  const [first, second] = new Set(digests);
  if (second === undefined) return first;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `No bytes have both ${first} and ${second}. Expect one of them.`,
    {
      expected: [first, second],
    },
  );
}

/** Refuses a deleted object with AS_ERR_GONE and its tombstone. */
export function requirePresent(record: ObjectRecord): void {
  if (record.state !== 'deleted' && record.state !== 'tombstoned') return;
  const { tombstone } = record;
  const when = tombstone
    ? ` on ${new Date(tombstone.time).toISOString()} by ${tombstone.actor}${tombstone.reason ? ` (${tombstone.reason})` : ''}`
    : '';
  throw new ArtifactStoreError(
    'AS_ERR_GONE',
    `${record.blake3} was ${tombstone?.order === undefined ? 'deleted' : `erased under the order ${tombstone.order}`}${when}. ${howBack(record)}`,
    {
      address: record.blake3,
      ...(tombstone && {
        event: tombstone.id,
        seq: tombstone.seq,
        time: tombstone.time,
        actor: tombstone.actor,
        reason: tombstone.reason,
        ...(tombstone.plan !== undefined && { plan: tombstone.plan }),
        ...(tombstone.order !== undefined && { order: tombstone.order }),
        ...(record.state === 'tombstoned' && { sweepAfter: tombstone.sweepAfter ?? tombstone.time }),
      }),
    },
  );
}

/** What brings a deleted object back. */
function howBack({ state, tombstone }: ObjectRecord): string {
  if (tombstone?.order !== undefined) return 'Its bytes are gone for good.';
  if (state === 'deleted' || tombstone?.sweepAfter === undefined) return 'Store the bytes again to bring it back.';
  return `Undelete it, or store the bytes again, to bring it back: from ${new Date(tombstone.sweepAfter).toISOString()} on its bytes may be removed.`;
}

/** Refuses to undelete an object that is there (AS_ERR_CONFLICT) or whose bytes are removed (AS_ERR_GONE). */
export function requireTombstoned(record: ObjectRecord): void {
  if (record.state === 'deleted') requirePresent(record);
  throw new ArtifactStoreError(
    'AS_ERR_CONFLICT',
    `${record.blake3} is not deleted, so there is no tombstone to take back.`,
    { address: record.blake3, state: record.state },
  );
}

/** Refuses an object that is deleted (AS_ERR_GONE) or known to be damaged (AS_ERR_CORRUPT). */
export function requireReadable(record: ObjectRecord): void {
  requirePresent(record);
  if (record.state !== 'corrupt') return;
  if (record.lost) {
    throw new ArtifactStoreError(
      'AS_ERR_CORRUPT',
      `The bytes of ${record.blake3} are lost: the log says that it was stored, and they are not there. Store the same bytes again to heal it.`,
      { address: record.blake3, lost: true, ranges: [[0, record.size]] },
    );
  }
  throw new ArtifactStoreError(
    'AS_ERR_CORRUPT',
    `${record.blake3} is known to be damaged. Store the same bytes again to heal it.`,
    {
      address: record.blake3,
      ranges: record.damaged?.map(({ start, end }) => [start, end]) ?? [],
    },
  );
}

/** Refuses a range that is not within the object with AS_ERR_RANGE. */
export function requireRange({ start, end }: ByteRange, { blake3, size }: ObjectRecord): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size) return;
  throw new ArtifactStoreError(
    'AS_ERR_RANGE',
    `Bytes ${start} to ${end} are not in ${blake3}, which has ${size}. Give 0 ≤ start ≤ end ≤ ${size}.`,
    { start, end, size },
  );
}

/** A reason as it is recorded. Throws AS_ERR_INVALID_ARGUMENT: it is too long. */
export function requireReason(reason: string): string {
  const text = reason.normalize('NFC').trim();
  if (text.length <= REASON_LENGTH_MAX) return text;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `The reason has ${text.length} characters; give up to ${REASON_LENGTH_MAX}.`,
  );
}

/** The name of a case or an order as it is recorded. Throws AS_ERR_INVALID_ARGUMENT: it is none. */
export function requireCase(id: string, what: 'a case' | 'an order'): string {
  const text = id.normalize('NFC').trim();
  if (isCase(text)) return text;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `"${id}" does not name ${what}: give 1 to 128 letters, digits, spaces and . _ : / # -, beginning with a letter or a digit.`,
  );
}
