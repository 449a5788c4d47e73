/**
 * Taking in a package whose files come one after the other, as out of an archive: small ones are stored many at a time, larger ones as they come.
 *
 * Nothing of it is recorded before it has all come and is certain to be published; what fails before that is removed again. Imports the manifest, paths,
 * the log's and the contract's types, errors and limits. packages.ts calls it. Why: docs/adr/0021.
 */

import type { ContentAddress, IngestResult, IngestTable } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { objectIngested } from '../events/kinds.js';
import {
  ARCHIVE_FILE_HELD_MAX,
  ARCHIVE_PART_FILES,
  ARCHIVE_PART_SIZE,
  ARCHIVE_PARTS_IN_FLIGHT,
  DIGEST_SIZE,
  MANIFEST_ENTRIES_MAX,
} from '../limits.js';
import {
  type DirectoryEntry,
  encodeManifest,
  type FileEntry,
  type ManifestEntry,
  manifestSize,
  type SymlinkEntry,
} from '../packages/manifest.js';
import { type PackagePath, pathKey, showPackagePath } from '../packages/path.js';
import type { IngestTicket } from './address-guard.js';
import type { ByteBudget } from './byte-budget.js';
import { pushAborted } from './package-errors.js';
import type { PackageHost } from './package-host.js';
import type { PackageRoom } from './package-room.js';
import type { PushProgress, TakenTree } from './push.js';
import { toByteSource } from './source.js';

/** A file on its way in. */
export interface FileSourceEntry {
  kind: 'file';
  path: PackagePath;
  /** Its owner may execute it. */
  executable?: boolean;
  /** Bytes. */
  size: number;
  /** Read to its end before the next entry is asked for. Small files are best given whole: they are stored together. */
  content: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A file with the content of one that came before. */
export interface CopyEntry {
  kind: 'copy';
  path: PackagePath;
  executable?: boolean;
  /** Path of that file. */
  of: PackagePath;
}

/** What a package is made of, in any order. Directories may be named whether they are empty or not. */
export type PackageSource = FileSourceEntry | CopyEntry | SymlinkEntry | DirectoryEntry;

export interface IntakeOptions {
  actor: string;
  /** Memory for files that wait to be stored, shared with other intakes. */
  budget: ByteBudget;
  /** Room in the quotas of who stores, and of the namespace. */
  room: PackageRoom;
  signal?: AbortSignal;
  onProgress?: (progress: PushProgress) => void;
}

/** A file whose digests come later. */
type OpenEntry = Omit<FileEntry, 'blake3' | 'sha256'> & Partial<Pick<FileEntry, 'blake3' | 'sha256'>>;

/** An object that was stored, or found there. */
interface Taken {
  readonly address: ContentAddress;
  readonly blake3: Uint8Array;
  readonly sha256: Uint8Array;
  readonly size: number;
  /** Nobody had stored it before. */
  readonly isNew: boolean;
  /** There is more now than before: it is new, or a damaged copy has been replaced. */
  readonly isChange: boolean;
}

/** Objects that were stored together, and how the events of some of them, by their places, are written. */
interface Unit {
  readonly taken: readonly Taken[];
  readonly append: (rows: readonly number[]) => Promise<unknown>;
}

/** Files that are stored together. */
class Part {
  readonly bytes: Uint8Array[] = [];
  readonly entries: OpenEntry[] = [];
  size = 0;

  add(bytes: Uint8Array, entry: OpenEntry): void {
    this.bytes.push(bytes);
    this.entries.push(entry);
    this.size += bytes.byteLength;
  }

