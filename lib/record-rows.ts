/**
 * Rows of records that are alike but for some parts, packed: each form once, and the parts of each record. docs/formats/events.md has the form. Packing is done here in
 * JavaScript, and by the core in `records.ts`, which is done before JavaScript has been compiled.
 *
 * Imports CBOR and parts. The event log keeps its events so; whoever opens it hands over one of the two.
 */

import { Head, MAJOR } from './cbor/head.js';
import { encodeCanonical } from './cbor/index.js';
import { fillParts, keptSize, type Parts, partsFit, readParts } from './record-parts.js';

/** Records that are to be put into rows. */
export interface RowsToPack {
  /** The records end to end, and where each ends. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** For each row the index behind its last record. */
  readonly rows: Uint32Array;
  /** For each record which of the forms it has, from 1 on; 0: none. */
  readonly formOf: Uint8Array;
  readonly forms: readonly Parts[];
  /** Takes the rows, end to end: as many bytes as the records have. */
  readonly target: Uint8Array;
  /** Take where each row ends, and for each record where it ends among those of its row, as 32 bits, little-endian. */
  readonly rowEnds: Uint32Array;
  readonly endsInRows: Uint8Array;
}

/** Writes rows, packed where all records have forms, are what they say, and the row is shorter so. @throws RangeError: something does not fit */
export type PackRows = (rows: RowsToPack) => void;

/** A packed row that has been found to be one. */
export interface RowToUnpack {
  readonly forms: readonly { readonly model: Uint8Array; readonly parts: Parts }[];
  /** For each record its place among the forms. */
  readonly formOf: Uint8Array;
  /** What is kept of all records, end to end. */
  readonly kept: Uint8Array;
  /** Takes the records, end to end, from `at` on. */
  readonly target: Uint8Array;
  readonly at: number;
}

/** Writes the records of a row. @throws RangeError: something does not fit */
export type UnpackRow = (row: RowToUnpack) => void;

/** Both ways. */
export interface RowPacking {
  readonly pack: PackRows;
  readonly unpack: UnpackRow;
}

/** Parts as they stand in a row behind the model, in canonical CBOR. */
export function encodeParts({ own, digits, copies }: Parts): Uint8Array {
  return Buffer.concat([own, digits, copies].map((list) => encodeCanonical([...list])));
}

/** Writes rows without the core. */
const packPlainly: PackRows = ({ bytes, ends, rows, formOf, forms, target, rowEnds, endsInRows }) => {
  const view = new DataView(endsInRows.buffer, endsInRows.byteOffset, endsInRows.byteLength);
  let [from, at] = [0, 0];
  for (const [index, to] of rows.entries()) {
    const start = ends[from - 1] ?? 0;
    const records: Uint8Array[] = [];
    for (let n = from; n < to; n++) {
      view.setUint32(4 * n, (ends[n] as number) - start, true);
      records.push(bytes.subarray(ends[n - 1] ?? 0, ends[n]));
    }
    const whole = bytes.subarray(start, ends[to - 1]);
    const packed = packRow(records, formOf.subarray(from, to), forms);
    const row = packed !== undefined && packed.sizeMax <= whole.byteLength ? packed.bytes : whole;
    target.set(row, at);
    at += row.byteLength;
    rowEnds[index] = at;
    from = to;
  }
};

/** Writes records without the core. */
const unpackPlainly: UnpackRow = ({ forms, formOf, kept, target, at }) => {
  let [end, from] = [at, 0];
  for (const place of formOf) {
    const { model, parts } = forms[place] as RowToUnpack['forms'][number];
    target.set(model, end);
    fillParts(target, end, parts, kept, from);
    end += model.byteLength;
    from += keptSize(parts);
  }
};

/** Both ways without the core. */
export const plainRowPacking: RowPacking = { pack: packPlainly, unpack: unpackPlainly };

/** The longest head of a length here. */
const HEAD_SIZE_MAX = 5;

/** One row, and how long it could be at most with the longest heads; undefined when a record has no form, or is not its model with other parts. */
function packRow(
  records: readonly Uint8Array[],
  formOf: Uint8Array,
  forms: readonly Parts[],
): { bytes: Uint8Array; sizeMax: number } | undefined {
  const models: { model: Uint8Array; parts: Parts }[] = [];
  const places = new Map<number, number>();
  const kept: Uint8Array[] = [];
  const placeOf = new Uint8Array(records.length);
  for (const [n, record] of records.entries()) {
    const form = formOf[n] as number;
    const parts = forms[form - 1];
    if (parts === undefined) return undefined;
    const place = places.get(form) ?? models.push({ model: record, parts }) - 1;
    places.set(form, place);
    placeOf[n] = place;
    const own = keep(record, (models[place] as { model: Uint8Array }).model, parts);
    if (own === undefined) return undefined;
    kept.push(own);
  }
  const lists = models.map(({ model, parts }) => [Buffer.from([0x84]), encodeCanonical(model), encodeParts(parts)]);
  const heads = encodeCanonical(Array.from(models, () => 0)).subarray(0, models.length < 24 ? 1 : 2);
  const rest = [
    encodeCanonical(models.length === 1 ? new Uint8Array(0) : placeOf),
    encodeCanonical(Buffer.concat(kept)),
  ];
  const bytes = Buffer.concat([Buffer.from([0x83]), heads, ...lists.flat(), ...rest]);
  let sizeMax = 4 * HEAD_SIZE_MAX + records.length + kept.reduce((sum, own) => sum + own.byteLength, 0);
  for (const { model, parts } of models)
    sizeMax += 2 * HEAD_SIZE_MAX + model.byteLength + encodeParts(parts).byteLength;
  return { bytes, sizeMax };
}

