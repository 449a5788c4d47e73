/** The HTTP door end to end: every verb and status, transfers cut anywhere, damage, malformed requests, and the end of the service. */

import { createHash, randomBytes } from 'node:crypto';
import { request as nodeRequest } from 'node:http';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { startServer } from '../../lib/api/http/server.js';
import { decodeCanonical, encodeCanonical } from '../../lib/cbor/index.js';
import {
  type ByteRange,
  type ByteSource,
  type GetOptions,
  type ObjectRecord,
  openStore,
  type PutOptions,
  type PutSource,
  type Store,
  toHex,
} from '../../lib/index.js';
import { MISSING_BODY_SIZE_MAX, MISSING_DIGESTS_MAX, RECEIVE_CROWD, RECEIVE_CROWDED_FROM } from '../../lib/limits.js';
import { StoredObject } from '../../lib/store/stored-object.js';
import {
  damage,
  placeName,
  RawClient,
  type Reply,
  type Service,
  serve,
  settled,
  stagedFiles,
  until,
} from './support.js';

const MIB = 1024 * 1024;
const text = (value: string) => new TextEncoder().encode(value);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const sha256Name = (bytes: Uint8Array) => `sha256:${sha256(bytes).toString('hex')}`;
const reprDigest = (bytes: Uint8Array) => `sha-256=:${sha256(bytes).toString('base64')}:`;
const head = (...lines: string[]) => `${[...lines, 'Host: localhost'].join('\r\n')}\r\n\r\n`;

async function* chunks(bytes: Uint8Array, size: number) {
  for (let offset = 0; offset < bytes.byteLength; offset += size)
    yield Buffer.from(bytes.subarray(offset, offset + size));
}

function isProblem(t: Test, reply: Reply, status: number, code: string) {
  t.equal(reply.status, status);
  t.equal(reply.headers['content-type'], 'application/problem+json');
  t.match(reply.json, { status, code, type: `urn:artifactstore:error:${code}`, detail: /\w.*\.$/ });
}

/** Nothing was stored, nothing is left over, and what is there is intact. */
async function isClean(t: Test, { store, path }: Service, objects: number) {
  const page = await store.list({ state: 'live' });
  t.equal(page.objects.length, objects, `${objects} objects`);
  for (const { blake3 } of page.objects) t.equal((await store.verify(blake3)).status, 'intact');
  t.strictSame(await stagedFiles(path), [], 'nothing is left in staging');
}

t.test('storing', async (t) => {
  const service = await serve(t);
  const { call, store } = service;
  const hello = text('hello');
  let address = '';

  await t.test('PUT under a digest: new, then known', async (t) => {
    const first = await call('PUT', `/v1/objects/${sha256Name(hello)}`, { body: hello });
    t.equal(first.status, 201);
    address = first.json.blake3;
    t.match(first.json, { sha256: sha256Name(hello), size: 5, existed: false, healed: false, event: { seq: 1 } });
    t.equal(first.json.receipts.length, 1);
    t.match(first.headers, {
      'content-type': 'application/json',
      location: `/v1/objects/${address}`,
      etag: `"${address}"`,
      'artifactstore-digest': `${address}, ${sha256Name(hello)}`,
      'artifactstore-event': '1',
    });
    const second = await call('PUT', `/v1/objects/${address}`, { body: hello });
    t.equal(second.status, 200);
    t.match(second.json, { existed: true, event: { seq: 2 } });
    t.match(await store.events(), [{ actor: 'http:127.0.0.1' }, { actor: 'http:127.0.0.1' }]);
  });

  await t.test('POST and PUT without a digest, whole, chunked and empty', async (t) => {
    for (const method of ['POST', 'PUT']) {
      const body = text(`by ${method}`);
      const reply = await call(method, '/v1/objects', { body });
      t.equal(reply.status, 201);
      t.equal(reply.json.sha256, sha256Name(body));
    }
    const bytes = randomBytes(3 * MIB + 7);
    const chunked = await call('POST', '/v1/objects', { body: Readable.from(chunks(bytes, 70_001)) });
    t.equal(chunked.status, 201);
    t.match(chunked.json, { sha256: sha256Name(bytes), size: bytes.byteLength });
    const empty = await call('PUT', '/v1/objects', { headers: { 'content-length': '0' } });
    t.equal(empty.status, 201);
    t.match(empty.json, { size: 0, sha256: sha256Name(new Uint8Array()) });
    t.equal((await call('GET', `/v1/objects/${empty.json.blake3}`)).bytes.byteLength, 0);
    t.equal((await call('GET', `/v1/objects/${empty.json.blake3}`, { headers: { range: 'bytes=0-' } })).status, 416);
  });

  await t.test('the CBOR answer, the data of the event and the result of put are the same bytes', async (t) => {
    const body = text('in CBOR');
    for (const status of [201, 200]) {
      const reply = await call('POST', '/v1/objects', { body, headers: { accept: 'application/cbor' } });
      t.equal(reply.status, status);
      t.equal(reply.headers['content-type'], 'application/cbor');
      const after = Number(reply.headers['artifactstore-event']) - 1;
      const [event] = await store.events({ after, limit: 1 });
      t.equal(toHex(reply.bytes), toHex(event?.dataBytes as Uint8Array));
      if (status === 200) t.equal(toHex(reply.bytes), toHex((await store.put(body)).cbor));
    }
  });

  await t.test('expected digests hold before anything is stored', async (t) => {
    const before = (await store.list()).objects.length;
    const body = text('expected');
    const other = text('other');
    for (const field of ['repr-digest', 'content-digest']) {
      isProblem(
        t,
        await call('POST', '/v1/objects', { body, headers: { [field]: reprDigest(other) } }),
        400,
        'AS_ERR_DIGEST_MISMATCH',
      );
      isProblem(
        t,
        await call('POST', '/v1/objects', { body, headers: { [field]: 'sha-256=:AAAA:' } }),
        400,
        'AS_ERR_INVALID_DIGEST',
      );
    }
    isProblem(t, await call('PUT', `/v1/objects/${sha256Name(other)}`, { body }), 400, 'AS_ERR_DIGEST_MISMATCH');
    isProblem(t, await call('PUT', `/v1/objects/blake3:${'0'.repeat(64)}`, { body }), 400, 'AS_ERR_DIGEST_MISMATCH');
    isProblem(
      t,
      await call('PUT', `/v1/objects/${sha256Name(body)}`, { body, headers: { 'repr-digest': reprDigest(other) } }),
      400,
      'AS_ERR_DIGEST_MISMATCH',
    );
    t.equal((await store.list()).objects.length, before);
    const right = await call('PUT', `/v1/objects/${sha256Name(body)}`, {
      body,
      headers: {
        'repr-digest': reprDigest(body),
        'content-digest': reprDigest(body),
        'artifactstore-digest': sha256Name(body),
      },
    });
    t.equal(right.status, 201);
  });

  await t.test('preconditions of an upload', async (t) => {
    const put = (target: Uint8Array, headers: Record<string, string>) =>
      call('PUT', `/v1/objects/${sha256Name(target)}`, { body: target, headers });
    isProblem(t, await put(hello, { 'if-none-match': '*' }), 412, 'AS_ERR_HTTP_PRECONDITION');
    isProblem(t, await put(hello, { 'if-none-match': `"${address}"` }), 412, 'AS_ERR_HTTP_PRECONDITION');
    t.equal((await put(hello, { 'if-match': `"${address}"` })).status, 200);
    isProblem(t, await put(text('absent'), { 'if-match': '*' }), 412, 'AS_ERR_HTTP_PRECONDITION');
    t.equal((await put(text('absent'), { 'if-none-match': '*' })).status, 201);
  });

  await t.test('bodies that are not the object', async (t) => {
    const cases: [Record<string, string>, number][] = [
      [{ 'content-range': 'bytes 0-4/10' }, 400],
      [{ 'content-encoding': 'gzip' }, 415],
      [{ 'content-type': 'multipart/form-data; boundary=x' }, 415],
      [{ 'tus-resumable': '1.0.0' }, 400],
    ];
    for (const [headers, status] of cases) {
      isProblem(t, await call('POST', '/v1/objects', { body: text('body'), headers }), status, 'AS_ERR_HTTP_REQUEST');
    }
    const reply = await call('POST', '/v1/objects', { body: hello, headers: { 'content-encoding': 'identity' } });
    t.equal(reply.status, 200);
  });

  await t.test('the same content from many clients at once', async (t) => {
    const bytes = randomBytes(2 * MIB);
    const replies = await Promise.all(
      Array.from({ length: 12 }, () => call('PUT', `/v1/objects/${sha256Name(bytes)}`, { body: bytes })),
    );
    t.ok(replies.every(({ status }) => status === 200 || status === 201));
    t.ok(replies.some(({ status }) => status === 201));
    t.equal(new Set(replies.map(({ json }) => json.blake3)).size, 1);
    t.ok(Buffer.from(await (await store.get(sha256Name(bytes))).bytes()).equals(bytes));
  });

  await isClean(t, service, 9);
});

