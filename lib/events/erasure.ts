/**
 * Makes sure that what was erased is gone from the files of the log, and not only from its tables: a database leaves what it deletes where it was until the place is used
 * again, leaves copies where it splits pages, and keeps changes in its write-ahead log.
 *
 * Imports the connection's type, the search for traces, and limits. `sqlite-log.ts` calls it around the commit of an erasure, while nothing else is written.
 */

import { ERASURE_LOOKED_FOR_MAX } from '../limits.js';
import type { Connection } from '../sqlite/connection.js';
import { emptyWriteAheadLog, isInFile } from '../sqlite/traces.js';

/** What of the erased texts can be found in a file: no other bytes are like them. */
export interface Traces {
  readonly needles: readonly Buffer[];
  /** More than can be looked for one by one. */
  readonly tooMany: boolean;
}

/** Has the database overwrite what it deletes from here on; gives what has to be gone afterwards. */
export async function prepareErasure(writer: Connection, pseudonyms: readonly string[]): Promise<Traces> {
  await writer.exec('PRAGMA secure_delete = ON');
  const rows = await writer.all<{ pseudonym: string; salt: Uint8Array; text: Uint8Array }>(
    'SELECT pseudonym, salt, text FROM personal WHERE text IS NOT NULL AND pseudonym IN (SELECT value FROM json_each(?1))',
    [JSON.stringify(pseudonyms)],
  );
  // In the table a text stands behind its salt, in the index before its pseudonym.
  const needles = rows.flatMap(({ pseudonym, salt, text }) => {
    return [Buffer.from(salt), Buffer.concat([text, Buffer.from(pseudonym)])];
  });
  return { needles, tooMany: needles.length > ERASURE_LOOKED_FOR_MAX };
}

/**
 * Looks whether anything is left, and writes the database anew where it is.
 *
 * @param wasDone false: the erasure did not happen, so there is nothing to clean
 * @returns whether something may be left: others were reading the write-ahead log all the time
 */
export async function finishErasure(writer: Connection, traces: Traces, wasDone: boolean): Promise<boolean> {
  try {
    if (!wasDone || traces.needles.length === 0) return false;
    if (!(await emptyWriteAheadLog(writer))) return true;
    if (!traces.tooMany && !(await isInFile(writer.path, traces.needles))) return false;
    await writer.exec('VACUUM');
    return !(await emptyWriteAheadLog(writer));
  } finally {
    await writer.exec('PRAGMA secure_delete = OFF');
  }
}
