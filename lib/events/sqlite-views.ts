/**
 * Keeps views in step with the log in one SQLite database: creates them, applies batches, rebuilds them.
 *
 * Imports the database connection, the view interface, rows, batches and errors. `sqlite-log.ts` calls it, on its writing
 * connection.
 */

import { ArtifactStoreError } from '../errors.js';
import { REBUILD_CACHE_SIZE, REBUILD_EVENTS_MAX, ROW_EVENTS_MAX } from '../limits.js';
import type { FillRecords } from '../record-form.js';
import type { RowPacking } from '../record-rows.js';
import { Connection, type Reader, type SqlValue } from '../sqlite/connection.js';
import type { EventBatch } from './batch.js';
import { COUNTERS } from './fixed-rows.js';
import type { RebuildProgress } from './log.js';
import { type EventRow, joinRows, ROW_COLUMNS } from './rows.js';
import type { View } from './view.js';

/** How a view's statements name what `project` gives, and the bytes of the batch. */
const PARAMETER = /:([a-z]+)\b/g;
const EVENTS = 'events';

interface ViewState {
  name: string;
  version: number;
  position: number;
  drop_sql: string;
}

/** The views of one log. */
export class SqliteViews {
  readonly #views: readonly View[];
  readonly #readBatch: (reader: Reader, after: number, end: number) => Promise<EventBatch | undefined>;
  /** Names as an SQL list. */
  readonly #names: string;

  /**
   * @param fillRecords writes rows of views that are derived from what is in the log
   * @param packing takes events out of its rows
   */
  constructor(views: readonly View[], fillRecords?: FillRecords, packing?: RowPacking) {
    this.#views = views;
    this.#readBatch = (reader, after, end) => readBatch(reader, after, end, fillRecords, packing);
    this.#names = views.map(({ name }) => quote(name)).join(', ');
  }

  /** Columns in which one batch brings its changes, those of each view behind those of the one before. */
  get columns(): string[] {
    return this.#views.flatMap(({ parameters }, index) => parameters.map((name) => `${name}_${index}`));
  }