t.test('reading', async (t) => {
  const service = await serve(t);
  const { call, store } = service;
  const bytes = randomBytes(2 * MIB + 321);
  const { blake3, sha256: other, event } = await store.put(bytes);
  const target = `/v1/objects/${blake3}`;
  const prefix = blake3.slice(0, 'blake3:'.length + 12);

  await t.test('GET and HEAD by either digest and by a prefix', async (t) => {
    for (const name of [blake3, other, prefix, blake3.slice('blake3:'.length)]) {
      const isDigest = name === blake3 || name === other;
      const reply = await call('GET', `/v1/objects/${name}`);
      t.equal(reply.status, 200);
      t.ok(reply.bytes.equals(bytes), name);
      const expected = {
        'content-length': String(bytes.byteLength),
        'content-type': 'application/octet-stream',
        'accept-ranges': 'bytes',
        etag: `"${blake3}"`,
        'repr-digest': reprDigest(bytes),
        'artifactstore-digest': `${blake3}, ${other}`,
        'last-modified': new Date(event.time - (event.time % 1000)).toUTCString(),
        'cache-control': isDigest ? 'public, max-age=31536000, immutable' : 'no-cache',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; sandbox",
      };
      t.match(reply.headers, expected);
      t.equal(reply.headers['content-location'], isDigest ? undefined : target);
      const only = await call('HEAD', `/v1/objects/${name}`);
      t.equal(only.status, 200);
      t.match(only.headers, expected);
      t.equal(only.bytes.byteLength, 0);
    }
  });

  await t.test('ranges', async (t) => {
    const size = bytes.byteLength;
    const parts: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=100-199', 100, 200],
      [`bytes=${size - 1}-`, size - 1, size],
      ['bytes=-10', size - 10, size],
      [`bytes=${MIB - 1}-${MIB + 20_000}`, MIB - 1, MIB + 20_001],
      ['bytes=5-', 5, size],
    ];
    for (const [range, start, end] of parts) {
      const reply = await call('GET', target, { headers: { range } });
      t.equal(reply.status, 206, range);
      t.equal(reply.headers['content-range'], `bytes ${start}-${end - 1}/${size}`);
      t.equal(reply.headers['content-length'], String(end - start));
      t.equal(reply.headers['repr-digest'], reprDigest(bytes), 'of the whole object');
      t.ok(reply.bytes.equals(bytes.subarray(start, end)));
    }
    for (const range of ['bytes=1-6,5-9', 'lines=1-2', 'bytes=9-1']) {
      const reply = await call('GET', target, { headers: { range } });
      t.equal(reply.status, 200, range);
      t.equal(reply.bytes.byteLength, size);
    }
    const beyond = await call('GET', target, { headers: { range: `bytes=${size}-` } });
    isProblem(t, beyond, 416, 'AS_ERR_RANGE');
    t.equal(beyond.headers['content-range'], `bytes */${size}`);
    const ignored = await call('HEAD', target, { headers: { range: 'bytes=0-0' } });
    t.equal(ignored.status, 200, 'Range counts for GET alone');
  });

  await t.test('several ranges', async (t) => {
    const size = bytes.byteLength;
    const asked = [
      [MIB, MIB + 100_000],
      [0, 1],
      [size - 7, size],
    ] as const;
    const range = `bytes=${MIB}-${MIB + 99_999}, 0-0, -7, ${size}-`;
    const reply = await call('GET', target, { headers: { range, 'if-range': `"${blake3}"` } });
    t.equal(reply.status, 206);
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(String(reply.headers['content-type']))?.[1];
    t.match(reply.headers, { etag: `"${blake3}"`, 'repr-digest': reprDigest(bytes) });
    t.notOk(reply.headers['content-range'], 'which stands in the parts');
    const expected = asked.map(([start, end]) =>
      Buffer.concat([
        text(`\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n`),
        text(`Content-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n`),
        bytes.subarray(start, end),
      ]),
    );
    t.ok(reply.bytes.equals(Buffer.concat([...expected, text(`\r\n--${boundary}--\r\n`)])));
    t.equal(reply.headers['content-length'], String(reply.bytes.length));
    const one = await call('GET', target, { headers: { range: `bytes=1-2,${size}-` } });
    t.equal(one.headers['content-range'], `bytes 1-2/${size}`, 'one that is left is no part');
    const none = await call('GET', target, { headers: { range: `bytes=${size}-,${size + 5}-` } });
    isProblem(t, none, 416, 'AS_ERR_RANGE');
  });

  await t.test('digests on demand', async (t) => {
    const wanted = await call('GET', target, { headers: { 'want-content-digest': 'sha-256=5' } });
    t.match(wanted.headers, { 'content-digest': reprDigest(bytes), 'repr-digest': reprDigest(bytes) });
    const part = await call('GET', target, { headers: { 'want-content-digest': 'sha-256=5', range: 'bytes=0-1' } });
    t.notOk(part.headers['content-digest'], 'the digest of a part is not known');
    const unwanted = await call('HEAD', target, { headers: { 'want-repr-digest': 'sha-256=0' } });
    t.notOk(unwanted.headers['repr-digest']);
  });

  await t.test('conditions', async (t) => {
    const get = (headers: Record<string, string>) => call('GET', target, { headers });
    const notModified = await get({ 'if-none-match': `"${blake3}"` });
    t.equal(notModified.status, 304);
    t.equal(notModified.bytes.byteLength, 0);
    t.match(notModified.headers, { etag: `"${blake3}"`, 'cache-control': /immutable/ });
    isProblem(t, await get({ 'if-match': '"other"' }), 412, 'AS_ERR_HTTP_PRECONDITION');
    t.equal((await get({ range: 'bytes=0-1', 'if-range': `"${blake3}"` })).status, 206);
    t.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);
    t.equal((await call('GET', '/v1/objects/blake3:00000000', { headers: { 'if-match': '"x"' } })).status, 404);
  });

  await t.test('what names nothing', async (t) => {
    isProblem(t, await call('GET', `/v1/objects/blake3:${'0'.repeat(64)}`), 404, 'AS_ERR_NOT_FOUND');
    isProblem(t, await call('GET', '/v1/objects/xyz'), 400, 'AS_ERR_INVALID_DIGEST');
    t.equal((await call('HEAD', `/v1/objects/blake3:${'0'.repeat(64)}`)).status, 404);
    isProblem(t, await call('GET', '/v1/objects/..%2f..%2fetc%2fpasswd'), 400, 'AS_ERR_INVALID_DIGEST');
  });

  await t.test('an ambiguous prefix', async (t) => {
    // Two contents whose digests begin alike: among some hundreds there are such two.
    const seen = new Map<string, string>();
    let twice = '';
    for (let n = 0; twice === ''; n++) {
      const content = `object ${n}`;
      const prefix = sha256Name(text(content)).slice(0, 11);
      const other = seen.get(prefix);
      seen.set(prefix, content);
      if (other === undefined) continue;
      twice = prefix;
      await store.putMany([text(other), text(content)]);
    }
    const reply = await call('GET', `/v1/objects/${twice}`);
    isProblem(t, reply, 409, 'AS_ERR_AMBIGUOUS_DIGEST');
    t.equal(reply.json.candidates.length, 2);
  });

  await t.test('meta, listing and events', async (t) => {
    const meta = await call('GET', `/v1/objects/${prefix}/meta`);
    t.strictSame(meta.json, JSON.parse(JSON.stringify(await store.stat(blake3))));

    const found: string[] = [];
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page = await call('GET', `/v1/objects?limit=2&state=live${next && `&cursor=${encodeURIComponent(next)}`}`);
      t.equal(page.status, 200);
      found.push(...page.json.objects.map((record: ObjectRecord) => record.blake3));
      next = page.json.next;
    }
    t.strictSame(
      found,
      (await store.list()).objects.map((record) => record.blake3),
    );
    t.strictSame((await call('GET', '/v1/objects?state=deleted')).json, { objects: [] });
    for (const query of ['limit=0', 'limit=x', 'state=dead', 'cursor=nonsense', 'limt=1', 'limit=1&limit=1']) {
      isProblem(t, await call('GET', `/v1/objects?${query}`), 400, 'AS_ERR_INVALID_ARGUMENT');
    }

    const page = await call('GET', '/v1/events?limit=1');
    t.match(page.json, { events: [{ seq: 1, kind: 'object.ingested', subject: blake3 }], next: 1 });
    t.equal(page.json.events[0].data.blake3, blake3.slice('blake3:'.length), 'bytes as hex');
    t.match((await call('GET', '/v1/events?after=1&limit=2')).json, { events: [{ seq: 2 }, { seq: 3 }], next: 3 });
    t.strictSame((await call('GET', '/v1/events?after=9999')).json, { events: [], next: 9999 });
    t.equal((await call('GET', `/v1/events?subject=${blake3}`)).json.events.length, 1);
    t.equal((await call('GET', '/v1/events?kind=object.deleted')).json.events.length, 0);
    isProblem(t, await call('GET', '/v1/events?after=-1'), 400, 'AS_ERR_INVALID_ARGUMENT');
  });

  await t.test('what is missing', async (t) => {
    const absent = [`blake3:${'0'.repeat(64)}`, `sha256:${'f'.repeat(64)}`];
    const deleted = await store.put(text('soon gone'));
    await store.delete(deleted.blake3);
    const gone = [deleted.blake3, deleted.sha256];
    const list = [absent[0], blake3, gone[0], other.toUpperCase().replace('SHA', 'sha'), absent[1], gone[1], absent[0]];
    const answer = [absent[0], gone[0], absent[1], gone[1]];
    const ask = (body: string | Uint8Array, type = 'application/json', accept = '*/*') =>
      call('POST', '/v1/objects/missing', { body, headers: { 'content-type': type, accept } });
    t.strictSame((await ask(JSON.stringify(list))).json, { missing: answer });
    const binary = await ask(encodeCanonical(list as string[]), 'application/cbor', 'application/cbor');
    t.equal(binary.headers['content-type'], 'application/cbor');
    t.strictSame({ ...(decodeCanonical(binary.bytes) as object) }, { missing: answer });
    t.strictSame((await ask('[]')).json, { missing: [] });
    const many = Array.from({ length: MISSING_DIGESTS_MAX }, (_, n) => sha256Name(text(`${n}`)));
    t.equal((await ask(JSON.stringify([...many.slice(1), blake3]))).json.missing.length, MISSING_DIGESTS_MAX - 1);
    isProblem(t, await ask(JSON.stringify([...many, blake3])), 413, 'AS_ERR_LIMIT');
    isProblem(t, await ask(' '.repeat(MISSING_BODY_SIZE_MAX + 1)), 413, 'AS_ERR_LIMIT');
    isProblem(t, await ask('{'), 400, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await ask('{"digests":[]}'), 400, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await ask('[1]'), 400, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await ask('["sha256:12"]'), 400, 'AS_ERR_INVALID_DIGEST');
    isProblem(t, await ask('[]', 'text/plain'), 415, 'AS_ERR_HTTP_REQUEST');
    isProblem(t, await ask(new Uint8Array([0x9f, 0xff]), 'application/cbor'), 400, 'AS_ERR_CBOR_DECODE');
  });
});

