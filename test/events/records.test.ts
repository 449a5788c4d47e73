/** Records written and packed by the core are those of JavaScript, byte for byte; what does not fit is refused before a byte is written. */

import { randomBytes, randomInt } from 'node:crypto';
import t from 'tap';
import { FieldKind, fillRecordsPlainly, type RecordField, type Records } from '../../lib/record-form.js';
import type { Parts } from '../../lib/record-parts.js';
import { isPacked, PackedRow, plainRowPacking, type RowsToPack } from '../../lib/record-rows.js';
import { fillRecords, rowPacking } from '../../lib/records.js';

const { pack: packRows } = rowPacking;
const { pack: packRowsPlainly } = plainRowPacking;

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

/** Random records of a few forms, some of which are not what their form says, in rows of any length. */
function someRows(): RowsToPack {
  const forms = Array.from({ length: 1 + randomInt(4) }, someForm);
  const count = randomInt(1, 120);
  const records: Buffer[] = [];
  const formOf = new Uint8Array(count);
  const same = randomInt(3) > 0;
  for (let n = 0; n < count; n++) {
    const which = same ? 0 : randomInt(forms.length + 1);
    const form = forms[which];
    formOf[n] = form === undefined ? 0 : which + 1;
    records.push(form === undefined ? randomBytes(randomInt(1, 300)) : recordOf(form));
    if (form !== undefined && randomInt(200) === 0) spoil(records[n] as Buffer);
  }
  let end = 0;
  const ends = Uint32Array.from(records, ({ length }) => {
    end += length;
    return end;
  });
  const rows: number[] = [];
  while ((rows.at(-1) ?? 0) < count) rows.push(Math.min(count, (rows.at(-1) ?? 0) + randomInt(1, 40)));
  return {
    bytes: Buffer.concat(records),
    ends,
    rows: Uint32Array.from(rows),
    formOf,
    forms: forms.map(({ parts }) => parts),
    target: Buffer.alloc(end),
    rowEnds: new Uint32Array(rows.length),
    endsInRows: new Uint8Array(4 * count),
  };
}

function someForm(): { model: Buffer; parts: Parts } {
  const [own, other, digits] = [randomInt(1, 40), randomInt(1, 9), randomInt(1, 20)];
  const copyAt = own + 4 + other + 2 * digits;
  const model = Buffer.concat([randomBytes(copyAt), Buffer.alloc(2 * own), randomBytes(randomInt(400))]);
  return {
    model,
    parts: { own: [0, own, own + 2, other], digits: [own + 3 + other, digits], copies: [copyAt, own, 0] },
  };
}

/** A record of a form, in which all that it says may differ does. */
function recordOf({ model, parts }: { model: Buffer; parts: Parts }): Buffer {
  const record = Buffer.from(model);
  const [ownAt, own, otherAt, other] = parts.own as [number, number, number, number];
  const [digitsAt, digits] = parts.digits as [number, number];
  const [copyAt] = parts.copies as [number];
  randomBytes(own).copy(record, ownAt);
  randomBytes(other).copy(record, otherAt);
  record.write(randomBytes(digits).toString('hex'), digitsAt, 'latin1');
  record.write(record.toString('hex', ownAt, ownAt + own), copyAt, 'latin1');
  return record;
}

function spoil(record: Buffer): void {
  const at = randomInt(record.length);
  record[at] = (record[at] as number) ^ (1 + randomInt(255));
}

function fresh(rows: RowsToPack): RowsToPack {
  const [target, rowEnds] = [Buffer.alloc(rows.target.length), new Uint32Array(rows.rows.length)];
  return { ...rows, target, rowEnds, endsInRows: new Uint8Array(rows.endsInRows.length) };
}

t.test('rows are packed as JavaScript packs them, and give their records back', (t) => {
  let packed = 0;
  for (let round = 0; round < 400; round++) {
    const [one, other] = [someRows(), { shorter: false }];
    packRowsPlainly(one);
    const two = fresh(one);
    packRows(two);
    t.strictSame(two.rowEnds, one.rowEnds);
    t.strictSame(two.endsInRows, one.endsInRows);
    const size = one.rowEnds.at(-1) as number;
    if (Buffer.compare(one.target.subarray(0, size), two.target.subarray(0, size)) !== 0) t.fail('they differ');
    for (const [row, to] of one.rows.entries()) {
      const from = one.rows[row - 1] ?? 0;
      const records = Buffer.from(one.bytes.subarray(one.ends[from - 1] ?? 0, one.ends[to - 1]));
      const bytes = two.target.subarray(two.rowEnds[row - 1] ?? 0, two.rowEnds[row]);
      if (records.equals(bytes)) continue;
      other.shorter = true;
      const opened = new PackedRow(bytes, to - from);
      const [again, plainly] = [Buffer.alloc(records.length), Buffer.alloc(records.length)];
      opened.writeAll(rowPacking.unpack, again, 0);
      opened.writeAll(plainRowPacking.unpack, plainly, 0);
      const each = Buffer.concat(Array.from({ length: to - from }, (_, n) => opened.record(n)));
      const areSame = again.equals(records) && plainly.equals(records) && each.equals(records);
      if (!isPacked(bytes) || !areSame || bytes.length > records.length) t.fail(`round ${round}: not what it was`);
    }
    packed += Number(other.shorter);
  }
  t.ok(packed > 100, `${packed} rounds had packed rows`);
  t.end();
});

