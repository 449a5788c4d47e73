/** Manifests: their bytes are pinned, every rule refuses, random ones come back; names of packages; what is different between two. */

import { readFileSync } from 'node:fs';
import { encode as cborgEncode, rfc8949EncodeOptions } from 'cborg';
import t from 'tap';
import { type CborInput, encodeCanonical } from '../../lib/cbor/index.js';
import { isStoreError } from '../../lib/errors.js';
import { MANIFEST_ENTRIES_MAX } from '../../lib/limits.js';
import { diffManifests } from '../../lib/packages/diff.js';
import {
  decodeManifest,
  encodeManifest,
  findEntry,
  MANIFEST_SCHEMA,
  type Manifest,
  type ManifestEntry,
  manifestSize,
} from '../../lib/packages/manifest.js';
import * as names from '../../lib/packages/name.js';
import { type PackagePath, pathKey, pathOfKey } from '../../lib/packages/path.js';
import { randomSource } from '../events/random-events.js';

const GOLDEN = new URL('../../../test/golden/', import.meta.url);

const digest = (fill: number) => new Uint8Array(32).fill(fill);
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
const file = (path: PackagePath, more: object = {}): ManifestEntry => ({
  kind: 'file',
  path,
  size: 3,
  blake3: digest(1),
  sha256: digest(2),
  ...more,
});
const link = (path: PackagePath, target: PackagePath): ManifestEntry => ({ kind: 'symlink', path, target });
const folder = (path: PackagePath): ManifestEntry => ({ kind: 'directory', path });

/** One of everything, in the order of paths' bytes. */
const EVERYTHING: Manifest = {
  entries: [
    file('README.md', { mediaType: 'text/markdown' }),
    file('bin/run', { size: 4_294_967_296, executable: true }),
    link('bin/start', '../run now'),
    folder('empty'),
    file('sp ace\n"'),
    link('up', bytes('/tmp/\xff')),
    file(bytes('u\xcc\x88')), // u and U+0308: UTF-8, and not in NFC
    file('ü/水'),
    folder(bytes('\xff\xfe')),
  ],
  annotations: { 'build.commit': 'c0ffee', title: 'One of everything' },
};

t.test('the bytes are pinned, and a second implementation writes the same', (t) => {
  const encoded = encodeManifest(EVERYTHING);
  t.equal(Buffer.from(encoded).toString('hex'), readFileSync(new URL('manifest.hex', GOLDEN), 'utf8').trim());
  const value = { schema: MANIFEST_SCHEMA, ...EVERYTHING };
  t.ok(Buffer.from(encoded).equals(cborgEncode(value, rfc8949EncodeOptions)), 'cborg');
  t.same(decodeManifest(encoded), EVERYTHING);
  const none = encodeManifest({ entries: [] });
  t.equal(Buffer.from(none).toString('hex'), readFileSync(new URL('manifest-empty.hex', GOLDEN), 'utf8').trim());
  t.same(decodeManifest(none), { entries: [] });
  t.equal(manifestSize(EVERYTHING), 4_294_967_296 + 4 * 3);
  t.end();
});

t.test('one directory has one manifest, in whatever order and form its entries come', (t) => {
  const asBytes = ({ ...entry }: ManifestEntry) => {
    entry.path = Buffer.from(pathKey(entry.path), 'latin1');
    if (entry.kind === 'symlink') entry.target = Buffer.from(pathKey(entry.target), 'latin1');
    return entry;
  };
  const { annotations = {} } = EVERYTHING;
  const other = encodeManifest({ entries: EVERYTHING.entries.toReversed().map(asBytes), annotations });
  t.same(other, encodeManifest(EVERYTHING));
  const decomposed = encodeManifest({ entries: [file('u\u0308')] });
  t.same(decodeManifest(decomposed).entries[0]?.path, bytes('u\xcc\x88'), 'text outside NFC keeps its bytes');
  t.same(encodeManifest({ entries: [], annotations: {} }), encodeManifest({ entries: [] }), 'no annotations');
  t.end();
});

