/**
 * The registry over the views in SQLite.
 *
 * Imports the database connection's type, records, the log's index, digest text, errors, limits and the registry's types. The composition root makes it from the log's
 * reading connection.
 */

import type { ContentAddress, Digest } from '../dataplane/spi.js';
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
import { digestHead } from '../events/subject-head.js';
import { DIGEST_SIZE, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import type { Reader } from '../sqlite/connection.js';
import { by, either, NOTHING, type SubjectTable } from './object-lookup.js';
import { RECORD, type RecordRows, readRecords, TOGETHER } from './object-records.js';
import type { ListQuery, ObjectPage, ObjectRecord, ObjectState, Registry, ScannedObject, Usage } from './registry.js';

/** Candidates named when a prefix is ambiguous: enough to choose from, few enough for a terminal. */
const CANDIDATES_MAX = 10;

const STAT = `SELECT ${TOGETHER} FROM (${either((table) => `SELECT ${RECORD} FROM ${by(table)} WHERE head = ?2 AND blake3 = ?1`)} LIMIT 1)`;

/** Parameters: bounds of the digest and of its head, for either algorithm. Bounds that are null match nothing: that is how one is left out. */
const CANDIDATES = `
  SELECT blake3 FROM ${by('heads')} WHERE head BETWEEN ?3 AND ?4 AND blake3 BETWEEN ?1 AND ?2
  UNION SELECT blake3 FROM ${by('later')} WHERE head BETWEEN ?3 AND ?4 AND blake3 BETWEEN ?1 AND ?2
  UNION SELECT blake3 FROM sha256_heads CROSS JOIN objects ON objects.seq = object WHERE head BETWEEN ?7 AND ?8 AND sha256 BETWEEN ?5 AND ?6
  UNION SELECT blake3 FROM former_digests JOIN objects ON objects.seq = object
    WHERE former_digests.sha256 BETWEEN ?5 AND ?6
  LIMIT ${CANDIDATES_MAX + 1}`;

/** Digests are 32 bytes each in one blob; the arrays have pairs of a place in it, and the digest's head: those of BLAKE3, and of SHA-256. */
const live = (condition: string) => `
  SELECT value ->> 0 AS place FROM json_each(?2) WHERE EXISTS (${either(
    (table) =>
      `SELECT 1 FROM ${by(table)} WHERE head = value ->> 1 AND blake3 = ${digestAt('value ->> 0')} AND state = 'live' ${condition}`,
  )})
  UNION ALL SELECT value ->> 0 FROM json_each(?3) WHERE EXISTS (
    SELECT 1 FROM sha256_heads CROSS JOIN objects ON objects.seq = object
    WHERE head = value ->> 1 AND sha256 = ${digestAt('value ->> 0')} AND state = 'live' ${condition})`;
const LIVE = live('');
const COLD = live('AND cold_receipts IS NOT NULL');

/** Heads have 48 bits: this is more than any. */
const PAST_HEADS = 2 ** 48;

/** By state: nearly all objects are live, the others have an index of their own, in another order. */
const LISTS: { readonly [state in ObjectState | 'any']: string } = {
  any: list('true'),
  live: list("state = 'live'"),
  corrupt: listNotLive('corrupt'),
  tombstoned: listNotLive('tombstoned'),
  deleted: listNotLive('deleted'),
};

const USAGE = `
  SELECT objects, size, stored_size AS storedSize, cold_objects AS coldObjects, cold_size AS coldSize FROM usage`;

/** By its own index, of objects that are in a further tier: nearly all of those are nowhere else. */
const COLD_ALONE = `
  SELECT blake3 FROM objects WHERE cold_receipts IS NOT NULL AND receipts IS NULL AND state = 'live' LIMIT 1`;

const SCAN = `
  SELECT objects.seq, objects.blake3, sha256, size, verified_at AS verifiedAt
  FROM objects LEFT JOIN verifications ON verifications.blake3 = objects.blake3
  WHERE objects.seq > ?1 AND state IN ('live', 'corrupt') ORDER BY objects.seq LIMIT +?2`;

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
export function createRegistry(connection: Reader): Registry {
  return new SqliteRegistry(connection);
}

class SqliteRegistry implements Registry {
  readonly #connection: Reader;

  constructor(connection: Reader) {
    this.#connection = connection;
  }

  async resolve(text: string): Promise<ObjectRecord> {
    const { algorithm, hex } = parseDigestPrefix(text);
    const digests = [fromHex(hex.padEnd(DIGEST_SIZE * 2, '0')), fromHex(hex.padEnd(DIGEST_SIZE * 2, 'f'))];
    const bounds = [...digests, ...digests.map((bound) => digestHead(bound, 0))];
    const none = [null, null, null, null];
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
    const bytes = digestBytes(address);
    const rows = await this.#connection.all<RecordRows>(STAT, [bytes, digestHead(bytes, 0)]);
    return rows.flatMap(readRecords)[0];
  }

  areLive(digests: readonly Digest[]): Promise<boolean[]> {
    return this.#are(LIVE, digests);
  }

  areCold(addresses: readonly ContentAddress[]): Promise<boolean[]> {
    return this.#are(COLD, addresses);
  }

  async #are(statement: string, digests: readonly Digest[]): Promise<boolean[]> {
    const bytes = Buffer.concat(digests.map(digestBytes));
    const pairOf = (place: number) => [place, digestHead(bytes, DIGEST_SIZE * place)];
    const places = (algorithm: DigestAlgorithm) =>
      JSON.stringify(
        digests.flatMap((digest, place) => (digestAlgorithm(digest) === algorithm ? [pairOf(place)] : [])),
      );
    const found = await this.#connection.all<{ place: number }>(statement, [bytes, places('blake3'), places('sha256')]);
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
    const after = cursor === undefined ? undefined : readCursor(cursor);
    // One more than asked for tells whether there is another page.
    const rows = await this.#connection.all<RecordRows>(LISTS[state], [
      after ?? NOTHING,
      limit + 1,
      after === undefined ? 0 : digestHead(after, 0),
    ]);
    const found = inOrder(rows.map(readRecords));
    const objects = found.slice(0, limit);
    const last = objects.at(-1);
    return found.length > limit && last !== undefined
      ? { objects, cursor: writeCursor(digestBytes(last.blake3)) }
      : { objects };
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

  async someCold(): Promise<ContentAddress | undefined> {
    const row = await this.#connection.get<{ blake3: Uint8Array }>(COLD_ALONE);
    return row && formatBlake3(row.blake3);
  }

  async usage(): Promise<Usage> {
    const usage = await this.#connection.get<Usage & { coldObjects: number; coldSize: number }>(USAGE);
    const { objects = 0, size = 0, storedSize = 0, coldObjects = 0, coldSize = 0 } = usage ?? {};
    const cold = coldObjects > 0 && { cold: { objects: coldObjects, storedSize: coldSize } };
    return { objects, size, storedSize, ...cold };
  }
}

