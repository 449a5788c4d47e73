/**
 * Packages of a service: directories under names. The verbs of `Store.packages`, over HTTP.
 *
 * Imports manifests, names, directory trees, errors, limits and this folder. `StoreClient.packages` is one of these.
 */

import { resolve } from 'node:path';
import type { ByteRange, ContentAddress } from '../dataplane/spi.js';
import { digest } from '../digest.js';
import { formatBlake3, formatSha256, parseDigest } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { CBOR_SIZE_MAX, MANIFEST_BODY_SIZE_MAX, PUT_ATTEMPTS_MAX } from '../limits.js';
import { type Difference, diffManifests } from '../packages/diff.js';
import { decodeManifest, type FileEntry } from '../packages/manifest.js';
import { type PackageRef, type PackageVersion, parsePackage } from '../packages/name.js';
import type { PackagePath } from '../packages/path.js';
import { readTree } from '../packages/tree.js';
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
import { requireRange } from '../store/checks.js';
import {
  requireFile,
  requireRefName,
  requireSamePackage,
  requireVersionName,
  wrongEntry,
} from '../store/package-errors.js';
import type { OpenedPackage, PullOptions, PushOptions } from '../store/packages.js';
import type { RefOptions, WithdrawOptions } from '../store/publish.js';
import type { PushProgress } from '../store/push.js';
import { namespaceBound, quotaExceeded } from '../store/quota-account.js';
import type { QuotaStatus } from '../store/quota-reader.js';
import { StoredObject } from '../store/stored-object.js';
import type { PackageVerbs, Pushed, RestoredVersion, WithdrawnVersion } from '../store/verbs.js';
import { download, type Wanted } from './download.js';
import { NOWHERE, TreeSending } from './push.js';
import { parseJson, type Service, segment } from './service.js';

/** What the client lends. */
export interface PackagesHost {
  service: Service;
  stat(name: string): Promise<ObjectRecord>;
  get(name: string, options?: { range?: ByteRange; signal?: AbortSignal }): Promise<StoredObject>;
  missing(digests: ContentAddress[]): Promise<ContentAddress[]>;
  requireWritable(): void;
}

export class ClientPackages implements PackageVerbs {
  readonly #host: PackagesHost;
  readonly #service: Service;

  constructor(host: PackagesHost) {
    this.#host = host;
    this.#service = host.service;
  }

  /**
   * As `Packages.push`. The directory or file is digested here, and of its objects those are sent that the service lacks; nothing is remembered of earlier pushes, so
   * every file is read. Version and refs are seen together.
   *
   * @throws as `Packages.push`; AS_ERR_UNAVAILABLE; AS_ERR_QUOTA: before anything is sent where the directory alone is more than there is room for
   */
  async push(source: string, name: string, options: PushOptions = {}): Promise<Pushed> {
    this.#host.requireWritable();
    const target = parsePackage(name);
    await this.#requireRoom(source, target);
    for (let attempt = 1; ; attempt++) {
      const { manifest, stored } = await new TreeSending(this.#service, this.#host.missing, options).send(source);
      try {
        const pushed = await this.#publish(manifest, target, options);
        return { ...pushed, stored: pushed.stored + stored };
      } catch (error) {
        // Objects of it were deleted meanwhile.
        const isLacking = isStoreError(error, 'AS_ERR_MANIFEST') && error.details.missing !== undefined;
        if (!isLacking || attempt === PUT_ATTEMPTS_MAX) throw error;
      }
    }
  }

  /** Objects come to a service before it learns what they are for. So that none come in vain, it is asked first what its namespace may take. */
  async #requireRoom(folder: string, target: PackageVersion | PackageRef): Promise<void> {
    const { namespace, name } = target;
    const { quota, taken } = await this.#service
      .json<QuotaStatus>({ method: 'GET', path: `/v1/quotas/${segment(namespace)}` })
      .catch(ifUnknown);
    if (quota?.logical === undefined || taken === undefined) return;
    let needed = 0;
    for (const found of readTree(resolve(folder), NOWHERE))
      for (const entry of found) if (entry.kind === 'file') needed += entry.stamp.size;
    const { logical: used, reserved } = taken;
    if (needed <= quota.logical - used - reserved) return;
    const path = 'version' in target && `${packagePath(namespace, name)}/versions/${segment(target.version)}`;
    const known = path && (await this.#service.json<PackageRecord>({ method: 'GET', path }).catch(ifUnknown));
    if (known && 'version' in known) return; // publishing it again takes no more
    throw quotaExceeded(namespaceBound(namespace, 'logical'), { quota: quota.logical, used, reserved, needed });
  }

  async #publish(manifest: Uint8Array, target: PackageVersion | PackageRef, options: PushOptions): Promise<Pushed> {
    if (manifest.byteLength > MANIFEST_BODY_SIZE_MAX) {
      throw new ArtifactStoreError(
        'AS_ERR_LIMIT',
        `The manifest has ${manifest.byteLength} bytes, and a service takes ${MANIFEST_BODY_SIZE_MAX}. Push the directory in parts, or to the store itself.`,
        { size: manifest.byteLength, limit: MANIFEST_BODY_SIZE_MAX },
      );
    }
    const { namespace, name } = target;
    const version = 'version' in target ? target.version : formatBlake3(digest(manifest).blake3);
    const refs = [...('ref' in target ? [target.ref] : []), ...(options.refs ?? [])];
    const { signal, immutable, class: className } = options;
    const { bytes } = await this.#service
      .read({
        method: 'PUT',
        path: `${packagePath(namespace, name)}/versions/${segment(version)}`,
        query: {
          refs: refs.length > 0 ? refs.join(',') : undefined,
          immutable: immutable || undefined,
          class: className,
        },
        headers: { 'content-type': 'application/cbor', ...conditions(options) },
        body: manifest,
        signal,
        isRepeatable: options.ifRef === undefined,
      })
      .catch(asConflict);
    return parseJson<Pushed>(bytes, 'Publishing a package');
  }

