/**
 * The files of a package, one after the other, for whoever reads all of them: the registry is asked for many at once.
 *
 * Imports the manifest, digest text, limits and the host's type. packages.ts makes one.
 */

import { formatBlake3 } from '../digest-name.js';
import { PUSH_STEP_ENTRIES } from '../limits.js';
import type { FileEntry, ManifestEntry } from '../packages/manifest.js';
import type { PackageHost } from './package-host.js';

export class PackageReader {
  /** Of each step of entries, those that the registry does not know to be what they say. */
  readonly #absent = new Map<number, Promise<ReadonlySet<number>>>();

  /** @param single opens a file by itself, and says what is wrong with one that cannot be read */
  constructor(
    private readonly host: PackageHost,
    private readonly entries: readonly ManifestEntry[],
    private readonly single: (entry: FileEntry) => Promise<AsyncIterable<Uint8Array>>,
    private readonly actor: string,
  ) {}

  /** The bytes of the file at `index`, each verified before it comes. Throws as `Packages.openEntry` and reading do. */
  async *read(index: number): AsyncGenerator<Uint8Array> {
    const entry = this.entries[index] as FileEntry;
    const absent = await this.#absentIn(Math.floor(index / PUSH_STEP_ENTRIES));
    if (absent.has(index)) yield* await this.single(entry);
    else yield* this.host.serve({ blake3: formatBlake3(entry.blake3), size: entry.size }, this.actor);
  }

  /** What was asked for the step before the last is forgotten: an object may have been deleted since. */
  #absentIn(step: number): Promise<ReadonlySet<number>> {
    let absent = this.#absent.get(step);
    if (absent === undefined) {
      absent = this.#ask(step * PUSH_STEP_ENTRIES);
      absent.catch(() => undefined);
      this.#absent.set(step, absent);
      this.#absent.delete(step - 2);
    }
    return absent;
  }

  async #ask(first: number): Promise<ReadonlySet<number>> {
    const indexes: number[] = [];
    const files: FileEntry[] = [];
    for (const [offset, entry] of this.entries.slice(first, first + PUSH_STEP_ENTRIES).entries()) {
      if (entry.kind !== 'file') continue;
      indexes.push(first + offset);
      files.push(entry);
    }
    const absent = await this.host.registry.absent(files);
    return new Set(absent.map((at) => indexes[at] as number));
  }
}
