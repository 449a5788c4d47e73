/**
 * The tables of objects in SQL: their schema, and the statements that change them.
 *
 * Ingests and removals come from two sources: rows of fixed width for those in the usual form, and the JSON of objects-fold.ts for the
 * rest. Imports the layout of such rows, limits and where subjects are found. objects-view.ts puts it together.
 */

import { FixedRows } from '../events/fixed-rows.js';
import { DIGEST_SIZE } from '../limits.js';

/**
 * `objects` has no index by address: the log's index finds an object by its subject, because its row is named by an event about it. By SHA-256 it
 * is found in `sha256_heads`, a table and not an index, so that the entries of a batch go in in their order. An entry is never removed: whoever finds an
 * object there looks at the whole digest. Its other indexes are in the order of seqs, because objects go as they came, many at a time: in that of addresses each
 * would change pages of its own.
 */
export const OBJECTS_SCHEMA = `
  CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    blake3 BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    state TEXT NOT NULL,
    ingested_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    receipts BLOB,
    damaged TEXT,
    tombstone TEXT,
    sweep_after INTEGER,
    cold_receipts BLOB,
    cold_size INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX objects_to_sweep ON objects (sweep_after, seq) WHERE state = 'tombstoned';
  CREATE INDEX objects_not_live ON objects (state) WHERE state <> 'live';
  CREATE INDEX objects_cold ON objects (seq) WHERE cold_receipts IS NOT NULL;
  CREATE TABLE sha256_heads (
    head INTEGER NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (head, object)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE former_digests (
    sha256 BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (sha256, object)
  ) STRICT, WITHOUT ROWID;
`;

export const OBJECTS_DROP = 'DROP TABLE objects; DROP TABLE sha256_heads; DROP TABLE former_digests;';

/** Ingests in the usual form, each the only event about its object in the batch, by seq. The receipts are a part of the batch's bytes. */
export const ingestRows = new FixedRows(':ingests', {
  blake3: DIGEST_SIZE,
  sha256: DIGEST_SIZE,
  sha256Head: 'head',
  seq: 'number',
  time: 'number',
  size: 'number',
  storedSize: 'number',
  receiptsPlace: 'place',
  receiptsSize: 'place',
});

/** The rows of `ingestRows` in the order of their SHA-256. */
export const sha256Order = new FixedRows(':order', { row: 'place' });

/**
 * Tombstones and deletions in the usual form, each the only event about its object in the batch, by seq. Its identity is a part of the batch's bytes; what its
 * tombstone says behind that, as JSON without the brace that begins it, is a part of `:rests`.
 */
const REMOVAL = {
  blake3: DIGEST_SIZE,
  seq: 'number',
  sweepAfter: 'number',
  idPlace: 'place',
  restPlace: 'place',
  restSize: 'place',
} as const;
export const tombstoneRows = new FixedRows(':tombstoned', REMOVAL);
export const deletionRows = new FixedRows(':deleted', REMOVAL);

/** Where the statements below take ingests from: SQL for the rows, and for the members of one. */
interface IngestSource {
  /** For FROM. */
  rows: string;
  /** A condition that is false when no row is of a subject that the log had met. */
  someMet: string;
  /** Seq and time of the first ingest of the batch; its SHA-256. */
  seq: string;
  time: string;
  firstSha256: string;
  /** Of the newest. */
  blake3: string;
  sha256: string;
  /** The first event about the head of the address, where there was one before. */
  first: string;
  /** The head of the SHA-256. */
  sha256Head: string;
  size: string;
  storedSize: string;
  receipts: string;
  lastSeq: string;
  state: string;
  damaged: string;
  tombstone: string;
  sweepAfter: string;
  /** What the batch says of tiers beside the one that ingests go to: receipts and their size. A size of KEEP: nothing, so the row's stay. */
  coldReceipts: string;
  coldSize: string;
  /** The same for an object that there was not before. */
  newColdReceipts: string;
  newColdSize: string;
}

/** Stands for a size of which nothing is said. */
const KEEP = -1;

const seq = ingestRows.get('seq');
const sha256 = ingestRows.get('sha256');

const usual: IngestSource = {
  rows: ingestRows.rows,
  someMet: `(SELECT max(seq) >= ${ingestRows.get('seq', '0')} FROM later)`,
  seq,
  time: ingestRows.get('time'),
  firstSha256: sha256,
  blake3: ingestRows.get('blake3'),
  sha256,
  first: `(SELECT later.first FROM later WHERE later.seq = ${seq})`,
  sha256Head: ingestRows.get('sha256Head'),
  size: ingestRows.get('size'),
  storedSize: ingestRows.get('storedSize'),
  receipts: `substr(:events, ${ingestRows.get('receiptsPlace')}, ${ingestRows.get('receiptsSize')})`,
  lastSeq: seq,
  state: "'live'",
  damaged: 'NULL',
  tombstone: 'NULL',
  sweepAfter: 'NULL',
  coldReceipts: 'NULL',
  coldSize: `${KEEP}`,
  newColdReceipts: 'NULL',
  newColdSize: '0',
};

