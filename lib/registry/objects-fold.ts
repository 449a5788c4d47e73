/**
 * What several events of one batch, or unusual ones, mean for an object. The usual one is an ingest that is alone with its object; those never
 * come here: see objects-view.ts.
 *
 * Imports event kinds and the layout of ingest results, CBOR, digest text and the contract's types. objects-view.ts calls it;
 * objects-schema.ts has the statements for what it gives.
 */

import { encodeCanonical } from '../cbor/index.js';
import type { ByteRange, ContentAddress, IngestResult } from '../dataplane/spi.js';
import { digestBytes } from '../digest-name.js';
import { type IngestLayout, readIngestLayout } from '../events/ingest-layout.js';
import { EVENT_VERSION, factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import { DIGEST_SIZE } from '../limits.js';
import type { ObjectState } from './registry.js';

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

/**
 * What events mean for the objects they are about, folded into one change for each.
 *
 * @param events in order, all that the batch has about these objects
 */
export function foldEvents(events: readonly StoredEvent[]): { changes: string; bytes: Uint8Array } | null {
  const changes = new Map<string, Change>();
  for (const event of events) {
    const { subject } = event;
    if (subject === null) continue;
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

/** The changes as the statements of objects-schema.ts take them. */
function packed(changes: ReadonlyMap<string, Change>): { changes: string; bytes: Uint8Array } {
  const ingested: Member[][] = [];
  const changed: Member[][] = [];
  const replaced: Member[][] = [];
  const bytes = new Packer();
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
  }
  return { changes: JSON.stringify({ ingested, changed, replaced }), bytes: bytes.take() };
}

/** What a change holds in JSON. */
type Member = number | string | null;

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
