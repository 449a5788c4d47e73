/**
 * The registry of packages over the views in SQLite.
 *
 * Imports the database connection's type, the log's index, digest text, names, errors, limits and the registry's types. The composition root
 * makes it from the log's reading connection.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { HEAD_SIZE } from '../events/subject-head.js';
import { DIGEST_SIZE, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import {
  formatPackage,
  type PackageName,
  type PackageRef,
  type PackageVersion,
  refOf,
  versionOf,
} from '../packages/name.js';
import type { Connection, SqlValue } from '../sqlite/connection.js';
import type {
  ObjectKey,
  PackagePage,
  PackageQuery,
  PackageRecord,
  PackageRegistry,
  RefPage,
  RefRecord,
} from './packages.js';

const VERSION_COLUMNS = 'namespace, name, version, manifest, entries, size, published_at AS publishedAt, actor, seq';
const REF_COLUMNS = 'namespace, name, ref, target, immutable, moved_at AS movedAt, actor, seq';

const VERSION = `SELECT ${VERSION_COLUMNS} FROM packages WHERE namespace = ?1 AND name = ?2 AND version = ?3`;
const VERSION_WITH = `
  SELECT ${VERSION_COLUMNS} FROM packages
  WHERE namespace = ?1 AND name = ?2 AND manifest = ?3 ORDER BY seq LIMIT 1`;
const REF = `SELECT ${REF_COLUMNS} FROM refs WHERE namespace = ?1 AND name = ?2 AND ref = ?3`;

/** A statement for each way to narrow the list. Parameters: namespace, name and last part behind which to start, limit, namespace, name. */
const pages = (columns: string, table: string, last: string) => {
  const page = (condition: string) => `
    SELECT ${columns} FROM ${table} WHERE (namespace, name, ${last}) > (?1, ?2, ?3) ${condition}
    ORDER BY namespace, name, ${last} LIMIT ?4`;
  return { any: page(''), namespace: page('AND namespace = ?5'), name: page('AND namespace = ?5 AND name = ?6') };
};
const VERSIONS = pages(VERSION_COLUMNS, 'packages', 'version');
const REFS = pages(REF_COLUMNS, 'refs', 'ref');

/** Parameters: both digests of each object end to end, and their sizes as a JSON array. */
const digestAt = (which: 0 | 1, size = DIGEST_SIZE) =>
  `substr(?1, ${2 * DIGEST_SIZE} * wanted.key + ${1 + which * DIGEST_SIZE}, ${size})`;
const ABSENT = `
  SELECT wanted.key AS place FROM json_each(?2) AS wanted WHERE NOT EXISTS (
    SELECT 1 FROM subjects CROSS JOIN objects ON objects.seq = subjects.seq
    WHERE subjects.head = ${digestAt(0, HEAD_SIZE)} AND objects.blake3 = ${digestAt(0)}
      AND objects.sha256 = ${digestAt(1)} AND objects.size = wanted.value AND objects.state = 'live')`;

/** Parameters: addresses end to end, and a JSON array with a member for each. */
const STORED_SIZE = `
  SELECT coalesce(sum((
    SELECT stored_size FROM subjects CROSS JOIN objects ON objects.seq = subjects.seq
    WHERE subjects.head = substr(?1, ${DIGEST_SIZE} * wanted.key + 1, ${HEAD_SIZE})
      AND objects.blake3 = substr(?1, ${DIGEST_SIZE} * wanted.key + 1, ${DIGEST_SIZE}) AND objects.state = 'live')), 0) AS size
  FROM json_each(?2) AS wanted`;

interface VersionRow extends Omit<PackageRecord, 'manifest'> {
  manifest: Uint8Array;
}

interface RefRow extends Omit<RefRecord, 'target' | 'immutable'> {
  target: Uint8Array;
  immutable: number;
}

