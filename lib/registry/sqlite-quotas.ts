/**
 * The quotas of namespaces over the views in SQLite.
 *
 * Imports the database connection's type, digest text, heads, looking objects up and the registry's types. The composition root makes it from the log's reading connection.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes } from '../digest-name.js';
import { digestHead } from '../events/subject-head.js';
import { DIGEST_SIZE } from '../limits.js';
import type { Reader } from '../sqlite/connection.js';
import { by, type SubjectTable } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import type { NamespaceTake, Ownership, QuotaRecord, QuotaRegistry } from './quotas.js';
import { hasObject } from './usage-view.js';

const QUOTAS = `
  SELECT namespace, logical, physical, set_at AS setAt, actor, seq, reason FROM quotas ORDER BY namespace`;

const TAKE = `
  SELECT coalesce((SELECT size FROM namespaces WHERE namespace = ?1), 0) + waiting AS logical,
    coalesce((SELECT unique_size FROM namespaces WHERE namespace = ?1), 0) + waiting AS physical,
    waiting, reserved
  FROM (SELECT
    (SELECT coalesce(sum(objects.size), 0) FROM namespace_waiting CROSS JOIN objects ON objects.seq = namespace_waiting.seq
      WHERE namespace = ?1 AND state = 'live') AS waiting,
    (SELECT coalesce(sum(size), 0) FROM namespace_uploads WHERE namespace = ?1) AS reserved)`;

/** Parameters: addresses end to end, a JSON array with the head of each, and the namespace. */
const liveSeqIn = (table: SubjectTable) => `
  SELECT objects.seq FROM ${by(table)} WHERE heads.head = wanted.value
    AND objects.blake3 = substr(?1, ${DIGEST_SIZE} * wanted.key + 1, ${DIGEST_SIZE}) AND objects.state = 'live'`;
const OWNED = `
  SELECT place,
    EXISTS (SELECT 1 FROM namespace_objects WHERE namespace = ?3 AND ${hasObject('object')}) AS needed,
    EXISTS (SELECT 1 FROM namespace_waiting WHERE seq = object AND namespace = ?3) AS waiting
  FROM (SELECT wanted.key AS place, coalesce((${liveSeqIn('heads')}), (${liveSeqIn('later')})) AS object
    FROM json_each(?2) AS wanted)
  WHERE object IS NOT NULL`;

/** Parameters: address of the manifest, and the namespace. */
const LACKING = `
  SELECT coalesce(sum(objects.size), 0) AS size
  FROM manifests CROSS JOIN manifest_objects ON manifest_objects.manifest = manifests.seq
    CROSS JOIN objects ON objects.seq BETWEEN ${BLOCK_SEQS} * block + 1 AND ${BLOCK_SEQS} * block + ${BLOCK_SEQS}
  WHERE manifests.address = ?1 AND (bits >> (objects.seq - ${BLOCK_SEQS} * block - 1)) & 1
    AND NOT EXISTS (SELECT 1 FROM namespace_objects AS own WHERE own.namespace = ?2 AND own.block = manifest_objects.block
      AND (own.bits >> (objects.seq - ${BLOCK_SEQS} * own.block - 1)) & 1)`;

interface QuotaRow {
  namespace: string;
  logical: number | null;
  physical: number | null;
  setAt: number;
  actor: string;
  seq: number;
  reason: string | null;
}

/**
 * The quotas of a log.
 *
 * @param connection reads the log's database, with `registryViews` in it
 */
export function createQuotaRegistry(connection: Reader): QuotaRegistry {
  return {
    async quotas() {
      return (await connection.all<QuotaRow>(QUOTAS)).map(quotaRecord);
    },

    async take(namespace) {
      return (await connection.get<NamespaceTake>(TAKE, [namespace])) as NamespaceTake;
    },

    async owned(namespace, addresses) {
      const heads = JSON.stringify(addresses.map((address) => digestHead(address, 0)));
      const rows = await connection.all<{ place: number; needed: number; waiting: number }>(OWNED, [
        Buffer.concat(addresses),
        heads,
        namespace,
      ]);
      const owned: (Ownership | undefined)[] = addresses.map(() => undefined);
      for (const { place, needed, waiting } of rows) {
        if (needed || waiting) owned[place] = needed ? 'needed' : 'waiting';
      }
      return owned;
    },

    async lacking(namespace, manifest: ContentAddress) {
      const row = await connection.get<{ size: number }>(LACKING, [digestBytes(manifest), namespace]);
      return row?.size ?? 0;
    },

    async uploads() {
      const rows = await connection.all<{ upload: string }>('SELECT upload FROM namespace_uploads ORDER BY upload');
      return rows.map(({ upload }) => upload);
    },
  };
}

function quotaRecord({ namespace, logical, physical, setAt, actor, seq, reason }: QuotaRow): QuotaRecord {
  return {
    namespace,
    ...(logical !== null && { logical }),
    ...(physical !== null && { physical }),
    ...{ setAt, actor, seq },
    ...(reason !== null && { reason }),
  };
}
