/**
 * Picks the data planes of a store: that of the hot tier, in this process, in a daemon, or on S3, and of the cold one, where there is one.
 *
 * Part of the composition root: imports the implementations, the locks and the folder. Called by `openStore`.
 */

import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { PlaceSettings } from '../dataplane/backend/s3/place.js';
import type { ClosableDataPlane } from '../dataplane/closable.js';
import { openInproc } from '../dataplane/inproc/index.js';
import type { Tier } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { holdsObjects, type StoreFolder } from './folder.js';
import { lockForWriting } from './writer-lock.js';

export interface DataPlaneOptions {
  readOnly: boolean;
  /** Worker threads of one in this process. */
  threads?: number;
  /** `unix:/path` of the daemon that hosts it, or `s3://bucket/prefix`; absent: it is in this process. */
  dataplane?: string;
  /** Where the cold tier is, as `openColdPlane` takes it; absent: there is none. */
  cold?: string;
  /** Of those on S3. */
  s3?: S3Settings;
  /** Told in a sentence what went wrong and was dealt with. */
  onNotice?: (sentence: string) => void;
}

/** The data planes of a store. */
export interface StorePlanes {
  hot: ClosableDataPlane;
  cold?: ClosableDataPlane;
}

/** Settings of a data plane on S3. Credentials are none of them: they come from the environment, profile files, and metadata services. */
export interface S3Settings extends PlaceSettings {
  /** Local folder for objects and upload sessions that are on their way. Default: `spool` in the store's folder. */
  spool?: string;
}

/** The path of a daemon's socket. Throws AS_ERR_INVALID_ARGUMENT. */
export function socketPathOf(address: string): string {
  const path = /^unix:(\/.+)$/.exec(address)?.[1];
  if (path !== undefined) return path;
  const message = `"${address}" is not where a data plane can be: give unix: and the absolute path of a daemon's socket, or s3://bucket/prefix.`;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { dataplane: address });
}

/**
 * Opens the data plane of a store.
 *
 * @throws AS_ERR_STORE_LOCKED: another process writes to the store; and what opening it throws
 */
export async function openDataPlane(folder: StoreFolder, options: DataPlaneOptions): Promise<ClosableDataPlane> {
  const { readOnly, threads, dataplane } = options;
  if (dataplane === undefined) {
    return openInproc({ path: folder.data, readOnly, ...(threads !== undefined && { threads }) });
  }
  const isS3 = dataplane.startsWith('s3:');
  const socketPath = isS3 ? undefined : socketPathOf(dataplane);
  // In this process the lock of the bytes keeps a second writer out; elsewhere they may have many clients, so the log has a lock of its own then.
  const release = readOnly ? async () => undefined : await lockForWriting(folder.lock);
  try {
    const plane =
      socketPath === undefined
        ? await openHotBucket(folder, dataplane, options)
        : await openDaemon(folder, socketPath, readOnly);
    const close = plane.close.bind(plane);
    plane.close = () => close().finally(release);
    return plane;
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Opens the data planes of a store. Throws as `openDataPlane` and `openColdPlane`, and AS_ERR_INVALID_ARGUMENT: the cold tier is the store's own folder.
 */
export async function openDataPlanes(folder: StoreFolder, options: DataPlaneOptions): Promise<StorePlanes> {
  const { cold } = options;
  if (cold !== undefined) requireElsewhere(cold, folder);
  const hot = await openDataPlane(folder, options);
  if (cold === undefined) return { hot };
  try {
    return { hot, cold: await openColdPlane(folder, cold, options) };
  } catch (error) {
    await hot.close();
    throw error;
  }
}

/**
 * Opens the data plane of the cold tier.
 *
 * @param address `unix:/path` of a daemon, `s3://bucket/prefix`, or a folder of its own, which is made where it is missing
 * @throws AS_ERR_INVALID_ARGUMENT: no such address; and what opening it throws
 */
async function openColdPlane(
  folder: StoreFolder,
  address: string,
  options: DataPlaneOptions,
): Promise<ClosableDataPlane> {
  const { readOnly, threads } = options;
  // A spool is of one bucket alone: the hot tier may have one too.
  if (address.startsWith('s3:')) return openBucket(address, join(folder.path, 'spool-cold'), 'cold', options);
  if (/^[a-z0-9]+:/.test(address)) {
    const { openRemote } = await import('../dataplane/remote/index.js');
    return openRemote({ socketPath: socketPathOf(address), readOnly });
  }
  return openInproc({ path: resolve(address), readOnly, ...(threads !== undefined && { threads }) });
}

function requireElsewhere(cold: string, { path, data }: StoreFolder): void {
  const place = resolve(cold);
  if (place !== path && place !== data) return;
  const message = `The cold tier cannot be ${cold}, where the store has its hot one. Give it a folder of its own.`;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { cold });
}

async function openDaemon(folder: StoreFolder, socketPath: string, readOnly: boolean): Promise<ClosableDataPlane> {
  const { openRemote } = await import('../dataplane/remote/index.js');
  const plane = await openRemote({ socketPath, readOnly });
  await requireSameBytes(plane, folder, `unix:${socketPath}`).catch(async (error) => {
    await plane.close();
    throw error;
  });
  return plane;
}

/** The bucket with the bytes of the hot tier. */
async function openHotBucket(folder: StoreFolder, url: string, options: DataPlaneOptions): Promise<ClosableDataPlane> {
  if (await holdsObjects(folder.data)) {
    const message = `The store has its objects in ${folder.data}. Open it without --dataplane, or name another folder for a store whose objects are in ${url}.`;
    throw new ArtifactStoreError('AS_ERR_STORE_FORMAT', message, { data: folder.data, url });
  }
  return openBucket(url, options.s3?.spool ?? join(folder.path, 'spool'), 'hot', options);
}

async function openBucket(
  url: string,
  spool: string,
  tier: Tier,
  { readOnly, threads, s3, onNotice }: DataPlaneOptions,
): Promise<ClosableDataPlane> {
  const { openS3 } = await import('../dataplane/backend/s3/index.js');
  return openS3({
    url,
    readOnly,
    tier,
    ...s3,
    spool,
    ...(threads !== undefined && { threads }),
    ...(onNotice && { onNotice }),
  });
}

/** A store that has bytes of its own is not opened over those of another. */
async function requireSameBytes(plane: ClosableDataPlane, { data }: StoreFolder, address: string): Promise<void> {
  const { path } = (await plane.backendHealth()).facts;
  if (path === undefined || !(await holdsObjects(data)) || (await realpath(data)) === path) return;
  const message = `The store has its objects in ${data}, and the data plane at ${address} has those in ${path}. Start one over the store's own folder, or open the store without a daemon.`;
  throw new ArtifactStoreError('AS_ERR_STORE_FORMAT', message, { data, path });
}