  get isFull(): boolean {
    return this.bytes.length >= ARCHIVE_PART_FILES || this.size >= ARCHIVE_PART_SIZE;
  }
}

export class EntryIntake {
  readonly #files: OpenEntry[] = [];
  readonly #copies: CopyEntry[] = [];
  readonly #links: SymlinkEntry[] = [];
  readonly #directories: DirectoryEntry[] = [];
  /** What was stored together, in the order in which it was. */
  readonly #units: Unit[] = [];
  readonly #addresses = new Set<ContentAddress>();
  readonly #progress: PushProgress = { files: 0, size: 0 };
  #part = new Part();
  /** Parts on their way down. */
  readonly #going = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  /** @param ticket of the guard; whoever makes this publishes with it */
  constructor(
    private readonly host: PackageHost,
    ticket: IngestTicket,
    private readonly options: IntakeOptions,
  ) {
    host.guard.claim(ticket, this.#addresses);
  }

  /**
   * Takes in everything. When it resolves, all bytes are durable and nothing of them is recorded: `record` of what it gives does that.
   *
   * @throws AS_ERR_MANIFEST: a path that no package can have, or two of them that cannot be together; AS_ERR_ARCHIVE: a copy of what is no file
   * @throws AS_ERR_SIZE_MISMATCH: a file has another size than was said
   * @throws AS_ERR_LIMIT, AS_ERR_QUOTA, AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, AS_ERR_ABORTED, AS_ERR_CLOSED, and what the entries throw
   */
  async take(sources: AsyncIterable<PackageSource>): Promise<TakenTree> {
    try {
      for await (const source of sources) {
        if (this.options.signal?.aborted) throw pushAborted();
        await this.#take(source);
        if (this.#failure) break;
      }
      this.#send();
    } finally {
      await Promise.all(this.#going);
      this.options.budget.release(this.#part.size);
    }
    if (this.#failure) throw this.#failure.error;
    return this.#finish();
  }

  /** Removes what was stored and never recorded. */
  async discard(): Promise<void> {
    await this.host.discard(this.#fresh().map(({ address }) => address));
  }

  /** Bytes of objects that the store did not have before. */
  get storedSize(): number {
    return sizeOf(this.#fresh());
  }

  async #take(source: PackageSource): Promise<void> {
    this.#requireRoom();
    if (source.kind === 'copy') this.#copies.push(source);
    else if (source.kind === 'symlink') this.#links.push(source);
    else if (source.kind === 'directory') this.#directories.push(source);
    else await this.#takeFile(source);
  }

  async #takeFile({ path, executable, size, content }: FileSourceEntry): Promise<void> {
    const { room, signal, onProgress } = this.options;
    const entry: OpenEntry = { kind: 'file', path, size, ...(executable && { executable }) };
    this.#files.push(entry);
    await room.reserve(size, () => this.#someStored());
    if (content instanceof Uint8Array && content.byteLength !== size) throw otherSize(path, size, content.byteLength);
    if (content instanceof Uint8Array && size <= ARCHIVE_FILE_HELD_MAX) await this.#gather(content, entry);
    else {
      const source = toByteSource(content, { ...(signal && { signal }) });
      const result = await this.host.dataPlane.ingestStream(source, { size });
      const taken = this.#note(result);
      await room.settle([taken], size);
      Object.assign(entry, digestsOf(taken));
    }
    this.#progress.files++;
    this.#progress.size += size;
    onProgress?.({ ...this.#progress });
  }

  /** Sends down what has been gathered, and waits for what is on its way; false when there is nothing. */
  async #someStored(): Promise<boolean> {
    this.#send();
    const going = [...this.#going];
    await Promise.all(going);
    return going.length > 0;
  }

  /** Whoever waits for memory holds none, so that those who have some get on with it and give it back. */
  async #gather(bytes: Uint8Array, entry: OpenEntry): Promise<void> {
    const { budget } = this.options;
    if (!budget.tryTake(bytes.byteLength)) {
      this.#send();
      await Promise.all(this.#going);
      await budget.take(bytes.byteLength);
    }
    this.#part.add(bytes, entry);
    if (!this.#part.isFull) return;
    if (this.#going.size >= ARCHIVE_PARTS_IN_FLIGHT) await Promise.race(this.#going);
    this.#send();
  }

  /** Sends the files down that have been gathered. */
  #send(): void {
    const part = this.#part;
    if (part.bytes.length === 0) return;
    this.#part = new Part();
    const going = this.#store(part).finally(() => {
      this.options.budget.release(part.size);
      this.#going.delete(going);
    });
    this.#going.add(going);
  }

  async #store({ bytes, entries }: Part): Promise<void> {
    try {
      const table = await this.host.dataPlane.ingestMany(bytes.map((one) => toByteSource(one, {})));
      const taken = takenOf(table);
      const { log } = this.host;
      const { actor } = this.options;
      this.#keep({
        taken,
        append: (rows) => log.appendIngests({ actor, table, indexes: Uint32Array.from(rows) }),
      });
      for (const [, error] of table.errors) throw error;
      await this.options.room.settle(taken, sizeOf(taken));
      for (const [row, entry] of entries.entries()) Object.assign(entry, digestsOf(taken[row] as Taken));
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  /** Keeps what became of one object that was stored by itself. */
  #note(result: IngestResult): Taken {
    const { blake3, sha256, size, existed, healed } = result;
    const address = formatBlake3(blake3);
    const taken = { address, blake3, sha256, size, isNew: !existed, isChange: !existed || healed };
    const append = () => this.host.log.append([objectIngested(this.options.actor, result, address)]);
    this.#keep({ taken: [taken], append });
    return taken;
  }

  #keep(unit: Unit): void {
    this.#units.push(unit);
    for (const { address } of unit.taken) this.#addresses.add(address);
  }

  async #finish(): Promise<TakenTree> {
    const entries = this.#entries();
    const bytes = encodeManifest({ entries });
    await this.options.room.complete(bytes.byteLength, manifestSize({ entries }));
    const result = await this.host.dataPlane.ingestStream(toByteSource(bytes, {}), {});
    const { address: manifest } = this.#note(result);
    return {
      manifest,
      entries: entries.length,
      size: manifestSize({ entries }),
      addresses: [...this.#addresses],
      stored: this.#fresh().length,
      record: () => this.#record(),
    };
  }

  /** Entries as a manifest has them: copies have the digests of what they are copies of, and directories in which something is are left out. */
  #entries(): ManifestEntry[] {
    const files = this.#files as FileEntry[];
    const byPath = new Map(this.#copies.length === 0 ? [] : files.map((file) => [pathKey(file.path), file]));
    const copies: FileEntry[] = [];
    for (const { path, of, executable } of this.#copies) {
      const file = byPath.get(pathKey(of));
      if (file === undefined) throw noSuchFile(path, of);
      const { blake3, sha256, size } = file;
      const copy: FileEntry = { kind: 'file', path, blake3, sha256, size, ...(executable && { executable }) };
      byPath.set(pathKey(path), copy);
      copies.push(copy);
    }
    const others = [...files, ...copies, ...this.#links];
    return [...others, ...emptyOf(this.#directories, others)];
  }

  /** Writes the events of what the registry does not know to be there. Nobody deletes meanwhile: who publishes sees to that. */
  async #record(): Promise<void> {
    const seen = new Set<ContentAddress>();
    const isFirst = ({ address }: Taken) => seen.size < seen.add(address).size;
    // Of two files with the same bytes one was stored and one found there: the first says what happened.
    const changes = this.#units.map(({ taken }) => taken.map((one) => one.isChange && isFirst(one)));
    for (const [n, { taken, append }] of this.#units.entries()) {
      const marks = changes[n] as boolean[];
      const found = [...taken.keys()].filter((row) => !marks[row] && isFirst(taken[row] as Taken));
      for (const index of await this.host.registry.unrecorded(found.map((row) => taken[row] as Taken))) {
        marks[found[index] as number] = true;
      }
      const rows = [...marks.keys()].filter((row) => marks[row]);
      if (rows.length > 0) await append(rows);
    }
  }

  /** What this intake itself has stored. */
  #fresh(): Taken[] {
    return this.#units.flatMap(({ taken }) => taken.filter(({ isNew }) => isNew));
  }

  #requireRoom(): void {
    const count = this.#files.length + this.#copies.length + this.#links.length + this.#directories.length;
    if (count < MANIFEST_ENTRIES_MAX) return;
    throw new ArtifactStoreError(
      'AS_ERR_LIMIT',
      `A package has at most ${MANIFEST_ENTRIES_MAX} entries, and more came. Divide it, or pack parts of it into archives.`,
      { entriesMax: MANIFEST_ENTRIES_MAX },
    );
  }
}

/** The rows of a table without those that failed, and without what only the log needs of them. */
function takenOf(table: IngestTable): Taken[] {
  const taken: Taken[] = [];
  for (let row = 0; row < table.length; row++) {
    if (table.errors.has(row)) continue;
    const blake3 = table.blake3(row);
    const sha256 = table.digests.subarray(2 * DIGEST_SIZE * row + DIGEST_SIZE, 2 * DIGEST_SIZE * (row + 1));
    const isNew = table.existed[row] === 0;
    const isChange = isNew || table.healed[row] === 1;
    taken.push({ address: formatBlake3(blake3), blake3, sha256, size: table.sizes[row] as number, isNew, isChange });
  }
  return taken;
}

function sizeOf(taken: readonly Taken[]): number {
  return taken.reduce((sum, { size }) => sum + size, 0);
}

function digestsOf({ blake3, sha256 }: Taken): Pick<FileEntry, 'blake3' | 'sha256'> {
  return { blake3, sha256 };
}

/** Those of the directories that nothing lies in, each once. */
function emptyOf(directories: readonly DirectoryEntry[], others: readonly ManifestEntry[]): DirectoryEntry[] {
  const used = new Set<string>();
  for (const { path } of [...others, ...directories]) {
    const key = pathKey(path);
    for (let at = key.lastIndexOf('/'); at > 0; at = key.lastIndexOf('/', at - 1)) {
      const above = key.slice(0, at);
      if (used.has(above)) break;
      used.add(above);
    }
  }
  const empty = new Map(directories.map((directory) => [pathKey(directory.path), directory]));
  return [...empty].flatMap(([key, directory]) => (used.has(key) ? [] : [directory]));
}

function noSuchFile(path: PackagePath, of: PackagePath): ArtifactStoreError {
  const [shown, wanted] = [showPackagePath(path), showPackagePath(of)];
  return new ArtifactStoreError(
    'AS_ERR_ARCHIVE',
    `"${shown}" is to be the same as "${wanted}", which is no file of the package.`,
    { path: shown, of: wanted },
  );
}

function otherSize(path: PackagePath, expected: number, size: number): ArtifactStoreError {
  const shown = showPackagePath(path);
  const message = `"${shown}" was announced with ${expected} bytes and has ${size}; nothing was published.`;
  return new ArtifactStoreError('AS_ERR_SIZE_MISMATCH', message, { path: shown, expected, size });
}