t.test('sizes and paths of every length are written as another encoder does', (t) => {
  const sizes = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const lengths = [1, 23, 24, 255, 256, 4000];
  const path = (length: number, n: number) =>
    `${n}`.padEnd(length, 'parts of a path/').replace(/\/$/, '_').slice(0, length);
  const entries = lengths.flatMap((length, l) =>
    sizes.map((size, s) => file(path(length, l * 10 + s), { size, ...(s % 2 === 0 && { executable: true }) })),
  );
  const encoded = encodeManifest({ entries: entries.filter(({ path }, n) => n % 10 === 0 || String(path).length > 1) });
  const { entries: decoded } = decodeManifest(encoded);
  t.ok(decoded.length > 50);
  const value = { schema: MANIFEST_SCHEMA, entries: decoded };
  t.ok(Buffer.from(encoded).equals(cborgEncode(value, rfc8949EncodeOptions)));
  t.end();
});

t.test('an entry is found by its path', (t) => {
  for (const entry of EVERYTHING.entries) t.equal(findEntry(EVERYTHING, entry.path), entry);
  for (const path of ['', 'bin', 'bin/rum', 'README.md/', 'zzz', 'A', bytes('\xff')])
    t.equal(findEntry(EVERYTHING, path), undefined, String(path));
  t.end();
});

t.test('every rule refuses, and says where', (t) => {
  const good = { kind: 'file', path: 'a', size: 1, blake3: digest(1), sha256: digest(2) };
  const { size: _, ...sizeless } = good;
  const refused: [reason: RegExp, entries: CborInput, path?: string][] = [
    [/the path is absolute/, [{ ...good, path: '/etc/passwd' }], '/etc/passwd'],
    [/"\.\."/, [{ ...good, path: '../x' }], '../x'],
    [/"\.\."/, [{ ...good, path: 'a/../../x' }], 'a/../../x'],
    [/"\.\."/, [{ ...good, path: 'a/..' }], 'a/..'],
    [/"\."/, [{ ...good, path: './a' }], './a'],
    [/"\."/, [{ ...good, path: 'a/./b' }]],
    [/empty/, [{ ...good, path: 'a//b' }]],
    [/empty/, [{ ...good, path: 'a/' }]],
    [/the path is empty/, [{ ...good, path: '' }]],
    [/NUL/, [{ ...good, path: 'a\0b' }], 'a\\u0000b'],
    [/NUL/, [{ ...good, path: bytes('\xff\0') }]],
    [/a part of the path is longer than 255 bytes/, [{ ...good, path: `a/${'x'.repeat(256)}` }]],
    [/longer than 4095 bytes/, [{ ...good, path: 'x/'.repeat(2048) }]],
    [/could be text/, [{ ...good, path: bytes('a') }], 'a'],
    [/could be text/, [{ kind: 'symlink', path: 'a', target: bytes('b') }], 'a'],
    [/there twice/, [good, good], 'a'],
    [/out of order/, [{ ...good, path: 'b' }, good], 'a'],
    [
      /out of order/,
      [
        { ...good, path: 'a/b' },
        { ...good, path: 'a-b' },
      ],
      'a-b',
    ],
    [/lies in "a"/, [good, { ...good, path: 'a-b' }, { ...good, path: 'a/b' }], 'a/b'],
    [
      /lies in "a"/,
      [
        { kind: 'symlink', path: 'a', target: '/etc' },
        { ...good, path: 'a/b/c' },
      ],
      'a/b/c',
    ],
    [
      /lies in "a\/b"/,
      [
        { ...good, path: 'a/b' },
        { ...good, path: 'a/b/c' },
      ],
      'a/b/c',
    ],
    [
      /lies in "a"/,
      [
        { kind: 'directory', path: 'a' },
        { ...good, path: 'a/b' },
      ],
      'a/b',
    ],
    [/its kind is not file/, [{ ...good, kind: 'device' }], 'a'],
    [/its kind is not file/, [{ ...good, kind: 'toString' }]],
    [/its kind is not file/, [{ ...good, kind: 1 }]],
    [/it is not a map/, [[]]],
    [/it is not a map/, [null]],
    [/it has no size/, [sizeless], 'a'],
    [/it has no path/, [{ kind: 'directory' }]],
    [/no member "mode"/, [{ ...good, mode: 420 }]],
    [/no member "target"/, [{ ...good, target: 'b' }]],
    [/no member "__proto__"/, [{ ...good, ['__proto__']: 1 }]],
    [/no member "size"/, [{ kind: 'directory', path: 'a', size: 0 }]],
    [/its path is not text or bytes/, [{ ...good, path: 1 }]],
    [/its size is not a number of bytes/, [{ ...good, size: -1 }]],
    [/its size is not a number of bytes/, [{ ...good, size: 2n ** 60n }]],
    [/its blake3 is not 32 bytes/, [{ ...good, blake3: new Uint8Array(31) }]],
    [/its sha256 is not 32 bytes/, [{ ...good, sha256: 'ab' }]],
    [/its executable is not true/, [{ ...good, executable: false }]],
    [/its mediaType is not text/, [{ ...good, mediaType: '' }]],
    [/its target is empty/, [{ kind: 'symlink', path: 'a', target: '' }]],
    [/its target has a NUL/, [{ kind: 'symlink', path: 'a', target: 'b\0' }]],
    [/its target is longer/, [{ kind: 'symlink', path: 'a', target: 'b'.repeat(4096) }]],
  ];
  for (const [reason, entries, path] of refused) {
    const error = { code: 'AS_ERR_MANIFEST', message: reason, ...(path !== undefined && { details: { path } }) };
    t.throws(() => decodeManifest(encodeCanonical({ schema: MANIFEST_SCHEMA, entries })), error, String(reason));
  }
  const schema = MANIFEST_SCHEMA;
  const whole: [reason: RegExp, bytes: Uint8Array][] = [
    [/its schema is not/, encodeCanonical({ entries: [] })],
    [/its schema is not/, encodeCanonical({ schema: 'artifactstore.manifest.v2', entries: [] })],
    [/no array of entries/, encodeCanonical({ schema })],
    [/no array of entries/, encodeCanonical({ schema, entries: {} })],
    [/a member "name"/, encodeCanonical({ schema, entries: [], name: 'a' })],
    [/not a map of text/, encodeCanonical({ schema, entries: [], annotations: { a: 1 } })],
    [/not a map of text/, encodeCanonical({ schema, entries: [], annotations: ['a'] })],
    [/annotations are empty/, encodeCanonical({ schema, entries: [], annotations: {} })],
    [/it is not a map/, encodeCanonical([])],
    [/not canonical CBOR/, new Uint8Array(Buffer.from('{"schema":"…"}'))],
    [/not canonical CBOR/, new Uint8Array([...encodeManifest({ entries: [] }), 0])],
  ];
  for (const [reason, encoded] of whole) {
    t.throws(() => decodeManifest(encoded), { code: 'AS_ERR_MANIFEST', message: reason }, String(reason));
  }
  t.throws(
    () => encodeManifest({ entries: [file('a'), file('a/b')] }),
    { code: 'AS_ERR_MANIFEST' },
    'encoding refuses too',
  );
  t.throws(() => encodeManifest({ entries: new Array(MANIFEST_ENTRIES_MAX + 1) }), { code: 'AS_ERR_LIMIT' });
  t.end();
});

