/** Packages over HTTP: versions published from manifests and from archives, refs with preconditions, files by their path, the whole as an archive. */

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { pack } from 'tar-stream';
import { decodeCanonical } from '../../lib/cbor/index.js';
import { ARCHIVE_FILE_HELD_MAX, INFLATED_FREE_SIZE, ZSTD_WINDOW_SIZE_MAX } from '../../lib/limits.js';
import { damage, placeName, RawClient, type Reply, type Service, serve, stagedFiles, until } from './support.js';

const CBOR = { 'content-type': 'application/cbor' };
const JSON_TYPE = { 'content-type': 'application/json' };
const BASE = '/v1/packages/acme/tools';

/** A service with two directories as packages. */
async function furnished(t: Test): Promise<Service & { first: string; second: string }> {
  const service = await serve(t);
  const folder = t.testdir();
  await mkdir(join(folder, 'bin'));
  await writeFile(join(folder, 'bin/run'), '#!/bin/sh\n');
  await chmod(join(folder, 'bin/run'), 0o755);
  await writeFile(join(folder, 'a b#ü.txt'), 'odd name\n');
  await symlink('bin/run', join(folder, 'link'));
  const { manifest: first } = await service.store.packages.push(folder, 'acme/tools@1.0.0');
  await writeFile(join(folder, 'bin/run'), '#!/bin/sh\necho\n');
  const { manifest: second } = await service.store.packages.push(folder, 'acme/tools@2.0.0', { refs: ['latest'] });
  return { ...service, first, second };
}

function isProblem(t: Test, { status, json, headers }: Reply, expected: number, code: string, about = code) {
  t.equal(status, expected, about);
  t.equal(headers['content-type'], 'application/problem+json');
  t.equal(json.code, code);
}

t.test('versions and manifests', async (t) => {
  const { call, first, second } = await furnished(t);
  for (const path of ['/v1/packages', '/v1/packages/acme', BASE]) {
    const { status, json } = await call('GET', path);
    t.equal(status, 200, path);
    t.strictSame(
      json.packages.map(({ version }: { version: string }) => version),
      ['1.0.0', '2.0.0'],
    );
  }
  const page = await call('GET', `${BASE}?limit=1`);
  const next = await call('GET', `${BASE}?limit=1&cursor=${encodeURIComponent(page.json.next)}`);
  t.equal(next.json.packages[0].version, '2.0.0', 'page by page');
  t.strictSame((await call('GET', '/v1/packages/nobody')).json, { packages: [] });
  t.match((await call('GET', `${BASE}/versions/1.0.0`)).json, { version: '1.0.0', manifest: first, entries: 3 });
  t.match((await call('GET', `${BASE}/versions/${second}`)).json, { version: '2.0.0' }, 'by the manifest too');
  isProblem(t, await call('GET', `${BASE}/versions/3.0.0`), 404, 'AS_ERR_NOT_FOUND');
  isProblem(t, await call('GET', '/v1/packages/ACME/x/versions/1'), 400, 'AS_ERR_INVALID_ARGUMENT');
  isProblem(t, await call('POST', `${BASE}/versions/1.0.0`), 405, 'AS_ERR_HTTP_METHOD');

  const shown = await call('GET', `${BASE}/versions/1.0.0/manifest`);
  t.match(shown.json, {
    manifest: first,
    entries: [{ path: 'a b#ü.txt' }, { path: 'bin/run', executable: true }, { kind: 'symlink' }],
  });
  const exact = await call('GET', `${BASE}/versions/1.0.0/manifest`, { headers: { accept: 'application/cbor' } });
  t.equal(exact.headers['content-type'], 'application/cbor');
  t.equal(exact.headers.etag, `"${first}"`);
  t.match(decodeCanonical(exact.bytes), { schema: 'artifactstore.manifest.v1' });
});

t.test('files by their path', async (t) => {
  const { call } = await furnished(t);
  const file = `${BASE}/versions/2.0.0/files/bin/run`;
  const whole = await call('GET', file);
  t.strictSame([whole.status, whole.bytes.toString()], [200, '#!/bin/sh\necho\n']);
  t.match(whole.headers['content-location'], /^\/v1\/objects\/blake3:[0-9a-f]{64}$/);
  t.match(whole.headers['cache-control'], /immutable/);
  const part = await call('GET', file, { headers: { range: 'bytes=2-4' } });
  t.strictSame([part.status, part.bytes.toString()], [206, '/bi']);
  t.equal((await call('GET', file, { headers: { 'if-none-match': String(whole.headers.etag) } })).status, 304);
  t.equal((await call('HEAD', file)).headers['content-length'], '15');
  t.equal((await call('GET', `${BASE}/versions/1.0.0/files/${encodeURIComponent('a b#ü.txt')}`)).status, 200);
  t.equal((await call('GET', `${BASE}/versions/1.0.0/files/bin%2Frun`)).status, 200, 'an escaped slash is one too');
  const byRef = await call('GET', `${BASE}/refs/latest/files/bin/run`);
  t.equal(byRef.bytes.toString(), '#!/bin/sh\necho\n');
  t.equal(byRef.headers['cache-control'], 'no-cache', 'a ref may point elsewhere tomorrow');
  for (const path of ['none', 'bin', 'link', 'bin/run/', '%2e%2e/x', 'bin/..%2Fbin/run', '%00']) {
    const reply = await call('GET', `${BASE}/versions/2.0.0/files/${path}`);
    t.ok([400, 404].includes(reply.status), `${path}: ${reply.status}`);
  }
});

