/** Uploads in parts over HTTP, in every dialect: cut anywhere, taken over, checked, refused, expired, and gone on with after the server was killed. */

import { type ChildProcess, execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EventSource } from 'eventsource';
import t, { type Test } from 'tap';
import { Upload as TusUpload, type UploadOptions } from 'tus-js-client';
import { request } from 'undici';
import { openStore } from '../../lib/index.js';
import { UPLOAD_CHECKED_SIZE_MAX, UPLOAD_CHECKED_TOTAL_MAX, UPLOADS_OPEN_MAX } from '../../lib/limits.js';
import { forkUnhooked } from '../support/unhooked.js';
import { RawClient, type Reply, type Service, serve, until } from './support.js';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const sha256Name = (bytes: Uint8Array) => `sha256:${sha256(bytes).toString('hex')}`;
const structured = (bytes: Uint8Array) => `sha-256=:${sha256(bytes).toString('base64')}:`;
const head = (...lines: string[]) => `${[...lines, 'Host: localhost'].join('\r\n')}\r\n\r\n`;
const TUS = { 'tus-resumable': '1.0.0' };
const TUS_BODY = { ...TUS, 'content-type': 'application/offset+octet-stream' };

function isProblem(t: Test, reply: Reply, status: number, code: string) {
  t.equal(reply.status, status, `${status} ${reply.json?.detail ?? ''}`);
  t.equal(reply.headers['content-type'], 'application/problem+json');
  t.match(reply.json, { status, code, detail: /\w.*\.$/ });
}

async function open(service: Service, headers: Record<string, string> = {}): Promise<string> {
  const reply = await service.call('POST', '/v1/uploads', { headers });
  if (reply.status !== 201) throw new Error(`${reply.status} ${reply.bytes}`);
  return reply.headers.location as string;
}

async function holds(t: Test, { store }: Service, bytes: Uint8Array) {
  t.ok(Buffer.from(await (await store.get(sha256Name(bytes))).bytes()).equals(bytes), 'the object is what was sent');
}

