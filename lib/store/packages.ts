/**
 * Packages, as the facade offers them: directories under names, and what can be asked of them.
 *
 * Imports the files beside it that push and publish, the manifest and what is done with it, names, errors and limits. `store.packages` is one
 * of these.
 */

import { resolve } from 'node:path';
import type { ByteRange, ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3, formatSha256, toHex } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { CBOR_SIZE_MAX, PAGE_SIZE_MAX, PUT_ATTEMPTS_MAX } from '../limits.js';
import { type Difference, diffManifests } from '../packages/diff.js';
import { decodeManifest, type FileEntry, findEntry, type Manifest } from '../packages/manifest.js';
import { formatPackage, type PackageRef, parsePackage, requireNamespace } from '../packages/name.js';
import { type PackagePath, showPackagePath } from '../packages/path.js';
import { unpack } from '../packages/unpack.js';
import type { PackagePage, PackageQuery, PackageRecord, RefPage, RefRecord } from '../registry/packages.js';
import type { PackageHost } from './package-host.js';
import { noSuchRef, type Published, Publisher, type RefOptions } from './publish.js';
import { type PushProgress, type TakenTree, TreeIntake } from './push.js';
import type { StoredObject } from './stored-object.js';

export interface PushOptions extends RefOptions {
  /** Further refs of the package that point at it from then on. */
  refs?: readonly string[];
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

/** What a namespace takes. */
export interface NamespaceUsage {
  namespace: string;
  packages: number;
  versions: number;
  refs: number;
  /** Bytes of the files of all different manifests of each package: what pulling each of them once would give. */
  size: number;
  /** Objects that those have, manifests included, and their bytes, each once. */
  objects: number;
  uniqueSize: number;
  /** Bytes that those objects occupy, by their receipts. What namespaces share counts in each. */
  storedSize: number;
  /** Manifests that could not be read, because they are damaged or deleted: what only they name is not counted. */
  unreadable: number;
}

/** The packages of a store. `Store` makes it. */
export class Packages {
  readonly #host: PackageHost;
  readonly #publisher: Publisher;

  constructor(host: PackageHost) {
    this.#host = host;
    this.#publisher = new Publisher(host);
  }

  /**
   * Stores a directory and publishes it under a name: files, links as they are, empty directories, and whether a file can be executed. The same
   * directory gives the same manifest whenever and wherever it is pushed. Version and refs are seen together, once all of it is durable.
   *
   * @param folder the directory; a link to one is followed, links in it are not
   * @param name `namespace/name@version`, which never changes, or `namespace/name:ref`, which moves; the ref is `latest` when neither is given
   * @throws AS_ERR_CONFLICT: the version is another manifest's, a ref is immutable, or `ifRef` does not hold
   * @throws AS_ERR_SOURCE_UNREADABLE: something cannot be read, or is a socket, a device or a pipe; AS_ERR_SOURCE_CHANGED: a file changed meanwhile
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_DIGEST_MISMATCH, AS_ERR_LIMIT, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED
   */
  async push(folder: string, name: string, options: PushOptions = {}): Promise<PushResult> {
    this.#host.requireWritable();
    return this.#published(name, options, (intake) => intake.take(folder));
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
    options: RefOptions & Pick<PushOptions, 'refs'> = {},
  ): Promise<PushResult> {
    this.#host.requireWritable();
    const decoded = decodeManifest(manifest);
    return this.#published(name, options, (intake) => intake.takeManifest(decoded, manifest));
  }

