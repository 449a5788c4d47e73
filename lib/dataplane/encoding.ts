/**
 * The contract's results as canonical CBOR, encoded once.
 *
 * Imports CBOR, errors, limits and the contract's types. A data plane encodes its answer here, the event log stores those bytes as the
 * payload of `object.ingested`, and the service sends them as `application/cbor`: the same bytes in all three places,
 * because they are remembered with the result they belong to.
 */

import { type CborValue, decodeCanonical, Encoded, encodeCanonical } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { DIGEST_SIZE } from '../limits.js';
import type { IngestResult, Receipt, Tier } from './spi.js';

const encodedResults = new WeakMap<IngestResult, Encoded>();
const decodedResults = new WeakMap<Uint8Array, IngestResult>();

const TIERS: readonly string[] = ['hot', 'warm', 'cold'] satisfies Tier[];
const OPTIONAL_MEMBERS = ['etag', 'bucket', 'version'] as const;
const DURABILITIES: readonly string[] = ['synced', 'replicated', 'deferred'] satisfies Receipt['durability'][];

/**
 * An ingest result as canonical CBOR: the map `{blake3, sha256, size, existed, healed, receipts}` of spi.ts. Calls with the same
 * object give the same array; do not change either afterwards.
 *
 * @throws AS_ERR_CBOR_ENCODE: a member is outside the CBOR profile
 */
export function encodeIngestResult(result: IngestResult): Uint8Array {
  return encodedIngestResult(result).bytes;
}

/** The same bytes, checked and ready to stand inside a larger value. */
export function encodedIngestResult(result: IngestResult): Encoded {
  const known = encodedResults.get(result);
  if (known !== undefined) return known;
  const { size, blake3, healed, sha256, existed } = result;
  const receipts = result.receipts.map(plainReceipt);
  const encoded = new Encoded(encodeCanonical({ size, blake3, healed, sha256, existed, receipts }));
  encodedResults.set(result, encoded);
  decodedResults.set(encoded.bytes, result);
  return encoded;
}

/**
 * The ingest result that `bytes` encode; encoding it again gives the same bytes.
 *
 * @throws AS_ERR_CBOR_DECODE: not canonical CBOR, or not an ingest result
 */
export function decodeIngestResult(bytes: Uint8Array): IngestResult {
  const known = decodedResults.get(bytes);
  if (known !== undefined) return known;
  const value = decodeCanonical(bytes);
  if (!isIngestResult(value)) {
    throw new ArtifactStoreError('AS_ERR_CBOR_DECODE', 'These bytes are canonical CBOR but not an ingest result.', {
      size: bytes.byteLength,
    });
  }
  return value;
}

function isIngestResult(value: unknown): value is IngestResult {
  return (
    isMap(value, 6) &&
    isDigestBytes(value.blake3) &&
    isDigestBytes(value.sha256) &&
    isSize(value.size) &&
    typeof value.existed === 'boolean' &&
    typeof value.healed === 'boolean' &&
    Array.isArray(value.receipts) &&
    value.receipts.length > 0 &&
    value.receipts.every(isReceipt)
  );
}

/** The members of a receipt that there are, in the order of canonical CBOR. */
function plainReceipt({ key, etag, tier, bucket, backend, version, durability, storedSize }: Receipt) {
  return {
    key,
    ...(etag !== undefined && { etag }),
    tier,
    ...(bucket !== undefined && { bucket }),
    backend,
    ...(version !== undefined && { version }),
    durability,
    storedSize,
  };
}

function isReceipt(value: CborValue): boolean {
  const more = OPTIONAL_MEMBERS.filter((name) => isMap(value) && value[name] !== undefined);
  return (
    isMap(value, 5 + more.length) &&
    more.every((name) => typeof value[name] === 'string') &&
    typeof value.backend === 'string' &&
    typeof value.key === 'string' &&
    isSize(value.storedSize) &&
    TIERS.includes(value.tier as string) &&
    DURABILITIES.includes(value.durability as string)
  );
}

function isMap(value: unknown, members?: number): value is Record<string, CborValue> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    (members === undefined || Object.keys(value).length === members)
  );
}

function isDigestBytes(value: unknown): boolean {
  return value instanceof Uint8Array && value.byteLength === DIGEST_SIZE;
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
