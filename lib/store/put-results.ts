/**
 * What `putMany` did, by column: the result of one object is made when it is asked for.
 *
 * Imports the contract's types, digest text and the log's types. `put-many.ts` makes it; callers of the facade read it.
 */

import type { ContentAddress, IngestTable, Receipt, Sha256Digest } from '../dataplane/spi.js';
import { toHex } from '../digest-name.js';
import type { StoredEvent, StoredEvents } from '../events/log.js';
import { DIGEST_SIZE } from '../limits.js';

/** What `put` did. Receipts, event and CBOR may be made when they are read, so read members; a copy by spreading may lack those. */
export interface PutResult {
  readonly blake3: ContentAddress;
  readonly sha256: Sha256Digest;
  /** Bytes. */
  readonly size: number;
  /** The same bytes were stored before. */
  readonly existed: boolean;
  /** A damaged copy was there and has been replaced. */
  readonly healed: boolean;
  readonly receipts: Receipt[];
  /** The event that records it. */
  readonly event: StoredEvent;
  /** The data plane's result as canonical CBOR: the very bytes that stand in the event. */
  readonly cbor: Uint8Array;
}

/** Results of one part of the objects. */
export interface PutPart {
  table: IngestTable;
  events: PartEvents;
}

/** The events of the objects of one part, by its rows, from one append or several. */
export class PartEvents {
  readonly #appends: StoredEvents[] = [];
  /** Of each row, which append its event came with, and where it stands there. */
  readonly #append: Uint16Array;
  readonly #place: Uint32Array;

  constructor(length: number) {
    this.#append = new Uint16Array(length);
    this.#place = new Uint32Array(length);
  }

  /** Notes the events of these rows, in their order. */
  add(rows: Uint32Array, events: StoredEvents): void {
    const append = this.#appends.push(events) - 1;
    for (let n = 0; n < rows.length; n++) {
      this.#append[rows[n] as number] = append;
      this.#place[rows[n] as number] = n;
    }
  }

  /** The event of a row that has been stored. */
  of(row: number): StoredEvent {
    return (this.#appends[this.#append[row] as number] as StoredEvents).event(this.#place[row] as number);
  }
}

/** Results in the order of the sources. */
export class PutResults implements Iterable<PutResult | Error> {
  /** For each part, the digests of all its objects as text, once somebody has asked. */
  readonly #hex: string[] = [];
  readonly #replaced = new Map<number, PutResult | Error>();

  /** @param partSize objects in each part but the last */
  constructor(
    readonly length: number,
    private readonly parts: readonly PutPart[],
    private readonly partSize: number,
  ) {}

  /** Those that came to nothing: index and error. */
  *errors(): Generator<[number, Error]> {
    for (const [number, { table }] of this.parts.entries()) {
      for (const [row, error] of table.errors) yield [number * this.partSize + row, error];
    }
  }

  /** Notes what became of the object at `index` when it was tried again. */
  replace(index: number, outcome: PutResult | Error): void {
    this.#replaced.set(index, outcome);
  }

  /** The table of all of them, where it is one, all are stored, and none was tried again: for who tells of many at once. */
  get wholeTable(): IngestTable | undefined {
    const [part, ...others] = this.parts;
    const isWhole = part !== undefined && others.length === 0 && part.table.errors.size === 0;
    return isWhole && this.#replaced.size === 0 ? part.table : undefined;
  }

  #blake3(part: number, row: number): ContentAddress {
    return `blake3:${this.#digits(part, 2 * row)}` as ContentAddress;
  }

  #sha256(part: number, row: number): Sha256Digest {
    return `sha256:${this.#digits(part, 2 * row + 1)}` as Sha256Digest;
  }

  /** The digits of one digest, counted through those of a part. */
  #digits(part: number, digest: number): string {
    this.#hex[part] ??= toHex((this.parts[part] as PutPart).table.digests);
    return this.#hex[part].slice(2 * DIGEST_SIZE * digest, 2 * DIGEST_SIZE * (digest + 1));
  }

  /** What became of the object at `index`, from 0: its result, or the error that `put` would have thrown; undefined past the end. */
  at(index: number): PutResult | Error | undefined {
    const number = Math.floor(index / this.partSize);
    const part = this.parts[number];
    const row = index - number * this.partSize;
    if (part === undefined || !(row < part.table.length)) return undefined;
    const other = this.#replaced.get(index) ?? part.table.errors.get(row);
    if (other !== undefined) return other;
    return new TableResult(part, row, this.#blake3(number, row), this.#sha256(number, row));
  }

  *[Symbol.iterator](): Iterator<PutResult | Error> {
    for (let index = 0; index < this.length; index++) yield this.at(index) as PutResult | Error;
  }
}

/** One row. What few callers look at is made when they do. */
class TableResult implements PutResult {
  readonly size: number;
  readonly existed: boolean;
  readonly healed: boolean;
  readonly #part: PutPart;
  readonly #row: number;

  constructor(
    part: PutPart,
    row: number,
    readonly blake3: ContentAddress,
    readonly sha256: Sha256Digest,
  ) {
    const { table } = part;
    this.#part = part;
    this.#row = row;
    this.size = table.sizes[row] as number;
    this.existed = table.existed[row] === 1;
    this.healed = table.healed[row] === 1;
  }

  get receipts(): Receipt[] {
    return this.#part.table.result(this.#row).receipts;
  }

  get event(): StoredEvent {
    return this.#part.events.of(this.#row);
  }

  get cbor(): Uint8Array {
    return this.event.dataBytes;
  }
}
