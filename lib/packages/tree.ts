/**
 * A directory, or one file, as the entries of a package: files, links and empty directories, with names as raw bytes.
 *
 * Imports the file system, errors, limits and paths. Called by the facade's push.
 *
 * Links are read, never followed. What a package cannot hold (a socket, a device, a pipe) is refused by name, because leaving it out in
 * silence would give a package that is not the directory.
 */

import { type BigIntStats, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { basename } from 'node:path';
import { ArtifactStoreError } from '../errors.js';
import { PUSH_STEP_ENTRIES } from '../limits.js';
import type { DirectoryEntry, SymlinkEntry } from './manifest.js';
import { pathOfKey, showPackagePath } from './path.js';

/** What tells a file that has changed from one that has not, as far as the file system can. */
export interface FileStamp {
  dev: number;
  ino: number;
  /** Bytes. */
  size: number;
  /** When its bytes, and when anything of it, changed last: milliseconds since 1970, with parts of them. */
  mtime: number;
  ctime: number;
}

/** A regular file that was found; what it holds is still to be read. */
export interface FoundFile {
  kind: 'file';
  path: string | Uint8Array;
  /** Where to open it. */
  file: string | Uint8Array;
  /** Its owner may execute it. */
  executable: boolean;
  stamp: FileStamp;
}

export type Found = FoundFile | SymlinkEntry | DirectoryEntry;

/** A directory that must not be taken in, by what identifies it under any name. */
export type FolderIdentity = Pick<BigIntStats, 'dev' | 'ino'>;

const OWNER_MAY_EXECUTE = 0o100;

/**
 * Everything below a directory, in steps of up to PUSH_STEP_ENTRIES, in no promised order; of a file that file, under the last part of its path.
 *
 * Synchronous: nearly every answer comes from the memory of the kernel within microseconds, and asking for it in the background costs this
 * thread several times that. Whoever takes the steps decides when others get their turn.
 *
 * @param root absolute path
 * @param avoid the store itself: it changes while it is being stored
 * @throws AS_ERR_SOURCE_UNREADABLE: what is there, or something in it, cannot be read or be part of a package
 */
export function* readTree(root: string, avoid: FolderIdentity): Generator<Found[]> {
  const top = ask(root, () => statSync(root));
  if (top.isFile()) {
    yield [fileOf(basename(root), root, top)];
    return;
  }
  requireDirectory(root, top, avoid);
  const pending = [''];
  let step: Found[] = [];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    const names = namesIn(root, folder);
    if (names.length === 0 && folder !== '') step.push({ kind: 'directory', path: pathOfKey(folder) });
    for (const name of names) {
      const found = look(root, folder === '' ? name : `${folder}/${name}`, avoid);
      if (typeof found === 'string') pending.push(found);
      else step.push(found);
      if (step.length < PUSH_STEP_ENTRIES) continue;
      yield step;
      step = [];
    }
  }
  if (step.length > 0) yield step;
}

function requireDirectory(root: string, found: Stats, avoid: FolderIdentity): void {
  refuseStore(root, found, avoid);
  if (found.isDirectory()) return;
  throw new ArtifactStoreError(
    'AS_ERR_SOURCE_UNREADABLE',
    `${showPackagePath(root)} is a ${nameKind(found)}. A package is made of a directory, or of one file.`,
    { path: root },
  );
}

/** The keys of the names in a folder. */
function namesIn(root: string, folder: string): string[] {
  const place = placeOf(root, folder);
  return ask(place, () => readdirSync(place, { encoding: 'latin1' }) as string[]);
}

/** What stands at a place; the key alone for a directory. */
function look(root: string, key: string, avoid: FolderIdentity): Found | string {
  const place = placeOf(root, key);
  const found = ask(place, () => lstatSync(place));
  if (found.isDirectory()) {
    refuseStore(place, found, avoid);
    return key;
  }
  const path = pathOfKey(key);
  if (found.isSymbolicLink()) {
    const target = ask(place, () => readlinkSync(place, { encoding: 'latin1' }));
    return { kind: 'symlink', path, target: pathOfKey(target) };
  }
  if (!found.isFile()) throw unfit(place, found);
  return fileOf(path, place, found);
}

function fileOf(path: string | Uint8Array, file: string | Uint8Array, found: Stats): FoundFile {
  const { dev, ino, size, mtimeMs: mtime, ctimeMs: ctime, mode } = found;
  const stamp = { dev, ino, size, mtime, ctime };
  return { kind: 'file', path, file, executable: (mode & OWNER_MAY_EXECUTE) !== 0, stamp };
}

/** Only what looks like the store is asked for its exact identity: numbers of 64 bits cost more. */
function refuseStore(place: string | Buffer, found: Stats, avoid: FolderIdentity): void {
  if (found.ino !== Number(avoid.ino)) return;
  const { dev, ino } = ask(place, () => statSync(place, { bigint: true }));
  if (dev === avoid.dev && ino === avoid.ino) throw storeItself(place);
}

function ask<T>(place: string | Buffer, question: () => T): T {
  try {
    return question();
  } catch (error) {
    throw unreadable(place, error);
  }
}

/** A path that the file system takes: text, or raw bytes where the name is not UTF-8. */
function placeOf(root: string, key: string): string | Buffer {
  if (key === '') return root;
  const path = pathOfKey(key);
  return typeof path === 'string' ? `${root}/${path}` : Buffer.concat([Buffer.from(`${root}/`), path]);
}

function storeItself(place: string | Uint8Array): ArtifactStoreError {
  const path = showPackagePath(place);
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${path} is the store itself, which changes while it is being stored. Push a directory that does not hold it.`,
    { path },
  );
}

function unfit(place: string | Uint8Array, found: Stats): ArtifactStoreError {
  const path = showPackagePath(place);
  return new ArtifactStoreError(
    'AS_ERR_SOURCE_UNREADABLE',
    `${path} is a ${nameKind(found)}; a package holds files, links and directories. Move it out of the directory, then push again.`,
    { path },
  );
}

function nameKind(found: Stats): string {
  if (found.isSocket()) return 'socket';
  if (found.isFIFO()) return 'named pipe';
  if (found.isBlockDevice()) return 'block device';
  return found.isCharacterDevice() ? 'character device' : 'file of unknown kind';
}

function unreadable(place: string | Uint8Array, cause: unknown): ArtifactStoreError {
  const path = showPackagePath(place);
  const reason = (cause as Error).message.replace(/^[A-Z]+: /, '').replace(/, \w+( '.*)?$/s, '');
  return new ArtifactStoreError(
    'AS_ERR_SOURCE_UNREADABLE',
    `${path} cannot be read (${reason}). Check that it exists and that you may read it.`,
    { path },
    { cause },
  );
}