t.test('deleting', async (t) => {
  const { call, store } = await serve(t);
  const { blake3, sha256: other } = await store.put(text('to be deleted'));
  isProblem(t, await call('DELETE', `/v1/objects/${blake3.slice(0, 20)}`), 400, 'AS_ERR_INVALID_DIGEST');
  const guarded = await call('DELETE', `/v1/objects/${blake3}`, { headers: { 'if-match': '"other"' } });
  isProblem(t, guarded, 412, 'AS_ERR_HTTP_PRECONDITION');

  const deleted = await call('DELETE', `/v1/objects/${other}?reason=${encodeURIComponent('zu groß')}`);
  t.equal(deleted.status, 200);
  t.match(deleted.json, { blake3, state: 'deleted', tombstone: { actor: 'http:127.0.0.1', reason: 'zu groß' } });
  const isAlone = placeName() === 's3';
  t.equal(deleted.json.freedSize, isAlone ? 13 : 0, 'in a block that it shares with others, compaction frees it');

  const { id, time } = deleted.json.tombstone;
  const gone = await call('GET', `/v1/objects/${blake3}`);
  isProblem(t, gone, 410, 'AS_ERR_GONE');
  t.match(gone.json, { address: blake3, event: id, time, actor: 'http:127.0.0.1', reason: 'zu groß' });
  t.equal((await call('HEAD', `/v1/objects/${blake3}`)).status, 410);
  isProblem(t, await call('DELETE', `/v1/objects/${blake3}`), 410, 'AS_ERR_GONE');
  isProblem(t, await call('DELETE', `/v1/objects/blake3:${'0'.repeat(64)}`), 404, 'AS_ERR_NOT_FOUND');
  t.match((await call('GET', `/v1/objects/${blake3}/meta`)).json, { state: 'deleted', tombstone: { id } });
  const again = await call('PUT', `/v1/objects/${blake3}`, { body: text('to be deleted') });
  t.equal(again.status, 201, 'the same bytes bring it back');
});

