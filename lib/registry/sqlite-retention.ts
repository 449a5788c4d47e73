/**
 * The registry of retention over the view in SQLite.
 *
 * Imports the database connection's type, policies, digest text, errors, limits, looking objects up and the registry's types. The composition root makes it from
 * the log's reading connection.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import type { PlanFacts } from '../events/retention-kinds.js';
import { digestHead } from '../events/subject-head.js';
import {
  DIGEST_SIZE,
  PAGE_SIZE_DEFAULT,
  PAGE_SIZE_MAX,
  PLAN_SLICE_MANIFESTS,
  PLAN_SLICE_OBJECTS,
  PLAN_SLICE_VERSIONS,
} from '../limits.js';
import type { PackageVersion } from '../packages/name.js';
import type { LockMode } from '../retention/locks.js';
import { parsePolicy } from '../retention/policy.js';
import type { Reader, SqlValue } from '../sqlite/connection.js';
import { by, type SubjectTable } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import type {
  BlockState,
  GuardQuery,
  HoldRecord,
  JudgedVersion,
  LockRecord,
  NeededBlock,
  NeedingClass,
  PlannedObject,
  PlanRecord,
  PolicyRecord,
  RetentionRegistry,
} from './retention.js';
import { hasObject } from './usage-view.js';

const POLICY_COLUMNS = 'namespace, policy, set_at AS setAt, actor, seq, reason, pulls_since AS pullsSince';
const HOLD_COLUMNS = 'subject, case_id AS "case", reason, placed_at AS placedAt, actor, seq';
const LOCK_COLUMNS = 'subject, mode, until, set_at AS setAt, actor, seq, reason';
const PLAN_COLUMNS = `plan, planned_at AS plannedAt, actor, seq, versions, objects, stored_size AS storedSize, started_at AS startedAt,
  applied_at AS appliedAt, result`;

const POLICY = `SELECT ${POLICY_COLUMNS} FROM policies WHERE namespace = ?1`;
const POLICIES = `SELECT ${POLICY_COLUMNS} FROM policies ORDER BY namespace`;

/** Parameters: subject and case behind which to start, limit, and the only subject. */
const HOLDS = (only: string) => `
  SELECT ${HOLD_COLUMNS} FROM holds WHERE (subject, case_id) > (?1, ?2) ${only} ORDER BY subject, case_id LIMIT +?3`;
const HOLD = `SELECT ${HOLD_COLUMNS} FROM holds WHERE subject = ?1 AND case_id = ?2`;
const LOCKS = (only: string) =>
  `SELECT ${LOCK_COLUMNS} FROM locks WHERE subject > ?1 ${only} ORDER BY subject LIMIT +?2`;
const LOCK = `SELECT ${LOCK_COLUMNS} FROM locks WHERE subject = ?1`;

/** Parameters: subjects as a JSON array, limit; for locks between them the time. */
const HOLDS_ON = `
  SELECT ${HOLD_COLUMNS} FROM holds WHERE subject IN (SELECT value FROM json_each(?1)) ORDER BY subject, case_id LIMIT +?2`;
const LOCKS_ON = `
  SELECT ${LOCK_COLUMNS} FROM locks WHERE subject IN (SELECT value FROM json_each(?1)) AND until > ?2
  ORDER BY until DESC, subject LIMIT +?3`;

/** Of hundreds of subjects. Whether anything is held or locked at all is asked first: as a rule nothing is, and the list need not be taken apart. */
const ANY_GUARDS = 'SELECT EXISTS (SELECT 1 FROM holds) AS holds, EXISTS (SELECT 1 FROM locks) AS locks';
const HOLD_ON_EACH = `
  SELECT subject, case_id AS "case", reason, placed_at AS placedAt, actor, min(seq) AS seq FROM holds
  WHERE subject IN (SELECT value FROM json_each(?1)) GROUP BY subject`;
const NO_LIMIT = -1;

/** SQL: versions that need an object, with the columns asked for. Parameters: 1 address and 2 head of the object. */
const needing = (columns: string, rest = '') => {
  const seqIn = (table: SubjectTable) =>
    `SELECT objects.seq FROM ${by(table)} WHERE heads.head = ?2 AND objects.blake3 = ?1`;
  return `
    SELECT ${columns} FROM (${seqIn('heads')} UNION ${seqIn('later')}) AS object
      CROSS JOIN manifest_objects ON ${hasObject('object.seq')}
      CROSS JOIN manifests ON manifests.seq = manifest_objects.manifest
      CROSS JOIN packages ON packages.manifest = manifests.address ${rest}`;
};
const NEEDERS =
  needing(`packages.namespace || '/' AS namespace_, packages.namespace || '/' || packages.name AS package_,
  packages.namespace || '/' || packages.name || '@' || packages.version AS version_`);
