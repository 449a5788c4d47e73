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
import type { Reader } from '../sqlite/connection.js';
import { type Collectable, type DuePlace, ERASE_AFTER, type LifecycleRegistry, type Standing } from './lifecycle.js';
import { by, either, type SubjectTable } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import type { ObjectState } from './registry.js';
import { hasObject } from './usage-view.js';

/** Parameters: addresses end to end, and a JSON array with the head of each. */
const seqIn = (table: SubjectTable) => `
  SELECT objects.seq FROM ${by(table)}
  WHERE heads.head = asked.value AND objects.blake3 = substr(?1, ${DIGEST_SIZE} * asked.key + 1, ${DIGEST_SIZE}) LIMIT 1`;
const SEQ_OF_ASKED = `coalesce((${seqIn('heads')}), (${seqIn('later')}))`;

const COLUMNS = `objects.seq AS seq, blake3, state, size, stored_size AS storedSize, sweep_after AS sweepAfter,
  EXISTS (SELECT 1 FROM namespace_objects WHERE ${hasObject('objects.seq')}) AS needed`;

const STANDING = `
  SELECT key AS place, ${COLUMNS}
  FROM (SELECT asked.key AS key, ${SEQ_OF_ASKED} AS object FROM json_each(?2) AS asked LIMIT -1) AS found
    CROSS JOIN objects ON objects.seq = found.object`;

const STANDING_AT = `
  SELECT asked.key AS place, ${COLUMNS} FROM json_each(?1) AS asked CROSS JOIN objects ON objects.seq = asked.value`;

/** Parameters: now, limit, and the place behind which to start. */
const DUE = `
  SELECT ${COLUMNS} FROM objects
  WHERE state = 'tombstoned' AND sweep_after <= ?1 AND (sweep_after, objects.seq) > (?3, ?4)
  ORDER BY sweep_after, objects.seq LIMIT ?2`;

const BEHIND_ERASURES: DuePlace = { sweepAfter: ERASE_AFTER, seq: Number.MAX_SAFE_INTEGER };

const TO_ERASE = `
  SELECT ${COLUMNS} FROM objects WHERE state = 'tombstoned' AND sweep_after = ${ERASE_AFTER} ORDER BY objects.seq LIMIT ?1`;

/** Parameters: limit, and the seq behind which to start. */
const COLLECTABLE = `
  SELECT objects.seq AS seq, blake3, size, stored_size AS storedSize
  FROM collectable
    CROSS JOIN objects ON objects.seq BETWEEN ${BLOCK_SEQS} * block + 1 AND ${BLOCK_SEQS} * block + ${BLOCK_SEQS}
  WHERE block >= ?2 / ${BLOCK_SEQS} AND objects.seq > ?2 AND (bits >> (objects.seq - ${BLOCK_SEQS} * block - 1)) & 1
  ORDER BY block, objects.seq LIMIT ?1`;

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
  WHERE seq IS NULL AND EXISTS (SELECT 1 FROM packages WHERE packages.manifest = manifests.address) LIMIT ?1`;

interface Row {
  seq: number;
  blake3: Uint8Array;
  state: ObjectState;
  size: number;
  storedSize: number;
  sweepAfter: number | null;
  needed: number;
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
    const rows = await this.#connection.all<Row & { place: number }>(STANDING, lookup(addresses));
    const found = new Array<Standing | undefined>(addresses.length).fill(undefined);
    for (const row of rows) found[row.place] = standingOf(row, addresses[row.place]);
    return found;
  }

  async standingAt(seqs: readonly number[]): Promise<(Standing | undefined)[]> {
    const rows = await this.#connection.all<Row & { place: number }>(STANDING_AT, [JSON.stringify(seqs)]);
    const found = new Array<Standing | undefined>(seqs.length).fill(undefined);
    for (const row of rows) found[row.place] = standingOf(row);
    return found;
  }

  async toErase(limit: number) {
    return (await this.#connection.all<Row>(TO_ERASE, [limit])).map((row) => standingOf(row));
  }

  async due(now: number, limit: number, after: DuePlace = BEHIND_ERASURES) {
    const rows = await this.#connection.all<Row>(DUE, [now, limit, after.sweepAfter, after.seq]);
    return rows.map((row) => ({ ...standingOf(row), sweepAfter: row.sweepAfter ?? 0 }));
  }

  async collectable(limit: number, after = 0): Promise<Collectable[]> {
    const rows = await this.#connection.all<Omit<Row, 'state' | 'sweepAfter' | 'needed'>>(COLLECTABLE, [limit, after]);
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

function standingOf(
  { seq, blake3, state, size, storedSize, sweepAfter, needed }: Row,
  address: ContentAddress = formatBlake3(blake3),
): Standing {
  const standing = { seq, blake3: address, state, size, storedSize, needed: needed !== 0 };
  return sweepAfter === null ? standing : { ...standing, sweepAfter };
}