t.test('rows of what does not fit are refused', (t) => {
  let whole = someRows();
  while (whole.rows.length < 2) whole = someRows();
  const { ends, rows, formOf } = whole;
  const refuse = (change: Partial<RowsToPack>, message: string) => {
    const given = { ...fresh(whole), ...change };
    t.throws(() => packRows(given), message);
    t.ok(
      given.target.every((byte) => byte === 0),
      `${message}: nothing is written`,
    );
  };
  refuse({ target: Buffer.alloc(whole.target.length - 1) }, 'a target that is a byte too short');
  refuse({ bytes: whole.bytes.subarray(1) }, 'records that end behind their bytes');
  refuse({ ends: Uint32Array.from(ends).reverse() }, 'ends that run backwards');
  refuse({ rows: rows.subarray(0, -1) }, 'records in no row');
  refuse({ rows: Uint32Array.from(rows, (to) => to + 1) }, 'a row behind the last record');
  refuse({ rows: rows.map((_, n) => (n === 0 ? 0 : (rows[n] as number))) }, 'a row of nothing');
  refuse({ formOf: formOf.subarray(1) }, 'other forms than records');
  refuse({ rowEnds: new Uint32Array(1 + rows.length) }, 'other places than rows');
  refuse({ endsInRows: new Uint8Array(4) }, 'too little room for ends');
  refuse({ forms: [{ own: [1], digits: [], copies: [] }] }, 'half a part');
  refuse({ forms: Array.from({ length: 256 }, () => ({ own: [], digits: [], copies: [] })) }, 'too many forms');
  t.end();
});

t.test('records that do not fit are not taken out of a row', (t) => {
  const form = someForm();
  const kept = randomBytes(2 * (form.model.length - (form.parts.copies[1] as number)));
  const size = 2 * form.model.length;
  const whole = { forms: [form], formOf: new Uint8Array(2), kept, target: Buffer.alloc(size + 3), at: 3 };
  rowPacking.unpack(whole);
  const refuse = (change: object, message: string) => {
    const given = { ...whole, target: Buffer.alloc(size + 3), ...change };
    t.throws(() => rowPacking.unpack(given), RangeError, message);
    t.ok(
      given.target.every((byte) => byte === 0),
      `${message}: nothing is written`,
    );
  };
  refuse({ at: 4 }, 'a target that is a byte too short');
  refuse({ at: size + 4 }, 'a place behind the target');
  refuse({ formOf: new Uint8Array(2).fill(1) }, 'a form that is not there');
  refuse({ kept: Buffer.alloc(1) }, 'less kept than the records take');
  refuse({ forms: [{ ...form, model: Buffer.alloc(4) }] }, 'a model that is too short');
  t.end();
});

t.test('records with forms in which their parts do not lie stay as they are', (t) => {
  const records = Buffer.alloc(800, 'a');
  const forms = [
    { own: [99, 2], digits: [], copies: [] },
    { own: [], digits: [99, 1], copies: [] },
    { own: [], digits: [], copies: [99, 1, 0] },
    { own: [], digits: [], copies: [0, 1, 100] },
    { own: [2 ** 32 - 1, 2 ** 32 - 1], digits: [], copies: [] },
  ];
  const ends = Uint32Array.from({ length: 8 }, (_, n) => 100 * (n + 1));
  for (const [index] of forms.entries()) {
    for (const pack of [packRows, packRowsPlainly]) {
      const target = Buffer.alloc(800);
      const formOf = new Uint8Array(8).fill(index + 1);
      const [rowEnds, endsInRows] = [new Uint32Array(1), new Uint8Array(32)];
      pack({ bytes: records, ends, rows: Uint32Array.of(8), formOf, forms, target, rowEnds, endsInRows });
      t.ok(target.equals(records), `form ${index}`);
    }
  }
  t.end();
});

t.test('a damaged row is refused or read, and nothing else happens', (t) => {
  let [refused, read] = [0, 0];
  for (let round = 0; round < 3000; round++) {
    const form = someForm();
    const records = Array.from({ length: 20 }, () => recordOf(form));
    const bytes = Buffer.concat(records);
    const ends = Uint32Array.from(records, (_, n) => (n + 1) * form.model.length);
    const [target, rowEnds, endsInRows] = [Buffer.alloc(bytes.length), new Uint32Array(1), new Uint8Array(80)];
    const formOf = new Uint8Array(20).fill(1);
    packRows({ bytes, ends, rows: Uint32Array.of(20), formOf, forms: [form.parts], target, rowEnds, endsInRows });
    const row = target.subarray(0, rowEnds[0]);
    if (!isPacked(row) || row.length === bytes.length) continue;
    for (let changes = 1 + randomInt(3); changes > 0; changes--) spoil(randomInt(4) > 0 ? row.subarray(0, 12) : row);
    try {
      const opened = new PackedRow(row, 20);
      const size = Array.from(records, (_, n) => opened.size(n)).reduce((sum, one) => sum + one, 0);
      opened.writeAll(rowPacking.unpack, Buffer.alloc(size), 0);
      read++;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      refused++;
    }
  }
  t.ok(refused > 100 && read > 10, `${refused} refused, ${read} read`);
  t.end();
});
