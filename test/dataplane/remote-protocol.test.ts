/** What goes over the socket of a daemon: golden files, versions, who may speak, which files are read, and what hostile or broken clients do. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { decodeCanonical } from '../../lib/cbor/index.js';
import { fileSource } from '../../lib/dataplane/file-source.js';
import { openInproc } from '../../lib/dataplane/inproc/index.js';
import { hostPlane } from '../../lib/dataplane/remote/daemon/host.js';
import { encodeHead } from '../../lib/dataplane/remote/frames.js';
import { openRemote } from '../../lib/dataplane/remote/index.js';
import { formatBlake3, formatSha256 } from '../../lib/digest-name.js';
import { REMOTE_HEAD_SIZE_MAX } from '../../lib/limits.js';
import { command } from '../cli/run.js';
import { exchanges } from './golden-exchanges.js';
import { folder, HOST, openDaemon } from './remote-support.js';

const GOLDEN = new URL('../../../test/golden/', import.meta.url);
const TYPE = 'application/vnd.artifactstore.dataplane';

/** A request with exactly this body; its answer, and the head in it. */
function ask(socketPath: string, path: string, body: Uint8Array, method = 'POST') {
  return new Promise<{ status: number; body: Buffer; head: Record<string, unknown> }>((resolve, reject) => {
    const asked = request({ socketPath, path, method, headers: { 'content-type': TYPE } }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      reply.on('end', () => {
        const body = Buffer.concat(chunks);
        const head = decodeCanonical(body.subarray(4, 4 + body.readUInt32BE())) as Record<string, unknown>;
        resolve({ status: reply.statusCode ?? 0, body, head });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

t.test('golden files', async (t) => {
  const found = await exchanges(t);
  const names = (await readdir(GOLDEN)).filter((name) => name.startsWith('dataplane-'));
  t.equal(names.length, 2 * found.size, 'as many as there are exchanges');
  for (const [name, bodies] of found) {
    for (const side of ['request', 'response'] as const) {
      const golden = await readFile(new URL(`dataplane-${name}.${side}.hex`, GOLDEN), 'utf8').catch(
        () => 'there is none',
      );
      t.equal(bodies[side], golden.trim(), `${name}: ${side}`);
    }
  }
});

t.test('versions', async (t) => {
  const { socketPath, connect, close } = await openDaemon();
  t.teardown(close);
  await t.rejects(connect({ versions: { min: 5, max: 6 } }), {
    code: 'AS_ERR_PROTOCOL',
    message: /speaks versions 5 to 6 .* 1 to 4\. Bring this side up to date/,
    details: { ours: [1, 4], theirs: [5, 6] },
  });
  await (await connect({ versions: { min: 0, max: 7 } })).close();
  t.match(await ask(socketPath, '/v5/health', encodeHead({})), {
    status: 400,
    head: { code: 'AS_ERR_PROTOCOL', details: { theirs: [5] } },
  });
  t.match(await ask(socketPath, '/v1/list', encodeHead({ part: 0 })), {
    status: 400,
    head: { code: 'AS_ERR_PROTOCOL', details: { operation: 'list' } },
  });
  const older = await connect({ versions: { min: 1, max: 1 } });
  t.teardown(() => older.close());
  await t.rejects(Promise.resolve(older.listObjects?.(0)), {
    code: 'AS_ERR_UNAVAILABLE',
    message: /share version 1 .* no operation "list"; version 2 has\. Bring the older side/,
  });
  const absent = [`blake3:${'0'.repeat(64)}`, `blake3:${'1'.repeat(64)}`] as const;
  t.same(await older.deleteMany?.(absent), Array(2).fill({ deleted: false, freedSize: 0 }), 'one by one');
  await t.rejects(Promise.resolve(older.eraseObject?.(absent[0])), {
    code: 'AS_ERR_UNAVAILABLE',
    message: /no operation "erase"; version 3 has/,
  });
  const path = await folder(t);
  const others = createServer((_, response) => {
    response.setHeader('content-type', TYPE).setHeader('artifactstore-instance', '0'.repeat(32));
    response.end(encodeHead({ versions: { min: 5, max: 6 }, software: 'newer 9' }));
  });
  await new Promise<void>((resolve) => others.listen(join(path, 'newer'), resolve));
  t.teardown(() => others.close());
  await t.rejects(openRemote({ socketPath: join(path, 'newer') }), {
    code: 'AS_ERR_PROTOCOL',
    message: /newer 9.* speaks versions 5 to 6/,
  });
  const service = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => service.listen(join(path, 'service'), resolve));
  t.teardown(() => service.close());
  await t.rejects(openRemote({ socketPath: join(path, 'service') }), {
    code: 'AS_ERR_PROTOCOL',
    message: /is no data plane/,
  });
  const noise = createNetServer((socket) =>
    socket.once('data', () => socket.write('SSH-2.0-OpenSSH\r\n')).on('error', () => undefined),
  );
  await new Promise<void>((resolve) => noise.listen(join(path, 'noise'), resolve));
  t.teardown(() => noise.close());
  await t.rejects(openRemote({ socketPath: join(path, 'noise') }), { code: 'AS_ERR_PROTOCOL' });
  await t.rejects(openRemote({ socketPath: join(path, 'nobody') }), {
    code: 'AS_ERR_UNAVAILABLE',
    details: { repeatable: true },
  });
});

t.test('the socket', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  t.teardown(() => plane.close());
  const listen = [`unix:${path}/socket`];
  const first = await hostPlane(plane, { ...HOST, listen });
  t.equal((await stat(join(path, 'socket'))).mode & 0o777, 0o600, 'its owner’s alone');
  await t.rejects(hostPlane(plane, { ...HOST, listen }), {
    code: 'AS_ERR_IO',
    message: /another program listens there/,
  });
  await first.close();
  await t.rejects(hostPlane(plane, { ...HOST, listen: [`unix:${path}/data/FORMAT`] }), {
    code: 'AS_ERR_IO',
    message: /is not a socket/,
  });
  await t.rejects(hostPlane(plane, { ...HOST, listen: ['127.0.0.1:0'] }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(hostPlane(plane, { ...HOST, listen: ['systemd'] }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(hostPlane(plane, { ...HOST, listen, allowRoots: [join(path, 'none')] }), {
    code: 'AS_ERR_INVALID_ARGUMENT',
  });
  const second = await hostPlane(plane, { ...HOST, listen, mode: 0o660 });
  t.equal((await stat(join(path, 'socket'))).mode & 0o777, 0o660);
  await second.close();
});

t.test('metrics', async (t) => {
  const path = await folder(t);
  const plane = await openInproc({ path: join(path, 'data') });
  t.teardown(() => plane.close());
  const listen = [`unix:${path}/socket`];
  for (const metrics of ['0.0.0.0:0', 'localhost:0', `unix:${path}/metrics`, 'systemd']) {
    await t.rejects(hostPlane(plane, { ...HOST, listen, metrics }), { code: 'AS_ERR_INVALID_ARGUMENT' }, metrics);
  }
  const host = await hostPlane(plane, { ...HOST, listen, metrics: '127.0.0.1:0' });
  t.teardown(() => host.close());
  const client = await openRemote({ socketPath: join(path, 'socket') });
  t.teardown(() => client.close());
  const { blake3 } = await client.ingestStream(
    (async function* () {
      yield randomBytes(100_000);
    })(),
    {},
  );
  for await (const _ of client.serveObject(formatBlake3(blake3)));
  await t.rejects(client.verifyObject('blake3:odd' as never), { code: 'AS_ERR_INVALID_DIGEST' });
  await ask(join(path, 'socket'), '/v1/delete', encodeHead({ address: 'odd' }));
  const port = await get(`${host.metricsUrl}`);
  const socket = await get('http://localhost/metrics', join(path, 'socket'));
  for (const { status, text } of [port, socket]) {
    t.equal(status, 200);
    t.match(text, /artifactstore_daemon_requests_total\{operation="ingest",outcome="answered"\} 1\n/);
    t.match(text, /artifactstore_daemon_requests_total\{operation="serve",outcome="answered"\} 1\n/);
    t.match(text, /artifactstore_daemon_requests_total\{operation="delete",outcome="refused"\} 1\n/);
    t.match(text, /artifactstore_daemon_request_duration_seconds_count\{operation="ingest"\} 1\n/);
    t.match(text, /artifactstore_daemon_requests_under_way 0\n/);
    t.match(text, /artifactstore_daemon_connections [1-9]/);
    t.match(text, /artifactstore_storage_ready 1\n/);
    t.match(text, /artifactstore_workers \d/);
    t.match(text, /process_resident_memory_bytes \d/);
  }
  t.equal((await get(`${host.metricsUrl}/other`)).status, 404, 'and nothing else at the port');
});

/** The text at a URL, over TCP or a socket. */
function get(url: string, socketPath?: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { ...(socketPath !== undefined && { socketPath }) }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, text }));
    });
    asked.on('error', reject).end();
  });
}

/** A user that has nothing. */
const NOBODY = 65_534;

t.test('who may speak', { skip: process.getuid?.() !== 0 && 'needs root, to be somebody else' }, async (t) => {
  const asOther = async (socketPath: string, path = '/hello', headers = {}) => {
    const code = `const [, socketPath, path, headers, body] = process.argv;
      require('node:http').request({ socketPath, path, method: 'POST', headers: JSON.parse(headers) }, (reply) => {
        console.log(reply.statusCode); reply.resume(); })
      .on('upgrade', (reply, socket) => { console.log(reply.statusCode); socket.destroy(); })
      .on('error', (error) => console.log(error.code)).end(Buffer.from(body, 'hex'))`;
    const body = path === '/hello' ? encodeHead({ versions: { min: 1, max: 1 } }).toString('hex') : '';
    const args = ['-e', code, socketPath, path, JSON.stringify(headers), body];
    return (await command(process.execPath, args, { uid: NOBODY, cwd: '/' })).stdout.toString().trim();
  };
  const upgrade = { connection: 'upgrade', upgrade: 'artifactstore-dataplane' };
  const closed = await openDaemon({ mode: 0o666 });
  t.teardown(closed.close);
  await chmod(join(closed.socketPath, '..'), 0o755);
  t.equal(await asOther(closed.socketPath), '403', 'the kernel says who asks, whatever the mode');
  t.equal(await asOther(closed.socketPath, '/v4/serve', upgrade), '403', 'for a connection of their own too');
  t.match(await closed.client.backendHealth(), { ready: true }, 'its own user may');
  const open = await openDaemon({ mode: 0o666, allowUids: [NOBODY] });
  t.teardown(open.close);
  await chmod(join(open.socketPath, '..'), 0o755);
  t.equal(await asOther(open.socketPath), '200');
  t.equal(await asOther(open.socketPath, '/v4/serve', upgrade), '101');
  const moded = await openDaemon({ allowUids: [NOBODY] });
  t.teardown(moded.close);
  await chmod(join(moded.socketPath, '..'), 0o755);
  t.equal(await asOther(moded.socketPath), 'EACCES', 'and the mode keeps out who might speak');
});

t.test('files that the daemon reads itself', async (t) => {
  const path = await folder(t);
  const [root, outside] = [join(path, 'root'), join(path, 'outside')];
  await Promise.all([mkdir(join(root, 'sub'), { recursive: true }), mkdir(outside)]);
  await writeFile(join(root, 'sub/file'), 'inside');
  await writeFile(join(outside, 'secret'), 'outside');
  await symlink(join(outside, 'secret'), join(root, 'link'));
  await symlink('../outside', join(root, 'folder'));
  await symlink('sub/file', join(root, 'within'));
  await symlink(root, join(path, 'alias'));
  await command('mkfifo', [join(root, 'pipe')]);
  const { client, socketPath, close } = await openDaemon({ allowRoots: [join(path, 'alias')] });
  t.teardown(close);
  const byPath = (name: string | Buffer) =>
    ask(socketPath, '/v1/ingest', encodeHead({ hints: {}, path: Buffer.from(name) }));
  for (const name of ['root/sub/file', 'alias/sub/file', 'root/within', 'root/sub/../sub/file']) {
    const { status, body } = await byPath(join(path, '/') + name);
    t.equal(status, 200, name);
    t.ok(body.includes(Buffer.from('read')), 'the daemon tells how it reads');
  }
  for (const name of [
    'root/link',
    'root/folder/secret',
    'root/../outside/secret',
    'outside/secret',
    'root',
    'root/',
    'root//sub/file',
    'root/sub',
    'root/pipe',
    'root/none',
    'root/sub/file\0',
    'rootless/file',
  ]) {
    t.match(await byPath(join(path, '/') + name), { status: 403, head: { code: 'AS_ERR_FORBIDDEN' } }, name);
  }
  t.match(await byPath('/proc/self/environ'), { status: 403 });
  const leading = Buffer.from(`${root}/../outside/secret`);
  const many = await ask(
    socketPath,
    '/v1/ingest-many',
    encodeHead({ paths: leading, ends: Buffer.from([0, 0, 0, leading.length]) }),
  );
  t.match(many.head, { errors: [[0, { code: 'AS_ERR_FORBIDDEN' }]] });
  const through = await client.ingestStream(fileSource(join(root, 'link')), {});
  t.equal(through.size, 7, 'what the client may read itself it sends');
  const table = await client.ingestMany(
    ['sub/file', 'link', 'none', 'pipe', 'sub'].map((name) => fileSource(join(root, name))),
  );
  t.same([table.sizes[0], table.sizes[1]], [6, 7]);
  for (const n of [2, 3, 4]) t.match(table.errors.get(n), { code: 'AS_ERR_SOURCE_UNREADABLE' });
  await t.rejects(client.ingestStream(fileSource(join(root, 'pipe')), {}), { code: 'AS_ERR_SOURCE_UNREADABLE' });
});

t.test('what does not follow the protocol is refused, and harms nobody', async (t) => {
  const errors: unknown[] = [];
  const { client, socketPath, close } = await openDaemon({ onError: (error) => errors.push(error) });
  t.teardown(close);
  const u32 = (n: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(n);
    return bytes;
  };
  const address = `blake3:${'0'.repeat(64)}`;
  const hints = encodeHead({ hints: {} });
  const sizes = (...numbers: number[]) => encodeHead({ sizes: Buffer.concat(numbers.map(u32)) });
  const cases: [path: string, body: Buffer, code?: string][] = [
    ['/v1/ingest', Buffer.alloc(0)],
    ['/v1/ingest', Buffer.from([0, 0])],
    ['/v1/ingest', u32(REMOTE_HEAD_SIZE_MAX + 1), 'AS_ERR_LIMIT'],
    ['/v1/ingest', Buffer.concat([u32(3), Buffer.from('\x1b\0\0')])],
    ['/v1/ingest', Buffer.concat([u32(2), Buffer.from([0x18, 0x01])])],
    ['/v1/ingest', encodeHead([])],
    ['/v1/ingest', encodeHead({ hints: { size: -1 } })],
    ['/v1/ingest', encodeHead({ hints: { colour: 1 } })],
    ['/v1/ingest', encodeHead({ hints: { blake3: 'blake3:' } }), 'AS_ERR_INVALID_DIGEST'],
    ['/v1/ingest', encodeHead({ hints: { session: { id: 'x', offset: 0 } } })],
    ['/v1/ingest', encodeHead({ hints: { session: { id: 'x', query: true } }, path: Buffer.from('/x') })],
    ['/v1/ingest', hints],
    ['/v1/ingest', Buffer.concat([hints, u32(10), Buffer.from('short')])],
    ['/v1/ingest', Buffer.concat([hints, u32(0xffff_fffe)]), 'AS_ERR_LIMIT'],
    ['/v1/ingest', Buffer.concat([hints, u32(3), Buffer.from('abc')])],
    ['/v1/ingest', Buffer.concat([hints, u32(0), Buffer.from('more')])],
    ['/v1/ingest', Buffer.concat([hints, u32(0xffff_ffff)])],
    ['/v1/ingest', Buffer.concat([hints, u32(0xffff_ffff), encodeHead(1)])],
    ['/v1/ingest-many', encodeHead({ sizes: Buffer.alloc(3) })],
    ['/v1/ingest-many', Buffer.concat([sizes(5, 5), Buffer.alloc(9)])],
    ['/v1/ingest-many', Buffer.concat([sizes(5), Buffer.alloc(9)])],
    ['/v1/ingest-many', sizes(0xffff_ffff)],
    ['/v1/ingest-many', sizes(...Array.from({ length: 1025 }, () => 0))],
    ['/v1/ingest-many', encodeHead({ paths: Buffer.alloc(3), ends: u32(4) })],
    ['/v1/ingest-many', encodeHead({ paths: Buffer.alloc(3), ends: Buffer.concat([u32(3), u32(2)]) })],
    ['/v1/serve', encodeHead({ address: 1 })],
    ['/v1/serve', encodeHead({ address, range: { start: 0 } })],
    ['/v1/serve', encodeHead({ address, range: { start: 2, end: 1 } }), 'AS_ERR_RANGE'],
    ['/v1/serve', encodeHead({ address: 'blake3:../../etc/passwd' }), 'AS_ERR_INVALID_DIGEST'],
    ['/v1/serve-many', encodeHead({ addresses: Buffer.alloc(31), starts: u32(0), ends: u32(0) })],
    ['/v1/serve-many', encodeHead({ addresses: Buffer.alloc(32), starts: u32(0), ends: u32(0xffff_ffff) })],
    ['/v1/verify', encodeHead({ address, bytesPerSecond: 0 }), 'AS_ERR_INVALID_ARGUMENT'],
    ['/v1/delete', encodeHead({ address, more: 1 })],
    ['/v2/delete-many', encodeHead({ addresses: Buffer.alloc(33) })],
    ['/v2/delete-many', encodeHead({ addresses: Buffer.alloc(32 * 1025) })],
    ['/v2/delete-many', Buffer.concat([encodeHead({ addresses: Buffer.alloc(32) }), u32(1)])],
    ['/v2/list', encodeHead({})],
    ['/v2/list', encodeHead({ part: 256 }), 'AS_ERR_INVALID_ARGUMENT'],
    ['/v1/sync', encodeHead({ instance: 'x' })],
    ['/v1/sync', encodeHead({ instance: Buffer.alloc(16) }), 'AS_ERR_IO'],
    ['/v1/format', encodeHead({})],
    ['/hello', encodeHead({ versions: 1 })],
    ['/', encodeHead({})],
  ];
  for (const [path, body, code = 'AS_ERR_PROTOCOL'] of cases) {
    const { status, head } = await ask(socketPath, path, body);
    t.ok(
      status >= 400 && status < 500 && head.code === code,
      `${path} ${body.subarray(0, 40).toString('hex')}: ${head.code}`,
    );
  }
  t.match(await ask(socketPath, '/v1/health', Buffer.alloc(0), 'PUT'), { status: 400 });
  const golden = (await readdir(GOLDEN)).filter((name) => /^dataplane-.*\.request\.hex$/.test(name));
  for (let round = 0; round < 300; round++) {
    const name = golden[round % golden.length] as string;
    const bytes = Buffer.from((await readFile(new URL(name, GOLDEN), 'utf8')).trim(), 'hex');
    for (let n = 0; n < 3; n++) bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256);
    const operation =
      name === 'dataplane-hello.request.hex'
        ? '/hello'
        : `/v3/${/dataplane-(serve-many|ingest-many|delete-many|[a-z]+)/.exec(name)?.[1]}`;
    await ask(socketPath, operation, bytes.subarray(0, Math.ceil(Math.random() * bytes.length)));
  }
  for (const raw of [
    '\0\0\0\0',
    'POST /v1/health HTTP/1.1\r\nContent-Length: x\r\n\r\n',
    'POST /v1/ingest HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ]) {
    const socket = connect(socketPath);
    socket.on('error', () => undefined).end(raw);
    socket.resume();
    await once(socket, 'close');
  }
  t.strictSame(errors, [], 'none of it is a failure of the daemon');
  const bytes = randomBytes(100_000);
  const stored = await client.ingestStream(
    (async function* () {
      yield bytes;
    })(),
    {},
  );
  t.equal(stored.size, 100_000, 'and the daemon serves others');
  t.equal(formatSha256(stored.sha256).length, 71);
});

t.test('what was deferred before a restart may be lost, and is said to be', async (t) => {
  const { client, restart, connect, close } = await openDaemon();
  t.teardown(async () => {
    await again.close();
    await close();
  });
  const defer = (size: number) =>
    client.ingestStream(
      (async function* () {
        yield randomBytes(size);
      })(),
      { durability: 'deferred' },
    );
  await defer(50_000);
  await client.sync();
  await restart();
  await client.sync();
  await defer(50_000);
  await restart();
  for (let n = 0; n < 2; n++) await t.rejects(client.sync(), { code: 'AS_ERR_IO', message: /may be lost/ });
  const again = await connect();
  await again.sync();
});

t.test('errors keep what they say', async (t) => {
  const { client, damage, close } = await openDaemon();
  t.teardown(close);
  const bytes = randomBytes(900_000);
  const { blake3 } = await client.ingestStream(
    (async function* () {
      yield bytes;
    })(),
    {},
  );
  const address = `blake3:${Buffer.from(blake3).toString('hex')}` as const;
  await damage(address, 700_000);
  const reading = (async () => {
    for await (const _ of client.serveObject(address));
  })();
  const start = 700_000 - (700_000 % 16_384);
  await t.rejects(reading, { code: 'AS_ERR_CORRUPT', details: { address, ranges: [[start, start + 16_384]] } });
});
