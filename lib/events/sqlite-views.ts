/**
 * Keeps views in step with the log in one SQLite database: creates them, applies batches, rebuilds them.
 *
 * Imports the database connection's type, the view interface, rows, batches and errors. `sqlite-log.ts` calls it, on its writing
 * connection.
 */

import { ArtifactStoreError } from '../errors.js';
import { REBUILD_EVENTS_MAX, ROW_EVENTS_MAX } from '../limits.js';
import type { Connection, SqlValue } from '../sqlite/connection.js';
import type { EventBatch } from './batch.js';
import { COUNTERS } from './fixed-rows.js';
import type { RebuildProgress } from './log.js';
import { type EventRow, joinRows, ROW_COLUMNS } from './rows.js';
import type { Projection, View } from './view.js';

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
  /** Names as an SQL list. */
  readonly #names: string;

  constructor(views: readonly View[]) {
    this.#views = views;
    this.#names = views.map(({ name }) => quote(name)).join(', ');
  }

  /** Columns in which one batch brings its changes, those of each view behind those of the one before. */
  get columns(): string[] {
    return this.#views.flatMap(({ parameters }, index) => parameters.map((name) => `${name}_${index}`));
  }

  /** What a batch of events changes, in the order of `columns`. */
  project(batch: EventBatch): (string | Uint8Array | null)[] {
    return this.#views.flatMap((view) => {
      const projection = view.project(batch);
      return view.parameters.map((name) => projection?.[name] ?? null);
    });
  }

  /** The statements that bring every view up to the event `NEW.last`, for the body of the commit's trigger; `NEW.bytes` are those of the events. */
  triggerStatements(): string[] {
    const statements = this.#views.flatMap((view, index) =>
      view.apply.map((sql) =>
        sql.replaceAll(PARAMETER, (_, name) => (name === EVENTS ? 'NEW.bytes' : `NEW.${name}_${index}`)),
      ),
    );
    return [...statements, `UPDATE views SET position = NEW.last WHERE name IN (${this.#names})`];
  }

  /**
   * Creates what is missing, drops what this code does not define, rebuilds what has another version, and applies the events that a
   * view has not seen. Must run inside a transaction.
   *
   * @param rebuild derive every view anew
   */
  async synchronise(
    connection: Connection,
    rebuild: boolean,
    progress: (progress: RebuildProgress) => void = () => {},
  ): Promise<void> {
    await prepareViews(connection);
    const states = new Map((await readStates(connection)).map((state) => [state.name, state]));
    const versions = new Map(this.#views.map(({ name, version }) => [name, version]));
    for (const { name, version, drop_sql } of states.values()) {
      if (!rebuild && versions.get(name) === version) continue;
      await connection.exec(drop_sql);
      await connection.run('DELETE FROM views WHERE name = ?1', [name]);
      states.delete(name);
    }
    for (const { name, version, schema, drop } of this.#views) {
      if (states.has(name)) continue;
      await connection.exec(schema);
      await connection.run('INSERT INTO views VALUES (?1, ?2, 0, ?3)', [name, version, drop]);
    }
    await this.#catchUp(connection, (view) => states.get(view.name)?.position ?? 0, progress);
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
   * Applies the events behind each view's position, in batches, so that memory does not grow with the log. While the database applies one
   * batch, this thread works on the next, which was read before.
   */
  async #catchUp(
    connection: Connection,
    position: (view: View) => number,
    progress: (progress: RebuildProgress) => void,
  ): Promise<void> {
    const total = await lastSeq(connection);
    const start = Math.min(total, ...this.#views.map(position));
    let reading = readBatch(connection, start, total);
    let applying: Promise<unknown> = Promise.resolve();
    for (let done = start; done < total; ) {
      const batch = await reading;
      if (batch === undefined) break;
      reading = readBatch(connection, batch.last, total);
      const projections = this.#views.map((view) => projectUnseen(view, batch, position(view)));
      await applying;
      if (done > start) progress({ events: done, total });
      applying = this.#apply(connection, projections);
      done = batch.last;
    }
    await applying;
    if (total > start) progress({ events: total, total });
    await connection.run(`UPDATE views SET position = ?1 WHERE name IN (${this.#names})`, [total]);
  }

  #apply(connection: Connection, projections: readonly (Projection | null)[]): Promise<unknown> {
    return Promise.all(this.#views.map((view, index) => runStatements(connection, view, projections[index] ?? null)));
  }
}

/** Makes what the statements of views need of the connection that runs them. */
export function prepareViews(connection: Connection): Promise<void> {
  return connection.exec(COUNTERS);
}

/** Has one view take in a batch, on a connection that `prepareViews` has seen. */
export async function applyView(connection: Connection, view: View, batch: EventBatch): Promise<void> {
  await runStatements(connection, view, projectUnseen(view, batch, 0));
}

/** Queues the statements of a view at once, so that none waits for this thread. */
function runStatements(connection: Connection, view: View, projection: Projection | null): Promise<unknown> {
  if (projection === null) return Promise.resolve();
  return Promise.all(view.apply.map((sql) => connection.run(sql, named(sql, projection))));
}

/** What the events of a batch that a view has not seen change in it, and their bytes. */
function projectUnseen(view: View, batch: EventBatch, position: number): Projection | null {
  if (batch.last <= position) return null;
  const unseen = batch.after(position);
  const projection = view.project(unseen);
  return projection && { ...projection, [EVENTS]: unseen.bytes };
}

/** The parameters that a statement names: the database refuses others. */
function named(sql: string, values: Projection): { [name: string]: SqlValue } {
  return Object.fromEntries([...sql.matchAll(PARAMETER)].map(([name, word]) => [name, values[word as string] ?? null]));
}

/** The rows with the next events behind `after`; undefined when there are none. */
async function readBatch(connection: Connection, after: number, total: number): Promise<EventBatch | undefined> {
  if (after >= total) return undefined;
  const rows = await connection.all<EventRow>(
    `SELECT ${ROW_COLUMNS} FROM events WHERE last > ?1 ORDER BY last LIMIT ?2`,
    [after, REBUILD_EVENTS_MAX / ROW_EVENTS_MAX],
  );
  return joinRows(rows)?.after(after);
}

async function lastSeq(connection: Connection): Promise<number> {
  const row = await connection.get<{ last: number }>('SELECT coalesce(max(last), 0) AS last FROM events');
  return row?.last ?? 0;
}

function readStates(connection: Connection): Promise<ViewState[]> {
  return connection.all<ViewState>('SELECT name, version, position, drop_sql FROM views');
}

function quote(name: string): string {
  return `'${name.replaceAll("'", "''")}'`;
}
