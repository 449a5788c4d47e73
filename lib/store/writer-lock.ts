/**
 * The lock of a store's log, where the bytes are elsewhere and have no lock for it. SQLite's own: it ends with the process, however that ends.
 *
 * Imports the database connection and errors. Called by the choice of the data plane.
 */

import { ArtifactStoreError } from '../errors.js';
import { Connection } from '../sqlite/connection.js';

/**
 * Keeps other writers out of a store.
 *
 * @param path of the lock's file, which is made and stays
 * @returns what lets them in again
 * @throws AS_ERR_STORE_LOCKED: another process has it
 */
export async function lockForWriting(path: string): Promise<() => Promise<void>> {
  const connection = await Connection.open(path, 'write');
  try {
    await connection.exec('PRAGMA busy_timeout = 0; BEGIN IMMEDIATE');
  } catch (cause) {
    await connection.close();
    const message = `The store is open for writing in another process (${path} is locked). Close that one, or talk to it over HTTP if it is a service.`;
    throw new ArtifactStoreError('AS_ERR_STORE_LOCKED', message, { path }, { cause });
  }
  return () => connection.close();
}