/**
 * Members of an ingested change: 0 seq and 1 time of the first ingest, 2 place of address, SHA-256 and receipts in the bytes, 3 size of the receipts,
 * 4 size, 5 stored size, 6 last seq, 7 state, 8 damaged, 9 tombstone, 10 place of the SHA-256 of the first ingest, 11 head of the address, 12 of the
 * SHA-256, 13 when it may be swept, 14 place and 15 size of the receipts in further tiers, 16 bytes that these occupy, KEEP where the batch says nothing
 * of them, 17 to 19 the same for an object that there was not before.
 */
const folded: IngestSource = {
  rows: "jsonb_each(:changes, '$.ingested')",
  someMet: 'true',
  seq: 'value ->> 0',
  time: 'value ->> 1',
  firstSha256: `substr(:bytes, value ->> 10, ${DIGEST_SIZE})`,
  blake3: `substr(:bytes, value ->> 2, ${DIGEST_SIZE})`,
  sha256: `substr(:bytes, (value ->> 2) + ${DIGEST_SIZE}, ${DIGEST_SIZE})`,
  first: firstOf('(value ->> 11)'),
  sha256Head: 'value ->> 12',
  size: 'value ->> 4',
  storedSize: 'value ->> 5',
  receipts: `iif(value ->> 3 = 0, NULL, substr(:bytes, (value ->> 2) + ${2 * DIGEST_SIZE}, value ->> 3))`,
  lastSeq: 'value ->> 6',
  state: 'value ->> 7',
  damaged: 'value ->> 8',
  tombstone: 'value ->> 9',
  sweepAfter: 'value ->> 13',
  coldReceipts: 'iif(value ->> 15 = 0, NULL, substr(:bytes, value ->> 14, value ->> 15))',
  coldSize: 'value ->> 16',
  newColdReceipts: 'iif(value ->> 18 = 0, NULL, substr(:bytes, value ->> 17, value ->> 18))',
  newColdSize: 'max(value ->> 19, 0)',
};

/**
 * The seq of the object with an address; null when there is none. As a rule the first event about its head is the one that names it.
 *
 * @param first SQL: the seq of that event
 */
function known(first: string, blake3: string): string {
  return `coalesce(
    (SELECT objects.seq FROM objects WHERE objects.seq = ${first} AND objects.blake3 = ${blake3}),
    (SELECT objects.seq FROM later CROSS JOIN objects ON objects.seq = later.seq
      WHERE later.first = ${first} AND objects.blake3 = ${blake3} LIMIT 1))`;
}

/** SQL: the first event about a head. */
function firstOf(head: string): string {
  return `(SELECT heads.seq FROM heads WHERE heads.head = ${head})`;
}

/** Whether the log had met the subject of an ingest, or another with the same head, before: the log's index knows, and the look costs little. */
const isMet = ({ seq }: IngestSource) => `EXISTS (SELECT 1 FROM later WHERE later.seq = ${seq})`;
const met = (source: IngestSource) => `${source.someMet} AND ${isMet(source)}`;

function insertIngested(source: IngestSource): string {
  const { seq, blake3, sha256, size, storedSize, state, time, lastSeq, receipts, damaged, tombstone, rows } = source;
  const { newColdReceipts, newColdSize } = source;
  return `
    INSERT INTO objects (seq, blake3, sha256, size, stored_size, state, ingested_at, last_seq, receipts, damaged, tombstone,
      sweep_after, cold_receipts, cold_size)
    SELECT ${seq}, ${blake3}, ${sha256}, ${size}, ${storedSize} + ${newColdSize}, ${state}, ${time}, ${lastSeq}, ${receipts},
      ${damaged}, ${tombstone}, ${source.sweepAfter}, ${newColdReceipts}, ${newColdSize}
    FROM ${rows}`;
}

/**
 * Nearly every ingest is of an object whose subject the log has never met, and those are stored here. Rows are named by the seq of their
 * first ingest: they grow at the end of their table, and are the same after a rebuild.
 */
const storeNew = (source: IngestSource) => `${insertIngested(source)} WHERE NOT (${met(source)})`;

