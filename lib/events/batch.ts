/**
 * Events that follow each other in the log, as views take them in: their bytes end to end, and what each is about, found without making an
 * object of each.
 *
 * Imports the envelope, the usual events and the heads of subjects. The log makes a batch of every commit and of what it reads for a rebuild; views
 * look into it.
 */

import { type FillRecords, fillRecordsPlainly } from '../record-form.js';
import { decodeEvent } from './envelope.js';
import { INGESTED } from './envelope-parts.js';
import { type HeadOrder, orderByHead } from './head-order.js';
import { emptyColumns, type IngestColumns } from './ingest-columns.js';
import { readIngestedEvent } from './ingested-event.js';
import type { StoredEvent } from './log.js';
import { emptyRemovals, REMOVAL_KINDS, type RemovalColumns, readRemovedEvent, setRemoval } from './removed-event.js';
import { digestHead, digitsHead, subjectHead } from './subject-head.js';
import { TEXT_HEAD } from './usual-envelope.js';

/** One batch. */
export class EventBatch {
  readonly count: number;
  /** Seq of its last event. */
  readonly last: number;
  readonly ingests: IngestColumns;
  /** The kinds that occur, and for each event which of them it has. */
  readonly kinds: readonly string[];
  readonly kindOf: Uint16Array;
  /** For each event whether it has a subject, and that subject's head. */
  readonly hasSubject: Uint8Array;
  readonly heads: Float64Array;
  #order: HeadOrder | undefined;
  #seqs: Float64Array | undefined;
  #crowded: Uint8Array | undefined;
  readonly #events: (StoredEvent | undefined)[];

  /**
   * @param first seq of the first event
   * @param bytes the events, end to end
   * @param ends where each ends in `bytes`
   * @param events the same events, where they are at hand
   * @param ingests, removals what is known of the columns; the rest is found in the bytes
   */
  constructor(
    readonly first: number,
    readonly bytes: Uint8Array,
    readonly ends: Uint32Array,
    events: readonly StoredEvent[] = [],
    ingests = emptyColumns(ends.length),
    readonly removals: RemovalColumns = emptyRemovals(ends.length),
    /** Writes what views make of it, many rows at a time. */
    readonly fillRecords: FillRecords = fillRecordsPlainly,
  ) {
    this.count = ends.length;
    this.last = first + ends.length - 1;
    this.#events = [...events];
    this.ingests = ingests;
    this.kindOf = new Uint16Array(ends.length);
    this.hasSubject = new Uint8Array(ends.length).fill(1);
    this.heads = new Float64Array(ends.length);
    this.kinds = this.#scan();
  }

  /** A batch of events that follow each other, at least one, of which nothing counts but their bytes. */
  static ofBytes(events: readonly StoredEvent[]): EventBatch {
    const parts = events.map(({ bytes }) => bytes);
    const ends = new Uint32Array(parts.length);
    let end = 0;
    for (const [index, { byteLength }] of parts.entries()) {
      end += byteLength;
      ends[index] = end;
    }
    return new EventBatch(events[0]?.seq ?? 1, Buffer.concat(parts), ends);
  }

  /** The event at `index` of the batch. */
  event(index: number): StoredEvent {
    const known = this.#events[index];
    if (known !== undefined) return known;
    const start = index === 0 ? 0 : (this.ends[index - 1] as number);
    const event = decodeEvent(this.first + index, this.bytes.subarray(start, this.ends[index]));
    this.#events[index] = event;
    return event;
  }

  /** Who did the event at `index`. */
  actor(index: number): string {
    const { bytes } = this;
    const at = this.#actorAt(index);
    if (at === 0) return this.event(index).actor;
    return ACTOR.decode(bytes.subarray(at, at + shortTextSize(bytes, at)));
  }

  /** Whether the actor of the event at `index` is known to be that of the event before it, without reading either. */
  hasActorOfThatBefore(index: number): boolean {
    const { bytes } = this;
    if (this.ingests.sameActor[index] === 1) return true;
    const [at, before] = [this.#actorAt(index), this.#actorAt(index - 1)];
    if (at === 0 || before === 0) return false;
    const size = shortTextSize(bytes, at);
    for (let i = -1; i < size; i++) if (bytes[at + i] !== bytes[before + i]) return false;
    return true;
  }

  /** Where the actor of a usual event is; 0 of any other. */
  #actorAt(index: number): number {
    const { ingests, removals } = this;
    return (ingests.usual[index] === 1 ? ingests.actorAt[index] : removals.actorAt[index]) as number;
  }

  /** The events of the wanted kinds, in order. */
  ofKinds(isWanted: (kind: string) => boolean): StoredEvent[] {
    const wanted = this.kinds.map(isWanted);
    const found: StoredEvent[] = [];
    if (!wanted.includes(true)) return found;
    for (let i = 0; i < this.count; i++) if (wanted[this.kindOf[i] as number]) found.push(this.event(i));
    return found;
  }

