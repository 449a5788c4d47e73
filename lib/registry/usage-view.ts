/**
 * The view of usage: what is stored in all, what each namespace takes, and which manifests need an object.
 *
 * Imports the view interface, event kinds and sets of objects. views.ts hands it to the log, behind the views of objects and packages, on
 * whose tables its triggers stand; sqlite-registry.ts and sqlite-packages.ts read the tables.
 *
 * - `manifest.indexed` says which objects a manifest needs. A version of a package, from whichever event comes first, has its namespace need them.
 * - `namespaces` and `usage` are sums over the rows of `objects`, `packages` and `refs`. The triggers keep them: whatever a row of those becomes, for
 *   whatever reason, the sums follow in the same statement. So this file knows nothing of what ingests, damage or deletions mean.
 * - New objects, which come by the thousand, are nobody's yet: they are added to the total by one statement a batch and not by a trigger each.
 * - `collectable` has the objects that a manifest needs, or needed, that are there, and that no version needs now. It follows from the other tables, and the
 *   triggers keep it, so whoever collects looks at what is there to collect and at nothing else. `leaving` is empty but while a version is withdrawn.
 *
 * Sets of objects are blocks of 32 bits (object-sets.ts). An object that several namespaces need counts in each of them, in full, and once in all.
 */

import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { View } from '../events/view.js';
import { BLOCK_SEQS, blocksOf, type ObjectBlock } from './object-sets.js';

/** Sums over the objects of a block, of which a column has the bits, added to the row of a namespace, or taken from it. */
const addObjects = (bits: string, sign: '+' | '-' = '+') => `
  UPDATE namespaces SET (objects, unique_size, stored_size, missing) = (
    SELECT namespaces.objects ${sign} count(*) FILTER (WHERE state = 'live'),
      namespaces.unique_size ${sign} coalesce(sum(size) FILTER (WHERE state = 'live'), 0),
      namespaces.stored_size ${sign} coalesce(sum(objects.stored_size) FILTER (WHERE state = 'live'), 0),
      namespaces.missing ${sign} count(*) FILTER (WHERE state <> 'live')
    FROM objects WHERE seq BETWEEN ${BLOCK_SEQS} * NEW.block + 1 AND ${BLOCK_SEQS} * NEW.block + ${BLOCK_SEQS}
      AND ((${bits}) >> (seq - ${BLOCK_SEQS} * NEW.block - 1)) & 1)
  WHERE namespace = NEW.namespace;`;

/** What a column of an object is worth while it is live. */
const live = (row: 'OLD' | 'NEW', value: string) => `iif(${row}.state = 'live', ${value}, 0)`;
const change = (column: string) => `${live('NEW', `NEW.${column}`)} - ${live('OLD', `OLD.${column}`)}`;
const CHANGED = `${live('NEW', '1')} - ${live('OLD', '1')}`;

/** SQL: whether the set of a row with `block` and `bits` has the object of a seq. */
export const hasObject = (seq: string) =>
  `block = (${seq} - 1) / ${BLOCK_SEQS} AND (bits >> ((${seq} - 1) % ${BLOCK_SEQS})) & 1`;

/** SQL: states of objects whose bytes are there, and not deleted. */
const THERE = "('live', 'corrupt')";

/** SQL: the block of the object that a trigger is about, and its bit there. */
const BLOCK_OF_OBJECT = `(NEW.seq - 1) / ${BLOCK_SEQS}`;
const BIT_OF_OBJECT = `1 << ((NEW.seq - 1) % ${BLOCK_SEQS})`;

/** SQL: whether a row is of the same package as the deleted one, with the same content. */
const SAME_CONTENT = 'manifest = OLD.manifest AND namespace = OLD.namespace AND name = OLD.name';

const UNION = 'ON CONFLICT DO UPDATE SET bits = bits | excluded.bits';

