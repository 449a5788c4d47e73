/**
 * Copies the write-ahead log of a database into it beside whoever writes, on a connection of its own: a commit that had to do it would wait for tens of
 * megabytes, and everybody whose events wait behind it.
 *
 * Imports the connection and limits. The event log makes one, and says what it commits.
 *
 * SQLite begins the write-ahead log anew with the first commit that finds all of it copied. Somebody who keeps committing adds to it while it is copied, so what was
 * added meanwhile is copied again, which takes less time each round, until the little that is left is copied between two commits, by the writer. Nothing depends on any of this: a commit
 * that finds SQLITE_CHECKPOINT_SIZE of it copies it itself, as SQLite does.
 */

import {
  SQLITE_CHECKPOINT_BEHIND_LOOK_SIZE,
  SQLITE_CHECKPOINT_BEHIND_SIZE,
  SQLITE_CHECKPOINT_BESIDE_SIZE,
  SQLITE_CHECKPOINT_LOOK_SIZE,
  SQLITE_CHECKPOINT_REST_SIZE,
  SQLITE_CHECKPOINT_ROUNDS_MAX,
  SQLITE_COMMIT_SIZE,
} from '../limits.js';
import type { Connection } from './connection.js';

/** What SQLite says of a write-ahead log: pages in it, and how many of them are in the database too; -1 and -1 where there is none. */
interface LogPages {
  log: number;
  checkpointed: number;
}

const LOOK = 'PRAGMA wal_checkpoint(NOOP)';
/** Copies what it can without waiting for anybody, and lets nobody wait. */
export const COPY = 'PRAGMA wal_checkpoint(PASSIVE)';

export class Checkpointer {
  /** Bytes committed since the last look, as far as one can tell. */
  #written = 0;
  #running: Promise<void> | undefined;
  #copying = false;
  #beside: Connection | undefined;
  #closed = false;

  /**
   * @param writer the connection that commits
   * @param open opens another one that may write, for this alone, once there is something to do; closed with `close`
   */
  constructor(
    private readonly writer: Connection,
    private readonly open: () => Promise<Connection>,
  ) {}

  /**
   * Somebody has committed `size` bytes of events. Never throws, and nobody waits for what it begins.
   *
   * @param isBehind a block of many, behind which others wait: what it changes is hardly changed again, and copied soon
   */
  committed(size: number, isBehind = false): void {
    this.#written += size + SQLITE_COMMIT_SIZE;
    const look = isBehind ? SQLITE_CHECKPOINT_BEHIND_LOOK_SIZE : SQLITE_CHECKPOINT_LOOK_SIZE;
    if (this.#written < look || this.#running !== undefined || this.#closed) return;
    this.#written = 0;
    // What fails here fails again in the commit that has to do it then, and is told there.
    this.#running = this.#look(isBehind ? SQLITE_CHECKPOINT_BEHIND_SIZE : SQLITE_CHECKPOINT_BESIDE_SIZE)
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
        this.#copying = false;
      });
  }

  /** Ends when what is being copied has been; undefined while nothing is. Whoever can wait writes meanwhile what would have to be copied once more, and takes the disk from those who cannot. */
  get copying(): Promise<void> | undefined {
    return this.#copying ? this.#running : undefined;
  }

  /** Ends after the step under way, and closes the connection beside. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#beside?.close();
  }

  /** Copies the log if it has so many bytes. */
  async #look(from: number): Promise<void> {
    this.#beside ??= await this.open();
    const beside = this.#beside;
    const { page_size: size } = (await beside.get<{ page_size: number }>('PRAGMA page_size')) ?? { page_size: 0 };
    if ((await restOf(beside)) * size < from) return;
    this.#copying = true;
    for (let round = 0; round < SQLITE_CHECKPOINT_ROUNDS_MAX && !this.#closed; round++) {
      await beside.run(COPY);
      if ((await restOf(beside)) * size <= SQLITE_CHECKPOINT_REST_SIZE) break;
    }
    if (!this.#closed) await this.writer.run(COPY);
  }
}

/** Pages of the write-ahead log that are not in the database yet. */
async function restOf(connection: Connection): Promise<number> {
  const pages = await connection.get<LogPages>(LOOK);
  return pages === undefined ? 0 : pages.log - pages.checkpointed;
}
