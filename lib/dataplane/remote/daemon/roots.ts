/**
 * Folders whose files the daemon reads itself when a client names them. Whether a path lies in one is decided by the kernel while it opens the file, beneath
 * the folder (openat2): `..`, links, and links that are put there at that moment lead to a refusal.
 *
 * Imports the addon, the file system, errors and limits. Called by the operations.
 */

import { closeSync, realpathSync, statSync } from 'node:fs';
import { ArtifactStoreError } from '../../../errors.js';
import { REMOTE_FILES_OPEN, REMOTE_FILES_TOGETHER } from '../../../limits.js';
import { Op } from '../../../native/addon.js';
import { loadAddon } from '../../../native/load.js';
import { joinPaths } from '../../file-list.js';
import { Permits } from '../../inproc/permits.js';
import { below } from '../paths.js';

/** A folder, under the names by which clients may know it. */
interface Root {
  names: Uint8Array[];
  path: Uint8Array;
}

/** Files that were opened, as paths that lead to them and to nothing else, by their places; others were refused. */
export type OpenedFiles = ReadonlyMap<number, string>;

export class Roots {
  readonly #roots: Root[];
  readonly #permits = new Permits(REMOTE_FILES_OPEN / REMOTE_FILES_TOGETHER);

  /** @throws AS_ERR_INVALID_ARGUMENT: one is no folder */
  constructor(folders: readonly string[]) {
    this.#roots = folders.map((folder) => {
      const path = realOf(folder);
      return { names: [...new Set([folder, path])].map((name) => Buffer.from(name)), path: Buffer.from(path) };
    });
  }

  /** What clients are told. */
  get names(): Uint8Array[] {
    return this.#roots.flatMap(({ names }) => names);
  }

  /**
   * Opens files, has them used, and closes them. Waits while others have many open.
   *
   * @param paths up to REMOTE_FILES_TOGETHER, raw bytes
   */
  using<T>(paths: readonly Uint8Array[], use: (opened: OpenedFiles) => Promise<T>): Promise<T> {
    return this.#permits.run(async () => {
      const descriptors = await this.#open(paths);
      try {
        return await use(new Map([...descriptors].map(([place, fd]) => [place, `/proc/self/fd/${fd}`])));
      } finally {
        for (const fd of descriptors.values()) closeSync(fd); // waits for nothing: they stand for files, and nothing was read by them
      }
    });
  }

  async #open(paths: readonly Uint8Array[]): Promise<Map<number, number>> {
    const opened = new Map<number, number>();
    for (const { path, names } of this.#roots) {
      const places: number[] = [];
      const relative: Uint8Array[] = [];
      for (const [place, given] of paths.entries()) {
        const rest = opened.has(place)
          ? undefined
          : names.map((name) => below(name, given)).find((one) => one !== undefined);
        if (rest === undefined) continue;
        places.push(place);
        relative.push(rest);
      }
      const { paths: joined, ends } = joinPaths(relative);
      const found = relative.length === 0 ? [] : await openBeneath(path, joined, ends);
      for (const [n, fd] of found.entries()) if (fd >= 0) opened.set(places[n] as number, fd);
    }
    return opened;
  }
}

/** The error of a path that was refused: who named it sends the bytes. */
export function refusedPath(path: Uint8Array): ArtifactStoreError {
  const name = Buffer.from(path).toString();
  return new ArtifactStoreError('AS_ERR_FORBIDDEN', `The data plane does not read ${name} itself. Send its bytes.`, {
    path: name,
  });
}

/** An error about the path that was opened, as one about the path that was named. */
export function namedError(error: Error, opened: string, path: Uint8Array): Error {
  if (!(error instanceof ArtifactStoreError) || error.details.path !== opened) return error;
  const name = Buffer.from(path).toString();
  return new ArtifactStoreError(error.code, error.message.replaceAll(opened, name), { ...error.details, path: name });
}

function openBeneath(folder: Uint8Array, paths: Uint8Array, ends: Uint32Array): Promise<number[]> {
  return new Promise((resolve) =>
    loadAddon().start([Op.openBeneath, folder, paths, ends], (outcome) =>
      resolve(Array.isArray(outcome) ? (outcome as number[]) : []),
    ),
  );
}

function realOf(folder: string): string {
  try {
    const path = realpathSync(folder);
    if (statSync(path).isDirectory()) return path;
  } catch {
    // said below
  }
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${folder}, given as --allow-root, is not a folder. Name one that exists.`,
    { folder },
  );
}
