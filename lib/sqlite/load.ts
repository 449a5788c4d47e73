/**
 * The one place that loads the `sqlite3` package, and only when a database is opened: its binary comes from an install script that
 * npm runs only with consent, and whoever just wants digests should not need it.
 *
 * Imports errors. `connection.ts` calls it.
 */

import type sqlite3 from 'sqlite3';
import { ArtifactStoreError } from '../errors.js';

/** How the package is imported; tests pass one that fails. */
export type SqliteImport = () => Promise<{ default: typeof sqlite3 }>;

/**
 * Loads the package.
 *
 * @throws AS_ERR_SQLITE: it is not there or has no binary; the message says what to run
 */
export async function loadSqlite(importSqlite: SqliteImport = () => import('sqlite3')): Promise<typeof sqlite3> {
  try {
    return (await importSqlite()).default;
  } catch (cause) {
    throw new ArtifactStoreError('AS_ERR_SQLITE', NOT_LOADED, {}, { cause });
  }
}

const NOT_LOADED = [
  'The sqlite3 package cannot be loaded; most likely npm has not run its install script.',
  'In the project that depends on artifactstore run "npm approve-scripts sqlite3" and then "npm rebuild sqlite3".',
  'For a global installation use "npm install -g --allow-scripts=sqlite3 artifactstore".',
  'Where no prebuilt binary fits the platform, "npm rebuild sqlite3" compiles one and needs Python, make and a C++ compiler.',
].join(' ');
