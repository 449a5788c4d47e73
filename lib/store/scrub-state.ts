/**
 * What is remembered of a verification of many objects until it has ended, so that one that was interrupted can go on: the file
 * <store>/verify.json. How far it came is not in it: the log says which objects have been verified since it began.
 *
 * Imports the file system and errors. Called by scrub.ts.
 */

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactStoreError } from '../errors.js';
import type { Sample } from './sample.js';

/** What was asked for, and when. */
export interface ScrubState {
  version: 1;
  /** Milliseconds since 1970 UTC. */
  began: number;
  digests: 'both' | 'blake3';
  sample?: Sample;
  seed?: string;
  olderThan?: number;
}

const fileOf = (store: string) => join(store, 'verify.json');

/** The verification that has not ended; undefined when there is none, or what there is cannot be understood. */
export async function readScrubState(store: string): Promise<ScrubState | undefined> {
  try {
    const state = JSON.parse(await readFile(fileOf(store), 'utf8')) as Partial<ScrubState> | null;
    return state?.version === 1 && Number.isSafeInteger(state.began) ? (state as ScrubState) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw ioError(store, error);
  }
}

/** Not synced: what a power cut can take is the comfort of going on. */
export async function writeScrubState(store: string, state: ScrubState): Promise<void> {
  try {
    await writeFile(`${fileOf(store)}.new`, `${JSON.stringify(state)}\n`);
    await rename(`${fileOf(store)}.new`, fileOf(store));
  } catch (error) {
    throw ioError(store, error);
  }
}

export async function removeScrubState(store: string): Promise<void> {
  await rm(fileOf(store), { force: true }).catch((error) => Promise.reject(ioError(store, error)));
}

function ioError(store: string, cause: unknown): ArtifactStoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new ArtifactStoreError(
    code === 'ENOSPC' || code === 'EDQUOT' ? 'AS_ERR_NO_SPACE' : 'AS_ERR_IO',
    `${fileOf(store)} cannot be used: ${message}. Check the disk and its permissions.`,
    { path: fileOf(store), errno: code },
    { cause },
  );
}
