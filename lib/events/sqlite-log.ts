/**
 * The event log in one SQLite file.
 *
 * Imports the database connection, the rest of this folder, errors and limits. Only the composition root opens it.
 *
 * One connection writes, another reads, a third copies the write-ahead log into the database: a reader never waits for a commit, and sees it whole as soon as it is acknowledged. A commit is
 * one statement, which is also its transaction: an insert into a temporary view, whose trigger stores the events and applies
 * the views that it changes. A statement each would cost a change of threads each; measured for one event at a time, 1.2 ms against 0.55 ms.
 */

import { encodeCanonical } from '../cbor/index.js';
import { formatBlake3, toHex } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { type FillRecords, fillRecordsPlainly } from '../record-form.js';
import { plainRowPacking, type RowPacking } from '../record-rows.js';
import { Checkpointer, COPY } from '../sqlite/checkpointer.js';
import { Connection, type SqlValue } from '../sqlite/connection.js';
import { LaterReader } from '../sqlite/later-reader.js';
import { loadSqlite } from '../sqlite/load.js';
import { EventBatch } from './batch.js';
import { CommitQueue } from './commit-queue.js';
import { finishErasure, prepareErasure } from './erasure.js';
import { type CommitBuffer, type EventBlock, PreparedEvents } from './event-block.js';
import { EventForms } from './event-forms.js';
import { PreparedIngests } from './ingest-block.js';
import { emptyColumns } from './ingest-columns.js';
import { objectIngested } from './kinds.js';
import type {
  EventLog,
  Ingests,
  KnownText,
  NewEvent,
  ReadQuery,
  RebuildProgress,
  Removals,
  StoredEvent,
  StoredEvents,
  TextQuery,
} from './log.js';
import { logIndex } from './log-index.js';
import { PersonalTexts } from './personal-texts.js';
import { PreparedRemovals } from './removal-block.js';
import { emptyRemovals } from './removed-event.js';
import { RevealingReader } from './revealing-reader.js';
import { planRows } from './row-plan.js';
import { readEvents } from './sqlite-read.js';
import { checkLog, prepareLog } from './sqlite-schema.js';
import { SqliteViews } from './sqlite-views.js';
import type { View } from './view.js';

/** How to open a log. */
export interface OpenEventLogOptions {
  /** The database file. */
  path: string;
  /** Never write, not even a new file; a file that must exist. */
  readOnly?: boolean;
  /** The views to keep with the log. */
  views: readonly View[];
  /** Writes the events of many ingests, and the rows that views make of events; JavaScript does where nothing is given. */
  fillRecords?: FillRecords;
  /** Packs the rows of events that are alike, and takes events out of them; JavaScript does where nothing is given. */
  rowPacking?: RowPacking;
}

/** The newest event, as far as the next commit must know it. */
interface Tail {
  seq: number;
  time: number;
}

/** What a log that may be written needs beside its reader. */
interface Writing {
  connection: Connection;
  tail: Tail;
  checkpointer: Checkpointer;
}

/**
 * Opens a log; makes it when the file is missing or empty. Brings its views up to date, and rebuilds those of another version.
 *
 * @throws AS_ERR_STORE_MISSING: read-only, and there is no file
 * @throws AS_ERR_STORE_FORMAT: not an event log, or one of a format or with views this version does not know
 * @throws AS_ERR_LOG_DAMAGED: the file or its guards are not as they were written
 * @throws AS_ERR_SQLITE: `sqlite3` cannot be loaded, or the folder is missing
 * @throws AS_ERR_READ_ONLY, AS_ERR_STORE_LOCKED, AS_ERR_NO_SPACE, AS_ERR_IO
 */
export async function openEventLog(options: OpenEventLogOptions): Promise<SqliteEventLog> {
  const views = new SqliteViews([logIndex, ...options.views], options.fillRecords, options.rowPacking);
  const opened: Connection[] = [];
  let opening: Promise<Connection> | undefined;
  try {
    if (options.readOnly === true) {
      const reader = await openConnection(options.path, 'read', opened);
      await checkLog(reader);
      await views.check(reader);
      return new SqliteEventLog(reader, new PersonalTexts(reader), undefined, views);
    }
    const writer = await openConnection(options.path, 'write', opened);
    opening = openConnection(options.path, 'read', opened); // beside what follows: the file is there now
    opening.catch(() => undefined); // reported where it is awaited
    // All in one: of a new log, one sync less.
    const tail = await writer.transaction(async () => {
      await prepareLog(writer);
      return synchronise(writer, views);
    });
    await makeReady(writer, views);
    const reader = await opening;
    const checkpointer = new Checkpointer(writer, () => Connection.open(options.path, 'write'));
    const texts = new PersonalTexts(reader);
    if (tail.seq > 0) await texts.load();
    return new SqliteEventLog(reader, texts, { connection: writer, tail, checkpointer }, views, options);
  } catch (error) {
    await opening?.catch(() => undefined);
    for (const connection of opened) await connection.close();
    throw error;
  }
}

