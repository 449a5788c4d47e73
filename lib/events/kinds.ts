/**
 * Every kind of event, with the facts it carries. `docs/formats/events.md` documents the same table for readers in other languages.
 *
 * Imports the files of kinds, CBOR, the contract's types, digest text, the names of packages, errors, and the log's types. The facade builds events here; views
 * read them here. A new kind is a member of a table of facts and a codec beside it. Kinds are never renamed and their members never change
 * meaning; a kind this version does not know stays in the log, can be read, and is skipped by views.
 */

import { Encoded, encodeCanonical } from '../cbor/index.js';
import { encodedIngestResult } from '../dataplane/encoding.js';
import type { ByteRange, ContentAddress, DeletionResult, IngestResult, VerifyResult } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { formatPackage, type PackageRef, type PackageVersion } from '../packages/name.js';
import { ACCESS_KINDS, type AccessEventData } from './access-kinds.js';
import { ERASURE_KINDS, type ErasureEventData } from './erasure-kinds.js';
import type { KindCodecs } from './facts.js';
import { writeIngestResult } from './ingest-layout.js';
import type { NewEvent, StoredEvent } from './log.js';
import { isDurable, OBJECT_KINDS, type ObjectEventData } from './object-kinds.js';
import { PACKAGE_KINDS, type PackageEventData } from './package-kinds.js';
import { QUOTA_KINDS, type QuotaEventData } from './quota-kinds.js';
import { RETENTION_KINDS, type RetentionEventData } from './retention-kinds.js';
import { TIER_KINDS, type TierEventData } from './tier-kinds.js';
import { UPLOAD_KINDS, type UploadEventData } from './upload-kinds.js';

/** Kind → facts. */
export interface EventData
  extends ObjectEventData,
    TierEventData,
    PackageEventData,
    UploadEventData,
    AccessEventData,
    RetentionEventData,
    QuotaEventData,
    ErasureEventData {}

export type EventKind = keyof EventData;

/** Version of the envelope, and with it of every kind's facts, that this code writes and understands. */
export const EVENT_VERSION = 1;

const KINDS: KindCodecs<EventData> = {
  ...OBJECT_KINDS,
  ...TIER_KINDS,
  ...PACKAGE_KINDS,
  ...UPLOAD_KINDS,
  ...ACCESS_KINDS,
  ...RETENTION_KINDS,
  ...QUOTA_KINDS,
  ...ERASURE_KINDS,
};

/** An event made here, so right by construction: its subject is a content address and its facts are those of its kind. */
export class CheckedEvent implements NewEvent {
  constructor(
    readonly kind: EventKind,
    readonly actor: string,
    readonly subject: ContentAddress,
    readonly data: Encoded,
  ) {}
}

/**
 * An event for an object that was stored.
 *
 * @param address the content address of the result, from who has made it already
 * @throws AS_ERR_INVALID_ARGUMENT: a power cut may still take the bytes
 */
export function objectIngested(
  actor: string,
  result: IngestResult,
  address: ContentAddress = formatBlake3(result.blake3),
): NewEvent {
  if (!isDurable(result)) throw malformed('object.ingested', 'the bytes are not durable yet');
  const written = writeIngestResult(result);
  const data = written === undefined ? encodedIngestResult(result) : new Encoded(written, 'written');
  return new CheckedEvent('object.ingested', actor, address, data);
}

/** An event for an object that was read and digested anew. */
export function objectVerified(
  actor: string,
  address: ContentAddress,
  { status, size, repaired }: VerifyResult,
  digests: 'both' | 'blake3' = 'both',
): NewEvent {
  const facts = { status, size, repaired, ...(digests === 'blake3' && { digests }) };
  return newEvent('object.verified', actor, address, facts);
}

/** An event for damage found in an object. */
export function objectCorrupted(
  actor: string,
  address: ContentAddress,
  ranges: ByteRange[],
  foundBy: 'read' | 'verify',
): NewEvent {
  return newEvent('object.corrupted', actor, address, { ranges, foundBy });
}

/** An event for an object deleted for readers. */
export function objectTombstoned(actor: string, address: ContentAddress, reason?: string): NewEvent {
  return newEvent('object.tombstoned', actor, address, reason === undefined ? {} : { reason });
}

/** Events for many objects deleted for readers, for the same reason. */
export function objectsTombstoned(
  actor: string,
  addresses: readonly ContentAddress[],
  facts: EventData['object.tombstoned'],
): NewEvent[] {
  const data = new Encoded(encodeCanonical(KINDS['object.tombstoned'].write(facts)), 'written');
  return addresses.map((address) => new CheckedEvent('object.tombstoned', actor, address, data));
}

