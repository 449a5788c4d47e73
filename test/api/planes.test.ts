/**
 * What everybody does with the service, over each data plane, in some seconds: the whole suite of the service runs over one with `npm run test:dataplanes`.
 */

import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { pack } from 'tar-stream';
import { missingForSwift } from '../../bench/s3/swift.js';
import { type Service, serve } from './support.js';

const digest = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function objects(t: Test, { call }: Service): Promise<void> {
  for (const size of [0, 10, 100_000, 5_000_000]) {
    const bytes = randomBytes(size);
    const target = `/v1/objects/${digest(bytes)}`;
    t.equal((await call('GET', target)).status, 404);
    const put = await call('PUT', target, { body: bytes });
    t.equal(put.status, 201, `${size} bytes are stored`);
    t.equal((await call('PUT', target, { body: bytes })).status, 200, 'once');
    const got = await call('GET', target);
    t.ok(got.bytes.equals(bytes), 'and come back');
    t.equal(got.headers['repr-digest'], `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`);
    t.equal((await call('HEAD', target)).headers['content-length'], String(size));
    t.equal((await call('GET', target, { headers: { 'if-none-match': got.headers.etag as string } })).status, 304);
    if (size < 100) continue;
    const range = { start: Math.floor(size / 3), end: Math.floor(size / 2) };
    const part = await call('GET', target, { headers: { range: `bytes=${range.start}-${range.end - 1}` } });
    t.equal(part.status, 206);
    t.ok(part.bytes.equals(bytes.subarray(range.start, range.end)), 'a range too');
  }
  const wrong = await call('PUT', `/v1/objects/${digest(Buffer.from('other'))}`, { body: 'these' });
  t.equal(wrong.status, 400, 'bytes that are others are refused');
}

async function uploads(t: Test, { call }: Service): Promise<void> {
  const bytes = randomBytes(1_500_000);
  const { headers } = await call('POST', '/v1/uploads', { headers: { 'upload-length': String(bytes.length) } });
  const at = headers.location as string;
  const append = (from: number, to: number) =>
    call('PATCH', at, { body: bytes.subarray(from, to), headers: { 'upload-offset': String(from) } });
  t.equal((await append(0, 700_000)).headers['upload-offset'], '700000');
  t.equal((await append(0, 1)).status, 409, 'only from where it stands');
  const done = await append(700_000, bytes.length);
  t.match(done, { status: 201, json: { sha256: digest(bytes), existed: false } });
  t.ok((await call('GET', `/v1/objects/${digest(bytes)}`)).bytes.equals(bytes));
}

async function packages(t: Test, { call }: Service): Promise<void> {
  const files = [300, 400_000].map((size) => randomBytes(size)) as [Buffer, Buffer];
  const archive = pack();
  for (const [index, bytes] of files.entries()) archive.entry({ name: `f${index}` }, bytes);
  archive.finalize();
  const body = await buffer(archive);
  const target = '/v1/packages/acme/x/versions/1';
  const pushed = await call('PUT', target, { headers: { 'content-type': 'application/x-tar' }, body });
  t.match(pushed, { status: 201, json: { stored: 3 } }); // and the manifest
  t.ok((await call('GET', `${target}/files/f1`)).bytes.equals(files[1]));
  const { bytes } = await call('GET', `${target}/tar`);
  t.ok(bytes.includes(files[0]) && bytes.includes(files[1]), 'and back');
}

async function deletions(t: Test, { call, store }: Service): Promise<void> {
  const bytes = randomBytes(50_000);
  const target = `/v1/objects/${digest(bytes)}`;
  await call('PUT', target, { body: bytes });
  t.equal((await store.verify(digest(bytes))).status, 'intact');
  t.equal((await call('DELETE', target)).status, 200);
  t.equal((await call('GET', target)).status, 410);
  t.equal((await call('PUT', target, { body: bytes })).status, 201, 'it may come back');
  t.ok((await call('GET', target)).bytes.equals(bytes));
}

async function tiers(t: Test, { call }: Service): Promise<void> {
  const bytes = randomBytes(600_000);
  const target = `/v1/objects/${digest(bytes)}`;
  await call('PUT', target, { body: bytes });
  const move = (tier: string) => call('POST', `/v1/tiers/${tier}/${digest(bytes)}`);
  t.match((await move('cold')).bytes.toString(), /"moved":true/);
  const cold = await call('GET', target);
  t.equal(cold.headers['artifactstore-tier'], 'cold');
  t.ok(cold.bytes.equals(bytes));
  t.match((await move('cold')).bytes.toString(), /"moved":false/, 'asked for again, it is there');
  t.match((await move('hot')).bytes.toString(), /"moved":true/);
  const hot = await call('GET', target);
  t.not(hot.headers['artifactstore-tier'], 'cold');
  t.ok(hot.bytes.equals(bytes));
}

const missing = missingForSwift();
for (const place of ['remote', 'tiered', 'tiered-s3', 's3', 's3rver']) {
  const isAway = missing.length > 0 && /^(tiered-)?s3$/.test(place);
  t.test(
    `the service over ${place}`,
    { skip: isAway && `Swift is not installed: ${missing.join(', ')}` },
    async (t) => {
      const service = await serve(t, { place });
      t.equal((await service.call('GET', '/readyz')).status, 200);
      for (const each of [objects, uploads, packages, deletions]) await each(t, service);
      if (place.startsWith('tiered')) await tiers(t, service);
      t.match((await service.call('GET', '/metrics')).bytes.toString(), /artifactstore_objects \d+/);
      t.strictSame(service.errors, [], 'nothing failed within');
    },
  );
}
