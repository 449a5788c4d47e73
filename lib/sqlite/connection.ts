/**
 * One connection to an SQLite database, with promises, prepared statements kept, and errors of our own.
 *
 * Imports the loader, errors, limits and spans. The event log and the registry call it; nothing else opens a database.
 *
 * Statements run one at a time in the order of the calls. Left to themselves, several at once would each occupy a thread of the pool
 * while they wait for the connection's mutex, and a short question would see the older snapshot of a long one beside it.
 */

import { statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Database, Statement } from 'sqlite3';
import { ArtifactStoreError } from '../errors.js';
import {
  SQLITE_BUSY_TIMEOUT_MS,
  SQLITE_CACHE_SIZE,
  SQLITE_CHECKPOINT_SIZE,
  SQLITE_WRITE_CACHE_SIZE,
} from '../limits.js';
import { beginSpan, tellSpan } from '../spans.js';
import { primaryCode, SQLITE_CANTOPEN, SQLITE_READONLY, sqliteError } from './errors.js';
import { loadSqlite } from './load.js';

/** A value a statement takes or gives. Integers beyond 2^53-1 are not used in this project's tables. */
export type SqlValue = string | number | Uint8Array | null;

/** Values for `?1`, `?2`, …, or for named parameters with their sign: `{ ':changes': … }`. */
export type SqlParameters = readonly SqlValue[] | { readonly [name: string]: SqlValue };

/** What is asked of a database that is only read. */
export type Reader = Pick<Connection, 'all' | 'get'>;

/** `write`: reads and writes, made if missing. `read`: never writes, works on a read-only file system. */
export type OpenMode = 'write' | 'read';

/**
 * Bytes of a page of a new database; one that exists keeps its own. Rows of the log have some 15 KiB, and each page is a call to the operating
 * system of its own: with twice SQLite's default a large commit costs a quarter less, and one event alone still writes little.
 */
const PAGE_SIZE = 8192;