/** An event for a tombstone that was taken back. */
export function objectUndeleted(actor: string, address: ContentAddress, reason?: string): NewEvent {
  return newEvent('object.undeleted', actor, address, reason === undefined ? {} : { reason });
}

/** An event for an object that is not where the log says. */
export function objectLost(actor: string, address: ContentAddress): NewEvent {
  return newEvent('object.lost', actor, address, { foundBy: 'reconcile' });
}

/** An event for bytes that were nobody's and have been removed. */
export function objectDiscarded(
  actor: string,
  address: ContentAddress,
  facts: EventData['object.discarded'],
): NewEvent {
  return newEvent('object.discarded', actor, address, facts);
}

/** An event for an object whose bytes were removed. */
export function objectDeleted(actor: string, address: ContentAddress, result: DeletionResult): NewEvent {
  const data = new Encoded(encodeCanonical(KINDS['object.deleted'].write(result)), 'written');
  return new CheckedEvent('object.deleted', actor, address, data);
}

/** An event for an object whose bytes are in a further tier. */
export function objectCopied(actor: string, address: ContentAddress, facts: EventData['object.copied']): NewEvent {
  return newEvent('object.copied', actor, address, facts);
}

/** An event for an object whose bytes are in one tier fewer. */
export function objectEvicted(actor: string, address: ContentAddress, facts: EventData['object.evicted']): NewEvent {
  return newEvent('object.evicted', actor, address, facts);
}

/** An event for a manifest whose objects are written down, as runs of seqs. */
export function manifestIndexed(actor: string, manifest: ContentAddress, objects: readonly number[]): NewEvent {
  return newEvent('manifest.indexed', actor, manifest, { objects });
}

/** An event for a version of a package that came into being. */
export function packagePublished(
  actor: string,
  version: PackageVersion,
  facts: EventData['package.published'],
): NewEvent {
  return newEvent('package.published', actor, formatPackage(version), facts);
}

/** An event for a version of a package that was withdrawn. */
export function packageWithdrawn(
  actor: string,
  version: PackageVersion,
  facts: EventData['package.withdrawn'],
): NewEvent {
  return newEvent('package.withdrawn', actor, formatPackage(version), facts);
}

/** An event for a ref that was made or moved. */
export function refMoved(actor: string, ref: PackageRef, facts: EventData['ref.moved']): NewEvent {
  return newEvent('ref.moved', actor, formatPackage(ref), facts);
}

/** An event for a ref that was removed. */
export function refRemoved(actor: string, ref: PackageRef, facts: EventData['ref.removed']): NewEvent {
  return newEvent('ref.removed', actor, formatPackage(ref), facts);
}

/** Whether this version knows the kind. */
export function isKnownKind(kind: string): kind is EventKind {
  return Object.hasOwn(KINDS, kind);
}

/**
 * The facts of a stored event, if it is of this kind and a version that this code understands.
 *
 * @throws AS_ERR_LOG_DAMAGED: it is, but its facts do not have the shape of its kind
 */
export function factsOf<K extends EventKind>(event: StoredEvent, kind: K): EventData[K] | undefined {
  if (event.kind !== kind || event.v !== EVENT_VERSION) return undefined;
  const facts = readFacts(kind, event.dataBytes);
  if (facts === undefined) {
    throw new ArtifactStoreError(
      'AS_ERR_LOG_DAMAGED',
      `Event ${event.seq} is of kind ${kind} but does not have its facts. Restore the log from a copy.`,
      { seq: event.seq, kind },
    );
  }
  return facts;
}

/**
 * Checks an event's facts before they are stored, so that no view ever meets facts it cannot read. Kinds this version does not know pass.
 *
 * @param data the canonical bytes of the event's data
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function checkFacts(kind: string, subject: string | null, data: Uint8Array): void {
  if (!isKnownKind(kind)) return;
  if (!KINDS[kind].isSubject(subject))
    throw malformed(kind, `its subject is ${subject}, which cannot be that of this kind`);
  const facts = readFacts(kind, data);
  if (facts === undefined) throw malformed(kind, 'its data does not have the members that the kind documents');
  if (kind === 'object.ingested' && subject !== formatBlake3((facts as IngestResult).blake3)) {
    throw malformed(kind, `its subject is ${subject}, not the content address in its data`);
  }
}

/** An event of any kind; those of objects are made more easily above. */
export function newEvent<K extends EventKind>(kind: K, actor: string, subject: string, data: EventData[K]): NewEvent {
  return { kind, actor, subject, data: KINDS[kind].write(data) };
}

function readFacts<K extends EventKind>(kind: K, bytes: Uint8Array): EventData[K] | undefined {
  try {
    return KINDS[kind].read(bytes);
  } catch {
    return undefined;
  }
}

function malformed(kind: string, what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `An event of kind ${kind} was refused: ${what}.`, { kind });
}
