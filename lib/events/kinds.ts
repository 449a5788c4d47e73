/**
 * Every kind of event, with the facts it carries. `docs/formats/events.md` documents the same table for readers in other languages.
 *
 * Imports the contract's types and encodings, digest text, errors, and the log's types. The facade builds events here; views read them here. A new kind is a
 * member of `EventData` and a line in `KINDS`. Kinds are never renamed and their members never change meaning; a kind this
 * version does not know stays in the log, can be read, and is skipped by views.
 */

import { type CborInput, type CborValue, decodeCanonical, Encoded } from '../cbor/index.js';
import { decodeIngestResult, encodedIngestResult } from '../dataplane/encoding.js';
import type { ByteRange, ContentAddress, DeletionResult, IngestResult, VerifyResult } from '../dataplane/spi.js';
import { formatBlake3, isContentAddress } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { writeIngestResult } from './ingest-layout.js';
import type { NewEvent, StoredEvent } from './log.js';

/** Kind → facts. The subject of all of these is the object's content address. */
export interface EventData {
  /** An object was stored, or stored again. The bytes of `data` are those of `encodeIngestResult`. */
  'object.ingested': IngestResult;
  /** An object was read in full and its digests computed anew. */
  'object.verified': Pick<VerifyResult, 'status' | 'size' | 'repaired'> & {
    /** Only BLAKE3 was computed; absent: both digests were. */
    digests?: 'blake3';
  };
  /** Bytes of an object were found not to match its digest. Ranges in bytes, [start, end). */
  'object.corrupted': { ranges: ByteRange[]; foundBy: 'read' | 'verify' };
  /** An object was deleted for readers: from here on it is gone, its bytes follow. */
  'object.tombstoned': { reason?: string };
  /** The bytes of an object were removed. */
  'object.deleted': DeletionResult;
}

export type EventKind = keyof EventData;

/** Version of the envelope, and with it of every kind's facts, that this code writes and understands. */
export const EVENT_VERSION = 1;

type Members = { readonly [key: string]: CborValue };

/** How the facts of each kind are written, members in canonical order, and read. `read` gives undefined for another shape. */
const KINDS: {
  readonly [K in EventKind]: {
    write(data: EventData[K]): CborInput;
    read(bytes: Uint8Array): EventData[K] | undefined;
  };
} = {
  'object.ingested': { write: encodedIngestResult, read: decodeIngestResult },
  'object.verified': {
    write: ({ size, status, digests, repaired }) => ({ size, status, ...(digests && { digests }), repaired }),
    read: (bytes) => {
      const { size, status, digests, repaired } = members(bytes);
      const known = status === 'intact' || status === 'corrupt' || status === 'missing';
      if (!known || !isSize(size) || typeof repaired !== 'boolean') return undefined;
      return { size, status, repaired, ...(digests === 'blake3' && { digests }) };
    },
  },
  'object.corrupted': {
    write: ({ ranges, foundBy }) => ({ ranges: ranges.map(({ start, end }) => [start, end]), foundBy }),
    read: (bytes) => {
      const { ranges, foundBy } = members(bytes);
      const known = foundBy === 'read' || foundBy === 'verify';
      if (!known || !Array.isArray(ranges) || !ranges.every(isRange)) return undefined;
      return { ranges: ranges.map(([start, end]) => ({ start, end })), foundBy };
    },
  },
  'object.tombstoned': {
    write: ({ reason }) => (reason === undefined ? {} : { reason }),
    read: (bytes) => {
      const { reason } = members(bytes);
      if (reason === undefined) return {};
      return typeof reason === 'string' ? { reason } : undefined;
    },
  },
  'object.deleted': {
    write: ({ deleted, freedSize }) => ({ deleted, freedSize }),
    read: (bytes) => {
      const { deleted, freedSize } = members(bytes);
      return typeof deleted === 'boolean' && isSize(freedSize) ? { deleted, freedSize } : undefined;
    },
  },
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
 */
export function objectIngested(
  actor: string,
  result: IngestResult,
  address: ContentAddress = formatBlake3(result.blake3),
): NewEvent {
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

/** An event for an object whose bytes were removed. */
export function objectDeleted(actor: string, address: ContentAddress, result: DeletionResult): NewEvent {
  return newEvent('object.deleted', actor, address, result);
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
  if (subject === null || !isContentAddress(subject)) {
    throw malformed(kind, `its subject is ${subject}, not the content address of an object`);
  }
  const facts = readFacts(kind, data);
  if (facts === undefined) throw malformed(kind, 'its data does not have the members that the kind documents');
  if (kind === 'object.ingested' && subject !== formatBlake3((facts as IngestResult).blake3)) {
    throw malformed(kind, `its subject is ${subject}, not the content address in its data`);
  }
}

function newEvent<K extends EventKind>(kind: K, actor: string, subject: string, data: EventData[K]): NewEvent {
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

function members(bytes: Uint8Array): Members {
  const value = decodeCanonical(bytes);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  return isMap ? { ...value } : {};
}

function isSize(value: CborValue | undefined): value is number {
  return typeof value === 'number' && value >= 0;
}

function isRange(value: CborValue): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && isSize(value[0]) && isSize(value[1]) && value[0] <= value[1];
}
