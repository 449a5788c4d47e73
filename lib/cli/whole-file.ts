/**
 * A file that appears whole or not at all: written beside its place under another name, synced, then renamed.
 *
 * Imports the file system and errors. Called by `get`. Who writes the bytes is its caller's business.
 */

import { randomBytes } from 'node:crypto';
import { lstat, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ArtifactStoreError } from '../errors.js';
import { syncFolder } from '../folders.js';

/**
 * Has `write` put bytes into a new, empty file, which becomes the one at `target`. A symbolic link is followed; a device or pipe is written to directly, since putting a file in
 * its place is never what was meant.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a folder; AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO; whatever `write` throws
 */
export async function writeWhole(target: string, write: (path: string) => Promise<void>): Promise<void> {
  const existing = await stat(target).catch(() => undefined);
  if (existing?.isDirectory()) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `${target} is a folder. Name a file in it.`, {
      path: target,
    });
  }
  if (existing && !existing.isFile()) return write(target);
  const isLink = await lstat(target).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  const place = isLink && existing ? await realpath(target) : target;
  await replace(place, existing?.mode, write);
}

async function replace(place: string, mode: number | undefined, write: (path: string) => Promise<void>): Promise<void> {
  const folder = dirname(place);
  const temporary = join(folder, `.${basename(place)}.${randomBytes(6).toString('hex')}.part`);
  const file = await onTarget(place, () => open(temporary, 'wx'));
  try {
    try {
      await write(temporary);
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
  await onTarget(place, () => syncFolder(folder)); // a rename is durable once its folder is
}

/** Runs one step on the target; its failure becomes ours. */
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
