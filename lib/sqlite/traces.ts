/**
 * What a database leaves behind of what it deleted: in its write-ahead log, and in its file.
 *
 * Imports the connection's type and limits. Erasure calls it.
 */

import { createReadStream } from 'node:fs';
import { ERASURE_CHECKPOINT_TRIES } from '../limits.js';
import type { Connection } from './connection.js';

/** Copies the write-ahead log into the database and truncates it; false when somebody kept reading it. */
export async function emptyWriteAheadLog(writer: Connection): Promise<boolean> {
  for (let tries = 0; tries < ERASURE_CHECKPOINT_TRIES; tries++) {
    const row = await writer.get<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)');
    if (row?.busy === 0) return true;
  }
  return false;
}

/** Whether any of some byte strings stands in a file. */
export async function isInFile(path: string, needles: readonly Buffer[]): Promise<boolean> {
  const overlap = Math.max(...needles.map(({ byteLength }) => byteLength)) - 1;
  let before: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_SIZE })) {
    const bytes = Buffer.concat([before, chunk as Buffer]);
    if (needles.some((needle) => bytes.includes(needle))) return true;
    before = bytes.subarray(Math.max(bytes.byteLength - overlap, 0));
  }
  return false;
}

const CHUNK_SIZE = 4 * 1024 * 1024;
