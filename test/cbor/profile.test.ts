/**
 * The profile of docs/formats/cbor.md, rule by rule, with exact bytes: what encodes to what, what is refused and where. Then the
 * official vectors, when they stand beside the checkout in ../shared/vectors/cbor.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isNativeAccelerationEnabled } from 'cbor-x/decode';
import t, { type Test } from 'tap';
import {
  type CborInput,
  type CborValue,
  decodeCanonical,
  Encoded,
  encodeCanonical,
  memberSlice,
  toJson,
} from '../../lib/cbor/index.js';
import { ArtifactStoreError } from '../../lib/errors.js';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, CBOR_SIZE_MAX } from '../../lib/limits.js';

const VECTORS = join(import.meta.dirname, '../../../../shared/vectors/cbor');

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** The error that `run` throws; a test fails when there is none or it is not ours. */
function errorOf(run: () => unknown): ArtifactStoreError {
  try {
    run();
  } catch (error) {
    if (error instanceof ArtifactStoreError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Asserts that bytes are refused, where, and why. */
function refused(test: Test, input: string | Uint8Array, offset: number, reason: RegExp): void {
  const bytes = typeof input === 'string' ? bytesOf(input) : input;
  const error = errorOf(() => decodeCanonical(bytes));
  const name = `${hex(bytes.subarray(0, 16))} ${reason}`;
  test.equal(error.code, 'AS_ERR_CBOR_DECODE', name);
  test.equal(error.details.offset, offset, name);
  test.match(error.message, reason, name);
}

function ownMember(key: string, value: unknown): { [key: string]: CborValue } {
  return Object.defineProperty({}, key, { value, enumerable: true, writable: true, configurable: true });
}

/** Value and encoding, both ways. */
const PAIRS: [CborValue, string][] = [
  [null, 'f6'],
  [false, 'f4'],
  [true, 'f5'],
  [0, '00'],
  [23, '17'],
  [24, '1818'],
  [255, '18ff'],
  [256, '190100'],
  [65535, '19ffff'],
  [65536, '1a00010000'],
  [2 ** 31, '1a80000000'],
  [2 ** 32 - 1, '1affffffff'],
  [2 ** 32, '1b0000000100000000'],
  [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
  [2n ** 53n, '1b0020000000000000'],
  [2n ** 53n + 1n, '1b0020000000000001'],
  [2n ** 63n, '1b8000000000000000'],
  [2n ** 64n - 1n, '1bffffffffffffffff'],
  [-1, '20'],
  [-24, '37'],
  [-25, '3818'],
  [-256, '38ff'],
  [-257, '390100'],
  [-65536, '39ffff'],
  [-65537, '3a00010000'],
  [-(2 ** 31) - 1, '3a80000000'],
  [-(2 ** 32), '3affffffff'],
  [-(2 ** 32) - 1, '3b0000000100000000'],
  [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
  [-(2n ** 53n), '3b001fffffffffffff'],
  [-(2n ** 53n) - 1n, '3b0020000000000000'],
  [-(2n ** 63n), '3b7fffffffffffffff'],
  ['', '60'],
  ['a', '6161'],
  ['ü', '62c3bc'],
  ['水', '63e6b0b4'],
  ['𐅑', '64f0908591'],
  ['\u0000', '6100'],
  ['\ufeff', '63efbbbf'],
  [`\ufeff${'x'.repeat(100)}`, `7867efbbbf${'78'.repeat(100)}`],
  ['x'.repeat(23), `77${'78'.repeat(23)}`],
  ['x'.repeat(24), `7818${'78'.repeat(24)}`],
  ['ü'.repeat(12), `7818${'c3bc'.repeat(12)}`],
  ['ü'.repeat(128), `790100${'c3bc'.repeat(128)}`],
  [new Uint8Array(0), '40'],
  [new Uint8Array([1, 2]), '420102'],
  [new Uint8Array(24), `5818${'00'.repeat(24)}`],
  [new Uint8Array(256), `590100${'00'.repeat(256)}`],
  [[], '80'],
  [[1, [2, 'a'], {}], '830182026161a0'],
  [new Array(24).fill(null), `9818${'f6'.repeat(24)}`],
  [{}, 'a0'],
  [{ a: 1, b: [2] }, 'a261610161628102'],
  [{ '': 0, a: 1, b: 2, '10': 3, aa: 4, ü: 5 }, 'a66000616101616202623130036261610462c3bc05'],
  [ownMember('__proto__', { a: 1 }), 'a1695f5f70726f746f5f5fa1616101'],
  [{ constructor: 1, toString: 2 }, 'a268746f537472696e67026b636f6e7374727563746f7201'],
];

t.test('values and their bytes, both ways', async (t) => {
  for (const [value, expected] of PAIRS) {
    t.equal(hex(encodeCanonical(value)), expected, expected);
    t.strictSame(decodeCanonical(bytesOf(expected)), value, expected);
  }
});

t.test('input that has the same meaning gives the same bytes', async (t) => {
  const same: [CborInput, string][] = [
    [5n, '05'],
    [-1n, '20'],
    [2n ** 32n - 1n, '1affffffff'],
    [-(2n ** 32n), '3affffffff'],
    [2n ** 40n, '1b0000010000000000'],
    [Buffer.from([1, 2]), '420102'],
    [new Uint8Array(new SharedArrayBuffer(2)), '420000'],
    [{ bb: 3, b: 2, a: 1 }, 'a361610161620262626203'],
    [Object.assign(Object.create(null), { a: 1 }), 'a1616101'],
    // UTF-16 order would put the astral character first, UTF-8 puts it last.
    [{ 𐅑: 1, 'a\uff5e': 2 }, 'a26461efbd9e0264f090859101'],
  ];
  for (const [value, expected] of same) t.equal(hex(encodeCanonical(value)), expected, expected);
});

t.test('keys sort by the bytes of their encoding, whatever order they come in', async (t) => {
  const keys = [
    '',
    'A',
    'Z',
    'a',
    'z',
    '10',
    'aa',
    'b1',
    'ü',
    '100',
    '水',
    'a\uff5e',
    '𐅑',
    'x'.repeat(23),
    'a'.repeat(24),
  ];
  const byBytes = keys.map((key) => hex(encodeCanonical(key))).sort();
  const expected = `af${byBytes.map((key) => key + key).join('')}`;
  for (const order of [keys, keys.toReversed(), [...keys.slice(5), ...keys.slice(0, 5)]]) {
    t.equal(hex(encodeCanonical(Object.fromEntries(order.map((key) => [key, key])))), expected);
  }
});

t.test('encoding refuses what is outside the profile, and names the place', async (t) => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const cases: [unknown, string, RegExp][] = [
    [undefined, '', /This value .* undefined/],
    [{ data: { size: undefined } }, 'data.size', /The value at data\.size .* undefined; leave the member out/],
    [{ data: { entries: [0, 1, 2, { size: 1.5 }] } }, 'data.entries[3].size', /1\.5 is not a safe integer/],
    [new Array(2), '[0]', /undefined/],
    [0.1, '', /0\.1 is not a safe integer/],
    [Number.NaN, '', /NaN/],
    [Number.POSITIVE_INFINITY, '', /Infinity/],
    [[-0], '[0]', /negative zero/],
    [2 ** 53, '', /9007199254740992 is not a safe integer; use a bigint/],
    [2n ** 64n, '', /outside -2\^63 … 2\^64-1/],
    [-(2n ** 63n) - 1n, '', /outside/],
    ['\ud800', '', /lone surrogate/],
    [['a\udc00b'], '[0]', /lone surrogate/],
    [{ '\ud83d': 1 }, '["\\ud83d"]', /lone surrogate/],
    [{ name: 'u\u0308' }, 'name', /Normalization Form C/],
    [{ 'u\u0308': 1 }, '["u\u0308"]', /Normalization Form C/],
    [{ a: Symbol('x') }, 'a', /symbol has no place/],
    [{ a: () => 1 }, 'a', /function has no place/],
    [{ time: new Date(0) }, 'time', /a Date is not plain data/],
    [new Map([['a', 1]]), '', /a Map is not plain data/],
    [new Set([1]), '', /a Set is not plain data/],
    [[new Uint16Array(2)], '[0]', /a Uint16Array is not plain data/],
    [new ArrayBuffer(2), '', /a ArrayBuffer is not plain data/],
    [Object.create({ constructor: null }), '', /class instance is not plain data/],
    [{ a: { 'b c': [undefined] } }, 'a["b c"][0]', /undefined/],
    [{ ['k'.repeat(1000)]: 1.5 }, `["${'k'.repeat(64)}…"]`, /1\.5/],
    [cyclic, Array(CBOR_DEPTH_MAX).fill('self').join('.'), /deeper than 64; a value may also contain itself/],
  ];
  for (const [value, path, reason] of cases) {
    const error = errorOf(() => encodeCanonical(value as CborInput));
    t.equal(error.code, 'AS_ERR_CBOR_ENCODE', String(reason));
    t.equal(error.details.path, path);
    t.match(error.message, reason);
    t.match(error.message, /^(This value|The value at .+) cannot be canonical CBOR: .+\.$/s);
  }
});

t.test('decoding refuses what is outside the profile, and names the byte', async (t) => {
  const cases: [string, number, RegExp][] = [
    ['', 0, /ends in the middle/],
    ['0000', 1, /more bytes follow/],
    ['f6ff', 1, /more bytes follow/],
    // Heads that could be shorter, at every width, on integers, strings and containers.
    ['1817', 0, /more bytes than it needs/],
    ['1900ff', 0, /more bytes than it needs/],
    ['1a0000ffff', 0, /more bytes than it needs/],
    ['1b00000000ffffffff', 0, /more bytes than it needs/],
    ['3817', 0, /more bytes than it needs/],
    ['3b00000000ffffffff', 0, /more bytes than it needs/],
    ['580100', 0, /more bytes than it needs/],
    ['780161', 0, /more bytes than it needs/],
    ['9800', 0, /more bytes than it needs/],
    ['b800', 0, /more bytes than it needs/],
    ['8218181800', 3, /more bytes than it needs/],
    ['a178016100', 1, /more bytes than it needs/],
    ['3b8000000000000000', 0, /below -2\^63/],
    ['3bffffffffffffffff', 0, /below -2\^63/],
    // Indefinite lengths and reserved additional information.
    ['5f4100ff', 0, /indefinite/],
    ['7f6100ff', 0, /indefinite/],
    ['9fff', 0, /indefinite/],
    ['bfff', 0, /indefinite/],
    ['81ff', 1, /indefinite length or a break/],
    ['1c', 0, /reserved/],
    ['5e', 0, /reserved/],
    ['1f', 0, /indefinite/],
    // Tags, floats, simple values.
    ['c074323031332d30332d32315432303a30343a30305a', 0, /tags/],
    ['d9d9f700', 0, /tags/],
    ['81d84040', 1, /tags/],
    ['f93c00', 0, /floating-point/],
    ['fa3f800000', 0, /floating-point/],
    ['fb3ff0000000000000', 0, /floating-point/],
    ['f90000', 0, /floating-point/],
    ['f97e00', 0, /floating-point/],
    ['f7', 0, /undefined is not allowed/],
    ['a16161f7', 3, /undefined is not allowed/],
    ['e0', 0, /only simple values allowed/],
    ['f3', 0, /only simple values allowed/],
    ['f814', 0, /only simple values allowed/],
    ['f8ff', 0, /only simple values allowed/],
    ['fc', 0, /only simple values allowed/],
    // Keys.
    ['a10000', 1, /key is not text/],
    ['a1416100', 1, /key is not text/],
    ['a1f600', 1, /key is not text/],
    ['a18000', 1, /key is not text/],
    ['a2616100616100', 4, /there twice/],
    ['a2616200616100', 4, /out of order/],
    ['a262616100616200', 5, /out of order/],
    ['a264f0908591006461efbd9e00', 7, /out of order/],
    ['a16161a2616200616200', 7, /there twice/],
    // Text.
    ['61ff', 0, /not valid UTF-8/],
    ['62c328', 0, /not valid UTF-8/],
    ['62c080', 0, /not valid UTF-8/],
    ['63eda080', 0, /not valid UTF-8/],
    ['64f4908080', 0, /not valid UTF-8/],
    ['82616161c3', 3, /not valid UTF-8/],
    ['6375cc88', 0, /Normalization Form C/],
    ['a16375cc8800', 1, /Normalization Form C/],
    ['63e284ab', 0, /Normalization Form C/],
    // Ends too early; lengths that lie.
    ['18', 0, /ends in the middle/],
    ['8201', 0, /ends in the middle/],
    ['a1', 0, /ends in the middle/],
    ['a16161', 3, /ends in the middle/],
    ['41', 0, /ends in the middle/],
    ['5affffffff00', 0, /ends in the middle/],
    ['5bffffffffffffffff010203', 0, /ends in the middle/],
    ['7b7fffffffffffffff010203', 0, /ends in the middle/],
    ['9affffffff', 0, /ends in the middle/],
    ['9bffffffffffffffff', 0, /ends in the middle/],
    ['baffffffff', 0, /ends in the middle/],
    ['bbffffffffffffffff', 0, /ends in the middle/],
    ['a3616100', 0, /ends in the middle/],
  ];
  for (const [input, offset, reason] of cases) refused(t, input, offset, reason);
  const error = errorOf(() => decodeCanonical(bytesOf('1817')));
  t.match(error.message, /^These bytes are not canonical CBOR: at byte 0, .+\. Encode the value again .+\.$/);
});

t.test('depth: the limit holds, one more is refused, 100,000 do not overflow the stack', async (t) => {
  const nested = (depth: number): CborValue => {
    let value: CborValue = [];
    for (let i = 1; i < depth; i++) value = i % 2 ? { a: value } : [value];
    return value;
  };
  const deepest = encodeCanonical(nested(CBOR_DEPTH_MAX));
  t.strictSame(decodeCanonical(deepest), nested(CBOR_DEPTH_MAX));
  t.match(
    errorOf(() => encodeCanonical(nested(CBOR_DEPTH_MAX + 1))),
    { code: 'AS_ERR_CBOR_ENCODE', message: /deeper than 64/ },
  );
  t.match(
    errorOf(() => encodeCanonical(nested(100_000))),
    { code: 'AS_ERR_CBOR_ENCODE', message: /deeper than 64/ },
  );
  refused(t, `81${hex(deepest)}`, hex(deepest).length / 2, /nested deeper than 64/);
  refused(t, new Uint8Array(100_001).fill(0x81).fill(0x80, 100_000), CBOR_DEPTH_MAX, /nested deeper than 64/);
  const maps = new Uint8Array(Buffer.from(`${'a16161'.repeat(100_000)}00`, 'hex'));
  refused(t, maps, CBOR_DEPTH_MAX * 3, /nested deeper than 64/);
  const almost = encodeCanonical(nested(CBOR_DEPTH_MAX - 1));
  t.equal(hex(encodeCanonical([new Encoded(almost)])), `81${hex(almost)}`);
  t.match(
    errorOf(() => encodeCanonical([new Encoded(deepest)])),
    { code: 'AS_ERR_CBOR_ENCODE', message: /deeper than 64/ },
  );
});

t.test('size and number of items: both sides refuse what is beyond the limits', async (t) => {
  const half = new Uint8Array(CBOR_SIZE_MAX / 2);
  t.match(
    errorOf(() => encodeCanonical({ a: half, b: half })),
    { details: { path: 'b' }, message: /more than 268435456 bytes/ },
  );
  refused(t, new Uint8Array(CBOR_SIZE_MAX + 1), 0, /the limit is 268435456/);
  const items = new Uint8Array(CBOR_ITEMS_MAX + 5);
  items.set([0x9a, ...bytesOf(CBOR_ITEMS_MAX.toString(16).padStart(8, '0'))]);
  refused(t, items, CBOR_ITEMS_MAX + 4, /more than 16777216 items/);
  const many = new Encoded(encodeCanonical(new Array(CBOR_ITEMS_MAX / 16 - 1).fill(0)));
  t.equal(many.measure.items, CBOR_ITEMS_MAX / 16);
  t.match(
    errorOf(() => encodeCanonical(new Array(16).fill(many))),
    {
      details: { path: '[15]' },
      message: /more than 16777216 items/,
    },
  );
  t.ok(encodeCanonical(new Array(15).fill(many)).length > 15 * (CBOR_ITEMS_MAX / 16));
});

t.test('decoded values stand alone: copies, plain types, no pollution', async (t) => {
  const input = Buffer.from('a16161420102', 'hex');
  const value = decodeCanonical(input) as { a: Uint8Array };
  input.fill(0);
  t.equal(value.a.constructor, Uint8Array);
  t.equal(value.a.buffer.byteLength, 2, 'memory of its own');
  t.equal(hex(value.a), '0102');

  const input2 = bytesOf('a1695f5f70726f746f5f5fa168706f6c6c75746564f5');
  const decoded = decodeCanonical(input2) as { polluted?: boolean };
  t.equal(Object.getPrototypeOf(decoded), Object.prototype);
  t.equal(decoded.polluted, undefined);
  t.equal(({} as { polluted?: boolean }).polluted, undefined);
  t.ok(Object.hasOwn(decoded, '__proto__'));
  t.equal(hex(encodeCanonical(decoded as CborInput)), hex(input2));
  t.equal(JSON.stringify(toJson(decoded as CborValue)), '{"__proto__":{"polluted":true}}');
  t.strictSame(Object.getOwnPropertyNames(bytesOf('00')), Object.getOwnPropertyNames(afterDecoding('00')));

  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set([0x42, 7, 8]);
  t.equal(hex(decodeCanonical(shared) as Uint8Array), '0708');
});

function afterDecoding(text: string): Uint8Array {
  const bytes = bytesOf(text);
  decodeCanonical(bytes);
  return bytes;
}

t.test('encoded bytes stand alone, after large values too', async (t) => {
  const first = encodeCanonical({ a: 1 });
  const large = encodeCanonical([new Uint8Array(3 * 1024 * 1024).fill(5), 'ü'.repeat(700_000)]);
  const second = encodeCanonical({ b: 2 });
  for (const bytes of [first, second, large]) {
    t.equal(bytes.constructor, Uint8Array);
    t.equal(bytes.buffer.byteLength, bytes.length, 'memory of its own');
  }
  t.equal(hex(first) + hex(second), 'a1616101a1616202');
  t.equal(isNativeAccelerationEnabled, false, 'the optional accelerator is not loaded');
});

t.test('Encoded: spliced bytes equal encoding the plain value', async (t) => {
  for (const [value] of PAIRS) {
    const part = new Encoded(encodeCanonical(value));
    const plain = { z: [value, 1, value], data: value, text: 'ü' };
    const spliced = { z: [part, 1, value], data: part, text: 'ü' };
    t.equal(hex(encodeCanonical(spliced)), hex(encodeCanonical(plain)));
    t.equal(hex(encodeCanonical(part)), hex(encodeCanonical(value)));
    t.equal(hex(encodeCanonical(new Encoded(encodeCanonical(spliced)))), hex(encodeCanonical(plain)));
  }
  t.match(
    errorOf(() => new Encoded(bytesOf('1817'))),
    { code: 'AS_ERR_CBOR_DECODE', details: { offset: 0 } },
  );
  t.match(
    errorOf(() => new Encoded(bytesOf('0000'))),
    { code: 'AS_ERR_CBOR_DECODE', details: { offset: 1 } },
  );
});

t.test('memberSlice: the bytes of one member', async (t) => {
  const data = { size: 2 ** 40, list: [1, [2, { x: 'ü' }], new Uint8Array(300)], name: 'a' };
  const map = encodeCanonical({ data, ü: null, aa: [], ['__proto__']: 1, z: 'data' });
  t.equal(hex(memberSlice(map, 'data') as Uint8Array), hex(encodeCanonical(data)));
  t.equal(hex(memberSlice(map, 'ü') as Uint8Array), 'f6');
  t.equal(hex(memberSlice(map, 'aa') as Uint8Array), '80');
  t.equal(hex(memberSlice(map, '__proto__') as Uint8Array), '01');
  t.equal(memberSlice(map, 'size'), undefined, 'members of members are not found');
  t.equal(memberSlice(bytesOf('a0'), 'a'), undefined);
  t.equal(memberSlice(map, 'data')?.buffer, map.buffer, 'a view');
  t.match(
    errorOf(() => memberSlice(bytesOf('8100'), 'a')),
    { code: 'AS_ERR_CBOR_DECODE', message: /not a map/ },
  );
  t.match(
    errorOf(() => memberSlice(bytesOf('a161611817'), 'a')),
    { code: 'AS_ERR_CBOR_DECODE', details: { offset: 3 } },
  );
});

t.test('keys met before: same slots, other keys', async (t) => {
  const keys = ['', 'ab', 'axb', 'ayb', 'a'.repeat(33), 'üb', 'Ã¼b', 'é', 'è'];
  const values = keys.map((key) => ({ [key]: key }));
  for (let round = 0; round < 3; round++) {
    t.strictSame(decodeCanonical(encodeCanonical([...values, ...values.toReversed()])), [
      ...values,
      ...values.toReversed(),
    ]);
  }
});

t.test('toJson', async (t) => {
  const value = {
    bytes: new Uint8Array([0xab, 1]),
    big: 2n ** 63n,
    small: 5n,
    low: -(2n ** 60n),
    list: [null, true, 'x', -1],
  };
  t.strictSame(toJson(value), {
    bytes: 'ab01',
    big: '9223372036854775808',
    small: 5,
    low: '-1152921504606846976',
    list: [null, true, 'x', -1],
  });
});

t.test('RFC 8949 Appendix F: malformed inputs', async (t) => {
  const file = join(VECTORS, 'rfc8949-appendix-f.json');
  if (!existsSync(file)) return t.comment('skipped: ../shared/vectors/cbor is not beside the checkout');
  const groups: Record<string, string[]> = JSON.parse(readFileSync(file, 'utf8')).notWellFormed;
  const inputs = Object.values(groups).flat();
  t.equal(inputs.length, 94);
  for (const input of inputs) t.equal(errorOf(() => decodeCanonical(bytesOf(input))).code, 'AS_ERR_CBOR_DECODE', input);
});

t.test('dag-cbor fixtures', async (t) => {
  const folder = join(VECTORS, 'dag-cbor/fixtures');
  if (!existsSync(folder)) return t.comment('skipped: ../shared/vectors/cbor is not beside the checkout');
  const outside = { tags: 0, floats: 0, integers: 0 };
  let accepted = 0;
  for (const { name } of readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
    const file = readdirSync(join(folder, name)).find((file) => file.endsWith('.dag-cbor'));
    if (!file) throw new Error(`the fixture ${name} has no .dag-cbor file`);
    const bytes = readFileSync(join(folder, name, file));
    const result = tryDecode(bytes);
    if (result instanceof ArtifactStoreError) {
      if (/tags are not allowed/.test(result.message)) outside.tags++;
      else if (/floating-point/.test(result.message)) outside.floats++;
      else if (/below -2\^63/.test(result.message)) outside.integers++;
      else t.fail(`${name}: ${result.message}`);
      continue;
    }
    accepted++;
    t.equal(hex(encodeCanonical(result)), hex(bytes), name);
  }
  t.comment(`${accepted} accepted; outside the profile: ${JSON.stringify(outside)}`);
  t.ok(accepted > 50, 'most fixtures are inside the profile');
  const negative = JSON.parse(
    readFileSync(join(VECTORS, 'dag-cbor/negative-fixtures/dag-cbor/decode/duplicate-keys.json'), 'utf8'),
  ) as { hex: string }[];
  for (const { hex: input } of negative) t.ok(tryDecode(bytesOf(input)) instanceof ArtifactStoreError, input);
});

function tryDecode(bytes: Uint8Array): CborValue | ArtifactStoreError {
  try {
    return decodeCanonical(bytes);
  } catch (error) {
    if (error instanceof ArtifactStoreError) return error;
    throw error;
  }
}
