/** The S3 backend against OpenStack Swift behind a proxy that breaks what it can; stores over it, and what it looks after by itself. */

import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startServer } from '../../lib/api/http/server.js';
import { collect } from '../../lib/dataplane/backend/s3/download.js';
import { openS3 } from '../../lib/dataplane/backend/s3/index.js';
import type { IngestResult } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { openStore } from '../../lib/index.js';
import { S3_PART_SIZE } from '../../lib/limits.js';
import { cli } from '../cli/run.js';
import { openFaultProxy } from '../support/s3-faults.js';
import type { Server } from '../support/swift-bucket.js';
import { breakWhatCanBeBroken } from './s3-broken.js';
import { flipStored, newFolder, newPrefix, openSubject, stream, withSwift } from './s3-support.js';

/** Each answer comes wrong once, and is asked for again; what is wrong twice is damage. */
async function changedOnTheWay(t: Test, server: Server): Promise<void> {
  const proxy = await openFaultProxy(t, server.endpoint);
  const subject = await openSubject({ ...server, endpoint: proxy.endpoint });
  t.teardown(() => subject.close());
  const { plane } = subject;
  for (const size of [10_000, 200_000, 3_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await plane.ingestStream(stream(bytes), {})).blake3);
    let isFirst = true;
    proxy.rule = ({ method, url }) => {
      if (method !== 'GET' || url.includes('obao4') || !url.includes('/objects/') || !isFirst) return undefined;
      isFirst = false;
      return { kind: 'flip', at: size - 5 };
    };
    const got: Uint8Array[] = [];
    for await (const chunk of plane.serveObject(address)) got.push(chunk);
    t.ok(Buffer.compare(Buffer.concat(got), bytes) === 0, `${size} bytes, of which one came wrong once`);
    isFirst = true;
    t.match(await plane.verifyObject(address), { status: 'intact' });
    proxy.rule = ({ method, url }) =>
      method === 'GET' && url.endsWith(address.slice(7)) ? { kind: 'flip', at: size - 5 } : undefined;
    const failed = plane.serveObject(address)[Symbol.asyncIterator]();
    await t.rejects(
      (async () => {
        while (!(await failed.next()).done);
      })(),
      { code: 'AS_ERR_CORRUPT' },
    );
    proxy.rule = () => undefined;
    t.match(await plane.verifyObject(address), { status: 'intact' }, 'what proves whole is cleared');
    for await (const _ of plane.serveObject(address));
  }
}

/** A server that is away: nothing is lost, and upload sessions stay. */
async function serverAway(t: Test, server: Server): Promise<void> {
  const proxy = await openFaultProxy(t, server.endpoint);
  const subject = await openSubject({ ...server, endpoint: proxy.endpoint });
  t.teardown(() => subject.close());
  let { plane } = subject;
  for (const size of [1_000, 700_000]) {
    const bytes = randomBytes(size);
    const id = `away-${size}`;
    const half = Math.floor(size / 2);
    await plane.ingestStream(stream(bytes.subarray(0, half)), { session: { id, offset: 0, final: false } });
    proxy.rule = () => ({ kind: 'status', status: 403, code: 'AccessDenied' });
    const last = () => plane.ingestStream(stream(bytes.subarray(half)), { session: { id, offset: half, final: true } });
    await t.rejects(last(), { code: 'AS_ERR_FORBIDDEN' }, 'a final call that fails');
    await t.rejects(plane.ingestStream(stream(bytes), {}), { code: 'AS_ERR_FORBIDDEN' });
    proxy.rule = () => undefined;
    if (size > 1_000) plane = await subject.sessions.reopen();
    const stands = await plane.ingestStream(stream(bytes), { session: { id, query: true } });
    t.equal(stands.session.offset, half, 'leaves the session where it was');
    const done = (await last()) as IngestResult;
    t.equal(Buffer.from(done.sha256).toString('hex'), createHash('sha256').update(bytes).digest('hex'));
    t.equal(done.existed, false);
    const got: Uint8Array[] = [];
    for await (const chunk of plane.serveObject(formatBlake3(done.blake3))) got.push(chunk);
    t.ok(Buffer.compare(Buffer.concat(got), bytes) === 0);
    await t.rejects(plane.ingestStream(stream(bytes), { session: { id, query: true } }), { code: 'AS_ERR_NOT_FOUND' });
  }
}

