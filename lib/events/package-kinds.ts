/**
 * What can happen to packages and refs: the kinds and their facts.
 *
 * Imports the names of packages, limits and how facts are written. `kinds.ts` puts it beside the others; `packages-view.ts` reads it.
 */

import type { CborValue } from '../cbor/index.js';
import { DIGEST_SIZE } from '../limits.js';
import { refOf, versionOf } from '../packages/name.js';
import { isSize, type KindCodecs, members } from './facts.js';

/** Kind → facts. Digests are content addresses, 32 bytes. */
export interface PackageEventData {
  /** A version of a package came into being. The subject is `namespace/name@version`. */
  'package.published': {
    /** Of its manifest. */
    manifest: Uint8Array;
    /** Entries of the manifest. */
    entries: number;
    /** Bytes of all its files; one that is there twice counts twice. */
    size: number;
  };
  /** A ref was made or moved. The subject is `namespace/name:ref`. */
  'ref.moved': {
    /** The manifest that it points at from now on. */
    target: Uint8Array;
    /** What it pointed at before; absent when it is new. */
    from?: Uint8Array;
    /** It cannot move again. */
    immutable?: true;
  };
  /** A ref was removed. The subject is `namespace/name:ref`. */
  'ref.removed': {
    /** What it pointed at. */
    from: Uint8Array;
    reason?: string;
  };
}

const isVersion = (subject: string | null) => subject !== null && versionOf(subject) !== undefined;
const isRef = (subject: string | null) => subject !== null && refOf(subject) !== undefined;

export const PACKAGE_KINDS: KindCodecs<PackageEventData> = {
  'package.published': {
    isSubject: isVersion,
    write: ({ size, entries, manifest }) => ({ size, entries, manifest }),
    read: (bytes) => {
      const { size, entries, manifest } = members(bytes);
      return isSize(size) && isSize(entries) && isDigest(manifest) ? { size, entries, manifest } : undefined;
    },
  },
  'ref.moved': {
    isSubject: isRef,
    write: ({ from, target, immutable }) => ({ ...(from && { from }), target, ...(immutable && { immutable }) }),
    read: (bytes) => {
      const { from, target, immutable } = members(bytes);
      if (!isDigest(target) || !(from === undefined || isDigest(from))) return undefined;
      if (!(immutable === undefined || immutable === true)) return undefined;
      return { target, ...(from && { from }), ...(immutable && { immutable }) };
    },
  },
  'ref.removed': {
    isSubject: isRef,
    write: ({ from, reason }) => ({ from, ...(reason !== undefined && { reason }) }),
    read: (bytes) => {
      const { from, reason } = members(bytes);
      if (!isDigest(from) || !(reason === undefined || typeof reason === 'string')) return undefined;
      return { from, ...(reason !== undefined && { reason }) };
    },
  },
};

function isDigest(value: CborValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.byteLength === DIGEST_SIZE;
}
