/**
 * The registry's tables: objects with the mapping from SHA-256 and their receipts. What each event changes in them.
 *
 * Imports the view interface, event kinds and the layout of ingest results, CBOR, digest text and the contract's types. The composition root passes `registryViews` to the log;
 * `sqlite-registry.ts` reads the tables.
 *
 * The state of an object after a sequence of events
 * - `object.ingested` makes it live, whatever it was: damage and tombstone are forgotten, receipts replaced.
 * - `object.corrupted` and a verification that does not find it intact make it corrupt, one that does makes it live; neither
 *   changes an object that is deleted.
 * - `object.tombstoned` makes it tombstoned. `object.deleted` makes it deleted, takes its receipts, and stands in for a tombstone where there was none.
 * - What happens to an object that was never ingested changes nothing.
 */

import { encodeCanonical } from '../cbor/index.js';
import type { ByteRange, ContentAddress, IngestResult } from '../dataplane/spi.js';
import { digestBytes } from '../digest-name.js';
import { type IngestLayout, readIngestLayout } from '../events/ingest-layout.js';
import { EVENT_VERSION, factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import { HEAD_SIZE } from '../events/log-index.js';
import { type Changes, PackedChanges, type View } from '../events/view.js';
import { DIGEST_SIZE } from '../limits.js';
import { packagesView } from './packages-view.js';
import type { ObjectState } from './registry.js';
import { verifications } from './verifications.js';

/** An encoded ingest result, and where its members are. */
interface Ingested {
  bytes: Uint8Array;
  layout: IngestLayout;
}

/**
 * What a batch means for one object. As long as the batch holds nothing that sets its state whatever it was, the outcome depends on
 * the row: `settled` is false and `state` counts only for an object that is not deleted.
 */
interface Change {
  /** The first ingest in the batch: what the row is made of if there is none yet. */
  first?: StoredEvent;
  /** The newest ingest in the batch. */
  ingested?: Ingested;
  /** SHA-256 digests of earlier ingests in the batch, when the next one had another; nothing in a world without collisions. */
  replaced?: Uint8Array[];
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

/** `objects` has no index by address: the log's index finds an object by its subject, because its row is named by an event about it. */
const schema = `
  CREATE TABLE objects (
    seq INTEGER PRIMARY KEY,
    blake3 BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    stored_size INTEGER NOT NULL,
    state TEXT NOT NULL,
    ingested_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    receipts BLOB,
    damaged TEXT,
    tombstone TEXT
  ) STRICT;
  CREATE INDEX objects_by_sha256 ON objects (substr(sha256, 1, ${HEAD_SIZE}));
  CREATE INDEX objects_not_live ON objects (state, blake3) WHERE state <> 'live';
  CREATE TABLE former_digests (
    sha256 BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (sha256, object)
  ) STRICT, WITHOUT ROWID;
`;

/** The seq of the object whose address stands at `place` of the bytes; null when there is none. */
const known = (place: string) => `(
  SELECT known.seq FROM subjects JOIN objects AS known ON known.seq = subjects.seq
  WHERE subjects.head = substr(:bytes, ${place}, ${HEAD_SIZE}) AND known.blake3 = substr(:bytes, ${place}, ${DIGEST_SIZE})
  LIMIT 1)`;

/**
 * Members of an ingested change: 0 seq and 1 time of the first ingest, 2 place of address, SHA-256 and receipts in the bytes, 3 size of the receipts,
 * 4 size, 5 stored size, 6 last seq, 7 state, 8 damaged, 9 tombstone, 10 place of the SHA-256 of the first ingest.
 */
const insertIngested = (source: string) => `
  INSERT INTO objects (seq, blake3, sha256, size, stored_size, state, ingested_at, last_seq, receipts, damaged, tombstone)
  SELECT value ->> 0, substr(:bytes, value ->> 2, ${DIGEST_SIZE}), substr(:bytes, (value ->> 2) + ${DIGEST_SIZE}, ${DIGEST_SIZE}),
    value ->> 4, value ->> 5, value ->> 7, value ->> 1, value ->> 6,
    iif(value ->> 3 = 0, NULL, substr(:bytes, (value ->> 2) + ${2 * DIGEST_SIZE}, value ->> 3)), value ->> 8, value ->> 9
  FROM ${source}`;

/**
 * Nearly every ingest is of an object whose subject the log has never met, and those are stored here. Rows are named by the seq of their
 * first ingest: they grow at the end of their table, and are the same after a rebuild.
 */
const storeNew = `
  ${insertIngested("jsonb_each(:changes, '$.ingested')")}
  WHERE NOT EXISTS (
    SELECT 1 FROM subjects WHERE head = substr(:bytes, value ->> 2, ${HEAD_SIZE}) AND subjects.seq < value ->> 0)`;

/** The ingests that are still to be looked at: none, when all were new. */
const remaining = `jsonb_each(:changes, iif(
    (SELECT count(*) FROM objects WHERE seq BETWEEN :changes ->> '$.from' AND :changes ->> '$.to')
      < json_array_length(:changes, '$.ingested'), '$.ingested', '$.none'))`;

/** A SHA-256 with two content addresses, or the reverse, would be a collision: both stay known, as the proof of it. */
const keepFormerDigests = `
  INSERT INTO former_digests (sha256, object)
  SELECT objects.sha256, objects.seq
  FROM (SELECT value AS change, ${known('value ->> 2')} AS object FROM ${remaining}) JOIN objects ON objects.seq = object
  WHERE object <> change ->> 0 AND objects.sha256 <> substr(:bytes, change ->> 10, ${DIGEST_SIZE})
  ON CONFLICT DO NOTHING`;

const storeAgain = `
  UPDATE objects SET
    sha256 = substr(:bytes, (change ->> 2) + ${DIGEST_SIZE}, ${DIGEST_SIZE}), size = change ->> 4, stored_size = change ->> 5,
    state = change ->> 7, last_seq = change ->> 6,
    receipts = iif(change ->> 3 = 0, NULL, substr(:bytes, (change ->> 2) + ${2 * DIGEST_SIZE}, change ->> 3)),
    damaged = change ->> 8, tombstone = change ->> 9
  FROM (SELECT value AS change, ${known('value ->> 2')} AS object FROM ${remaining})
  WHERE objects.seq = object AND object <> change ->> 0`;

/** What is left has a subject that the log has met, but no object: it was only ever verified, say, or shares its head with another. */
const storeRest = `
  ${insertIngested(remaining)}
  WHERE ${known('value ->> 2')} IS NULL`;

/** Members: 0 place of the address, 1 place of a SHA-256 that the same batch replaced. */
const keepReplaced = `
  INSERT INTO former_digests (sha256, object)
  SELECT substr(:bytes, value ->> 1, ${DIGEST_SIZE}), ${known('value ->> 0')} FROM json_each(:changes, '$.replaced') WHERE true
  ON CONFLICT DO NOTHING`;

/**
 * Members of a change: 0 place of the address, 1 settled, 2 state, 3 damaged, 4 keep damaged, 5 tombstone, 6 keep tombstone, 7 tombstone if none,
 * 8 last seq, 9 removed.
 */
const storeChanged = `
  UPDATE objects SET
    state = iif(change ->> 2 IS NULL OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), state, change ->> 2),
    damaged = iif(change ->> 4 OR (NOT change ->> 1 AND state IN ('tombstoned', 'deleted')), damaged, change ->> 3),
    tombstone = coalesce(iif(change ->> 6, tombstone, change ->> 5), change ->> 7),
    last_seq = change ->> 8,
    receipts = iif(change ->> 9, NULL, receipts),
    stored_size = iif(change ->> 9, 0, stored_size)
  FROM (SELECT value AS change, ${known('value ->> 0')} AS object FROM json_each(:changes, '$.changed'))
  WHERE objects.seq = object`;

const objects: View = {
  name: 'objects',
  version: 2,
  schema,
  drop: 'DROP TABLE objects; DROP TABLE former_digests;',
  project,
  apply: [storeNew, keepFormerDigests, storeAgain, storeRest, keepReplaced, storeChanged],
};

/** The views that the registry needs. */
export const registryViews: readonly View[] = [objects, verifications, packagesView];

function project(events: readonly StoredEvent[]): Changes | PackedChanges {
  const changes = new Map<string, Change>();
  for (const event of events) {
    const { subject } = event;
    if (subject === null || !event.kind.startsWith('object.')) continue;
    const change = changes.get(subject) ?? unchanged();
    if (!fold(change, event)) continue;
    change.lastSeq = event.seq;
    changes.set(subject, change);
  }
  return changes.size === 0 ? null : packed(changes);
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
  if (event.kind === 'object.ingested') return foldIngest(change, event);
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

function foldIngest(change: Change, event: StoredEvent): boolean {
  const ingested = ingestedOf(event);
  if (ingested === undefined) return false;
  const before = change.ingested;
  if (before !== undefined && Buffer.compare(sha256Of(before), sha256Of(ingested)) !== 0) {
    change.replaced ??= [];
    change.replaced.push(sha256Of(before));
  }
  change.first ??= event;
  change.ingested = ingested;
  settle(change, 'live');
  change.tombstone = null;
  change.tombstoneIfNone = null;
  change.removed = false;
  return true;
}

/** The members of an ingest; undefined for a version that this code does not know. */
function ingestedOf(event: StoredEvent): Ingested | undefined {
  if (event.v === EVENT_VERSION) {
    const bytes = event.dataBytes;
    const { byteLength } = bytes;
    const layout = readIngestLayout(bytes, 0);
    if (layout !== undefined && layout.end === byteLength) return { bytes, layout };
  }
  const facts = factsOf(event, 'object.ingested');
  return facts === undefined ? undefined : usualForm(facts);
}

/** The same result with its members where the usual form has them: text outside ASCII makes the difference, and nothing else. */
function usualForm({ blake3, sha256, size, receipts }: IngestResult): Ingested {
  const encoded = encodeCanonical(receipts.map(({ ...receipt }) => receipt));
  const bytes = Buffer.concat([blake3, sha256, encoded]);
  const storedSize = receipts.reduce((sum, receipt) => sum + receipt.storedSize, 0);
  const places = { blake3At: 0, sha256At: DIGEST_SIZE, receiptsAt: 2 * DIGEST_SIZE, end: bytes.byteLength };
  return { bytes, layout: { ...places, size, storedSize } };
}

function sha256Of({ bytes, layout: { sha256At } }: Ingested): Uint8Array {
  return bytes.subarray(sha256At, sha256At + DIGEST_SIZE);
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

/** The changes as the statements above take them. */
function packed(changes: ReadonlyMap<string, Change>): PackedChanges {
  const ingested: Changes[] = [];
  const changed: Changes[] = [];
  const replaced: Changes[] = [];
  const bytes = new Packer();
  let [from, to] = [Number.MAX_SAFE_INTEGER, 0];
  for (const [subject, change] of changes) {
    const { first, ingested: result, settled, state, damaged, tombstone, tombstoneIfNone, removed, lastSeq } = change;
    if (first === undefined || result === undefined) {
      const keep = [Number(damaged === undefined), tombstone ?? null, Number(tombstone === undefined)];
      const place = bytes.add(digestBytes(subject as ContentAddress));
      const rest = [tombstoneIfNone, lastSeq, Number(removed)];
      changed.push([place, Number(settled), state, damaged ?? null, ...keep, ...rest]);
      continue;
    }
    const { blake3At, sha256At, receiptsAt, end, size, storedSize } = result.layout;
    const place = bytes.add(result.bytes, blake3At, blake3At + DIGEST_SIZE);
    bytes.add(result.bytes, sha256At, sha256At + DIGEST_SIZE);
    if (!removed) bytes.add(result.bytes, receiptsAt, end);
    const formers = (change.replaced ?? []).map((sha256) => bytes.add(sha256));
    for (const former of formers) replaced.push([place, former]);
    const firstDigest = formers[0] ?? place + DIGEST_SIZE;
    const receipts = removed ? [0, size, 0] : [end - receiptsAt, size, storedSize];
    ingested.push([
      first.seq,
      first.time,
      place,
      ...receipts,
      lastSeq,
      state,
      damaged ?? null,
      tombstone ?? null,
      firstDigest,
    ]);
    if (first.seq < from) from = first.seq;
    if (first.seq > to) to = first.seq;
  }
  return new PackedChanges({ from, to, ingested, changed, replaced }, bytes.take());
}

/** Byte strings end to end. */
class Packer {
  #target = Buffer.allocUnsafe(64 * 1024);
  #size = 0;

  /** @returns the place of the string, from 1, as SQL counts */
  add(source: Uint8Array, start = 0, end = source.byteLength): number {
    const place = this.#size + 1;
    const size = this.#size + end - start;
    if (size > this.#target.byteLength)
      this.#target = Buffer.concat([this.#target], Math.max(size, 2 * this.#target.byteLength));
    // Strings of some tens of bytes: a loop is faster than a view of the part and a call.
    for (let from = start, to = this.#size; from < end; from++, to++) this.#target[to] = source[from] as number;
    this.#size = size;
    return place;
  }

  take(): Uint8Array {
    return this.#target.subarray(0, this.#size);
  }
}

function rangesJson(ranges: readonly ByteRange[]): string {
  return JSON.stringify(ranges.map(({ start, end }) => [start, end]));
}

function tombstoneJson({ seq, id, time, actor }: StoredEvent, reason?: string): string {
  return JSON.stringify(reason === undefined ? { seq, id, time, actor } : { seq, id, time, actor, reason });
}
