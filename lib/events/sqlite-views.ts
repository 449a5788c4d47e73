/**
 * Keeps views in step with the log in one SQLite database: creates them, applies batches, rebuilds them.
 *
 * Imports the database connection's type, the view interface, the envelope and errors. `sqlite-log.ts` calls it, on its writing
 * connection.
 */

import { ArtifactStoreError } from '../errors.js';
import { COMMIT_EVENTS_MAX } from '../limits.js';
import type { Connection } from '../sqlite/connection.js';
import { decodeEvent } from './envelope.js';
import type { RebuildProgress, StoredEvent } from './log.js';
import type { View } from './view.js';

/** How a view's statements name the result of `project`. */
const CHANGES = /:changes\b/g;

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

  /** Columns in which one batch brings its changes, one for each view. */
  get columns(): string[] {
    return this.#views.map((_, index) => `changes_${index}`);
  }

  /** What a batch of events changes, JSON for each view, in the order of `columns`. */
  project(events: readonly StoredEvent[]): string[] {
    return this.#views.map((view) => JSON.stringify(view.project(events)));
  }

  /** The statements that bring every view up to the event `NEW.last`, for the body of the commit's trigger. */
  triggerStatements(): string[] {
    const statements = this.#views.flatMap((view, index) =>
      view.apply.map((sql) => sql.replaceAll(CHANGES, `NEW.changes_${index}`)),
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
      'SELECT views.*, (SELECT coalesce(max(seq), 0) FROM events) AS last FROM views',
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

  /** Applies the events behind each view's position, in batches, so that memory does not grow with the log. */
  async #catchUp(
    connection: Connection,
    position: (view: View) => number,
    progress: (progress: RebuildProgress) => void,
  ): Promise<void> {
    const total = await lastSeq(connection);
    let done = Math.min(total, ...this.#views.map(position));
    while (done < total) {
      const events = await readBatch(connection, done);
      for (const view of this.#views) {
        const unseen = events.filter(({ seq }) => seq > position(view));
        await applyView(connection, view, unseen);
      }
      done = events.at(-1)?.seq ?? total;
      progress({ events: done, total });
    }
    await connection.run(`UPDATE views SET position = ?1 WHERE name IN (${this.#names})`, [total]);
  }
}

async function applyView(connection: Connection, view: View, events: readonly StoredEvent[]): Promise<void> {
  const changes = view.project(events);
  if (changes === null) return;
  const parameters = { ':changes': JSON.stringify(changes) };
  for (const sql of view.apply) await connection.run(sql, parameters);
}

async function readBatch(connection: Connection, after: number): Promise<StoredEvent[]> {
  const rows = await connection.all<{ seq: number; bytes: Uint8Array }>(
    'SELECT seq, bytes FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2',
    [after, COMMIT_EVENTS_MAX],
  );
  return rows.map(({ seq, bytes }) => decodeEvent(seq, bytes));
}

async function lastSeq(connection: Connection): Promise<number> {
  const row = await connection.get<{ last: number }>('SELECT coalesce(max(seq), 0) AS last FROM events');
  return row?.last ?? 0;
}

function readStates(connection: Connection): Promise<ViewState[]> {
  return connection.all<ViewState>('SELECT name, version, position, drop_sql FROM views');
}

function quote(name: string): string {
  return `'${name.replaceAll("'", "''")}'`;
}