const ONE_OF_NEEDERS = 'subject IN (needer.version_, needer.package_, needer.namespace_)';
const HOLDS_ON_NEEDERS = `
  SELECT DISTINCT ${HOLD_COLUMNS} FROM (${NEEDERS}) AS needer JOIN holds ON ${ONE_OF_NEEDERS} LIMIT +?3`;
const LOCKS_ON_NEEDERS = `
  SELECT DISTINCT ${LOCK_COLUMNS} FROM (${NEEDERS}) AS needer JOIN locks ON ${ONE_OF_NEEDERS} WHERE until > ?3
  ORDER BY until DESC, subject LIMIT +?4`;
const WAS_NEEDED = `
  SELECT 1 FROM (${(['heads', 'later'] as const)
    .map((table) => `SELECT objects.seq FROM ${by(table)} WHERE heads.head = ?2 AND objects.blake3 = ?1`)
    .join(' UNION ')}) AS object
    CROSS JOIN manifest_objects ON ${hasObject('object.seq')} LIMIT 1`;
const classJoin = 'LEFT JOIN classes USING (namespace, name, version)';
/** Beside max(), SQLite gives the other columns of the row that has it. */
const NEEDING_CLASSES = needing(
  'packages.namespace, packages.name, packages.version, class, max(packages.published_at) AS publishedAt',
  `${classJoin} GROUP BY packages.namespace, class`,
);

const CLASS_OF = 'SELECT class FROM classes WHERE namespace = ?1 AND name = ?2 AND version = ?3';
const PULLED_AT = 'SELECT pulled_at AS pulledAt FROM pulls WHERE namespace = ?1 AND name = ?2 AND version = ?3';

/** Parameters: namespace, name and version behind which to start, limit; and the only name. */
const JUDGED = (only: string) => `
  SELECT packages.name, packages.version, manifest, published_at AS publishedAt, seq, class, pulled_at AS pulledAt,
    (SELECT manifests.seq FROM manifests WHERE address = manifest) AS needs,
    (SELECT count(*) FROM packages AS sharers WHERE sharers.manifest = packages.manifest) AS sharers,
    (SELECT count(*) FROM packages AS siblings WHERE siblings.manifest = packages.manifest
      AND siblings.namespace = packages.namespace AND siblings.name = packages.name) AS siblings,
    (SELECT json_group_array(json_array(ref, immutable)) FROM refs
      WHERE target = manifest AND refs.namespace = packages.namespace AND refs.name = packages.name) AS refs
  FROM packages ${classJoin} LEFT JOIN pulls USING (namespace, name, version)
  WHERE packages.namespace = ?1 AND (packages.name, packages.version) > (?2, ?3) ${only}
  ORDER BY packages.name, packages.version LIMIT +?4`;

const NAMESPACES = 'SELECT namespace FROM namespaces WHERE versions > 0 ORDER BY namespace';

/** Parameter: seqs of manifests, or blocks, as a JSON array. */
const NEEDS = `
  SELECT manifest, block, bits FROM json_each(?1) AS wanted CROSS JOIN manifest_objects ON manifest = wanted.value`;
const NEEDS_OF = `
  SELECT manifest, block, bits FROM json_each(?1) AS wanted CROSS JOIN manifest_objects ON block = wanted.value
  WHERE EXISTS (SELECT 1 FROM manifests CROSS JOIN packages ON packages.manifest = manifests.address
    WHERE manifests.seq = manifest_objects.manifest)`;

const UNNEEDED = 'SELECT block, bits FROM collectable WHERE block > ?1 ORDER BY block LIMIT +?2';

/** Parameter: blocks as a JSON array of their number and bits. */
const PRESENT = `
  SELECT wanted.key AS place, sum(1 << ((objects.seq - 1) % ${BLOCK_SEQS})) AS bits, count(*) AS count, sum(size) AS size,
    sum(stored_size) AS storedSize
  FROM json_each(?1) AS wanted CROSS JOIN objects ON objects.seq BETWEEN ${BLOCK_SEQS} * (wanted.value ->> 0) + 1
    AND ${BLOCK_SEQS} * (wanted.value ->> 0) + ${BLOCK_SEQS}
  WHERE ((wanted.value ->> 1) >> ((objects.seq - 1) % ${BLOCK_SEQS})) & 1 AND state IN ('live', 'corrupt')
  GROUP BY wanted.key`;