async function abandonedUploads(t: Test, server: Server): Promise<void> {
  const notices: string[] = [];
  const subject = await openSubject(server, { abandonedMs: -60_000, onNotice: (sentence) => notices.push(sentence) });
  t.teardown(() => subject.close());
  const { bucket, keys, plane } = subject;
  const bytes = randomBytes(S3_PART_SIZE + 1);
  const { blake3, receipts } = await plane.ingestStream(stream(bytes), {});
  t.match(receipts, [
    { backend: 's3', bucket: 'bucket', key: keys.object(formatBlake3(blake3)), etag: /^[0-9a-f]{32}-2$/ },
  ]);
  t.strictSame(await bucket.unended(keys.objects), [], 'an upload that ends leaves none');
  await bucket.beginParts(keys.object(formatBlake3(randomBytes(32))), {});
  t.equal((await bucket.unended(keys.objects)).length, 1);
  await plane.compact();
  t.strictSame(await bucket.unended(keys.objects), [], 'one that nobody ends is given up');
  t.match(notices.join('\n'), /in parts that was begun at .* and never ended was given up/);
}

/** An outboard that is damaged or lost while the bytes are whole. */
async function outboards(t: Test, server: Server): Promise<void> {
  const subject = await openSubject(server);
  t.teardown(() => subject.close());
  const { bucket, keys, plane } = subject;
  for (const size of [100_000, 2_000_000]) {
    const address = formatBlake3((await plane.ingestStream(stream(randomBytes(size)), {})).blake3);
    const stored = await bucket.get(keys.outboard(address));
    const before = stored && (await collect(stored.body, stored.size));
    for (const harm of [
      () => flipStored(bucket, keys.outboard(address), 8 + 64 + 3),
      () => bucket.remove(keys.outboard(address)),
    ]) {
      await harm();
      t.match(await plane.verifyObject(address), { status: 'intact', repaired: true, damaged: [] });
      t.match(await plane.verifyObject(address), { status: 'intact', repaired: false });
      const again = await bucket.get(keys.outboard(address));
      t.strictSame(again && (await collect(again.body, again.size)), before, 'it is as it was');
      for await (const _ of plane.serveObject(address));
    }
    const given: Uint8Array[] = [];
    for await (const part of plane.serveOutboard(address)) given.push(part);
    t.strictSame(new Uint8Array(Buffer.concat(given)), before?.subarray(8), 'and is given out');
    await plane.deleteObject(address);
    t.equal(await bucket.head(keys.outboard(address)), undefined, 'it goes with its object');
  }
}

/** Damage is known to later processes, until somebody heals it. */
async function marks(t: Test, server: Server): Promise<void> {
  const subject = await openSubject(server);
  t.teardown(() => subject.close());
  const bytes = randomBytes(50_000);
  const address = formatBlake3((await subject.plane.ingestStream(stream(bytes), {})).blake3);
  await subject.damage(address, 20_000);
  t.match(await subject.plane.verifyObject(address), { status: 'corrupt', damaged: [{ start: 16_384, end: 32_768 }] });
  const plane = await subject.sessions.reopen();
  await t.rejects(plane.serveObject(address)[Symbol.asyncIterator]().next(), { code: 'AS_ERR_CORRUPT' });
  t.match(await plane.ingestStream(stream(bytes), {}), { healed: true, existed: false });
  t.match(await plane.ingestStream(stream(bytes), {}), { healed: false, existed: true });
  t.strictSame(await subject.bucket.list(subject.keys.marks), []);
}