t.test('plain', async (t) => {
  const service = await serve(t);
  const { call, store } = service;
  const bytes = randomBytes(900_000);

  await t.test('begin, append, ask, append: the answer is that of storing', async (t) => {
    const begun = await call('POST', '/v1/uploads', { headers: { 'upload-length': String(bytes.length) } });
    t.equal(begun.status, 201);
    t.match(begun.headers, { 'upload-offset': '0', 'upload-complete': '?0', 'upload-length': '900000' });
    t.match(begun.headers['upload-limit'], /^max-size=999999999999999, max-age=6047\d\d$/);
    const url = begun.headers.location as string;
    t.match(begun.json, { id: url.slice('/v1/uploads/'.length), state: 'open', offset: 0, length: 900_000 });
    const part = await call('PATCH', url, { body: bytes.subarray(0, 400_000), headers: { 'upload-offset': '0' } });
    t.equal(part.status, 204);
    t.equal(part.headers['upload-offset'], '400000');
    const at = await call('HEAD', url);
    t.equal(at.status, 200);
    t.match(at.headers, { 'upload-offset': '400000', 'upload-complete': '?0', 'cache-control': 'no-store' });
    t.match(at.headers['artifactstore-prefix-digest'], sha256Name(bytes.subarray(0, 400_000)));
    const seen = await call('GET', url);
    t.match(seen.json, { state: 'open', offset: 400_000, sha256: sha256Name(bytes.subarray(0, 400_000)) });

    const wrong = await call('PATCH', url, { body: bytes.subarray(7), headers: { 'upload-offset': '7' } });
    isProblem(t, wrong, 409, 'AS_ERR_OFFSET');
    t.equal(wrong.headers['upload-offset'], '400000');
    t.match(wrong.json, {
      type: 'https://iana.org/assignments/http-problem-types#mismatching-upload-offset',
      'expected-offset': 400_000,
      'provided-offset': 7,
    });
    const long = {
      body: Buffer.concat([bytes.subarray(400_000), Buffer.alloc(1)]),
      headers: { 'upload-offset': '400000' },
    };
    isProblem(t, await call('PATCH', url, long), 400, 'AS_ERR_SIZE_MISMATCH');
    const streamed = { ...long, body: Readable.from([bytes.subarray(400_000), Buffer.alloc(1)]) };
    isProblem(t, await call('PATCH', url, streamed), 400, 'AS_ERR_SIZE_MISMATCH');

    const offset = Number((await call('HEAD', url)).headers['upload-offset']);
    const range = `bytes ${offset}-899999/900000`;
    const rest = offset === 900_000 ? undefined : bytes.subarray(offset);
    const headers: Record<string, string> = rest ? { 'content-range': range } : { 'upload-offset': String(offset) };
    const done = await call('PUT', url, {
      headers: rest ? headers : { ...headers, 'content-length': '0' },
      ...(rest && { body: rest }),
    });
    t.equal(done.status, 201);
    t.match(done.json, { sha256: sha256Name(bytes), size: 900_000, existed: false, receipts: [{}] });
    t.match(done.headers, { location: `/v1/objects/${done.json.blake3}`, 'upload-complete': '?1' });
    await holds(t, service, bytes);

    const repeated = await call('PATCH', url, { body: bytes.subarray(5), headers: { 'upload-offset': '5' } });
    t.equal(repeated.status, 200, 'the final answer again');
    t.match(repeated.json, { sha256: sha256Name(bytes), size: 900_000, existed: true, receipts: [{}] });
    const beyond = await call('PATCH', url, { body: bytes, headers: { 'upload-offset': '5' } });
    isProblem(t, beyond, 400, 'AS_ERR_CONFLICT');
    t.match(beyond.json.type, /#completed-upload$/);
    t.match((await call('HEAD', url)).headers, {
      'upload-complete': '?1',
      'upload-offset': '900000',
      'content-location': `/v1/objects/${done.json.blake3}`,
    });
    isProblem(t, await call('DELETE', url), 409, 'AS_ERR_CONFLICT');
    t.same(
      (await store.events({ subject: url.slice('/v1/uploads/'.length) })).map(({ kind, actor }) => [kind, actor]),
      [
        ['upload.opened', 'http:127.0.0.1'],
        ['upload.completed', 'http:127.0.0.1'],
      ],
    );
  });

  await t.test('PUT to a name of the client’s own, as curl resumes', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'artifactstore-curl-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, 'file');
    const content = randomBytes(300_000);
    await writeFile(file, content);
    const url = `${service.url}/v1/uploads/build-17`;
    const begin = await RawClient.open(t, service.url);
    begin.send(head('PUT /v1/uploads/build-17 HTTP/1.1', 'Content-Length: 300000')).send(content.subarray(0, 120_000));
    await until(async () => (await store.uploads.list()).some(({ id }) => id === 'build-17'));
    begin.socket.end();
    await begin.ended();
    const { headers } = await request(url, { method: 'HEAD' });
    t.equal(headers['upload-offset'], '120000', 'what came before the cut is there');
    const curl = promisify(execFile)('curl', [
      '-s',
      '-S',
      '-f',
      '-C',
      String(headers['upload-offset']),
      '-T',
      file,
      url,
    ]);
    t.match(JSON.parse((await curl).stdout), { sha256: sha256Name(content), size: 300_000 });
    await holds(t, service, content);
    const whole = await call('PUT', '/v1/uploads/in-one-go', { body: content });
    t.match(whole.json, { existed: true, sha256: sha256Name(content) });
    const streamed = await call('PUT', '/v1/uploads/streamed', { body: Readable.from([content.subarray(0, 9)]) });
    t.match(streamed.json, { size: 9, sha256: sha256Name(content.subarray(0, 9)) });
  });

  await t.test('curl, cut off again and again, as scripts with -C do', async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'artifactstore-curl-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const file = join(dir, 'file');
    const content = randomBytes(3 * MIB);
    await writeFile(file, content);
    const url = `${service.url}/v1/uploads/nightly`;
    const send = (offset: number, ...more: string[]) =>
      promisify(execFile)('curl', ['-s', '-S', '-f', '-C', `${offset}`, '-T', file, ...more, url]);
    const offsets = [0];
    while ((offsets.at(-1) as number) < 2 * MIB) {
      const offset = offsets.at(-1) as number;
      const slow = ['--limit-rate', '2M', '--max-time', '0.6'];
      await t.rejects(
        offset === 0 ? promisify(execFile)('curl', ['-s', '-f', '-T', file, ...slow, url]) : send(offset, ...slow),
      );
      const { headers } = await request(url, { method: 'HEAD' });
      offsets.push(Number(headers['upload-offset']));
    }
    t.ok(offsets.length > 2, `cut at ${offsets.slice(1)}`);
    t.strictSame(
      offsets,
      [...offsets].sort((a, b) => a - b),
      'it never goes back',
    );
    const done = JSON.parse((await send(offsets.at(-1) as number)).stdout);
    t.match(done, { sha256: sha256Name(content), size: content.length });
    await holds(t, service, content);
  });

  await t.test('what is expected holds for the whole', async (t) => {
    const expected = { 'upload-length': '3', 'repr-digest': structured(Buffer.from('abc')) };
    const url = await open(service, expected);
    const wrong = await call('PATCH', url, { body: 'abd', headers: { 'upload-offset': '0' } });
    isProblem(t, wrong, 400, 'AS_ERR_DIGEST_MISMATCH');
    isProblem(t, await call('GET', url), 410, 'AS_ERR_GONE');
    t.match(
      await store.events({ kind: 'upload.aborted' }),
      [{ data: { reason: /digest/ } }],
      'it could never be right',
    );
  });

  await t.test('a part with its own digest is taken in whole or not at all', async (t) => {
    const url = await open(service, { 'upload-length': '6' });
    const append = (offset: number, body: string, digest: string) =>
      call('PATCH', url, {
        body,
        headers: { 'upload-offset': String(offset), 'content-digest': structured(Buffer.from(digest)) },
      });
    isProblem(t, await append(0, 'abc', 'xyz'), 400, 'AS_ERR_DIGEST_MISMATCH');
    t.equal((await call('HEAD', url)).headers['upload-offset'], '0');
    t.equal((await append(0, 'abc', 'abc')).status, 204);
    t.equal((await append(3, 'def', 'def')).status, 201);
  });

  await t.test('what cannot be', async (t) => {
    const url = await open(service);
    const bad: [string, Record<string, string>, number, string][] = [
      ['PATCH', {}, 400, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'upload-offset': '-1' }, 400, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'upload-offset': '0, 0' }, 400, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'upload-offset': '99999999999999999999' }, 413, 'AS_ERR_LIMIT'],
      ['PATCH', { 'upload-offset': '4' }, 409, 'AS_ERR_OFFSET'],
      ['PATCH', { 'content-range': 'bytes 5-2/9' }, 400, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'content-range': 'bytes 0-9/10' }, 400, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'upload-offset': '0', 'content-encoding': 'gzip' }, 415, 'AS_ERR_HTTP_REQUEST'],
      ['PATCH', { 'upload-offset': '0', 'upload-length': '2' }, 400, 'AS_ERR_SIZE_MISMATCH'],
    ];
    for (const [method, headers, status, code] of bad)
      isProblem(t, await call(method, url, { body: 'abc', headers }), status, code);
    isProblem(t, await call('POST', url, { body: 'abc' }), 405, 'AS_ERR_HTTP_METHOD');
    isProblem(t, await call('POST', '/v1/uploads', { headers: { 'upload-length': 'x' } }), 400, 'AS_ERR_HTTP_REQUEST');
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const headers: Record<string, string> = method === 'PATCH' ? { 'upload-offset': '0' } : {};
      isProblem(t, await call(method, '/v1/uploads/unknown', { headers }), 404, 'AS_ERR_NOT_FOUND');
    }
    isProblem(t, await call('GET', '/v1/uploads/..%2f..%2fetc'), 400, 'AS_ERR_INVALID_ARGUMENT');
    t.equal((await call('DELETE', url)).status, 204);
    isProblem(t, await call('DELETE', url), 410, 'AS_ERR_GONE');
    isProblem(t, await call('GET', url), 410, 'AS_ERR_GONE');
  });
});

