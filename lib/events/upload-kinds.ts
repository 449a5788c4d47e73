/**
 * What can happen to an upload, an object that comes over several calls: the kinds and their facts.
 *
 * Imports limits, names of namespaces and how facts are written. `kinds.ts` puts it beside the others.
 */

import type { CborValue } from '../cbor/index.js';
import { SESSION_ID_LENGTH_MAX } from '../limits.js';
import { isNamespace } from '../packages/name.js';
import { isDigest, isSize, isText, isTime, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. The subject of all of these is the id of the upload. Digests are 32 bytes, sizes and offsets bytes, times as those of events. */
export interface UploadEventData {
  /**
   * An upload was begun: what is expected of the object, when it will be given up on if it has not ended, and what its sender says about it, in
   * the sender's own form; and the namespace that the object is for, in whose quota it has room from then on.
   */
  'upload.opened': UploadFacts;
  /** An upload that was begun without a size was given one. */
  'upload.sized': { size: number };
  /** An upload came to its end: the object that it became, and the namespace that it was for. `object.ingested` says where that is kept. */
  'upload.completed': { size: number; blake3: Uint8Array; sha256: Uint8Array; namespace?: string };
  /** An upload was given up by whoever sent it: how far it had come. */
  'upload.aborted': { offset: number; reason?: string };
  /** An upload was given up because nothing came any more: how far it had come, and when it last did. */
  'upload.expired': { offset: number; idleSince: number };
}

export interface UploadFacts {
  size?: number;
  blake3?: Uint8Array;
  sha256?: Uint8Array;
  expires?: number;
  metadata?: string;
  namespace?: string;
}

const ID = new RegExp(`^[A-Za-z0-9_-]{1,${SESSION_ID_LENGTH_MAX}}$`);

const isSubject = (subject: string | null) => subject !== null && ID.test(subject);

function isNamespaceText(value: CborValue | undefined): value is string {
  return isText(value) && isNamespace(value);
}

export const UPLOAD_KINDS: KindCodecs<UploadEventData> = {
  'upload.opened': {
    isSubject,
    write: ({ size, blake3, sha256, expires, metadata, namespace }) => ({
      ...(size !== undefined && { size }),
      ...(blake3 && { blake3 }),
      ...(sha256 && { sha256 }),
      ...(expires !== undefined && { expires }),
      ...(metadata !== undefined && { metadata }),
      ...(namespace !== undefined && { namespace }),
    }),
    read: (bytes) => {
      const { size, blake3, sha256, expires, metadata, namespace } = members(bytes);
      if (!optional(size, isSize) || !optional(expires, isTime) || !optional(metadata, isText)) return undefined;
      if (!optional(blake3, isDigest) || !optional(sha256, isDigest)) return undefined;
      if (!optional(namespace, isNamespaceText)) return undefined;
      return {
        ...(size !== undefined && { size }),
        ...(blake3 && { blake3 }),
        ...(sha256 && { sha256 }),
        ...(expires !== undefined && { expires }),
        ...(metadata !== undefined && { metadata }),
        ...(namespace !== undefined && { namespace }),
      };
    },
  },
  'upload.sized': {
    isSubject,
    write: ({ size }) => ({ size }),
    read: (bytes) => {
      const { size } = members(bytes);
      return isSize(size) ? { size } : undefined;
    },
  },
  'upload.completed': {
    isSubject,
    write: ({ size, blake3, sha256, namespace }) => ({
      ...{ size, blake3, sha256 },
      ...(namespace !== undefined && { namespace }),
    }),
    read: (bytes) => {
      const { size, blake3, sha256, namespace } = members(bytes);
      if (!isSize(size) || !isDigest(blake3) || !isDigest(sha256)) return undefined;
      if (!optional(namespace, isNamespaceText)) return undefined;
      return { size, blake3, sha256, ...(namespace !== undefined && { namespace }) };
    },
  },
  'upload.aborted': {
    isSubject,
    write: ({ offset, reason }) => ({ offset, ...(reason !== undefined && { reason }) }),
    read: (bytes) => {
      const { offset, reason } = members(bytes);
      if (!isSize(offset) || !optional(reason, isText)) return undefined;
      return { offset, ...(reason !== undefined && { reason }) };
    },
  },
  'upload.expired': {
    isSubject,
    write: ({ offset, idleSince }) => ({ offset, idleSince }),
    read: (bytes) => {
      const { offset, idleSince } = members(bytes);
      return isSize(offset) && isTime(idleSince) ? { offset, idleSince } : undefined;
    },
  },
};