async function stores(t: Test, { endpoint, environment }: Server): Promise<void> {
  Object.assign(process.env, environment);
  t.teardown(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  const path = join(await newFolder(t), 'store');
  const dataplane = `s3://bucket/${newPrefix()}`;
  const options = { path, dataplane, s3: { endpoint } };
  let store = await openStore(options);
  const bytes = randomBytes(700_000);
  const { blake3, sha256, receipts } = await store.put(bytes);
  const [receipt] = receipts;
  t.match(receipt, { backend: 's3', bucket: 'bucket', durability: 'replicated', etag: String });
  const many = await store.putMany(Array.from({ length: 40 }, (_, n) => randomBytes(100 * n)));
  t.equal([...many.errors()].length, 0);
  t.match(
    [...many].map((one) => 'receipts' in one && one.receipts),
    Array(40).fill([{ backend: 's3', etag: String }]),
  );
  await store.put(randomBytes(100), { durability: 'deferred' });
  await store.sync();
  const got: Uint8Array[] = [];
  for await (const chunk of await store.get(sha256, { range: { start: 10, end: 699_999 } })) got.push(chunk);
  t.ok(Buffer.compare(Buffer.concat(got), bytes.subarray(10, 699_999)) === 0);
  await t.rejects(openStore(options), { code: 'AS_ERR_STORE_LOCKED' });
  await store.close();
  store = await openStore({ ...options, readOnly: true });
  t.strictSame((await store.stat(blake3)).receipts, [receipt], 'the log has the receipt as it was');
  t.match(await store.verify(blake3).catch((error) => error), { status: 'intact' });
  await t.rejects(store.put(bytes), { code: 'AS_ERR_READ_ONLY' });
  await store.close();
  await t.rejects(openStore({ path }), { code: 'AS_ERR_STORE_MISSING', message: /s3:\/\/bucket\/prefix/ });
  await t.rejects(openStore({ ...options, dataplane: 's3://no-such-bucket' }), { code: 'AS_ERR_STORE_MISSING' });
  const wrong = { ...environment, AWS_SECRET_ACCESS_KEY: 'not the one' };
  const s3 = { endpoint, url: dataplane, spool: join(path, 'other'), environment: wrong };
  await t.rejects(openS3(s3), { code: 'AS_ERR_UNAUTHENTICATED', message: /SignatureDoesNotMatch/ });

  const words = ['--store', path, '--dataplane', dataplane, '--s3-endpoint', endpoint, '--json'];
  const run = (...more: string[]) => cli([...words, ...more], { env: environment });
  const doctor = await run('doctor');
  t.equal(doctor.code, 0, doctor.stderr);
  t.match(JSON.parse(doctor.stdout.toString()), {
    store: {
      status: 'open',
      health: {
        ready: true,
        backend: 's3',
        facts: { conditionalPut: 'refused', payloadHash: 'compared', credentials: 'the environment', dataPlane: 's3' },
      },
    },
  });
  const verified = await run('verify', blake3);
  t.equal(verified.code, 0, verified.stderr);

  store = await openStore(options);
  const service = await startServer(store, { host: '127.0.0.1', port: 0 });
  const put = await request(`${service.url}/v1/objects`, { method: 'POST', body: randomBytes(600_000) });
  t.equal(put.statusCode, 201);
  const stored = (await put.body.json()) as { blake3: string };
  const back = await request(`${service.url}/v1/objects/${stored.blake3}`, {
    headers: { range: 'bytes=300000-300009' },
  });
  t.equal(back.statusCode, 206);
  t.equal((await back.body.arrayBuffer()).byteLength, 10);
  const metrics = await (await request(`${service.url}/metrics`)).body.text();
  t.match(metrics, /artifactstore_s3_requests_total \d+/);
  await service.close();
  await store.rebuild();
  t.strictSame((await store.stat(blake3)).receipts, [receipt]);
  await store.delete(blake3);
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
  await store.close();
}

await withSwift(async (swift) => {
  await t.test('a store is the same on S3', (t) => stores(t, swift));
  await t.test('faults lose nothing and leave nothing half', (t) => breakWhatCanBeBroken(t, swift));
  await t.test('what a connection changes is fetched again', (t) => changedOnTheWay(t, swift));
  await t.test('a server that refuses costs no session', (t) => serverAway(t, swift));
  await t.test('abandoned uploads are swept', (t) => abandonedUploads(t, swift));
  await t.test('outboards are repaired', (t) => outboards(t, swift));
  await t.test('marks of damage outlive the process', (t) => marks(t, swift));
});
