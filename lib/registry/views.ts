/**
 * The registry's tables: objects, the mapping from SHA-256, receipts. What each event changes in them.
 *
 * Imports the view interface, event kinds and the contract's types. The composition root passes `registryViews` to the log;
 * `sqlite-registry.ts` reads the tables.
 *
 * The state of an object after a sequence of events
 * - `object.ingested` makes it live, whatever it was: damage and tombstone are forgotten, receipts replaced.
 * - `object.corrupted` and a verification that does not find it intact make it corrupt, one that does makes it live; neither
 *   changes an object that is deleted.
 * - `object.tombstoned` makes it tombstoned. `object.deleted` makes it deleted, takes its receipts, and stands in for a tombstone where there was none.
 * - What happens to an object that was never ingested changes nothing.
 */

import type { ByteRange, IngestResult } from '../dataplane/spi.js';
import { toHex } from '../digest-name.js';
import { factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { Changes, View } from '../events/view.js';
import type { ObjectState } from './registry.js';
import { verifications } from './verifications.js';

/**
 * What a batch means for one object. As long as the batch holds nothing that sets its state whatever it was, the outcome depends on
 * the row: `settled` is false and `state` counts only for an object that is not deleted.
 */
interface Change {
  /** The first ingest in the batch: what the row is made of if there is none yet. */
  first?: StoredEvent;
  /** The newest ingest in the batch. */
  ingested?: IngestResult;
  settled: boolean;
  state: ObjectState | null;
  /** JSON of the damaged ranges; undefined keeps what the row has. */
  damaged: string | null | undefined;
  /** JSON of the tombstone; undefined keeps what the row has. */
  tombstone: string | null | undefined;
  /** JSON of the tombstone to set if the row has none. */
  tombstoneIfNone: string | null;
  /** Its bytes were removed, and not stored again since. */
  removed: boolean;
  lastSeq: number;
}

const schema = `
  CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    blake3 BLOB NOT NULL UNIQUE,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL,
    ingested_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    damaged TEXT,
    tombstone TEXT
  ) STRICT;
  CREATE INDEX objects_not_live ON objects (state, blake3) WHERE state <> 'live';
  CREATE TABLE digests (
    sha256 BLOB NOT NULL,
    blake3 BLOB NOT NULL,
    PRIMARY KEY (sha256, blake3)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE receipts (
    object INTEGER NOT NULL,
    position INTEGER NOT NULL,
    backend TEXT NOT NULL,
    tier TEXT NOT NULL,
    key TEXT NOT NULL,
    stored_size INTEGER NOT NULL,
    durability TEXT NOT NULL,
    PRIMARY KEY (object, position)
  ) STRICT, WITHOUT ROWID;
`;

/** Rows are named by the seq of their first event: they grow at the end of their tables, and are the same after a rebuild. */
const storeIngested = `
  INSERT INTO objects (seq, blake3, sha256, size, state, ingested_at, last_seq, damaged, tombstone)
  SELECT value ->> 0, unhex(value ->> 1), unhex(value ->> 2), value ->> 3, value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, value ->> 8
  FROM json_each(:changes, '$.ingested') WHERE true
  ON CONFLICT (blake3) DO UPDATE SET sha256 = excluded.sha256, size = excluded.size, state = excluded.state,
    last_seq = excluded.last_seq, damaged = excluded.damaged, tombstone = excluded.tombstone`;

/** Members of a change: 0 blake3, 1 settled, 2 state, 3 damaged, 4 keep damaged, 5 tombstone, 6 keep tombstone, 7 tombstone if none, 8 last seq. */
const storeChanged = `
  UPDATE objects SET
    state = iif(change ->> 2 IS NULL OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), state, change ->> 2),
    damaged = iif(change ->> 4 OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), damaged, change ->> 3),
    tombstone = coalesce(iif(change ->> 6, tombstone, change ->> 5), change ->> 7),
    last_seq = change ->> 8
  FROM (SELECT value AS change FROM json_each(:changes, '$.changed'))
  WHERE blake3 = unhex(change ->> 0)`;

/** A SHA-256 with two content addresses, or the reverse, would be a collision: both rows stand, as the proof of it. */
const storeDigests = `
  INSERT INTO digests (sha256, blake3)
  SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(:changes, '$.digests') WHERE true
  ON CONFLICT DO NOTHING`;

/** An object that this very batch made has none yet, and its row need not be looked at. */
const dropReceipts = `
  DELETE FROM receipts WHERE object IN (
    SELECT objects.seq FROM json_each(:changes, '$.receipts') AS change
    JOIN objects ON objects.blake3 = unhex(change.value ->> 0)
    WHERE objects.seq IS NOT change.value ->> 1)`;

const storeReceipts = `
  INSERT INTO receipts (object, position, backend, tier, key, stored_size, durability)
  SELECT objects.seq, receipt.key, receipt.value ->> 0, receipt.value ->> 1, receipt.value ->> 2, receipt.value ->> 3,
    receipt.value ->> 4
  FROM json_each(:changes, '$.receipts') AS change
  JOIN objects ON objects.blake3 = unhex(change.value ->> 0)
  JOIN json_each(change.value, '$[2]') AS receipt`;

const objects: View = {
  name: 'objects',
  version: 1,
  schema,
  drop: 'DROP TABLE objects; DROP TABLE digests; DROP TABLE receipts;',
  project,
  apply: [storeIngested, storeChanged, storeDigests, dropReceipts, storeReceipts],
};

/** The views that the registry needs. */
export const registryViews: readonly View[] = [objects, verifications];

function project(events: readonly StoredEvent[]): Changes {
  const changes = new Map<string, Change>();
  const digests: Changes[] = [];
  for (const event of events) {
    const { subject } = event;
    if (subject === null || !event.kind.startsWith('object.')) continue;
    const blake3 = subject.slice('blake3:'.length);
    const change = changes.get(blake3) ?? unchanged();
    if (!fold(change, event)) continue;
    change.lastSeq = event.seq;
    changes.set(blake3, change);
    if (event.kind === 'object.ingested' && change.ingested !== undefined) {
      digests.push([toHex(change.ingested.sha256), blake3]);
    }
  }
  return changes.size === 0 ? null : rowsOf(changes, digests);
}

function unchanged(): Change {
  return {
    settled: false,
    state: null,
    damaged: undefined,
    tombstone: undefined,
    tombstoneIfNone: null,
    removed: false,
    lastSeq: 0,
  };
}

/** Adds one event to what the batch means for its object; false when the event means nothing to this view. */
function fold(change: Change, event: StoredEvent): boolean {
  const ingested = factsOf(event, 'object.ingested');
  if (ingested !== undefined) {
    change.first ??= event;
    change.ingested = ingested;
    settle(change, 'live');
    change.tombstone = null;
    change.tombstoneIfNone = null;
    change.removed = false;
    return true;
  }
  const verified = factsOf(event, 'object.verified');
  if (verified !== undefined) {
    if (verified.status === 'intact') present(change, 'live', null);
    else present(change, 'corrupt', change.damaged);
    return true;
  }
  const corrupted = factsOf(event, 'object.corrupted');
  if (corrupted !== undefined) {
    present(change, 'corrupt', rangesJson(corrupted.ranges));
    return true;
  }
  return foldRemoval(change, event);
}

function foldRemoval(change: Change, event: StoredEvent): boolean {
  const tombstoned = factsOf(event, 'object.tombstoned');
  if (tombstoned !== undefined) {
    settle(change, 'tombstoned');
    change.tombstone = tombstoneJson(event, tombstoned.reason);
    change.tombstoneIfNone = null;
    return true;
  }
  if (factsOf(event, 'object.deleted') === undefined) return false;
  settle(change, 'deleted');
  change.removed = true;
  if (change.tombstone === null) change.tombstone = tombstoneJson(event);
  if (change.tombstone === undefined) change.tombstoneIfNone ??= tombstoneJson(event);
  return true;
}

/** A state that holds whatever was before; damage is no longer of interest. */
function settle(change: Change, state: ObjectState): void {
  change.settled = true;
  change.state = state;
  change.damaged = null;
}

/** A state that an object takes unless it is deleted. */
function present(change: Change, state: ObjectState, damaged: string | null | undefined): void {
  if (change.settled && (change.state === 'tombstoned' || change.state === 'deleted')) return;
  change.state = state;
  change.damaged = damaged;
}

/** The changes as JSON; the orders of members are those of the statements above. */
function rowsOf(changes: ReadonlyMap<string, Change>, digests: readonly Changes[]): Changes {
  const ingested: Changes[] = [];
  const changed: Changes[] = [];
  const receipts: Changes[] = [];
  for (const [blake3, change] of changes) {
    const { first, ingested: result, settled, state, damaged, tombstone, tombstoneIfNone, removed, lastSeq } = change;
    if (first !== undefined && result !== undefined) {
      const sha256 = toHex(result.sha256);
      const damage = damaged ?? null;
      ingested.push([first.seq, blake3, sha256, result.size, state, first.time, lastSeq, damage, tombstone ?? null]);
    } else {
      const keep = [Number(damaged === undefined), tombstone ?? null, Number(tombstone === undefined)];
      changed.push([blake3, Number(settled), state, damaged ?? null, ...keep, tombstoneIfNone, lastSeq]);
    }
    if (result !== undefined || removed) {
      receipts.push([blake3, first?.seq ?? null, removed ? [] : receiptRows(result)]);
    }
  }
  return { ingested, changed, digests, receipts };
}

function receiptRows(result: IngestResult | undefined): Changes[] {
  return (result?.receipts ?? []).map(({ backend, tier, key, storedSize, durability }) => [
    backend,
    tier,
    key,
    storedSize,
    durability,
  ]);
}

function rangesJson(ranges: readonly ByteRange[]): string {
  return JSON.stringify(ranges.map(({ start, end }) => [start, end]));
}

function tombstoneJson({ seq, id, time, actor }: StoredEvent, reason?: string): string {
  return JSON.stringify(reason === undefined ? { seq, id, time, actor } : { seq, id, time, actor, reason });
}