t.test('a package of one file, and a ref at an object', async (t) => {
  const { call, store } = await furnished(t);
  const { blake3, sha256 } = await store.put(Buffer.from('one object'));
  const ref = '/v1/packages/acme/one/refs/now';
  const move = (body: object) => call('PUT', ref, { headers: JSON_TYPE, body: JSON.stringify(body) });
  const made = await move({ object: blake3 });
  t.equal(made.status, 201);
  t.equal((await move({ object: sha256 })).status, 200);
  const byRef = await call('GET', `${ref}/file`);
  t.match([byRef.status, byRef.bytes.toString(), byRef.headers['cache-control']], [200, 'one object', 'no-cache']);
  t.equal(byRef.headers['content-location'], `/v1/objects/${blake3}`);
  const part = await call('GET', `/v1/packages/acme/one/versions/${made.json.target}/file`, {
    headers: { range: 'bytes=4-' },
  });
  t.match([part.status, part.bytes.toString()], [206, 'object']);
  isProblem(t, await call('GET', `${BASE}/versions/1.0.0/file`), 400, 'AS_ERR_INVALID_ARGUMENT', 'it has three');
  isProblem(t, await move({ object: blake3, version: '1' }), 400, 'AS_ERR_HTTP_REQUEST', 'two things');
  isProblem(t, await move({}), 400, 'AS_ERR_HTTP_REQUEST', 'nothing');
  isProblem(
    t,
    await move({ object: blake3.slice(0, 20) }),
    400,
    'AS_ERR_INVALID_DIGEST',
    'a prefix would be a way to guess',
  );
  isProblem(t, await move({ object: `blake3:${'0'.repeat(64)}` }), 404, 'AS_ERR_NOT_FOUND');
});

t.test('publishing a manifest', async (t) => {
  const { call, store, first } = await furnished(t);
  const bytes = Buffer.from(await (await store.get(first)).bytes());
  const published = await call('PUT', '/v1/packages/acme/copy/versions/1', { headers: CBOR, body: bytes });
  t.equal(published.status, 201);
  t.match(published.json, {
    namespace: 'acme',
    name: 'copy',
    version: '1',
    manifest: first,
    published: true,
    stored: 0,
  });
  t.equal(published.headers.location, '/v1/packages/acme/copy/versions/1');
  const again = await call('PUT', '/v1/packages/acme/copy/versions/1', { headers: CBOR, body: bytes });
  t.match([again.status, again.json.published, again.json.events], [200, false, []]);
  const byAddress = await call('PUT', `/v1/packages/acme/other/versions/${first}`, { headers: CBOR, body: bytes });
  t.equal(byAddress.status, 201, 'without a version of its own');
  isProblem(t, await call('PUT', `${BASE}/versions/2.0.0`, { headers: CBOR, body: bytes }), 409, 'AS_ERR_CONFLICT');
  isProblem(
    t,
    await call('PUT', '/v1/packages/acme/x/versions/1', { headers: JSON_TYPE, body: '{}' }),
    415,
    'AS_ERR_HTTP_REQUEST',
  );
  const broken = { headers: CBOR, body: bytes.subarray(0, -1) };
  t.ok([400, 422].includes((await call('PUT', '/v1/packages/acme/x/versions/1', broken)).status), 'not a manifest');

  const run = (await store.packages.open(first)).entries.find(({ path }) => path === 'bin/run');
  const object = `/v1/objects/blake3:${Buffer.from((run as { blake3: Uint8Array }).blake3).toString('hex')}`;
  const needed = await call('DELETE', object);
  isProblem(t, needed, 409, 'AS_ERR_IN_USE');
  t.ok(Array.isArray(needed.json.packages) && needed.json.packages.length > 0, 'it says which packages');
  t.equal((await call('DELETE', `${object}?force=1`)).status, 200);
  const lacking = await call('PUT', '/v1/packages/acme/x/versions/1', { headers: CBOR, body: bytes });
  isProblem(t, lacking, 422, 'AS_ERR_MANIFEST');
  t.equal(lacking.json.count, 1);
  t.match(lacking.json.missing, [/^blake3:/]);
  isProblem(t, await call('GET', '/v1/packages/acme/x/versions/1'), 404, 'AS_ERR_NOT_FOUND', 'nothing was published');
});

