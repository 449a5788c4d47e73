/**
 * The view of packages: which versions there are, and where refs point. What each event changes in it.
 *
 * Imports the view interface, event kinds, digest text and the names of packages. views.ts hands it to the log; sqlite-packages.ts reads the
 * tables. What files a package has stands in its manifest, an object, and in no table: see docs/adr/0010.
 *
 * - `package.published` makes a version, unless there is one of that name: a version never changes. One whose version is a content address
 *   counts only if that is its manifest's.
 * - `ref.moved` makes the ref or moves it, `ref.removed` removes it; the newest event decides.
 */

import { formatBlake3, toHex } from '../digest-name.js';
import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { View } from '../events/view.js';
import { refOf, versionOf } from '../packages/name.js';

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
`;

/** Members: 0 namespace, 1 name, 2 version, 3 manifest, 4 entries, 5 size, 6 time, 7 actor, 8 seq. */
const publish = `
  INSERT INTO packages (namespace, name, version, manifest, entries, size, published_at, actor, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
  FROM json_each(:changes, '$.published') WHERE true
  ON CONFLICT DO NOTHING`;

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
  version: 1,
  schema,
  drop: 'DROP TABLE packages; DROP TABLE refs;',
  parameters: ['changes'],
  project,
  apply: [publish, move, remove],
};

/** A change as the statements take it. */
type Row = readonly (string | number)[];

function project(batch: EventBatch): { changes: string } | null {
  const published: Row[] = [];
  /** The newest event of each ref. */
  const refs = new Map<string, { moved?: Row; removed?: Row }>();
  for (const event of batch.ofKinds((kind) => /^(package|ref)[.]/.test(kind))) {
    const { kind, subject } = event;
    if (subject === null) continue;
    if (kind === 'package.published') {
      const row = publishedRow(event, subject);
      if (row !== undefined) published.push(row);
    } else if (kind === 'ref.moved') {
      const moved = movedRow(event, subject);
      if (moved !== undefined) refs.set(subject, { moved });
    } else if (kind === 'ref.removed') {
      const ref = factsOf(event, kind) && refOf(subject);
      if (ref !== undefined) refs.set(subject, { removed: [ref.namespace, ref.name, ref.ref] });
    }
  }
  if (published.length === 0 && refs.size === 0) return null;
  const last = [...refs.values()];
  const moved = last.flatMap((change) => (change.moved ? [change.moved] : []));
  const removed = last.flatMap((change) => (change.removed ? [change.removed] : []));
  return { changes: JSON.stringify({ published, moved, removed }) };
}

function publishedRow(event: StoredEvent, subject: string): Row | undefined {
  const facts = factsOf(event, 'package.published');
  const named = versionOf(subject);
  if (facts === undefined || named === undefined) return undefined;
  const { namespace, name, version } = named;
  const { manifest, entries, size } = facts;
  if (version.includes(':') && version !== formatBlake3(manifest)) return undefined;
  return [namespace, name, version, toHex(manifest), entries, size, event.time, event.actor, event.seq];
}

function movedRow(event: StoredEvent, subject: string): Row | undefined {
  const facts = factsOf(event, 'ref.moved');
  const named = refOf(subject);
  if (facts === undefined || named === undefined) return undefined;
  const { namespace, name, ref } = named;
  const immutable = facts.immutable === true ? 1 : 0;
  return [namespace, name, ref, toHex(facts.target), immutable, event.time, event.actor, event.seq];
}
