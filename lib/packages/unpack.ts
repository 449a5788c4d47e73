/**
 * A package as a directory: everything in it, at its place, whole or not at all.
 *
 * Imports the file system, errors, limits, the manifest and paths. Called by the facade's pull, with a manifest that `decodeManifest` has
 * checked, so that no path leads out of the directory or through a link of the package.
 *
 * It is written beside its place under another name, then renamed. Links are made last: while files are written there is none that they
 * could be written through. Files are made anew, never opened where something is.
 */

import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArtifactStoreError } from '../errors.js';
import { PULL_FILES_MAX } from '../limits.js';
import type { FileEntry, Manifest } from './manifest.js';
import { type PackagePath, pathKey, pathOfKey, showPackagePath } from './path.js';

/** How a directory is to be written. */
export interface Unpacking {
  /** Replace what is at the place. */
  overwrite: boolean;
  /** Gives the verified bytes of a file. */
  read: (file: FileEntry) => AsyncIterable<Uint8Array>;
  signal?: AbortSignal;
}

/**
 * Writes a package to the directory `target`. What fails leaves `target` as it was.
 *
 * @param target absolute path; nothing may be there, or an empty directory, unless `overwrite`
 * @throws AS_ERR_INVALID_ARGUMENT: something is there
 * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO, and what `read` throws
 */
export async function unpack(
  manifest: Manifest,
  target: string,
  { overwrite, read, signal }: Unpacking,
): Promise<void> {
  const isFree = await onDisk(target, () => isFreePlace(target));
  if (!isFree && !overwrite) throw occupied(target);
  const beside = (what: string) =>
    join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.${what}`);
  const temporary = beside('part');
  await onDisk(target, () => mkdir(temporary));
  try {
    await writeEntries(manifest, temporary, read, signal);
    await onDisk(target, () => (isFree ? rename(temporary, target) : replace(temporary, target, beside('old'))));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

async function isFreePlace(target: string): Promise<boolean> {
  const found = await lstat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return true;
  return found.isDirectory() && (await readdir(target)).length === 0;
}

/** Between the two renames nothing is at the place; if the second fails, what was there comes back. */
async function replace(temporary: string, target: string, old: string): Promise<void> {
  await rename(target, old);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

async function writeEntries(
  { entries }: Manifest,
  root: string,
  read: Unpacking['read'],
  signal: AbortSignal | undefined,
): Promise<void> {
  const folders = new Set<string>();
  for (const { kind, path } of entries) {
    const key = pathKey(path);
    addFolders(folders, kind === 'directory' ? `${key}/` : key);
  }
  for (const folder of folders) {
    const path = pathOfKey(folder);
    await onDisk(path, () => mkdir(placeOf(root, path)));
  }
  await manyAtOnce(entries, async (entry) => {
    if (entry.kind !== 'file') return;
    if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The pull was given up; nothing was written.');
    await writeFile(placeOf(root, entry.path), entry, read(entry));
  });
  for (const entry of entries) {
    if (entry.kind !== 'symlink') continue;
    const target = typeof entry.target === 'string' ? entry.target : Buffer.from(entry.target);
    await onDisk(entry.path, () => symlink(target, placeOf(root, entry.path)));
  }
}

/** Adds the directories above a key, from the top, which is the order in which they must be made. */
function addFolders(folders: Set<string>, key: string): void {
  const above = key.lastIndexOf('/');
  if (above < 0 || folders.has(key.slice(0, above))) return;
  for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) folders.add(key.slice(0, at));
}

/** Does the work for each item, PULL_FILES_MAX at once. The first failure ends it, once nothing goes on behind it. */
async function manyAtOnce<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const remaining = items.values();
  const failures: unknown[] = [];
  const lane = async () => {
    for (const item of remaining) {
      if (failures.length > 0) return;
      await work(item).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: PULL_FILES_MAX }, lane));
  if (failures.length > 0) throw failures[0];
}

async function writeFile(place: string | Buffer, { path, executable }: FileEntry, bytes: AsyncIterable<Uint8Array>) {
  const file = await onDisk(path, () => open(place, 'wx', executable ? 0o777 : 0o666));
  try {
    for await (const chunk of bytes) {
      for (let offset = 0; offset < chunk.byteLength; ) {
        const { bytesWritten } = await onDisk(path, () => file.write(chunk, offset));
        offset += bytesWritten;
      }
    }
  } finally {
    await onDisk(path, () => file.close());
  }
}

function placeOf(root: string, path: PackagePath): string | Buffer {
  return typeof path === 'string' ? `${root}/${path}` : Buffer.concat([Buffer.from(`${root}/`), path]);
}

function occupied(target: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${showPackagePath(target)} is there and not an empty directory. Name another place, or ask to overwrite it.`,
    { path: target },
  );
}

/** Runs one step on the file system; its failure becomes ours, and is told from one of the store. */
async function onDisk<T>(path: PackagePath, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const shown = showPackagePath(path);
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new ArtifactStoreError(
      full ? 'AS_ERR_NO_SPACE' : code === 'EROFS' ? 'AS_ERR_READ_ONLY' : 'AS_ERR_IO',
      `${shown} cannot be written: ${message}. Check the place and its permissions.`,
      { path: shown, ...(code !== undefined && { errno: code }) },
      { cause },
    );
  }
}
