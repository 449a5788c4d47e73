/**
 * The view of tokens: which there are, and what is stored by those that have a quota. What each event changes in it.
 *
 * Imports the view interface, event kinds and digest text. views.ts hands it to the log; sqlite-tokens.ts reads the tables.
 *
 * - `token.created` makes a token, unless there is one of that id: a token never changes. `token.revoked` ends it; the first one counts.
 * - An object counts for the quota of a token from the `object.ingested` by which the token brought it in, if it was not there before, until its
 *   bytes are removed, by whomever. The actor of such an event is `token:<id>`.
 */

import { toHex } from '../digest-name.js';
import type { EventBatch } from '../events/batch.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import { TOKEN_ACTOR } from '../events/pseudonym.js';
import type { View } from '../events/view.js';
import { forgetGone, goneRows, isGone } from './forgotten.js';

/** `used` is the sum of the sizes in `token_objects`: the triggers keep it, so that no question adds up a million rows. */
const schema = `
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    scopes TEXT NOT NULL,
    namespaces TEXT,
    expires INTEGER,
    hash BLOB,
    rate INTEGER,
    quota INTEGER,
    used INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    seq INTEGER NOT NULL,
    revoked_at INTEGER,
    revoked_by TEXT,
    reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE token_objects (
    blake3 BLOB PRIMARY KEY,
    token TEXT NOT NULL,
    size INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER token_objects_added AFTER INSERT ON token_objects
    BEGIN UPDATE tokens SET used = used + NEW.size WHERE id = NEW.token; END;
  CREATE TRIGGER token_objects_removed AFTER DELETE ON token_objects
    BEGIN UPDATE tokens SET used = used - OLD.size WHERE id = OLD.token; END;
`;

/** Members: 0 id, 1 holder, 2 scopes, 3 namespaces, 4 expires, 5 hash, 6 rate, 7 quota, 8 time, 9 actor, 10 seq. */
const create = `
  INSERT INTO tokens (id, holder, scopes, namespaces, expires, hash, rate, quota, used, created_at, created_by, seq)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, unhex(value ->> 5), value ->> 6, value ->> 7, 0,
    value ->> 8, value ->> 9, value ->> 10
  FROM json_each(:changes, '$.created') WHERE true
  ON CONFLICT DO NOTHING`;

/** Members: 0 id, 1 time, 2 actor, 3 reason, 4 seq. An event before the token's own, of the same batch or an earlier one, means nothing. */
const revoke = `
  UPDATE tokens SET (revoked_at, revoked_by, reason) = (
    SELECT value ->> 1, value ->> 2, value ->> 3 FROM json_each(:changes, '$.revoked')
    WHERE value ->> 0 = tokens.id AND value ->> 4 > tokens.seq ORDER BY value ->> 4 LIMIT 1)
  WHERE revoked_at IS NULL AND id IN (SELECT value ->> 0 FROM json_each(:changes, '$.revoked'))`;

const forget = `
  DELETE FROM token_objects WHERE blake3 IN (SELECT unhex(value) FROM json_each(:changes, '$.deleted'))`;

/** Members: 0 address, 1 token, 2 size, 3 seq. */
const count = `
  INSERT INTO token_objects (blake3, token, size)
  SELECT unhex(value ->> 0), value ->> 1, value ->> 2
  FROM json_each(:changes, '$.stored') JOIN tokens ON tokens.id = value ->> 1
  WHERE tokens.quota IS NOT NULL AND value ->> 3 > tokens.seq
  ON CONFLICT DO NOTHING`;

export const tokensView: View<'changes' | 'gone'> = {
  name: 'tokens',
  version: 1,
  schema,
  drop: 'DROP TABLE token_objects; DROP TABLE tokens;',
  parameters: ['changes', 'gone'],
  project,
  apply: [forgetGone('token_objects'), create, revoke, forget, count],
};

/** A change as the statements take it. */
type Row = readonly (string | number | null)[];

const TOKEN_ACTOR_BYTES = Buffer.from(TOKEN_ACTOR);

function project(batch: EventBatch): { changes: string | null; gone: Uint8Array | null } | null {
  const created: Row[] = [];
  const revoked: Row[] = [];
  /** Of each object, by address, the ingests since it was last removed. */
  const objects = new Map<string, { removed: boolean; stored: Row[] }>();
  const changeOf = (address: string) => {
    const change = objects.get(address) ?? { removed: false, stored: [] };
    objects.set(address, change);
    return change;
  };
  for (const event of relevant(batch)) {
    const { kind, subject } = event;
    if (subject === null) continue;
    if (kind === 'token.created') created.push(...createdRow(event, subject));
    else if (kind === 'token.revoked') revoked.push(...revokedRow(event, subject));
    else if (kind === 'object.deleted') Object.assign(changeOf(hexOf(subject)), { removed: true, stored: [] });
    else changeOf(hexOf(subject)).stored.push(...storedRow(event, subject));
  }
  const changes = [...objects];
  const deleted = changes.flatMap(([address, { removed }]) => (removed ? [address] : []));
  const stored = changes.flatMap((change) => change[1].stored);
  const isNothing = [created, revoked, deleted, stored].every(({ length }) => length === 0);
  return { changes: isNothing ? null : JSON.stringify({ created, revoked, deleted, stored }), gone: goneRows(batch) };
}

/** The events that may mean something here. Usual ingests by others than tokens, nearly all there are, and usual deletions are passed over without being decoded. */
function* relevant(batch: EventBatch): Generator<StoredEvent> {
  const { bytes, ingests, kinds, kindOf } = batch;
  const isWanted = kinds.map((kind) => /^(token[.]|object[.](ingested|deleted)$)/.test(kind));
  if (!isWanted.includes(true)) return;
  for (let i = 0; i < batch.count; i++) {
    if (!isWanted[kindOf[i] as number]) continue;
    if (ingests.usual[i] === 1 && !startsAsToken(bytes, ingests.actorAt[i] as number)) continue;
    if (isGone(batch, i)) continue;
    yield batch.event(i);
  }
}

function startsAsToken(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < TOKEN_ACTOR_BYTES.length; i++) if (bytes[at + i] !== TOKEN_ACTOR_BYTES[i]) return false;
  return true;
}

function createdRow(event: StoredEvent, id: string): Row[] {
  const facts = factsOf(event, 'token.created');
  if (facts === undefined) return [];
  const { holder, scopes, namespaces, expires = null, hash, rate = null, quota = null } = facts;
  const lists = [JSON.stringify(scopes), namespaces === undefined ? null : JSON.stringify(namespaces)];
  const limits = [expires, hash === undefined ? null : toHex(hash), rate, quota];
  return [[id, holder, ...lists, ...limits, event.time, event.actor, event.seq]];
}

function revokedRow(event: StoredEvent, id: string): Row[] {
  const facts = factsOf(event, 'token.revoked');
  return facts === undefined ? [] : [[id, event.time, event.actor, facts.reason ?? null, event.seq]];
}

function storedRow(event: StoredEvent, address: string): Row[] {
  const facts = event.actor.startsWith(TOKEN_ACTOR) ? factsOf(event, 'object.ingested') : undefined;
  if (facts === undefined || facts.existed) return [];
  return [[hexOf(address), event.actor.slice(TOKEN_ACTOR.length), facts.size, event.seq]];
}

function hexOf(address: string): string {
  return address.slice('blake3:'.length);
}
