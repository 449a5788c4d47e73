/**
 * A connection that reads, opened when the first question comes: for who asks long questions now and then, behind which nobody else's are to wait.
 *
 * Imports the connection. The event log makes one, and closes it.
 */

import { Connection, type Reader, type SqlParameters } from './connection.js';

export class LaterReader implements Reader {
  #connection: Promise<Connection> | undefined;

  /** @param path of a database that there is by the first question */
  constructor(readonly path: string) {}

  async all<Row>(sql: string, parameters: SqlParameters = []): Promise<Row[]> {
    return (await this.#opened()).all<Row>(sql, parameters);
  }

  async get<Row>(sql: string, parameters: SqlParameters = []): Promise<Row | undefined> {
    return (await this.#opened()).get<Row>(sql, parameters);
  }

  /** Closes it, if it was opened; nobody asks any more. */
  async close(): Promise<void> {
    await (await this.#connection)?.close();
  }

  #opened(): Promise<Connection> {
    this.#connection ??= Connection.open(this.path, 'read').catch((error) => {
      this.#connection = undefined; // the next question tries again
      throw error;
    });
    return this.#connection;
  }
}
