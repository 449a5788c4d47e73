/**
 * The contract's values as they stand in heads, and back, checked: nothing that comes from the other end is taken for what it should be.
 *
 * Imports CBOR's types, the contract, digest text and the shapes. Called by both ends.
 */

import { type CborInput, type CborValue, Encoded, encodeCanonical } from '../../cbor/index.js';
import { isSha256Digest } from '../../digest-name.js';
import { ArtifactStoreError } from '../../errors.js';
import { DIGEST_SIZE } from '../../limits.js';
import { checkAddress } from '../checks.js';
import type { UploadSession } from '../closable.js';
import { decodeIngestResult, encodedIngestResult } from '../encoding.js';
import type { CompactionReport } from '../inproc/compaction.js';
import type {
  BackendStatus,
  ByteRange,
  ContentAddress,
  DeletionResult,
  IngestHints,
  IngestResult,
  SessionHints,
  SessionResult,
  VerifyOptions,
  VerifyResult,
} from '../spi.js';
import { malformed } from './frames.js';
import { hasOnly, isAbsentOr, isBytes, isCount, isMap } from './shapes.js';

/** What an ingest is asked to do: hints, and the path of a file that the daemon is to read itself. */
export interface IngestRequest {
  hints: IngestHints | SessionHints;
  path?: Uint8Array;
}

export function readIngestRequest(value: CborValue): IngestRequest {
  if (!isMap(value) || !hasOnly(value, 'hints', 'path') || !isMap(value.hints) || !isAbsentOr(value.path, isBytes)) {
    throw malformed('an ingest has hints and perhaps a path');
  }
  const { hints, path } = value as { hints: Record<string, CborValue>; path?: Uint8Array };
  const isText = (one: CborValue) => typeof one === 'string';
  const isWhole =
    hasOnly(hints, 'blake3', 'sha256', 'size', 'durability', 'session') &&
    isAbsentOr(hints.size, isCount) &&
    [hints.blake3, hints.sha256, hints.durability].every((one) => isAbsentOr(one, isText)) &&
    isAbsentOr(hints.session, isSessionStep);
  if (!isWhole) throw malformed('hints are digests, a size, a durability and a session');
  if (hints.blake3 !== undefined) checkAddress(hints.blake3 as string);
  if (hints.sha256 !== undefined && !isSha256Digest(hints.sha256 as string)) {
    const message = `"${hints.sha256}" is no SHA-256 digest: write sha256: and 64 lower-case hex digits.`;
    throw new ArtifactStoreError('AS_ERR_INVALID_DIGEST', message);
  }
  return { hints: hints as unknown as IngestRequest['hints'], ...(path && { path }) };
}

/** Offsets that no object can have are refused where all data planes refuse them, so any number passes. */
function isSessionStep(value: CborValue): boolean {
  if (!isMap(value) || typeof value.id !== 'string') return false;
  const { query, abort, offset, final } = value;
  if (query === true) return hasOnly(value, 'id', 'query');
  if (abort === true) return hasOnly(value, 'id', 'abort');
  return hasOnly(value, 'id', 'offset', 'final') && typeof offset === 'number' && typeof final === 'boolean';
}

/** What an ingest or a call of a session gave. */
export function ingestOutcomeValue(outcome: IngestResult | SessionResult): CborInput {
  return 'session' in outcome ? { ...outcome, session: { ...outcome.session } } : encodedIngestResult(outcome);
}

export function readIngestOutcome(value: CborValue): IngestResult | SessionResult {
  if (isMap(value) && value.session === undefined) return decodeIngestResult(encodeCanonical(value));
  const isSession =
    isMap(value) &&
    isMap(value.session) &&
    typeof value.session.id === 'string' &&
    isCount(value.session.offset) &&
    isBytes(value.blake3, DIGEST_SIZE) &&
    isBytes(value.sha256, DIGEST_SIZE) &&
    isCount(value.size);
  if (!isSession) throw malformed('what an ingest gave is neither a result nor where a session stands');
  return value as unknown as SessionResult;
}