t.test('refs and their preconditions', async (t) => {
  const { call, first, second } = await furnished(t);
  const stable = `${BASE}/refs/stable`;
  const move = (version: string, headers = {}, more = {}) =>
    call('PUT', stable, { headers: { ...JSON_TYPE, ...headers }, body: JSON.stringify({ version, ...more }) });
  isProblem(t, await move('1.0.0', { 'if-match': `"${first}"` }), 412, 'AS_ERR_HTTP_PRECONDITION', 'there is none yet');
  const made = await move('1.0.0', { 'if-none-match': '*' });
  t.strictSame([made.status, made.headers.etag, made.json.target], [201, `"${first}"`, first]);
  isProblem(t, await move('2.0.0', { 'if-none-match': '*' }), 412, 'AS_ERR_HTTP_PRECONDITION');
  isProblem(t, await move('2.0.0', { 'if-match': `"${second}"` }), 412, 'AS_ERR_HTTP_PRECONDITION');
  isProblem(t, await move('2.0.0', { 'if-match': 'W/"x"' }), 400, 'AS_ERR_HTTP_REQUEST');
  isProblem(t, await move('9.9.9'), 404, 'AS_ERR_NOT_FOUND');
  isProblem(t, await move('1.0.0', {}, { misspelt: true }), 400, 'AS_ERR_HTTP_REQUEST');
  const moved = await move('2.0.0', { 'if-match': `"${first}"` });
  t.strictSame([moved.status, moved.json.target], [200, second]);
  t.equal((await call('GET', stable, { headers: { 'if-none-match': `"${second}"` } })).status, 304);
  t.strictSame(
    (await call('GET', `${BASE}/refs`)).json.refs.map(({ ref }: { ref: string }) => ref),
    ['latest', 'stable'],
  );
  isProblem(
    t,
    await call('DELETE', stable, { headers: { 'if-match': `"${first}"` } }),
    412,
    'AS_ERR_HTTP_PRECONDITION',
  );
  t.equal((await call('DELETE', `${stable}?reason=done`, { headers: { 'if-match': `"${second}"` } })).status, 200);
  isProblem(t, await call('GET', stable), 404, 'AS_ERR_NOT_FOUND');
  t.equal((await move('1.0.0', {}, { immutable: true })).status, 201);
  isProblem(t, await move('2.0.0'), 409, 'AS_ERR_CONFLICT', 'it is immutable');
  isProblem(t, await call('DELETE', stable), 409, 'AS_ERR_CONFLICT');
});

t.test('a token of one namespace', async (t) => {
  const { call, store } = await serve(t, { auth: 'required' });
  const { token } = await store.tokens.create({ holder: 'ci', scopes: ['read', 'write'], namespaces: ['acme'] });
  const headers = { authorization: `Bearer ${token}` };
  t.equal((await call('GET', '/v1/packages/acme', { headers })).status, 200);
  isProblem(t, await call('GET', '/v1/packages/other', { headers }), 403, 'AS_ERR_FORBIDDEN');
  isProblem(t, await call('GET', '/v1/packages', { headers }), 403, 'AS_ERR_FORBIDDEN');
});

const run = promisify(execFile);
const TAR = { 'content-type': 'application/x-tar' };
const MIB = 1024 * 1024;

/** One entry of an archive as it stands there: header fields may be anything. */
interface Raw {
  name?: string | Buffer;
  type?: string;
  body?: Buffer;
  link?: string | Buffer;
  mode?: number;
  /** In place of the octal size. */
  size?: Buffer;
  magic?: string;
}

/** An archive of just these entries, with what ends one. */
function tar(entries: Raw[], end = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.flatMap(blocks), end]);
}

function blocks({
  name = 'file',
  type = '0',
  body = Buffer.alloc(0),
  link = '',
  mode = 0o644,
  size,
  magic = 'ustar\x0000',
}: Raw) {
  const header = Buffer.alloc(512);
  header.set(Buffer.from(name as string), 0);
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  header.set(size ?? Buffer.from(`${body.length.toString(8).padStart(11, '0')}\0`), 124);
  header.write(`${'0'.repeat(11)}\0`, 136);
  header.write(' '.repeat(8), 148);
  header.write(type, 156);
  header.set(Buffer.from(link as string), 157);
  header.write(magic, 257, 'latin1');
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return [header, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
}

/** An extended header for the entry behind it. */
function pax(records: Record<string, string | Buffer>): Raw {
  const body = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) length++;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return { name: 'PaxHeaders/x', type: 'x', body: Buffer.concat(body) };
}

