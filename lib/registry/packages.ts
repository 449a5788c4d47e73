/**
 * What packages there are, answered from the views: versions, refs, and which of many objects are stored.
 *
 * Imports types only. The facade and the doors call it; `sqlite-packages.ts` implements it over the tables of `packages-view.ts`.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import type { PackageName, PackageRef, PackageVersion } from '../packages/name.js';

/** One version of a package. */
export interface PackageRecord extends PackageVersion {
  /** Content address of its manifest. */
  manifest: ContentAddress;
  /** Entries of the manifest: files, links, and directories that are empty. */
  entries: number;
  /** Bytes of all its files; one that is there twice counts twice. */
  size: number;
  /** Milliseconds since 1970 UTC. */
  publishedAt: number;
  /** Who published it. */
  actor: string;
  /** The event that did. */
  seq: number;
}

/** Where a ref points. */
export interface RefRecord extends PackageRef {
  /** Content address of the manifest that it points at. */
  target: ContentAddress;
  /** It cannot move, nor be removed. */
  immutable: boolean;
  /** Milliseconds since 1970 UTC. */
  movedAt: number;
  /** Who moved it. */
  actor: string;
  /** The event that did. */
  seq: number;
}

/** Which packages, or refs, to list. */
export interface PackageQuery extends Partial<PackageName> {
  /** From the page before. */
  cursor?: string;
  /** Records on the page at most, 1 to PAGE_SIZE_MAX; PAGE_SIZE_DEFAULT when absent. */
  limit?: number;
}

/** One page of versions, ordered by namespace, name and version. */
export interface PackagePage {
  packages: PackageRecord[];
  /** Opaque; pass it to get the next page. Absent on the last page. */
  cursor?: string;
}

/** One page of refs, ordered by namespace, name and ref. */
export interface RefPage {
  refs: RefRecord[];
  /** Opaque; pass it to get the next page. Absent on the last page. */
  cursor?: string;
}

/** What must be known of an object to look it up among many. Digests of 32 bytes each. */
export interface ObjectKey {
  blake3: Uint8Array;
  sha256: Uint8Array;
  /** Bytes. */
  size: number;
}

/** Questions about packages. Every answer holds what was committed before the question. */
export interface PackageRegistry {
  /** The version of a name; undefined when there is none. */
  version(named: PackageVersion): Promise<PackageRecord | undefined>;

  /** A version with this manifest, the one published first; undefined when the package has none. */
  versionWith(named: PackageName, manifest: ContentAddress): Promise<PackageRecord | undefined>;

  /** Where a ref points; undefined when there is no such ref. */
  ref(named: PackageRef): Promise<RefRecord | undefined>;

  /** One page of versions. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  versions(query?: PackageQuery): Promise<PackagePage>;

  /** One page of refs. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  refs(query?: PackageQuery): Promise<RefPage>;

  /** Those of the objects, by index, of which the registry does not know that they are live with just these digests and size. */
  absent(objects: readonly ObjectKey[]): Promise<number[]>;

  /** Bytes that those of the objects which are live occupy, by the receipts of each. Addresses of 32 bytes, none twice. */
  storedSize(addresses: readonly Uint8Array[]): Promise<number>;
}
