/**
 * The registry as it was: every answer as it would have been given when a certain event was the newest.
 *
 * Imports the derivation of views, the database connection, and this folder. The facade makes one for whoever asks about a moment of the past.
 *
 * The views are derived from the log up to that event, by the same code as those of today, so they are right because those are. That takes the
 * time of a rebuild of so many events, each time: nothing is kept. SQLite keeps the tables in memory up to the size of its cache, and beyond that in
 * a nameless temporary file.
 */

import { deriveViews } from '../events/derive.js';
import type { EventLog } from '../events/log.js';
import { RevealingReader } from '../events/revealing-reader.js';
import { Connection } from '../sqlite/connection.js';
import type { ListQuery, ObjectPage, ObjectRecord, Registry, Usage } from './registry.js';
import { createRegistry } from './sqlite-registry.js';
import { registryViews } from './views.js';

/** SQLite's name for a database that is nobody else's and goes away with its connection. */
const TEMPORARY = '';

/**
 * Derives the registry of the events 1 to `seq`. Close it after use.
 *
 * @param seq an event of the log, or 0 for before the first
 * @throws AS_ERR_ABORTED, AS_ERR_LOG_DAMAGED, AS_ERR_NO_SPACE, AS_ERR_SQLITE, AS_ERR_IO
 */
export async function openPastRegistry(
  log: Pick<EventLog, 'read' | 'textsOf'>,
  seq: number,
  signal?: AbortSignal,
): Promise<PastRegistry> {
  const connection = await Connection.open(TEMPORARY, 'write');
  try {
    await deriveViews(connection, registryViews, log, seq, signal);
    return new PastRegistry(seq, connection, log);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** What a store held at a moment of the past, according to its log. It changes no more; the bytes may be gone since. */
export class PastRegistry {
  readonly #connection: Connection;
  readonly #registry: Registry;

  constructor(
    /** The newest event it knows; 0: none. */
    readonly seq: number,
    connection: Connection,
    texts: Pick<EventLog, 'textsOf'>,
  ) {
    this.#connection = connection;
    this.#registry = createRegistry(new RevealingReader(connection, texts));
  }

  /** As `Store.stat`. */
  stat(name: string): Promise<ObjectRecord> {
    return this.#registry.resolve(name);
  }

  /** As `Store.list`. */
  list(query: ListQuery = {}): Promise<ObjectPage> {
    return this.#registry.list(query);
  }

  /** As `Store.usage`. */
  usage(): Promise<Usage> {
    return this.#registry.usage();
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
