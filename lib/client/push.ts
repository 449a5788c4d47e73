/**
 * A directory on its way to the service: digested here, and only what the service lacks is sent.
 *
 * Imports directory trees, manifests, digests, errors, limits and this folder. Called by `packages.ts`.
 */

import { resolve } from 'node:path';
import type { ContentAddress } from '../dataplane/spi.js';
import { createDigester, type Digests, digestMany } from '../digest.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import { isStoreError } from '../errors.js';
import { CLIENT_IN_FLIGHT_MAX, CLIENT_PUSH_HELD_SIZE, CLIENT_WHOLE_SIZE_MAX } from '../limits.js';
import { encodeManifest, type ManifestEntry } from '../packages/manifest.js';
import { type FoundFile, readTree } from '../packages/tree.js';
import type { PushProgress } from '../store/push.js';
import { aborted } from '../store/source.js';
import type { Stored } from '../store/verbs.js';
import { inParallel } from './parallel.js';
import { put, putWhole } from './put.js';
import type { Service } from './service.js';
import { changed, fileSource } from './sources.js';
import { gather } from './upload.js';

/** No directory on this machine is the store. */
export const NOWHERE = { dev: -1n, ino: -1n };

export interface TreeOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PushProgress) => void) | undefined;
}

/** A file that has been digested. One that is small is held. */
interface DigestedFile {
  found: FoundFile;
  digests: Digests;
  size: number;
  bytes?: Uint8Array;
}

/** A small file that has been read and not digested yet. */
interface HeldFile {
  found: FoundFile;
  bytes: Uint8Array;
}

/** A directory that the service has every object of, but for its manifest. */
export interface SentTree {
  /** Canonical bytes of the manifest. */
  manifest: Uint8Array;
  /** Objects that the service did not have. */
  stored: number;
}

/** One directory on its way. */
export class TreeSending {
  readonly #entries: ManifestEntry[] = [];
  readonly #progress: PushProgress = { files: 0, size: 0 };
  /** Objects that the service has, as far as this call knows. */
  readonly #there = new Set<ContentAddress>();
  #stored = 0;

  constructor(
    private readonly service: Service,
    private readonly missing: (digests: ContentAddress[]) => Promise<ContentAddress[]>,
    private readonly options: TreeOptions,
  ) {}

  /**
   * Sends everything below a directory, or the file, that the service lacks.
   *
   * @throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_SOURCE_CHANGED: the directory, or something in it; AS_ERR_LIMIT, AS_ERR_ABORTED, and what putting throws
   */
  async send(source: string): Promise<SentTree> {
    for (const step of readTree(resolve(source), NOWHERE)) {
      const files = step.filter((entry) => entry.kind === 'file');
      for (const entry of step) if (entry.kind !== 'file') this.#entries.push(entry);
      for (const group of groupsOf(files)) await this.#sendGroup(group);
    }
    return { manifest: encodeManifest({ entries: this.#entries }), stored: this.#stored };
  }

  async #sendGroup(files: readonly FoundFile[]): Promise<void> {
    if (this.options.signal?.aborted) throw aborted();
    const digested = await digestFiles(files, this.options.signal);
    const unknown = new Map<ContentAddress, DigestedFile>();
    for (const file of digested) {
      const address = formatBlake3(file.digests.blake3);
      if (!this.#there.has(address)) unknown.set(address, file);
    }
    const lacking = new Set(await this.missing([...unknown.keys()]));
    const wanted = [...unknown].filter(([address]) => lacking.has(address)).map(([, file]) => file);
    for await (const { existed } of inParallel(wanted, CLIENT_IN_FLIGHT_MAX, (file) => this.#sendFile(file))) {
      if (!existed) this.#stored++;
    }
    for (const address of unknown.keys()) this.#there.add(address);
    for (const { found, digests, size } of digested) {
      const { path, executable } = found;
      this.#entries.push({ kind: 'file', path, ...digests, size, ...(executable && { executable }) });
      this.#progress.files++;
      this.#progress.size += size;
    }
    this.options.onProgress?.({ ...this.#progress });
  }

  async #sendFile({ found, digests, size, bytes }: DigestedFile): Promise<Stored> {
    const { signal } = this.options;
    if (bytes !== undefined) return putWhole(this.service, bytes, digests, {}, signal);
    const expect = [formatBlake3(digests.blake3), formatSha256(digests.sha256)];
    try {
      return await put(this.service, { path: found.file }, { expect, size, ...(signal && { signal }) });
    } catch (error) {
      // It was read twice, and was another file the second time.
      if (isStoreError(error, 'AS_ERR_DIGEST_MISMATCH', 'AS_ERR_SIZE_MISMATCH')) throw changed(nameOf(found));
      throw error;
    }
  }
}

/** Files that together are small enough to be held; a large one, which is not held, in a group of its own. */
function* groupsOf(files: readonly FoundFile[]): Generator<FoundFile[]> {
  let group: FoundFile[] = [];
  let size = 0;
  for (const file of files) {
    const held = file.stamp.size > CLIENT_WHOLE_SIZE_MAX ? 0 : file.stamp.size;
    if (size + held > CLIENT_PUSH_HELD_SIZE) {
      yield group;
      group = [];
      size = 0;
    }
    group.push(file);
    size += held;
  }
  if (group.length > 0) yield group;
}

/** Small files are read and digested side by side; larger ones are read through. */
async function digestFiles(files: readonly FoundFile[], signal: AbortSignal | undefined): Promise<DigestedFile[]> {
  const read = (found: FoundFile): Promise<DigestedFile | HeldFile> =>
    found.stamp.size <= CLIENT_WHOLE_SIZE_MAX ? readSmall(found) : digestLarge(found, signal);
  const results: (DigestedFile | HeldFile)[] = [];
  for await (const result of inParallel(files, CLIENT_IN_FLIGHT_MAX, read)) results.push(result);
  const small = results.filter((result) => !('digests' in result)).map(({ bytes }) => bytes as Uint8Array);
  const digests = digestMany(small).values();
  return results.map((result) => {
    if ('digests' in result) return result;
    const { found, bytes } = result;
    return { found, bytes, size: bytes.byteLength, digests: digests.next().value as Digests };
  });
}

async function readSmall(found: FoundFile): Promise<HeldFile> {
  const source = await fileSource(found.file);
  try {
    const bytes = await gather(source.from(0)[Symbol.asyncIterator](), source.size);
    await source.requireUnchanged();
    return { found, bytes };
  } finally {
    await source.close();
  }
}

async function digestLarge(found: FoundFile, signal: AbortSignal | undefined): Promise<DigestedFile> {
  const source = await fileSource(found.file);
  try {
    const digester = createDigester();
    for await (const chunk of source.from(0)) {
      if (signal?.aborted) throw aborted();
      digester.update(chunk);
    }
    await source.requireUnchanged();
    return { found, digests: digester.digest(), size: source.size };
  } finally {
    await source.close();
  }
}

function nameOf({ file }: FoundFile): string {
  return typeof file === 'string' ? file : Buffer.from(file).toString();
}