const OBJECTS_AT = `
  SELECT objects.seq, blake3, state, size, stored_size AS storedSize
  FROM json_each(?1) AS wanted CROSS JOIN objects ON objects.seq = wanted.value ORDER BY wanted.key`;

/** Parameters: addresses end to end, and a JSON array with the head of each. */
const seqIn = (table: SubjectTable) => `
  SELECT objects.seq FROM ${by(table)}
  WHERE heads.head = wanted.value AND objects.blake3 = substr(?1, ${DIGEST_SIZE} * wanted.key + 1, ${DIGEST_SIZE})`;
const SEQS_OF = `
  SELECT json_group_array(coalesce((${seqIn('heads')}), (${seqIn('later')}))) AS seqs FROM json_each(?2) AS wanted`;

const PLANS = `SELECT ${PLAN_COLUMNS} FROM plans ORDER BY seq DESC LIMIT +?1`;
const PLAN = `SELECT ${PLAN_COLUMNS} FROM plans WHERE plan = ?1`;
const UNFINISHED = `SELECT ${PLAN_COLUMNS} FROM plans WHERE started_at IS NOT NULL AND applied_at IS NULL ORDER BY seq`;

interface PolicyRow extends Omit<PolicyRecord, 'policy' | 'reason' | 'pullsSince'> {
  policy: string;
  reason: string | null;
  pullsSince: number | null;
}

interface LockRow extends Omit<LockRecord, 'reason' | 'mode'> {
  mode: string;
  reason: string | null;
}

interface PlanRow extends Omit<PlanRecord, 'startedAt' | 'appliedAt' | 'applied'> {
  startedAt: number | null;
  appliedAt: number | null;
  result: string | null;
}

interface JudgedRow {
  name: string;
  version: string;
  manifest: Uint8Array;
  publishedAt: number;
  seq: number;
  class: string | null;
  pulledAt: number | null;
  needs: number | null;
  sharers: number;
  siblings: number;
  refs: string;
}

interface NeedingRow extends Omit<NeedingClass, 'class'> {
  class: string | null;
}