/** A frame of zstd with its bytes as they are, in blocks of this size. */
function zstdRaw(bytes: Buffer, { block = 100_000, window = 0x60 } = {}): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, window])];
  for (let at = 0; at < bytes.length || at === 0; at += block) {
    const part = bytes.subarray(at, at + block);
    const header = (part.length << 3) | (at + block >= bytes.length ? 1 : 0);
    parts.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16]), part);
  }
  return Buffer.concat(parts);
}

/** What makes an archive: a directory with everything in it that a package can hold. */
async function directory(t: Test): Promise<string> {
  const folder = join(t.testdir({ unpacked: {} }), 'tree');
  await mkdir(join(folder, 'bin/deep'), { recursive: true });
  await mkdir(join(folder, 'empty/er'), { recursive: true });
  await writeFile(join(folder, 'bin/run'), '#!/bin/sh\n');
  await chmod(join(folder, 'bin/run'), 0o755);
  await link(join(folder, 'bin/run'), join(folder, 'hard'));
  await symlink('../../bin/run', join(folder, 'bin/deep/link'));
  await symlink(`${'x/'.repeat(60)}y`, join(folder, 'long-target'));
  await writeFile(join(folder, 'grö\u00dfe.txt'), 'ümläut');
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x72, 0xe9, 0xff])]), 'not UTF-8');
  await mkdir(join(folder, 'd'.repeat(120)));
  await writeFile(join(folder, 'd'.repeat(120), 'n'.repeat(200)), 'long names');
  await writeFile(join(folder, 'none'), '');
  await writeFile(join(folder, 'large'), randomBytes(3 * MIB + 5));
  await writeFile(join(folder, 'held'), randomBytes(ARCHIVE_FILE_HELD_MAX));
  for (let n = 0; n < 40; n++) await writeFile(join(folder, `bin/f${n}`), `content ${n % 30}`);
  return folder;
}

/** Nothing has been recorded. */
async function isEmpty(t: Test, { store, path }: Service) {
  t.equal((await store.events()).length, 0, 'no event');
  t.equal((await store.packages.list()).packages.length, 0, 'no package');
  t.strictSame(await stagedFiles(path), [], 'nothing in staging');
}

