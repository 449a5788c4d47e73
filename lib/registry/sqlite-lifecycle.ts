/**
 * What has to be known to delete objects, over the views in SQLite.
 *
 * Imports the database connection's type, the log's index, digest text, limits, sets of objects and the types beside it. The composition root makes it from
 * the log's reading connection.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { digestHead } from '../events/subject-head.js';
import { DIGEST_SIZE } from '../limits.js';
import type { Reader, SqlValue } from '../sqlite/connection.js';
import {
  type Collectable,
  type Due,
  type DuePlace,
  ERASE_AFTER,
  type LifecycleRegistry,
  type Removable,
  type Standing,
} from './lifecycle.js';
import { by, either, type SubjectTable } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import type { ObjectState } from './registry.js';
import { hasObject } from './usage-view.js';

/** Parameters: addresses end to end, and a JSON array with the head of each. */
const seqIn = (table: SubjectTable) => `
  SELECT objects.seq FROM ${by(table)}
  WHERE heads.head = asked.value AND objects.blake3 = substr(?1, ${DIGEST_SIZE} * asked.key + 1, ${DIGEST_SIZE}) LIMIT 1`;
const SEQ_OF_ASKED = `coalesce((${seqIn('heads')}), (${seqIn('later')}))`;

/** SQL: whether a version of a package needs an object. */
const NEEDED = `EXISTS (SELECT 1 FROM namespace_objects WHERE ${hasObject('objects.seq')})`;

/** SQL: an object as it stands, as a JSON array. A row and a value for each cost the connection many times as much as one text for all of them. */
const STANDING_OF_OBJECT = `json_array(objects.seq, lower(hex(blake3)), state, size, stored_size, sweep_after, ${NEEDED})`;

/** Members: 0 the place in what was asked, 1 the object. */
const STANDING = `
  SELECT json_group_array(json_array(key, ${STANDING_OF_OBJECT})) AS found
  FROM (SELECT asked.key AS key, ${SEQ_OF_ASKED} AS object FROM json_each(?2) AS asked LIMIT -1) AS found
    CROSS JOIN objects ON objects.seq = found.object`;

/** Parameters: seqs as a JSON array, and now. Members: 0 the place in what was asked, 1 whether a version needs it. */
const STILL_DUE = `
  SELECT json_group_array(json_array(asked.key, ${NEEDED})) AS found
  FROM json_each(?1) AS asked CROSS JOIN objects ON objects.seq = asked.value
  WHERE state = 'tombstoned' AND sweep_after BETWEEN 0 AND ?2`;

/**
 * Parameters: now, limit, and the place behind which to start. In two parts, because the index is entered by one number only: with a comparison of both it would be
 * read from its first entry of that time on, and nearly all objects may be due at the same.
 */
const dueWhere = (condition: string) => `
  SELECT * FROM (SELECT seq, blake3, sweep_after FROM objects
    WHERE state = 'tombstoned' AND ${condition} ORDER BY sweep_after, seq LIMIT +?2)`;
const DUE = `
  SELECT json_group_array(json_array(seq, lower(hex(blake3)), sweep_after) ORDER BY sweep_after, seq) AS found
  FROM (${dueWhere('sweep_after = ?3 AND sweep_after <= ?1 AND seq > ?4')}
    UNION ALL ${dueWhere('sweep_after > ?3 AND sweep_after <= ?1')} ORDER BY sweep_after, seq LIMIT +?2)`;

const BEHIND_ERASURES: DuePlace = { sweepAfter: ERASE_AFTER, seq: Number.MAX_SAFE_INTEGER };

const TO_ERASE = `
  SELECT blake3 FROM objects WHERE state = 'tombstoned' AND sweep_after = ${ERASE_AFTER} ORDER BY seq LIMIT +?1`;

/** Parameters: limit, and the seq behind which to start. */
const COLLECTABLE = `
  SELECT objects.seq AS seq, blake3, size, stored_size AS storedSize
  FROM collectable
    CROSS JOIN objects ON objects.seq BETWEEN ${BLOCK_SEQS} * block + 1 AND ${BLOCK_SEQS} * block + ${BLOCK_SEQS}
  WHERE block >= ?2 / ${BLOCK_SEQS} AND objects.seq > ?2 AND (bits >> (objects.seq - ${BLOCK_SEQS} * block - 1)) & 1
  ORDER BY block, objects.seq LIMIT +?1`;

const REFERENCES = `
  SELECT key AS place, (
    SELECT count(*) FROM manifest_objects
      CROSS JOIN manifests ON manifests.seq = manifest_objects.manifest
      CROSS JOIN packages ON packages.manifest = manifests.address
    WHERE ${hasObject('found.object')}) AS count
  FROM (SELECT asked.key AS key, ${SEQ_OF_ASKED} AS object FROM json_each(?2) AS asked LIMIT -1) AS found
  WHERE object IS NOT NULL`;

