/**
 * The view of packages: which versions there are, and where refs point. What each event changes in it.
 *
 * Imports the view interface, event kinds, digest text and the names of packages. views.ts hands it to the log; sqlite-packages.ts reads the
 * tables. What files a package has stands in its manifest, an object, and in no table: see docs/adr/0010.
 *
 * - `package.published` makes a version, unless there is one of that name: a version never changes. One whose version is a content address
 *   counts only if that is its manifest's.
 * - `package.withdrawn` takes the version away. Its name stays taken: only a publication of the same manifest brings it back.
 * - `ref.moved` makes the ref or moves it, `ref.removed` removes it; the newest event decides.
 */

import { formatBlake3, toHex } from '../digest-name.js';
import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { View } from '../events/view.js';
import { refOf, versionOf } from '../packages/name.js';

/** SQL: whether a row is of the version that changes. */
const IS_IT = 'namespace = NEW.namespace AND name = NEW.name AND version = NEW.version';

const schema = `
  CREATE TABLE packages (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest BLOB NOT NULL,
    entries INTEGER NOT NULL,
    size INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX packages_by_manifest ON packages (manifest);
  CREATE TABLE refs (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    ref TEXT NOT NULL,
    target BLOB NOT NULL,
    immutable INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, ref)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX refs_by_target ON refs (target);
  CREATE TABLE withdrawn (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest BLOB NOT NULL,
    entries INTEGER NOT NULL,
    size INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    withdrawal TEXT NOT NULL,
    PRIMARY KEY (namespace, name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX withdrawn_by_manifest ON withdrawn (manifest);
  CREATE VIEW versions_changed AS
    SELECT NULL AS withdrawal, NULL AS namespace, NULL AS name, NULL AS version, NULL AS manifest,
      NULL AS entries, NULL AS size, NULL AS time, NULL AS actor, NULL AS seq;
  CREATE TRIGGER version_published INSTEAD OF INSERT ON versions_changed WHEN NEW.withdrawal IS NULL AND NOT EXISTS (
    SELECT 1 FROM withdrawn WHERE ${IS_IT} AND manifest <> NEW.manifest)
  BEGIN
    INSERT INTO packages (namespace, name, version, manifest, entries, size, published_at, actor, seq)
      VALUES (NEW.namespace, NEW.name, NEW.version, NEW.manifest, NEW.entries, NEW.size, NEW.time, NEW.actor, NEW.seq)
      ON CONFLICT DO NOTHING;
    DELETE FROM withdrawn WHERE ${IS_IT};
  END;
  CREATE TRIGGER version_withdrawn INSTEAD OF INSERT ON versions_changed WHEN NEW.withdrawal IS NOT NULL BEGIN
    INSERT INTO withdrawn (namespace, name, version, manifest, entries, size, published_at, withdrawal)
      SELECT namespace, name, version, manifest, entries, size, published_at, NEW.withdrawal
      FROM packages WHERE ${IS_IT} AND manifest = NEW.manifest;
    DELETE FROM packages WHERE ${IS_IT} AND manifest = NEW.manifest;
  END;
`;

/**
 * Versions one after the other, in the order of their events, because a version may be published, withdrawn and published again in one batch.
 * Members: 0 the withdrawal as JSON, or null, 1 namespace, 2 name, 3 version, 4 manifest; of a publication 5 entries, 6 size, 7 time, 8 actor, 9 seq.
 */
const change = `
  INSERT INTO versions_changed (withdrawal, namespace, name, version, manifest, entries, size, time, actor, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9
  FROM json_each(:changes, '$.versions')`;

/** Members: 0 namespace, 1 name, 2 ref, 3 target, 4 immutable, 5 time, 6 actor, 7 seq. */
const move = `
  INSERT INTO refs (namespace, name, ref, target, immutable, moved_at, actor, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7
  FROM json_each(:changes, '$.moved') WHERE true
  ON CONFLICT DO UPDATE SET target = excluded.target, immutable = excluded.immutable, moved_at = excluded.moved_at,
    actor = excluded.actor, seq = excluded.seq`;

/** Members: 0 namespace, 1 name, 2 ref. */
const remove = `
  DELETE FROM refs WHERE (namespace, name, ref) IN
    (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:changes, '$.removed'))`;

export const packagesView: View<'changes'> = {
  name: 'packages',
  version: 2,
  schema,
  drop: 'DROP VIEW versions_changed; DROP TABLE packages; DROP TABLE refs; DROP TABLE withdrawn;',
  parameters: ['changes'],
  project,
  apply: [change, move, remove],
};

/** A change as the statements take it. */
type Row = readonly (string | number | null)[];

function project(batch: EventBatch): { changes: string } | null {
  const versions: Row[] = [];
  /** The newest event of each ref. */
  const refs = new Map<string, { moved?: Row; removed?: Row }>();
  for (const event of batch.ofKinds((kind) => /^(package|ref)[.]/.test(kind))) {
    const { kind, subject } = event;
    if (subject === null) continue;
    if (kind === 'package.published') {
      const row = publishedRow(event, subject);
      if (row !== undefined) versions.push(row);
    } else if (kind === 'package.withdrawn') {
      const row = withdrawnRow(event, subject);
      if (row !== undefined) versions.push(row);
    } else if (kind === 'ref.moved') {
      const moved = movedRow(event, subject);
      if (moved !== undefined) refs.set(subject, { moved });
    } else if (kind === 'ref.removed') {
      const ref = factsOf(event, kind) && refOf(subject);
      if (ref !== undefined) refs.set(subject, { removed: [ref.namespace, ref.name, ref.ref] });
    }
  }
  if (versions.length === 0 && refs.size === 0) return null;
  const last = [...refs.values()];
  const moved = last.flatMap((change) => (change.moved ? [change.moved] : []));
  const removed = last.flatMap((change) => (change.removed ? [change.removed] : []));
  return { changes: JSON.stringify({ versions, moved, removed }) };
}

function publishedRow(event: StoredEvent, subject: string): Row | undefined {
  const facts = factsOf(event, 'package.published');
  const named = versionOf(subject);
  if (facts === undefined || named === undefined) return undefined;
  const { namespace, name, version } = named;
  const { manifest, entries, size } = facts;
  if (version.includes(':') && version !== formatBlake3(manifest)) return undefined;
  return [null, namespace, name, version, toHex(manifest), entries, size, event.time, event.actor, event.seq];
}

function withdrawnRow(event: StoredEvent, subject: string): Row | undefined {
  const facts = factsOf(event, 'package.withdrawn');
  const named = versionOf(subject);
  if (facts === undefined || named === undefined) return undefined;
  const { namespace, name, version } = named;
  const { seq, id, time, actor } = event;
  const { reason, plan } = facts;
  return [JSON.stringify({ seq, id, time, actor, reason, plan }), namespace, name, version, toHex(facts.manifest)];
}

function movedRow(event: StoredEvent, subject: string): Row | undefined {
  const facts = factsOf(event, 'ref.moved');
  const named = refOf(subject);
  if (facts === undefined || named === undefined) return undefined;
  const { namespace, name, ref } = named;
  const immutable = facts.immutable === true ? 1 : 0;
  return [namespace, name, ref, toHex(facts.target), immutable, event.time, event.actor, event.seq];
}
