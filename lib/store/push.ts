/**
 * Taking a directory in, or one file: files become objects, and what they are becomes the manifest, an object too.
 *
 * A file that has not changed since it was last pushed is not read again, as long as the registry knows its object to be there
 * (docs/adr/0010). Any other is, and only what the registry does not know is recorded. Imports the tree, the manifest, the cache, file sources
 * and event kinds. packages.ts calls it.
 */

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileSource } from '../dataplane/file-source.js';
import type { ContentAddress, IngestResult } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { objectIngested } from '../events/kinds.js';
import { MISSING_SHOWN_MAX, PUSH_STEPS_MAX } from '../limits.js';
import { encodeManifest, type Manifest, type ManifestEntry, manifestSize } from '../packages/manifest.js';
import { type Found, type FoundFile, readTree } from '../packages/tree.js';
import type { ObjectKey } from '../registry/packages.js';
import type { IngestTicket } from './address-guard.js';
import { pushAborted } from './package-errors.js';
import type { PackageHost } from './package-host.js';
import type { PackageRoom } from './package-room.js';
import { PushCache } from './push-cache.js';
import { toByteSource } from './source.js';

/** How far a push has come. */
export interface PushProgress {
  /** Files and bytes taken in. */
  files: number;
  size: number;
}

export interface TakeOptions {
  actor: string;
  signal?: AbortSignal;
  onProgress?: (progress: PushProgress) => void;
  /** Read every file, whatever its times say. Default false. */
  reread?: boolean;
  /** Room in the quotas of who stores, and of the namespace. */
  room: PackageRoom;
}

/** A directory that has been taken in: every object of it is durable and, unless it has `record`, recorded. */
export interface TakenTree {
  /** Content address of the manifest. */
  manifest: ContentAddress;
  entries: number;
  /** Bytes of all its files. */
  size: number;
  /** Every object of it, the manifest too, each once. */
  addresses: ContentAddress[];
  /** Objects that the store did not have before. */
  stored: number;
  /** Writes the events of its objects, where that was left for when it is certain to be published. */
  record?: () => Promise<void>;
}

/** One directory on its way in. */
export class TreeIntake {
  readonly #host: PackageHost;
  readonly #ticket: IngestTicket;
  readonly #options: TakeOptions;
  readonly #entries: ManifestEntry[] = [];
  readonly #addresses = new Set<ContentAddress>();
  readonly #progress: PushProgress = { files: 0, size: 0 };
  /** Files that are being read. */
  readonly #reading = new Set<Promise<IngestResult>>();
  readonly #stored = new Set<ContentAddress>();
  #storedSize = 0;