const schema = `
  CREATE TABLE usage (
    objects INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    cold_objects INTEGER NOT NULL,
    cold_size INTEGER NOT NULL
  ) STRICT;
  INSERT INTO usage VALUES (0, 0, 0, 0, 0);
  CREATE TABLE manifests (
    address BLOB PRIMARY KEY,
    seq INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX manifests_by_seq ON manifests (seq) WHERE seq IS NOT NULL;
  CREATE INDEX manifests_not_indexed ON manifests (address) WHERE seq IS NULL;
  CREATE TABLE manifest_objects (
    block INTEGER NOT NULL,
    manifest INTEGER NOT NULL,
    bits INTEGER NOT NULL,
    PRIMARY KEY (block, manifest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_objects_by_manifest ON manifest_objects (manifest, block, bits);
  CREATE TABLE namespace_objects (
    block INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    bits INTEGER NOT NULL,
    PRIMARY KEY (block, namespace)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE namespaces (
    namespace TEXT PRIMARY KEY,
    packages INTEGER NOT NULL DEFAULT 0,
    versions INTEGER NOT NULL DEFAULT 0,
    refs INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    objects INTEGER NOT NULL DEFAULT 0,
    unique_size INTEGER NOT NULL DEFAULT 0,
    stored_size INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE collectable (
    block INTEGER PRIMARY KEY,
    bits INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE leaving (
    block INTEGER PRIMARY KEY,
    bits INTEGER NOT NULL
  ) STRICT;

  CREATE TRIGGER usage_of_object AFTER UPDATE OF state, size, stored_size, cold_size, cold_receipts ON objects
    WHEN (NEW.state = 'live' OR OLD.state = 'live')
      AND (NEW.state <> OLD.state OR NEW.size <> OLD.size OR NEW.stored_size <> OLD.stored_size
        OR NEW.cold_size <> OLD.cold_size OR NEW.cold_receipts IS NOT OLD.cold_receipts)
  BEGIN
    UPDATE usage SET objects = objects + ${CHANGED}, size = size + ${change('size')},
      stored_size = stored_size + ${change('stored_size')}, cold_size = cold_size + ${change('cold_size')},
      cold_objects = cold_objects + ${live('NEW', 'NEW.cold_receipts IS NOT NULL')} - ${live('OLD', 'OLD.cold_receipts IS NOT NULL')};
    UPDATE namespaces SET objects = objects + ${CHANGED}, unique_size = unique_size + ${change('size')},
      stored_size = stored_size + ${change('stored_size')}, missing = missing - (${CHANGED})
    WHERE namespace IN (SELECT namespace FROM namespace_objects WHERE ${hasObject('NEW.seq')});
  END;

  CREATE TRIGGER usage_of_package AFTER INSERT ON packages BEGIN
    INSERT INTO namespaces (namespace) VALUES (NEW.namespace) ON CONFLICT DO NOTHING;
    UPDATE namespaces SET versions = versions + 1,
      packages = packages + NOT EXISTS (SELECT 1 FROM packages
        WHERE namespace = NEW.namespace AND name = NEW.name AND version <> NEW.version),
      size = size + iif(EXISTS (SELECT 1 FROM packages
        WHERE manifest = NEW.manifest AND namespace = NEW.namespace AND name = NEW.name AND version <> NEW.version), 0, NEW.size)
    WHERE namespace = NEW.namespace;
    INSERT INTO manifests (address) VALUES (NEW.manifest) ON CONFLICT DO NOTHING;
    INSERT INTO namespace_objects (block, namespace, bits)
      SELECT block, NEW.namespace, bits FROM manifests CROSS JOIN manifest_objects ON manifest = manifests.seq
      WHERE address = NEW.manifest AND NOT EXISTS (SELECT 1 FROM packages
        WHERE manifest = NEW.manifest AND namespace = NEW.namespace AND (name, version) <> (NEW.name, NEW.version))
      ${UNION};
  END;

  CREATE TRIGGER usage_without_package AFTER DELETE ON packages BEGIN
    UPDATE namespaces SET versions = versions - 1,
      packages = packages - NOT EXISTS (SELECT 1 FROM packages WHERE namespace = OLD.namespace AND name = OLD.name),
      size = size + iif(EXISTS (SELECT 1 FROM packages WHERE ${SAME_CONTENT} AND seq < OLD.seq), 0,
        coalesce((SELECT size FROM packages WHERE ${SAME_CONTENT} ORDER BY seq LIMIT 1), 0) - OLD.size)
    WHERE namespace = OLD.namespace;
    DELETE FROM leaving;
    INSERT INTO leaving (block, bits)
      SELECT block, bits FROM manifests CROSS JOIN manifest_objects ON manifest = manifests.seq
      WHERE address = OLD.manifest
        AND NOT EXISTS (SELECT 1 FROM packages WHERE manifest = OLD.manifest AND namespace = OLD.namespace);
    INSERT INTO leaving (block, bits)
      SELECT leaving.block, others.bits FROM leaving CROSS JOIN manifest_objects AS others ON others.block = leaving.block
      WHERE EXISTS (SELECT 1 FROM manifests CROSS JOIN packages ON packages.manifest = manifests.address
        WHERE manifests.seq = others.manifest AND packages.namespace = OLD.namespace)
      ON CONFLICT DO UPDATE SET bits = bits & ~excluded.bits;
    DELETE FROM leaving WHERE bits = 0;
    UPDATE namespace_objects
      SET bits = bits & ~(SELECT leaving.bits FROM leaving WHERE leaving.block = namespace_objects.block)
      WHERE namespace = OLD.namespace AND block IN (SELECT block FROM leaving);
    DELETE FROM namespace_objects
      WHERE namespace = OLD.namespace AND bits = 0 AND block IN (SELECT block FROM leaving);
    INSERT INTO unneeded (block, bits) SELECT block, bits FROM leaving;
    DELETE FROM leaving;
    DELETE FROM namespaces WHERE namespace = OLD.namespace AND versions = 0 AND refs = 0;
  END;

  CREATE TRIGGER usage_of_ref AFTER INSERT ON refs BEGIN
    INSERT INTO namespaces (namespace) VALUES (NEW.namespace) ON CONFLICT DO NOTHING;
    UPDATE namespaces SET refs = refs + 1 WHERE namespace = NEW.namespace;
  END;
  CREATE TRIGGER usage_without_ref AFTER DELETE ON refs BEGIN
    UPDATE namespaces SET refs = refs - 1 WHERE namespace = OLD.namespace;
    DELETE FROM namespaces WHERE namespace = OLD.namespace AND versions = 0 AND refs = 0;
  END;

  CREATE TRIGGER manifest_objects_added AFTER INSERT ON manifest_objects BEGIN ${needBy()} END;
  CREATE TRIGGER manifest_objects_changed AFTER UPDATE OF bits ON manifest_objects BEGIN ${needBy()} END;
  CREATE TRIGGER namespace_objects_added AFTER INSERT ON namespace_objects
    BEGIN ${addObjects('NEW.bits')} ${needAgain('NEW.bits')} END;
  CREATE TRIGGER namespace_objects_changed AFTER UPDATE OF bits ON namespace_objects WHEN NEW.bits & ~OLD.bits
    BEGIN ${addObjects('NEW.bits & ~OLD.bits')} ${needAgain('NEW.bits & ~OLD.bits')} END;
  CREATE TRIGGER namespace_objects_left AFTER UPDATE OF bits ON namespace_objects WHEN OLD.bits & ~NEW.bits
    BEGIN ${addObjects('OLD.bits & ~NEW.bits', '-')} END;

  CREATE VIEW unneeded AS SELECT NULL AS block, NULL AS bits;
  CREATE TRIGGER unneeded_added INSTEAD OF INSERT ON unneeded BEGIN
    INSERT INTO collectable (block, bits) VALUES (NEW.block, NEW.bits)
      ON CONFLICT DO UPDATE SET bits = bits | excluded.bits;
    INSERT INTO collectable (block, bits) SELECT block, bits FROM namespace_objects WHERE block = NEW.block
      ON CONFLICT DO UPDATE SET bits = bits & ~excluded.bits;
    UPDATE collectable SET bits = bits & (
      SELECT coalesce(sum(1 << ((seq - 1) % ${BLOCK_SEQS})), 0) FROM objects
      WHERE seq BETWEEN ${BLOCK_SEQS} * NEW.block + 1 AND ${BLOCK_SEQS} * NEW.block + ${BLOCK_SEQS} AND state IN ${THERE})
      WHERE block = NEW.block;
    DELETE FROM collectable WHERE block = NEW.block AND bits = 0;
  END;
  CREATE TRIGGER collectable_object_gone AFTER UPDATE OF state ON objects
    WHEN NEW.state NOT IN ${THERE} AND OLD.state IN ${THERE} BEGIN ${needAgain(BIT_OF_OBJECT, BLOCK_OF_OBJECT)} END;
  CREATE TRIGGER collectable_object_back AFTER UPDATE OF state ON objects
    WHEN NEW.state IN ${THERE} AND OLD.state NOT IN ${THERE}
      AND EXISTS (SELECT 1 FROM manifest_objects WHERE ${hasObject('NEW.seq')})
    BEGIN INSERT INTO unneeded (block, bits) VALUES (${BLOCK_OF_OBJECT}, ${BIT_OF_OBJECT}); END;
`;

