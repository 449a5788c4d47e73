/**
 * From the paths a person names to the regular files below them, in an order that depends on nothing but names.
 *
 * Names are raw bytes from here to the store: a file name need not be UTF-8. A named symbolic link is followed; below a folder links and
 * special files are skipped, and said to be. Imports the file system. Called by `put`.
 */

import type { Dirent, Stats } from 'node:fs';
import { readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { ArtifactStoreError } from '../errors.js';
import { showPath } from './format.js';

/** Something met on the way. `path` is as a person would write it: below the path that was named. */
export type Found =
  | { kind: 'file'; path: Buffer }
  | { kind: 'skipped'; path: Buffer; reason: string }
  | { kind: 'failed'; path: Buffer; error: ArtifactStoreError };

const SLASH = Buffer.from('/');

/** The regular files that a named path stands for: itself, or all below it, depth first, each folder in the order of the names' bytes. */
export async function* walk(named: Buffer): AsyncGenerator<Found> {
  const kind = await kindOfNamed(named);
  if (kind instanceof ArtifactStoreError) yield { kind: 'failed', path: named, error: kind };
  else if (kind === 'file') yield { kind: 'file', path: named };
  else yield* walkFolder(named);
}

async function* walkFolder(root: Buffer): AsyncGenerator<Found> {
  const pending = [root];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    // A folder's entries are on the stack as paths; those that are folders were marked by a trailing slash when they were pushed.
    if (!isMarked(folder, root)) {
      yield { kind: 'file', path: folder };
      continue;
    }
    const path = folder === root ? root : folder.subarray(0, -1);
    const entries = await entriesOf(path);
    if (entries instanceof ArtifactStoreError) {
      yield { kind: 'failed', path, error: entries };
      continue;
    }
    for (const entry of entries) {
      if (!entry.isFile() && !entry.isDirectory())
        yield { kind: 'skipped', path: join(path, entry.name), reason: nameKind(entry) };
    }
    const wanted = entries.filter((entry) => entry.isFile() || entry.isDirectory());
    for (const entry of wanted.reverse()) {
      const child = join(path, entry.name);
      pending.push(entry.isDirectory() ? Buffer.concat([child, SLASH]) : child);
    }
  }
}

function isMarked(path: Buffer, root: Buffer): boolean {
  return path === root || path.at(-1) === SLASH[0];
}

async function entriesOf(folder: Buffer): Promise<Dirent<Buffer>[] | ArtifactStoreError> {
  try {
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    return unreadable(folder, error);
  }
}

async function kindOfNamed(path: Buffer): Promise<'file' | 'folder' | ArtifactStoreError> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return 'folder';
    if (found.isFile()) return 'file';
    return new ArtifactStoreError(
      'AS_ERR_SOURCE_UNREADABLE',
      `${showPath(path)} is a ${nameKind(found)}, not a file or folder. Pipe it in and name it "-".`,
      { path: showPath(path) },
    );
  } catch (error) {
    return unreadable(path, error);
  }
}

function unreadable(path: Buffer, cause: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_SOURCE_UNREADABLE',
    `${showPath(path)} cannot be read (${reasonOf(cause)}). Check that it exists and that you may read it.`,
    { path: showPath(path) },
    { cause },
  );
}

/** `ENOENT: no such file or directory, stat '…'` → `no such file or directory`: the path is in the sentence already. */
function reasonOf(cause: unknown): string {
  const { message } = cause as Error;
  return /^[A-Z0-9]+: ([^,]+),/.exec(message)?.[1] ?? message;
}

function nameKind(entry: Pick<Stats, 'isSymbolicLink' | 'isSocket' | 'isFIFO' | 'isBlockDevice' | 'isCharacterDevice'>) {
  if (entry.isSymbolicLink()) return 'symbolic link';
  if (entry.isSocket()) return 'socket';
  if (entry.isFIFO()) return 'named pipe';
  if (entry.isBlockDevice()) return 'block device';
  if (entry.isCharacterDevice()) return 'character device';
  return 'file of unknown kind';
}

function join(folder: Buffer, name: Buffer): Buffer {
  return folder.at(-1) === SLASH[0] ? Buffer.concat([folder, name]) : Buffer.concat([folder, SLASH, name]);
}

/** A path that the data plane can open wherever it runs. */
export function absolutePath(path: Buffer): Buffer {
  return path[0] === SLASH[0] ? path : join(Buffer.from(process.cwd()), path);
}

/**
 * Command-line arguments as the bytes that were given. Node decodes them as UTF-8 and loses what is not; on Linux the kernel still has
 * them, and elsewhere such a file is named through its folder.
 */
export function rawPaths(texts: readonly string[]): Buffer[] {
  if (!texts.some((text) => text.includes('\ufffd'))) return texts.map((text) => Buffer.from(text));
  const given = rawArguments();
  return texts.map((text) => given.find((bytes) => bytes.toString() === text) ?? Buffer.from(text));
}

function rawArguments(): Buffer[] {
  let rest: Buffer;
  try {
    rest = readFileSync('/proc/self/cmdline');
  } catch {
    return [];
  }
  const given: Buffer[] = [];
  for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
    given.push(rest.subarray(0, end));
    rest = rest.subarray(end + 1);
  }
  return given;
}
