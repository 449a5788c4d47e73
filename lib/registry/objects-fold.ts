/**
 * What several events of one batch, or unusual ones, mean for an object. The usual one is an ingest that is alone with its object; those never
 * come here: see objects-view.ts.
 *
 * Imports event kinds and the layout of ingest results, CBOR, digest text and the contract's types. objects-view.ts calls it;
 * objects-schema.ts has the statements for what it gives.
 */

import type { ByteRange, ContentAddress, IngestResult, Receipt, Tier } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { type IngestLayout, readIngestLayout } from '../events/ingest-layout.js';
import { EVENT_VERSION, factsOf } from '../events/kinds.js';
import type { StoredEvent } from '../events/log.js';
import type { ObjectEventData } from '../events/object-kinds.js';
import { digestHead } from '../events/subject-head.js';
import { DIGEST_SIZE } from '../limits.js';
import { ERASE_AFTER } from './lifecycle.js';
import { keptReceipts } from './receipts.js';
import type { ObjectState } from './registry.js';

/** An encoded ingest result, and where its members are. */
interface Ingested {
  bytes: Uint8Array;
  layout: IngestLayout;
}

/** Changes as the statements of objects-schema.ts take them: JSON, and the bytes that it points into. */
interface Folded {
  /** Of objects that were ingested. Many statements read it, and each time all of it. */
  changes: string | null;
  /** Of objects that were not. */
  changed: string | null;
  bytes: Uint8Array;
}

/** JSON of the damage of an object of which nothing is there. */
const LOST = JSON.stringify('lost');

/** Encoded receipts, from `start` to `end`, and the bytes that they say are occupied. */
interface Placed {
  bytes: Uint8Array;
  start: number;
  end: number;
  storedSize: number;
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
  /** From when on its bytes may be removed, when it is tombstoned; 0: at once. */
  sweepAfter: number | null;
  /** What becomes of it if it was tombstoned before, when its tombstone was taken back in a batch that settles nothing. */
  revived?: { state: ObjectState; damaged: string | null };
  /** JSON of the tombstone that it has if it was tombstoned before: that tombstone was taken back, and then the bytes were removed all the same. */
  tombstoneIfRevived: string | null;
  /** Receipts of the tier that ingests go to; undefined keeps what the row has. */
  hot: Placed | null | undefined;
  /** Receipts of further tiers; undefined keeps what the row has. */
  cold: Placed | null | undefined;
  /** The same for an object that there was not before the batch: what happened ahead of its first ingest means nothing. */
  coldIfNew: Placed | null | undefined;
  lastSeq: number;
}

/**
 * What events mean for the objects they are about, folded into one change for each.
 *
 * @param events in order, all that the batch has about these objects
 */
export function foldEvents(events: readonly StoredEvent[]): Folded | null {
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
    sweepAfter: null,
    tombstoneIfRevived: null,
    hot: undefined,
    cold: undefined,
    coldIfNew: undefined,
    lastSeq: 0,
  };
}

/** Adds one event to what the batch means for its object; false when the event means nothing to this view. */
function fold(change: Change, event: StoredEvent): boolean {
  if (event.kind === 'object.ingested') return foldIngest(change, event);
  const verified = factsOf(event, 'object.verified');
  if (verified !== undefined) {
    if (verified.status === 'intact') present(change, 'live', null);
    else present(change, 'corrupt');
    return true;
  }
  const corrupted = factsOf(event, 'object.corrupted');
  if (corrupted !== undefined) {
    present(change, 'corrupt', rangesJson(corrupted.ranges));
    return true;
  }
  if (factsOf(event, 'object.lost') !== undefined) {
    present(change, 'corrupt', LOST);
    return true;
  }
  return foldMove(change, event) || foldRemoval(change, event);
}

