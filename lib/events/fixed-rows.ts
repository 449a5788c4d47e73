/**
 * Rows of numbers and byte strings for SQL without a value each: a blob of rows of one width, which statements take apart with `substr`. JSON
 * costs the database five times as much.
 *
 * A number stands as decimal digits with spaces before them, because SQL can read no other form out of a blob. Imports nothing. Views lay out
 * their changes with it; `sqlite-views.ts` makes the table that counts the rows.
 */

/** Numbers below this one are in the table of `COUNTERS`; two of them count the rows of one blob. */
const RADIX = 256;
/** Rows that a blob may have. */
export const ROWS_MAX = RADIX * RADIX;

/** SQL that makes the table of numbers by which rows are counted; for the connection that applies views, to be run before. */
export const COUNTERS = `
  CREATE TEMP TABLE IF NOT EXISTS counters (n INTEGER PRIMARY KEY);
  INSERT OR IGNORE INTO counters
    WITH RECURSIVE more (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM more WHERE n < ${RADIX - 1}) SELECT n FROM more;`;

/** Digits of the largest number. */
const NUMBER_WIDTH = 16;

/** What a row holds, in order: the bytes of a string, or `number` for an integer from 0 to 2^53-1. */
type Members = { readonly [name: string]: number | 'number' };

/** How rows of one kind are laid out; `parameter` is the blob's name in SQL. */
export class FixedRows<M extends Members> {
  readonly #width: number;
  readonly #offsets = {} as { [name in keyof M]: number };

  constructor(
    readonly parameter: string,
    private readonly members: M,
  ) {
    let width = 0;
    for (const [name, size] of Object.entries(members)) {
      this.#offsets[name as keyof M] = width;
      width += size === 'number' ? NUMBER_WIDTH : size;
    }
    this.#width = width;
  }

  /** SQL: one row `n`, from 0, for each row of the blob, in order; none when the blob is null. Write it behind FROM. */
  get rows(): string {
    return `(SELECT ${RADIX} * high.n + low.n AS n FROM counters AS high CROSS JOIN counters AS low
      WHERE high.n < (${this.count} + ${RADIX - 1}) / ${RADIX} AND low.n < ${this.count} - ${RADIX} * high.n)`;
  }

  /** SQL: how many rows the blob has; null when it is null. */
  get count(): string {
    return `(length(${this.parameter}) / ${this.#width})`;
  }

  /** SQL: a member of the row `n`, as it was written. */
  get(name: keyof M & string, n = 'n'): string {
    const size = this.members[name] as number | 'number';
    const place = `${this.#width} * ${n} + ${1 + this.#offsets[name]}`;
    if (size !== 'number') return `substr(${this.parameter}, ${place}, ${size})`;
    return `CAST(substr(${this.parameter}, ${place}, ${NUMBER_WIDTH}) AS INTEGER)`;
  }

  /** The blob of `count` rows, to be filled. */
  blob(count: number): Buffer {
    return Buffer.alloc(count * this.#width, ' ');
  }

  /** Writes a number from 0 to 2^53-1. */
  setNumber(blob: Buffer, row: number, name: keyof M, value: number): void {
    let at = row * this.#width + this.#offsets[name] + NUMBER_WIDTH - 1;
    // In two parts that are small integers: dividing larger numbers costs many times as much.
    const high = Math.floor(value / HALF);
    let rest = value - high * HALF;
    for (let digits = 0; rest > 0 || digits === 0 || (high > 0 && digits < HALF_DIGITS); digits++) {
      const quotient = Math.floor(rest / 10);
      blob[at--] = ZERO + rest - 10 * quotient;
      rest = quotient;
    }
    for (rest = high; rest > 0; ) {
      const quotient = Math.floor(rest / 10);
      blob[at--] = ZERO + rest - 10 * quotient;
      rest = quotient;
    }
  }

  /** Copies the bytes of a string, as many as the member has, from `source`. */
  setBytes(blob: Buffer, row: number, name: keyof M, source: Uint8Array, start: number): void {
    const at = row * this.#width + this.#offsets[name];
    const size = this.members[name] as number;
    // Strings of some tens of bytes: a loop is faster than a view of the part and a call.
    for (let i = 0; i < size; i++) blob[at + i] = source[start + i] as number;
  }
}

const ZERO = 0x30;
const HALF_DIGITS = 8;
const HALF = 10 ** HALF_DIGITS;
