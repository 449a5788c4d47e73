/**
 * The folder of an embedded store: what lies in it, and whether it may be opened at all.
 *
 *   <store>/data/          the data plane's, see docs/format.md
 *   <store>/events.sqlite  the event log and its views
 *   <store>/verify.json    a verification of many objects that has not ended, see scrub-state.ts
 *   <store>/writer.lock    who writes, where the bytes are in a daemon or on S3; `data` is elsewhere then, or the daemon's, see data-plane.ts
 *   <store>/spool/         objects and upload sessions on their way to S3, unless another folder was named
 *
 * Called by the composition root, the only place above the data plane that touches the file system.
 */

import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { storedFiles } from '../dataplane/inproc/stored-files.js';
import { ArtifactStoreError } from '../errors.js';
import { namesIn, syncFolder } from '../folders.js';

export interface StoreFolder {
  path: string;
  /** Resolves when the folder's own name is durable, where it was made just now: whoever acknowledges anything waits for that. Throws AS_ERR_NO_SPACE, AS_ERR_IO. */
  durable: Promise<void>;
  data: string;
  log: string;
  /** The lock of a log whose bytes are elsewhere. */
  lock: string;
}

/** Where the bytes of a store are: its own; its own and hosted for others, whose logs are elsewhere; in a daemon or on S3; or either, for whoever needs none of them. */
export type BytesPlace = 'own' | 'hosted' | 'elsewhere' | 'either';

/**
 * Finds the store in `path`, or makes room for a new one.
 *
 * @throws AS_ERR_STORE_MISSING: nothing there, and nothing is to be created
 * @throws AS_ERR_STORE_FORMAT: a folder of other things; it is left as it is
 * @throws AS_ERR_LOG_DAMAGED: objects are there but the log that names them is not
 * @throws AS_ERR_READ_ONLY, AS_ERR_IO
 */
export async function prepareFolder(path: string, create: boolean, bytes: BytesPlace = 'own'): Promise<StoreFolder> {
  const within = (name: string) => join(resolve(path), name);
  const folder: StoreFolder = {
    path: resolve(path),
    durable: Promise.resolve(),
    data: within('data'),
    log: within('events.sqlite'),
    lock: within('writer.lock'),
  };
  const names = (await read(folder.path, namesIn))?.filter(
    (name) => !name.startsWith('writer.lock') && name !== 'spool',
  );
  if (names === undefined || names.length === 0) {
    if (!create) {
      throw new ArtifactStoreError(
        'AS_ERR_STORE_MISSING',
        `There is no store in ${folder.path}. Check the path; \`put\` and \`serve\` create one.`,
        { path: folder.path },
      );
    }
    folder.durable = syncNames(folder.path, await makeFolder(folder.path));
    folder.durable.catch(() => undefined); // reported where it is awaited
    return folder;
  }
  const hasLog = names.includes('events.sqlite');
  if (!names.includes('data') && hasLog && (bytes === 'own' || bytes === 'hosted')) {
    throw new ArtifactStoreError(
      'AS_ERR_STORE_MISSING',
      `The store in ${folder.path} has its objects in a data plane elsewhere. Name it: --dataplane unix:/path of its daemon, or s3://bucket/prefix.`,
      { path: folder.path },
    );
  }
  if (!names.includes('data') && !hasLog) {
    throw new ArtifactStoreError(
      'AS_ERR_STORE_FORMAT',
      `${folder.path} holds other things and is not a store. Name an empty or new folder.`,
      { path: folder.path },
    );
  }
  if (!hasLog && bytes !== 'hosted' && (await holdsObjects(folder.data))) {
    throw new ArtifactStoreError(
      'AS_ERR_LOG_DAMAGED',
      `${folder.path} holds objects, but its event log events.sqlite is missing. Restore the log from a copy.`,
      { path: folder.path },
    );
  }
  return folder;
}

/** Whether a data folder has objects. Throws AS_ERR_IO. */
export async function holdsObjects(data: string): Promise<boolean> {
  return (await read(data, storedFiles)).length > 0;
}

/** Looks into a folder; what fails says which. */
async function read<T>(path: string, look: (path: string) => Promise<T>): Promise<T> {
  try {
    return await look(path);
  } catch (error) {
    throw ioError(path, error);
  }
}

/** Makes the folder and everything above it; gives the uppermost that was made, nothing where the folder was there. */
async function makeFolder(path: string): Promise<string | undefined> {
  try {
    return await mkdir(path, { recursive: true });
  } catch (error) {
    throw ioError(path, error);
  }
}

/** Makes durable the names of a folder and of those above it up to `first`. */
async function syncNames(path: string, first: string | undefined): Promise<void> {
  try {
    for (let made = path; first !== undefined && made.length >= first.length; made = dirname(made))
      await syncFolder(dirname(made));
  } catch (error) {
    throw ioError(path, error);
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
