/**
 * Records of few forms, written many at a time: a copy of a form for each, and its own values over it. This is how, in JavaScript; `records.ts` has the
 * core do it, in a third of the time and from the first record on, where JavaScript has to be compiled first.
 *
 * Imports nothing. The event log takes one of the two from whoever opens it.
 */

/** What a field of a record is written from; the codes are the addon's. */
export enum FieldKind {
  /** Head of a CBOR unsigned integer, from a Float64Array. */
  head,
  /** Bytes, and the same as lower-case hex digits. */
  bytes,
  hex,
  /** A CBOR boolean: true for a byte of 1. */
  boolean,
  /** What is random in a UUIDv7 as text; the column has ten bytes for each record, whatever its row. */
  uuid,
  /**
   * Decimal digits of an integer from 0 to 2^53-1, plus `offset`, from a Float64Array or Uint32Array: at the end of `size` bytes, of which those before them stay as the form
   * has them.
   */
  decimal,
  /** Bytes from the place in the column that `from` has for the row. */
  part,
  /** The same, as many as the form has from there on, but for the `offset` bytes that it ends with: of its own size in each form. */
  rest,
}

/** A form, and where in it each field goes, in the order of the fields. It fits the sizes of its fields. */
export interface RecordForm {
  readonly bytes: Uint8Array;
  readonly places: readonly number[];
}

/** A field of all records. A value of bytes begins in the column at `stride` times the row, plus `offset`. */
export interface RecordField {
  readonly kind: FieldKind;
  readonly column: Uint8Array | Uint32Array | Float64Array;
  readonly stride?: number;
  readonly offset?: number;
  /** Bytes. */
  readonly size?: number;
  /** Where each row's part of the column begins. */
  readonly from?: Uint32Array;
}

/** Records that are to be written. */
export interface Records {
  /** Where they are written, end to end, and where the first begins. */
  readonly target: Uint8Array;
  readonly at: number;
  /** Takes where each ends; there are as many as it has elements. */
  readonly ends: Uint32Array;
  /** Of each, where its values are in the columns, and which of the forms it has. */
  readonly rows: Uint32Array;
  readonly formOf: Uint8Array;
  readonly forms: readonly RecordForm[];
  readonly fields: readonly RecordField[];
}

/** Writes them. @throws RangeError: something does not fit */
export type FillRecords = (records: Records) => void;

const DIGITS = Buffer.from('0123456789abcdef', 'latin1');
/** Random bytes of an identity. */
const UUID_RANDOM_SIZE = 10;

/** Writes records without the core. */
export const fillRecordsPlainly: FillRecords = ({ target, at, ends, rows, formOf, forms, fields }) => {
  let start = at;
  for (let n = 0; n < ends.length; n++) {
    const { bytes, places } = forms[formOf[n] as number] as RecordForm;
    target.set(bytes, start);
    for (let index = 0; index < fields.length; index++) {
      const place = places[index] as number;
      writeField(target, start + place, bytes.length - place, fields[index] as RecordField, rows[n] as number, n);
    }
    start += bytes.length;
    ends[n] = start;
  }
};

function writeField(target: Uint8Array, at: number, room: number, field: RecordField, row: number, n: number): void {
  const { kind, column, stride = 0, offset = 0, size = 0 } = field;
  const from = stride * row + offset;
  if (kind === FieldKind.head) writeHead(target, at, column[row] as number);
  else if (kind === FieldKind.decimal) writeDecimal(target, at + size, (column[row] as number) + offset);
  else if (kind === FieldKind.part) writePart(target, at, column, field.from?.[row] ?? Number.NaN, size);
  else if (kind === FieldKind.rest) writePart(target, at, column, field.from?.[row] ?? Number.NaN, room - offset);
  else if (kind === FieldKind.bytes) writePart(target, at, column, from, size);
  else if (kind === FieldKind.hex) writeHex(target, at, column, from, size);
  else if (kind === FieldKind.boolean) target[at] = column[row] === 1 ? 0xf5 : 0xf4;
  else writeUuid(target, at, column.subarray(UUID_RANDOM_SIZE * n, UUID_RANDOM_SIZE * (n + 1)));
}

/** Writes the digits of an integer from 0 to 2^53-1 so that they end before `end`. */
export function writeDecimal(target: Uint8Array, end: number, value: number): void {
  let at = end - 1;
  // In two parts that are small integers: dividing larger numbers costs many times as much.
  const high = Math.floor(value / HALF);
  let rest = value - high * HALF;
  for (let digits = 0; rest > 0 || digits === 0 || (high > 0 && digits < HALF_DIGITS); digits++) {
    const quotient = (rest / 10) | 0;
    target[at--] = ZERO + rest - 10 * quotient;
    rest = quotient;
  }
  for (rest = high; rest > 0; ) {
    const quotient = (rest / 10) | 0;
    target[at--] = ZERO + rest - 10 * quotient;
    rest = quotient;
  }
}

const ZERO = 0x30;
const HALF_DIGITS = 8;
const HALF = 10 ** HALF_DIGITS;

function writePart(target: Uint8Array, at: number, column: ArrayLike<number>, from: number, size: number): void {
  // Strings of some tens of bytes: a loop is faster than a view of the part and a call.
  for (let i = 0; i < size; i++) target[at + i] = column[from + i] as number;
}

function writeHead(target: Uint8Array, at: number, value: number): void {
  const size = value < 24 ? 0 : value < 0x100 ? 1 : value < 0x1_0000 ? 2 : value < 0x1_0000_0000 ? 4 : 8;
  target[at] = size === 0 ? value : 24 + Math.log2(size);
  for (let i = size, rest = value; i > 0; i--, rest = Math.floor(rest / 256)) target[at + i] = rest % 256;
}

/** Writes `size` bytes that begin at `start` as lower-case hex digits, two for each. */
export function writeHex(target: Uint8Array, at: number, from: ArrayLike<number>, start: number, size: number): void {
  for (let i = 0; i < size; i++) {
    const byte = from[start + i] as number;
    target[at + 2 * i] = DIGITS[byte >> 4] as number;
    target[at + 2 * i + 1] = DIGITS[byte & 15] as number;
  }
}

/** xxxxxxxx-xxxx-7rrr-vrrr-rrrrrrrrrrrr: the digits of the time and the version stay. */
function writeUuid(target: Uint8Array, at: number, random: ArrayLike<number>): void {
  target[at + 15] = DIGITS[(random[0] as number) & 15] as number;
  writeHex(target, at + 16, random, 1, 1);
  writeHex(target, at + 19, [0x80 | ((random[2] as number) & 63)], 0, 1);
  writeHex(target, at + 21, random, 3, 1);
  writeHex(target, at + 24, random, 4, 6);
}
