/**
 * What can happen to packages and refs: the kinds and their facts.
 *
 * Imports the names of packages, digest text and how facts are written. `kinds.ts` puts it beside the others; `packages-view.ts` reads it.
 */

import { isContentAddress } from '../digest-name.js';
import { refOf, versionOf } from '../packages/name.js';
import { isDigest, isSize, isText, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. Digests are content addresses, 32 bytes. */
export interface PackageEventData {
  /**
   * Which objects a manifest needs was written down, itself among them, so that views know it without reading it. The subject is the content
   * address of the manifest. Several events about one manifest add up.
   */
  'manifest.indexed': {
    /**
     * The objects by the seqs of their first ingests, ascending, in runs: how many seqs are passed over, how many follow, and so on in turn. A
     * directory that was pushed into an empty store is one run, however many files it has.
     */
    objects: readonly number[];
  };
  /** A version of a package came into being. The subject is `namespace/name@version`. */
  'package.published': {
    /** Of its manifest. */
    manifest: Uint8Array;
    /** Entries of the manifest. */
    entries: number;
    /** Bytes of all its files; one that is there twice counts twice. */
    size: number;
  };
  /** A version of a package was withdrawn: it is gone, and needs its objects no more. The subject is `namespace/name@version`. */
  'package.withdrawn': {
    /** Of its manifest. */
    manifest: Uint8Array;
    reason?: string;
    /** The retention plan that named it. */
    plan?: string;
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
  'manifest.indexed': {
    isSubject: (subject) => subject !== null && isContentAddress(subject),
    write: ({ objects }) => ({ objects: [...objects] }),
    read: (bytes) => {
      const { objects } = members(bytes);
      return Array.isArray(objects) && objects.every(isSize) && isRuns(objects) ? { objects } : undefined;
    },
  },
  'package.published': {
    isSubject: isVersion,
    write: ({ size, entries, manifest }) => ({ size, entries, manifest }),
    read: (bytes) => {
      const { size, entries, manifest } = members(bytes);
      return isSize(size) && isSize(entries) && isDigest(manifest) ? { size, entries, manifest } : undefined;
    },
  },
  'package.withdrawn': {
    isSubject: isVersion,
    write: ({ plan, reason, manifest }) => ({
      ...(plan !== undefined && { plan }),
      ...(reason !== undefined && { reason }),
      manifest,
    }),
    read: (bytes) => {
      const { plan, reason, manifest } = members(bytes);
      if (!isDigest(manifest) || !optional(plan, isText) || !optional(reason, isText)) return undefined;
      return { manifest, ...(reason !== undefined && { reason }), ...(plan !== undefined && { plan }) };
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

/** Whether these are runs: as many gaps as lengths, no length zero, and no seq beyond what a log can have. */
function isRuns(numbers: readonly number[]): boolean {
  const sum = numbers.reduce((total, number) => total + number, 0);
  return numbers.length % 2 === 0 && numbers.every((n, i) => i % 2 === 0 || n > 0) && Number.isSafeInteger(sum);
}