/**
 * The registry of packages of a log.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createPackageRegistry(connection: Connection): PackageRegistry {
  return new SqlitePackageRegistry(connection);
}

class SqlitePackageRegistry implements PackageRegistry {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async version({ namespace, name, version }: PackageVersion): Promise<PackageRecord | undefined> {
    const row = await this.#connection.get<VersionRow>(VERSION, [namespace, name, version]);
    return row && versionRecord(row);
  }

  async versionWith({ namespace, name }: PackageName, manifest: ContentAddress): Promise<PackageRecord | undefined> {
    const row = await this.#connection.get<VersionRow>(VERSION_WITH, [namespace, name, digestBytes(manifest)]);
    return row && versionRecord(row);
  }

  async ref({ namespace, name, ref }: PackageRef): Promise<RefRecord | undefined> {
    const row = await this.#connection.get<RefRow>(REF, [namespace, name, ref]);
    return row && refRecord(row);
  }

  async versions(query: PackageQuery = {}): Promise<PackagePage> {
    const after = query.cursor === undefined ? undefined : versionOf(readCursor(query.cursor));
    const { rows, cursor } = await this.#page<VersionRow>(VERSIONS, query, after && { ...after, last: after.version });
    return { packages: rows.map(versionRecord), ...(cursor !== undefined && { cursor }) };
  }

  async refs(query: PackageQuery = {}): Promise<RefPage> {
    const after = query.cursor === undefined ? undefined : refOf(readCursor(query.cursor));
    const { rows, cursor } = await this.#page<RefRow>(REFS, query, after && { ...after, last: after.ref });
    return { refs: rows.map(refRecord), ...(cursor !== undefined && { cursor }) };
  }

  async #page<Row extends PackageName>(
    statements: ReturnType<typeof pages>,
    { cursor, namespace, name, limit = PAGE_SIZE_DEFAULT }: PackageQuery,
    after: (PackageName & { last: string }) | undefined,
  ): Promise<{ rows: Row[]; cursor?: string }> {
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX) {
      throw invalid(`the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}`);
    }
    if (cursor !== undefined && after === undefined) {
      throw invalid(`"${cursor}" is not a cursor; pass the one of the page before, unchanged`);
    }
    if (name !== undefined && namespace === undefined)
      throw invalid(`the namespace of "${name}" is missing; give both`);
    const start = after === undefined ? ['', '', ''] : [after.namespace, after.name, after.last];
    // One more than asked for tells whether there is another page.
    const parameters: SqlValue[] = [...start, limit + 1];
    if (namespace !== undefined) parameters.push(namespace);
    if (name !== undefined) parameters.push(name);
    const sql = statements[name !== undefined ? 'name' : namespace !== undefined ? 'namespace' : 'any'];
    const found = await this.#connection.all<Row>(sql, parameters);
    const rows = found.slice(0, limit);
    const last = rows.at(-1);
    return found.length > limit && last !== undefined ? { rows, cursor: writeCursor(formatPackage(last)) } : { rows };
  }

  async absent(objects: readonly ObjectKey[]): Promise<number[]> {
    const digests = new Uint8Array(2 * DIGEST_SIZE * objects.length);
    for (const [index, { blake3, sha256 }] of objects.entries()) {
      digests.set(blake3, 2 * DIGEST_SIZE * index);
      digests.set(sha256, 2 * DIGEST_SIZE * index + DIGEST_SIZE);
    }
    const sizes = JSON.stringify(objects.map(({ size }) => size));
    const rows = await this.#connection.all<{ place: number }>(ABSENT, [digests, sizes]);
    return rows.map(({ place }) => place);
  }

  async storedSize(addresses: readonly Uint8Array[]): Promise<number> {
    const places = JSON.stringify(addresses.map(() => 0));
    const row = await this.#connection.get<{ size: number }>(STORED_SIZE, [Buffer.concat(addresses), places]);
    return row?.size ?? 0;
  }
}

function versionRecord({ manifest, ...row }: VersionRow): PackageRecord {
  return { ...row, manifest: formatBlake3(manifest) };
}

function refRecord({ target, immutable, ...row }: RefRow): RefRecord {
  return { ...row, target: formatBlake3(target), immutable: immutable !== 0 };
}

function writeCursor(subject: string): string {
  return Buffer.from(subject).toString('base64url');
}

function readCursor(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString();
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Packages cannot be listed: ${what}.`);
}
