/**
 * The view of retention: policies, classes and pulls of versions, holds, locks and plans. What each event changes in it.
 *
 * Imports the view interface, event kinds, policies and names. views.ts hands it to the log; sqlite-retention.ts reads the tables.
 *
 * Of every thing the newest event decides, so a batch brings one change for each: the row as it is from now on, or that there is none. A lock that is over stays
 * in its table: views know no clock.
 */

import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { View } from '../events/view.js';
import { versionOf } from '../packages/name.js';
import { countsPulls, policyJson } from '../retention/policy.js';

const schema = `
  CREATE TABLE policies (
    namespace TEXT PRIMARY KEY,
    policy TEXT NOT NULL,
    set_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT,
    pulls_since INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE classes (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    class TEXT NOT NULL,
    PRIMARY KEY (namespace, name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE pulls (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    pulled_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, version)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE holds (
    subject TEXT NOT NULL,
    case_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    placed_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (subject, case_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE locks (
    subject TEXT PRIMARY KEY,
    mode TEXT NOT NULL,
    until INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE plans (
    seq INTEGER PRIMARY KEY,
    plan TEXT NOT NULL UNIQUE,
    planned_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    versions INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    started_at INTEGER,
    applied_at INTEGER,
    result TEXT
  ) STRICT;
`;

const drop = `DROP TABLE policies; DROP TABLE classes; DROP TABLE pulls; DROP TABLE holds; DROP TABLE locks; DROP TABLE plans;`;

/** SQL: the members of the rows of a table's changes; one that has nothing behind its key says that there is no such row any more. */
const rows = (table: string) => `json_each(:changes, '$.${table}')`;

/** How rows of a table are put in place, or taken away. Members stand in the order of the columns. */
function keep(
  table: string,
  keys: readonly string[],
  columns: readonly string[],
  special: Readonly<Record<string, string>> = {},
): string[] {
  const all = [...keys, ...columns];
  const values = all.map((_, index) => `value ->> ${index}`);
  const updates = columns.map((column) => `${column} = ${special[column] ?? `excluded.${column}`}`);
  return [
    `DELETE FROM ${table} WHERE (${keys.join(', ')}) IN (
      SELECT ${keys.map((_, index) => `value ->> ${index}`).join(', ')} FROM ${rows(table)}
      WHERE json_array_length(value) = ${keys.length})`,
    `INSERT INTO ${table} (${all.join(', ')})
      SELECT ${values.join(', ')} FROM ${rows(table)} WHERE json_array_length(value) > ${keys.length}
      ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${updates.join(', ')}`,
  ];
}

/** Since when pulls count goes on from the policy before; where they did not count in between, the batch takes its row away first. */
const PULLS_SINCE =
  'CASE WHEN excluded.pulls_since IS NOT NULL THEN coalesce(policies.pulls_since, excluded.pulls_since) END';

const VERSION = ['namespace', 'name', 'version'] as const;

/** Members: 0 plan, 1 time, 2 actor, 3 seq, 4 versions, 5 objects, 6 stored size. The first event about a plan counts: planning the same again changes nothing. */
const plan = `
  INSERT INTO plans (plan, planned_at, actor, seq, versions, objects, stored_size)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM json_each(:changes, '$.planned') WHERE true ORDER BY value ->> 3
  ON CONFLICT DO NOTHING`;

/** Members: 0 plan, 1 time, 2 seq. */
const start = `
  UPDATE plans SET started_at = (
    SELECT min(value ->> 1) FROM json_each(:changes, '$.started') WHERE value ->> 0 = plan AND value ->> 2 > seq)
  WHERE started_at IS NULL AND plan IN (SELECT value ->> 0 FROM json_each(:changes, '$.started'))`;

/** Members: 0 plan, 1 time, 2 seq, 3 result as JSON. */
const finish = `
  UPDATE plans SET (applied_at, result) = (
    SELECT value ->> 1, value ->> 3 FROM json_each(:changes, '$.applied')
    WHERE value ->> 0 = plan AND value ->> 2 > seq ORDER BY value ->> 2 LIMIT 1)
  WHERE applied_at IS NULL AND plan IN (SELECT value ->> 0 FROM json_each(:changes, '$.applied'))`;

export const retentionView: View<'changes'> = {
  name: 'retention',
  version: 1,
  schema,
  drop,
  parameters: ['changes'],
  project,
  apply: [
    ...keep('policies', ['namespace'], ['policy', 'set_at', 'actor', 'seq', 'reason', 'pulls_since'], {
      pulls_since: PULLS_SINCE,
    }),
    ...keep('classes', VERSION, ['class']),
    ...keep('pulls', VERSION, ['pulled_at']),
    ...keep('holds', ['subject', 'case_id'], ['reason', 'placed_at', 'actor', 'seq']),
    ...keep('locks', ['subject'], ['mode', 'until', 'set_at', 'actor', 'seq', 'reason']),
    plan,
    start,
    finish,
  ],
};

