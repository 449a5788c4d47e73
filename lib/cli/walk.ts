/**
 * From the paths a person names to the regular files below them, in an order that depends on nothing but names.
 *
 * Names are raw bytes from here to the store: a file name need not be UTF-8. A named symbolic link is followed; below a folder links and
 * special files are skipped, and said to be. Imports the library's walk. Called by `put`.
 */

import type { Stats } from 'node:fs';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { FileList } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { type Walked, WalkedKind, walkTree } from '../walk.js';
import { showPath } from './format.js';

/** Something other than a regular file, met on the way. `path` is as a person would write it: below the path that was named. */
export type Other =
  | { kind: 'skipped'; path: Buffer; reason: string }
  | { kind: 'failed'; path: Buffer; error: ArtifactStoreError };

/** Things met one after the other. */
export interface Found {
  /** The regular files, for the store; their absolute paths. */
  files: FileList;
  /** Bytes that the absolute path of each has in front of what a person would write. */
  hidden: number;
  /** The others: of those with the index of a file, each comes before it. */
  others: { before: number; other: Other }[];
}

const SLASH = Buffer.from('/');

/**
 * The regular files that a named path stands for: itself, or all below it, depth first, each folder in the order of the names' bytes.
 *
 * @param most things in one list at most
 * @param first things in the first list at most; each further one has up to twice as many as the one before
 * @param avoid path of the store itself: files that change because they are being stored have no digest
 */
export async function* walk(named: Buffer, most: number, first: number, avoid: string): AsyncGenerator<Found> {
  const kind = await kindOfNamed(named);
  const path = absolutePath(named);
  const hidden = path.byteLength - named.byteLength;
  if (kind instanceof ArtifactStoreError) yield onlyOther({ kind: 'failed', path: named, error: kind });
  else if (kind === 'file') yield { files: oneFile(path), hidden, others: [] };
  else for await (const walked of walkTree(path, avoid, most, first)) yield found(walked, hidden);
}

/** A list of one file. */
export function oneFile(path: Uint8Array): FileList {
  return { paths: path, ends: Uint32Array.of(path.byteLength) };
}

function onlyOther(other: Other): Found {
  return { files: { paths: new Uint8Array(0), ends: new Uint32Array(0) }, hidden: 0, others: [{ before: 0, other }] };
}

/** Files and others apart; mostly there are files alone. */
function found(walked: Walked, hidden: number): Found {
  const { paths, ends, kinds } = walked;
  if (kinds.every((kind) => kind === WalkedKind.file)) return { files: { paths, ends }, hidden, others: [] };
  const own: number[] = [];
  const parts: Uint8Array[] = [];
  const others: Found['others'] = [];
  let [start, size] = [0, 0];
  for (const [index, end] of ends.entries()) {
    const path = paths.subarray(start, end);
    start = end;
    if (kinds[index] === WalkedKind.file) {
      size += path.byteLength;
      parts.push(path);
      own.push(size);
    } else others.push({ before: own.length, other: otherOf(walked, index, Buffer.from(path.subarray(hidden))) });
  }
  return { files: { paths: Buffer.concat(parts), ends: Uint32Array.from(own) }, hidden, others };
}

function otherOf({ kinds, reasons }: Walked, index: number, path: Buffer): Other {
  const kind = kinds[index] as number;
  if (kind === WalkedKind.unreadable)
    return { kind: 'failed', path, error: unreadable(path, reasons[index] ?? 'unknown') };
  return { kind: 'skipped', path, reason: SKIPPED[kind] ?? 'file of unknown kind' };
}

const SKIPPED: Readonly<Record<number, string>> = {
  [WalkedKind.link]: 'symbolic link',
  [WalkedKind.socket]: 'socket',
  [WalkedKind.fifo]: 'named pipe',
  [WalkedKind.blockDevice]: 'block device',
  [WalkedKind.characterDevice]: 'character device',
  [WalkedKind.avoided]: 'the store itself',
};

async function kindOfNamed(path: Buffer): Promise<'file' | 'folder' | ArtifactStoreError> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) return 'folder';
    if (status.isFile()) return 'file';
    return new ArtifactStoreError(
      'AS_ERR_SOURCE_UNREADABLE',
      `${showPath(path)} is a ${nameKind(status)}, not a file or folder. Pipe it in and name it "-".`,
      { path: showPath(path) },
    );
  } catch (error) {
    return unreadable(path, reasonOf(error), error);
  }
}

function unreadable(path: Buffer, reason: string, cause?: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_SOURCE_UNREADABLE',
    `${showPath(path)} cannot be read (${reason}). Check that it exists and that you may read it.`,
    { path: showPath(path) },
    { cause },
  );
}

/** `ENOENT: no such file or directory, stat '…'` → `no such file or directory`: the path is in the sentence already. */
function reasonOf(cause: unknown): string {
  const { message } = cause as Error;
  return /^[A-Z0-9]+: ([^,]+),/.exec(message)?.[1] ?? message;
}

function nameKind(status: Stats): string {
  if (status.isSocket()) return 'socket';
  if (status.isFIFO()) return 'named pipe';
  if (status.isBlockDevice()) return 'block device';
  if (status.isCharacterDevice()) return 'character device';
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