/** What is kept of a record; undefined when its model does not become the record with that. */
function keep(record: Uint8Array, model: Uint8Array, parts: Parts): Uint8Array | undefined {
  if (record.byteLength !== model.byteLength || !partsFit(parts, record.byteLength)) return undefined;
  const kept = readParts(record, parts);
  const again = Uint8Array.from(model);
  fillParts(again, 0, parts, kept, 0);
  return Buffer.compare(again, record) === 0 ? kept : undefined;
}

/** Whether bytes are those of a packed row: an event is a map, this is an array. */
export function isPacked(bytes: Uint8Array): boolean {
  const head = new Head();
  return head.read(bytes, 0) === undefined && head.major === MAJOR.array;
}

interface ReadForm {
  readonly model: Uint8Array;
  readonly parts: Parts;
  readonly keptSize: number;
}

/** A packed row, to read records from. */
export class PackedRow {
  readonly #forms: readonly ReadForm[];
  readonly #formOf: Uint8Array;
  readonly #kept: Uint8Array;
  /** Where what is kept of each record begins. */
  readonly #from: Uint32Array;

  /**
   * @param count records in the row
   * @throws RangeError: it is not a row of so many
   */
  constructor(bytes: Uint8Array, count: number) {
    const [forms, formOf, kept] = membersOf(bytes);
    this.#forms = forms;
    this.#formOf = forms.length === 1 ? new Uint8Array(count) : formOf;
    this.#kept = kept;
    this.#from = new Uint32Array(count);
    if (this.#formOf.byteLength !== count) throw new RangeError('another number of records');
    let at = 0;
    for (let n = 0; n < count; n++) {
      this.#from[n] = at;
      at += this.#form(n).keptSize;
    }
    if (at !== kept.byteLength) throw new RangeError('other bytes kept than those of its records');
  }

  /** Bytes of a record. */
  size(n: number): number {
    return this.#form(n).model.byteLength;
  }

  /** A record. */
  record(n: number): Uint8Array {
    const { model, parts } = this.#form(n);
    const bytes = Uint8Array.from(model);
    fillParts(bytes, 0, parts, this.#kept, this.#from[n] as number);
    return bytes;
  }

  /** Writes all records end to end. */
  writeAll(unpack: UnpackRow, target: Uint8Array, at: number): void {
    unpack({ forms: this.#forms, formOf: this.#formOf, kept: this.#kept, target, at });
  }

  #form(n: number): ReadForm {
    const form = this.#forms[this.#formOf[n] as number];
    if (form === undefined) throw new RangeError('a form that is not there');
    return form;
  }
}

function membersOf(bytes: Uint8Array): [ReadForm[], Uint8Array, Uint8Array] {
  const reader = new RowReader(bytes);
  reader.list(3);
  const forms = Array.from({ length: reader.list() }, () => readForm(reader));
  const [formOf, kept] = [reader.bytes(), reader.bytes()];
  reader.end();
  return [forms, formOf, kept];
}

function readForm(reader: RowReader): ReadForm {
  reader.list(4);
  const model = reader.bytes();
  const parts = { own: reader.numbers(), digits: reader.numbers(), copies: reader.numbers() };
  if (!partsFit(parts, model.byteLength)) throw new RangeError('parts that do not lie in their record');
  return { model, parts, keptSize: keptSize(parts) };
}

/** Reads what a row is made of, in place: a decoder that knows every value takes ten times as long. */
class RowReader {
  readonly #source: Uint8Array;
  readonly #head = new Head();
  #at = 0;

  constructor(source: Uint8Array) {
    this.#source = source;
  }

  /** How many elements a list has, which is `count` where it is given. */
  list(count?: number): number {
    const found = this.#argument(MAJOR.array);
    // An element takes a byte at least.
    if (count === undefined ? found > this.#source.byteLength : found !== count) throw notPacked();
    return found;
  }

  numbers(): number[] {
    const numbers: number[] = [];
    for (let left = this.list(); left > 0; left--) numbers.push(this.#argument(MAJOR.unsigned));
    return numbers;
  }

  bytes(): Uint8Array {
    const size = this.#argument(MAJOR.bytes);
    if (size > this.#source.byteLength - this.#at) throw notPacked();
    this.#at += size;
    return this.#source.subarray(this.#at - size, this.#at);
  }

  end(): void {
    if (this.#at !== this.#source.byteLength) throw notPacked();
  }

  #argument(major: number): number {
    const head = this.#head;
    if (head.read(this.#source, this.#at) !== undefined || head.major !== major) throw notPacked();
    this.#at = head.end;
    return head.argument;
  }
}

function notPacked(): RangeError {
  return new RangeError('not a packed row');
}