/** A connection. Errors are the codes of `errors.ts`; after `close` every call fails with AS_ERR_CLOSED. */
export class Connection {
  readonly path: string;
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  #tail: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(path: string, database: Database) {
    this.path = path;
    this.#database = database;
  }

  /**
   * Opens a database file in WAL mode; a writing connection syncs every commit.
   *
   * @param cacheSize bytes of pages that it keeps
   * @throws AS_ERR_SQLITE: `sqlite3` cannot be loaded, or the file cannot be opened
   * @throws AS_ERR_STORE_MISSING: opened for reading, and there is no file
   * @throws AS_ERR_LOG_DAMAGED: the file is not a database
   * @throws AS_ERR_READ_ONLY: opened for reading on a read-only file system, with a write-ahead log that has to be recovered first
   */
  static async open(path: string, mode: OpenMode, cacheSize = CACHE_SIZES[mode]): Promise<Connection> {
    if (mode === 'read' && !exists(path)) {
      throw new ArtifactStoreError('AS_ERR_STORE_MISSING', `There is no database at ${path}. Check the path.`, {
        path,
      });
    }
    try {
      const connection = await Connection.#connect(path, path, mode);
      const pageSize = await connection.#configure(
        (mode === 'write' ? WRITER_SETUP : READER_SETUP) + cacheOf(cacheSize),
      );
      if (mode === 'write') await connection.#boundLog(pageSize);
      return connection;
    } catch (error) {
      if (mode === 'write' || !isUnsharable(error)) throw error;
      return Connection.#openImmutable(path, cacheSize);
    }
  }

  /** Runs statements without parameters, one after the other. */
  exec(sql: string): Promise<void> {
    return this.#enqueue(sql, (done) => this.#database.exec(sql, done));
  }

  /** Runs one statement. */
  async run(sql: string, parameters: SqlParameters = []): Promise<void> {
    await this.all(sql, parameters);
  }

  /** The first row of a statement's result. */
  async get<Row>(sql: string, parameters: SqlParameters = []): Promise<Row | undefined> {
    return (await this.all<Row>(sql, parameters))[0];
  }

  /**
   * All rows of a statement's result. The statement stays prepared: SQL text must come from a fixed set, and a limit that is a parameter be written `LIMIT +?1`. By the
   * value of a bare `?1` SQLite would plan, so that it prepares the statement anew each time one is bound: a seventh of the time of a page of objects, measured.
   */
  all<Row>(sql: string, parameters: SqlParameters = []): Promise<Row[]> {
    return this.#enqueue(sql, (done) => {
      const known = this.#statements.get(sql);
      if (known !== undefined) return known.all(parameters, done);
      const statement: Statement = this.#database.prepare(sql, (error: Error | null) => {
        if (error !== null) return done(error);
        this.#statements.set(sql, statement);
        statement.all(parameters, done);
      });
    });
  }

  /**
   * Runs `work` in a transaction that takes the write lock at once; rolls back when it throws. Nobody else may use the connection
   * meanwhile.
   */
  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.exec('BEGIN IMMEDIATE');
    try {
      const result = await work();
      await this.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk or an I/O error has rolled back already; the error that counts is the first.
      await this.exec('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /**
   * Where SQLite keeps temporary tables, views and triggers, of which this drops all, and what undoes one statement of a transaction: the pages as they were. A connection that was opened just now
   * keeps them in a file. In memory nothing of what is erased gets into another file; but what one statement of a rebuild changes are nearly all pages of the
   * indexes, and each thread of the pool on which one ran kept its own room for as many: 160 MB for each million events.
   */
  keepTemporary(where: 'memory' | 'file'): Promise<void> {
    return this.exec(`PRAGMA temp_store = ${where.toUpperCase()}`);
  }

  /** Waits for the statements before, then closes. May be called more than once. */
  close(): Promise<void> {
    this.#closed ??= this.#tail.then(() => this.#shut());
    return this.#closed;
  }

  static async #connect(path: string, file: string, mode: OpenMode): Promise<Connection> {
    const sqlite = await loadSqlite();
    const flags = {
      write: sqlite.OPEN_READWRITE | sqlite.OPEN_CREATE,
      read: sqlite.OPEN_READONLY | sqlite.OPEN_URI,
    }[mode];
    const database = await new Promise<Database>((resolve, reject) => {
      const opening = new sqlite.Database(file, flags, (error) => {
        if (error === null) resolve(opening);
        else reject(sqliteError(error, path));
      });
    });
    database.configure('busyTimeout', SQLITE_BUSY_TIMEOUT_MS);
    return new Connection(path, database);
  }

  /**
   * Opens a database whose shared memory file cannot be made, because the file system is read-only. Then nobody can be writing, so
   * SQLite may do without it, as long as no write-ahead log waits to be recovered: `immutable` would pass over that.
   */
  static async #openImmutable(path: string, cacheSize: number): Promise<Connection> {
    if (exists(`${path}-wal`)) {
      throw new ArtifactStoreError(
        'AS_ERR_READ_ONLY',
        `The database ${path} was not closed cleanly and lies where nothing can be written. Open it once where it can be written, then here.`,
        { path },
      );
    }
    const connection = await Connection.#connect(path, `${pathToFileURL(path).href}?immutable=1`, 'read');
    await connection.#configure(READER_SETUP + cacheOf(cacheSize));
    return connection;
  }

  /** Sets after how much write-ahead log it is copied into the database, which counts in pages of the database's own size. */
  #boundLog(pageSize: number): Promise<void> {
    return this.exec(`PRAGMA wal_autocheckpoint = ${Math.ceil(SQLITE_CHECKPOINT_SIZE / pageSize)}`);
  }

  /** Gives the bytes of a page. */
  async #configure(setup: string): Promise<number> {
    try {
      await this.exec(setup);
      // The first statement that reads: this is where an unfit file shows.
      const read =
        'SELECT count(*) AS objects, (SELECT page_size FROM pragma_page_size) AS pageSize FROM sqlite_schema';
      return (await this.get<{ pageSize: number }>(read))?.pageSize ?? PAGE_SIZE;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Queues a statement behind those before; the callback style of the package becomes a promise, its errors ours. */
  #enqueue<T>(sql: string, start: (done: (error: Error | null, result?: unknown) => void) => void): Promise<T> {
    if (this.#closed !== undefined) {
      return Promise.reject(new ArtifactStoreError('AS_ERR_CLOSED', `The database ${this.path} has been closed.`));
    }
    const result = this.#tail.then(
      () =>
        new Promise<T>((resolve, reject) => {
          const began = beginSpan();
          start((error, value) => {
            tellSpan('sqlite', sql, began);
            if (error === null) resolve(value as T);
            else reject(sqliteError(error, this.path));
          });
        }),
    );
    this.#tail = result.catch(() => {});
    return result;
  }

  async #shut(): Promise<void> {
    for (const statement of this.#statements.values()) {
      await new Promise<void>((resolve) => {
        statement.finalize(() => resolve());
      });
    }
    await new Promise<void>((resolve, reject) => {
      this.#database.close((error) => (error === null ? resolve() : reject(sqliteError(error, this.path))));
    });
  }
}

const WRITER_SETUP = `
  PRAGMA page_size = ${PAGE_SIZE};
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA journal_size_limit = ${SQLITE_CHECKPOINT_SIZE};
`;

const READER_SETUP = 'PRAGMA query_only = ON;';

const CACHE_SIZES = { write: SQLITE_WRITE_CACHE_SIZE, read: SQLITE_CACHE_SIZE } as const;

const cacheOf = (size: number) => `PRAGMA cache_size = -${size / 1024};`;

function isUnsharable(error: unknown): boolean {
  const code = primaryCode((error as Error).cause);
  return code === SQLITE_CANTOPEN || code === SQLITE_READONLY;
}

/** Whether there is a file with something in it. */
function exists(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}
