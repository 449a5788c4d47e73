/** Records written by the core are those that JavaScript writes, byte for byte; what does not fit is refused before a byte is written. */

import { randomBytes, randomInt } from 'node:crypto';
import t from 'tap';
import { FieldKind, fillRecordsPlainly, type RecordField, type Records } from '../../lib/record-form.js';
import { fillRecords } from '../../lib/records.js';

/** On both sides of each size of a CBOR head. */
const NUMBERS = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const HEAD_SIZES = [1, 1, 2, 2, 3, 3, 5, 5, 9, 9];

/** A record for each number, twice, with every kind of field; rows in any order. */
function someRecords(): Records {
  const count = 2 * NUMBERS.length;
  const fields: RecordField[] = [
    { kind: FieldKind.head, column: Float64Array.from(NUMBERS) },
    { kind: FieldKind.bytes, column: randomBytes(64 * NUMBERS.length), stride: 64, offset: 30, size: 34 },
    { kind: FieldKind.hex, column: randomBytes(64 * NUMBERS.length), stride: 64, size: 32 },
    { kind: FieldKind.boolean, column: Uint8Array.from(NUMBERS, (_, n) => n % 3) },
    { kind: FieldKind.uuid, column: randomBytes(10 * count) },
    { kind: FieldKind.decimal, column: Float64Array.from(NUMBERS, (n) => n - (n > 9 ? 7 : 0)), offset: 7, size: 16 },
    { kind: FieldKind.decimal, column: Uint32Array.from(NUMBERS, (n) => n % 2 ** 32), size: 10 },
    { kind: FieldKind.part, column: randomBytes(500), from: Uint32Array.from(NUMBERS, () => randomInt(469)), size: 32 },
    {
      kind: FieldKind.rest,
      column: randomBytes(500),
      from: Uint32Array.from(NUMBERS, () => randomInt(469)),
      offset: 2,
    },
  ];
  const forms = NUMBERS.map((_, n) => {
    const head = 3 + (HEAD_SIZES[n] as number);
    const places = [3, head + 1, head + 40, head + 110, head + 120, head + 160, head + 180, head + 200, head + 232];
    return { bytes: randomBytes(head + 234 + n), places };
  });
  const formOf = Uint8Array.from({ length: count }, () => randomInt(NUMBERS.length));
  const size = formOf.reduce((sum, form) => sum + (forms[form]?.bytes.length ?? 0), 0);
  return {
    target: Buffer.alloc(size + 20),
    at: 7,
    ends: new Uint32Array(count),
    rows: Uint32Array.from(formOf), // a form of each number's size
    formOf,
    forms,
    fields,
  };
}

t.test('byte for byte the same', (t) => {
  for (let round = 0; round < 50; round++) {
    const one = someRecords();
    const other = { ...one, target: Buffer.alloc(one.target.length), ends: new Uint32Array(one.ends.length) };
    fillRecordsPlainly(one);
    fillRecords(other);
    if (Buffer.compare(one.target, other.target) !== 0) t.fail(`round ${round}: they differ`);
    t.strictSame(other.ends, one.ends);
  }
  t.end();
});

t.test('what does not fit is refused', (t) => {
  const whole = someRecords();
  const untouched = Buffer.alloc(whole.target.length);
  const refuse = (change: Partial<Records>, message: string) => {
    const target = change.target ?? Buffer.alloc(untouched.length);
    t.throws(() => fillRecords({ ...whole, target, ...change }), message);
    t.equal(Buffer.compare(target, untouched.subarray(0, target.length)), 0, `${message}: nothing is written`);
  };
  const size = whole.target.length - 20;
  const cut = (index: number, from: RecordField) => whole.fields.map((field, n) => (n === index ? from : field));
  const field = (index: number) => whole.fields[index] as RecordField;
  refuse({ target: Buffer.alloc(size + 6) }, 'a target that is a byte too short');
  refuse({ at: whole.target.length + 1 }, 'a place behind the target');
  refuse({ rows: new Uint32Array(1) }, 'other rows than records');
  refuse({ formOf: new Uint8Array(1) }, 'other forms than records');
  refuse({ formOf: whole.formOf.map(() => whole.forms.length) }, 'a form that is not there');
  refuse({ rows: whole.rows.map(() => NUMBERS.length) }, 'a row that is not there');
  refuse({ fields: cut(1, { ...field(1), size: 35, offset: 64 * NUMBERS.length }) }, 'a column that ends before');
  refuse({ fields: cut(4, { ...field(4), column: randomBytes(10 * whole.ends.length - 1) }) }, 'too little randomness');
  refuse(
    {
      fields: cut(1, { ...field(1), size: 64, offset: 0, stride: 1, column: randomBytes(1e6) }),
      forms: whole.forms.map((form) => ({ ...form, places: form.places.map(() => form.bytes.length - 30) })),
    },
    'a field that goes beyond its form',
  );
  refuse({ fields: cut(0, { ...field(0), column: new Uint8Array(10) }) }, 'a column of another type');
  refuse({ fields: cut(0, { ...field(0), kind: 8 as FieldKind }) }, 'a kind that there is not');
  const numbers = (index: number, value: number) => {
    const { column } = field(index);
    return cut(index, { ...field(index), column: column.map(() => value) as Float64Array });
  };
  refuse({ fields: numbers(5, -1) }, 'a number below zero');
  refuse({ fields: numbers(5, Number.NaN) }, 'no number');
  refuse({ fields: numbers(5, 2 ** 53) }, 'a number that is not exact');
  refuse({ fields: cut(6, { ...field(6), column: new Uint32Array(10).fill(100), size: 2 }) }, 'more digits than bytes');
  refuse({ fields: cut(5, { ...field(5), column: new Float64Array(1) }) }, 'a column of numbers that ends before');
  refuse({ fields: cut(6, { ...field(6), column: new Uint32Array(1) }) }, 'a column of words that ends before');
  refuse({ fields: cut(7, { ...field(7), from: new Uint32Array(1) }) }, 'places that end before');
  refuse(
    { fields: cut(7, { ...field(7), from: new Uint32Array(10).fill(469) }) },
    'a part that goes beyond its column',
  );
  refuse({ fields: cut(7, { ...field(7), from: new Uint32Array(10).fill(2 ** 32 - 1) }) }, 'a part far behind it');
  refuse(
    { fields: cut(8, { ...field(8), from: new Uint32Array(10).fill(500) }) },
    'a rest that goes beyond its column',
  );
  refuse({ fields: cut(8, { ...field(8), from: new Uint32Array(1) }) }, 'places of rests that end before');
  refuse({ fields: cut(8, { ...field(8), offset: 1000 }) }, 'a rest of less than nothing');
  t.end();
});