/** A manifest that is indexed when packages have it already. */
function needBy(): string {
  return `
    INSERT INTO namespace_objects (block, namespace, bits)
      SELECT DISTINCT NEW.block, namespace, NEW.bits
      FROM manifests CROSS JOIN packages ON packages.manifest = manifests.address
      WHERE manifests.seq = NEW.manifest
      ${UNION};
    INSERT INTO unneeded (block, bits) SELECT NEW.block, NEW.bits WHERE NOT EXISTS (
      SELECT 1 FROM namespace_objects WHERE block = NEW.block AND bits & NEW.bits = NEW.bits);`;
}

/** Objects of a block that are collectable no more. */
function needAgain(bits: string, block = 'NEW.block'): string {
  return `
    UPDATE collectable SET bits = bits & ~(${bits}) WHERE block = ${block};
    DELETE FROM collectable WHERE block = ${block} AND bits = 0;`;
}

const drop = `
  DROP TRIGGER IF EXISTS usage_of_object; DROP TRIGGER IF EXISTS usage_of_package; DROP TRIGGER IF EXISTS usage_without_package;
  DROP TRIGGER IF EXISTS collectable_object_gone; DROP TRIGGER IF EXISTS collectable_object_back;
  DROP VIEW unneeded; DROP TABLE collectable; DROP TABLE leaving;
  DROP TRIGGER IF EXISTS usage_of_ref; DROP TRIGGER IF EXISTS usage_without_ref;
  DROP TABLE namespace_objects; DROP TABLE manifest_objects; DROP TABLE manifests; DROP TABLE namespaces; DROP TABLE usage;`;