  /**
   * As `Packages.pull`: a directory appears whole or not at all, every byte of it proven here.
   *
   * @throws as `Packages.pull`; AS_ERR_UNAVAILABLE
   */
  async pull(name: string, folder: string, options: PullOptions = {}): Promise<OpenedPackage> {
    const { overwrite = false, signal, onProgress } = options;
    const opened = await this.#open(name);
    const progress: PushProgress = { files: 0, size: 0 };
    const read = async function* (this: ClientPackages, entry: FileEntry) {
      yield* this.#bytes(opened, entry, { start: 0, end: entry.size }, signal);
      progress.files++;
      progress.size += entry.size;
      onProgress?.({ ...progress });
    }.bind(this);
    await unpack(opened, resolve(folder), { overwrite, read, ...(signal && { signal }) });
    return shownPackage(opened);
  }

  /** As `Packages.open`; the manifest is proven by its digest. */
  async open(name: string): Promise<OpenedPackage> {
    return shownPackage(await this.#open(name));
  }

  /** As `Packages.openFile`. */
  async openFile(
    name: string,
    path?: PackagePath,
    options: { range?: ByteRange; signal?: AbortSignal } = {},
  ): Promise<StoredObject> {
    const opened = await this.#open(name);
    const entry = requireFile(name, opened, path);
    const record = await this.#record(opened, entry);
    if (record.size !== entry.size || record.sha256 !== formatSha256(entry.sha256)) throw wrongEntry(entry, record);
    const range = options.range ?? { start: 0, end: entry.size };
    requireRange(range, record);
    return new StoredObject(record, range, { iterate: () => this.#bytes(opened, entry, range, options.signal) });
  }

  /** As `Packages.diff`. */
  async diff(before: string, after: string): Promise<Difference[]> {
    const [old, fresh] = await Promise.all([this.#open(before), this.#open(after)]);
    return diffManifests(old, fresh);
  }

  /** As `Packages.get`. */
  async get(name: string): Promise<PackageRecord> {
    const named = parsePackage(name);
    const { namespace, name: bare } = named;
    const path = packagePath(namespace, bare);
    if ('version' in named)
      return this.#service.json({ method: 'GET', path: `${path}/versions/${segment(named.version)}` });
    const { target } = await this.#service.json<RefRecord>({ method: 'GET', path: refPath(named) });
    return this.#service.json({ method: 'GET', path: `${path}/versions/${segment(target)}` });
  }

  /** As `Packages.ref`. */
  async ref(name: string): Promise<RefRecord | undefined> {
    try {
      return await this.#service.json({ method: 'GET', path: refPath(requireRefName(name)) });
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /** As `Packages.list`. */
  async list(query: PackageQuery = {}): Promise<PackagePage> {
    const { namespace, name, ...page } = query;
    const { packages, next } = await this.#service.json<{ packages: PackageRecord[]; next?: string }>({
      method: 'GET',
      path: pathOf('/v1/packages', namespace, name),
      query: page,
    });
    return { packages, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Packages.refs`. */
  async refs(query: PackageQuery = {}): Promise<RefPage> {
    const { namespace, name, ...page } = query;
    const isOne = namespace !== undefined && name !== undefined;
    const path = isOne ? `${packagePath(namespace, name)}/refs` : pathOf('/v1/refs', namespace);
    const { refs, next } = await this.#service.json<{ refs: RefRecord[]; next?: string }>({
      method: 'GET',
      path,
      query: page,
    });
    return { refs, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Packages.moveRef`. */
  async moveRef(name: string, to: string, options: RefOptions = {}): Promise<RefRecord> {
    this.#host.requireWritable();
    const ref = requireRefName(name);
    const target = to.includes('/') ? { version: await this.#versionTo(ref, to) } : { object: to };
    const call = {
      method: 'PUT',
      path: refPath(ref),
      headers: { 'content-type': 'application/json', ...conditions(options) },
      body: JSON.stringify({ ...target, ...(options.immutable && { immutable: true }) }),
      // What it found the first time is what the condition forbids the second time.
      isRepeatable: options.ifRef === undefined,
    } as const;
    return this.#service.json<RefRecord>(call).catch(asConflict);
  }

  /** The version that a ref of the same package is to point at. */
  async #versionTo(ref: PackageRef, to: string): Promise<string> {
    const target = requireSamePackage(ref, to);
    return 'version' in target ? target.version : (await this.get(to)).manifest;
  }

  /** As `Packages.removeRef`. */
  async removeRef(name: string, options: Omit<RefOptions, 'immutable'> & { reason?: string } = {}): Promise<RefRecord> {
    this.#host.requireWritable();
    const path = refPath(requireRefName(name));
    const query = { reason: options.reason };
    return this.#service
      .json<RefRecord>({ method: 'DELETE', path, query, headers: conditions(options) })
      .catch(asConflict);
  }

  /** As `Packages.withdraw`. */
  async withdraw(name: string, { reason, plan, force }: WithdrawOptions = {}): Promise<WithdrawnVersion> {
    this.#host.requireWritable();
    const query = { reason, plan, ...(force && { force: '1' }) };
    return this.#service.json({ method: 'DELETE', path: versionPath(name), query });
  }

  /** As `Packages.undelete`. */
  async undelete(name: string, { reason }: { reason?: string } = {}): Promise<RestoredVersion> {
    this.#host.requireWritable();
    return this.#service.json({ method: 'POST', path: `${versionPath(name)}/undeletion`, query: { reason } });
  }

  /** As `Packages.containing`. */
  async *containing(address: ContentAddress): AsyncGenerator<PackageRecord> {
    const call = { method: 'GET', path: '/v1/packages', query: { containing: address }, isPatient: true } as const;
    yield* (await this.#service.json<{ packages: PackageRecord[] }>(call)).packages;
  }

  /** As `Packages.usage`. */
  async *usage(namespace?: string): AsyncGenerator<NamespaceUsage> {
    const call = { method: 'GET', path: pathOf('/v1/usage/namespaces', namespace), isPatient: true } as const;
    yield* (await this.#service.json<{ namespaces: NamespaceUsage[] }>(call)).namespaces;
  }

  /** Reads a manifest and proves it. */
  async #open(name: string): Promise<ReadPackage> {
    if (!name.includes('/')) {
      const object = await this.#host.get(name);
      const { blake3: address, size } = object.record;
      if (size > CBOR_SIZE_MAX) throw tooLarge(address, size);
      return { address, ...decodeManifest(await object.bytes()) };
    }
    const { namespace, name: bare, version, manifest } = await this.get(name);
    const path = `${packagePath(namespace, bare)}/versions/${segment(version)}`;
    const call = { method: 'GET', path: `${path}/manifest`, headers: { accept: 'application/cbor' } } as const;
    const { bytes } = await this.#service.read(call, CBOR_SIZE_MAX);
    if (formatBlake3(digest(bytes).blake3) !== manifest) {
      throw new ArtifactStoreError(
        'AS_ERR_CORRUPT',
        `What was sent as the manifest of ${name} is not ${manifest}. Do not trust who sent it.`,
        { address: manifest },
      );
    }
    return { address: manifest, path, ...decodeManifest(bytes) };
  }

  /**
   * The proven bytes of a file. By its digest where that is allowed; a token of some namespaces may only ask for it by its path in the package, and there it
   * is proven when all of it has come.
   */
  async *#bytes(
    opened: ReadPackage,
    entry: FileEntry,
    range: ByteRange,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const address = formatBlake3(entry.blake3);
    const path = `/v1/objects/${segment(address)}`;
    const wanted: Wanted = { address, sha256: formatSha256(entry.sha256), size: entry.size, range, signal, path };
    let given = false;
    try {
      for await (const chunk of download(this.#service, { ...wanted, outboardPath: `${path}/outboard` })) {
        given = true;
        yield chunk;
      }
    } catch (error) {
      const byPath = filePath(opened, entry);
      if (given || byPath === undefined || !isStoreError(error, 'AS_ERR_FORBIDDEN')) throw error;
      if (range.start !== 0 || range.end !== entry.size) throw error;
      yield* download(this.#service, { ...wanted, path: byPath });
    }
  }

  /** What is known of a file's object; to a token of some namespaces, what the manifest says of it and when it was stored. */
  async #record(opened: ReadPackage, entry: FileEntry): Promise<ObjectRecord> {
    try {
      return await this.#host.stat(formatBlake3(entry.blake3));
    } catch (error) {
      const path = filePath(opened, entry);
      if (path === undefined || !isStoreError(error, 'AS_ERR_FORBIDDEN')) throw error;
      const { headers } = await this.#service.call({ method: 'HEAD', path });
      const { blake3, sha256, size } = entry;
      const digests = { blake3: formatBlake3(blake3), sha256: formatSha256(sha256) };
      return {
        ...digests,
        size,
        state: 'live',
        ingestedAt: Date.parse(headers['last-modified'] ?? ''),
        lastSeq: 0,
        receipts: [],
      };
    }
  }
}

/** A manifest, and the version that it was read by, if it was. */
interface ReadPackage extends OpenedPackage {
  path?: string;
}

function shownPackage({ path: _, ...opened }: ReadPackage): OpenedPackage {
  return opened;
}

/** Where a file is by its path; undefined when it has none that can stand in a URL. */
function filePath({ path }: ReadPackage, entry: FileEntry): string | undefined {
  if (path === undefined || typeof entry.path !== 'string') return undefined;
  return `${path}/files/${entry.path.split('/').map(segment).join('/')}`;
}

function packagePath(namespace: string, name: string): string {
  return pathOf('/v1/packages', namespace, name);
}

function versionPath(name: string): string {
  const { namespace, name: bare, version } = requireVersionName(name);
  return `${packagePath(namespace, bare)}/versions/${segment(version)}`;
}

function refPath({ namespace, name, ref }: PackageRef): string {
  return `${packagePath(namespace, name)}/refs/${segment(ref)}`;
}

function pathOf(base: string, ...parts: (string | undefined)[]): string {
  return [base, ...parts.filter((part) => part !== undefined).map(segment)].join('/');
}

/** `ifRef` as HTTP has it. */
function conditions({ ifRef }: RefOptions): Record<string, string> {
  if (ifRef === undefined) return {};
  return ifRef === null ? { 'if-none-match': '*' } : { 'if-match': `"${parseDigest(ifRef)}"` };
}

/** A ref that is elsewhere is a failed precondition to HTTP; to who moves it a conflict, as in the library. */
function asConflict(error: unknown): never {
  if (!isStoreError(error, 'AS_ERR_HTTP_PRECONDITION')) throw error;
  throw new ArtifactStoreError('AS_ERR_CONFLICT', error.message, error.details, { cause: error });
}

function tooLarge(address: ContentAddress, size: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_MANIFEST',
    `${address} is not the manifest of a package: it has ${size} bytes, and a manifest at most ${CBOR_SIZE_MAX}.`,
    { address, size },
  );
}

/** Nothing, where the service has none, does not know the question, or does not let this client ask it. */
function ifUnknown(error: unknown): { quota?: undefined; taken?: undefined } {
  if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_GONE', 'AS_ERR_FORBIDDEN')) return {};
  throw error;
}
