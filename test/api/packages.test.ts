/** Packages over HTTP: versions published from manifests, refs with preconditions, files by their path. */

import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeCanonical } from '../../lib/cbor/index.js';
import { type Reply, type Service, serve } from './support.js';

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
  isProblem(t, await call('DELETE', `${BASE}/versions/1.0.0`), 405, 'AS_ERR_HTTP_METHOD');

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
  await store.delete(`blake3:${Buffer.from((run as { blake3: Uint8Array }).blake3).toString('hex')}`);
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
