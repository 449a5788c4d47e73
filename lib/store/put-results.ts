/**
 * What `putMany` did, by column: the result of one object is made when it is asked for.
 *
 * Imports the contract's types, digest text and the log's types. `put-many.ts` makes it; callers of the facade read it.
 */

import type { ContentAddress, IngestTable, Receipt, Sha256Digest } from '../dataplane/spi.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import type { StoredEvent, StoredEvents } from '../events/log.js';

/** What `put` did. */
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
  /** The events of those that are stored, in their order. */
  events: StoredEvents | undefined;
}

/** Results in the order of the sources. */
export class PutResults implements Iterable<PutResult | Error> {
  /** For each part, the index of each object's event among those of the part. */
  readonly #eventIndexes: Uint32Array[];
  readonly #replaced = new Map<number, PutResult | Error>();

  /** @param partSize objects in each part but the last */
  constructor(
    readonly length: number,
    private readonly parts: readonly PutPart[],
    private readonly partSize: number,
  ) {
    this.#eventIndexes = parts.map(({ table }) => eventIndexes(table));
  }

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

  /** What became of the object at `index`, from 0: its result, or the error that `put` would have thrown; undefined past the end. */
  at(index: number): PutResult | Error | undefined {
    const number = Math.floor(index / this.partSize);
    const part = this.parts[number];
    const row = index - number * this.partSize;
    if (part === undefined || !(row < part.table.length)) return undefined;
    const other = this.#replaced.get(index) ?? part.table.errors.get(row);
    return other ?? new TableResult(part, row, this.#eventIndexes[number]?.[row] as number);
  }

  *[Symbol.iterator](): Iterator<PutResult | Error> {
    for (let index = 0; index < this.length; index++) yield this.at(index) as PutResult | Error;
  }
}

function eventIndexes({ length, errors }: IngestTable): Uint32Array {
  const indexes = new Uint32Array(length);
  let next = 0;
  for (let row = 0; row < length; row++) indexes[row] = errors.has(row) ? 0 : next++;
  return indexes;
}

/** One row, of which most callers look at a member or two. */
class TableResult implements PutResult {
  readonly blake3: ContentAddress;
  readonly size: number;
  readonly existed: boolean;
  readonly healed: boolean;

  constructor(
    private readonly part: PutPart,
    private readonly row: number,
    private readonly eventIndex: number,
  ) {
    const { table } = part;
    this.blake3 = formatBlake3(table.blake3(row));
    this.size = table.sizes[row] as number;
    this.existed = table.existed[row] === 1;
    this.healed = table.healed[row] === 1;
  }

  get sha256(): Sha256Digest {
    return formatSha256(this.part.table.result(this.row).sha256);
  }

  get receipts(): Receipt[] {
    return this.part.table.result(this.row).receipts;
  }

  get event(): StoredEvent {
    return (this.part.events as StoredEvents).event(this.eventIndex);
  }

  get cbor(): Uint8Array {
    return this.event.dataBytes;
  }
}