/** Loads what every log needs, for who has something else to wait for before one may be opened. What fails here fails again there. */
export async function loadEventLog(): Promise<void> {
  await loadSqlite().catch(() => undefined);
}

/** The log in SQLite. `openEventLog` makes it. */
export class SqliteEventLog implements EventLog {
  /** For the registry: questions to the views, which see every acknowledged commit, answered with texts in place of pseudonyms. */
  readonly reader: RevealingReader;
  /** The same, with the pseudonyms that the views have. */
  readonly plainReader: Connection;
  /** The same on a connection of its own, for who asks about many objects again and again: others do not wait behind that. */
  readonly readerBehind: LaterReader;
  readonly #texts: PersonalTexts;
  readonly #writer: Connection | undefined;
  readonly #checkpointer: Checkpointer | undefined;
  readonly #views: SqliteViews;
  readonly #fillRecords: FillRecords;
  readonly #rowPacking: RowPacking;
  /** The statements of the commits that the writer can carry out, by their shapes. */
  readonly #statements = new Map<string, string>();
  readonly #queue = new CommitQueue<EventBlock, Prepared, unknown>({
    prepare: (blocks, before) => this.#prepare(blocks, before === undefined ? this.#tail : tailBehind(before)),
    commit: (prepared) => this.#commit(prepared),
    before: () => this.#checkpointer?.copying,
  });
  readonly #listeners = new Set<(last: number) => void>();
  #tail: Tail;
  #closed: Promise<void> | undefined;

  constructor(
    reader: Connection,
    texts: PersonalTexts,
    writing: Writing | undefined,
    views: SqliteViews,
    { fillRecords = fillRecordsPlainly, rowPacking = plainRowPacking }: Partial<OpenEventLogOptions> = {},
  ) {
    this.plainReader = reader;
    this.readerBehind = new LaterReader(reader.path);
    this.#texts = texts;
    this.reader = new RevealingReader(reader, texts);
    this.#fillRecords = fillRecords;
    this.#rowPacking = rowPacking;
    this.#writer = writing?.connection;
    this.#checkpointer = writing?.checkpointer;
    this.#tail = writing?.tail ?? { seq: 0, time: 0 };
    this.#views = views;
  }

  append(events: readonly NewEvent[]): Promise<StoredEvent[]> {
    try {
      this.#requireWriter();
      if (events.length === 0) return Promise.resolve([]);
      return this.#add(new PreparedEvents(events, this.#texts.mask(events)));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async appendIngests(ingests: Ingests): Promise<StoredEvents> {
    this.#requireWriter();
    if (ingests.table.hasOwnReceipts) return this.#appendEach(ingests);
    return this.#add(new PreparedIngests(ingests, this.#fillRecords, this.#texts.maskActor(ingests.actor)));
  }

  async appendRemovals(removals: Removals): Promise<void> {
    this.#requireWriter();
    if (removals.addresses.length === 0) return;
    const { removals: masked, texts } = this.#texts.maskRemovals(removals);
    await this.#add(new PreparedRemovals(masked, texts));
  }

  /** Ingests whose receipts differ in more than columns can say, as an event each. */
  async #appendEach({ actor, table, indexes }: Ingests): Promise<StoredEvents> {
    const of = (index: number) => objectIngested(actor, table.result(index), formatBlake3(table.blake3(index)));
    const events = await this.append(Array.from(indexes, of));
    const [{ seq: first, time } = { seq: 0, time: 0 }] = events;
    return { length: events.length, first, time, event: (index) => events[index] as StoredEvent };
  }

  async read(query: ReadQuery = {}): Promise<StoredEvent[]> {
    const actors = query.actor === undefined ? undefined : await this.#texts.formsOf(query.actor);
    return this.#texts.revealEvents(await readEvents(this.plainReader, query, actors));
  }

  /** Whether it is open for writing and no event has been written to it yet, so that nothing can be known of anything. */
  get isNew(): boolean {
    return this.#writer !== undefined && this.#tail.seq === 0;
  }

  async last(): Promise<number> {
    const row = await this.plainReader.get<{ last: number }>('SELECT coalesce(max(last), 0) AS last FROM events');
    return row?.last ?? 0;
  }

  async now(): Promise<number> {
    const time = this.#writer === undefined ? (await readTail(this.plainReader)).time : this.#tail.time;
    return Math.max(Date.now(), time);
  }

  onCommit(listener: (last: number) => void): () => void {
    // A wrapper of its own lets the same function subscribe twice.
    const subscription = (last: number) => listener(last);
    this.#listeners.add(subscription);
    return () => this.#listeners.delete(subscription);
  }

  async rebuild(progress?: (progress: RebuildProgress) => void): Promise<void> {
    const writer = this.#requireWriter();
    await this.#queue.exclusively(async () => {
      this.#statements.clear(); // what they insert into goes
      try {
        await writer.keepTemporary('file'); // a connection that was opened just now does
        this.#tail = await writer.transaction(() => synchronise(writer, this.#views, true, progress));
      } finally {
        await makeReady(writer, this.#views);
      }
    });
  }

  textsOf(pseudonyms: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
    return this.#texts.textsOf(pseudonyms);
  }

  findTexts(query: TextQuery): Promise<KnownText[]> {
    return this.#texts.find(query);
  }

  async erase(pseudonyms: readonly string[], event: NewEvent): Promise<{ event: StoredEvent; remains: boolean }> {
    const writer = this.#requireWriter();
    // Calls made from here on get pseudonyms of their own, and stand behind this in the log.
    this.#texts.forget(pseudonyms);
    const block = new PreparedEvents([event], this.#texts.mask([event]), pseudonyms);
    const traces = this.#queue.exclusively(() => prepareErasure(writer, pseudonyms));
    const appended = this.#add(block);
    const wasDone = appended.then(
      () => true,
      () => false,
    );
    const cleaned = this.#queue.exclusively(async () => finishErasure(writer, await traces, await wasDone));
    const [[stored], remains] = await Promise.all([appended, cleaned]);
    return { event: stored as StoredEvent, remains };
  }

  async settle(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined || this.#closed !== undefined) return;
    await this.#queue.exclusively(() => writer.run(COPY)).catch(() => undefined);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#queue.close();
    await this.#checkpointer?.close();
    // The writer last: whoever closes last copies the write-ahead log into the database and removes it.
    await this.readerBehind.close();
    await this.plainReader.close();
    await this.#writer?.close();
  }

  #add<Stored>(block: EventBlock<Stored>): Promise<Stored> {
    return this.#queue.add(block, block.count, block.sizeMax, block.isBehind) as Promise<Stored>;
  }

  #requireWriter(): Connection {
    if (this.#writer !== undefined) return this.#writer;
    throw new ArtifactStoreError(
      'AS_ERR_READ_ONLY',
      `The event log ${this.plainReader.path} is open for reading only. Open the store for writing.`,
      { path: this.plainReader.path },
    );
  }

  /** Writes out the events of a group, and what they change in the views, behind a tail. */
  #prepare(blocks: readonly EventBlock[], tail: Tail): Prepared {
    const batch = encodeBatch(blocks, tail);
    const { bytes, ends, events, ingests, removals, forms, first, last, time } = batch;
    if (last < first) return { blocks, batch, parameters: undefined }; // nothing to store
    const plan = planRows(first, bytes, ends, forms, this.#rowPacking);
    const known = new EventBatch(first, bytes, ends, events, ingests, removals, this.#fillRecords);
    const changes = this.#views.project(known);
    const columns = [bytes, plan.ends, JSON.stringify(plan.rows), time, last];
    const own = [plan.packed, textRows(blocks, ends.length), erasedRows(blocks)];
    return { blocks, batch, parameters: [...columns, ...own, ...changes] };
  }

  async #commit(prepared: Prepared): Promise<unknown[]> {
    const { seq, time } = this.#tail;
    // What was prepared behind a commit that failed since, or that had to be prepared again, stands elsewhere now.
    const isInPlace = prepared.batch.first === seq + 1 && prepared.batch.time >= time;
    const stored = await this.#store(isInPlace ? prepared : this.#prepare(prepared.blocks, this.#tail));
    const { batch } = stored;
    this.#tail = tailBehind(stored);
    this.#checkpointer?.committed(batch.bytes.byteLength, prepared.blocks[0]?.isBehind);
    for (const { texts = [] } of prepared.blocks) this.#texts.wereStored(texts);
    for (const listener of this.#listeners) notify(listener, batch.last);
    return batch.results;
  }

  /** Stores a group. When another process has written meanwhile, learns of its events and stores the group behind them. */
  async #store(prepared: Prepared): Promise<Prepared> {
    const writer = this.#requireWriter();
    try {
      return await this.#insert(writer, prepared);
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_SQLITE')) throw error;
      this.#statements.clear(); // those that are made from here on go with the transaction if it fails
      return writer.transaction(async () => {
        const tail = await readTail(writer);
        if (tail.seq === this.#tail.seq) throw error;
        await this.#views.synchronise(writer, tail.seq);
        return this.#insert(writer, this.#prepare(prepared.blocks, tail));
      });
    }
  }

  async #insert(writer: Connection, prepared: Prepared): Promise<Prepared> {
    const { parameters } = prepared;
    if (parameters === undefined) return prepared;
    const statement = await this.#statementOf(writer, parameters);
    await writer.run(
      statement,
      parameters.filter((value) => value !== null),
    );
    return prepared;
  }

  /** The one statement that is a commit of these parameters; what it takes is made when the first of its shape comes. */
  async #statementOf(writer: Connection, parameters: readonly SqlValue[]): Promise<string> {
    const shape = shapeOf(parameters);
    const known = this.#statements.get(shape);
    if (known !== undefined) return known;
    await writer.exec(commitTrigger(this.#views, shape));
    const statement = commitStatement(this.#views, shape);
    this.#statements.set(shape, statement);
    return statement;
  }
}

/** A commit that is ready to be stored. */
interface Prepared {
  readonly blocks: readonly EventBlock[];
  readonly batch: Batch;
  /** Those of the statement; undefined when there is nothing to store. */
  readonly parameters: readonly SqlValue[] | undefined;
}

/** The tail once a commit has been stored. */
function tailBehind({ batch }: Prepared): Tail {
  return { seq: batch.last, time: batch.time };
}

/** One commit's events. */
interface Batch extends CommitBuffer {
  /** Seq of the last event. */
  readonly last: number;
  /** What the caller of each block gets. */
  readonly results: unknown[];
}

/** Gives events their place, identity and time, and writes them out. */
function encodeBatch(blocks: readonly EventBlock[], tail: Tail): Batch {
  const time = Math.max(Date.now(), tail.time);
  const count = blocks.reduce((sum, block) => sum + block.count, 0);
  const sizeMax = blocks.reduce((sum, block) => sum + block.sizeMax, 0);
  const buffer = {
    bytes: Buffer.allocUnsafe(sizeMax),
    ends: new Uint32Array(count),
    ingests: emptyColumns(count),
    removals: emptyRemovals(count),
    events: [],
    forms: new EventForms(count),
    first: tail.seq + 1,
    time,
    encodedTime: encodeCanonical(time),
  };
  let index = 0;
  const results: unknown[] = [];
  for (const block of blocks) {
    results.push(block.write(buffer, index));
    index += block.count;
  }
  return { ...buffer, bytes: buffer.bytes.subarray(0, buffer.ends.at(-1) ?? 0), last: tail.seq + count, results };
}

/** Which columns of the views a commit fills, a digit each: most commits are of few shapes, and each runs only the statements that have something to do. */
function shapeOf(parameters: readonly SqlValue[]): string {
  return parameters
    .slice(COMMIT_COLUMNS.length)
    .map((value) => (value === null ? 0 : 1))
    .join('');
}

/** The temporary view that takes one commit of a shape as one row, and the trigger that carries it out. */
function commitTrigger(views: SqliteViews, shape: string): string {
  const own = ownColumns(views);
  const columns = [...COMMIT_COLUMNS, ...own];
  const isFilled = (column: string) => shape[own.indexOf(column)] === '1';
  const statements = [...textStatements(isFilled), ...views.statements(isFilled)];
  return `
    CREATE TEMP VIEW IF NOT EXISTS commits_${shape} AS SELECT ${columns.map((name) => `NULL AS ${name}`).join(', ')};
    CREATE TEMP TRIGGER IF NOT EXISTS commits_${shape}_insert INSTEAD OF INSERT ON commits_${shape} BEGIN
      INSERT INTO events (first, last, time, bytes, ends)
        SELECT value ->> 0, value ->> 1, NEW.time, substr(NEW.${isFilled('packed') ? 'packed' : 'bytes'}, value ->> 2, value ->> 3),
          substr(NEW.ends, value ->> 4, value ->> 5)
        FROM json_each(NEW.rows);
      ${[...statements, views.advance].join(';\n')};
    END`;
}

const COMMIT_COLUMNS = ['bytes', 'ends', 'rows', 'time', 'last'];
/** Those beside the columns of the views: the rows' bytes, where they are not the events', and texts about people. */
const OWN_COLUMNS = ['packed', 'texts', 'erased'];

/** Columns that a commit fills as it has to, in the order of the digits of its shape. */
function ownColumns(views: SqliteViews): string[] {
  return [...OWN_COLUMNS, ...views.columns];
}

/** What stores texts in a commit, and what erases them. Another process that made the same actor a pseudonym made another one. */
function textStatements(isFilled: (column: string) => boolean): string[] {
  const store = `INSERT INTO personal (pseudonym, salt, text, actor)
    SELECT value ->> 0, unhex(value ->> 1), unhex(value ->> 2), value ->> 3 FROM json_each(NEW.texts)`;
  const erase = `UPDATE personal SET salt = NULL, text = NULL
    WHERE pseudonym IN (SELECT value FROM json_each(NEW.erased)) AND text IS NOT NULL`;
  return [...(isFilled('texts') ? [store] : []), ...(isFilled('erased') ? [erase] : [])];
}

/** Events of a commit from which on it says also that it has no texts: what is to be made for a shape takes longer than looking at none. */
const TEXTS_SAID_FROM = 128;

/** Texts that a commit stores, as JSON; null for none. */
function textRows(blocks: readonly EventBlock[], events: number): string | null {
  const texts = new Set(blocks.flatMap(({ texts = [] }) => texts));
  const rows = [...texts].map(({ pseudonym, salt, text, isActor }) => {
    return [pseudonym, toHex(salt), Buffer.from(text).toString('hex'), Number(isActor)];
  });
  return rows.length === 0 && events < TEXTS_SAID_FROM ? null : JSON.stringify(rows);
}

function erasedRows(blocks: readonly EventBlock[]): string | null {
  const erased = blocks.flatMap(({ erased = [] }) => erased);
  return erased.length === 0 ? null : JSON.stringify(erased);
}

/** The statement that inserts a commit of a shape; its parameters are only those that it fills, because the driver looks at each in turn, and of one event most are null. */
function commitStatement(views: SqliteViews, shape: string): string {
  const columns = [...COMMIT_COLUMNS, ...ownColumns(views).filter((_, index) => shape[index] === '1')];
  const places = columns.map((_, index) => `?${index + 1}`);
  return `INSERT INTO commits_${shape} (${columns.join(', ')}) VALUES (${places.join(', ')})`;
}

/** Brings the views up to date, or derives them anew; gives the tail. Must run inside a transaction. */
async function synchronise(
  writer: Connection,
  views: SqliteViews,
  rebuild = false,
  progress?: (progress: RebuildProgress) => void,
): Promise<Tail> {
  const tail = await readTail(writer);
  await views.synchronise(writer, tail.seq, rebuild, progress);
  return tail;
}

/** Makes a writer ready for commits. */
async function makeReady(writer: Connection, views: SqliteViews): Promise<void> {
  await writer.keepTemporary('memory');
  await views.prepare(writer);
}

async function readTail(writer: Connection): Promise<Tail> {
  const tail = await writer.get<Tail>('SELECT last AS seq, time FROM events ORDER BY last DESC LIMIT 1');
  return tail ?? { seq: 0, time: 0 };
}

async function openConnection(path: string, mode: 'read' | 'write', opened: Connection[]): Promise<Connection> {
  const connection = await Connection.open(path, mode);
  opened.push(connection);
  return connection;
}

function notify(listener: (last: number) => void, last: number): void {
  try {
    listener(last);
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
  }
}