/** A change as the statements take it. */
type Row = readonly (string | number | null)[];

/** The changes of a batch. */
class Changes {
  /** By table and key; the newest counts. */
  readonly rows: Record<'policies' | 'classes' | 'pulls' | 'holds' | 'locks', Map<string, Row>> = {
    policies: new Map(),
    classes: new Map(),
    pulls: new Map(),
    holds: new Map(),
    locks: new Map(),
  };
  /** Policies that did not count pulls, or were none, somewhere in the batch: their rows go before the new ones come. */
  readonly #reset = new Map<string, Row>();
  /** Since when pulls count, within the batch; absent: it has said nothing of them yet. */
  readonly #since = new Map<string, number | null>();
  readonly planned: Row[] = [];
  readonly started: Row[] = [];
  readonly applied: Row[] = [];

  put(table: keyof Changes['rows'], keys: readonly string[], columns: Row = []): void {
    this.rows[table].set(keys.join('\n'), [...keys, ...columns]);
  }

  /** Since when pulls count for a policy that is set, or null; undefined: it is taken away. */
  policy(namespace: string, counts: boolean | undefined, time: number): number | null {
    const since = counts ? (this.#since.get(namespace) ?? time) : null;
    if (since === null) this.#reset.set(namespace, [namespace]);
    this.#since.set(namespace, since);
    return since;
  }

  get json(): string | null {
    const tables = Object.entries(this.rows).map(([table, rows]) => [table, [...rows.values()]] as const);
    const policies = [...this.#reset.values(), ...this.rows.policies.values()];
    const changes = {
      ...Object.fromEntries(tables),
      policies,
      planned: this.planned,
      started: this.started,
      applied: this.applied,
    };
    return Object.values(changes).every(({ length }) => length === 0) ? null : JSON.stringify(changes);
  }
}

const ABOUT = /^(policy|hold|lock|retention)[.]|^package[.](classified|pulled)$/;

function project(batch: EventBatch): { changes: string } | null {
  const events = batch.ofKinds((kind) => ABOUT.test(kind));
  if (events.length === 0) return null;
  const changes = new Changes();
  for (const event of events) {
    if (event.subject !== null) note(changes, event, event.subject);
  }
  const { json } = changes;
  return json === null ? null : { changes: json };
}

function note(changes: Changes, event: StoredEvent, subject: string): void {
  if (/^(policy|lock|hold)[.]/.test(event.kind)) noteRule(changes, event, subject);
  else if (event.kind.startsWith('package.')) noteVersion(changes, event, subject);
  else notePlan(changes, event, subject);
}

function noteRule(changes: Changes, event: StoredEvent, subject: string): void {
  const { time, actor, seq } = event;
  const set = factsOf(event, 'policy.set');
  if (set) {
    const since = changes.policy(subject, countsPulls(set.policy), time);
    const policy = JSON.stringify(policyJson(set.policy));
    changes.put('policies', [subject], [policy, time, actor, seq, set.reason ?? null, since]);
  }
  if (factsOf(event, 'policy.removed')) {
    changes.policy(subject, undefined, time);
    changes.put('policies', [subject]);
  }
  const placed = factsOf(event, 'hold.placed');
  if (placed) changes.put('holds', [subject, placed.case], [placed.reason, time, actor, seq]);
  const released = factsOf(event, 'hold.released');
  if (released) changes.put('holds', [subject, released.case]);
  const lock = factsOf(event, 'lock.set');
  if (lock) changes.put('locks', [subject], [lock.mode, lock.until, time, actor, seq, lock.reason ?? null]);
}

function noteVersion(changes: Changes, event: StoredEvent, subject: string): void {
  const named = versionOf(subject);
  if (named === undefined) return;
  const key = [named.namespace, named.name, named.version];
  const classified = factsOf(event, 'package.classified');
  if (classified) changes.put('classes', key, [classified.class]);
  if (factsOf(event, 'package.pulled')) changes.put('pulls', key, [event.time]);
}

function notePlan(changes: Changes, event: StoredEvent, subject: string): void {
  const { time, actor, seq } = event;
  const planned = factsOf(event, 'retention.planned');
  if (planned) changes.planned.push([subject, time, actor, seq, planned.versions, planned.objects, planned.storedSize]);
  if (factsOf(event, 'retention.started')) changes.started.push([subject, time, seq]);
  const applied = factsOf(event, 'retention.applied');
  if (applied) changes.applied.push([subject, time, seq, JSON.stringify(applied)]);
}