t.test('one request at a time', async (t) => {
  const service = await serve(t);
  const bytes = randomBytes(2 * MIB);
  const url = await open(service, { 'upload-length': String(bytes.length) });
  const slow = await RawClient.open(t, service.url);
  slow.send(head(`PATCH ${url} HTTP/1.1`, 'Upload-Offset: 0', `Content-Length: ${bytes.length}`));
  slow.send(bytes.subarray(0, MIB));
  await until(async () => Number((await service.call('GET', url)).json.offset) === MIB);
  t.notMatch(slow.text, /409/, 'looking disturbs nobody');
  const at = await service.call('HEAD', url);
  t.equal(at.headers['upload-offset'], String(MIB));
  t.match(await slow.until(/\}\n$/), /^HTTP\/1\.1 409 .*AS_ERR_CONFLICT/s, 'who was at it is ended');
  const checked = await RawClient.open(t, service.url);
  const digest = `Content-Digest: ${structured(bytes)}`;
  checked.send(
    head(`PATCH ${url} HTTP/1.1`, `Upload-Offset: ${MIB}`, 'Content-Length: 9', digest, 'Expect: 100-continue'),
  );
  await checked.until(/100 Continue/);
  t.equal((await service.call('HEAD', url)).headers['upload-offset'], String(MIB));
  t.match(await checked.until(/\}\n$/), / 409 .*AS_ERR_CONFLICT/s, 'also one whose bytes are to be checked');
  const headers = { 'upload-offset': String(MIB) };
  const racing = await Promise.all(
    [1, 2, 3].map(() => service.call('PATCH', url, { headers, body: bytes.subarray(MIB) })),
  );
  t.ok(racing.some(({ status }) => status === 201 || status === 200));
  t.ok(racing.every(({ status }) => [200, 201, 409].includes(status)));
  await holds(t, service, bytes);
});

