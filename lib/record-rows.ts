/**
 * Rows of records that are alike but for some parts, packed: each form once, and the parts of each record. docs/formats/events.md has the form. Packing is done here in
 * JavaScript, and by the core in `records.ts`, which is done before JavaScript has been compiled.
 *
 * Imports CBOR and parts. The event log keeps its events so; whoever opens it hands over one of the two.
 */

import { Head, MAJOR } from './cbor/head.js';
import { decodeCanonical, encodeCanonical } from './cbor/index.js';
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

/** Parts as they stand in a row behind the model, in canonical CBOR. */
export function encodeParts({ own, digits, copies }: Parts): Uint8Array {
  return Buffer.concat([own, digits, copies].map((list) => encodeCanonical([...list])));
}

/** Writes rows without the core. */
export const packRowsPlainly: PackRows = ({ bytes, ends, rows, formOf, forms, target, rowEnds, endsInRows }) => {
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
    const bytes = new Uint8Array(this.size(n));
    this.#write(n, bytes, 0);
    return bytes;
  }

  /** Writes all records end to end. */
  writeAll(target: Uint8Array, start: number): void {
    for (let n = 0, at = start; n < this.#from.length; n++) at = this.#write(n, target, at);
  }

  /** Gives where it ends. */
  #write(n: number, target: Uint8Array, at: number): number {
    const { model, parts } = this.#form(n);
    target.set(model, at);
    fillParts(target, at, parts, this.#kept, this.#from[n] as number);
    return at + model.byteLength;
  }

  #form(n: number): ReadForm {
    const form = this.#forms[this.#formOf[n] as number];
    if (form === undefined) throw new RangeError('a form that is not there');
    return form;
  }
}

function membersOf(bytes: Uint8Array): [ReadForm[], Uint8Array, Uint8Array] {
  const [forms, formOf, kept, ...more] = listOf(decodeCanonical(bytes));
  if (!(formOf instanceof Uint8Array && kept instanceof Uint8Array) || more.length > 0) throw notPacked();
  return [listOf(forms).map(readForm), formOf, kept];
}

function readForm(value: unknown): ReadForm {
  const [model, own, digits, copies, ...more] = listOf(value);
  if (!(model instanceof Uint8Array) || more.length > 0) throw notPacked();
  const parts = { own: numbersOf(own), digits: numbersOf(digits), copies: numbersOf(copies) };
  if (!partsFit(parts, model.byteLength)) throw new RangeError('parts that do not lie in their record');
  return { model, parts, keptSize: keptSize(parts) };
}

function numbersOf(value: unknown): number[] {
  return listOf(value).map((element) => {
    if (!Number.isSafeInteger(element) || (element as number) < 0) throw notPacked();
    return element as number;
  });
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw notPacked();
  return value;
}

function notPacked(): RangeError {
  return new RangeError('not a packed row');
}
