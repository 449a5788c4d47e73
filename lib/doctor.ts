/**
 * What this installation is made of and whether its parts load: the facts behind `artifactstore doctor`.
 *
 * Imports the loaders of the native addon and of SQLite, so that no door has to. Opens nothing and writes nothing. Called by the doors.
 */

import { describeNative, type NativeDescription } from './kernels.js';
import * as limits from './limits.js';
import { loadSqlite } from './sqlite/load.js';

/** A part that works, or the error that says why it does not. */
export type Part<T> = { ok: true; facts: T } | { ok: false; error: Error };

export interface Installation {
  /** Node's own version, and that of the OpenSSL in it. */
  node: { version: string; openssl: string };
  platform: string;
  native: Part<NativeDescription>;
  sqlite: Part<{ version: string }>;
  /** Every limit of lib/limits.ts, by name; bytes, milliseconds or counts as documented there. */
  limits: Record<string, number>;
}

/** Looks at every part; never fails, a part that does not load is in the answer. */
export async function examineInstallation(): Promise<Installation> {
  return {
    node: { version: process.versions.node, openssl: process.versions.openssl },
    platform: `${process.platform}-${process.arch}`,
    native: await part(describeNative),
    sqlite: await part(async () => ({ version: (await loadSqlite()).VERSION })),
    limits: { ...limits },
  };
}

async function part<T>(examine: () => T | Promise<T>): Promise<Part<T>> {
  try {
    return { ok: true, facts: await examine() };
  } catch (error) {
    return { ok: false, error: error as Error };
  }
}
