/**
 * The S3 backend against s3rver, which takes what it does not know for granted, compares nothing, asks nobody who he is, and writes objects where they are read: each
 * of that is shown here, and that it costs no object and lets no wrong byte out.
 *
 * Everything in the kit passes on it. What it cannot do at all is named: it lists no uploads in parts, so abandoned ones stay; and listings of more than 1,000 keys
 * fail where OpenSSL has no DES, so such a store is not reconciled there.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import t from 'tap';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { openFaultProxy } from '../support/s3-faults.js';
import { startS3rver } from '../support/s3rver.js';
import { conformance } from './conformance.js';
import { breakWhatCanBeBroken } from './s3-broken.js';
import { openSubject, stream } from './s3-support.js';

const server = await startS3rver(t);

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const chunk of chunks) read.push(chunk);
  return Buffer.concat(read);
}

const fileOf = (key: string) => join(server.folder, 'bucket', `${key}._S3rver_object`);

await conformance(t, { name: 's3 on s3rver', many: 60, open: () => openSubject(server) });

t.test('what it does wrong is found out, and relied on in nothing', async (t) => {
  const notices: string[] = [];
  const { plane, close } = await openSubject(server, { onNotice: (sentence) => notices.push(sentence) });
  t.teardown(close);
  t.match((await plane.backendHealth()).facts, {
    conditionalPut: 'ignored: not relied on',
    payloadHash: 'not compared',
    contentMd5: 'not compared',
    checksums: 'ignored',
    partEtags: 'not compared',
    ranges: 'more is sent than was asked for, and left out',
    withoutCredentials: 'answered: who reaches the server may read',
    multiDelete: 'honoured',
    objectLock: 'not said',
    versions: 'off',
  });
  await plane.compact();
  t.match(notices, [/^Abandoned uploads were not looked for: .* 501 \(NotImplemented\)/]);
});

t.test('bytes that change on their way there are kept by it, and never given', async (t) => {
  const { plane, bucket, keys, close } = await openSubject(server);
  t.teardown(close);
  for (const size of [1_000, 100_000, 3_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await plane.ingestStream(stream(bytes), {})).blake3);
    const wrong = Buffer.from(bytes);
    wrong[size - 1] = (wrong[size - 1] as number) ^ 1;
    // Signed as if it were the other: a server that compares refuses it.
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    t.match(await bucket.put(keys.object(address), { body: wrong, sha256 }), { etag: String }, 'it takes it');
    await t.rejects(readAll(plane.serveObject(address)), { code: 'AS_ERR_CORRUPT' }, `${size} bytes`);
    t.match(await plane.ingestStream(stream(bytes), {}), { healed: true, existed: false });
    t.ok((await readAll(plane.serveObject(address))).equals(bytes));
  }
});

t.test('an upload that is cut off leaves half an object where others read, which is no object', async (t) => {
  const { plane, bucket, keys, close } = await openSubject(server);
  t.teardown(close);
  for (const size of [9_000, 200_000, 1_000_000]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await plane.ingestStream(stream(bytes), {})).blake3);
    await plane.deleteObject(address);
    const { hostname, port, host } = new URL(server.endpoint);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(`PUT /bucket/${keys.object(address)} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${size}\r\n\r\n`);
    socket.write(bytes.subarray(0, size / 2));
    const isHalf = async () => (await bucket.head(keys.object(address)))?.size === size / 2;
    while (!(await isHalf())) await new Promise((resolve) => setTimeout(resolve, 20));
    socket.destroy();
    await once(socket, 'close');
    t.ok(await isHalf(), 'it keeps it, and shows it to everybody');
    await t.rejects(readAll(plane.serveObject(address)), { code: 'AS_ERR_CORRUPT' }, 'we do not');
    t.match(await plane.verifyObject(address), { status: 'corrupt' });
    t.match(await plane.ingestStream(stream(bytes), {}), { healed: true, existed: false });
    t.ok((await readAll(plane.serveObject(address))).equals(bytes), 'the next one who stores it makes it whole');
  }
});

t.test('an upload in parts whose end was answered and not heard is there', async (t) => {
  const proxy = await openFaultProxy(t, server.endpoint);
  const notices: string[] = [];
  const { plane, close } = await openSubject(
    { ...server, endpoint: proxy.endpoint },
    { onNotice: (sentence) => notices.push(sentence), partSize: 1 << 20 },
  );
  t.teardown(close);
  const bytes = randomBytes(2_500_000);
  let isFirst = true;
  proxy.rule = ({ method, url }) => {
    const isEnd = method === 'POST' && url.includes('/objects/') && url.includes('uploadId=');
    if (!isEnd || !isFirst) return undefined;
    isFirst = false;
    return { kind: 'cut-after' };
  };
  const result = await plane.ingestStream(stream(bytes), {});
  t.match(
    notices.join('\n'),
    /is sent again because it was answered 500 \(InternalError\)/,
    'it fails the second time',
  );
  t.match(notices.at(-1), /was not there any more when it was to end/);
  t.ok((await readAll(plane.serveObject(formatBlake3(result.blake3)))).equals(bytes));
});

t.test('a listing is whole, or fails', async (t) => {
  const { plane, keys, close } = await openSubject(server);
  t.teardown(close);
  const hexes = Array.from({ length: 1_005 }, () => `ab${randomBytes(31).toString('hex')}`);
  const first = fileOf(keys.object(`blake3:${hexes[0]}` as ContentAddress));
  await mkdir(dirname(first), { recursive: true });
  await writeFile(first, 'x');
  for (const hex of hexes.slice(1)) await copyFile(first, fileOf(keys.object(`blake3:${hex}` as ContentAddress)));
  const listed = await Promise.resolve(plane.listObjects?.(0xab)).catch((error) => error);
  if (listed instanceof Error) t.match(listed, { code: 'AS_ERR_UNAVAILABLE', message: /500 \(InternalError\)/ });
  else t.equal(listed?.sizes.length, hexes.length);
});

t.test('faults lose nothing and leave nothing half', (t) => breakWhatCanBeBroken(t, server));