t.test('an archive in one request, and back', async (t) => {
  const service = await serve(t);
  const { call, store } = service;
  const folder = await directory(t);
  const { manifest } = await store.packages.push(folder, 'acme/pushed@1');
  for (const { blake3 } of (await store.list()).objects) await store.delete(blake3, { force: true });
  const form = async (...options: string[]) => {
    const { stdout } = await run('tar', ['-c', ...options, '-C', folder, '.'], {
      encoding: 'buffer',
      maxBuffer: 64 * MIB,
    });
    return stdout;
  };
  const plain = await form();
  const zstd = await run('zstd', ['--version']).then(
    async () => {
      await writeFile(join(folder, '../archive.tar'), plain);
      return (
        await run('zstd', ['-19', '-q', '-c', join(folder, '../archive.tar')], {
          encoding: 'buffer',
          maxBuffer: 64 * MIB,
        })
      ).stdout;
    },
    () => zstdRaw(plain),
  );
  const ways: [string, Buffer, Record<string, string>][] = [
    ['GNU tar', plain, TAR],
    ['pax, with times', await form('--format=posix'), TAR],
    ['gzip by its type', gzipSync(plain), { 'content-type': 'application/gzip' }],
    ['gzip by coding', gzipSync(plain), { ...TAR, 'content-encoding': 'gzip' }],
    [
      'two members of gzip',
      Buffer.concat([gzipSync(plain.subarray(0, 5000)), gzipSync(plain.subarray(5000))]),
      { 'content-type': 'application/x-tgz' },
    ],
    ['zstd by its type', zstd, { 'content-type': 'application/zstd' }],
    ['zstd by coding', zstd, { ...TAR, 'content-encoding': 'zstd' }],
    [
      'zstd, frames and a skippable one',
      Buffer.concat([
        zstdRaw(plain.subarray(0, 70_000)),
        Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]),
        zstdRaw(plain.subarray(70_000), { block: 17 * 1024 }),
      ]),
      { 'content-type': 'application/x-tar+zstd' },
    ],
    ['both', gzipSync(gzipSync(plain)), { 'content-type': 'application/gzip', 'content-encoding': 'gzip' }],
  ];
  for (const [way, body, headers] of ways) {
    // A pax header is UTF-8 by its standard, so one with a name that is not is another archive.
    if (way.startsWith('pax')) {
      isProblem(
        t,
        await call('PUT', '/v1/packages/acme/tar/versions/pax', { headers, body }),
        422,
        'AS_ERR_ARCHIVE',
        way,
      );
      continue;
    }
    const version = way.replace(/\W+/g, '-');
    const target = `/v1/packages/acme/tar/versions/${version}`;
    const reply = await call('PUT', target, { headers, body: Readable.from(cut(body, 60_001)) });
    t.equal(reply.status, 201, `${way}: ${reply.json?.detail ?? ''}`);
    t.match(reply.json, { version, manifest, published: true }, 'the same directory is the same package');
    t.equal((await call('PUT', target, { headers, body })).status, 200, 'once more is nothing new');
  }
  const { objects } = await store.list({ state: 'live' });
  for (const { blake3 } of objects) t.equal((await store.verify(blake3)).status, 'intact');

  const target = '/v1/packages/acme/tar/versions/GNU-tar/tar';
  const whole = await call('GET', target);
  t.match(whole.headers, {
    'content-type': 'application/x-tar',
    'content-length': String(whole.bytes.length),
    etag: `"${manifest}.tar"`,
    'cache-control': /immutable/,
    'content-disposition': 'attachment; filename="tar-GNU-tar.tar"',
    vary: 'Accept-Encoding',
  });
  t.ok(
    (await call('GET', `/v1/packages/acme/tar/versions/${manifest}/tar`)).bytes.equals(whole.bytes),
    'the same bytes each time',
  );
  const out = join(folder, '..');
  await writeFile(join(out, 'whole.tar'), whole.bytes);
  await run('tar', ['-x', '-f', join(out, 'whole.tar'), '-C', join(out, 'unpacked')]);
  await run('diff', ['-r', '--no-dereference', folder, join(out, 'unpacked')]);
  t.equal(
    (await store.packages.push(join(out, 'unpacked'), 'acme/again@1')).manifest,
    manifest,
    'GNU tar makes the directory of it',
  );
  const taken = await call('PUT', '/v1/packages/acme/tar/versions/round', { headers: TAR, body: whole.bytes });
  t.equal(taken.json.manifest, manifest, 'and so does the service');

  const zipped = await call('GET', target, { headers: { 'accept-encoding': 'br, gzip;q=0.5' } });
  t.match(zipped.headers, { 'content-encoding': 'gzip', etag: `"${manifest}.tar.gz"`, 'content-length': undefined });
  t.ok(gunzipSync(zipped.bytes).equals(whole.bytes));
  t.equal(
    (await call('GET', target, { headers: { 'accept-encoding': 'gzip;q=0, *' } })).headers['content-encoding'],
    undefined,
  );
  t.equal((await call('GET', target, { headers: { 'if-none-match': `"${manifest}.tar"` } })).status, 304);
  isProblem(t, await call('GET', target, { headers: { 'if-match': '"other"' } }), 412, 'AS_ERR_HTTP_PRECONDITION');
  t.match(await call('HEAD', target), { status: 200, headers: { 'content-length': String(whole.bytes.length) } });
  await store.packages.moveRef('acme/tar:latest', 'acme/tar@GNU-tar');
  const byRef = await call('GET', '/v1/packages/acme/tar/refs/latest/tar');
  t.equal(byRef.headers['cache-control'], 'no-cache');
  t.ok(byRef.bytes.equals(whole.bytes));
  isProblem(t, await call('GET', '/v1/packages/acme/tar/versions/none/tar'), 404, 'AS_ERR_NOT_FOUND');
});