t.test('methods, targets and names of the service', async (t) => {
  const { call, url } = await serve(t, { hostNames: ['Store.Example'] });
  const wrong = await call('PATCH', '/v1/objects');
  isProblem(t, wrong, 405, 'AS_ERR_HTTP_METHOD');
  t.equal(wrong.headers.allow, 'GET, POST, PUT, HEAD');
  isProblem(t, await call('GET', '/v2/'), 404, 'AS_ERR_HTTP_ROUTE');
  isProblem(t, await call('GET', `/v1/objects?cursor=${'x'.repeat(5000)}`), 414, 'AS_ERR_LIMIT');
  isProblem(t, await call('GET', '/livez', { headers: { origin: 'https://evil.example' } }), 403, 'AS_ERR_HTTP_ORIGIN');
  t.equal((await call('GET', '/livez', { headers: { origin: url } })).status, 200);

  for (const [host, status] of [
    ['evil.example', 403],
    ['store.example', 200],
  ] as const) {
    const answered = await new Promise((resolve, reject) => {
      nodeRequest(`${url}/livez`, { headers: { host } }, (reply) => resolve(reply.resume().statusCode))
        .on('error', reject)
        .end();
    });
    t.equal(answered, status, host);
  }
});

t.test('health', async (t) => {
  await t.test('of a store that works', async (t) => {
    const { call } = await serve(t);
    t.strictSame((await call('GET', '/livez')).json, { status: 'ok' });
    const reply = await call('GET', '/readyz');
    t.equal(reply.status, 200);
    const backend = placeName() === 's3' ? 's3' : 'local';
    t.match(reply.json, { ready: true, backend, readOnly: false });
    t.notOk('path' in reply.json.facts);
    t.equal((await call('HEAD', '/readyz')).status, 200);
  });
  await t.test('of one that does not', async (t) => {
    const status = { ready: false, readOnly: false, backend: 'local', tier: 'hot', facts: {}, problem: 'No disk.' };
    let asked = 0;
    const health = async () => {
      asked++;
      return status;
    };
    const { call } = await serve(t, { stub: { health } });
    const replies = await Promise.all([call('GET', '/readyz'), call('GET', '/readyz')]);
    for (const reply of replies) {
      t.equal(reply.status, 503);
      t.match(reply.json, { problem: 'No disk.' });
    }
    t.equal(asked, 1, 'probes share one check');
    t.equal((await call('GET', '/livez')).status, 200);
  });
  await t.test('of one that is closed', async (t) => {
    const { call, store, errors } = await serve(t);
    await store.close();
    isProblem(t, await call('GET', '/readyz'), 503, 'AS_ERR_CLOSED');
    t.match(errors, [{ code: 'AS_ERR_CLOSED' }], 'the operator is told');
  });
});

t.test('a store that is read-only', async (t) => {
  const writable = await serve(t);
  const { blake3 } = await writable.store.put(text('kept'));
  await writable.store.close();
  const store = await openStore({ ...writable.storeOptions, readOnly: true });
  t.teardown(() => store.close());
  const { call } = await serve(t, { stub: store });
  t.equal((await call('GET', `/v1/objects/${blake3}`)).bytes.toString(), 'kept');
  const refused = await call('POST', '/v1/objects', { body: text('new') });
  isProblem(t, refused, 403, 'AS_ERR_READ_ONLY');
  t.notMatch(refused.json.detail, writable.path, 'where the store lies is not told');
  t.equal((await call('GET', '/readyz')).status, 200);
});

t.test('uploads cut short store nothing', async (t) => {
  const service = await serve(t);
  const { url, store } = service;
  const kept = await store.put(text('kept'));
  const half = randomBytes(3 * MIB);
  let taken = 0;
  const outcomes: Promise<unknown>[] = [];
  const put = store.put.bind(store);
  store.put = ((source: PutSource, options?: PutOptions) => {
    const onProgress = (size: number) => {
      taken = size;
    };
    const result = put(source, { ...options, onProgress });
    outcomes.push(result.catch((error) => error.code));
    return result;
  }) as Store['put'];

  for (const framing of [`Content-Length: ${6 * MIB}`, 'Transfer-Encoding: chunked']) {
    const isChunked = framing.startsWith('T');
    const lines = ['PUT /v1/objects HTTP/1.1', framing];
    const part = isChunked ? Buffer.concat([text(`${half.byteLength.toString(16)}\r\n`), half, text('\r\n')]) : half;

    const torn = await RawClient.open(t, url);
    torn.send(head(...lines)).send(part);
    await until(() => taken > 2 * MIB);
    torn.socket.resetAndDestroy();

    const halfClosed = await RawClient.open(t, url);
    halfClosed
      .send(head(...lines))
      .send(part)
      .socket.end();
    const answer = await halfClosed.ended();
    t.match(answer, /^HTTP\/1\.1 400 /, framing);
    t.match(answer, /AS_ERR_SIZE_MISMATCH/);
    t.match(answer, /Connection: close/);
    taken = 0;
  }
  t.strictSame(await Promise.all(outcomes), Array(4).fill('AS_ERR_ABORTED'));
  t.equal((await store.events()).at(-1)?.seq, kept.event.seq, 'no event');
  await isClean(t, service, 1);
});

t.test('an upload that is refused early is answered, then the connection ends', async (t) => {
  const service = await serve(t);
  const body = randomBytes(8 * MIB);
  for (const target of ['/v1/objects/nonsense', '/nowhere']) {
    const client = await RawClient.open(t, service.url);
    client.send(head(`PUT ${target} HTTP/1.1`, `Content-Length: ${body.byteLength}`)).send(body);
    const answer = await client.ended();
    t.match(answer, /^HTTP\/1\.1 40[04] /);
    t.match(answer, /Connection: close\r\n/);
    t.match(answer, /"code":"AS_ERR_(INVALID_DIGEST|HTTP_ROUTE)"/);
  }
  const kept = await RawClient.open(t, service.url);
  kept.send(head('GET /nowhere HTTP/1.1'));
  t.match(await kept.until(/HTTP_ROUTE/), /Connection: keep-alive/, 'an error alone ends no connection');
  kept.send(head('GET /livez HTTP/1.1'));
  await kept.until(/"status":"ok"/);
  await isClean(t, service, 0);
});