/** What comes into a tier, and what goes out of one. Ingests go to `hot`, whatever their receipts say of themselves. */
function foldMove(change: Change, event: StoredEvent): boolean {
  const copied = factsOf(event, 'object.copied');
  if (copied !== undefined) {
    place(change, copied.tier, placed(copied.receipts, event.subject as ContentAddress));
    return true;
  }
  const evicted = factsOf(event, 'object.evicted');
  if (evicted === undefined) return false;
  place(change, evicted.tier, null);
  return true;
}

function place(change: Change, tier: Tier, receipts: Placed | null): void {
  if (tier === 'hot') {
    change.hot = receipts;
    return;
  }
  change.cold = receipts;
  if (change.first !== undefined) change.coldIfNew = receipts;
}

function placed(receipts: readonly Receipt[], address: ContentAddress): Placed {
  const bytes = keptReceipts(receipts, address);
  return { bytes, start: 0, end: bytes.byteLength, storedSize: storedSizeOf(receipts) };
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
  const { keptAt: start, end, storedSize } = ingested.layout;
  change.hot = { bytes: ingested.bytes, start, end, storedSize };
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
  const bytes = Buffer.concat([blake3, sha256, keptReceipts(receipts, formatBlake3(blake3))]);
  const storedSize = storedSizeOf(receipts);
  const places = { blake3At: 0, sha256At: DIGEST_SIZE, keptAt: 2 * DIGEST_SIZE, end: bytes.byteLength };
  return { bytes, layout: { ...places, size, storedSize } };
}

function storedSizeOf(receipts: readonly Receipt[]): number {
  return receipts.reduce((sum, receipt) => sum + receipt.storedSize, 0);
}

function sha256Of({ bytes, layout: { sha256At } }: Ingested): Uint8Array {
  return bytes.subarray(sha256At, sha256At + DIGEST_SIZE);
}

function foldRemoval(change: Change, event: StoredEvent): boolean {
  const tombstoned = factsOf(event, 'object.tombstoned');
  if (tombstoned !== undefined) {
    settle(change, 'tombstoned');
    change.tombstone = tombstoneJson(event, tombstoned);
    change.tombstoneIfNone = null;
    change.tombstoneIfRevived = null;
    change.sweepAfter = sweepAfterOf(event, tombstoned);
    return true;
  }
  if (factsOf(event, 'object.undeleted') !== undefined) {
    undelete(change);
    return true;
  }
  if (factsOf(event, 'object.discarded') !== undefined) return true; // what it means stands in the log alone
  if (factsOf(event, 'object.deleted') === undefined) return false;
  const isRevived = change.revived !== undefined;
  settle(change, 'deleted');
  if (isRevived) change.tombstoneIfRevived = tombstoneJson(event);
  place(change, 'hot', null);
  place(change, 'cold', null);
  if (change.tombstone === null) change.tombstone = tombstoneJson(event);
  if (change.tombstone === undefined) change.tombstoneIfNone ??= tombstoneJson(event);
  return true;
}

/** A state that holds whatever was before; damage is no longer of interest. */
function settle(change: Change, state: ObjectState): void {
  change.settled = true;
  change.state = state;
  change.damaged = null;
  change.sweepAfter = null;
  delete change.revived;
}

/** Takes a tombstone back, where there is one; once the bytes are removed, it means nothing. */
function undelete(change: Change): void {
  if (!change.settled) {
    change.revived ??= { state: 'live', damaged: null };
  } else if (change.state === 'tombstoned') {
    settle(change, 'live');
    change.tombstone = null;
  }
}

/** A state that an object takes unless it is deleted. Damage that is not given stays as it is known. */
function present(change: Change, state: ObjectState, damaged?: string | null): void {
  if (change.revived !== undefined) {
    const kept = damaged === undefined ? change.revived.damaged : damaged;
    change.revived = { state, damaged: kept };
  }
  if (change.settled && (change.state === 'tombstoned' || change.state === 'deleted')) return;
  change.state = state;
  if (damaged !== undefined) change.damaged = damaged;
}

