/**
 * The event log's tables in SQLite, how a file is recognised as ours, and the guards that keep the log append-only.
 *
 * Imports the database connection's type and errors. `sqlite-log.ts` calls it; docs/formats/events.md documents it.
 */

import { ArtifactStoreError } from '../errors.js';
import type { Connection } from '../sqlite/connection.js';

/** `PRAGMA application_id` of an event log: the letters ASev. */
export const APPLICATION_ID = 0x41536576;

/** `PRAGMA user_version`: the version of the tables below. Version 3 had no packed rows; version 2 no `personal` either, and texts in its events. */
export const LOG_FORMAT_VERSION = 4;
const WITHOUT_PACKED_ROWS = 3;
const WITHOUT_TEXTS = 2;

/**
 * The log and its guards by name. A row holds events that were committed together, end to end: a row each would cost several times as
 * much in a large commit. INSERT OR REPLACE would delete the old row without firing a delete trigger, so the insert itself is refused
 * unless it continues the log: its first seq is the next, and it has an end for every event.
 */
const FORMER_OBJECTS: { readonly [name: string]: string } = {
  events: `CREATE TABLE events (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    time INTEGER NOT NULL,
    ends BLOB NOT NULL,
    bytes BLOB NOT NULL
  ) STRICT`,
  events_insert: `CREATE TRIGGER events_insert BEFORE INSERT ON events BEGIN
    SELECT RAISE(ABORT, 'the event log is append-only: the seq of a new event must be the next one')
      WHERE NEW.first IS NOT (SELECT coalesce(max(last), 0) + 1 FROM events);
    SELECT RAISE(ABORT, 'the event log is append-only: a row must have an end for each of its events')
      WHERE NEW.last < NEW.first OR length(NEW.ends) <> 4 * (NEW.last - NEW.first + 1);
  END`,
  events_update: `CREATE TRIGGER events_update BEFORE UPDATE ON events BEGIN
    SELECT RAISE(ABORT, 'the event log is append-only: events are never changed');
  END`,
  events_delete: `CREATE TRIGGER events_delete BEFORE DELETE ON events BEGIN
    SELECT RAISE(ABORT, 'the event log is append-only: events are never deleted');
  END`,
  views: `CREATE TABLE views (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    drop_sql TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`,
};

/**
 * The texts that pseudonyms in events stand for (pseudonym.ts). All that may happen to one is that it is erased, its salt with it. INSERT OR REPLACE would delete the old row
 * without firing a delete trigger, so an insert over one that is there does nothing.
 */
const TEXTS: { readonly [name: string]: string } = {
  personal: `CREATE TABLE personal (
    pseudonym TEXT PRIMARY KEY,
    salt BLOB,
    text BLOB,
    actor INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
  personal_actors: `CREATE INDEX personal_actors ON personal (text) WHERE actor = 1 AND text IS NOT NULL`,
  personal_insert: `CREATE TRIGGER personal_insert BEFORE INSERT ON personal
    WHEN EXISTS (SELECT 1 FROM personal WHERE pseudonym = NEW.pseudonym) BEGIN
    SELECT RAISE(IGNORE);
  END`,
  personal_update: `CREATE TRIGGER personal_update BEFORE UPDATE ON personal BEGIN
    SELECT RAISE(ABORT, 'personal texts are erased, never changed')
      WHERE NEW.pseudonym IS NOT OLD.pseudonym OR NEW.actor IS NOT OLD.actor OR NEW.salt IS NOT NULL OR NEW.text IS NOT NULL;
  END`,
  personal_delete: `CREATE TRIGGER personal_delete BEFORE DELETE ON personal BEGIN
    SELECT RAISE(ABORT, 'personal texts are erased, never deleted: their pseudonyms stay');
  END`,
};

const OBJECTS = { ...FORMER_OBJECTS, ...TEXTS };

/**
 * Makes the tables in an empty database, or makes sure that those of a log are there. A log of the version before is given what it lacks; its events stay as they are. Must run
 * inside a transaction.
 *
 * @throws AS_ERR_STORE_FORMAT: another program's database, or a newer format
 * @throws AS_ERR_LOG_DAMAGED: a table or guard is missing or was altered
 */
export async function prepareLog(connection: Connection): Promise<void> {
  const mark = await readMark(connection);
  const { application, version, objects } = mark;
  if (application === 0 && objects === 0) {
    const pragmas = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${LOG_FORMAT_VERSION}`;
    await connection.exec([...Object.values(OBJECTS), pragmas].join(';\n'));
  } else if (application === APPLICATION_ID && version === WITHOUT_TEXTS) {
    await checkGuards(connection, FORMER_OBJECTS);
    for (const sql of Object.values(TEXTS)) await connection.exec(sql);
    await connection.exec(`PRAGMA user_version = ${LOG_FORMAT_VERSION}`);
    await checkLog(connection);
  } else {
    await checkLog(connection, mark);
    // Before the first packed row: who knows none must not meet one.
    if (version !== LOG_FORMAT_VERSION) await connection.exec(`PRAGMA user_version = ${LOG_FORMAT_VERSION}`);
  }
}

