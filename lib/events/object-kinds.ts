/**
 * What can happen to an object: the kinds and their facts.
 *
 * Imports the contract's types and encodings, digest text, and how facts are written. `kinds.ts` puts it beside the others.
 */

import { decodeIngestResult, encodedIngestResult } from '../dataplane/encoding.js';
import type { ByteRange, DeletionResult, IngestResult, VerifyResult } from '../dataplane/spi.js';
import { isContentAddress } from '../digest-name.js';
import { isRange, isSize, isText, isTime, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. The subject of all of these is the object's content address. */
export interface ObjectEventData {
  /** An object was stored, or stored again, durably: no receipt is `deferred`. The bytes of `data` are those of `encodeIngestResult`. */
  'object.ingested': IngestResult;
  /** An object was read in full and its digests computed anew. */
  'object.verified': Pick<VerifyResult, 'status' | 'size' | 'repaired'> & {
    /** Only BLAKE3 was computed; absent: both digests were. */
    digests?: 'blake3';
  };
  /** Bytes of an object were found not to match its digest. Ranges in bytes, [start, end). */
  'object.corrupted': { ranges: ByteRange[]; foundBy: 'read' | 'verify' };
  /** An object was deleted for readers: from here on it is gone, its bytes follow. */
  'object.tombstoned': {
    reason?: string;
    /** Milliseconds from the time of the event in which its bytes stay and it can be undeleted; absent: none. */
    grace?: number;
    /** The retention plan that named it. */
    plan?: string;
    /** The order under which it was erased. */
    order?: string;
  };
  /** A tombstone was taken back before the bytes were removed: the object is there again. */
  'object.undeleted': { reason?: string };
  /** The log says that it is there, and the data plane does not have it: a reconciliation found that. */
  'object.lost': { foundBy: 'reconcile' };
  /** Bytes that no event named, or only ones that were deleted, were removed. `changed`: when what they lay in had last changed, a time. */
  'object.discarded': { freedSize: number; changed: number };
  /** The bytes of an object were removed: the receipt of its deletion. */
  'object.deleted': DeletionResult;
}

/** Whether no power cut can take the bytes any more. An event must never outlive them. */
export function isDurable({ receipts }: IngestResult): boolean {
  return receipts.every(({ durability }) => durability !== 'deferred');
}

const isSubject = (subject: string | null) => subject !== null && isContentAddress(subject);

export const OBJECT_KINDS: KindCodecs<ObjectEventData> = {
  'object.ingested': {
    isSubject,
    write: encodedIngestResult,
    read: (bytes) => {
      const result = decodeIngestResult(bytes);
      return isDurable(result) ? result : undefined;
    },
  },
  'object.verified': {
    isSubject,
    write: ({ size, status, digests, repaired }) => ({ size, status, ...(digests && { digests }), repaired }),
    read: (bytes) => {
      const { size, status, digests, repaired } = members(bytes);
      const known = status === 'intact' || status === 'corrupt' || status === 'missing';
      if (!known || !isSize(size) || typeof repaired !== 'boolean') return undefined;
      return { size, status, repaired, ...(digests === 'blake3' && { digests }) };
    },
  },
  'object.corrupted': {
    isSubject,
    write: ({ ranges, foundBy }) => ({ ranges: ranges.map(({ start, end }) => [start, end]), foundBy }),
    read: (bytes) => {
      const { ranges, foundBy } = members(bytes);
      const known = foundBy === 'read' || foundBy === 'verify';
      if (!known || !Array.isArray(ranges) || !ranges.every(isRange)) return undefined;
      return { ranges: ranges.map(([start, end]) => ({ start, end })), foundBy };
    },
  },
  'object.tombstoned': {
    isSubject,
    write: ({ plan, grace, order, reason }) => ({
      ...(plan !== undefined && { plan }),
      ...(grace !== undefined && { grace }),
      ...(order !== undefined && { order }),
      ...(reason !== undefined && { reason }),
    }),
    read: (bytes) => {
      const { plan, grace, order, reason } = members(bytes);
      if (!optional(plan, isText) || !optional(grace, isTime) || !optional(reason, isText)) return undefined;
      if (!optional(order, isText)) return undefined;
      return {
        ...(reason !== undefined && { reason }),
        ...(grace !== undefined && { grace }),
        ...(plan !== undefined && { plan }),
        ...(order !== undefined && { order }),
      };
    },
  },
  'object.undeleted': {
    isSubject,
    write: ({ reason }) => (reason === undefined ? {} : { reason }),
    read: (bytes) => {
      const { reason } = members(bytes);
      if (!optional(reason, isText)) return undefined;
      return reason === undefined ? {} : { reason };
    },
  },
  'object.lost': {
    isSubject,
    write: ({ foundBy }) => ({ foundBy }),
    read: (bytes) => {
      const { foundBy } = members(bytes);
      return foundBy === 'reconcile' ? { foundBy } : undefined;
    },
  },
  'object.discarded': {
    isSubject,
    write: ({ changed, freedSize }) => ({ changed, freedSize }),
    read: (bytes) => {
      const { changed, freedSize } = members(bytes);
      return isTime(changed) && isSize(freedSize) ? { changed, freedSize } : undefined;
    },
  },
  'object.deleted': {
    isSubject,
    write: ({ deleted, freedSize }) => ({ deleted, freedSize }),
    read: (bytes) => {
      const { deleted, freedSize } = members(bytes);
      return typeof deleted === 'boolean' && isSize(freedSize) ? { deleted, freedSize } : undefined;
    },
  },
};
