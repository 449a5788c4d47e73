/**
 * Keeps views in step with the log in one SQLite database: creates them, applies batches, rebuilds them.
 *
 * Imports the database connection's type, the view interface, the envelope and errors. `sqlite-log.ts` calls it, on its writing
 * connection.
 */

import { ArtifactStoreError } from '../errors.js';
import { REBUILD_EVENTS_MAX, ROW_EVENTS_MAX } from '../limits.js';
import type { Connection, SqlValue } from '../sqlite/connection.js';
import { decodeEvent } from './envelope.js';
import type { RebuildProgress, StoredEvent } from './log.js';
import { type EventRow, ROW_COLUMNS, splitRow } from './rows.js';
import { PackedChanges, type View } from './view.js';

/** How a view's statements name the result of `project`. */
const CHANGES = /:(changes|bytes)\b/g;

/** The result of `project` as SQL takes it: JSON, and the bytes that it points into. */
type Projection = [changes: string, bytes: Uint8Array | null];

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

  /** Columns in which one batch brings its changes, two for each view. */
  get columns(): string[] {
    return this.#views.flatMap((_, index) => [`changes_${index}`, `bytes_${index}`]);
  }

  /** What a batch of events changes, in the order of `columns`. */
  project(events: readonly StoredEvent[]): (string | Uint8Array | null)[] {
    return this.#views.flatMap((view) => projectionOf(view, events));
  }

  /** The statements that bring every view up to the event `NEW.last`, for the body of the commit's trigger. */
  triggerStatements(): string[] {
    const statements = this.#views.flatMap((view, index) =>
      view.apply.map((sql) => sql.replaceAll(CHANGES, `NEW.$1_${index}`)),
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
      const events = await reading;
      const last = events.at(-1)?.seq ?? total;
      reading = readBatch(connection, last, total);
      const projections = this.#views.map((view) => projectionOf(view, unseen(events, position(view))));
      await applying;
      if (done > start) progress({ events: done, total });
      applying = this.#apply(connection, projections);
      done = last;
    }
    await applying;
    if (total > start) progress({ events: total, total });
    await connection.run(`UPDATE views SET position = ?1 WHERE name IN (${this.#names})`, [total]);
  }

  /** Queues the statements of every view at once, so that none waits for this thread. */
  #apply(connection: Connection, projections: readonly Projection[]): Promise<unknown> {
    return Promise.all(
      this.#views.flatMap((view, index) => {
        const [changes, bytes] = projections[index] as Projection;
        if (changes === 'null') return [];
        return view.apply.map((sql) => connection.run(sql, named(sql, { ':changes': changes, ':bytes': bytes })));
      }),
    );
  }
}

/** What a batch of events changes in a view, ready for its statements. */
export function projectionOf(view: View, events: readonly StoredEvent[]): Projection {
  const changes = view.project(events);
  if (changes instanceof PackedChanges) return [JSON.stringify(changes.json), changes.bytes];
  return [JSON.stringify(changes), null];
}

/** Those of the parameters that a statement has: the database refuses others. */
export function named(sql: string, parameters: { [name: string]: SqlValue }): { [name: string]: SqlValue } {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => sql.includes(name)));
}

function unseen(events: readonly StoredEvent[], position: number): readonly StoredEvent[] {
  return (events[0]?.seq ?? 0) > position ? events : events.filter(({ seq }) => seq > position);
}

/** The rows with the next events behind `after`, whole. */
async function readBatch(connection: Connection, after: number, total: number): Promise<StoredEvent[]> {
  if (after >= total) return [];
  const rows = await connection.all<EventRow>(
    `SELECT ${ROW_COLUMNS} FROM events WHERE last > ?1 ORDER BY last LIMIT ?2`,
    [after, REBUILD_EVENTS_MAX / ROW_EVENTS_MAX],
  );
  return rows.flatMap((row) => splitRow(row, decodeEvent)).filter(({ seq }) => seq > after);
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
