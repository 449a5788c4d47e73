/**
 * Rows of numbers and byte strings for SQL without a value each: a blob of rows of one width, which statements take apart with `substr`. JSON
 * costs the database five times as much.
 *
 * A number stands as decimal digits with spaces before them, because SQL can read no other form out of a blob. Imports records and hex digits. Views lay out
 * their changes with it; `sqlite-views.ts` makes the table that counts the rows.
 */

import {
  FieldKind,
  type FillRecords,
  fillRecordsPlainly,
  type RecordField,
  type RecordForm,
  writeDecimal,
} from '../record-form.js';
import { byteOfDigits } from './subject-head.js';

/** Numbers below this one are in the table of `COUNTERS`; two of them count the rows of one blob. */
const RADIX = 256;
/** Rows that a blob may have. */
export const ROWS_MAX = RADIX * RADIX;

/** SQL that makes the table of numbers by which rows are counted; for the connection that applies views, to be run before. */
export const COUNTERS = `
  CREATE TEMP TABLE IF NOT EXISTS counters (n INTEGER PRIMARY KEY);
  INSERT OR IGNORE INTO counters
    WITH RECURSIVE more (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM more WHERE n < ${RADIX - 1}) SELECT n FROM more;`;

/** From so many rows on it pays to call the core, whose arguments have to be taken apart first. */
const CORE_ROWS_MIN = 16;

/** Digits of numbers: of an integer from 0 to 2^53-1, of a head, of a place in a batch and its bytes. */
const DIGITS = { number: 16, head: 15, place: 8 } as const;

/** What a row holds, in order: the bytes of a string, or a number of one of these sizes. */
type Members = { readonly [name: string]: number | keyof typeof DIGITS };

/** Where a member is in a row. */
export interface Place {
  /** From the start of the row. */
  readonly offset: number;
  readonly width: number;
  readonly isNumber: boolean;
}

/** Where the values of a member are, by row: numbers, to which `plus` is added, or the bytes that begin in `bytes` at a place for each. */
export type RowColumn =
  | { readonly numbers: Float64Array | Uint32Array; readonly plus?: number }
  | { readonly bytes: Uint8Array; readonly from: Uint32Array };

/** How rows of one kind are laid out; `parameter` is the blob's name in SQL. */
export class FixedRows<M extends Members> {
  readonly width: number;
  /** The members, for those who write them. */
  readonly places: { readonly [name in keyof M]: Place };
  readonly #names: readonly (keyof M)[];
  /** A row of spaces. */
  readonly #forms: readonly RecordForm[];

  constructor(
    readonly parameter: string,
    members: M,
  ) {
    let offset = 0;
    const places: { [name: string]: Place } = {};
    for (const [name, size] of Object.entries(members)) {
      const isNumber = typeof size === 'string';
      const width = isNumber ? DIGITS[size] : size;
      places[name] = { offset, width, isNumber };
      offset += width;
    }
    this.places = places as { [name in keyof M]: Place };
    this.width = offset;
    this.#names = Object.keys(places);
    this.#forms = [{ bytes: Buffer.alloc(offset, ' '), places: Object.values(places).map((place) => place.offset) }];
  }

  /** SQL: one row `n`, from 0, for each row of the blob, in order; none when the blob is null. Write it behind FROM. */
  get rows(): string {
    return `(SELECT ${RADIX} * high.n + low.n AS n FROM counters AS high CROSS JOIN counters AS low
      WHERE high.n < (${this.count} + ${RADIX - 1}) / ${RADIX} AND low.n < ${this.count} - ${RADIX} * high.n)`;
  }

  /** SQL: how many rows the blob has; null when it is null. */
  get count(): string {
    return `(length(${this.parameter}) / ${this.width})`;
  }

  /** SQL: a member of the row `n`, as it was written. */
  get(name: keyof M, n = 'n'): string {
    const { offset, width, isNumber } = this.places[name];
    const part = `substr(${this.parameter}, ${this.width} * ${n} + ${1 + offset}, ${width})`;
    return isNumber ? `CAST(${part} AS INTEGER)` : part;
  }

  /** The blob of rows whose values stand in columns. */
  fill(fillRecords: FillRecords, rows: Uint32Array, columns: { readonly [name in keyof M]: RowColumn }): Uint8Array {
    const target = Buffer.allocUnsafe(this.width * rows.length);
    const fields = this.#names.map((name) => fieldOf(this.places[name], columns[name]));
    const [ends, formOf] = [new Uint32Array(rows.length), new Uint8Array(rows.length)];
    const fill = rows.length < CORE_ROWS_MIN ? fillRecordsPlainly : fillRecords;
    fill({ target, at: 0, ends, rows, formOf, forms: this.#forms, fields });
    return target;
  }

  /** The blob of `count` rows, to be filled. */
  blob(count: number): Buffer {
    return Buffer.alloc(count * this.width, ' ');
  }
}

function fieldOf({ width: size }: Place, column: RowColumn): RecordField {
  if ('bytes' in column) return { kind: FieldKind.part, column: column.bytes, from: column.from, size };
  return { kind: FieldKind.decimal, column: column.numbers, offset: column.plus ?? 0, size };
}

/** Writes a number, no larger than its member takes, into the row that begins at `start`. */
export function putNumber(blob: Uint8Array, start: number, { offset, width }: Place, value: number): void {
  writeDecimal(blob, start + offset + width, value);
}

/** Writes the bytes of a string, as many as the member has, from the lower-case hex digits at `from`, two for each byte. */
export function putDigits(
  blob: Uint8Array,
  start: number,
  { offset, width }: Place,
  source: Uint8Array,
  from: number,
): void {
  const at = start + offset;
  for (let i = 0; i < width; i++) blob[at + i] = byteOfDigits(source, from + 2 * i);
}
