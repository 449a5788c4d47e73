/**
 * The view of the quotas of namespaces: the rules, the uploads that hold room, and what was uploaded for a namespace and is in no package yet.
 *
 * Imports the view interface, event kinds, digest text, heads, and where objects are found. views.ts hands it to the log, behind the views of objects and of
 * usage: what the versions of a namespace take, the latter says. sqlite-quotas.ts reads the tables.
 *
 * - `quotas` has the rules; the newest event about a namespace decides.
 * - `namespace_uploads` has the uploads that name a namespace, from their opening to their end, whatever that is.
 * - `namespace_waiting` has the objects that such uploads became, until a manifest names them: from then on usage says whose they are. What is in a manifest once
 *   is in it for ever, so it does not matter which was first. Whether an object is still there its own row says.
 */

import { toHex } from '../digest-name.js';
import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import { digestHead } from '../events/subject-head.js';
import type { View } from '../events/view.js';
import { by, either } from './object-lookup.js';
import { BLOCK_SEQS } from './object-sets.js';
import { hasObject } from './usage-view.js';

const schema = `
  CREATE TABLE quotas (
    namespace TEXT PRIMARY KEY,
    logical INTEGER,
    physical INTEGER,
    set_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE namespace_uploads (
    upload TEXT PRIMARY KEY,
    namespace TEXT NOT NULL,
    size INTEGER,
    seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX namespace_uploads_by_namespace ON namespace_uploads (namespace, size);
  CREATE TABLE namespace_waiting (
    seq INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    PRIMARY KEY (seq, namespace)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX namespace_waiting_by_namespace ON namespace_waiting (namespace);
  CREATE TRIGGER waiting_ends AFTER INSERT ON manifest_objects BEGIN ${waitingEnds('NEW.bits')} END;
  CREATE TRIGGER waiting_ends_later AFTER UPDATE OF bits ON manifest_objects BEGIN ${waitingEnds('NEW.bits')} END;
`;

/** SQL: the objects of a block wait no more. */
function waitingEnds(bits: string): string {
  return `
    DELETE FROM namespace_waiting WHERE seq BETWEEN ${BLOCK_SEQS} * NEW.block + 1 AND ${BLOCK_SEQS} * NEW.block + ${BLOCK_SEQS}
      AND (${bits} >> (seq - ${BLOCK_SEQS} * NEW.block - 1)) & 1;`;
}

const drop = `
  DROP TRIGGER IF EXISTS waiting_ends; DROP TRIGGER IF EXISTS waiting_ends_later;
  DROP TABLE quotas; DROP TABLE namespace_uploads; DROP TABLE namespace_waiting;`;

/** Members: 0 namespace, 1 logical, 2 physical, 3 time, 4 actor, 5 seq, 6 reason; the namespace alone says that there is no rule any more. */
const RULES = `json_each(:changes, '$.rules')`;
const removeRules = `DELETE FROM quotas WHERE namespace IN (SELECT value ->> 0 FROM ${RULES})`;
const setRules = `
  INSERT INTO quotas (namespace, logical, physical, set_at, actor, seq, reason)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM ${RULES} WHERE json_array_length(value) > 1`;

const endUploads = `
  DELETE FROM namespace_uploads WHERE upload IN (SELECT value FROM json_each(:changes, '$.ended'))`;

/** Members: 0 upload, 1 namespace, 2 size, 3 seq; those that are open behind their last end in the batch. The first opening counts. */
const openUploads = `
  INSERT INTO namespace_uploads (upload, namespace, size, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(:changes, '$.opened') WHERE true ORDER BY value ->> 3
  ON CONFLICT DO NOTHING`;

/** Members: 0 upload, 1 size, 2 seq. */
const sizeUploads = `
  UPDATE namespace_uploads SET size = (
    SELECT value ->> 1 FROM json_each(:changes, '$.sized')
    WHERE value ->> 0 = upload AND value ->> 2 > seq ORDER BY value ->> 2 LIMIT 1)
  WHERE size IS NULL AND upload IN (SELECT value ->> 0 FROM json_each(:changes, '$.sized'))`;

/** Members: 0 namespace, 1 address, 2 its head, 3 seq. What it became was stored before. */
const keepWaiting = `
  INSERT INTO namespace_waiting (seq, namespace)
  SELECT object, namespace FROM (${either(
    (table) => `
    SELECT objects.seq AS object, done.value ->> 0 AS namespace
    FROM json_each(:changes, '$.completed') AS done CROSS JOIN ${by(table)}
    WHERE heads.head = done.value ->> 2 AND objects.blake3 = unhex(done.value ->> 1) AND objects.seq < done.value ->> 3`,
  )}) WHERE NOT EXISTS (SELECT 1 FROM manifest_objects WHERE ${hasObject('object')})
  ON CONFLICT DO NOTHING`;

export const quotasView: View<'changes'> = {
  name: 'quotas',
  version: 1,
  schema,
  drop,
  parameters: ['changes'],
  project,
  apply: [removeRules, setRules, endUploads, openUploads, sizeUploads, keepWaiting],
};

/** A change as the statements take it. */
type Row = readonly (string | number | null)[];

const ABOUT = /^quota[.]|^upload[.]/;
const ENDS = /^upload[.](completed|aborted|expired)$/;

/** The changes of a batch. */
class Changes {
  /** By namespace; the newest counts. */
  readonly rules = new Map<string, Row>();
  readonly ended = new Set<string>();
  /** By upload, since it last ended. */
  readonly opened = new Map<string, Row[]>();
  readonly sized: Row[] = [];
  readonly completed: Row[] = [];

  get json(): string | null {
    const { rules, ended, opened, sized, completed } = this;
    const lists = {
      rules: [...rules.values()],
      ended: [...ended],
      opened: [...opened.values()].flat(),
      sized,
      completed,
    };
    return Object.values(lists).every(({ length }) => length === 0) ? null : JSON.stringify(lists);
  }
}

function project(batch: EventBatch): { changes: string } | null {
  const events = batch.ofKinds((kind) => ABOUT.test(kind));
  if (events.length === 0) return null;
  const changes = new Changes();
  for (const event of events) {
    const { subject } = event;
    if (subject === null) continue;
    if (event.kind.startsWith('quota.')) noteRule(changes, event, subject);
    else noteUpload(changes, event, subject);
  }
  const { json } = changes;
  return json === null ? null : { changes: json };
}

function noteRule(changes: Changes, event: StoredEvent, namespace: string): void {
  const set = factsOf(event, 'quota.set');
  if (set) {
    const { logical = null, physical = null, reason = null } = set;
    changes.rules.set(namespace, [namespace, logical, physical, event.time, event.actor, event.seq, reason]);
  }
  if (factsOf(event, 'quota.removed')) changes.rules.set(namespace, [namespace]);
}

function noteUpload(changes: Changes, event: StoredEvent, id: string): void {
  const { seq, kind } = event;
  const opened = factsOf(event, 'upload.opened');
  if (opened?.namespace !== undefined) {
    const row: Row = [id, opened.namespace, opened.size ?? null, seq];
    changes.opened.set(id, [...(changes.opened.get(id) ?? []), row]);
  }
  const sized = factsOf(event, 'upload.sized');
  if (sized) changes.sized.push([id, sized.size, seq]);
  const completed = factsOf(event, 'upload.completed');
  if (completed?.namespace !== undefined) {
    const { namespace, blake3 } = completed;
    changes.completed.push([namespace, toHex(blake3), digestHead(blake3, 0), seq]);
  }
  if (!ENDS.test(kind)) return;
  changes.ended.add(id);
  changes.opened.delete(id);
}