t.test('Expect: 100-continue', async (t) => {
  const service = await serve(t);
  const { blake3 } = await service.store.put(text('known'));
  const upload = async (target: string, ...lines: string[]) => {
    const client = await RawClient.open(t, service.url);
    return client.send(head(`PUT ${target} HTTP/1.1`, 'Content-Length: 5', ...lines));
  };
  const welcome = await upload('/v1/objects', 'Expect: 100-continue');
  t.equal(await welcome.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n');
  welcome.send('hello');
  t.match(await welcome.until(/\}\n$/), /HTTP\/1\.1 201 Created\r\n.*Connection: keep-alive/s);

  const refusals: [string, string[], RegExp][] = [
    ['/v1/objects/nonsense', [], /^HTTP\/1\.1 400 /],
    [`/v1/objects/${blake3}`, ['If-None-Match: *'], /^HTTP\/1\.1 412 /],
    ['/v1/objects', ['Repr-Digest: nonsense'], /^HTTP\/1\.1 400 /],
    ['/v1/objects', ['Origin: http://evil.example'], /^HTTP\/1\.1 403 /],
  ];
  for (const [target, lines, status] of refusals) {
    const answer = await (await upload(target, 'Expect: 100-continue', ...lines)).ended();
    t.match(answer, status, 'without inviting the body');
    t.match(answer, /Connection: close/);
  }
  t.match(await (await upload('/v1/objects', 'Expect: miracles')).ended(), /^HTTP\/1\.1 417 .*AS_ERR_HTTP_REQUEST/s);
  await isClean(t, service, 2);
});