t.test('random trees come back, and their manifests are those of any other order', (t) => {
  const random = randomSource(5);
  for (let round = 0; round < 200; round++) {
    const entries = randomEntries(random);
    const encoded = encodeManifest({ entries });
    const { entries: decoded } = decodeManifest(encoded);
    t.equal(decoded.length, entries.length);
    t.same(encodeManifest({ entries: decoded }), encoded, `round ${round}`);
    const value = { schema: MANIFEST_SCHEMA, entries: decoded };
    t.ok(Buffer.from(encoded).equals(cborgEncode(value, rfc8949EncodeOptions)), 'cborg');
    const keys = decoded.map(({ path }) => Buffer.from(pathKey(path), 'latin1'));
    t.ok(
      keys.every((key, at) => at === 0 || Buffer.compare(keys[at - 1] as Buffer, key) < 0),
      'in the order of bytes',
    );
    for (const { path } of entries) t.ok(findEntry({ entries: decoded }, path));
  }
  t.end();
});

t.test('a damaged manifest is refused, or is another that is right', (t) => {
  const random = randomSource(6);
  const encoded = encodeManifest(EVERYTHING);
  let [refused, accepted] = [0, 0];
  for (let round = 0; round < 4000; round++) {
    const damaged = encoded.slice();
    for (let n = 0; n <= random(2); n++) damaged[random(damaged.length)] = random(256);
    try {
      const manifest = decodeManifest(damaged);
      if (Buffer.compare(encodeManifest(manifest), damaged) !== 0)
        throw new Error(Buffer.from(damaged).toString('hex'));
      accepted++;
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_MANIFEST')) throw error;
      refused++;
    }
  }
  t.ok(refused > 400 && accepted > 400, `${refused} refused, ${accepted} accepted`);
  t.end();
});

