/**
 * The registry of packages over the views in SQLite.
 *
 * Imports the database connection's type, the log's index, digest text, names, errors, limits, the view of usage, looking objects up and the registry's types. The composition root
 * makes it from the log's reading connection.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { digestHead } from '../events/subject-head.js';
import { DIGEST_SIZE, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import {
  formatPackage,
  type PackageName,
  type PackageRef,
  type PackageVersion,
  refOf,
  versionOf,
} from '../packages/name.js';
import type { Reader, SqlValue } from '../sqlite/connection.js';
import { by, NOTHING, type SubjectTable } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import type {
  NamespaceUsage,
  ObjectKey,
  PackagePage,
  PackageQuery,
  PackageRecord,
  PackageRegistry,
  RefPage,
  RefRecord,
  WithdrawnRecord,
} from './packages.js';
import type { ObjectState } from './registry.js';
import { hasObject } from './usage-view.js';

const VERSION_COLUMNS = 'namespace, name, version, manifest, entries, size, published_at AS publishedAt, actor, seq';
const REF_COLUMNS = 'namespace, name, ref, target, immutable, moved_at AS movedAt, actor, seq';

const VERSION = `SELECT ${VERSION_COLUMNS} FROM packages WHERE namespace = ?1 AND name = ?2 AND version = ?3`;
const VERSION_WITH = `
  SELECT ${VERSION_COLUMNS} FROM packages
  WHERE namespace = ?1 AND name = ?2 AND manifest = ?3 ORDER BY seq LIMIT 1`;
const WITHDRAWN_COLUMNS = 'namespace, name, version, manifest, entries, size, published_at AS publishedAt, withdrawal';
const WITHDRAWN = `SELECT ${WITHDRAWN_COLUMNS} FROM withdrawn WHERE namespace = ?1 AND name = ?2 AND version = ?3`;
const WITHDRAWN_WITH = `
  SELECT ${WITHDRAWN_COLUMNS} FROM withdrawn
  WHERE namespace = ?1 AND name = ?2 AND manifest = ?3 ORDER BY published_at, version LIMIT 1`;
const HAS_OTHER = `
  SELECT 1 FROM packages WHERE manifest = ?4 AND namespace = ?1 AND name = ?2 AND version <> ?3 LIMIT 1`;
const REFS_TO = `SELECT ${REF_COLUMNS} FROM refs WHERE target = ?3 AND namespace = ?1 AND name = ?2 ORDER BY ref`;
const NOT_LIVE = `
  SELECT objects.seq AS seq, objects.blake3 AS blake3, state
  FROM manifests CROSS JOIN manifest_objects ON manifest_objects.manifest = manifests.seq
    CROSS JOIN objects ON objects.seq BETWEEN ${BLOCK_SEQS} * block + 1 AND ${BLOCK_SEQS} * block + ${BLOCK_SEQS}
  WHERE manifests.address = ?1 AND manifest_objects.block >= ?3 / ${BLOCK_SEQS} AND objects.seq > ?3
    AND (bits >> (objects.seq - ${BLOCK_SEQS} * block - 1)) & 1 AND state <> 'live'
  ORDER BY manifest_objects.block, objects.seq LIMIT +?2`;
const REF = `SELECT ${REF_COLUMNS} FROM refs WHERE namespace = ?1 AND name = ?2 AND ref = ?3`;

/** A statement for each way to narrow the list. Parameters: namespace, name and last part behind which to start, limit, namespace, name. */
const pages = (columns: string, table: string, last: string) => {
  const page = (condition: string) => `
    SELECT ${columns} FROM ${table} WHERE (namespace, name, ${last}) > (?1, ?2, ?3) ${condition}
    ORDER BY namespace, name, ${last} LIMIT +?4`;
  return { any: page(''), namespace: page('AND namespace = ?5'), name: page('AND namespace = ?5 AND name = ?6') };
};
const VERSIONS = pages(VERSION_COLUMNS, 'packages', 'version');
const REFS = pages(REF_COLUMNS, 'refs', 'ref');