/**
 * Makes sure that a database is an event log of a format this code knows, with its guards in place.
 *
 * @param mark what it says it is, where that has been read
 * @throws AS_ERR_STORE_FORMAT, AS_ERR_LOG_DAMAGED: as for `prepareLog`
 */
export async function checkLog(connection: Connection, mark?: Mark): Promise<void> {
  const { application, version } = mark ?? (await readMark(connection));
  if (application !== APPLICATION_ID) {
    throw formatError(
      connection,
      `is not an event log: its application_id is ${application}, not ${APPLICATION_ID}. Check the path.`,
      { found: application, known: APPLICATION_ID },
    );
  }
  if (version === WITHOUT_TEXTS) {
    throw formatError(
      connection,
      `has format version ${version}, and this version of artifactstore works with ${LOG_FORMAT_VERSION}. Open the store once for writing, which changes no event.`,
      { found: version, known: LOG_FORMAT_VERSION },
    );
  }
  if (version !== LOG_FORMAT_VERSION && version !== WITHOUT_PACKED_ROWS) {
    throw formatError(
      connection,
      `has format version ${version}; this version of artifactstore knows ${LOG_FORMAT_VERSION}. Use the version that wrote it, or a newer one.`,
      { found: version, known: LOG_FORMAT_VERSION },
    );
  }
  await checkGuards(connection, OBJECTS);
}

async function checkGuards(connection: Connection, objects: { readonly [name: string]: string }): Promise<void> {
  const rows = await connection.all<{ name: string; sql: string }>('SELECT name, sql FROM sqlite_schema');
  const found = new Map(rows.map(({ name, sql }) => [name, sql]));
  for (const [name, sql] of Object.entries(objects)) {
    if (found.get(name) === sql) continue;
    throw new ArtifactStoreError(
      'AS_ERR_LOG_DAMAGED',
      `The event log ${connection.path} has been tampered with: ${name} is ${found.has(name) ? 'altered' : 'missing'}. Restore the log from a copy.`,
      { path: connection.path, name },
    );
  }
}

/** What a database says it is, and how many tables and the like it has. */
interface Mark {
  application: number;
  version: number;
  objects: number;
}

/** In one statement, because each is a change of threads. */
async function readMark(connection: Connection): Promise<Mark> {
  const mark = await connection.get<Mark>(
    `SELECT (SELECT application_id FROM pragma_application_id) AS application,
      (SELECT user_version FROM pragma_user_version) AS version,
      (SELECT count(*) FROM sqlite_schema) AS objects`,
  );
  return mark ?? { application: 0, version: 0, objects: 0 };
}

function formatError(
  connection: Connection,
  what: string,
  details: { found: number; known: number },
): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_STORE_FORMAT', `The database ${connection.path} ${what}`, {
    path: connection.path,
    ...details,
  });
}