t.test('malformed requests', async (t) => {
  const service = await serve(t);
  const cases: [string, string, number][] = [
    ['no HTTP', 'hello\r\n\r\n', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01', 400],
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
    ['two Hosts', head('GET /livez HTTP/1.1', 'Host: localhost'), 400],
    ['lengths that differ', head('PUT /v1/objects HTTP/1.1', 'Content-Length: 5', 'Content-Length: 6'), 400],
    [
      'length and chunks',
      `${head('PUT /v1/objects HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
    ],
    ['another coding', `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`, 501],
    ['a coding without an end', head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: gzip'), 400],
    ['a length that is none', head('PUT /v1/objects HTTP/1.1', 'Content-Length: five'), 400],
    ['a negative length', head('PUT /v1/objects HTTP/1.1', 'Content-Length: -5'), 400],
    ['a length beyond all objects', head('PUT /v1/objects HTTP/1.1', 'Content-Length: 9999999999999999999'), 413],
    ['no length', head('PUT /v1/objects HTTP/1.1'), 411],
    ['a chunk size that is none', `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked')}xyz\r\n`, 400],
    [
      'a chunk size beyond all numbers',
      `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked')}fffffffffffffffff\r\n`,
      400,
    ],
    [
      'a chunk size with a sign',
      `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked')}+5\r\nhello\r\n0\r\n\r\n`,
      400,
    ],
    [
      'a chunk that is longer than it says',
      `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked')}3\r\nhello\r\n0\r\n\r\n`,
      400,
    ],
    [
      'chunked twice',
      `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
    ],
    ['chunked, and not last', `${head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding: chunked, gzip')}0\r\n\r\n`, 400],
    [
      'a coding hidden by a tab',
      head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding:\tidentity, chunked', 'Content-Length: 5'),
      400,
    ],
    ['a coding with a space before the colon', head('PUT /v1/objects HTTP/1.1', 'Transfer-Encoding : chunked'), 400],
    ['a length with a sign', head('PUT /v1/objects HTTP/1.1', 'Content-Length: +5'), 400],
    ['a length in hex', head('PUT /v1/objects HTTP/1.1', 'Content-Length: 0x5'), 400],
    ['lengths in a list', head('PUT /v1/objects HTTP/1.1', 'Content-Length: 5, 5'), 400],
    ['a folded header', head('GET /livez HTTP/1.1', 'X-A: b\r\n c'), 400],
    ['a NUL in a header', head('GET /livez HTTP/1.1', 'X-A: b\0c'), 400],
    ['a NUL in the target', head('GET /livez\0 HTTP/1.1'), 400],
    ['a space in the target', head('GET /livez /x HTTP/1.1'), 400],
    ['a method that is none', head('GE?T /livez HTTP/1.1'), 400],
    ['HTTP/2 in the clear', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a version that is none', head('GET /livez HTTP/9.9'), 400],
    ['a tunnel', head('CONNECT localhost:22 HTTP/1.1'), 405],
    ['a header name with a space', head('GET /livez HTTP/1.1', 'Bad Name: 1'), 400],
    ['a bare line feed in a header', head('GET /livez HTTP/1.1', 'A: b\nTransfer-Encoding: chunked'), 400],
    ['headers beyond the limit', head('GET /livez HTTP/1.1', `X-Long: ${'x'.repeat(20_000)}`), 431],
    ['a target beyond the limit', head(`GET /${'x'.repeat(5_000)} HTTP/1.1`), 414],
  ];
  for (const [what, bytes, status] of cases) {
    const client = await RawClient.open(t, service.url);
    client.send(Buffer.from(bytes, 'latin1'));
    const answer = await client.until(/\r\n\r\n\{.*\}\n$/s);
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), what);
    t.match(answer, 'Content-Type: application/problem+json');
    client.socket.destroy();
  }
  await isClean(t, service, 0);
});

t.test('a body is never taken for a request', async (t) => {
  const service = await serve(t);
  const { url, store } = service;
  const { blake3 } = await store.put(text('to be kept'));
  const smuggled = head(`DELETE /v1/objects/${blake3} HTTP/1.1`);
  const lengths = (bytes: string) => `Content-Length: ${bytes.length}`;
  const ways: [string, string, RegExp][] = [
    ['the body of a request that is refused', head('PUT /nowhere HTTP/1.1', lengths(smuggled)) + smuggled, / 404 /],
    ['the body of a GET', head('GET /livez HTTP/1.1', lengths(smuggled)) + smuggled, / 200 /],
    ['the body behind what was stored', head('PUT /v1/objects HTTP/1.1', lengths(smuggled)) + smuggled, / 201 /],
    [
      'the chunks of a GET',
      `${head('GET /livez HTTP/1.1', 'Transfer-Encoding: chunked')}${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`,
      / 200 /,
    ],
    [
      'what stands behind both framings',
      `${head('PUT /v1/objects HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`,
      / 400 /,
    ],
    [
      'a body that was never invited',
      head('PUT /v1/objects/nonsense HTTP/1.1', lengths(smuggled), 'Expect: 100-continue') + smuggled,
      / 400 /,
    ],
  ];
  for (const [what, bytes, status] of ways) {
    const client = await RawClient.open(t, url);
    client.send(bytes);
    t.match(await client.until(/\}\n/), status, what);
    client.socket.end();
    t.equal((await client.ended()).match(/HTTP\/1\.1 /g)?.length, 1, `${what}: one request, one answer`);
  }
  t.equal((await store.stat(blake3)).state, 'live');

  const lying = await RawClient.open(t, url);
  lying.send(`${head('PUT /v1/objects HTTP/1.1', 'Content-Length: 5')}hello and more`);
  t.match(await lying.ended(), /HTTP\/1\.1 400 .*Connection: close/s, 'more than was announced is no request');
  t.strictSame(await stagedFiles(service.path), []);
  const pipelined = await RawClient.open(t, url);
  pipelined.send(head('GET /livez HTTP/1.1') + head('GET /nowhere HTTP/1.1') + head('GET /livez HTTP/1.1'));
  await pipelined.until(/ok.*HTTP_ROUTE.*ok/s);
  t.match(
    pipelined.text,
    /^HTTP\/1\.1 200 .*HTTP\/1\.1 404 .*HTTP\/1\.1 200 /s,
    'requests in a row are answered in a row',
  );
});

t.test('damage never leaves', async (t) => {
  const service = await serve(t);
  const { call, store, path, url, errors } = service;

  await t.test('in the first chunk: a clean answer', async (t) => {
    const { blake3 } = await store.put(randomBytes(100_000));
    await damage(path, blake3, 50);
    const reply = await call('GET', `/v1/objects/${blake3}`);
    isProblem(t, reply, 404, 'AS_ERR_CORRUPT');
    t.equal(reply.headers.etag, undefined);
    t.equal((await call('HEAD', `/v1/objects/${blake3}`)).status, 404, 'it counts as absent from now on');
    t.match((await call('GET', `/v1/objects/${blake3}/meta`)).json, { state: 'corrupt' });
  });

  await t.test('in a later one: a torn connection behind a right prefix', async (t) => {
    const bytes = randomBytes(6 * MIB);
    const { blake3 } = await store.put(bytes);
    await damage(path, blake3, 5 * MIB + 17);
    const client = await RawClient.open(t, url);
    client.send(head(`GET /v1/objects/${blake3} HTTP/1.1`));
    await client.ended();
    const start = client.received.indexOf('\r\n\r\n') + 4;
    const body = client.received.subarray(start);
    t.match(client.text.slice(0, start), `Content-Length: ${bytes.byteLength}`);
    t.ok(body.byteLength < bytes.byteLength, 'the client sees that it is short');
    t.ok(body.equals(bytes.subarray(0, body.byteLength)), 'and has not one wrong byte');
    t.match(errors, [{ code: 'AS_ERR_CORRUPT' }], 'the operator is told');

    isProblem(t, await call('GET', `/v1/objects/${blake3}`), 404, 'AS_ERR_CORRUPT');
    const healed = await call('PUT', `/v1/objects/${blake3}`, { body: bytes });
    t.equal(healed.status, 201);
    t.equal(healed.json.healed, true);
    t.ok((await call('GET', `/v1/objects/${blake3}`)).bytes.equals(bytes));
  });

  await t.test('outside the range asked for: no hindrance', async (t) => {
    const bytes = randomBytes(2 * MIB);
    const { blake3 } = await store.put(bytes);
    await damage(path, blake3, MIB + 12_345);
    const reply = await call('GET', `/v1/objects/${blake3}`, { headers: { range: 'bytes=100-299' } });
    t.equal(reply.status, 206);
    t.ok(reply.bytes.equals(bytes.subarray(100, 300)));
  });
});

/** A store with one object of `size` bytes that notes how much of it was asked for, and whether reading was ended. */
function endlessStore(size: number) {
  const seen = { given: 0, released: false };
  const record = {
    blake3: `blake3:${'b'.repeat(64)}`,
    sha256: `sha256:${'b'.repeat(64)}`,
    size,
    state: 'live',
    ingestedAt: 0,
    receipts: [],
  } as unknown as ObjectRecord;
  async function* give({ start, end }: ByteRange) {
    try {
      for (let at = start; at < end; at += MIB) {
        seen.given += MIB;
        yield Buffer.alloc(Math.min(MIB, end - at), (at / MIB) % 251);
      }
    } finally {
      seen.released = end === size;
    }
  }
  const get = async (_: string, { range = { start: 0, end: size } }: GetOptions = {}) =>
    new StoredObject(record, range, { iterate: () => give(range) });
  return { seen, record, stub: { get, getKnown: () => undefined } };
}

t.test('back-pressure', async (t) => {
  await t.test('a big object in and out, the reader slow', async (t) => {
    const { call, url } = await serve(t);
    const bytes = Buffer.alloc(64 * MIB);
    for (let offset = 0; offset < bytes.byteLength; offset += MIB)
      bytes.fill((offset / MIB) % 251, offset, offset + MIB);
    const stored = await call('POST', '/v1/objects', { body: Readable.from(chunks(bytes, 100_000)) });
    t.equal(stored.json.sha256, sha256Name(bytes));
    const hash = createHash('sha256');
    let size = 0;
    await new Promise<void>((resolve, reject) => {
      nodeRequest(`${url}${stored.headers.location}`, (reply) => {
        reply.on('data', (chunk: Buffer) => {
          hash.update(chunk);
          size += chunk.byteLength;
          if (size % 7 !== 0) return;
          reply.pause();
          setTimeout(() => reply.resume(), 2);
        });
        reply.on('end', resolve).on('error', reject);
      })
        .on('error', reject)
        .end();
    });
    t.equal(size, bytes.byteLength);
    t.equal(`sha256:${hash.digest('hex')}`, stored.json.sha256);
  });

  await t.test('a reader that stops is not read ahead for, and gets the rest when it goes on', async (t) => {
    const { seen, record, stub } = endlessStore(256 * MIB);
    const { url } = await serve(t, { stub });
    const client = await RawClient.open(t, url);
    client.send(head(`GET /v1/objects/${record.blake3} HTTP/1.1`, 'Connection: close'));
    await client.until(/\r\n\r\n/);
    client.socket.pause();
    t.ok((await settled(() => seen.given)) < 64 * MIB, 'what the kernel buffers, no more');
    t.notOk(seen.released);
    let size = 0;
    client.socket.removeAllListeners('data').on('data', (chunk) => {
      size += chunk.byteLength;
    });
    client.socket.resume();
    await client.ended();
    t.ok(size > 128 * MIB);
    t.equal(seen.given, 256 * MIB);
    t.ok(seen.released);
  });

  await t.test('answers sent by the store itself leave the connection as any other', async (t) => {
    const { call, url, store } = await serve(t);
    const bytes = randomBytes(20 * MIB);
    const { blake3 } = await store.put(bytes);
    const client = await RawClient.open(t, url);
    const get = head(`GET /v1/objects/${blake3} HTTP/1.1`);
    const range = head(`GET /v1/objects/${blake3} HTTP/1.1`, `Range: bytes=${MIB}-${9 * MIB - 1}`);
    client.send(get + range + get + head('GET /livez HTTP/1.1', 'Connection: close')); // one behind the other
    client.socket.pause();
    setTimeout(() => client.socket.resume(), 100);
    await client.ended();
    const bodies = [bytes, bytes.subarray(MIB, 9 * MIB), bytes];
    let at = 0;
    for (const body of bodies) {
      at = client.received.indexOf('\r\n\r\n', at) + 4;
      t.ok(client.received.subarray(at, at + body.byteLength).equals(body));
      at += body.byteLength;
    }
    t.match(client.received.subarray(at).toString('latin1'), /^HTTP\/1\.1 200 /);
    t.equal((await call('GET', '/livez')).status, 200);
    const leaver = await RawClient.open(t, url);
    leaver.send(get);
    await leaver.until(/\r\n\r\n/);
    leaver.socket.destroy();
    await settled(() => client.received.byteLength);
    t.ok((await call('GET', `/v1/objects/${blake3}`)).bytes.equals(bytes));
  });

  await t.test('a reader that leaves ends the reading', async (t) => {
    const { seen, record, stub } = endlessStore(1024 * MIB);
    const { url } = await serve(t, { stub });
    const client = await RawClient.open(t, url);
    client.send(head(`GET /v1/objects/${record.blake3} HTTP/1.1`));
    await client.until(/\r\n\r\n/);
    client.socket.destroy();
    await until(() => seen.released);
    t.ok(seen.given < 1024 * MIB);
  });

  await t.test('an upload is not taken in faster than it is stored', async (t) => {
    let proceed: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    let taken = 0;
    const put = async (source: ByteSource) => {
      for await (const chunk of source) {
        await gate;
        taken += chunk.byteLength;
      }
      throw new Error('enough');
    };
    const { url } = await serve(t, { stub: { put } });
    const client = await RawClient.open(t, url);
    client.send(head('POST /v1/objects HTTP/1.1', `Content-Length: ${64 * MIB}`));
    client.send(Buffer.alloc(64 * MIB));
    t.ok((await settled(() => client.socket.bytesWritten - client.socket.writableLength)) < 64 * MIB);
    t.equal(taken, 0);
    proceed();
    await client.until(/AS_ERR_INTERNAL/);
    t.equal(taken, 64 * MIB);
  });
});

t.test('a large body, received by the store itself', async (t) => {
  const size = 40 * MIB + 4099;
  const bytes = randomBytes(size);
  const begin = async (service: Service, ...lines: string[]) => {
    const client = await RawClient.open(t, service.url);
    return client.send(head('PUT /v1/objects HTTP/1.1', `Content-Length: ${size}`, ...lines));
  };

  await t.test('fast, slow, and with pauses, and what follows it is no part of it', async (t) => {
    const service = await serve(t);
    const client = await begin(service);
    client.send(bytes.subarray(0, 9 * MIB + 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.send(bytes.subarray(9 * MIB + 5, 30 * MIB));
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let at = 30 * MIB; at < 30 * MIB + 70; at++) {
      client.send(bytes.subarray(at, at + 1));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    client.send(bytes.subarray(30 * MIB + 70));
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 201 Created\r\n/);
    if (['own', 'tiered'].includes(placeName())) {
      t.match(client.text, /\r\nConnection: close\r\n/, 'what was received by the store is the last of its connection');
      await client.ended();
    } else client.socket.destroy();
    const { objects } = await service.store.list({});
    t.match(objects, [{ sha256: sha256Name(bytes), size }]);
    await isClean(t, service, 1);
    const again = await begin(service, 'Expect: 100-continue');
    await again.until(/100 Continue\r\n\r\n/);
    again.send(bytes).send('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    t.match(await again.until(/\}\n$/), / 200 OK\r\n.*"existed":true/s);
    t.equal((await service.call('GET', '/livez')).status, 200);
    const { families } = await service.call('GET', '/metrics').then(({ bytes }) => ({ families: bytes.toString() }));
    t.match(families, new RegExp(`http_received_bytes_total\\{operation="putObject"\\} ${2 * size}\n`));
  });

  await t.test('with a digest that it does not have', async (t) => {
    const service = await serve(t);
    const client = await begin(service, `Artifactstore-Digest: ${sha256Name(text('other'))}`);
    client.send(bytes);
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 400 .*AS_ERR_DIGEST_MISMATCH/s);
    await isClean(t, service, 0);
  });

  await t.test('cut off', async (t) => {
    const service = await serve(t);
    const client = await begin(service);
    client.send(bytes.subarray(0, 30 * MIB));
    await until(() => client.socket.writableLength === 0);
    client.socket.destroy();
    await until(async () => (await stagedFiles(service.path)).length === 0);
    await isClean(t, service, 0);
    t.strictSame(service.errors, []);
  });

  await t.test('from a client that falls silent, or sends a byte now and then', async (t) => {
    const service = await serve(t, { idleTimeoutMs: 400 });
    const silent = await begin(service);
    silent.send(bytes.subarray(0, 30 * MIB));
    t.match(await silent.until(/\}\n$/), /^HTTP\/1\.1 408 .*AS_ERR_HTTP_TIMEOUT/s);
    const slow = await begin(service);
    slow.send(bytes.subarray(0, 30 * MIB));
    const dripping = setInterval(() => slow.send('x'), 20);
    t.teardown(() => clearInterval(dripping));
    t.match(await slow.until(/\}\n$/), /^HTTP\/1\.1 408 .*AS_ERR_HTTP_TIMEOUT.*fewer than/s);
    await isClean(t, service, 0);
  });

  await t.test('by a service that ends', async (t) => {
    const service = await serve(t, { closeGraceMs: 100 });
    const client = await begin(service);
    client.send(bytes.subarray(0, 30 * MIB));
    await until(() => client.socket.writableLength === 0);
    await service.close();
    await client.ended();
    await isClean(t, service, 0);
  });
});

t.test('many bodies at once, received by the store itself', async (t) => {
  const crowd = RECEIVE_CROWD + 20;
  const size = 3 * RECEIVE_CROWDED_FROM + 7;
  const bodyOf = (n: number) => Buffer.concat([text(String(n).padStart(4)), bytes]).subarray(0, size);
  const bytes = randomBytes(size);
  /** All of them, once the service waits for each body, with its first bytes sent. */
  const begin = async (t: Test, service: Service) => {
    const clients = await Promise.all(Array.from({ length: crowd }, () => RawClient.open(t, service.url)));
    for (const client of clients) {
      client.send(head('PUT /v1/objects HTTP/1.1', `Content-Length: ${size}`, 'Expect: 100-continue'));
    }
    await Promise.all(clients.map((client) => client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)));
    for (const [n, client] of clients.entries()) client.send(bodyOf(n).subarray(0, 5000));
    return clients;
  };

  await t.test('fast, slow, and a byte now and then', async (t) => {
    const service = await serve(t);
    const clients = await begin(t, service);
    await Promise.all(
      clients.map(async (client, n) => {
        const step = [size, 20_000, 777 * n + 3000][n % 3] as number;
        const body = bodyOf(n);
        for (let at = 5000; at < size - 3; at += step) {
          client.send(body.subarray(at, Math.min(at + step, size - 3)));
          await new Promise((resolve) => setTimeout(resolve, n % 7));
        }
        for (let at = size - 3; at < size; at++) {
          await new Promise((resolve) => setTimeout(resolve, 30));
          client.send(body.subarray(at, at + 1));
        }
        t.match(await client.until(/\}\n$/), /\r\nHTTP\/1\.1 201 Created\r\n/);
        t.match(client.text, sha256Name(body), 'and it is what was sent');
      }),
    );
    if (placeName() === 'own') {
      const ended = clients.filter((client) => client.text.includes('\r\nConnection: close\r\n'));
      t.ok(ended.length >= crowd - RECEIVE_CROWD, `${ended.length} have been given away`);
    }
    const alone = await RawClient.open(t, service.url);
    alone.send(head('PUT /v1/objects HTTP/1.1', `Content-Length: ${size}`)).send(bytes);
    t.notMatch(await alone.until(/\}\n$/), /Connection: close/, 'one alone keeps its connection');
    await isClean(t, service, crowd + 1);
  });

  await t.test('cut off, and silent', async (t) => {
    const service = await serve(t, { idleTimeoutMs: 400 });
    const clients = await begin(t, service);
    for (const [n, client] of clients.entries()) if (n % 2 === 0) client.socket.destroy();
    for (const [n, client] of clients.entries()) {
      if (n % 2 === 1) t.match(await client.until(/\}\n$/), /\r\nHTTP\/1\.1 408 .*AS_ERR_HTTP_TIMEOUT/s);
    }
    await until(async () => (await stagedFiles(service.path)).length === 0);
    await isClean(t, service, 0);
    t.strictSame(service.errors, []);
  });

  await t.test('by a service that ends', async (t) => {
    const service = await serve(t, { closeGraceMs: 100 });
    const clients = await begin(t, service);
    await until(() => clients.every(({ socket }) => socket.writableLength === 0));
    await service.close();
    for (const client of clients) await client.ended();
    await isClean(t, service, 0);
  });
});

