/**
 * The tables of objects in SQL: their schema, and the statements that change them.
 *
 * Ingests come from two sources with the same members: rows of fixed width for those in the usual form, and the JSON of objects-fold.ts for the
 * rest. Imports the layout of such rows, limits and where subjects are found. objects-view.ts puts it together.
 */

import { FixedRows } from '../events/fixed-rows.js';
import { HEAD_SIZE } from '../events/subject-head.js';
import { DIGEST_SIZE } from '../limits.js';

/** `objects` has no index by address: the log's index finds an object by its subject, because its row is named by an event about it. */
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
    tombstone TEXT
  ) STRICT;
  CREATE INDEX objects_by_sha256 ON objects (substr(sha256, 1, ${HEAD_SIZE}));
  CREATE INDEX objects_not_live ON objects (state, blake3) WHERE state <> 'live';
  CREATE TABLE former_digests (
    sha256 BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (sha256, object)
  ) STRICT, WITHOUT ROWID;
`;

export const OBJECTS_DROP = 'DROP TABLE objects; DROP TABLE former_digests;';

/** Ingests in the usual form, each the only event about its object in the batch, by seq. The receipts are a part of the batch's bytes. */
export const ingestRows = new FixedRows(':ingests', {
  blake3: DIGEST_SIZE,
  sha256: DIGEST_SIZE,
  seq: 'number',
  time: 'number',
  size: 'number',
  storedSize: 'number',
  receiptsPlace: 'number',
  receiptsSize: 'number',
});

/** Where the statements below take ingests from: SQL for the rows, and for the members of one. */
interface IngestSource {
  /** For FROM. */
  rows: string;
  /** A condition that is false when all rows were new, so that none needs a second look. */
  someLeft: string;
  /** Seq and time of the first ingest of the batch; its SHA-256. */
  seq: string;
  time: string;
  firstSha256: string;
  /** Of the newest. */
  blake3: string;
  sha256: string;
  size: string;
  storedSize: string;
  receipts: string;
  lastSeq: string;
  state: string;
  damaged: string;
  tombstone: string;
}

const seq = ingestRows.get('seq');
const sha256 = ingestRows.get('sha256');

const usual: IngestSource = {
  rows: ingestRows.rows,
  // Rows of the batch's own seqs are those that the statement before has stored: the other source comes later.
  someLeft: `(SELECT count(*) FROM objects
    WHERE seq BETWEEN ${ingestRows.get('seq', '0')} AND ${ingestRows.get('seq', `(${ingestRows.count} - 1)`)}) < ${ingestRows.count}`,
  seq,
  time: ingestRows.get('time'),
  firstSha256: sha256,
  blake3: ingestRows.get('blake3'),
  sha256,
  size: ingestRows.get('size'),
  storedSize: ingestRows.get('storedSize'),
  receipts: `substr(:events, ${ingestRows.get('receiptsPlace')}, ${ingestRows.get('receiptsSize')})`,
  lastSeq: seq,
  state: "'live'",
  damaged: 'NULL',
  tombstone: 'NULL',
};

/**
 * Members of an ingested change: 0 seq and 1 time of the first ingest, 2 place of address, SHA-256 and receipts in the bytes, 3 size of the receipts,
 * 4 size, 5 stored size, 6 last seq, 7 state, 8 damaged, 9 tombstone, 10 place of the SHA-256 of the first ingest.
 */
const folded: IngestSource = {
  rows: "jsonb_each(:changes, '$.ingested')",
  someLeft: 'true',
  seq: 'value ->> 0',
  time: 'value ->> 1',
  firstSha256: `substr(:bytes, value ->> 10, ${DIGEST_SIZE})`,
  blake3: `substr(:bytes, value ->> 2, ${DIGEST_SIZE})`,
  sha256: `substr(:bytes, (value ->> 2) + ${DIGEST_SIZE}, ${DIGEST_SIZE})`,
  size: 'value ->> 4',
  storedSize: 'value ->> 5',
  receipts: `iif(value ->> 3 = 0, NULL, substr(:bytes, (value ->> 2) + ${2 * DIGEST_SIZE}, value ->> 3))`,
  lastSeq: 'value ->> 6',
  state: 'value ->> 7',
  damaged: 'value ->> 8',
  tombstone: 'value ->> 9',
};

/** The seq of the object with an address; null when there is none. */
const known = (blake3: string) => `(
  SELECT known.seq FROM subjects JOIN objects AS known ON known.seq = subjects.seq
  WHERE subjects.head = substr(${blake3}, 1, ${HEAD_SIZE}) AND known.blake3 = ${blake3}
  LIMIT 1)`;

function insertIngested(source: IngestSource): string {
  const { seq, blake3, sha256, size, storedSize, state, time, lastSeq, receipts, damaged, tombstone, rows } = source;
  return `
    INSERT INTO objects (seq, blake3, sha256, size, stored_size, state, ingested_at, last_seq, receipts, damaged, tombstone)
    SELECT ${seq}, ${blake3}, ${sha256}, ${size}, ${storedSize}, ${state}, ${time}, ${lastSeq}, ${receipts}, ${damaged}, ${tombstone}
    FROM ${rows}`;
}

/**
 * Nearly every ingest is of an object whose subject the log has never met, and those are stored here. Rows are named by the seq of their
 * first ingest: they grow at the end of their table, and are the same after a rebuild.
 */
const storeNew = (source: IngestSource) => `
  ${insertIngested(source)}
  WHERE NOT EXISTS (
    SELECT 1 FROM subjects WHERE head = substr(${source.blake3}, 1, ${HEAD_SIZE}) AND subjects.seq < ${source.seq})`;

/** A SHA-256 with two content addresses, or the reverse, would be a collision: both stay known, as the proof of it. */
const keepFormerDigests = ({ rows, someLeft, seq, blake3, firstSha256 }: IngestSource) => `
  INSERT INTO former_digests (sha256, object)
  SELECT objects.sha256, objects.seq
  FROM (SELECT ${seq} AS first, ${firstSha256} AS sha256, ${known(blake3)} AS object FROM ${rows} WHERE ${someLeft} LIMIT -1) AS again
    CROSS JOIN objects ON objects.seq = again.object
  WHERE again.object <> again.first AND objects.sha256 <> again.sha256
  ON CONFLICT DO NOTHING`;

/** An upsert, so that the database goes from the changes to their objects: for an UPDATE it may go through all objects. */
const storeAgain = (source: IngestSource) => `
  INSERT INTO objects (seq, blake3, sha256, size, stored_size, state, ingested_at, last_seq, receipts, damaged, tombstone)
  SELECT object, blake3, sha256, size, stored_size, state, time, last_seq, receipts, damaged, tombstone
  FROM (
    SELECT ${known(source.blake3)} AS object, ${source.seq} AS first, ${source.blake3} AS blake3, ${source.sha256} AS sha256,
      ${source.size} AS size, ${source.storedSize} AS stored_size, ${source.state} AS state, ${source.time} AS time,
      ${source.lastSeq} AS last_seq, ${source.receipts} AS receipts, ${source.damaged} AS damaged, ${source.tombstone} AS tombstone
    FROM ${source.rows} WHERE ${source.someLeft} LIMIT -1) AS again
  WHERE object <> first
  ON CONFLICT (seq) DO UPDATE SET
    sha256 = excluded.sha256, size = excluded.size, stored_size = excluded.stored_size, state = excluded.state,
    last_seq = excluded.last_seq, receipts = excluded.receipts, damaged = excluded.damaged, tombstone = excluded.tombstone`;

/** What is left has a subject that the log has met, but no object: it was only ever verified, say, or shares its head with another. */
const storeRest = (source: IngestSource) => `
  ${insertIngested(source)}
  WHERE ${source.someLeft} AND ${known(source.blake3)} IS NULL`;

/** Members: 0 place of the address, 1 place of a SHA-256 that the same batch replaced. */
const keepReplaced = `
  INSERT INTO former_digests (sha256, object)
  SELECT substr(:bytes, value ->> 1, ${DIGEST_SIZE}), ${known(`substr(:bytes, value ->> 0, ${DIGEST_SIZE})`)}
  FROM json_each(:changes, '$.replaced') WHERE true
  ON CONFLICT DO NOTHING`;

/**
 * Members of a change: 0 place of the address, 1 settled, 2 state, 3 damaged, 4 keep damaged, 5 tombstone, 6 keep tombstone, 7 tombstone if none,
 * 8 last seq, 9 removed.
 */
const storeChanged = `
  UPDATE objects SET
    state = iif(change ->> 2 IS NULL OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), state, change ->> 2),
    damaged = iif(change ->> 4 OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), damaged, change ->> 3),
    tombstone = coalesce(iif(change ->> 6, tombstone, change ->> 5), change ->> 7),
    last_seq = change ->> 8,
    receipts = iif(change ->> 9, NULL, receipts),
    stored_size = iif(change ->> 9, 0, stored_size)
  FROM (
    SELECT value AS change, ${known(`substr(:bytes, value ->> 0, ${DIGEST_SIZE})`)} AS object
    FROM json_each(:changes, '$.changed')) AS changed
  WHERE objects.seq = changed.object`;

const storeIngests = (source: IngestSource) => [
  storeNew(source),
  keepFormerDigests(source),
  storeAgain(source),
  storeRest(source),
];

/** All of them, in the order in which they run. */
export const OBJECTS_STATEMENTS: readonly string[] = [
  ...storeIngests(usual),
  ...storeIngests(folded),
  keepReplaced,
  storeChanged,
];
