/**
 * When each object was last found intact: a view of its own, because only a verification of many objects asks for it.
 *
 * Imports the view interface and event kinds. views.ts hands it to the log; sqlite-registry.ts reads the table.
 *
 * An object has a row from the moment it is found intact until damage is found in it or its bytes are removed: bytes that are stored in
 * their place have not been verified.
 */

import type { EventBatch } from '../events/batch.js';
import { type EventKind, factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { View } from '../events/view.js';
import { forgetGone, goneRows, isGone } from './forgotten.js';

const KINDS: ReadonlySet<string> = new Set<EventKind>([
  'object.verified',
  'object.corrupted',
  'object.lost',
  'object.deleted',
]);

const schema = `
  CREATE TABLE verifications (
    blake3 BLOB PRIMARY KEY,
    verified_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
`;

const store = `
  INSERT INTO verifications (blake3, verified_at)
  SELECT unhex(value ->> 0), value ->> 1 FROM json_each(:changes, '$.intact') WHERE true
  ON CONFLICT (blake3) DO UPDATE SET verified_at = excluded.verified_at`;

const forget = `
  DELETE FROM verifications WHERE blake3 IN (SELECT unhex(value) FROM json_each(:changes, '$.forgotten'))`;

export const verifications: View<'changes' | 'gone'> = {
  name: 'verifications',
  version: 1,
  schema,
  drop: 'DROP TABLE verifications;',
  parameters: ['changes', 'gone'],
  project,
  apply: [forgetGone('verifications'), store, forget],
};

function project(batch: EventBatch): { changes: string | null; gone: Uint8Array | null } | null {
  const isWanted = batch.kinds.map((kind) => KINDS.has(kind));
  if (!isWanted.includes(true)) return null;
  const last = new Map<string, number | undefined>();
  for (let i = 0; i < batch.count; i++) {
    if (isWanted[batch.kindOf[i] as number] && !isGone(batch, i)) note(last, batch.event(i));
  }
  return { changes: changesJson([...last]), gone: goneRows(batch) };
}

/** Notes when an object was found intact last; undefined: it is not known to be. */
function note(last: Map<string, number | undefined>, event: StoredEvent): void {
  const { kind, subject, time } = event;
  if (subject === null) return;
  const blake3 = subject.slice('blake3:'.length);
  if (kind === 'object.verified') {
    const facts = factsOf(event, kind);
    if (facts !== undefined) last.set(blake3, facts.status === 'intact' ? time : undefined);
  } else last.set(blake3, undefined);
}

function changesJson(entries: readonly (readonly [string, number | undefined])[]): string | null {
  if (entries.length === 0) return null;
  return JSON.stringify({
    intact: entries.flatMap(([blake3, time]) => (time === undefined ? [] : [[blake3, time]])),
    forgotten: entries.flatMap(([blake3, time]) => (time === undefined ? [blake3] : [])),
  });
}