/** The changes as the statements of objects-schema.ts take them. */
function packed(changes: ReadonlyMap<string, Change>): Folded {
  const ingested: Member[][] = [];
  const changed: Member[][] = [];
  const replaced: Member[][] = [];
  const bytes = new Packer();
  for (const [subject, change] of changes) {
    const {
      first,
      ingested: result,
      settled,
      state,
      damaged,
      tombstone,
      tombstoneIfNone,
      hot,
      cold,
      coldIfNew,
      lastSeq,
    } = change;
    const { sweepAfter, revived, tombstoneIfRevived } = change;
    if (first === undefined || result === undefined) {
      const keep = [Number(damaged === undefined), tombstone ?? null, Number(tombstone === undefined)];
      const address = digestBytes(subject as ContentAddress);
      const place = bytes.add(address);
      const rest = [tombstoneIfNone, lastSeq, digestHead(address, 0)];
      const then = [sweepAfter, revived?.state ?? null, revived?.damaged ?? null, tombstoneIfRevived];
      const places = [...added(bytes, hot), ...added(bytes, cold)];
      changed.push([place, Number(settled), state, damaged ?? null, ...keep, ...rest, ...then, ...places]);
      continue;
    }
    const { blake3At, sha256At, size } = result.layout;
    const place = bytes.add(result.bytes, blake3At, blake3At + DIGEST_SIZE);
    bytes.add(result.bytes, sha256At, sha256At + DIGEST_SIZE);
    const [, receiptsSize, storedSize] = added(bytes, hot ?? null); // behind the digests, where they are looked for
    const heads = [digestHead(result.bytes, blake3At), digestHead(result.bytes, sha256At)] as const;
    const formers = (change.replaced ?? []).map((sha256) => [digestHead(sha256, 0), bytes.add(sha256)] as const);
    for (const former of formers) replaced.push([heads[0], place, ...former]);
    const firstDigest = formers[0]?.[1] ?? place + DIGEST_SIZE;
    const receipts = [receiptsSize, size, storedSize];
    const then = [lastSeq, state, damaged ?? null, tombstone ?? null];
    ingested.push([
      first.seq,
      first.time,
      place,
      ...receipts,
      ...then,
      firstDigest,
      ...heads,
      sweepAfter,
      ...added(bytes, cold),
      ...added(bytes, coldIfNew),
    ]);
  }
  return {
    changes: ingested.length === 0 ? null : JSON.stringify({ ingested, replaced }),
    changed: changed.length === 0 ? null : JSON.stringify(changed),
    bytes: bytes.take(),
  };
}

/** Adds receipts to the bytes: their place, their size and the bytes that they occupy. */
function added(target: Packer, placed: Placed | null | undefined): [number, number, number] {
  if (placed === undefined) return [0, 0, KEEP];
  if (placed === null) return [0, 0, 0];
  const { bytes, start, end, storedSize } = placed;
  return [target.add(bytes, start, end), end - start, storedSize];
}

/** Stands for a size of which nothing is said. */
const KEEP = -1;

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

/** From when on its bytes may be removed: 0 for at once, ERASE_AFTER where an erasure has to do it. */
function sweepAfterOf({ time }: StoredEvent, { grace, order }: ObjectEventData['object.tombstoned']): number {
  if (order !== undefined) return ERASE_AFTER;
  return grace === undefined ? 0 : time + grace;
}

function tombstoneJson(event: StoredEvent, facts?: ObjectEventData['object.tombstoned']): string {
  const { seq, id } = event;
  return `${JSON.stringify({ seq, id }).slice(0, -1)},${restOfTombstone(event, facts)}`;
}

/** What the JSON of a tombstone has behind its place and identity: with those of the same facts and commit it has all of it in common. */
export function restOfTombstone(
  { time, actor }: Pick<StoredEvent, 'time' | 'actor'>,
  { reason, grace, plan, order }: ObjectEventData['object.tombstoned'] = {},
): string {
  const sweepAfter = grace === undefined ? undefined : time + grace;
  return JSON.stringify({ time, actor, reason, sweepAfter, plan, order }).slice(1); // leaves out what is undefined
}
