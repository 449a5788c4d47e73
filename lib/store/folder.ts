/**
 * The folder of an embedded store: what lies in it, and whether it may be opened at all.
 *
 *   <store>/data/          the data plane's, see docs/format.md
 *   <store>/events.sqlite  the event log and its views
 *   <store>/verify.json    a verification of many objects that has not ended, see scrub-state.ts
 *
 * Called by the composition root, the only place above the data plane that touches the file system.
 */

import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ArtifactStoreError } from '../errors.js';

export interface StoreFolder {
  path: string;
  data: string;
  log: string;
}

/**
 * Finds the store in `path`, or makes room for a new one.
 *
 * @throws AS_ERR_STORE_MISSING: nothing there, and nothing is to be created
 * @throws AS_ERR_STORE_FORMAT: a folder of other things; it is left as it is
 * @throws AS_ERR_LOG_DAMAGED: objects are there but the log that names them is not
 * @throws AS_ERR_READ_ONLY, AS_ERR_IO
 */
export async function prepareFolder(path: string, create: boolean): Promise<StoreFolder> {
  const folder = { path: resolve(path), data: join(resolve(path), 'data'), log: join(resolve(path), 'events.sqlite') };
  const names = await list(folder.path);
  if (names === undefined || names.length === 0) {
    if (!create) {
      throw new ArtifactStoreError(
        'AS_ERR_STORE_MISSING',
        `There is no store in ${folder.path}. Check the path; \`put\` and \`serve\` create one.`,
        { path: folder.path },
      );
    }
    await makeFolder(folder.path);
    return folder;
  }
  if (!names.includes('data')) {
    throw new ArtifactStoreError(
      'AS_ERR_STORE_FORMAT',
      `${folder.path} holds other things and is not a store. Name an empty or new folder.`,
      { path: folder.path },
    );
  }
  if (!names.includes('events.sqlite') && (await holdsObjects(folder.data))) {
    throw new ArtifactStoreError(
      'AS_ERR_LOG_DAMAGED',
      `${folder.path} holds objects, but its event log events.sqlite is missing. Restore the log from a copy.`,
      { path: folder.path },
    );
  }
  return folder;
}

/** Large objects have files in objects/, small ones share those in packs/. */
async function holdsObjects(data: string): Promise<boolean> {
  const [objects, packs] = await Promise.all([list(join(data, 'objects')), list(join(data, 'packs'))]);
  return [...(objects ?? []), ...(packs ?? [])].length > 0;
}

/** The names in a folder; undefined when it does not exist. */
async function list(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError(path, error);
  }
}

/** Makes the folder and everything above it, and makes their names durable. */
async function makeFolder(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true });
    for (let made = path; first !== undefined && made.length >= first.length; made = dirname(made))
      await syncFolder(dirname(made));
  } catch (error) {
    throw ioError(path, error);
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ioError(path: string, cause: unknown): ArtifactStoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EROFS')
    return new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `${path} cannot be made: the file system is read-only.`,
      { path },
      { cause },
    );
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new ArtifactStoreError('AS_ERR_NO_SPACE', `${path} cannot be made: no space is left.`, { path }, { cause });
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `${path} cannot be used: ${message}. Check the path and its permissions.`,
    { path, errno: code },
    { cause },
  );
}