/** Parameters: both digests of each object end to end, and a JSON array with the head of its address and its size. */
const digestAt = (which: 0 | 1) =>
  `substr(?1, ${2 * DIGEST_SIZE} * wanted.key + ${1 + which * DIGEST_SIZE}, ${DIGEST_SIZE})`;
const wantedIn = (table: SubjectTable, condition: string) => `
  SELECT 1 FROM ${by(table)}
  WHERE heads.head = wanted.value ->> 0 AND objects.blake3 = ${digestAt(0)}
    AND objects.sha256 = ${digestAt(1)} AND objects.size = wanted.value ->> 1 AND objects.state = 'live' ${condition}`;
const without = (condition: string) => `
  SELECT wanted.key AS place FROM json_each(?2) AS wanted
  WHERE NOT EXISTS (${wantedIn('heads', condition)}) AND NOT EXISTS (${wantedIn('later', condition)})`;
const ABSENT = without('');
const UNRECORDED = without('AND objects.receipts IS NOT NULL');

const seqIn = (table: SubjectTable, address: string, head: string) =>
  `SELECT objects.seq FROM ${by(table)} WHERE heads.head = ${head} AND objects.blake3 = ${address}`;

/** Parameters: addresses end to end, and a JSON array with the head of each. An object that both tables lead to is one. */
const wantedSeqIn = (table: SubjectTable) =>
  seqIn(table, `substr(?1, ${DIGEST_SIZE} * wanted.key + 1, ${DIGEST_SIZE})`, 'wanted.value');
const SEQS = `
  SELECT json_group_array(coalesce((${wantedSeqIn('heads')}), (${wantedSeqIn('later')}))) AS seqs
  FROM json_each(?2) AS wanted`;

/** Parameters: address and head of the object, limit, and the namespace, name and version behind which to start. */
const NEEDING = `
  SELECT ${VERSION_COLUMNS.replaceAll(/^|, /g, '$&packages.')}
  FROM (${seqIn('heads', '?1', '?2')} UNION ${seqIn('later', '?1', '?2')}) AS object
    CROSS JOIN manifest_objects ON ${hasObject('object.seq')}
    CROSS JOIN manifests ON manifests.seq = manifest_objects.manifest
    CROSS JOIN packages ON packages.manifest = manifests.address
  WHERE (namespace, name, version) > (?4, ?5, ?6)
  ORDER BY namespace, name, version LIMIT +?3`;

const IS_INDEXED = 'SELECT 1 FROM manifests WHERE address = ?1 AND seq IS NOT NULL';
const NOT_INDEXED = 'SELECT address FROM manifests WHERE seq IS NULL AND address > ?2 ORDER BY address LIMIT +?1';

const USAGE_COLUMNS = `
  namespace, packages, versions, refs, size, objects, unique_size AS uniqueSize, stored_size AS storedSize, missing`;
const USAGE = `SELECT ${USAGE_COLUMNS} FROM namespaces WHERE namespace > ?2 ORDER BY namespace LIMIT +?1`;
const USAGE_OF = `SELECT ${USAGE_COLUMNS} FROM namespaces WHERE namespace = ?1`;

interface VersionRow extends Omit<PackageRecord, 'manifest'> {
  manifest: Uint8Array;
}

interface WithdrawnRow extends Omit<WithdrawnRecord, 'manifest' | 'withdrawal'> {
  manifest: Uint8Array;
  withdrawal: string;
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
export function createPackageRegistry(connection: Reader): PackageRegistry {
  return new SqlitePackageRegistry(connection);
}

class SqlitePackageRegistry implements PackageRegistry {
  readonly #connection: Reader;

