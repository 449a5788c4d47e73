/**
 * A reading connection whose rows have texts where the views have pseudonyms.
 *
 * Imports the connection's types, the log's interface and pseudonyms. The registry asks by way of one, and so needs to know nothing of pseudonyms.
 *
 * In a row a pseudonym is either all of a value or stands inside of JSON that a view made.
 */

import type { Reader, SqlParameters } from '../sqlite/connection.js';
import type { EventLog } from './log.js';
import { isPseudonym, pseudonymsIn, withTexts } from './pseudonym.js';

type Row = { [column: string]: unknown };

export class RevealingReader implements Reader {
  readonly #connection: Reader;
  readonly #texts: Pick<EventLog, 'textsOf'>;

  constructor(connection: Reader, texts: Pick<EventLog, 'textsOf'>) {
    this.#connection = connection;
    this.#texts = texts;
  }

  async get<T>(sql: string, parameters: SqlParameters = []): Promise<T | undefined> {
    return (await this.all<T>(sql, parameters))[0];
  }

  async all<T>(sql: string, parameters: SqlParameters = []): Promise<T[]> {
    const rows = await this.#connection.all<T>(sql, parameters);
    const wanted = new Set<string>();
    for (const row of rows)
      for (const value of Object.values(row as Row)) if (typeof value === 'string') pseudonymsIn(value, wanted);
    if (wanted.size === 0) return rows;
    const texts = await this.#texts.textsOf(wanted);
    for (const row of rows as Row[]) {
      for (const [column, value] of Object.entries(row)) {
        if (typeof value === 'string') row[column] = revealed(value, texts);
      }
    }
    return rows;
  }
}

function revealed(value: string, texts: ReadonlyMap<string, string>): string {
  if (isPseudonym(value)) return texts.get(value) ?? value;
  if (!/^[[{]/.test(value)) return value;
  return withTexts(value, texts, (text) => JSON.stringify(text).slice(1, -1));
}