t.test('clients that fall silent', async (t) => {
  await t.test('while uploading', async (t) => {
    const service = await serve(t, { idleTimeoutMs: 150 });
    const client = await RawClient.open(t, service.url);
    client.send(head('POST /v1/objects HTTP/1.1', 'Content-Length: 10')).send('hello');
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 408 .*AS_ERR_HTTP_TIMEOUT/s);
    await isClean(t, service, 0);
  });
  await t.test('in the middle of their headers', async (t) => {
    const service = await serve(t, { headersTimeoutMs: 100 });
    const silent = await RawClient.open(t, service.url);
    silent.send('GET /livez HTTP/1.1\r\nHost: localhost\r\n');
    const dripping = await RawClient.open(t, service.url);
    dripping.send('GET /livez HTTP/1.1\r\nX-A: ');
    const drips = setInterval(() => dripping.send('x'), 10);
    t.teardown(() => clearInterval(drips));
    for (const client of [silent, dripping]) {
      t.match(await client.ended(), /^HTTP\/1\.1 408 .*Content-Type: application\/problem\+json.*AS_ERR_HTTP_TIMEOUT/s);
    }
  });
  await t.test('or send a byte now and then', async (t) => {
    const service = await serve(t, { idleTimeoutMs: 400 });
    const client = await RawClient.open(t, service.url);
    client.send(head('POST /v1/objects HTTP/1.1', 'Content-Length: 1000000'));
    const dripping = setInterval(() => client.send('x'), 20);
    t.teardown(() => clearInterval(dripping));
    t.match(await client.until(/\}\n$/), /^HTTP\/1\.1 408 .*AS_ERR_HTTP_TIMEOUT.*fewer than/s);
    await isClean(t, service, 0);
  });
  await t.test('while downloading', async (t) => {
    const { seen, record, stub } = endlessStore(1024 * MIB);
    const { url } = await serve(t, { stub, idleTimeoutMs: 150 });
    const client = await RawClient.open(t, url);
    client.send(head(`GET /v1/objects/${record.blake3} HTTP/1.1`));
    await client.until(/\r\n\r\n/);
    client.socket.pause();
    await until(() => seen.released);
    t.ok(seen.given < 1024 * MIB);
  });
  await t.test('but not while the store is slow', async (t) => {
    const put = async (source: ByteSource) => {
      for await (const _ of source) await new Promise((resolve) => setTimeout(resolve, 100));
      throw new Error('taken in');
    };
    const { call, errors } = await serve(t, { stub: { put }, idleTimeoutMs: 50 });
    const body = Readable.from(chunks(new Uint8Array(5), 1));
    isProblem(t, await call('POST', '/v1/objects', { body }), 500, 'AS_ERR_INTERNAL');
    t.match(errors, [{ message: 'taken in' }]);
  });
});