function digestAt(place: string): string {
  return `substr(?1, ${place} * ${DIGEST_SIZE} + 1, ${DIGEST_SIZE})`;
}

/**
 * By address. At most one object for each head is one whose first ingest is the first event about it, and nearly every object is: those fill the page. Any other is looked
 * for only among the heads that the page has come to, because its way through `later` would otherwise go on to the end of all heads, as a rule without finding one. They are
 * a row of their own, in an order of their own.
 */
function list(condition: string): string {
  const found = (table: SubjectTable, bound: string) => `SELECT head, ${RECORD} FROM ${by(table)}
    WHERE head >= ?3 AND ${bound} AND blake3 > ?1 AND ${condition} ORDER BY head`;
  return `
    WITH page AS MATERIALIZED (
      SELECT ${TOGETHER}, iif(count(*) < ?2, ${PAST_HEADS}, max(head)) AS reached
      FROM (${found('heads', 'true')} LIMIT +?2))
    SELECT members, bytes FROM page
    UNION ALL
    SELECT ${TOGETHER} FROM (${found('later', 'head <= (SELECT reached FROM page)')}, blake3 LIMIT +?2)`;
}

/** In the order in which they were first stored, as their index has them. */
function listNotLive(state: ObjectState): string {
  const seqOf = (table: SubjectTable) =>
    `(SELECT objects.seq FROM ${by(table)} WHERE heads.head = ?3 AND objects.blake3 = ?1 LIMIT 1)`;
  return `SELECT ${TOGETHER} FROM (
    SELECT ${RECORD} FROM objects
    WHERE state <> 'live' AND state = '${state}' AND seq > coalesce(${seqOf('heads')}, ${seqOf('later')}, 0) ORDER BY seq LIMIT +?2)`;
}

/** The records of a page and those that belong between them, by address; those of one row are in order. */
function inOrder([records = [], later = []]: ObjectRecord[][]): ObjectRecord[] {
  if (later.length === 0) return records;
  return [...records, ...later].sort((a, b) => (a.blake3 < b.blake3 ? -1 : 1));
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
