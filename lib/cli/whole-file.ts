/**
 * A file that appears whole or not at all: written beside its place under another name, synced, then renamed.
 *
 * Imports the file system and errors. Called by `get`.
 */

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArtifactStoreError } from '../errors.js';

/**
 * Writes a stream to the file at `target`. A symbolic link is followed; a device or pipe is written to directly, since putting a file in
 * its place is never what was meant.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a folder; AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO; whatever the stream throws
 */
export async function writeWhole(target: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const existing = await stat(target).catch(() => undefined);
  if (existing?.isDirectory()) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `${target} is a folder. Name a file in it.`, {
      path: target,
    });
  }
  if (existing && !existing.isFile()) return writeInto(target, bytes);
  const isLink = await lstat(target).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  const place = isLink && existing ? await realpath(target) : target;
  await replace(place, existing?.mode, bytes);
}

async function replace(place: string, mode: number | undefined, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const folder = dirname(place);
  const temporary = join(folder, `.${basename(place)}.${randomBytes(6).toString('hex')}.part`);
  const file = await onTarget(place, () => open(temporary, 'wx'));
  try {
    try {
      await writeAll(file, place, bytes);
      await onTarget(place, async () => {
        if (mode !== undefined) await file.chmod(mode & 0o7777);
        await file.sync();
      });
    } finally {
      await file.close();
    }
    await onTarget(place, () => rename(temporary, place));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await onTarget(place, () => syncFolder(folder));
}

/** A rename is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeInto(target: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await onTarget(target, () => open(target, constants.O_WRONLY));
  try {
    await writeAll(file, target, bytes);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, target: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of bytes) {
    for (let offset = 0; offset < chunk.byteLength; ) {
      const { bytesWritten } = await onTarget(target, () => file.write(chunk, offset));
      offset += bytesWritten;
    }
  }
}

/** Runs one step on the target; its failure becomes ours, and is told from one of the stream. */
async function onTarget<T>(target: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const details = { path: target, ...(code !== undefined && { errno: code }) };
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new ArtifactStoreError(
      full ? 'AS_ERR_NO_SPACE' : code === 'EROFS' ? 'AS_ERR_READ_ONLY' : 'AS_ERR_IO',
      `${target} cannot be written: ${message}. Check the path, its permissions and the space on its disk.`,
      details,
      { cause },
    );
  }
}
