/**
 * From the paths a person names to the regular files below them, in an order that depends on nothing but names.
 *
 * Names are raw bytes from here to the store: a file name need not be UTF-8. A named symbolic link is followed; below a folder links and
 * special files are skipped, and said to be. Imports the file system. Called by `put`.
 */

import type { BigIntStats, Dirent, Stats } from 'node:fs';
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

/** A folder that must not be taken in, by what identifies it under any name. */
export type FolderIdentity = Pick<BigIntStats, 'dev' | 'ino'>;

/**
 * The regular files that a named path stands for: itself, or all below it, depth first, each folder in the order of the names' bytes.
 *
 * @param most files in one list at most
 * @param avoid the store itself: files that change because they are being stored have no digest
 */
export async function* walk(named: Buffer, most: number, avoid?: FolderIdentity): AsyncGenerator<Found[]> {
  const kind = await kindOfNamed(named);
  if (kind instanceof ArtifactStoreError) yield [{ kind: 'failed', path: named, error: kind }];
  else if (kind === 'file') yield [{ kind: 'file', path: named }];
  else yield* walkFolder(named, most, avoid);
}

async function* walkFolder(root: Buffer, most: number, avoid: FolderIdentity | undefined): AsyncGenerator<Found[]> {
  const pending: (Found | { kind: 'folder'; path: Buffer })[] = [{ kind: 'folder', path: root }];
  let list: Found[] = [];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind !== 'folder') {
      list.push(next);
      if (list.length < most) continue;
      yield list;
      list = [];
      continue;
    }
    const { path } = next;
    const entries = await entriesOf(path, avoid);
    if (!Array.isArray(entries)) {
      list.push(entries);
      continue;
    }
    const prefix = path.at(-1) === SLASH[0] ? path : Buffer.concat([path, SLASH]);
    for (const entry of entries.reverse()) pending.push(met(Buffer.concat([prefix, entry.name]), entry));
  }
  if (list.length > 0) yield list;
}

function met(path: Buffer, entry: Dirent<Buffer>): Found | { kind: 'folder'; path: Buffer } {
  if (entry.isDirectory()) return { kind: 'folder', path };
  if (entry.isFile()) return { kind: 'file', path };
  return { kind: 'skipped', path, reason: nameKind(entry) };
}

/** What is in a folder, in the order of the names' bytes; or what to say instead. */
async function entriesOf(folder: Buffer, avoid: FolderIdentity | undefined): Promise<Dirent<Buffer>[] | Found> {
  try {
    if (avoid !== undefined && isSame(await stat(folder, { bigint: true }), avoid)) {
      return { kind: 'skipped', path: folder, reason: 'the store itself' };
    }
    const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
    return entries.sort((a, b) => Buffer.compare(a.name, b.name));
  } catch (error) {
    return { kind: 'failed', path: folder, error: unreadable(folder, error) };
  }
}

function isSame(a: FolderIdentity, b: FolderIdentity): boolean {
  return a.dev === b.dev && a.ino === b.ino;
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

function nameKind(
  entry: Pick<Stats, 'isSymbolicLink' | 'isSocket' | 'isFIFO' | 'isBlockDevice' | 'isCharacterDevice'>,
) {
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
  return texts.map((text) => {
    const index = given.findIndex((bytes) => bytes.toString() === text);
    // Taken out once found: two names that are not UTF-8 may look the same.
    return index < 0 ? Buffer.from(text) : (given.splice(index, 1)[0] as Buffer);
  });
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