/** A SHA-256 with two content addresses, or the reverse, would be a collision: both stay known, as the proof of it. */
const keepFormerDigests = (source: IngestSource) => `
  INSERT INTO former_digests (sha256, object)
  SELECT objects.sha256, objects.seq
  FROM (SELECT ${source.firstSha256} AS sha256, ${known(source.first, source.blake3)} AS object
    FROM ${source.rows} WHERE ${met(source)} LIMIT -1) AS again
    CROSS JOIN objects ON objects.seq = again.object
  WHERE objects.sha256 <> again.sha256
  ON CONFLICT DO NOTHING`;

/** An upsert, so that the database goes from the changes to their objects: for an UPDATE it may go through all objects. */
const storeAgain = (source: IngestSource) => `
  INSERT INTO objects (seq, blake3, sha256, size, stored_size, state, ingested_at, last_seq, receipts, damaged, tombstone,
    sweep_after, cold_receipts, cold_size)
  SELECT object, blake3, sha256, size, stored_size, state, time, last_seq, receipts, damaged, tombstone, sweep_after,
    cold_receipts, cold_size
  FROM (
    SELECT ${known(source.first, source.blake3)} AS object, ${source.blake3} AS blake3, ${source.sha256} AS sha256,
      ${source.size} AS size, ${source.storedSize} AS stored_size, ${source.state} AS state, ${source.time} AS time,
      ${source.lastSeq} AS last_seq, ${source.receipts} AS receipts, ${source.damaged} AS damaged, ${source.tombstone} AS tombstone,
      ${source.sweepAfter} AS sweep_after, ${source.coldReceipts} AS cold_receipts, ${source.coldSize} AS cold_size
    FROM ${source.rows} WHERE ${met(source)} LIMIT -1) AS again
  WHERE object IS NOT NULL
  ON CONFLICT (seq) DO UPDATE SET
    sha256 = excluded.sha256, size = excluded.size, state = excluded.state,
    stored_size = excluded.stored_size + iif(excluded.cold_size = ${KEEP}, cold_size, excluded.cold_size),
    last_seq = excluded.last_seq, receipts = excluded.receipts, damaged = excluded.damaged, tombstone = excluded.tombstone,
    sweep_after = excluded.sweep_after,
    cold_receipts = iif(excluded.cold_size = ${KEEP}, cold_receipts, excluded.cold_receipts),
    cold_size = iif(excluded.cold_size = ${KEEP}, cold_size, excluded.cold_size)`;

/** What is left has a subject that the log has met, but no object: it was only ever verified, say, or shares its head with another. */
const storeRest = (source: IngestSource) => `
  ${insertIngested(source)}
  WHERE ${met(source)} AND ${known(source.first, source.blake3)} IS NULL`;

/** SHA-256 digests of those that the log had met: of nearly all it is known that they name this object. */
const indexMet = (source: IngestSource) => `
  INSERT INTO sha256_heads (head, object)
  SELECT ${source.sha256Head}, ${known(source.first, source.blake3)} FROM ${source.rows} WHERE ${met(source)}
  ON CONFLICT DO NOTHING`;

const row = sha256Order.get('row');

/** SHA-256 digests of the new objects, in the order of their table. */
const indexNewInOrder = `
  INSERT INTO sha256_heads (head, object)
  SELECT ${ingestRows.get('sha256Head', row)}, ${ingestRows.get('seq', row)} FROM ${sha256Order.rows}
  WHERE NOT (${usual.someMet} AND EXISTS (SELECT 1 FROM later WHERE later.seq = ${ingestRows.get('seq', row)}))`;

const indexNew = (source: IngestSource) => `
  INSERT INTO sha256_heads (head, object) SELECT ${source.sha256Head}, ${source.seq} FROM ${source.rows} WHERE NOT (${met(source)})`;

/** Members: 0 head and 1 place of the address, 2 head and 3 place of a SHA-256 that the same batch replaced. */
const replaced = (columns: string) =>
  `SELECT ${columns} FROM json_each(:changes, '$.replaced') WHERE true ON CONFLICT DO NOTHING`;
const replacedObject = known(firstOf('(value ->> 0)'), `substr(:bytes, value ->> 1, ${DIGEST_SIZE})`);
const keepReplaced = [
  `INSERT INTO former_digests (sha256, object) ${replaced(`substr(:bytes, value ->> 3, ${DIGEST_SIZE}), ${replacedObject}`)}`,
  `INSERT INTO sha256_heads (head, object) ${replaced(`value ->> 2, ${replacedObject}`)}`,
];

/** Whether a change takes back the tombstone of its object. */
const REVIVED = "NOT change ->> 1 AND state = 'tombstoned' AND change ->> 11 IS NOT NULL";

/** Receipts of a change, from its member `first` on; or those of the row. */
function changed(column: string, first: number): string {
  const [place, size, storedSize] = [`change ->> ${first}`, `change ->> ${first + 1}`, `change ->> ${first + 2}`];
  return `iif(${storedSize} = ${KEEP}, ${column}, iif(${size} = 0, NULL, substr(:bytes, ${place}, ${size})))`;
}