  /** @param ticket taken from the guard before the first byte is read */
  constructor(host: PackageHost, ticket: IngestTicket, options: TakeOptions) {
    this.#host = host;
    this.#ticket = ticket;
    this.#options = options;
    host.guard.claim(ticket, this.#addresses);
  }

  /** Bytes of objects that the store did not have before, as far as they are recorded. */
  get storedSize(): number {
    return this.#storedSize;
  }

  /**
   * Takes in everything below a directory, or a file, then the manifest.
   *
   * @returns undefined when an object of it was deleted meanwhile: begin again, with a new ticket
   * @throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_SOURCE_CHANGED: the directory, or something in it
   * @throws AS_ERR_LIMIT, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED
   */
  async take(source: string): Promise<TakenTree | undefined> {
    const cache = await PushCache.open(this.#host.path);
    const kept = await this.#takeFiles(resolve(source), cache);
    const manifest: Manifest = { entries: this.#entries };
    const bytes = encodeManifest(manifest);
    if (!kept) return undefined;
    await this.#options.room.complete(bytes.byteLength, manifestSize(manifest));
    const result = await this.#host.dataPlane.ingestStream(toByteSource(bytes, {}), {});
    if (!(await this.#record([result]))) return undefined;
    await cache.save();
    return {
      manifest: formatBlake3(result.blake3),
      entries: this.#entries.length,
      size: manifestSize(manifest),
      addresses: [...this.#addresses],
      stored: this.#stored.size,
    };
  }

  /**
   * Takes in the manifest of a directory whose files are all here.
   *
   * @param bytes canonical bytes of `manifest`
   * @returns undefined when an object of it was deleted meanwhile: begin again, with a new ticket
   * @throws AS_ERR_MANIFEST: files of it are not here; `details.missing` has the first of them, `details.count` how many
   * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_CLOSED
   */
  async takeManifest(manifest: Manifest, bytes: Uint8Array): Promise<TakenTree | undefined> {
    const files = manifest.entries.filter((entry) => entry.kind === 'file');
    requireThere(files, await this.#host.registry.absent(files));
    for (const { blake3 } of files) this.#addresses.add(formatBlake3(blake3));
    await this.#options.room.settle(files, 0);
    await this.#options.room.complete(bytes.byteLength, manifestSize(manifest));
    const result = await this.#host.dataPlane.ingestStream(toByteSource(bytes, {}), {});
    if (!(await this.#record([result]))) return undefined;
    return {
      manifest: formatBlake3(result.blake3),
      entries: manifest.entries.length,
      size: manifestSize(manifest),
      addresses: [...this.#addresses],
      stored: this.#stored.size,
    };
  }

  /** Some steps at once: while one is read and stored, the next is looked for. */
  async #takeFiles(root: string, cache: PushCache): Promise<boolean> {
    const avoid = await stat(this.#host.path, { bigint: true });
    const steps: Promise<boolean>[] = [];
    let kept = true;
    try {
      for (const found of readTree(root, avoid)) {
        if (steps.length === PUSH_STEPS_MAX) kept = (await steps.shift()) === true && kept;
        const step = this.#takeStep(found, cache);
        step.catch(() => undefined); // reported where it is awaited
        steps.push(step);
      }
      for (const step of steps) kept = (await step) && kept;
      return kept;
    } finally {
      await Promise.allSettled(steps);
    }
  }

  async #takeStep(found: readonly Found[], cache: PushCache): Promise<boolean> {
    if (this.#options.signal?.aborted) throw pushAborted();
    const seen = Date.now();
    const files = found.filter((entry) => entry.kind === 'file');
    const objects = await this.#unchanged(files, cache);
    await this.#options.room.settle(
      objects.filter((object) => object !== undefined),
      0,
    );
    const results: IngestResult[] = [];
    const ingest = async (file: FoundFile, index: number) => {
      if (objects[index] !== undefined) return;
      const result = await this.#ingest(file);
      results.push(result);
      objects[index] = result;
      cache.add(file.stamp, result, seen);
    };
    await Promise.all(files.map(ingest));
    for (const entry of found) if (entry.kind !== 'file') this.#entries.push(entry);
    for (const [index, { path, executable }] of files.entries()) {
      const { blake3, sha256, size } = objects[index] as ObjectKey;
      this.#entries.push({ kind: 'file', path, blake3, sha256, size, ...(executable && { executable }) });
      this.#progress.files++;
      this.#progress.size += size;
    }
    this.#options.onProgress?.({ ...this.#progress });
    return this.#record(results);
  }

  /** For each file what it holds, if it has not changed and its object is live; undefined for one that has to be read. */
  async #unchanged(files: readonly FoundFile[], cache: PushCache): Promise<(ObjectKey | undefined)[]> {
    if (this.#options.reread) return files.map(() => undefined);
    const known = files.map(({ stamp }) => cache.find(stamp));
    const objects = known.filter((object) => object !== undefined);
    const absent = new Set((await this.#host.registry.absent(objects)).map((index) => objects[index]));
    // Whoever deletes one from here on is noticed when the package is published: the ticket is older.
    for (const object of objects) if (!absent.has(object)) this.#addresses.add(formatBlake3(object.blake3));
    return known.map((object) => (absent.has(object) ? undefined : object));
  }

  async #ingest({ file, stamp }: FoundFile): Promise<IngestResult> {
    const { signal, room } = this.#options;
    await room.reserve(stamp.size, () => this.#someRead());
    const ingest = async () => {
      const result = await this.#host.dataPlane.ingestStream(fileSource(file, signal && { signal }), {});
      await room.settle([result], stamp.size);
      return result;
    };
    const reading = ingest();
    this.#reading.add(reading);
    return reading.finally(() => this.#reading.delete(reading));
  }

  /** Waits for the files that are being read; false when there are none. */
  async #someRead(): Promise<boolean> {
    const reading = [...this.#reading];
    await Promise.allSettled(reading);
    return reading.length > 0;
  }

  /**
   * Writes the events of those that the registry does not know to be there.
   *
   * @returns false when one of them was deleted since the ticket was taken
   */
  async #record(results: readonly IngestResult[]): Promise<boolean> {
    const { guard, registry, log } = this.#host;
    const distinct = new Map<ContentAddress, IngestResult>();
    for (const result of results) {
      const address = formatBlake3(result.blake3);
      // Of two files with the same bytes one was stored and one found there: the first says what happened.
      if (!result.existed || !distinct.has(address)) distinct.set(address, result);
    }
    const addresses = [...distinct.keys()];
    return guard.lockedAll(
      async () => {
        if (addresses.some((address) => guard.deletedSince(this.#ticket, address))) return false;
        const objects = [...distinct.values()];
        const unrecorded = new Set(await registry.unrecorded(objects));
        // Live in the registry and yet not there, or damaged, or in the cold tier alone: the event says that it is again.
        const fresh = objects.filter(({ existed, healed }, index) => !existed || healed || unrecorded.has(index));
        await log.append(fresh.map((result) => objectIngested(this.#options.actor, result)));
        for (const { blake3, size, existed } of fresh) {
          this.#stored.add(formatBlake3(blake3));
          if (!existed) this.#storedSize += size;
        }
        for (const address of addresses) this.#addresses.add(address);
        return true;
      },
      () => new Set(addresses),
    );
  }
}

function requireThere(files: readonly ObjectKey[], absent: readonly number[]): void {
  if (absent.length === 0) return;
  const missing = [...new Set(absent.map((index) => formatBlake3((files[index] as ObjectKey).blake3)))];
  const some = missing.slice(0, MISSING_SHOWN_MAX);
  throw new ArtifactStoreError(
    'AS_ERR_MANIFEST',
    `The manifest names ${missing.length} objects that are not here with these digests and sizes: ${some[0]}${missing.length > 1 ? ' and others' : ''}. Store them first.`,
    { reason: 'objects are missing', missing: some, count: missing.length },
  );
}