/**
 * Makes the registry.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createRetentionRegistry(connection: Reader): RetentionRegistry {
  return new SqliteRetentionRegistry(connection);
}

class SqliteRetentionRegistry implements RetentionRegistry {
  readonly #connection: Reader;

  constructor(connection: Reader) {
    this.#connection = connection;
  }

  async policy(namespace: string): Promise<PolicyRecord | undefined> {
    const row = await this.#connection.get<PolicyRow>(POLICY, [namespace]);
    return row && policyRecord(row);
  }

  async policies(): Promise<PolicyRecord[]> {
    return (await this.#connection.all<PolicyRow>(POLICIES)).map(policyRecord);
  }

  async holds({ subject, cursor, limit = PAGE_SIZE_DEFAULT }: GuardQuery = {}) {
    const [after, afterCase] = readCursor(cursor, limit);
    const parameters: SqlValue[] = [after, afterCase, limit + 1];
    if (subject !== undefined) parameters.push(subject);
    const sql = HOLDS(subject === undefined ? '' : 'AND subject = ?4');
    const found = await this.#connection.all<HoldRecord>(sql, parameters);
    const holds = found.slice(0, limit);
    const last = holds.at(-1);
    return { holds, ...(found.length > limit && last && { cursor: writeCursor(last.subject, last.case) }) };
  }

  async hold(subject: string, caseId: string): Promise<HoldRecord | undefined> {
    return this.#connection.get<HoldRecord>(HOLD, [subject, caseId]);
  }

  async locks({ subject, cursor, limit = PAGE_SIZE_DEFAULT }: GuardQuery = {}) {
    const [after] = readCursor(cursor, limit);
    const parameters: SqlValue[] = [after, limit + 1];
    if (subject !== undefined) parameters.push(subject);
    const found = await this.#connection.all<LockRow>(
      LOCKS(subject === undefined ? '' : 'AND subject = ?3'),
      parameters,
    );
    const locks = found.slice(0, limit).map(lockRecord);
    const last = locks.at(-1);
    return { locks, ...(found.length > limit && last && { cursor: writeCursor(last.subject, '') }) };
  }

  async lock(subject: string): Promise<LockRecord | undefined> {
    const row = await this.#connection.get<LockRow>(LOCK, [subject]);
    return row && lockRecord(row);
  }

  async guarding(subjects: readonly string[], now: number, limit: number) {
    const wanted = JSON.stringify(subjects);
    const [holds, locks] = await Promise.all([
      this.#connection.all<HoldRecord>(HOLDS_ON, [wanted, limit]),
      this.#connection.all<LockRow>(LOCKS_ON, [wanted, now, limit]),
    ]);
    return { holds, locks: locks.map(lockRecord) };
  }

  async guardingEach(subjects: readonly string[], now: number) {
    const any = await this.#connection.get<{ holds: number; locks: number }>(ANY_GUARDS);
    if (any?.holds === 0 && any.locks === 0) return { holds: [], locks: [] };
    const wanted = JSON.stringify(subjects);
    const [holds, locks] = await Promise.all([
      this.#connection.all<HoldRecord>(HOLD_ON_EACH, [wanted]),
      this.#connection.all<LockRow>(LOCKS_ON, [wanted, now, NO_LIMIT]),
    ]);
    return { holds, locks: locks.map(lockRecord) };
  }

  async guardingNeeders(address: ContentAddress, now: number, limit: number) {
    const bytes = digestBytes(address);
    const head = digestHead(bytes, 0);
    const [holds, locks] = await Promise.all([
      this.#connection.all<HoldRecord>(HOLDS_ON_NEEDERS, [bytes, head, limit]),
      this.#connection.all<LockRow>(LOCKS_ON_NEEDERS, [bytes, head, now, limit]),
    ]);
    return { holds, locks: locks.map(lockRecord) };
  }

  async needingClasses(address: ContentAddress): Promise<NeedingClass[]> {
    const bytes = digestBytes(address);
    const rows = await this.#connection.all<NeedingRow>(NEEDING_CLASSES, [bytes, digestHead(bytes, 0)]);
    return rows.map(({ class: name, ...row }) => ({ ...row, ...(name !== null && { class: name }) }));
  }

  async wasNeeded(address: ContentAddress): Promise<boolean> {
    const bytes = digestBytes(address);
    return (await this.#connection.get(WAS_NEEDED, [bytes, digestHead(bytes, 0)])) !== undefined;
  }

  async classOf({ namespace, name, version }: PackageVersion): Promise<string | undefined> {
    return (await this.#connection.get<{ class: string }>(CLASS_OF, [namespace, name, version]))?.class;
  }

  async pulledAt({ namespace, name, version }: PackageVersion): Promise<number | undefined> {
    return (await this.#connection.get<{ pulledAt: number }>(PULLED_AT, [namespace, name, version]))?.pulledAt;
  }

  async judged(namespace: string, name?: string): Promise<JudgedVersion[]> {
    const all: JudgedVersion[] = [];
    const sql = JUDGED(name === undefined ? '' : 'AND packages.name = ?5');
    for (let after: [string, string] = ['', '']; ; ) {
      const parameters: SqlValue[] = [namespace, ...after, PLAN_SLICE_VERSIONS, ...(name === undefined ? [] : [name])];
      const rows = await this.#connection.all<JudgedRow>(sql, parameters);
      for (const row of rows) all.push(judgedVersion(row));
      const last = rows.at(-1);
      if (last === undefined || rows.length < PLAN_SLICE_VERSIONS) return all;
      after = [last.name, last.version];
    }
  }

  async namespaces(): Promise<string[]> {
    const rows = await this.#connection.all<{ namespace: string }>(NAMESPACES);
    return rows.map(({ namespace }) => namespace);
  }

  async needs(manifests: readonly number[]): Promise<NeededBlock[]> {
    return this.#sliced(manifests, PLAN_SLICE_MANIFESTS, (part) => this.#connection.all<NeededBlock>(NEEDS, [part]));
  }

  async needsOf(blocks: readonly number[]): Promise<NeededBlock[]> {
    return this.#sliced(blocks, PLAN_SLICE_OBJECTS / BLOCK_SEQS, (part) =>
      this.#connection.all<NeededBlock>(NEEDS_OF, [part]),
    );
  }

  async unneeded(): Promise<[number, number][]> {
    const all: [number, number][] = [];
    for (let after = -1; ; ) {
      const rows = await this.#connection.all<{ block: number; bits: number }>(UNNEEDED, [after, PLAN_SLICE_OBJECTS]);
      for (const { block, bits } of rows) all.push([block, bits]);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PLAN_SLICE_OBJECTS) return all;
      after = last.block;
    }
  }

  async present(blocks: readonly (readonly [number, number])[]): Promise<BlockState[]> {
    const states: BlockState[] = [];
    for (let from = 0; from < blocks.length; from += PLAN_SLICE_OBJECTS / BLOCK_SEQS) {
      const part = blocks.slice(from, from + PLAN_SLICE_OBJECTS / BLOCK_SEQS);
      const rows = await this.#connection.all<BlockState & { place: number }>(PRESENT, [JSON.stringify(part)]);
      const found = part.map((): BlockState => ({ bits: 0, count: 0, size: 0, storedSize: 0 }));
      for (const { place, ...state } of rows) found[place] = state;
      for (const state of found) states.push(state);
    }
    return states;
  }

  async objectsAt(seqs: readonly number[]): Promise<PlannedObject[]> {
    const rows = await this.#connection.all<Omit<PlannedObject, 'blake3'> & { blake3: Uint8Array }>(OBJECTS_AT, [
      JSON.stringify(seqs),
    ]);
    return rows.map(({ blake3, ...row }) => ({ ...row, blake3: formatBlake3(blake3) }));
  }

  async seqsOf(addresses: readonly ContentAddress[]): Promise<(number | null)[]> {
    const seqs: (number | null)[] = [];
    for (let from = 0; from < addresses.length; from += PLAN_SLICE_VERSIONS) {
      const part = addresses.slice(from, from + PLAN_SLICE_VERSIONS).map(digestBytes);
      const heads = JSON.stringify(part.map((bytes) => digestHead(bytes, 0)));
      const row = await this.#connection.get<{ seqs: string }>(SEQS_OF, [Buffer.concat(part), heads]);
      for (const seq of JSON.parse(row?.seqs ?? '[]') as (number | null)[]) seqs.push(seq);
    }
    return seqs;
  }

  /** What a question gives for each part of a list, as JSON. */
  async #sliced<Row>(all: readonly number[], size: number, ask: (part: string) => Promise<Row[]>): Promise<Row[]> {
    const found: Row[] = [];
    for (let from = 0; from < all.length; from += size)
      for (const row of await ask(JSON.stringify(all.slice(from, from + size)))) found.push(row);
    return found;
  }

  async plans(limit: number): Promise<PlanRecord[]> {
    return (await this.#connection.all<PlanRow>(PLANS, [limit])).map(planRecord);
  }

  async plan(plan: ContentAddress): Promise<PlanRecord | undefined> {
    const row = await this.#connection.get<PlanRow>(PLAN, [plan]);
    return row && planRecord(row);
  }

  async unfinishedPlans(): Promise<PlanRecord[]> {
    return (await this.#connection.all<PlanRow>(UNFINISHED)).map(planRecord);
  }
}

/** The text was parsed before its event was taken in. */
function policyRecord({ policy, reason, pullsSince, ...row }: PolicyRow): PolicyRecord {
  return {
    ...row,
    policy: parsePolicy(JSON.parse(policy)),
    ...(reason !== null && { reason }),
    ...(pullsSince !== null && { pullsSince }),
  };
}

function lockRecord({ mode, reason, ...row }: LockRow): LockRecord {
  return { ...row, mode: mode as LockMode, ...(reason !== null && { reason }) };
}

function planRecord({ startedAt, appliedAt, result, ...row }: PlanRow): PlanRecord {
  return {
    ...row,
    ...(startedAt !== null && { startedAt }),
    ...(appliedAt !== null && { appliedAt }),
    ...(result !== null && { applied: JSON.parse(result) as PlanFacts }),
  };
}

function judgedVersion({ class: name, pulledAt, refs, ...row }: JudgedRow): JudgedVersion {
  const pointing = refs === '[]' ? [] : (JSON.parse(refs) as [string, number][]);
  const fixed = pointing.find(([, immutable]) => immutable !== 0);
  return {
    ...row,
    refs: pointing.map(([ref]) => ref),
    ...(name !== null && { class: name }),
    ...(pulledAt !== null && { pulledAt }),
    ...(fixed && { fixedRef: fixed[0] }),
  };
}

function writeCursor(subject: string, caseId: string): string {
  return Buffer.from(JSON.stringify([subject, caseId])).toString('base64url');
}

/** Where a page begins. Throws AS_ERR_INVALID_ARGUMENT. */
function readCursor(cursor: string | undefined, limit: number): [string, string] {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_SIZE_MAX)
    throw invalid(`the limit is ${limit}; give 1 to ${PAGE_SIZE_MAX}`);
  if (cursor === undefined) return ['', ''];
  try {
    const [subject, caseId] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (typeof subject === 'string' && typeof caseId === 'string') return [subject, caseId];
  } catch {
    // It is none.
  }
  throw invalid(`"${cursor}" is not a cursor; pass the one of the page before, unchanged`);
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Holds and locks cannot be listed: ${what}.`);
}