  /** Those of its events that are behind `after` and not behind `end`; the batch itself when that is all of them. */
  between(after: number, end: number): EventBatch {
    if (after < this.first && end >= this.last) return this;
    const from = Math.max(after - this.first + 1, 0);
    const to = Math.min(end - this.first + 1, this.count);
    const start = from === 0 ? 0 : (this.ends[from - 1] as number);
    const ends = this.ends.subarray(from, to).map((place) => place - start);
    const bytes = this.bytes.subarray(start, this.ends[to - 1]);
    const events = this.#events.slice(from, to) as StoredEvent[];
    return new EventBatch(this.first + from, bytes, ends, events, undefined, undefined, this.fillRecords);
  }

  /** Indexes of the events that have a subject, in the order of heads as far as it goes: events about one subject in that of the log. */
  get order(): Uint32Array {
    return this.#ordered.order;
  }

  get #ordered(): HeadOrder {
    this.#order ??= orderByHead(this.heads, indexesOf(this.hasSubject));
    return this.#order;
  }

  /** For each event its place in the log. */
  get seqs(): Float64Array {
    if (this.#seqs === undefined) {
      this.#seqs = new Float64Array(this.count);
      for (let i = 0; i < this.count; i++) this.#seqs[i] = this.first + i;
    }
    return this.#seqs;
  }

  /** For each event 1 if another of the batch may have the same subject. */
  get crowded(): Uint8Array {
    this.#crowded ??= this.#findCrowded();
    return this.#crowded;
  }

  #findCrowded(): Uint8Array {
    const { order, mayRepeat } = this.#ordered;
    const crowded = new Uint8Array(this.count);
    for (let n = 1; n < order.length; n++) {
      if (mayRepeat[n] === 0) continue;
      crowded[order[n - 1] as number] = 1;
      crowded[order[n] as number] = 1;
    }
    return crowded;
  }

  /** Finds what the columns say; gives the kinds. */
  #scan(): string[] {
    const kinds: string[] = [];
    const places = new Map<string, number>();
    let start = 0;
    for (let i = 0; i < this.count; i++) {
      const end = this.ends[i] as number;
      const kind = this.#scanUsual(i, start, end) ?? this.#scanAny(i);
      let place = places.get(kind);
      if (place === undefined) {
        place = kinds.push(kind) - 1;
        places.set(kind, place);
      }
      this.kindOf[i] = place;
      start = end;
    }
    return kinds;
  }

  /** The kind of a usual event. */
  #scanUsual(i: number, start: number, end: number): string | undefined {
    const { removals } = this;
    if (removals.kind[i] === 0 && this.#scanIngest(i, start, end)) return INGESTED;
    return this.#scanRemoval(i, start, end) ? REMOVAL_KINDS[removals.kind[i] as number] : undefined;
  }

  #scanAny(i: number): string {
    const { kind, subject } = this.event(i);
    if (subject === null) this.hasSubject[i] = 0;
    else this.heads[i] = subjectHead(subject);
    return kind;
  }

  #scanRemoval(i: number, start: number, end: number): boolean {
    const { bytes, heads, removals } = this;
    if (removals.kind[i] === 0) {
      const found = readRemovedEvent(bytes, start, end);
      if (found === undefined) return false;
      setRemoval(removals, i, found);
    }
    heads[i] = digitsHead(bytes, removals.digitsAt[i] as number);
    return true;
  }

  #scanIngest(i: number, start: number, end: number): boolean {
    const { bytes, heads, ingests } = this;
    if (ingests.usual[i] === 1) {
      heads[i] = digestHead(bytes, ingests.blake3At[i] as number);
      return true;
    }
    const found = readIngestedEvent(bytes, start, end);
    if (found === undefined) return false;
    const { layout, time, actorAt } = found;
    ingests.usual[i] = 1;
    ingests.times[i] = time;
    ingests.sizes[i] = layout.size;
    ingests.storedSizes[i] = layout.storedSize;
    ingests.blake3At[i] = layout.blake3At;
    ingests.sha256At[i] = layout.sha256At;
    ingests.keptAt[i] = layout.keptAt;
    ingests.keptSize[i] = layout.end - layout.keptAt;
    ingests.actorAt[i] = actorAt;
    heads[i] = digestHead(bytes, layout.blake3At);
    return true;
  }
}

const ACTOR = new TextDecoder();

/** Bytes of a text that begins at `at` and has a head of one byte, as the actor of a usual ingest has. */
function shortTextSize(bytes: Uint8Array, at: number): number {
  return (bytes[at - 1] as number) - TEXT_HEAD;
}

/** Indexes of those that have a 1. */
function indexesOf(marks: Uint8Array): Uint32Array {
  const found = new Uint32Array(marks.length);
  let length = 0;
  for (let i = 0; i < marks.length; i++) if (marks[i] === 1) found[length++] = i;
  return found.subarray(0, length);
}
