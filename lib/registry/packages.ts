/**
 * What packages there are, answered from the views: versions, refs, and which of many objects are stored.
 *
 * Imports types only. The facade and the doors call it; `sqlite-packages.ts` implements it over the tables of `packages-view.ts`.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import type { PackageName, PackageRef, PackageVersion } from '../packages/name.js';
import type { ObjectRecord } from './registry.js';

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

/** A version that is there no more. */
export interface WithdrawnRecord extends PackageVersion {
  /** Content address of its manifest. */
  manifest: ContentAddress;
  entries: number;
  /** Bytes of all its files; one that is there twice counts twice. */
  size: number;
  /** Milliseconds since 1970 UTC. */
  publishedAt: number;
  /** The event that withdrew it. */
  withdrawal: { seq: number; id: string; time: number; actor: string; reason?: string; plan?: string };
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

/** What a namespace takes: sums that stand in a view and are read as they are. */
export interface NamespaceUsage {
  namespace: string;
  packages: number;
  versions: number;
  refs: number;
  /** Logical bytes: those of the files of all different manifests of each package, what pulling each of them once would give. */
  size: number;
  /** Different objects that those need and that can be read, manifests included, and their bytes, each once. */
  objects: number;
  uniqueSize: number;
  /** Physical bytes: what those objects occupy, by their receipts. What namespaces share counts in full in each. */
  storedSize: number;
  /** Objects that they need and that cannot be read, because they are damaged or deleted. */
  missing: number;
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

  /** A version that was withdrawn; undefined when there is none of that name. */
  withdrawn(named: PackageVersion): Promise<WithdrawnRecord | undefined>;

  /** A withdrawn version with this manifest, the one published first; undefined when the package has none. */
  withdrawnWith(named: PackageName, manifest: ContentAddress): Promise<WithdrawnRecord | undefined>;

  /** Whether a package has this manifest under another version than this one. */
  hasOther(named: PackageVersion, manifest: ContentAddress): Promise<boolean>;

  /** Refs of a package that point at a manifest, in the order of their names. */
  refsTo(named: PackageName, manifest: ContentAddress): Promise<RefRecord[]>;

  /**
   * Objects that a manifest needs and that are not live, behind the object with the seq `after`, up to `limit`: what keeps a package from being whole.
   */
  notLive(
    manifest: ContentAddress,
    limit: number,
    after?: number,
  ): Promise<(Pick<ObjectRecord, 'blake3' | 'state'> & { seq: number })[]>;

  /** Where a ref points; undefined when there is no such ref. */
  ref(named: PackageRef): Promise<RefRecord | undefined>;

  /** One page of versions. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  versions(query?: PackageQuery): Promise<PackagePage>;

  /** One page of refs. Throws AS_ERR_INVALID_ARGUMENT: cursor or limit. */
  refs(query?: PackageQuery): Promise<RefPage>;

  /** Those of the objects, by index, of which the registry does not know that they are live with just these digests and size. */
  absent(objects: readonly ObjectKey[]): Promise<number[]>;

  /** Those and, by index too, the ones of which it does not know that they are where ingests go to: they are in the cold tier alone. */
  unrecorded(objects: readonly ObjectKey[]): Promise<number[]>;

  /** For each of these objects the seq of its first ingest, in any order; none for one that was never ingested. Addresses of 32 bytes. */
  seqs(addresses: readonly Uint8Array[]): Promise<number[]>;

  /** Up to `limit` versions that need an object, as a file or as their manifest, behind `after` in the order of namespace, name and version. */
  needing(address: ContentAddress, limit: number, after?: PackageVersion): Promise<PackageRecord[]>;

  /** Whether the log says which objects a manifest needs. */
  isIndexed(manifest: ContentAddress): Promise<boolean>;

  /** Up to `limit` manifests of packages, behind `after` in the order of their addresses, of which the log does not say what they need. */
  notIndexed(limit: number, after?: ContentAddress): Promise<ContentAddress[]>;

  /** What up to `limit` namespaces take, those behind `after` in the order of their names. */
  usage(limit: number, after?: string): Promise<NamespaceUsage[]>;

  /** What one namespace takes; undefined when nothing has that name. */
  usageOf(namespace: string): Promise<NamespaceUsage | undefined>;
}
