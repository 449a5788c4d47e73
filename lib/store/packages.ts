/**
 * Packages, as the facade offers them: directories, or single files, under names, and what can be asked of them.
 *
 * Imports the files beside it that push and publish, the manifest and what is done with it, names, errors and limits. `store.packages` is one
 * of these.
 */

import { resolve } from 'node:path';
import type { ByteRange, ContentAddress } from '../dataplane/spi.js';
import { digest } from '../digest.js';
import { digestBytes, formatBlake3, formatSha256 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { ARCHIVE_HELD_TOTAL_MAX, CBOR_SIZE_MAX, NEEDING_SHOWN_MAX, PUT_ATTEMPTS_MAX } from '../limits.js';
import { type Difference, diffManifests } from '../packages/diff.js';
import { decodeManifest, encodeManifest, type FileEntry, type Manifest } from '../packages/manifest.js';
import { formatPackage, type PackageRef, type PackageVersion, parsePackage } from '../packages/name.js';
import type { PackagePath } from '../packages/path.js';
import { unpack } from '../packages/unpack.js';
import type {
  NamespaceUsage,
  PackagePage,
  PackageQuery,
  PackageRecord,
  RefPage,
  RefRecord,
} from '../registry/packages.js';
import type { ObjectRecord } from '../registry/registry.js';
import { ByteBudget } from './byte-budget.js';
import { EntryIntake, type PackageSource } from './entry-intake.js';
import { indexOlderManifests } from './manifest-index.js';
import {
  inUse,
  noSuchVersion,
  requireFile,
  requireRefName,
  requireSamePackage,
  requireVersionName,
  wrongEntry,
} from './package-errors.js';
import type { PackageHost } from './package-host.js';
import { usageOf, versionsNeeding } from './package-pages.js';
import { PackageReader } from './package-reader.js';
import type { PackageRoom } from './package-room.js';
import {
  noSuchRef,
  type Published,
  Publisher,
  type RefOptions,
  type Restored,
  type Withdrawn,
  type WithdrawOptions,
} from './publish.js';
import { type PushProgress, type TakenTree, TreeIntake } from './push.js';
import type { StoredObject } from './stored-object.js';

export interface PushOptions extends RefOptions {
  /** Further refs of the package that point at it from then on. */
  refs?: readonly string[];
  /** Retention class of the version, if it is new. Absent: the default of its namespace's policy. */
  class?: string;
  /** Read every file, also those that have not changed since they were last pushed, by size, times and inode. Default false. */
  reread?: boolean;
  /** Gives the push up: it fails with AS_ERR_ABORTED and publishes nothing. */
  signal?: AbortSignal;
  /** Told of files and bytes taken in so far. */
  onProgress?: (progress: PushProgress) => void;
}

/** What a push did. */
export interface PushResult extends Published {
  /** Content address of the manifest: the digest of the directory. */
  manifest: ContentAddress;
  /** Entries of the manifest. */
  entries: number;
  /** Bytes of all files. */
  size: number;
  /** Objects that the store did not have before, the manifest included. */
  stored: number;
}

export interface PullOptions {
  /** Replace what is at the place, once everything has been written beside it. Default false: refuse. */
  overwrite?: boolean;
  /** Gives the pull up: it fails with AS_ERR_ABORTED and leaves the place as it was. */
  signal?: AbortSignal;
  /** Told of files and bytes written so far. */
  onProgress?: (progress: PushProgress) => void;
}

/** A manifest, and where it is from. */
export interface OpenedPackage extends Manifest {
  /** Its content address. */
  readonly address: ContentAddress;
}

/** The packages of a store. `Store` makes it. */
export class Packages {
  readonly #host: PackageHost;
  readonly #publisher: Publisher;
  /** Memory for the files of all archives on their way in. */
  readonly #budget = new ByteBudget(ARCHIVE_HELD_TOTAL_MAX);

  constructor(host: PackageHost) {
    this.#host = host;
    this.#publisher = new Publisher(host);
  }

  /**
   * Stores a directory and publishes it under a name: files, links as they are, empty directories, and whether a file can be executed. The same
   * directory gives the same manifest whenever and wherever it is pushed. Version and refs are seen together, once all of it is durable. A file by itself
   * becomes a package of one file, of the same name: `openFile` opens it without a path.
   *
   * @param source the directory or file; a link to one is followed, links in it are not
   * @param name `namespace/name@version`, which never changes, or `namespace/name:ref`, which moves; the ref is `latest` when neither is given
   * @throws AS_ERR_CONFLICT: the version is another manifest's, a ref is immutable, or `ifRef` does not hold
   * @throws AS_ERR_SOURCE_UNREADABLE: something cannot be read, or is a socket, a device or a pipe; AS_ERR_SOURCE_CHANGED: a file changed meanwhile
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_DIGEST_MISMATCH, AS_ERR_LIMIT, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED
   */
  async push(source: string, name: string, options: PushOptions = {}): Promise<PushResult> {
    this.#host.requireWritable();
    await this.#requireClass(name, options);
    return this.#published(name, options, (intake) => intake.take(source));
  }

  /**
   * Publishes a manifest under a name, as `push` does, when all of its files are here already.
   *
   * @param manifest its canonical bytes
   * @throws AS_ERR_MANIFEST: not a manifest, or one whose files are not all here: `details.missing`
   * @throws AS_ERR_CONFLICT, AS_ERR_INVALID_ARGUMENT, AS_ERR_DIGEST_MISMATCH, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CLOSED, as `push` does
   */
  async publish(
    manifest: Uint8Array,
    name: string,
    options: RefOptions & Pick<PushOptions, 'refs' | 'class'> = {},
  ): Promise<PushResult> {
    this.#host.requireWritable();
    await this.#requireClass(name, options);
    const decoded = decodeManifest(manifest);
    const address = formatBlake3(digest(manifest).blake3);
    return this.#published(name, options, (intake) => intake.takeManifest(decoded, manifest), address);
  }

  /**
   * Publishes what comes one entry after the other, as out of an archive, under a name. It is seen whole or not at all, and what fails leaves nothing
   * behind: no object of it is recorded before all of them are durable.
   *
   * @param entries read once, to the end; the content of a file before the next entry
   * @throws AS_ERR_MANIFEST: no package can have such paths; AS_ERR_ARCHIVE: a copy of what is no file; AS_ERR_SIZE_MISMATCH: a file
   * @throws AS_ERR_CONFLICT: as `push`, and when objects of it were deleted meanwhile: send it again
   * @throws AS_ERR_QUOTA, AS_ERR_LIMIT, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED, AS_ERR_INVALID_ARGUMENT,
   *   AS_ERR_DIGEST_MISMATCH, as `push` does, and what `entries` throws
   */
  async pushEntries(
    entries: AsyncIterable<PackageSource>,
    name: string,
    options: Omit<PushOptions, 'reread'> = {},
  ): Promise<PushResult> {
    this.#host.requireWritable();
    const target = parsePackage(name);
    await this.#requireClass(name, options);
    const { guard, actor } = this.#host;
    const by = { actor, ...options };
    const room = await this.#room(target, by.actor);
    const ticket = guard.begin();
    const intake = new EntryIntake(this.#host, ticket, { ...by, budget: this.#budget, room });
    let [stored, isPublished] = [0, false];
    try {
      const tree = await intake.take(entries);
      const published = await this.#publisher.publish(tree, ticket, { ...options, target });
      if (published === undefined) throw deletedAgain(target);
      [stored, isPublished] = [intake.storedSize, published.published];
      return pushResult(tree, published);
    } catch (error) {
      await intake.discard().catch(() => undefined); // they stay as bytes that nobody knows of; the first error tells more
      throw error;
    } finally {
      guard.end(ticket);
      room.release(stored, isPublished);
    }
  }

  /**
   * Room for a version. One that is there already takes no more by being published again, and with other content it cannot be.
   *
   * @param manifest its address, where that is known before
   */
  async #room(target: PackageVersion | PackageRef, actor: string, manifest?: ContentAddress): Promise<PackageRoom> {
    const { registry, quotas } = this.#host;
    const version = 'version' in target ? target.version : undefined;
    const address = manifest ?? (version?.includes(':') ? (version as ContentAddress) : undefined);
    const isThere =
      (address !== undefined && (await registry.versionWith(target, address)) !== undefined) ||
      (version !== undefined && (await registry.version({ ...target, version })) !== undefined);
    return quotas.room(actor, isThere ? undefined : target.namespace);
  }

  /** Before a byte is taken: a class that there is not. Throws AS_ERR_POLICY. */
  async #requireClass(name: string, { class: className }: Pick<PushOptions, 'class'>): Promise<void> {
    if (className !== undefined) await this.#host.retention.requireClass(parsePackage(name).namespace, className);
  }

  /** Takes something in and publishes it; once more when objects of it were deleted meanwhile. */
  async #published(
    name: string,
    options: PushOptions,
    take: (intake: TreeIntake) => Promise<TakenTree | undefined>,
    manifest?: ContentAddress,
  ): Promise<PushResult> {
    const target = parsePackage(name);
    const by = { actor: this.#host.actor, ...options };
    for (let attempt = 1; attempt <= PUT_ATTEMPTS_MAX; attempt++) {
      const result = await this.#publishOnce(target, by, take, manifest);
      if (result !== undefined) return result;
    }
    throw deletedAgain(target);
  }

  async #publishOnce(
    target: PackageVersion | PackageRef,
    options: PushOptions & { actor: string },
    take: (intake: TreeIntake) => Promise<TakenTree | undefined>,
    manifest: ContentAddress | undefined,
  ): Promise<PushResult | undefined> {
    const { guard } = this.#host;
    const room = await this.#room(target, options.actor, manifest);
    const ticket = guard.begin();
    const intake = new TreeIntake(this.#host, ticket, { ...options, room });
    let isPublished = false;
    try {
      const tree = await take(intake);
      const published = tree && (await this.#publisher.publish(tree, ticket, { ...options, target }));
      isPublished = published?.published === true;
      return tree && published && pushResult(tree, published);
    } finally {
      guard.end(ticket);
      room.release(intake.storedSize, isPublished);
    }
  }

  /**
   * Writes a package to a directory, every byte verified. It appears whole or not at all: it is written beside its place, then renamed. It is
   * not synced: a power cut soon after may take it.
   *
   * @param name a version, a ref, or a digest of a manifest
   * @param folder must not be there, or be empty, unless `overwrite`
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT: the package, or an object of it
   * @throws AS_ERR_MANIFEST: what is named is not a manifest, or one that could do harm
   * @throws AS_ERR_INVALID_ARGUMENT: something is at the place, or the name
   * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED
   */
  async pull(name: string, folder: string, options: PullOptions = {}): Promise<OpenedPackage> {
    const { overwrite = false, signal, onProgress } = options;
    const opened = await this.open(name);
    const progress: PushProgress = { files: 0, size: 0 };
    const read = async function* (this: Packages, entry: FileEntry) {
      yield* await this.openEntry(entry, signal && { signal });
      progress.files++;
      progress.size += entry.size;
      onProgress?.({ ...progress });
    }.bind(this);
    await unpack(opened, resolve(folder), { overwrite, read, ...(signal && { signal }) });
    return opened;
  }

  /**
   * The manifest of a package: what files it has.
   *
   * @param name a version, a ref, or a digest of a manifest
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_CORRUPT, AS_ERR_MANIFEST, AS_ERR_INVALID_ARGUMENT, AS_ERR_INVALID_DIGEST, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_CLOSED
   */
  async open(name: string): Promise<OpenedPackage> {
    return this.#read(name.includes('/') ? (await this.get(name)).manifest : name);
  }

  /**
   * Opens one file of a package, without anything of the others. Iterate what it gives, as with `Store.get`.
   *
   * @param name a version, a ref, or a digest of a manifest
   * @param path as the manifest has it; undefined: the file of a package that is one file and nothing else
   * @throws AS_ERR_NOT_FOUND: no such package or path; AS_ERR_INVALID_ARGUMENT: the path is a link or directory, or it is left out and the package is not
   *   one file; and what `open` and `Store.get` throw
   */
  async openFile(
    name: string,
    path?: PackagePath,
    options: { range?: ByteRange; signal?: AbortSignal } = {},
  ): Promise<StoredObject> {
    return this.openEntry(requireFile(name, await this.open(name), path), options);
  }

  /**
   * Opens a file by its entry in an opened package, if its object is what the entry says: reading proves BLAKE3, the registry knows the SHA-256 that
   * belongs to it. Throws AS_ERR_MANIFEST, and what `Store.get` throws.
   */
  async openEntry(entry: FileEntry, options: { range?: ByteRange; signal?: AbortSignal } = {}): Promise<StoredObject> {
    const object = await this.#host.get(formatBlake3(entry.blake3), options);
    const { sha256, size } = object.record;
    if (size === entry.size && sha256 === formatSha256(entry.sha256)) return object;
    throw wrongEntry(entry, object.record);
  }

  /**
   * For whoever reads all files of a package: gives the bytes of the file that is the entry of an index. Reading throws as `openEntry` and iterating an
   * object do.
   */
  reader({ entries }: Manifest, { actor = this.#host.actor }: { actor?: string } = {}) {
    const reader = new PackageReader(this.#host, entries, (entry) => this.openEntry(entry), actor);
    return (index: number): AsyncIterable<Uint8Array> => reader.read(index);
  }

  /** What turns one package into another, in the order of the paths' bytes. Throws as `open` does. */
  async diff(before: string, after: string): Promise<Difference[]> {
    const [old, fresh] = await Promise.all([this.open(before), this.open(after)]);
    return diffManifests(old, fresh);
  }

  /**
   * The version that a name stands for. Where a retention policy asks for it, this counts as a pull.
   *
   * @param name a version or a ref; `latest` when neither is given
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async get(name: string): Promise<PackageRecord> {
    const found = await this.#find(name);
    this.#host.retention.notePull(found);
    return found;
  }

  async #find(name: string): Promise<PackageRecord> {
    this.#host.requireOpen();
    const { registry } = this.#host;
    const named = parsePackage(name);
    if ('ref' in named) return this.#versionAt(named);
    const { version } = named;
    const isAddress = version.includes(':');
    const found = await (isAddress ? registry.versionWith(named, version as ContentAddress) : registry.version(named));
    if (found !== undefined) return found;
    throw await noSuchVersion(registry, named);
  }

  /** Where a ref points; undefined when there is none. Throws AS_ERR_INVALID_ARGUMENT: not the name of a ref; AS_ERR_CLOSED. */
  async ref(name: string): Promise<RefRecord | undefined> {
    this.#host.requireOpen();
    return this.#host.registry.ref(requireRefName(name));
  }

  /** One page of versions. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async list(query: PackageQuery = {}): Promise<PackagePage> {
    this.#host.requireOpen();
    return this.#host.registry.versions(query);
  }

  /** One page of refs. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async refs(query: PackageQuery = {}): Promise<RefPage> {
    this.#host.requireOpen();
    return this.#host.registry.refs(query);
  }

  /**
   * Makes or moves a ref.
   *
   * @param name `namespace/name:ref`
   * @param to a version or ref of the same package; or an object, by either digest or an unambiguous prefix, which becomes a package of one file that has the
   *   package's name
   * @throws AS_ERR_NOT_FOUND: `to`; AS_ERR_CONFLICT: the ref is immutable, or `ifRef` does not hold
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED; of an object also what `Store.get` and `publish` throw
   */
  async moveRef(name: string, to: string, options: RefOptions = {}): Promise<RefRecord> {
    this.#host.requireWritable();
    const ref = requireRefName(name);
    if (!to.includes('/')) return this.#nameObject(ref, to, options);
    requireSamePackage(ref, to);
    return this.#publisher.moveRef(ref, async () => (await this.#find(to)).manifest, options);
  }

  /** Publishes an object as a package of one file, and has a ref point at it. */
  async #nameObject(ref: PackageRef, digest: string, options: RefOptions): Promise<RefRecord> {
    const { record } = await this.#host.get(digest);
    const manifest = encodeManifest({ entries: [fileNamed(ref.name, record)] });
    await this.publish(manifest, formatPackage(ref), options);
    return (await this.#host.registry.ref(ref)) as RefRecord;
  }

  /**
   * Removes a ref; versions stay.
   *
   * @returns where it pointed
   * @throws AS_ERR_NOT_FOUND, AS_ERR_CONFLICT, AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async removeRef(name: string, options: Omit<RefOptions, 'immutable'> & { reason?: string } = {}): Promise<RefRecord> {
    this.#host.requireWritable();
    return this.#publisher.removeRef(requireRefName(name), options);
  }

  /**
   * Withdraws a version: whoever asks for it is told that it is gone, by whom, when and why. What no other version needs can be collected from then on. Its name
   * stays taken: only the same content can be published under it again.
   *
   * @param name `namespace/name@version`
   * @throws AS_ERR_IN_USE: refs point at it; `force` removes those that are not immutable
   * @throws AS_ERR_PROTECTED: a hold, a lock or a policy forbids it
   * @throws AS_ERR_NOT_FOUND, AS_ERR_GONE, AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async withdraw(name: string, options: WithdrawOptions = {}): Promise<Withdrawn> {
    this.#host.requireWritable();
    return this.#publisher.withdraw(await this.#exact(requireVersionName(name)), options);
  }

  /**
   * Brings a withdrawn version back, with those of its objects that are tombstoned. Refs that were removed with it stay removed.
   *
   * @param name `namespace/name@version`
   * @throws AS_ERR_CONFLICT: it is not withdrawn; AS_ERR_GONE: objects of it have been removed
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async undelete(name: string, options: { actor?: string; reason?: string } = {}): Promise<Restored> {
    this.#host.requireWritable();
    return this.#publisher.restore(requireVersionName(name), options);
  }

  /** The version by the name that it was published under: a manifest's address stands for the first that has it. */
  async #exact(version: PackageVersion): Promise<PackageVersion> {
    if (!version.version.includes(':')) return version;
    const found = await this.#host.registry.versionWith(version, version.version as ContentAddress);
    return found ?? version;
  }

  /**
   * The versions whose files, or manifest, are this object, in the order of their names. Looked up, not searched for.
   *
   * @param address content address
   * @throws AS_ERR_INVALID_DIGEST, AS_ERR_CLOSED
   */
  async *containing(address: ContentAddress): AsyncGenerator<PackageRecord> {
    this.#host.requireOpen();
    yield* versionsNeeding(this.#host.registry, address);
  }

  /**
   * What each namespace takes, in the order of their names; or one alone.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async *usage(namespace?: string): AsyncGenerator<NamespaceUsage> {
    this.#host.requireOpen();
    yield* usageOf(this.#host.registry, namespace);
  }

  /** For whoever opens the store for writing: has the log say what every package needs, where it is older than that. */
  async indexOlder(): Promise<void> {
    await indexOlderManifests(this.#host);
  }

  /**
   * Makes sure that no package needs an object, under the lock of its address. Throws AS_ERR_IN_USE: `details.packages` has the first of them.
   */
  async requireUnneeded(address: ContentAddress): Promise<void> {
    const needing = await this.#host.registry.needing(address, NEEDING_SHOWN_MAX + 1);
    if (needing.length > 0) throw inUse(address, needing.map(formatPackage));
  }

  async #versionAt(ref: PackageRef): Promise<PackageRecord> {
    const { registry } = this.#host;
    const found = await registry.ref(ref);
    if (found === undefined) throw noSuchRef(ref);
    const version = await registry.versionWith(ref, found.target);
    if (version !== undefined) return version;
    throw new ArtifactStoreError(
      'AS_ERR_NOT_FOUND',
      `${formatPackage(ref)} points at ${found.target}, which was never published as ${ref.namespace}/${ref.name}. Move the ref.`,
      { ref: formatPackage(ref), target: found.target },
    );
  }

  /** Reads the manifest at a digest. */
  async #read(digest: string): Promise<OpenedPackage & { bytes: number }> {
    const object = await this.#host.get(digest);
    const { blake3: address, size } = object.record;
    if (size > CBOR_SIZE_MAX) {
      throw new ArtifactStoreError(
        'AS_ERR_MANIFEST',
        `${address} is not the manifest of a package: it has ${size} bytes, and a manifest at most ${CBOR_SIZE_MAX}.`,
        { address, size },
      );
    }
    return { address, bytes: size, ...decodeManifest(await object.bytes()) };
  }
}

/** What a manifest says of an object that is a file of it. */
function fileNamed(path: string, { blake3, sha256, size }: ObjectRecord): FileEntry {
  return { kind: 'file', path, blake3: digestBytes(blake3), sha256: digestBytes(sha256), size };
}

function pushResult({ manifest, entries, size, stored }: TakenTree, published: Published): PushResult {
  return { ...published, manifest, entries, size, stored };
}

function deletedAgain(target: PackageVersion | PackageRef): ArtifactStoreError {
  const text = formatPackage(target);
  const message = `Objects of ${text} were deleted again and again while it was pushed. Push it once that has ended.`;
  return new ArtifactStoreError('AS_ERR_CONFLICT', message, { package: text });
}