function* cut(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

t.test('archives by another library', async (t) => {
  const { call } = await serve(t);
  const archive = pack();
  archive.entry({ name: 'a/b', mode: 0o755 }, 'one');
  archive.entry({ name: `${'long/'.repeat(40)}ü` }, 'two');
  archive.entry({ name: 'a/link', type: 'symlink', linkname: 'b' });
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  const reply = await call('PUT', '/v1/packages/acme/x/versions/1', { headers: TAR, body: Buffer.concat(chunks) });
  t.match(reply.json, { entries: 3, size: 6, stored: 3 });
  const { entries } = (await call('GET', '/v1/packages/acme/x/versions/1/manifest')).json;
  t.match(entries, [{ path: 'a/b', executable: true }, { path: 'a/link', target: 'b' }, { path: /ü$/ }]);
  const none = await call('PUT', '/v1/packages/acme/x/versions/none', { headers: TAR, body: Buffer.alloc(10_240) });
  t.match(none.json, { entries: 0, size: 0 }, 'an empty one is an empty package');
});

t.test('archives with tricks', async (t) => {
  const service = await serve(t);
  const { call } = service;
  const first = { name: 'first', body: randomBytes(1000) };
  const file = (name: string | Buffer): Raw => ({ name, body: Buffer.from('x') });
  const big = (value: bigint) => {
    const bytes = Buffer.alloc(12);
    bytes[0] = 0x80;
    bytes.writeBigUInt64BE(value, 4);
    return bytes;
  };
  const tricks: [string, Raw[] | Buffer, RegExp][] = [
    ['an absolute path', [file('/etc/passwd')], /absolute/],
    ['a way up', [file('../up')], /\.\./],
    ['a way up in between', [file('a/../../up')], /\.\./],
    ['a way up in a pax header', [pax({ path: 'a/../../up' }), file('short')], /\.\./],
    ['a NUL in a pax path', [pax({ path: 'a\0b' }), file('short')], /NUL/],
    ['no name', [file('')], /empty/],
    ['a name of only dots', [file('./.')], /empty/],
    ['a pax path that is not UTF-8', [pax({ path: Buffer.from([0x61, 0xff]) }), file('short')], /UTF-8/],
    ['a part that is too long', [pax({ path: 'n'.repeat(256) }), file('short')], /longer than 255/],
    ['a path that is too long', [pax({ path: `${'n/'.repeat(2100)}n` }), file('short')], /longer than 4095/],
    ['a name that comes twice', [file('a'), file('b'), file('a')], /already/],
    ['a name that comes twice, written otherwise', [file('a/b'), file('./a//b')], /already/],
    ['a file and a directory', [file('a'), { name: 'a/', type: '5' }], /already/],
    ['something below a file', [file('a'), file('a/b')], /entry of its own/],
    ['something below a link', [{ name: 'a', type: '2', link: 'b' }, file('a/b')], /entry of its own/],
    ['a link out of the package', [{ name: 'l', type: '2', link: '../x' }], /out of the package/],
    ['an absolute link', [{ name: 'l', type: '2', link: '/etc' }], /out of the package/],
    [
      'a link up by way of another',
      [
        { name: 'b', type: '2', link: '.' },
        { name: 'l', type: '2', link: 'b/../etc' },
      ],
      /out of the package/,
    ],
    ['a link to nowhere', [{ name: 'l', type: '2' }], /nowhere/],
    ['a hard link to what is not there', [{ name: 'l', type: '1', link: '/etc/passwd' }], /no file before it/],
    ['a hard link to a later file', [{ name: 'l', type: '1', link: 'a' }, file('a')], /no file before it/],
    [
      'a hard link to a link',
      [
        { name: 's', type: '2', link: 'a' },
        { name: 'l', type: '1', link: 's' },
      ],
      /no file before it/,
    ],
    [
      'a hard link with content',
      [file('a'), { name: 'l', type: '1', link: 'a', body: Buffer.from('y') }],
      /content of its own/,
    ],
    ['a character device', [{ name: 'd', type: '3' }], /character device/],
    ['a block device', [{ name: 'd', type: '4' }], /block device/],
    ['a pipe', [{ name: 'd', type: '6' }], /named pipe/],
    ['a sparse file of GNU', [{ name: 's', type: 'S', magic: 'ustar  \0' }], /not understood/],
    ['a sparse file in pax', [pax({ 'GNU.sparse.major': '1' }), file('s')], /sparse/],
    ['a multi-volume part', [{ name: 'm', type: 'M' }], /not understood/],
    ['a header that is too long', [{ name: 'x', type: 'x', size: big(1n << 40n) }], /too long/],
    ['a name that is too long', [{ name: '././@LongLink', type: 'L', size: big(5n * 1024n * 1024n) }], /too long/],
    ['a negative size', [{ name: 'n', size: Buffer.alloc(12, 0xff) }], /size/],
    [
      'a size beyond numbers',
      [{ name: 'n', size: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)]) }],
      /size/,
    ],
    ['a size that lies', [{ ...file('n'), size: Buffer.from('00000004000\0') }], /cut short/],
    ['a checksum that does not fit', flipped(tar([first]), 2), /checksum/],
    ['no archive at all', randomBytes(5000), /not one of tar/],
    ['cut in a header', tar([first]).subarray(0, 300), /cut short/],
    ['cut in a file', tar([first]).subarray(0, 1200), /cut short/],
    ['cut behind a file', tar([first]).subarray(0, 1536), /cut short/],
    ['cut in its end', tar([first]).subarray(0, 2048), /cut short/],
    ['no bytes', Buffer.alloc(0), /cut short/],
    ['a file of zeros at the cut', tar([{ name: 'z', body: Buffer.alloc(4096) }], Buffer.alloc(0)), /cut short/],
  ];
  for (const [what, entries, reason] of tricks) {
    const body = Buffer.isBuffer(entries) ? entries : tar([first, ...entries]);
    const reply = await call('PUT', '/v1/packages/acme/x/versions/1', {
      headers: TAR,
      body: body.length ? body : Readable.from([]),
    });
    t.ok(
      ['AS_ERR_ARCHIVE', 'AS_ERR_MANIFEST'].includes(reply.json?.code),
      `${what}: ${reply.status} ${reply.json?.detail}`,
    );
    t.equal(reply.status, 422, what);
    t.match(reply.json.reason, reason, what);
  }
  const zip = { 'content-type': 'application/gzip' };
  const zst = { 'content-type': 'application/zstd' };
  const whole = tar([first]);
  const frame = zstdRaw(whole);
  const codings: [string, Record<string, string>, Buffer, RegExp][] = [
    ['not gzip', zip, whole, /gzip/],
    ['gzip that is cut', zip, gzipSync(whole).subarray(0, -20), /cut short/],
    ['gzip that is damaged', zip, flipped(gzipSync(whole), 60), /gzip/],
    ['not zstd', zst, whole, /zstd/],
    ['zstd that is cut', zst, frame.subarray(0, -20), /cut short/],
    ['zstd between blocks', zst, zstdRaw(whole, { block: 512 }).subarray(0, 6 + 515), /cut short/],
    ['zstd with a large window', zst, zstdRaw(whole, { window: 0x70 }), /window/],
    ['zstd with a window beyond all', zst, zstdRaw(whole, { window: 0xff }), /window/],
    [
      'zstd with a block that cannot be',
      zst,
      Buffer.concat([frame.subarray(0, 6), Buffer.from([6, 0, 0])]),
      /malformed/,
    ],
    [
      'zstd with a dictionary',
      zst,
      Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x60, 9]), frame.subarray(6)]),
      /dictionary/,
    ],
    ['gzip within', zst, zstdRaw(gzipSync(whole)), /not one of tar/],
  ];
  t.equal(ZSTD_WINDOW_SIZE_MAX, 8 * MIB, 'as the windows above take it');
  for (const [what, headers, body, reason] of codings) {
    const reply = await call('PUT', '/v1/packages/acme/x/versions/1', { headers, body });
    isProblem(t, reply, 422, 'AS_ERR_ARCHIVE', what);
    t.match(reply.json.reason, reason, what);
  }
  for (const headers of [
    { ...TAR, 'content-encoding': 'br' },
    { ...TAR, 'content-encoding': 'gzip, gzip' },
    { 'content-type': 'application/zip' },
    {},
  ]) {
    const reply = await call('PUT', '/v1/packages/acme/x/versions/1', {
      headers: headers as Record<string, string>,
      body: whole,
    });
    isProblem(t, reply, 415, 'AS_ERR_HTTP_REQUEST');
  }
  const digest = (bytes: Buffer) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;
  for (const field of ['content-digest', 'repr-digest']) {
    const reply = await call('PUT', '/v1/packages/acme/x/versions/1', {
      headers: { ...TAR, [field]: digest(frame) },
      body: whole,
    });
    isProblem(t, reply, 400, 'AS_ERR_DIGEST_MISMATCH');
  }
  isProblem(
    t,
    await call('PUT', '/v1/packages/acme/..%2f/versions/1', { headers: TAR, body: whole }),
    400,
    'AS_ERR_INVALID_ARGUMENT',
  );
  await isEmpty(t, service);
  t.strictSame(await bytesThere(service, first.body), false, 'not even the bytes of what came before');
  const right = await call('PUT', '/v1/packages/acme/x/versions/1', {
    headers: { ...TAR, 'content-digest': digest(whole) },
    body: whole,
  });
  t.match(right, { status: 201, json: { stored: 2 } });
  t.strictSame(service.errors, [], 'no failure of the service');
});