/** Which object, and which bytes of it. */
export interface ServeRequest {
  address: ContentAddress;
  range?: ByteRange;
}

export function readServeRequest(value: CborValue): ServeRequest {
  const fits =
    isMap(value) &&
    hasOnly(value, 'address', 'range') &&
    typeof value.address === 'string' &&
    isAbsentOr(value.range, isRange);
  if (!fits) throw malformed('a read has an address and perhaps a range');
  return value as unknown as ServeRequest;
}

/** Whether both ends are whole numbers; in which order is for the data plane to check. */
function isRange(value: CborValue): boolean {
  return isMap(value) && hasOnly(value, 'start', 'end') && isNumber(value.start) && isNumber(value.end);
}

function isNumber(value: CborValue | undefined): boolean {
  return typeof value === 'number';
}

export function readVerifyRequest(value: CborValue): { address: ContentAddress; options: VerifyOptions } {
  const fits =
    isMap(value) &&
    hasOnly(value, 'address', 'digests', 'bytesPerSecond') &&
    typeof value.address === 'string' &&
    isAbsentOr(value.digests, (one) => typeof one === 'string') &&
    isAbsentOr(value.bytesPerSecond, isCount);
  if (!fits) throw malformed('a verification has an address and perhaps digests and a rate');
  const { address, ...options } = value as unknown as { address: ContentAddress } & VerifyOptions;
  return { address, options };
}

export function readVerifyResult(value: CborValue): VerifyResult {
  const fits =
    isMap(value) &&
    ['intact', 'corrupt', 'missing'].includes(value.status as string) &&
    isCount(value.size) &&
    isAbsentOr(value.blake3, (one) => isBytes(one, DIGEST_SIZE)) &&
    isAbsentOr(value.sha256, (one) => isBytes(one, DIGEST_SIZE)) &&
    Array.isArray(value.damaged) &&
    value.damaged.every(isRange) &&
    typeof value.repaired === 'boolean';
  if (!fits) throw malformed('what a verification found is not complete');
  return value as unknown as VerifyResult;
}

export function readAddress(value: CborValue): ContentAddress {
  if (isMap(value) && hasOnly(value, 'address') && typeof value.address === 'string')
    return value.address as ContentAddress;
  throw malformed('a deletion has an address');
}

export function readDeletionResult(value: CborValue): DeletionResult {
  if (isMap(value) && typeof value.deleted === 'boolean' && isCount(value.freedSize))
    return value as unknown as DeletionResult;
  throw malformed('what a deletion did is not complete');
}

export function readBackendStatus(value: CborValue): BackendStatus {
  const fits =
    isMap(value) &&
    typeof value.ready === 'boolean' &&
    typeof value.readOnly === 'boolean' &&
    typeof value.backend === 'string' &&
    typeof value.tier === 'string' &&
    [value.syncLatencyMicros, value.freeSize, value.totalSize].every((one) => isAbsentOr(one, isCount)) &&
    isMap(value.facts) &&
    Object.values(value.facts).every((fact) => typeof fact === 'string') &&
    isAbsentOr(value.problem, (one) => typeof one === 'string');
  if (!fits) throw malformed('what the backend says of itself is not complete');
  return value as unknown as BackendStatus;
}

/** A result that is a map of plain members, as CBOR takes it: what is absent is left out. */
export function plainValue(value: object): CborInput {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as CborInput;
}

export function readSessions(value: CborValue): UploadSession[] {
  const fits =
    Array.isArray(value) &&
    value.every((one) => isMap(one) && typeof one.id === 'string' && isCount(one.changed) && isCount(one.storedSize));
  if (!fits) throw malformed('a list of upload sessions is not one');
  return value as unknown as UploadSession[];
}

export function readCompactionReport(value: CborValue): CompactionReport {
  if (isMap(value) && isCount(value.movedSize) && isCount(value.freedSize) && isCount(value.removedSegments)) {
    return value as unknown as CompactionReport;
  }
  throw malformed('what a compaction did is not complete');
}

/** A head that says nothing. */
export const NOTHING: CborInput = new Encoded(Uint8Array.of(0xa0), 'written');
