/**
 * SQLite's result codes as this project's errors.
 *
 * Imports errors. `connection.ts` calls it.
 */

import { ArtifactStoreError, type ErrorCode } from '../errors.js';

/** Primary result codes (https://www.sqlite.org/rescode.html) that mean something to a user, and what to do about them. */
const MEANINGS: { readonly [primaryCode: number]: readonly [ErrorCode, string] } = {
  5: ['AS_ERR_STORE_LOCKED', 'Another process is writing to it. Wait for that process, or stop it.'],
  6: ['AS_ERR_STORE_LOCKED', 'Another connection is writing to it. Wait until it is done.'],
  8: ['AS_ERR_READ_ONLY', 'It cannot be written. Check the permissions of the file and its folder.'],
  10: ['AS_ERR_IO', 'The operating system could not read or write it. Check the disk.'],
  11: ['AS_ERR_LOG_DAMAGED', 'Its content is damaged. Restore it from a copy.'],
  13: ['AS_ERR_NO_SPACE', 'The disk or its quota is full. Free some space and repeat.'],
  14: ['AS_ERR_SQLITE', 'It cannot be opened. Check that the folder exists and may be entered.'],
  26: ['AS_ERR_LOG_DAMAGED', 'It is not an SQLite database. Check the path, or restore the file from a copy.'],
};

/** SQLite's primary result codes, as far as callers tell them apart. */
export const SQLITE_READONLY = 8;
export const SQLITE_CANTOPEN = 14;

/** The primary result code in an error of the sqlite3 package; undefined for any other error. */
export function primaryCode(error: unknown): number | undefined {
  const { errno } = error as { errno?: unknown };
  return typeof errno === 'number' ? errno & 0xff : undefined;
}

/**
 * What went wrong with a database, as an error to show.
 *
 * @param error from the sqlite3 package
 * @param path of the database
 */
export function sqliteError(error: unknown, path: string): ArtifactStoreError {
  const primary = primaryCode(error);
  const [code, advice] = MEANINGS[primary ?? -1] ?? ['AS_ERR_SQLITE', 'The statement was not carried out.'];
  const reported = error instanceof Error ? error.message : String(error);
  return new ArtifactStoreError(
    code,
    `The database ${path} failed: ${reported}. ${advice}`,
    { path, reported, ...(primary === undefined ? {} : { sqliteCode: primary }) },
    { cause: error },
  );
}