function flipped(bytes: Uint8Array, at: number): Buffer {
  const other = Buffer.from(bytes);
  other[at] = (other[at] as number) ^ 1;
  return other;
}

/** Whether the store has the bytes, named by an event or not. */
async function bytesThere({ store }: Service, bytes: Uint8Array): Promise<boolean> {
  const { existed, blake3 } = await store.put(bytes);
  await store.delete(blake3, { force: true });
  return existed;
}

t.test('bombs', async (t) => {
  const service = await serve(t);
  const { call } = service;
  const zeros = { name: 'zeros', body: Buffer.alloc(INFLATED_FREE_SIZE + 8 * MIB) };
  const bomb = tar([zeros]);
  isProblem(
    t,
    await call('PUT', '/v1/packages/acme/x/versions/1', {
      headers: { 'content-type': 'application/gzip' },
      body: gzipSync(bomb),
    }),
    413,
    'AS_ERR_LIMIT',
  );
  const rle: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x60])];
  rle.push(Buffer.from([(512 << 3) & 255, (512 << 3) >> 8, 0]), tar([{ ...zeros }]).subarray(0, 512));
  for (let size = 0; size < INFLATED_FREE_SIZE + 8 * MIB; size += 128 * 1024) {
    const header = (128 * 1024 * 8) | 2;
    rle.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16, 0]));
  }
  isProblem(
    t,
    await call('PUT', '/v1/packages/acme/x/versions/1', {
      headers: { 'content-type': 'application/zstd' },
      body: Buffer.concat(rle),
    }),
    413,
    'AS_ERR_LIMIT',
  );
  await isEmpty(t, service);
});