t.test('listening', async (t) => {
  const { store, url } = await serve(t);
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    await t.rejects(
      startServer(store, { host, port: 0, auth: 'none' }),
      { code: 'AS_ERR_UNAUTHENTICATED_LISTEN' },
      host,
    );
  }
  const port = Number(new URL(url).port);
  await t.rejects(startServer(store, { port }), { code: 'AS_ERR_IO', message: /another port/ });
  for (const bad of [-1, 65536, 1.5])
    await t.rejects(startServer(store, { port: bad }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  const named = await startServer(store, { host: 'localhost', port: 0 });
  t.match(named.url, /^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
  await named.close();
});

t.test('closing', async (t) => {
  await t.test('lets what runs finish, and takes nothing new', async (t) => {
    const service = await serve(t);
    const bytes = randomBytes(32 * MIB);
    const { blake3 } = await service.store.put(bytes);
    const idle = await RawClient.open(t, service.url);
    const upload = await RawClient.open(t, service.url);
    upload.send(head('POST /v1/objects HTTP/1.1', 'Content-Length: 10', 'Expect: 100-continue'));
    await upload.until(/100 Continue/);
    const download = await RawClient.open(t, service.url);
    download.send(head(`GET /v1/objects/${blake3} HTTP/1.1`));
    await download.until(/\r\n\r\n/);
    download.socket.pause();

    let isClosed = false;
    const closing = service.close().then(() => {
      isClosed = true;
    });
    await idle.ended();
    await t.rejects(RawClient.open(t, service.url), { code: 'ECONNREFUSED' });
    t.notOk(isClosed);
    upload.send('0123456789');
    t.match(await upload.ended(), /HTTP\/1\.1 201 .*Connection: close/s);
    download.socket.resume();
    await download.ended();
    t.ok(download.received.subarray(download.received.indexOf('\r\n\r\n') + 4).equals(bytes));
    await closing;
    await service.close();
    await isClean(t, service, 2);
  });

  await t.test('tears what does not finish within the grace', async (t) => {
    const service = await serve(t, { closeGraceMs: 50 });
    const upload = await RawClient.open(t, service.url);
    upload.send(head('POST /v1/objects HTTP/1.1', 'Content-Length: 10', 'Expect: 100-continue'));
    await upload.until(/100 Continue/);
    upload.send('01234');
    await service.close();
    await upload.ended();
    t.notMatch(upload.text, / 201 /);
    await isClean(t, service, 0);
  });
});
