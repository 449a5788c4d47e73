/**
 * Events that follow each other in the log, as views take them in: their bytes end to end, and what each is about, found without making an
 * object of each.
 *
 * Imports the envelope, the usual event and the heads of subjects. The log makes a batch of every commit and of what it reads for a rebuild; views
 * look into it.
 */

import { decodeEvent } from './envelope.js';
import { INGESTED } from './envelope-parts.js';
import { readIngestedEvent } from './ingested-event.js';
import type { StoredEvent } from './log.js';
import { HEAD_SIZE, writeHead } from './subject-head.js';

/** Ingests in the usual form, by the index of their event. Places count from the start of the batch's bytes. */
export interface IngestColumns {
  /** 1 where the event is one; the other columns mean something only there. */
  readonly usual: Uint8Array;
  /** Milliseconds since 1970 UTC. */
  readonly times: Float64Array;
  /** Bytes in the object. */
  readonly sizes: Float64Array;
  /** Bytes it occupies, over all receipts. */
  readonly storedSizes: Float64Array;
  readonly blake3At: Uint32Array;
  readonly sha256At: Uint32Array;
  readonly receiptsAt: Uint32Array;
  readonly receiptsEnd: Uint32Array;
  readonly actorAt: Uint32Array;
}

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
  readonly heads: Buffer;
  #order: Uint32Array | undefined;
  readonly #events: (StoredEvent | undefined)[];

  /**
   * @param first seq of the first event
   * @param bytes the events, end to end
   * @param ends where each ends in `bytes`
   * @param events the same events, where they are at hand
   */
  constructor(
    readonly first: number,
    readonly bytes: Uint8Array,
    readonly ends: Uint32Array,
    events: readonly StoredEvent[] = [],
  ) {
    this.count = ends.length;
    this.last = first + ends.length - 1;
    this.#events = [...events];
    this.ingests = emptyColumns(ends.length);
    this.kindOf = new Uint16Array(ends.length);
    this.hasSubject = new Uint8Array(ends.length).fill(1);
    this.heads = Buffer.allocUnsafe(HEAD_SIZE * ends.length);
    this.kinds = this.#scan();
  }

  /** A batch of events that follow each other, at least one. */
  static of(events: readonly StoredEvent[]): EventBatch {
    const parts = events.map(({ bytes }) => bytes);
    const ends = new Uint32Array(parts.length);
    let end = 0;
    for (const [index, { byteLength }] of parts.entries()) {
      end += byteLength;
      ends[index] = end;
    }
    return new EventBatch(events[0]?.seq ?? 1, Buffer.concat(parts), ends, events);
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

  /** The events of the wanted kinds, in order. */
  ofKinds(isWanted: (kind: string) => boolean): StoredEvent[] {
    const wanted = this.kinds.map(isWanted);
    const found: StoredEvent[] = [];
    if (!wanted.includes(true)) return found;
    for (let i = 0; i < this.count; i++) if (wanted[this.kindOf[i] as number]) found.push(this.event(i));
    return found;
  }

  /** The events behind `seq`; the batch itself when that is all of them. */
  after(seq: number): EventBatch {
    if (seq < this.first) return this;
    const skipped = Math.min(seq - this.first + 1, this.count);
    const start = this.ends[skipped - 1] as number;
    const ends = this.ends.subarray(skipped).map((end) => end - start);
    return new EventBatch(
      this.first + skipped,
      this.bytes.subarray(start),
      ends,
      this.#events.slice(skipped) as StoredEvent[],
    );
  }

  /**
   * Indexes of the events that have a subject, in the order of the first half of its head. Entries of an index that follow each other then
   * meet the same pages, for which almost sorted is as good; and events about one subject are neighbours.
   */
  get order(): Uint32Array {
    this.#order ??= inOrder(this.heads, this.hasSubject);
    return this.#order;
  }

  /** Finds what the columns say; gives the kinds. */
  #scan(): string[] {
    const kinds: string[] = [];
    const places = new Map<string, number>();
    let start = 0;
    for (let i = 0; i < this.count; i++) {
      const end = this.ends[i] as number;
      let kind: string = INGESTED;
      if (!this.#scanIngest(i, start, end)) {
        const event = this.event(i);
        kind = event.kind;
        if (event.subject === null) this.hasSubject[i] = 0;
        else writeHead(this.heads, HEAD_SIZE * i, event.subject);
      }
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

  #scanIngest(i: number, start: number, end: number): boolean {
    const found = readIngestedEvent(this.bytes, start, end);
    if (found === undefined) return false;
    const { layout, time, actorAt } = found;
    const { bytes, heads, ingests } = this;
    ingests.usual[i] = 1;
    ingests.times[i] = time;
    ingests.sizes[i] = layout.size;
    ingests.storedSizes[i] = layout.storedSize;
    ingests.blake3At[i] = layout.blake3At;
    ingests.sha256At[i] = layout.sha256At;
    ingests.receiptsAt[i] = layout.receiptsAt;
    ingests.receiptsEnd[i] = layout.end;
    ingests.actorAt[i] = actorAt;
    for (let n = 0; n < HEAD_SIZE; n++) heads[HEAD_SIZE * i + n] = bytes[layout.blake3At + n] as number;
    return true;
  }
}

function emptyColumns(count: number): IngestColumns {
  return {
    usual: new Uint8Array(count),
    times: new Float64Array(count),
    sizes: new Float64Array(count),
    storedSizes: new Float64Array(count),
    blake3At: new Uint32Array(count),
    sha256At: new Uint32Array(count),
    receiptsAt: new Uint32Array(count),
    receiptsEnd: new Uint32Array(count),
    actorAt: new Uint32Array(count),
  };
}

/** More than a batch has events; 2^32 of them are exact in a double. */
const PLACES_MAX = 2 ** 20;

function inOrder(heads: Buffer, hasSubject: Uint8Array): Uint32Array {
  // The first half of the head and the index in one number: numbers sort many times faster than objects.
  const keys = new Float64Array(hasSubject.length);
  let count = 0;
  for (let i = 0; i < hasSubject.length; i++) {
    if (hasSubject[i] === 1) keys[count++] = heads.readUInt32BE(HEAD_SIZE * i) * PLACES_MAX + i;
  }
  const sorted = keys.subarray(0, count).sort();
  const order = new Uint32Array(count);
  for (let n = 0; n < count; n++) order[n] = (sorted[n] as number) % PLACES_MAX;
  return order;
}