t.test('cut anywhere, resumed in any dialect', async (t) => {
  const service = await serve(t);
  const { call } = service;
  const ways: ((offset: number, end: number) => string[])[] = [
    (offset) => [...Object.entries(TUS_BODY).map(([name, value]) => `${name}: ${value}`), `Upload-Offset: ${offset}`],
    (offset) => [`Upload-Offset: ${offset}`],
    (offset, end) => [`Content-Range: bytes ${offset}-${end - 1}/${end}`],
    (offset) => [
      'Upload-Draft-Interop-Version: 8',
      'Content-Type: application/partial-upload',
      'Upload-Complete: ?1',
      `Upload-Offset: ${offset}`,
    ],
  ];
  for (let round = 0; round < 3; round++) {
    const bytes = randomBytes(200_000 + Math.floor(Math.random() * 1_000_000));
    const url = await open(service, { 'upload-length': String(bytes.length) });
    let offset = 0;
    for (let cut = 0; cut < 8; cut++) {
      const way = ways[cut % ways.length] as (typeof ways)[number];
      const isChunked = cut % 3 === 2 && !way(offset, bytes.length)[0]?.startsWith('Content-Range');
      const framing = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${bytes.length - offset}`;
      const sent = Math.floor(((bytes.length - offset) / 3) * Math.random());
      const client = await RawClient.open(t, service.url);
      client.send(head(`PATCH ${url} HTTP/1.1`, ...way(offset, bytes.length), framing));
      if (isChunked) client.send(`${(bytes.length - offset).toString(16)}\r\n`);
      client.send(bytes.subarray(offset, offset + sent));
      await sleep(cut * 10); // so that the cuts fall before, in and behind the work on what came
      if (cut % 2) client.socket.end();
      else client.socket.destroySoon();
      await client.ended();
      const at = await call('HEAD', url);
      const durable = Number(at.headers['upload-offset']);
      t.ok(durable >= offset && durable <= offset + sent, `cut ${cut}: ${offset} + ${sent} → ${durable}`);
      t.match(
        at.headers['artifactstore-prefix-digest'],
        sha256Name(bytes.subarray(0, durable)),
        'a prefix of the object',
      );
      offset = durable;
    }
    const last = await call('PATCH', url, {
      body: bytes.subarray(offset),
      headers: { 'upload-offset': String(offset) },
    });
    t.match(last.json, { size: bytes.length, sha256: sha256Name(bytes), existed: false });
  }
});

t.test('an end of the service', async (t) => {
  const service = await serve(t, { closeGraceMs: 500 });
  const url = await open(service, { 'upload-length': '10' });
  const client = await RawClient.open(t, service.url);
  client.send(head(`PATCH ${url} HTTP/1.1`, 'Upload-Offset: 0', 'Content-Length: 10', 'Expect: 100-continue'));
  await client.until(/100 Continue/);
  client.send('hello');
  await service.close();
  const again = await serve(t, { stub: service.store });
  t.equal((await again.call('HEAD', url)).headers['upload-offset'], '5', 'what came before it is kept');
  await service.store.close();
  const readOnly = await openStore({ ...service.storeOptions, readOnly: true });
  t.teardown(() => readOnly.close());
  const reading = await serve(t, { stub: readOnly });
  isProblem(t, await reading.call('POST', '/v1/uploads'), 403, 'AS_ERR_READ_ONLY');
  isProblem(t, await reading.call('DELETE', url), 403, 'AS_ERR_READ_ONLY');
  t.equal((await reading.call('GET', url)).json.offset, 5);
});

t.test('limits and time', async (t) => {
  await t.test('a client that falls silent keeps what it sent', async (t) => {
    const service = await serve(t, { idleTimeoutMs: 150 });
    const url = await open(service, { 'upload-length': '10' });
    const client = await RawClient.open(t, service.url);
    client.send(head(`PATCH ${url} HTTP/1.1`, 'Upload-Offset: 0', 'Content-Length: 10')).send('hello');
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 408 .*It has what came before/s);
    t.equal((await service.call('HEAD', url)).headers['upload-offset'], '5');
  });
  await t.test('an upload whose time is over is gone', async (t) => {
    const service = await serve(t);
    await service.store.uploads.open({ id: 'late', expires: Date.now() - 1 });
    isProblem(t, await service.call('GET', '/v1/uploads/late'), 410, 'AS_ERR_GONE');
    t.same(await service.store.uploads.list(), [], 'and its space is free');
    const [expired] = await service.store.events({ kind: 'upload.expired' });
    t.equal(expired?.subject, 'late');
    isProblem(t, await service.call('GET', '/v1/uploads/late'), 410, 'AS_ERR_GONE');
  });
  await t.test('as many as may be are open', async (t) => {
    const { store } = await serve(t);
    store.uploads.expire = async () => [];
    store.uploads.list = async () =>
      Array.from({ length: UPLOADS_OPEN_MAX }, (_, n) => ({ id: `${n}`, changed: 0, storedSize: 0 }));
    const { call: full } = await serve(t, { stub: store });
    await until(async () => (await full('POST', '/v1/uploads')).status === 503);
    const refused = await full('POST', '/v1/uploads');
    isProblem(t, refused, 503, 'AS_ERR_LIMIT');
    t.equal(refused.headers['retry-after'], '1');
  });
  await t.test('memory for parts that are checked', async (t) => {
    const service = await serve(t);
    const url = await open(service);
    const sized = (size: number) => [
      `Content-Length: ${size}`,
      'Upload-Offset: 0',
      `Content-Digest: ${structured(Buffer.from('any'))}`,
    ];
    const large = await RawClient.open(t, service.url);
    large.send(head(`PATCH ${url} HTTP/1.1`, ...sized(UPLOAD_CHECKED_SIZE_MAX + 1), 'Expect: 100-continue'));
    t.match(await large.until(/\}\n$/), /^HTTP\/1\.1 413 .*AS_ERR_LIMIT/s);
    for (let lent = 0; lent < UPLOAD_CHECKED_TOTAL_MAX; lent += UPLOAD_CHECKED_SIZE_MAX) {
      const other = await open(service);
      const client = await RawClient.open(t, service.url);
      client.send(head(`PATCH ${other} HTTP/1.1`, ...sized(UPLOAD_CHECKED_SIZE_MAX), 'Expect: 100-continue'));
      await client.until(/100 Continue/);
    }
    const late = await RawClient.open(t, service.url);
    late.send(head(`PATCH ${url} HTTP/1.1`, ...sized(1), 'Expect: 100-continue'));
    t.match(await late.until(/\}\n$/), /^HTTP\/1\.1 503 .*AS_ERR_LIMIT/s);
  });
});

t.test('progress', async (t) => {
  const service = await serve(t, { heartbeatMs: 300 });
  const { call, store } = service;
  const url = await open(service, { 'upload-length': '3000000' });
  const watcher = await RawClient.open(t, service.url);
  watcher.send(head(`GET ${url} HTTP/1.1`, 'Accept: text/event-stream'));
  await watcher.until(/event: progress\ndata: \{"id":"[^"]+","state":"open","offset":0,"length":3000000/);
  t.match(watcher.text, /^HTTP\/1\.1 200 OK\r\n.*Content-Type: text\/event-stream\r\n.*retry: 2000\n\n/s);
  await watcher.until(/:\n\n/);
  const sender = await RawClient.open(t, service.url);
  const bytes = randomBytes(3_000_000);
  sender.send(
    head(
      `PATCH ${url} HTTP/1.1`,
      'Upload-Draft-Interop-Version: 8',
      'Content-Type: application/partial-upload',
      'Upload-Complete: ?1',
      'Upload-Offset: 0',
      'Content-Length: 3000000',
    ),
  );
  sender.send(bytes.subarray(0, 1_000_000));
  await watcher.until(/id: 1000000\nevent: progress\ndata: \{[^}]*"offset":1000000,/);
  await sender.until(
    /^HTTP\/1\.1 104 .*HTTP\/1\.1 104 [^\r]*\r\nUpload-Draft-Interop-Version: 8\r\nUpload-Offset: 1000000\r\n\r\n/s,
  );
  sender.send(bytes.subarray(1_000_000));
  t.match(await sender.until(/\}\n$/), / 201 /);
  await watcher.until(/id: end\nevent: completed\ndata: [^\n]*\n\n/);
  t.match(watcher.text, new RegExp(`event: completed\ndata: \\{.*"offset":3000000.*${sha256Name(bytes)}`));
  const again = { headers: { accept: 'text/event-stream', 'last-event-id': 'end' } };
  t.equal((await call('GET', url, again)).status, 204, 'an EventSource does not come back then');
  const late = await call('GET', url, { headers: { accept: 'text/event-stream' } });
  t.match(late.bytes.toString(), /event: completed/, 'who comes later hears the end at once');
  isProblem(
    t,
    await call('GET', '/v1/uploads/unknown', { headers: { accept: 'text/event-stream' } }),
    404,
    'AS_ERR_NOT_FOUND',
  );

  const heard: string[] = [];
  const source = new EventSource(`${service.url}${url}`);
  t.teardown(() => source.close());
  source.addEventListener('completed', () => heard.push('completed'));
  await until(() => heard.length === 1);
  await until(() => source.readyState === EventSource.CLOSED);
  t.strictSame(heard, ['completed'], 'an EventSource hears the end once, comes back and stays away');

  const other = await open(service);
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { state, offset } of store.uploads.watch(other.slice('/v1/uploads/'.length)))
      seen.push(`${state} ${offset}`);
  })();
  await until(() => seen.length === 1);
  await call('PATCH', other, { body: 'abc', headers: { 'upload-offset': '0' } });
  await until(() => seen.length === 2);
  await call('DELETE', other);
  await watching;
  t.strictSame(seen, ['open 0', 'open 3', 'aborted 3']);
  const left = await RawClient.open(t, service.url);
  left.send(head(`GET ${await open(service)} HTTP/1.1`, 'Accept: text/event-stream'));
  await left.until(/event: progress/);
  await service.close();
  t.match(await left.ended(), /\r\n0\r\n\r\n$/, 'a service that closes ends the stream properly');
});

t.test('a quota', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const { store, url } = service;
  const grant = { holder: 'ci', scopes: ['read', 'write', 'delete'] as const };
  const { id, token } = await store.tokens.create({ ...grant, quota: 1000 });
  const authorization = `Bearer ${token}`;
  const call = (method: string, target: string, headers: Record<string, string> = {}, body?: Uint8Array | Readable) =>
    service.call(method, target, { headers: { authorization, ...headers }, ...(body && { body }) });
  const isFull = (reply: Reply) => {
    isProblem(t, reply, 507, 'AS_ERR_QUOTA');
    t.match(reply.json, { token: id, quota: 1000 });
  };
  const begun = await call('POST', '/v1/uploads', { 'upload-length': '900' });
  t.equal(begun.status, 201);
  for (const headers of [{ 'upload-length': '101' }, { ...TUS, 'upload-length': '101' }]) {
    isFull(await call('POST', '/v1/uploads', headers as Record<string, string>));
  }
  isFull(await call('POST', '/v1/objects', {}, randomBytes(101)));
  isFull(await call('PUT', '/v1/uploads/unannounced', {}, Readable.from([randomBytes(60), randomBytes(60)])));
  for (const target of ['/v1/objects', '/v1/uploads', '/v1/uploads/named']) {
    const method = target === '/v1/uploads' ? 'POST' : 'PUT';
    const client = await RawClient.open(t, url);
    const lines = [
      `${method} ${target} HTTP/1.1`,
      `Authorization: ${authorization}`,
      'Upload-Length: 1001',
      'Content-Length: 1001',
    ];
    client.send(head(...lines, 'Expect: 100-continue'));
    t.match(await client.ended(), /^HTTP\/1\.1 507 .*AS_ERR_QUOTA/s, `${target}: before the body is asked for`);
  }
  t.equal((await call('DELETE', begun.headers.location as string)).status, 204);
  t.equal((await call('DELETE', '/v1/uploads/unannounced')).status, 204);
  const again = await call('POST', '/v1/uploads', { 'upload-length': '1000' });
  t.equal(again.status, 201, 'what was given up is free again');
  const bytes = randomBytes(1000);
  const done = await call('PATCH', again.headers.location as string, { 'upload-offset': '0' }, bytes);
  t.equal(done.status, 201);
  isFull(await call('POST', '/v1/objects', {}, randomBytes(1)));
  t.equal((await call('PUT', `/v1/objects/${sha256Name(bytes)}`, {}, bytes)).status, 200, 'what is here takes no room');
  t.equal((await call('DELETE', `/v1/objects/${sha256Name(bytes)}`)).status, 200);
  t.equal((await call('POST', '/v1/objects', {}, randomBytes(1000))).status, 201);
});

t.test('tus 1.0 on the wire', async (t) => {
  const service = await serve(t);
  const { call, store } = service;

  await t.test('abilities and versions', async (t) => {
    const options = await call('OPTIONS', '/v1/uploads');
    t.equal(options.status, 204);
    t.match(options.headers, {
      'tus-version': '1.0.0',
      'tus-extension': 'creation,creation-with-upload,creation-defer-length,termination,expiration,checksum',
      'tus-checksum-algorithm': 'sha1,sha256,sha512',
      'tus-max-size': '999999999999999',
      'upload-limit': /max-age=/,
    });
    const old = await call('POST', '/v1/uploads', { headers: { 'tus-resumable': '0.2.2', 'upload-length': '1' } });
    isProblem(t, old, 412, 'AS_ERR_HTTP_PRECONDITION');
    t.match(old.headers, { 'tus-version': '1.0.0', 'tus-resumable': '1.0.0' });
  });

  await t.test('creation, append, offsets, metadata, expiration, termination', async (t) => {
    const metadata = 'filename d29ybGQ=,is_confidential';
    const begun = await call('POST', '/v1/uploads', {
      headers: { ...TUS, 'upload-length': '6', 'upload-metadata': metadata },
    });
    t.equal(begun.status, 201);
    t.equal(begun.bytes.length, 0);
    const url = begun.headers.location as string;
    const append = (offset: number, body: string, headers: Record<string, string> = TUS_BODY) =>
      call('PATCH', url, { body, headers: { ...headers, 'upload-offset': String(offset) } });
    isProblem(t, await append(0, 'abc', { ...TUS, 'content-type': 'text/plain' }), 415, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await append(1, 'abc'), 409, 'AS_ERR_OFFSET');
    isProblem(t, await append(0, 'abcdefg'), 413, 'AS_ERR_SIZE_MISMATCH');
    const part = await append(0, 'abc');
    t.equal(part.status, 204);
    t.match(part.headers, { 'upload-offset': '3', 'tus-resumable': '1.0.0', 'upload-expires': / GMT$/ });
    const at = await call('HEAD', url, { headers: TUS });
    t.equal(at.status, 200);
    t.match(at.headers, {
      'upload-offset': '3',
      'upload-length': '6',
      'upload-metadata': metadata,
      'cache-control': 'no-store',
    });
    const overridden = await call('POST', url, {
      body: 'def',
      headers: { ...TUS_BODY, 'upload-offset': '3', 'x-http-method-override': 'PATCH' },
    });
    t.equal(overridden.status, 204);
    t.match(overridden.headers, { 'upload-offset': '6', 'content-location': /^\/v1\/objects\/blake3:/ });
    t.equal((await append(3, 'def')).status, 204, 'the final answer again');
    isProblem(t, await append(6, 'ghi'), 409, 'AS_ERR_CONFLICT');
    t.equal((await store.stat(sha256Name(Buffer.from('abcdef')))).size, 6);

    const other = (await call('POST', '/v1/uploads', { headers: { ...TUS, 'upload-length': '6' } })).headers
      .location as string;
    t.equal((await call('DELETE', other, { headers: TUS })).status, 204);
    const gone = await call('HEAD', other, { headers: TUS });
    t.equal(gone.status, 410);
    t.equal(gone.headers['tus-resumable'], '1.0.0', 'errors too');
  });

  await t.test('creation with upload, an empty object, a length that comes later', async (t) => {
    const create = (headers: Record<string, string>, body?: string) =>
      call('POST', '/v1/uploads', { headers: { ...TUS_BODY, ...headers }, ...(body !== undefined && { body }) });
    const whole = await create({ 'upload-length': '5' }, 'whole');
    t.equal(whole.status, 201);
    t.match(whole.headers, { location: /^\/v1\/uploads\//, 'upload-offset': '5', 'content-location': /objects/ });
    const empty = await create({ 'upload-length': '0' });
    t.match(empty.headers, { 'upload-offset': '0', 'content-location': /objects/ });
    const deferred = await create({ 'upload-defer-length': '1' }, 'first');
    const url = deferred.headers.location as string;
    t.equal((await call('HEAD', url, { headers: TUS })).headers['upload-defer-length'], '1');
    const patch = (offset: number, body: string, length?: string) =>
      call('PATCH', url, {
        body,
        headers: { ...TUS_BODY, 'upload-offset': String(offset), ...(length && { 'upload-length': length }) },
      });
    t.equal((await patch(5, ' second', '18')).headers['upload-offset'], '12');
    isProblem(t, await patch(12, 'x', '99'), 400, 'AS_ERR_SIZE_MISMATCH');
    t.match((await call('HEAD', url, { headers: TUS })).headers, { 'upload-length': '18', 'upload-offset': '12' });
    t.match((await patch(12, ' third')).headers, { 'content-location': /objects/ });
    t.match(await store.events({ kind: 'upload.sized' }), [{ data: { size: 18 } }]);
    for (const headers of [
      {},
      { 'upload-length': '1', 'upload-defer-length': '1' },
      { 'upload-defer-length': '2' },
      { 'upload-length': '1', 'upload-concat': 'partial' },
      { 'upload-length': '1', 'upload-metadata': 'a b c' },
      { 'upload-length': '1', 'upload-metadata': 'a YQ==,a YQ==' },
    ])
      isProblem(t, await create(headers as Record<string, string>), 400, 'AS_ERR_HTTP_REQUEST');
  });

  await t.test('checksums', async (t) => {
    const url = (await call('POST', '/v1/uploads', { headers: { ...TUS, 'upload-length': '9' } })).headers
      .location as string;
    let offset = 0;
    for (const algorithm of ['sha1', 'sha256', 'sha512']) {
      const right = createHash(algorithm).update('abc').digest('base64');
      const wrong = createHash(algorithm).update('abd').digest('base64');
      const append = (checksum: string) =>
        call('PATCH', url, {
          body: 'abc',
          headers: { ...TUS_BODY, 'upload-offset': String(offset), 'upload-checksum': checksum },
        });
      const refused = await append(`${algorithm} ${wrong}`);
      isProblem(t, refused, 460, 'AS_ERR_DIGEST_MISMATCH');
      isProblem(t, await append(`crc32 ${right}`), 400, 'AS_ERR_HTTP_REQUEST');
      isProblem(t, await append(`${algorithm} AAAA`), 400, 'AS_ERR_HTTP_REQUEST');
      t.equal((await call('HEAD', url, { headers: TUS })).headers['upload-offset'], String(offset));
      t.equal((await append(`${algorithm} ${right}`)).status, 204);
      offset += 3;
    }
    await holds(t, service, Buffer.from('abcabcabc'));
  });
});

t.test('the IETF draft on the wire', async (t) => {
  const service = await serve(t);
  const { call } = service;
  const PARTIAL = { 'content-type': 'application/partial-upload', 'upload-draft-interop-version': '8' };

  await t.test('an upload that is cut is gone on with from what the interim answer said', async (t) => {
    const bytes = randomBytes(MIB);
    for (const target of ['/v1/uploads', '/v1/objects', `/v1/objects/${sha256Name(bytes)}`]) {
      const client = await RawClient.open(t, service.url);
      const method = target.includes('sha256') ? 'PUT' : 'POST';
      client.send(
        head(
          `${method} ${target} HTTP/1.1`,
          'Upload-Draft-Interop-Version: 8',
          'Upload-Complete: ?1',
          `Content-Length: ${MIB}`,
        ),
      );
      const interim = await client.until(/\r\n\r\n/);
      t.match(interim, /^HTTP\/1\.1 104 Upload Resumption Supported\r\n/);
      t.match(interim, /Upload-Draft-Interop-Version: 8\r\n/);
      t.match(interim, /Upload-Limit: max-size=\d+, max-age=\d+\r\n/);
      const url = /Location: (\S+)/.exec(interim)?.[1] as string;
      client.send(bytes.subarray(0, 500_000));
      await until(async () => (await call('GET', url)).json.offset === 500_000);
      client.socket.resetAndDestroy();
      const at = await call('HEAD', url, { headers: { 'upload-draft-interop-version': '8' } });
      t.match(at.headers, {
        'upload-offset': '500000',
        'upload-complete': '?0',
        'upload-length': String(MIB),
        'cache-control': 'no-store',
      });
      const rest = {
        body: bytes.subarray(500_000),
        headers: { ...PARTIAL, 'upload-offset': '500000', 'upload-complete': '?1' },
      };
      const done = await call('PATCH', url, rest);
      t.ok(done.status === 201 || done.status === 200);
      t.match(done.json, { sha256: sha256Name(bytes) });
      t.equal(done.headers['upload-complete'], '?1');
    }
    await holds(t, service, bytes);
  });

  await t.test('parts, and an end of its own', async (t) => {
    const begun = await call('POST', '/v1/uploads', { body: 'abc', headers: { ...PARTIAL, 'upload-complete': '?0' } });
    t.equal(begun.status, 201);
    t.match(begun.headers, { 'upload-complete': '?0', 'upload-offset': '3' });
    const url = begun.headers.location as string;
    const append = (headers: Record<string, string>, body?: string) =>
      call('PATCH', url, { headers: { ...PARTIAL, ...headers }, ...(body !== undefined && { body }) });
    isProblem(t, await append({ 'upload-offset': '3' }, 'def'), 400, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await append({ 'upload-offset': '3', 'upload-complete': 'yes' }, 'def'), 400, 'AS_ERR_HTTP_REQUEST');
    isProblem(
      t,
      await append({ 'upload-offset': '3', 'upload-complete': '?0', 'content-type': 'text/plain' }, 'def'),
      415,
      'AS_ERR_HTTP_REQUEST',
    );
    t.equal((await append({ 'upload-offset': '3', 'upload-complete': '?0', 'upload-length': '6' }, 'def')).status, 204);
    const short = await append({ 'upload-offset': '6', 'upload-complete': '?1', 'upload-length': '9' });
    isProblem(t, short, 400, 'AS_ERR_SIZE_MISMATCH');
    t.match(short.json.type, /#inconsistent-upload-length$/);
    t.equal((await call('HEAD', url)).headers['upload-complete'], '?0', 'its length is not its end');
    const done = await append({ 'upload-offset': '6', 'upload-complete': '?1' });
    t.match(done.json, { size: 6, sha256: sha256Name(Buffer.from('abcdef')) });
    t.equal((await append({ 'upload-offset': '6', 'upload-complete': '?1' })).status, 200);
  });

  await t.test('other versions are served and not told', async (t) => {
    const client = await RawClient.open(t, service.url);
    client
      .send(
        head(
          'POST /v1/uploads HTTP/1.1',
          'Upload-Draft-Interop-Version: 99',
          'Upload-Complete: ?1',
          'Content-Length: 3',
        ),
      )
      .send('new');
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 201 /);
  });
});

/** What the client takes and its types leave out. */
type Options = UploadOptions & { protocol?: string };

t.test('tus-js-client', async (t) => {
  const service = await serve(t);
  const upload = (bytes: Buffer, options: Options, source: Buffer | Readable = bytes) =>
    new Promise<string>((resolve, reject) => {
      // The client reads Node's streams, which its types do not say.
      const sending = new TusUpload(
        source as never,
        {
          endpoint: `${service.url}/v1/uploads`,
          retryDelays: [0, 0],
          metadata: { filename: 'größe.bin' },
          onError: reject,
          onSuccess: () => resolve(sending.url ?? ''),
          ...options,
        } as UploadOptions,
      );
      sending.start();
    });
  for (const protocol of ['tus-v1', 'ietf-draft-03', 'ietf-draft-05']) {
    await t.test(protocol, async (t) => {
      const bytes = randomBytes(700_001);
      await upload(bytes, { protocol });
      await holds(t, service, bytes);
      const parts = randomBytes(500_000);
      await upload(parts, { protocol, chunkSize: 200_000 });
      await holds(t, service, parts);
      const streamed = randomBytes(400_000);
      await upload(streamed, { protocol, chunkSize: 150_000, uploadSize: 400_000 }, Readable.from([streamed]));
      await holds(t, service, streamed);
      if (protocol === 'tus-v1') {
        const deferred = randomBytes(300_000);
        await upload(deferred, { protocol, chunkSize: 120_000, uploadLengthDeferred: true }, Readable.from([deferred]));
        await holds(t, service, deferred);
      }
      const first = randomBytes(250_000);
      await upload(first, { protocol, uploadDataDuringCreation: true });
      await holds(t, service, first);
      await upload(Buffer.alloc(0), { protocol });

      const resumed = randomBytes(600_000);
      const url = await new Promise<string>((resolve, reject) => {
        const cut = new TusUpload(
          resumed as never,
          {
            endpoint: `${service.url}/v1/uploads`,
            protocol,
            chunkSize: 100_000,
            onError: reject,
            onChunkComplete: (_size: number, accepted: number) => {
              if (accepted < 300_000) return;
              cut.abort().then(() => resolve(cut.url as string), reject);
            },
          } as UploadOptions,
        );
        cut.start();
      });
      t.equal(await upload(resumed, { protocol, uploadUrl: url }), url);
      await holds(t, service, resumed);
    });
  }
});

t.test('a server that is killed', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-killed-'));
  let child: ChildProcess | undefined;
  t.teardown(async () => {
    child?.kill('SIGKILL');
    await rm(path, { recursive: true, force: true });
  });
  const start = async () => {
    child = forkUnhooked(new URL('./uploads-child.js', import.meta.url), [join(path, 'store'), '0']);
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return url;
  };
  const offsetOf = async (url: string) => Number((await request(url, { method: 'HEAD' })).headers['upload-offset']);
  const bytes = randomBytes(3 * MIB);
  let base = await start();
  const begun = await request(`${base}/v1/uploads`, {
    method: 'POST',
    headers: { ...TUS, 'upload-length': String(bytes.length) },
  });
  const target = begun.headers.location as string;
  let offset = 0;
  for (const end of [MIB, 2 * MIB]) {
    const client = await RawClient.open(t, base);
    const announced = `Content-Length: ${bytes.length - offset}`;
    client.send(
      head(
        `PATCH ${target} HTTP/1.1`,
        'Tus-Resumable: 1.0.0',
        'Content-Type: application/offset+octet-stream',
        `Upload-Offset: ${offset}`,
        announced,
      ),
    );
    client.send(bytes.subarray(offset, end));
    await until(async () => {
      const seen = (await (await request(`${base}${target}`)).body.json()) as { offset: number };
      return seen.offset > offset;
    });
    child?.kill('SIGKILL');
    await once(child as ChildProcess, 'exit');
    base = await start();
    const durable = await offsetOf(`${base}${target}`);
    t.ok(durable > offset && durable <= end, `${durable} bytes are durable`);
    offset = durable;
  }
  const reply = await request(`${base}${target}`, {
    method: 'PATCH',
    headers: { ...TUS_BODY, 'upload-offset': String(offset) },
    body: bytes.subarray(offset),
  });
  t.equal(reply.statusCode, 204);
  t.match(reply.headers['artifactstore-digest'], sha256Name(bytes), 'the same object');
  child?.kill('SIGKILL');
  await once(child as ChildProcess, 'exit');
  base = await start();
  const after = await request(`${base}${target}`, { method: 'HEAD', headers: TUS });
  t.equal(after.headers['upload-offset'], String(bytes.length), 'and after its end it is still known');
});