  /** What a batch of events changes, in the order of `columns`. */
  project(batch: EventBatch): SqlValue[] {
    return this.#views.flatMap((view) => {
      const projection = view.project(batch);
      return view.parameters.map((name) => projection?.[name] ?? null);
    });
  }

  /**
   * The statements of every view over the columns of a batch, for the body of a trigger; `NEW.bytes` are those of the events. Those that read columns of
   * which none is filled do nothing, and are left out.
   */
  statements(isFilled: (column: string) => boolean = () => true): string[] {
    return this.#views.flatMap((view, index) =>
      view.apply.flatMap((sql) => {
        const columns = [...sql.matchAll(PARAMETER)].flatMap(([, name]) =>
          name === EVENTS ? [] : [`${name}_${index}`],
        );
        if (columns.length > 0 && !columns.some(isFilled)) return [];
        return [sql.replaceAll(PARAMETER, (_, name) => (name === EVENTS ? 'NEW.bytes' : `NEW.${name}_${index}`))];
      }),
    );
  }

  /** The statement that says, in the body of a trigger, that every view is up to the event `NEW.last`. */
  get advance(): string {
    return `UPDATE views SET position = NEW.last WHERE name IN (${this.#names})`;
  }

  /** Makes what `statements` need of a connection. */
  async prepare(connection: Connection): Promise<void> {
    await connection.exec(COUNTERS);
  }

  /**
   * Makes what `apply` needs of a connection beside that: a temporary view that takes a batch as a row, whose trigger has the views take it in. Whoever only commits does
   * without: all the statements of all the views take a while to be read.
   */
  async prepareApply(connection: Connection): Promise<void> {
    const columns = ['bytes', ...this.columns];
    await connection.exec(`${COUNTERS}
      CREATE TEMP VIEW IF NOT EXISTS batches AS SELECT ${columns.map((name) => `NULL AS ${name}`).join(', ')};
      CREATE TEMP TRIGGER IF NOT EXISTS batches_insert INSTEAD OF INSERT ON batches BEGIN
        ${this.statements().join(';\n')};
      END`);
  }

  /**
   * Has the views take in what `project` gave, and the batch's bytes in front of it, inside a transaction.
   *
   * OR ROLLBACK, because a failure ends the transaction anyway, so nothing may be queued behind this before it has succeeded. What it takes to undo
   * the statement alone, the database keeps all the same, as for every statement that calls a function: in memory, see connection.ts.
   */
  async apply(connection: Connection, batch: EventBatch, changes: readonly SqlValue[]): Promise<void> {
    const places = Array.from({ length: 1 + changes.length }, (_, index) => `?${index + 1}`);
    await connection.run(`INSERT OR ROLLBACK INTO batches VALUES (${places.join(', ')})`, [batch.bytes, ...changes]);
  }

  /**
   * Applies the events that the views have not seen. Where one is missing, has another version, or is none that this code defines, all are dropped
   * and derived anew: one view may stand on the tables of another, so they must never be at different places. Must run inside a transaction.
   *
   * @param last seq of the newest event
   * @param rebuild derive every view anew, whatever there is
   */
  async synchronise(
    connection: Connection,
    last: number,
    rebuild = false,
    progress: (progress: RebuildProgress) => void = () => {},
  ): Promise<void> {
    const states = await readStates(connection);
    const start = rebuild ? undefined : this.#position(states);
    if (start === undefined) {
      // Together, because each call is a change of threads.
      const made = this.#views.map(({ name, version, schema, drop }) => {
        return `${schema}; INSERT INTO views VALUES (${quote(name)}, ${version}, 0, ${quote(drop)});`;
      });
      await connection.exec(
        [...states.map(({ drop_sql }) => `${drop_sql};`), 'DELETE FROM views;', ...made].join('\n'),
      );
    }
    if (last !== (start ?? 0)) await this.#catchUp(connection, start ?? 0, last, progress);
  }

  /** Where all views stand; undefined when they are not just those of this code, all at one place. */
  #position(states: readonly ViewState[]): number | undefined {
    const known = new Map(states.map((state) => [state.name, state]));
    const position = states[0]?.position;
    const areCurrent = this.#views.every(({ name, version }) => {
      const state = known.get(name);
      return state?.version === version && state.position === position;
    });
    return areCurrent && states.length === this.#views.length ? position : undefined;
  }

  /**
   * Makes sure that the views can be read as they are, by someone who cannot bring them up to date.
   *
   * @throws AS_ERR_STORE_FORMAT: a view is missing, has another version, or lags behind the log
   */
  async check(connection: Connection): Promise<void> {
    const rows = await connection.all<ViewState & { last: number }>(
      'SELECT views.*, (SELECT coalesce(max(last), 0) FROM events) AS last FROM views',
    );
    const states = new Map(rows.map((row) => [row.name, row]));
    for (const { name, version } of this.#views) {
      const state = states.get(name);
      if (state?.version === version && state.position === state.last) continue;
      throw new ArtifactStoreError(
        'AS_ERR_STORE_FORMAT',
        `The view ${name} of ${connection.path} is not that of this version of artifactstore, or behind the log. Open the store once for writing to bring it up to date.`,
        { name, found: state?.version ?? 'none', known: version },
      );
    }
  }

  /**
   * Applies the events behind `start` up to `total`, in batches, so that memory does not grow with the log. While the database applies one batch, this thread
   * works on the next, and another connection reads the one behind it: through the one that writes it would wait, and take the place of the views' pages in its cache.
   */
  async #catchUp(
    connection: Connection,
    start: number,
    total: number,
    progress: (progress: RebuildProgress) => void,
  ): Promise<void> {
    await this.prepareApply(connection);
    const reader = await Connection.open(connection.path, 'read', REBUILD_CACHE_SIZE);
    await this.#applyAll(connection, reader, start, total, progress).finally(() => reader.close());
    await connection.run(`UPDATE views SET position = ?1 WHERE name IN (${this.#names})`, [total]);
  }

  async #applyAll(
    connection: Connection,
    reader: Reader,
    start: number,
    total: number,
    progress: (progress: RebuildProgress) => void,
  ): Promise<void> {
    let reading = this.#readBatch(reader, start, total);
    let applying: Promise<void> = Promise.resolve();
    for (let done = start; done < total; ) {
      const batch = await reading;
      if (batch === undefined) break;
      reading = this.#readBatch(reader, batch.last, total);
      const changes = this.project(batch);
      await applying;
      if (done > start) progress({ events: done, total });
      applying = this.apply(connection, batch, changes);
      done = batch.last;
    }
    await applying;
    progress({ events: total, total });
  }
}

/** The rows with the next events behind `after`, up to `end`; undefined when there are none. */
async function readBatch(
  reader: Reader,
  after: number,
  end: number,
  fillRecords: FillRecords | undefined,
  packing: RowPacking | undefined,
): Promise<EventBatch | undefined> {
  if (after >= end) return undefined;
  const rows = await reader.all<EventRow>(`SELECT ${ROW_COLUMNS} FROM events WHERE last > ?1 ORDER BY last LIMIT +?2`, [
    after,
    REBUILD_EVENTS_MAX / ROW_EVENTS_MAX,
  ]);
  return joinRows(rows, fillRecords, packing)?.between(after, end);
}

function readStates(connection: Connection): Promise<ViewState[]> {
  return connection.all<ViewState>('SELECT name, version, position, drop_sql FROM views');
}

function quote(name: string): string {
  return `'${name.replaceAll("'", "''")}'`;
}