function changedSize(now: string, member: number): string {
  return `iif(change ->> ${member} = ${KEEP}, ${now}, change ->> ${member})`;
}

/**
 * Members of a change: 0 place of the address, 1 settled, 2 state, 3 damaged, 4 keep damaged, 5 tombstone, 6 keep tombstone, 7 tombstone if none,
 * 8 last seq, 9 head of the address, 10 when it may be swept, 11 and 12 state and damaged of one that was tombstoned and is not any more, 13 tombstone of
 * one that was tombstoned, was not for a while, and is deleted; then of the receipts of the tier that ingests go to, and of those in further ones (17 to 19):
 * 14 place, 15 size, and 16 bytes that they occupy, KEEP where the batch says nothing of them.
 */
const storeChanged = `
  UPDATE objects SET
    state = CASE
      WHEN change ->> 1 THEN change ->> 2
      WHEN state = 'deleted' THEN state
      WHEN state = 'tombstoned' THEN coalesce(change ->> 11, state)
      ELSE coalesce(change ->> 2, state) END,
    damaged = CASE
      WHEN ${REVIVED} THEN change ->> 12
      WHEN change ->> 4 OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')) THEN damaged
      ELSE change ->> 3 END,
    tombstone = CASE
      WHEN ${REVIVED} THEN NULL
      WHEN state = 'tombstoned' AND change ->> 13 IS NOT NULL THEN change ->> 13
      ELSE coalesce(iif(change ->> 6, tombstone, change ->> 5), change ->> 7) END,
    sweep_after = CASE WHEN change ->> 1 THEN change ->> 10 WHEN ${REVIVED} THEN NULL ELSE sweep_after END,
    last_seq = change ->> 8,
    receipts = ${changed('receipts', 14)},
    cold_receipts = ${changed('cold_receipts', 17)},
    cold_size = ${changedSize('cold_size', 19)},
    stored_size = ${changedSize('(stored_size - cold_size)', 16)} + ${changedSize('cold_size', 19)}
  FROM (
    SELECT value AS change, ${known(firstOf('(value ->> 9)'), `substr(:bytes, value ->> 0, ${DIGEST_SIZE})`)} AS object
    FROM jsonb_each(:changed)) AS changed
  WHERE objects.seq = changed.object`;

/** SQL: the JSON of a tombstone, as objects-fold.ts writes it. */
function tombstoneOf(rows: typeof tombstoneRows, n: string): string {
  const [seq, place, size] = [rows.get('seq', n), rows.get('restPlace', n), rows.get('restSize', n)];
  return `'{"seq":' || ${seq} || ',"id":"' || CAST(substr(:events, ${rows.get('idPlace', n)}, 36) AS TEXT) || '",'
    || CAST(substr(:rests, ${place}, ${size}) AS TEXT)`;
}

/** SQL: rows of removals, each with its object. The log's index has the first event about each, in their order. */
function removedFrom(rows: typeof tombstoneRows): string {
  const first = `(SELECT later.first FROM later WHERE later.seq = ${rows.get('seq')})`;
  return `(SELECT n AS place, ${known(first, rows.get('blake3'))} AS object FROM ${rows.rows} LIMIT -1) AS removed`;
}

const storeTombstones = `
  UPDATE objects SET state = 'tombstoned', damaged = NULL, tombstone = ${tombstoneOf(tombstoneRows, 'place')},
    sweep_after = ${tombstoneRows.get('sweepAfter', 'place')}, last_seq = ${tombstoneRows.get('seq', 'place')}
  FROM ${removedFrom(tombstoneRows)} WHERE objects.seq = removed.object`;

const storeDeletions = `
  UPDATE objects SET state = 'deleted', damaged = NULL, tombstone = coalesce(tombstone, ${tombstoneOf(deletionRows, 'place')}),
    sweep_after = NULL, last_seq = ${deletionRows.get('seq', 'place')}, receipts = NULL, stored_size = 0, cold_receipts = NULL,
    cold_size = 0
  FROM ${removedFrom(deletionRows)} WHERE objects.seq = removed.object`;

const storeMet = (source: IngestSource) => [
  keepFormerDigests(source),
  storeAgain(source),
  storeRest(source),
  indexMet(source),
];

/** All of them, in the order in which they run. */
export const OBJECTS_STATEMENTS: readonly string[] = [
  storeNew(usual),
  indexNewInOrder,
  ...storeMet(usual),
  storeTombstones,
  storeDeletions,
  storeNew(folded),
  indexNew(folded),
  ...storeMet(folded),
  ...keepReplaced,
  storeChanged,
];