/** Rows of objects are named by their first ingest, so those that a batch brought stand behind its first seq. */
const countNew = `
  UPDATE usage SET (objects, size, stored_size, cold_objects, cold_size) = (
    SELECT usage.objects + count(*), usage.size + coalesce(sum(objects.size), 0),
      usage.stored_size + coalesce(sum(objects.stored_size), 0), usage.cold_objects + count(objects.cold_receipts),
      usage.cold_size + coalesce(sum(objects.cold_size), 0)
    FROM objects WHERE seq >= CAST(:first AS INTEGER) AND state = 'live')
  WHERE :first IS NOT NULL`;

/** Members of a manifest: 0 address, 1 seq of the event, 2 blocks, each with 0 its number and 1 its bits. */
const nameManifests = `
  INSERT INTO manifests (address, seq)
  SELECT unhex(value ->> 0), value ->> 1 FROM json_each(:manifests) WHERE true
  ON CONFLICT DO UPDATE SET seq = coalesce(seq, excluded.seq)`;

const addBlocks = `
  INSERT INTO manifest_objects (manifest, block, bits)
  SELECT (SELECT seq FROM manifests WHERE address = unhex(indexed.value ->> 0)), blocks.value ->> 0, blocks.value ->> 1
  FROM json_each(:manifests) AS indexed CROSS JOIN json_each(indexed.value, '$[2]') AS blocks WHERE true
  ${UNION}`;

export const usageView: View<'first' | 'manifests'> = {
  name: 'usage',
  version: 3,
  schema,
  drop,
  parameters: ['first', 'manifests'],
  project,
  apply: [countNew, nameManifests, addBlocks],
};

function project(batch: EventBatch): { first: string | null; manifests: string | null } | null {
  const first = batch.kinds.includes('object.ingested') ? String(batch.first) : null;
  const manifests: [string, number, ObjectBlock[]][] = [];
  for (const event of batch.ofKinds((kind) => kind === 'manifest.indexed')) {
    const facts = factsOf(event, 'manifest.indexed');
    const { seq, subject } = event;
    if (facts === undefined || subject === null) continue;
    manifests.push([subject.slice('blake3:'.length), seq, blocksOf(facts.objects, seq)]);
  }
  if (first === null && manifests.length === 0) return null;
  return { first, manifests: manifests.length === 0 ? null : JSON.stringify(manifests) };
}