t.test('what turns one package into another', (t) => {
  const before = { entries: [file('a'), file('b'), file('c'), link('d', 'x'), folder('e'), file('f')] };
  const changed = [file('b', { executable: true }), file('c', { blake3: digest(9) }), link('d', 'y'), file('e')];
  const after = decodeManifest(encodeManifest({ entries: [...changed, file('f'), file('g')] }));
  const summary = diffManifests(before, after).map(({ path, change }) => `${change} ${path}`);
  t.same(summary, ['removed a', 'changed b', 'changed c', 'changed d', 'changed e', 'added g']);
  t.same(diffManifests(before, before), []);
  t.same(diffManifests({ entries: [] }, before).length, 6);
  t.match(diffManifests(before, { entries: [] })[0], { change: 'removed', before: { path: 'a' }, after: undefined });
  t.end();
});

t.test('names', (t) => {
  const address = `blake3:${'0af9'.repeat(16)}`;
  const named = { namespace: 'acme', name: 'build-tools' };
  t.same(names.parsePackage('acme/build-tools'), { ...named, ref: 'latest' });
  t.same(names.parsePackage('acme/build-tools:Stable_1.x'), { ...named, ref: 'Stable_1.x' });
  t.same(names.parsePackage('acme/build-tools@1.0.0-rc.1+b7'), { ...named, version: '1.0.0-rc.1+b7' });
  t.same(names.parsePackage(`acme/build-tools@${address}`), { ...named, version: address });
  t.same(names.parsePackageName('a_b.c--d/0'), { namespace: 'a_b.c--d', name: '0' });
  for (const text of ['acme/build-tools', 'acme/build-tools:r', 'acme/build-tools@v', `acme/build-tools@${address}`]) {
    const parsed = text === 'acme/build-tools' ? names.parsePackageName(text) : names.parsePackage(text);
    t.equal(names.formatPackage(parsed), text);
  }
  const longest = `${'n'.repeat(64)}/${'m'.repeat(128)}@${'v'.repeat(128)}`;
  t.equal(names.formatPackage(names.parsePackage(longest)), longest);
  const wrong = ['', 'acme', '/x', 'acme/', 'a/b/c', 'Acme/x', 'acme/X', '-a/x', 'a-/x', 'acme/x:', 'acme/x@', 'a b/x'];
  const marks = [
    'a/x:-r',
    'a/x:.r',
    'a/x:a+b',
    'a/x@+1',
    'a/x@a/b',
    'a/x@..',
    'a/x:a:b',
    'a/x@1:r',
    'a/x:r\n',
    'a/x@blake3:ab',
  ];
  const long = [`${'n'.repeat(65)}/x`, `n/${'m'.repeat(129)}`, `n/m:${'r'.repeat(129)}`, `n/m@${'r'.repeat(129)}`];
  for (const text of [...wrong, ...marks, ...long, `a/x:${address}`, 'ä/x', `a/x@sha256:${'0'.repeat(64)}`]) {
    t.throws(() => names.parsePackage(text), { code: 'AS_ERR_INVALID_ARGUMENT' }, JSON.stringify(text));
    t.equal(names.versionOf(text) ?? names.refOf(text), undefined);
  }
  t.throws(() => names.parsePackageName('a/x:r'), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.throws(() => names.requireNamespace('a/x'), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.equal(names.versionOf('a/x') ?? names.refOf('a/x'), undefined, 'an event is about a version or a ref, always');
  t.end();
});

/** Paths that meet: shared folders, bytes of all kinds, and nothing below what is no folder. */
function randomEntries(random: (below: number) => number): ManifestEntry[] {
  const parts = ['a', 'b', 'a-', 'a.', 'ü', 'u\xcc\x88', '\xff', '水', '\xed\xa0\x80', '..a', '~'].map((text) =>
    /[\u0100-\uffff]|ü/.test(text) ? Buffer.from(text).toString('latin1') : text,
  );
  const keys = new Set<string>();
  for (let n = random(30); n > 0; n--) {
    keys.add(Array.from({ length: 1 + random(3) }, () => parts[random(parts.length)]).join('/'));
  }
  const leaves = [...keys].filter((key) => ![...keys].some((other) => other.startsWith(`${key}/`)));
  return leaves.map((key) => {
    const path = pathOfKey(key);
    switch (random(4)) {
      case 0:
        return link(path, pathOfKey(parts[random(parts.length)] as string));
      case 1:
        return folder(path);
      default:
        return file(path, { size: random(1000), ...(random(2) === 0 && { executable: true }) });
    }
  });
}