  constructor(connection: Reader) {
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

  async withdrawn({ namespace, name, version }: PackageVersion): Promise<WithdrawnRecord | undefined> {
    const row = await this.#connection.get<WithdrawnRow>(WITHDRAWN, [namespace, name, version]);
    return row && withdrawnRecord(row);
  }

  async withdrawnWith(
    { namespace, name }: PackageName,
    manifest: ContentAddress,
  ): Promise<WithdrawnRecord | undefined> {
    const row = await this.#connection.get<WithdrawnRow>(WITHDRAWN_WITH, [namespace, name, digestBytes(manifest)]);
    return row && withdrawnRecord(row);
  }

  async hasOther({ namespace, name, version }: PackageVersion, manifest: ContentAddress): Promise<boolean> {
    const parameters = [namespace, name, version, digestBytes(manifest)];
    return (await this.#connection.get(HAS_OTHER, parameters)) !== undefined;
  }

  async refsTo({ namespace, name }: PackageName, manifest: ContentAddress): Promise<RefRecord[]> {
    return (await this.#connection.all<RefRow>(REFS_TO, [namespace, name, digestBytes(manifest)])).map(refRecord);
  }

  async notLive(manifest: ContentAddress, limit: number, after = 0) {
    const parameters = [digestBytes(manifest), limit, after];
    const rows = await this.#connection.all<{ seq: number; blake3: Uint8Array; state: ObjectState }>(
      NOT_LIVE,
      parameters,
    );
    return rows.map(({ seq, blake3, state }) => ({ seq, blake3: formatBlake3(blake3), state }));
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

  absent(objects: readonly ObjectKey[]): Promise<number[]> {
    return this.#without(ABSENT, objects);
  }

  unrecorded(objects: readonly ObjectKey[]): Promise<number[]> {
    return this.#without(UNRECORDED, objects);
  }

  async #without(statement: string, objects: readonly ObjectKey[]): Promise<number[]> {
    const digests = new Uint8Array(2 * DIGEST_SIZE * objects.length);
    for (const [index, { blake3, sha256 }] of objects.entries()) {
      digests.set(blake3, 2 * DIGEST_SIZE * index);
      digests.set(sha256, 2 * DIGEST_SIZE * index + DIGEST_SIZE);
    }
    const wanted = JSON.stringify(objects.map(({ blake3, size }) => [digestHead(blake3, 0), size]));
    const rows = await this.#connection.all<{ place: number }>(statement, [digests, wanted]);
    return rows.map(({ place }) => place);
  }

  async seqs(addresses: readonly Uint8Array[]): Promise<number[]> {
    const heads = JSON.stringify(addresses.map((address) => digestHead(address, 0)));
    const row = await this.#connection.get<{ seqs: string }>(SEQS, [Buffer.concat(addresses), heads]);
    return (JSON.parse(row?.seqs ?? '[]') as (number | null)[]).filter((seq) => seq !== null);
  }

  async needing(address: ContentAddress, limit: number, after?: PackageVersion): Promise<PackageRecord[]> {
    const bytes = digestBytes(address);
    const { namespace, name, version } = after ?? { namespace: '', name: '', version: '' };
    const parameters = [bytes, digestHead(bytes, 0), limit, namespace, name, version];
    return (await this.#connection.all<VersionRow>(NEEDING, parameters)).map(versionRecord);
  }

  async isIndexed(manifest: ContentAddress): Promise<boolean> {
    return (await this.#connection.get(IS_INDEXED, [digestBytes(manifest)])) !== undefined;
  }

  async notIndexed(limit: number, after?: ContentAddress): Promise<ContentAddress[]> {
    const start = after === undefined ? NOTHING : digestBytes(after);
    const rows = await this.#connection.all<{ address: Uint8Array }>(NOT_INDEXED, [limit, start]);
    return rows.map(({ address }) => formatBlake3(address));
  }

  async usage(limit: number, after = ''): Promise<NamespaceUsage[]> {
    return this.#connection.all<NamespaceUsage>(USAGE, [limit, after]);
  }

  async usageOf(namespace: string): Promise<NamespaceUsage | undefined> {
    return this.#connection.get<NamespaceUsage>(USAGE_OF, [namespace]);
  }
}

function versionRecord({ manifest, ...row }: VersionRow): PackageRecord {
  return { ...row, manifest: formatBlake3(manifest) };
}

function withdrawnRecord({ manifest, withdrawal, ...row }: WithdrawnRow): WithdrawnRecord {
  return { ...row, manifest: formatBlake3(manifest), withdrawal: JSON.parse(withdrawal) };
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