  /** Takes something in and publishes it; once more when objects of it were deleted meanwhile. */
  async #published(
    name: string,
    options: PushOptions,
    take: (intake: TreeIntake) => Promise<TakenTree | undefined>,
  ): Promise<PushResult> {
    const target = parsePackage(name);
    const { guard, actor } = this.#host;
    for (let attempt = 1; attempt <= PUT_ATTEMPTS_MAX; attempt++) {
      const ticket = guard.begin();
      try {
        const tree = await take(new TreeIntake(this.#host, ticket, { actor, ...options }));
        const published = tree && (await this.#publisher.publish(tree, ticket, { ...options, target }));
        if (tree && published) return pushResult(tree, published);
      } finally {
        guard.end(ticket);
      }
    }
    throw new ArtifactStoreError(
      'AS_ERR_CONFLICT',
      `Objects of ${formatPackage(target)} were deleted again and again while it was pushed. Push it once that has ended.`,
      { package: formatPackage(target) },
    );
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
      yield* await this.#openEntry(entry, signal && { signal });
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
   * @param path as the manifest has it
   * @throws AS_ERR_NOT_FOUND: no such package or path; AS_ERR_INVALID_ARGUMENT: the path is a link or directory; and what `open` and `Store.get` throw
   */
  async openFile(
    name: string,
    path: PackagePath,
    options: { range?: ByteRange; signal?: AbortSignal } = {},
  ): Promise<StoredObject> {
    const opened = await this.open(name);
    const entry = findEntry(opened, path);
    if (entry?.kind === 'file') return this.#openEntry(entry, options);
    throw notFile(name, path, entry);
  }

  /** What turns one package into another, in the order of the paths' bytes. Throws as `open` does. */
  async diff(before: string, after: string): Promise<Difference[]> {
    const [old, fresh] = await Promise.all([this.open(before), this.open(after)]);
    return diffManifests(old, fresh);
  }

  /**
   * The version that a name stands for.
   *
   * @param name a version or a ref; `latest` when neither is given
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED
   */
  async get(name: string): Promise<PackageRecord> {
    this.#host.requireOpen();
    const { registry } = this.#host;
    const named = parsePackage(name);
    if ('ref' in named) return this.#versionAt(named);
    const { version } = named;
    const isAddress = version.includes(':');
    const found = await (isAddress ? registry.versionWith(named, version as ContentAddress) : registry.version(named));
    if (found !== undefined) return found;
    const text = formatPackage(named);
    throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no package ${text}. "packages" lists what there is.`, {
      package: text,
    });
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
   * @param to a version or ref of the same package
   * @throws AS_ERR_NOT_FOUND: `to`; AS_ERR_CONFLICT: the ref is immutable, or `ifRef` does not hold
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async moveRef(name: string, to: string, options: RefOptions = {}): Promise<RefRecord> {
    this.#host.requireWritable();
    const ref = requireRefName(name);
    const target = parsePackage(to);
    if (target.namespace !== ref.namespace || target.name !== ref.name) {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        `${formatPackage(ref)} cannot point at ${to}: a ref points at versions of its own package. Push the content under this name first.`,
      );
    }
    return this.#publisher.moveRef(ref, async () => (await this.get(to)).manifest, options);
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
   * The versions whose files, or manifest, are this object. Reads every manifest: it takes as long as they are large.
   *
   * @param address content address
   * @throws AS_ERR_INVALID_DIGEST, AS_ERR_MANIFEST, AS_ERR_CLOSED
   */
  async *containing(address: ContentAddress): AsyncGenerator<PackageRecord> {
    const wanted = digestBytes(address);
    const known = new Map<ContentAddress, boolean>();
    for await (const version of this.#versions({})) {
      const { manifest } = version;
      if (!known.has(manifest)) known.set(manifest, manifest === address || (await this.#contains(manifest, wanted)));
      if (known.get(manifest)) yield version;
    }
  }

  /**
   * What each namespace takes, in the order of their names; or one alone. Reads every manifest.
   *
   * @throws AS_ERR_INVALID_ARGUMENT, AS_ERR_MANIFEST, AS_ERR_CLOSED
   */
  async *usage(namespace?: string): AsyncGenerator<NamespaceUsage> {
    const only = namespace === undefined ? {} : { namespace: requireNamespace(namespace) };
    let counted: NamespaceCount | undefined;
    for await (const version of this.#versions(only)) {
      if (counted?.namespace !== version.namespace) {
        if (counted !== undefined) yield await this.#usageOf(counted);
        counted = new NamespaceCount(version.namespace);
      }
      counted.add(version);
    }
    if (counted !== undefined) yield await this.#usageOf(counted);
  }

  async #usageOf({ namespace, packages, versions, size, manifests }: NamespaceCount): Promise<NamespaceUsage> {
    const objects = new Map<string, { blake3: Uint8Array; size: number }>();
    let unreadable = 0;
    for (const manifest of manifests) {
      const opened = await this.#readIfThere(manifest);
      if (opened === undefined) {
        unreadable++;
        continue;
      }
      objects.set(manifest.slice('blake3:'.length), { blake3: digestBytes(manifest), size: opened.bytes });
      for (const entry of opened.entries) if (entry.kind === 'file') objects.set(toHex(entry.blake3), entry);
    }
    let [refs, uniqueSize, storedSize] = [0, 0, 0];
    for (const object of objects.values()) uniqueSize += object.size;
    const addresses = [...objects.values()].map(({ blake3 }) => blake3);
    for (let from = 0; from < addresses.length; from += PAGE_SIZE_MAX) {
      storedSize += await this.#host.registry.storedSize(addresses.slice(from, from + PAGE_SIZE_MAX));
    }
    for await (const _ of this.#refs({ namespace })) refs++;
    const counts = { packages: packages.size, versions, refs, size, objects: objects.size };
    return { namespace, ...counts, uniqueSize, storedSize, unreadable };
  }

  async *#versions(query: PackageQuery): AsyncGenerator<PackageRecord> {
    let cursor: string | undefined;
    do {
      const page = await this.list({ ...query, ...(cursor !== undefined && { cursor }) });
      yield* page.packages;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  async *#refs(query: PackageQuery): AsyncGenerator<RefRecord> {
    let cursor: string | undefined;
    do {
      const page = await this.refs({ ...query, ...(cursor !== undefined && { cursor }) });
      yield* page.refs;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  async #contains(manifest: ContentAddress, blake3: Uint8Array): Promise<boolean> {
    const opened = await this.#readIfThere(manifest);
    const has = opened?.entries.some((entry) => entry.kind === 'file' && Buffer.compare(entry.blake3, blake3) === 0);
    return has === true;
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

  async #readIfThere(manifest: ContentAddress): Promise<(OpenedPackage & { bytes: number }) | undefined> {
    try {
      return await this.#read(manifest);
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_GONE', 'AS_ERR_CORRUPT')) return undefined;
      throw error;
    }
  }

  /** The object of a file, if it is what the manifest says: reading proves BLAKE3, the registry knows the SHA-256 that belongs to it. */
  async #openEntry(entry: FileEntry, options: { range?: ByteRange; signal?: AbortSignal } = {}): Promise<StoredObject> {
    const object = await this.#host.get(formatBlake3(entry.blake3), options);
    const { sha256, size, blake3 } = object.record;
    if (size === entry.size && sha256 === formatSha256(entry.sha256)) return object;
    const path = showPackagePath(entry.path);
    throw new ArtifactStoreError(
      'AS_ERR_MANIFEST',
      `The manifest is wrong about "${path}": ${blake3} has ${size} bytes and is ${sha256}. Do not trust this package.`,
      { path, address: blake3 },
    );
  }
}

/** What is met of a namespace in its versions. */
class NamespaceCount {
  readonly packages = new Set<string>();
  readonly manifests = new Set<ContentAddress>();
  /** Manifests by package: one that has two versions counts once. */
  readonly #counted = new Set<string>();
  versions = 0;
  size = 0;

  constructor(readonly namespace: string) {}

  add({ name, manifest, size }: PackageRecord): void {
    this.versions++;
    this.packages.add(name);
    this.manifests.add(manifest);
    const key = `${name} ${manifest}`;
    if (!this.#counted.has(key)) this.size += size;
    this.#counted.add(key);
  }
}

function pushResult({ manifest, entries, size, stored }: TakenTree, published: Published): PushResult {
  return { ...published, manifest, entries, size, stored };
}

function requireRefName(name: string): PackageRef {
  const named = parsePackage(name);
  if ('ref' in named && name.includes(':')) return named;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `"${name}" does not name a ref: write namespace/name:ref.`, {
    text: name,
  });
}

function notFile(name: string, path: PackagePath, entry: Manifest['entries'][number] | undefined): ArtifactStoreError {
  const shown = showPackagePath(path);
  if (entry === undefined) {
    return new ArtifactStoreError(
      'AS_ERR_NOT_FOUND',
      `${name} has no file "${shown}". "ls ${name}" lists what it has.`,
      { package: name, path: shown },
    );
  }
  const what = entry.kind === 'symlink' ? `a link to "${showPackagePath(entry.target)}"` : 'an empty directory';
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `"${shown}" in ${name} is ${what}, not a file. Name a file; links are not followed.`,
    { package: name, path: shown },
  );
}