/** Heads that share a first byte: a head has 48 bits. Parameters: the first and the last of them. */
const HEADS_OF_BYTE = 2 ** 40;
const PRESENT = either(
  (table) => `SELECT blake3 FROM ${by(table)} WHERE head BETWEEN ?1 AND ?2 AND state <> 'deleted'`,
);

const UNKNOWN_NEEDS = `
  SELECT address FROM manifests
  WHERE seq IS NULL AND EXISTS (SELECT 1 FROM packages WHERE packages.manifest = manifests.address) LIMIT +?1`;

/** An object as STANDING_OF_OBJECT gives it. */
type Row = readonly [
  seq: number,
  digits: string,
  state: ObjectState,
  size: number,
  storedSize: number,
  sweepAfter: number | null,
  needed: number,
];

interface CollectableRow extends Omit<Collectable, 'blake3'> {
  blake3: Uint8Array;
}

/**
 * The registry of who deletes.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createLifecycleRegistry(connection: Reader): LifecycleRegistry {
  return new SqliteLifecycleRegistry(connection);
}

class SqliteLifecycleRegistry implements LifecycleRegistry {
  readonly #connection: Reader;

  constructor(connection: Reader) {
    this.#connection = connection;
  }

  async standing(addresses: readonly ContentAddress[]): Promise<(Standing | undefined)[]> {
    const found = new Array<Standing | undefined>(addresses.length).fill(undefined);
    for (const [place, row] of await this.#found<[number, Row]>(STANDING, lookup(addresses)))
      found[place] = standingOf(row);
    return found;
  }

  async due(now: number, limit: number, after: DuePlace = BEHIND_ERASURES): Promise<Due[]> {
    const rows = await this.#found<[number, string, number]>(DUE, [now, limit, after.sweepAfter, after.seq]);
    return rows.map(([seq, digits, sweepAfter]) => ({ seq, blake3: `blake3:${digits}`, sweepAfter }));
  }

  async toErase(limit: number): Promise<ContentAddress[]> {
    const rows = await this.#connection.all<{ blake3: Uint8Array }>(TO_ERASE, [limit]);
    return rows.map(({ blake3 }) => formatBlake3(blake3));
  }

  async stillDue(objects: readonly Due[], now: number): Promise<Removable[]> {
    const seqs = JSON.stringify(objects.map(({ seq }) => seq));
    const rows = await this.#found<[number, number]>(STILL_DUE, [seqs, now]);
    return rows.map(([place, needed]) => ({ blake3: (objects[place] as Due).blake3, needed: needed !== 0 }));
  }

  /** What a statement gives whose one value is a JSON array. */
  async #found<Found>(sql: string, parameters: readonly SqlValue[]): Promise<Found[]> {
    const row = await this.#connection.get<{ found: string }>(sql, parameters);
    return JSON.parse(row?.found ?? '[]');
  }

  async collectable(limit: number, after = 0): Promise<Collectable[]> {
    const rows = await this.#connection.all<CollectableRow>(COLLECTABLE, [limit, after]);
    return rows.map(({ blake3, ...row }) => ({ ...row, blake3: formatBlake3(blake3) }));
  }

  async presentIn(part: number): Promise<ContentAddress[]> {
    const rows = await this.#connection.all<{ blake3: Uint8Array }>(PRESENT, [
      part * HEADS_OF_BYTE,
      (part + 1) * HEADS_OF_BYTE - 1,
    ]);
    return rows.map(({ blake3 }) => formatBlake3(blake3));
  }

  async references(addresses: readonly ContentAddress[]): Promise<number[]> {
    const rows = await this.#connection.all<{ place: number; count: number }>(REFERENCES, lookup(addresses));
    const counts = new Array<number>(addresses.length).fill(0);
    for (const { place, count } of rows) counts[place] = count;
    return counts;
  }

  async unknownNeeds(limit: number): Promise<ContentAddress[]> {
    const rows = await this.#connection.all<{ address: Uint8Array }>(UNKNOWN_NEEDS, [limit]);
    return rows.map(({ address }) => formatBlake3(address));
  }
}

function lookup(addresses: readonly ContentAddress[]): [Uint8Array, string] {
  const digests = new Uint8Array(DIGEST_SIZE * addresses.length);
  const heads = addresses.map((address, index) => {
    digests.set(digestBytes(address), DIGEST_SIZE * index);
    return digestHead(digests, DIGEST_SIZE * index);
  });
  return [digests, JSON.stringify(heads)];
}

function standingOf([seq, digits, state, size, storedSize, sweepAfter, needed]: Row): Standing {
  const standing: Standing = { seq, blake3: `blake3:${digits}`, state, size, storedSize, needed: needed !== 0 };
  if (sweepAfter !== null) standing.sweepAfter = sweepAfter;
  return standing;
}