t.test('an archive that is cut off, refused or raced leaves nothing', async (t) => {
  const service = await serve(t);
  const { call, store, url } = service;
  const many = placeName() === 's3' ? 300 : 3000; // Swift takes some hundredths of a second for each
  const body = tar(Array.from({ length: many }, (_, n) => ({ name: `f${n}`, body: randomBytes(3000) })));
  for (const end of [1000, 100_000, body.length - 700]) {
    const client = await RawClient.open(t, url);
    client.send(
      `PUT /v1/packages/acme/x/versions/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    client.send(body.subarray(0, end)).socket.end();
    t.match(await client.ended(), /^HTTP\/1\.1 400 .*AS_ERR_SIZE_MISMATCH/s);
  }
  await until(async () => (await store.health()).ready);
  await isEmpty(t, service);

  for (const type of ['application/x-tar', 'application/gzip']) {
    const begun = tar([{ name: '../up', body: randomBytes(10) }], Buffer.alloc(0));
    const client = await RawClient.open(t, url);
    client.send(
      `PUT /v1/packages/acme/x/versions/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    client.send(
      type.endsWith('gzip') ? gzipSync(Buffer.concat([begun, randomBytes(100_000)])).subarray(0, 80_000) : begun,
    );
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 422 .*AS_ERR_ARCHIVE/s, 'refused without waiting for the rest');
  }

  await store.packages.push(await directory(t), 'acme/x@1');
  const { length } = await store.events({ limit: 10_000 });
  isProblem(t, await call('PUT', '/v1/packages/acme/x/versions/1', { headers: TAR, body }), 409, 'AS_ERR_CONFLICT');
  t.equal((await store.events({ limit: 10_000 })).length, length, 'a version that is another leaves no object either');
  t.notOk(await bytesThere(service, body.subarray(512, 3512)), 'nor bytes');

  const shared = Buffer.from('both have it');
  const racing = await Promise.all([
    ...['2', '3', '4'].map((version) => call('PUT', `/v1/packages/acme/x/versions/${version}`, { headers: TAR, body })),
    call('PUT', '/v1/packages/acme/x/versions/5', {
      headers: TAR,
      body: tar([{ name: 'a', body: shared }, { name: '/' }]),
    }),
    call('POST', '/v1/objects', { body: shared }),
  ]);
  t.match(
    racing.slice(0, 3).map(({ status }) => status),
    [201, 201, 201],
    'the same archive from many clients',
  );
  t.equal(racing[3]?.status, 422);
  if (racing[4]?.status !== 409)
    t.equal((await call('GET', `/v1/objects/${racing[4]?.json.blake3}`)).bytes.toString(), 'both have it');
  for (const { blake3 } of (await store.list({ state: 'live' })).objects)
    t.equal((await store.verify(blake3)).status, 'intact');
});

t.test('an archive whose files are damaged on disk', async (t) => {
  const service = await serve(t);
  const { call, store, path } = service;
  const entries = Array.from({ length: 5 }, (_, n) => ({ name: `f${n}`, body: randomBytes(400_000) }));
  await call('PUT', '/v1/packages/acme/x/versions/1', { headers: TAR, body: tar(entries) });
  const { blake3 } = await store.stat(
    `sha256:${createHash('sha256')
      .update(entries[4]?.body as Buffer)
      .digest('hex')}`,
  );
  await damage(path, blake3, 1000);
  await t.rejects(
    call('GET', '/v1/packages/acme/x/versions/1/tar'),
    'the connection is torn: nobody takes it for the whole',
  );
  t.match(await store.events({ kind: 'object.corrupted' }), [{ subject: blake3 }]);
  await store.delete(blake3, { force: true });
  await t.rejects(call('GET', '/v1/packages/acme/x/versions/1/tar'));
  const healed = await call('PUT', '/v1/packages/acme/x/versions/1', { headers: TAR, body: tar(entries) });
  t.match(healed, { status: 200, json: { stored: 1 } }, 'the same archive brings it back');
  t.equal((await call('GET', '/v1/packages/acme/x/versions/1/tar')).status, 200);
});
