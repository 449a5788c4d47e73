/**
 * The registry over the views in SQLite.
 *
 * Imports the database connection's type, CBOR, the log's index, digest text, errors, limits and the registry's types. The composition root makes it from the log's
 * reading connection.
 */

import { decodeCanonical } from '../cbor/index.js';
import type { ContentAddress, Digest, Receipt } from '../dataplane/spi.js';
import {
  type DigestAlgorithm,
  digestAlgorithm,
  digestBytes,
  formatBlake3,
  formatSha256,
  fromHex,
  parseDigestPrefix,
} from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { HEAD_SIZE } from '../events/subject-head.js';
import { DIGEST_SIZE, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import type { Connection } from '../sqlite/connection.js';
import type {
  ListQuery,
  ObjectPage,
  ObjectRecord,
  ObjectState,
  Registry,
  ScannedObject,
  Tombstone,
  Usage,
} from './registry.js';

/** Candidates named when a prefix is ambiguous: enough to choose from, few enough for a terminal. */
const CANDIDATES_MAX = 10;

const COLUMNS = 'blake3, sha256, size, state, ingested_at, last_seq, damaged, tombstone, receipts';

/** Objects by way of the log's index: in the order of their addresses, as far as heads tell. */
const BY_ADDRESS = 'subjects CROSS JOIN objects ON objects.seq = subjects.seq';

const head = (parameter: string) => `substr(${parameter}, 1, ${HEAD_SIZE})`;

const STAT = `SELECT ${COLUMNS} FROM ${BY_ADDRESS} WHERE head = ${head('?1')} AND blake3 = ?1 LIMIT 1`;

/** Bounds that are null match nothing: that is how one of the two digests is left out. */
const CANDIDATES = `
  SELECT blake3 FROM ${BY_ADDRESS}
    WHERE head BETWEEN ${head('?1')} AND ${head('?2')} AND blake3 BETWEEN ?1 AND ?2
  UNION SELECT blake3 FROM objects
    WHERE substr(sha256, 1, ${HEAD_SIZE}) BETWEEN ${head('?3')} AND ${head('?4')} AND sha256 BETWEEN ?3 AND ?4
  UNION SELECT blake3 FROM former_digests JOIN objects ON objects.seq = object
    WHERE former_digests.sha256 BETWEEN ?3 AND ?4
  LIMIT ${CANDIDATES_MAX + 1}`;

/** Digests are 32 bytes each in one blob; the second array says at which places those of BLAKE3 stand, the third those of SHA-256. */
const LIVE = `
  SELECT value AS place FROM json_each(?2) WHERE EXISTS (
    SELECT 1 FROM ${BY_ADDRESS}
    WHERE head = ${head(digestAt('value'))} AND blake3 = ${digestAt('value')} AND state = 'live')
  UNION ALL SELECT value FROM json_each(?3) WHERE EXISTS (
    SELECT 1 FROM objects
    WHERE substr(sha256, 1, ${HEAD_SIZE}) = ${head(digestAt('value'))} AND sha256 = ${digestAt('value')} AND state = 'live')`;

/** By state: nearly all objects are live, the others have an index of their own. */
const LISTS: { readonly [state in ObjectState | 'any']: string } = {
  any: list('true'),
  live: list("state = 'live'"),
  corrupt: listNotLive('corrupt'),
  tombstoned: listNotLive('tombstoned'),
  deleted: listNotLive('deleted'),
};

const USAGE = `
  SELECT count(*) AS objects, coalesce(sum(size), 0) AS size, coalesce(sum(stored_size), 0) AS storedSize
  FROM objects WHERE state = 'live'`;

const SCAN = `
  SELECT objects.seq, objects.blake3, sha256, size, verified_at AS verifiedAt
  FROM objects LEFT JOIN verifications ON verifications.blake3 = objects.blake3
  WHERE objects.seq > ?1 AND state IN ('live', 'corrupt') ORDER BY objects.seq LIMIT ?2`;

interface Row {
  blake3: Uint8Array;
  sha256: Uint8Array;
  size: number;
  state: ObjectState;
  ingested_at: number;
  last_seq: number;
  damaged: string | null;
  tombstone: string | null;
  receipts: Uint8Array | null;
}

interface ScannedRow {
  seq: number;
  blake3: Uint8Array;
  sha256: Uint8Array;
  size: number;
  verifiedAt: number | null;
}

/**
 * The registry of a log.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createRegistry(connection: Connection): Registry {
  return new SqliteRegistry(connection);
}

class SqliteRegistry implements Registry {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async resolve(text: string): Promise<ObjectRecord> {
    const { algorithm, hex } = parseDigestPrefix(text);
    const bounds = [fromHex(hex.padEnd(DIGEST_SIZE * 2, '0')), fromHex(hex.padEnd(DIGEST_SIZE * 2, 'f'))];
    const none = [null, null];
    const found = await this.#connection.all<{ blake3: Uint8Array }>(CANDIDATES, [
      ...(algorithm === 'sha256' ? none : bounds),
      ...(algorithm === 'blake3' ? none : bounds),
    ]);
    const [only, ...others] = found.map(({ blake3 }) => formatBlake3(blake3));
    if (only !== undefined && others.length > 0) throw ambiguous(text, [only, ...others]);
    const record = only === undefined ? undefined : await this.stat(only);
    if (record === undefined) throw notFound(text);
    return record;
  }

  async stat(address: ContentAddress): Promise<ObjectRecord | undefined> {
    const row = await this.#connection.get<Row>(STAT, [digestBytes(address)]);
    return row === undefined ? undefined : toRecord(row);
  }

  async areLive(digests: readonly Digest[]): Promise<boolean[]> {
    const places = (algorithm: DigestAlgorithm) =>
      JSON.stringify(digests.flatMap((digest, place) => (digestAlgorithm(digest) === algorithm ? [place] : [])));
    const found = await this.#connection.all<{ place: number }>(LIVE, [
      Buffer.concat(digests.map(digestBytes)),
      places('blake3'),
      places('sha256'),
    ]);
    const live = new Set(found.map(({ place }) => place));
    return digests.map((_, place) => live.has(place));
  }

  async list(query: ListQuery = {}): Promise<ObjectPage> {
    const { cursor, limit = PAGE_SIZE_DEFAULT, state = 'any' } = query;
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX) {
      throw invalid(`the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}`);
    }
    if (!Object.hasOwn(LISTS, state)) {
      throw invalid(`the state is "${state}"; give live, corrupt, tombstoned or deleted`);
    }
    const after = cursor === undefined ? new Uint8Array(1) : readCursor(cursor);
    // One more than asked for tells whether there is another page.
    const rows = await this.#connection.all<Row>(LISTS[state], [after, limit + 1]);
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const objects = page.map(toRecord);
    return rows.length > limit && last !== undefined ? { objects, cursor: writeCursor(last.blake3) } : { objects };
  }

  async scan(after: number, limit: number): Promise<ScannedObject[]> {
    const rows = await this.#connection.all<ScannedRow>(SCAN, [after, limit]);
    return rows.map(({ seq, blake3, sha256, size, verifiedAt }) => ({
      seq,
      blake3: formatBlake3(blake3),
      sha256: formatSha256(sha256),
      size,
      ...(verifiedAt !== null && { verifiedAt }),
    }));
  }

  async usage(): Promise<Usage> {
    const usage = await this.#connection.get<Usage>(USAGE);
    return usage ?? { objects: 0, size: 0, storedSize: 0 };
  }
}

function digestAt(place: string): string {
  return `substr(?1, ${place} * ${DIGEST_SIZE} + 1, ${DIGEST_SIZE})`;
}

function list(condition: string): string {
  return `SELECT ${COLUMNS} FROM ${BY_ADDRESS}
    WHERE head >= ${head('?1')} AND blake3 > ?1 AND ${condition} ORDER BY head, blake3 LIMIT ?2`;
}

function listNotLive(state: ObjectState): string {
  return `SELECT ${COLUMNS} FROM objects
    WHERE state <> 'live' AND state = '${state}' AND blake3 > ?1 ORDER BY blake3 LIMIT ?2`;
}

function toRecord(row: Row): ObjectRecord {
  const { blake3, sha256, size, state, ingested_at, last_seq, damaged, tombstone, receipts } = row;
  const record: ObjectRecord = {
    blake3: formatBlake3(blake3),
    sha256: formatSha256(sha256),
    size,
    state,
    ingestedAt: ingested_at,
    lastSeq: last_seq,
    receipts: receipts === null ? [] : toReceipts(receipts),
  };
  if (state === 'corrupt' && damaged !== null) {
    record.damaged = (JSON.parse(damaged) as [number, number][]).map(([start, end]) => ({ start, end }));
  }
  if (tombstone !== null) record.tombstone = JSON.parse(tombstone) as Tombstone;
  return record;
}

/** Receipts as the event that brought them has them, with their members in the order of the contract. */
function toReceipts(bytes: Uint8Array): Receipt[] {
  const receipts = decodeCanonical(bytes) as unknown as Receipt[];
  return receipts.map(({ backend, tier, key, storedSize, durability }) => ({
    backend,
    tier,
    key,
    storedSize,
    durability,
  }));
}

function writeCursor(blake3: Uint8Array): string {
  return Buffer.from(blake3).toString('base64url');
}

function readCursor(cursor: string): Uint8Array {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.byteLength === DIGEST_SIZE && writeCursor(bytes) === cursor) return bytes;
  throw invalid(`"${cursor}" is not a cursor; pass the one of the page before, unchanged`);
}

function ambiguous(text: string, found: readonly ContentAddress[]): ArtifactStoreError {
  const candidates = found.slice(0, CANDIDATES_MAX);
  const count = found.length > CANDIDATES_MAX ? `more than ${CANDIDATES_MAX}` : `${found.length}`;
  return new ArtifactStoreError(
    'AS_ERR_AMBIGUOUS_DIGEST',
    `"${text}" names ${count} objects. Give more digits, or the algorithm; candidates: ${candidates.join(', ')}.`,
    { text, candidates },
  );
}

function notFound(text: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', `No object has a digest that is or begins with "${text}".`, {
    text,
  });
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Objects cannot be listed: ${what}.`);
}
