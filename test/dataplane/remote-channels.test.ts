/** Connections that are one operation's own: long streams either way, received and sent by the core, and what breaks, lies or stays silent in the middle of them. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { decodeCanonical } from '../../lib/cbor/index.js';
import type { ClosableDataPlane } from '../../lib/dataplane/closable.js';
import { openInproc } from '../../lib/dataplane/inproc/index.js';
import { encodeFailedEnd, encodeHead } from '../../lib/dataplane/remote/frames.js';
import { openRemote } from '../../lib/dataplane/remote/index.js';
import type { ByteRange, ContentAddress } from '../../lib/dataplane/spi.js';
import { formatBlake3, formatSha256 } from '../../lib/digest-name.js';
import { ArtifactStoreError } from '../../lib/errors.js';
import { REMOTE_CHANNEL_FROM, REMOTE_CHANNELS_MAX, REMOTE_PIECE_SIZE_MAX } from '../../lib/limits.js';
import { loadAddon } from '../../lib/native/load.js';
import { clientOf, folder, openDaemon } from './remote-support.js';

const TYPE = 'application/vnd.artifactstore.dataplane';
const LARGE = REMOTE_CHANNEL_FROM + 77_777;
const END = u32(0);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function addressOf(bytes: Uint8Array): ContentAddress {
  const digests = new Uint8Array(64);
  loadAddon().digestOne(bytes, digests);
  return formatBlake3(digests.subarray(0, 32));
}

function sha256Of(bytes: Uint8Array): string {
  const digests = new Uint8Array(64);
  loadAddon().digestOne(bytes, digests);
  return formatSha256(digests.subarray(32));
}

async function* chunks(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function read(plane: ClosableDataPlane, address: ContentAddress, start: number, end: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(address, { start, end })) parts.push(chunk);
  return Buffer.concat(parts);
}

async function daemon(t: Test) {
  const opened = await openDaemon();
  t.teardown(opened.close);
  return opened;
}

/** A connection as an operation's own, asked for by hand: what comes over it, all that comes until its end. */
async function channel(socketPath: string, operation: string, head: Uint8Array) {
  const asked = request({
    socketPath,
    path: `/v4/${operation}`,
    method: 'POST',
    headers: { 'content-type': TYPE, connection: 'upgrade', upgrade: 'artifactstore-dataplane' },
  });
  asked.end();
  const [reply, socket] = (await once(asked, 'upgrade')) as [{ statusCode: number }, Socket];
  const came: Buffer[] = [];
  socket.on('data', (chunk) => came.push(chunk)).on('error', () => undefined);
  socket.write(head);
  const size = () => came.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  return {
    status: reply.statusCode,
    socket,
    /** Waits until the other end has begun to answer. */
    begun: async () => {
      while (size() === 0 && !socket.destroyed) await sleep(5);
    },
    /** All of the answer. */
    answer: async () => {
      if (!socket.readableEnded && !socket.destroyed) await once(socket, 'end').catch(() => undefined);
      socket.destroy();
      return Buffer.concat(came);
    },
  };
}

/** The error with which an answer ends: behind what was given before. */
function errorOf(answer: Buffer, before = 0): Record<string, unknown> {
  const at = before + 4;
  if (answer.readUInt32BE(before) !== 0xffff_ffff) return { none: answer.subarray(before, at).toString('hex') };
  return decodeCanonical(answer.subarray(at + 4, at + 4 + answer.readUInt32BE(at))) as Record<string, unknown>;
}

const GO = encodeHead({});

t.test('any size, in pieces of any size, comes in and goes out', async (t) => {
  const { client } = await daemon(t);
  for (const size of [16_385, 300_000, LARGE, 3 * REMOTE_CHANNEL_FROM + 1]) {
    for (const piece of [size, 70_000, 999]) {
      if (size / piece > 5_000) continue;
      const bytes = randomBytes(size);
      const { sha256, blake3 } = await client.ingestStream(chunks(bytes, piece), {});
      t.equal(formatSha256(sha256), sha256Of(bytes), `${size} in pieces of ${piece}`);
      t.ok((await read(client, formatBlake3(blake3), 0, size)).equals(bytes));
    }
  }
  const bytes = randomBytes(2 * LARGE);
  const address = formatBlake3((await client.ingestStream(chunks(bytes, 1 << 20), { size: bytes.byteLength })).blake3);
  for (const [start, end] of [
    [1, LARGE + 1],
    [16_383, 2 * LARGE],
    [LARGE, 2 * LARGE],
  ] as const)
    t.ok((await read(client, address, start, end)).equals(bytes.subarray(start, end)), `${start} to ${end}`);
});

t.test('many at once: more than may have connections of their own', async (t) => {
  const { client } = await daemon(t);
  const all = Array.from({ length: 2 * REMOTE_CHANNELS_MAX }, (_, n) => randomBytes(LARGE + n));
  const stored = await Promise.all(all.map((bytes) => client.ingestStream(chunks(bytes, 300_000), {})));
  t.ok(stored.every(({ sha256 }, n) => formatSha256(sha256) === sha256Of(all[n] as Buffer)));
  const got = await Promise.all(stored.map(({ blake3, size }) => read(client, formatBlake3(blake3), 0, size)));
  t.ok(got.every((bytes, n) => bytes.equals(all[n] as Buffer)));
});

t.test('a client has so many such reads at once, and no more', async (t) => {
  const path = await folder(t);
  const inner = await openInproc({ path: join(path, 'data') });
  let [now, most] = [0, 0];
  const counting = Object.assign(Object.create(inner) as ClosableDataPlane, {
    backendHealth: inner.backendHealth.bind(inner),
    serveObject: inner.serveObject.bind(inner),
    async *servePieces(address: ContentAddress, socket: number, range: ByteRange) {
      most = Math.max(most, ++now);
      try {
        await sleep(20);
        yield* inner.servePieces?.(address, socket, range) ?? [];
      } finally {
        now--;
      }
    },
  });
  const client = await clientOf(t, counting, inner, path);
  const bytes = randomBytes(LARGE);
  const address = formatBlake3((await inner.ingestStream(chunks(bytes, 1 << 20), {})).blake3);
  const reads = Array.from({ length: 3 * REMOTE_CHANNELS_MAX }, () => read(client, address, 0, LARGE));
  t.ok((await Promise.all(reads)).every((got) => got.equals(bytes)));
  t.equal(most, REMOTE_CHANNELS_MAX);
  t.ok((await read(client, address, 0, LARGE)).equals(bytes));
});

t.test('who speaks an older version goes the other way', async (t) => {
  const { client, connect } = await daemon(t);
  const older = await connect({ versions: { min: 1, max: 3 } });
  t.teardown(() => older.close());
  const bytes = randomBytes(LARGE);
  const { blake3, sha256 } = await older.ingestStream(chunks(bytes, 1 << 20), { size: LARGE });
  t.equal(formatSha256(sha256), sha256Of(bytes));
  t.ok((await read(older, formatBlake3(blake3), 0, LARGE)).equals(bytes));
  t.ok((await read(client, formatBlake3(blake3), 0, LARGE)).equals(bytes));
});

t.test('a data plane that neither receives nor sends itself is read and written by the daemon', async (t) => {
  const path = await folder(t);
  const inner = await openInproc({ path: join(path, 'data') });
  const plain = Object.assign(Object.create(inner) as ClosableDataPlane, {
    servePieces: undefined,
    serveObject: inner.serveObject.bind(inner),
    backendHealth: inner.backendHealth.bind(inner),
    ingestStream: async (source: AsyncIterable<Uint8Array>, hints: object) =>
      inner.ingestStream(iterated(source), hints),
  });
  async function* iterated(source: AsyncIterable<Uint8Array>) {
    yield* source;
  }
  const client = await clientOf(t, plain, inner, path);
  const bytes = randomBytes(LARGE);
  const { blake3 } = await client.ingestStream(chunks(bytes, 400_000), {});
  t.equal(formatBlake3(blake3), addressOf(bytes));
  t.ok((await read(client, formatBlake3(blake3), 3, LARGE)).equals(bytes.subarray(3)));
  const failing = async function* () {
    yield* chunks(bytes, 1 << 20);
    throw new Error('the source broke');
  };
  await t.rejects(client.ingestStream(failing(), {}), { message: 'the source broke' });
});

t.test('a stream that lies, is cut or fails leaves nothing', async (t) => {
  const { socketPath, client } = await daemon(t);
  const bytes = randomBytes(LARGE);
  const address = addressOf(bytes);
  const ingest = (hints: Record<string, number> = {}) => channel(socketPath, 'ingest', encodeHead({ hints }));
  const isAbsent = async () => t.equal((await client.verifyObject(address)).status, 'missing');

  const tooLarge = await ingest();
  t.equal(tooLarge.status, 101);
  await tooLarge.begun();
  tooLarge.socket.write(Buffer.concat([u32(LARGE), bytes, u32(REMOTE_PIECE_SIZE_MAX + 1)]));
  t.match(errorOf(await tooLarge.answer(), GO.byteLength), { code: 'AS_ERR_LIMIT' }, 'a piece that is too large');
  await isAbsent();

  const short = await ingest({ size: LARGE });
  await short.begun();
  short.socket.write(Buffer.concat([u32(LARGE - 1), bytes.subarray(1), END]));
  t.match(errorOf(await short.answer(), GO.byteLength), { code: 'AS_ERR_SIZE_MISMATCH' }, 'fewer than announced');

  const failed = await ingest();
  await failed.begun();
  const error = new ArtifactStoreError('AS_ERR_ABORTED', 'Given up.', { by: 'somebody' });
  failed.socket.write(Buffer.concat([u32(LARGE), bytes, encodeFailedEnd(error)]));
  t.match(errorOf(await failed.answer(), GO.byteLength), { code: 'AS_ERR_ABORTED', details: { by: 'somebody' } });
  await isAbsent();

  for (const how of ['end', 'destroy'] as const) {
    for (const part of [
      Buffer.concat([u32(LARGE), bytes.subarray(1)]),
      Buffer.concat([u32(LARGE), bytes, END.subarray(1)]),
    ]) {
      const cut = await ingest();
      await cut.begun();
      cut.socket.write(part);
      if (how === 'destroy') await sleep(20);
      cut.socket[how]();
      if (how === 'end') t.match(errorOf(await cut.answer(), GO.byteLength), { code: /AS_ERR_(ABORTED|PROTOCOL)/ });
      await isAbsent();
    }
  }
  const { sha256 } = await client.ingestStream(chunks(bytes, 1 << 20), {});
  t.equal(formatSha256(sha256), sha256Of(bytes), 'and the daemon goes on');
});

t.test('a client that drips, pauses, or does not wait to be asked', async (t) => {
  const { socketPath } = await daemon(t);
  const bytes = randomBytes(LARGE);
  const head = encodeHead({ hints: {} });
  const whole = Buffer.concat([u32(LARGE), bytes, END]);
  const early = await channel(socketPath, 'ingest', Buffer.concat([head, whole]));
  const result = decodeCanonical((await early.answer()).subarray(GO.byteLength + 4, -4)) as { blake3: Uint8Array };
  t.equal(formatBlake3(result.blake3), addressOf(bytes), 'sent with the head');
  const slow = await channel(socketPath, 'ingest', head);
  await slow.begun();
  for (const [from, to] of [
    [0, 3],
    [3, 5],
    [5, 1_000_000],
    [1_000_000, LARGE + 4],
    [LARGE + 4, LARGE + 6],
    [LARGE + 6, LARGE + 8],
  ] as const) {
    slow.socket.write(whole.subarray(from, to));
    await sleep(150);
  }
  const late = decodeCanonical((await slow.answer()).subarray(GO.byteLength + 4, -4)) as { blake3: Uint8Array };
  t.equal(formatBlake3(late.blake3), addressOf(bytes), 'in parts that end within sizes and pieces');
});

t.test('the head may come at once with what asks for the connection', async (t) => {
  const { socketPath, client } = await daemon(t);
  const bytes = randomBytes(20_000);
  const { blake3 } = await client.ingestStream(chunks(bytes, 5_000), {});
  const head = encodeHead({ address: formatBlake3(blake3), range: { start: 7, end: 20_000 } });
  const fields = 'host: x\r\nconnection: upgrade\r\nupgrade: artifactstore-dataplane\r\n';
  const socket = connect(socketPath);
  socket.write(Buffer.concat([Buffer.from(`POST /v4/serve HTTP/1.1\r\n${fields}\r\n`), head]));
  const parts: Buffer[] = [];
  for await (const chunk of socket) parts.push(chunk);
  const got = Buffer.concat(parts);
  const at = got.indexOf('\r\n\r\n') + 4;
  t.ok(got.subarray(at).equals(Buffer.concat([u32(19_993), bytes.subarray(7), END])));
});

t.test('what cannot have a connection of its own', async (t) => {
  const { socketPath, client } = await daemon(t);
  const session = { hints: { session: { id: 's', offset: 0, final: true } } };
  const refused = await channel(socketPath, 'ingest', encodeHead(session));
  t.match(errorOf(await refused.answer()), { code: 'AS_ERR_PROTOCOL' });
  const nonsense = await channel(socketPath, 'serve', encodeHead({ address: 7 }));
  t.match(errorOf(await nonsense.answer()), { code: 'AS_ERR_PROTOCOL' });
  for (const [path, upgrade] of [
    ['/v3/ingest', 'artifactstore-dataplane'],
    ['/v4/verify', 'artifactstore-dataplane'],
    ['/v4/ingest', 'websocket'],
    ['/v9/ingest', 'artifactstore-dataplane'],
    ['/', 'artifactstore-dataplane'],
  ] as const) {
    const asked = request({ socketPath, path, method: 'POST', headers: { connection: 'upgrade', upgrade } });
    asked.end();
    const [reply] = await once(asked, 'response');
    const parts: Buffer[] = [];
    for await (const chunk of reply) parts.push(chunk);
    t.equal(reply.statusCode, 400, `${path} as ${upgrade}`);
    t.match(decodeCanonical(Buffer.concat(parts).subarray(4)), { code: 'AS_ERR_PROTOCOL' });
  }
  t.match(await client.backendHealth(), { ready: true });
});

t.test('damage within a large object: what comes before it comes, and then what is damaged', async (t) => {
  const { client, damage } = await daemon(t);
  const bytes = randomBytes(3 * REMOTE_CHANNEL_FROM);
  const address = formatBlake3((await client.ingestStream(chunks(bytes, 1 << 20), {})).blake3);
  await damage(address, 2 * REMOTE_CHANNEL_FROM + 5);
  const parts: Uint8Array[] = [];
  const reading = async () => {
    for await (const chunk of client.serveObject(address, { start: 0, end: bytes.byteLength })) parts.push(chunk);
  };
  await t.rejects(reading(), {
    code: 'AS_ERR_CORRUPT',
    details: { ranges: [[2 * REMOTE_CHANNEL_FROM, 2 * REMOTE_CHANNEL_FROM + 16_384]] },
  });
  const got = Buffer.concat(parts);
  t.ok(got.equals(bytes.subarray(0, got.byteLength)), 'nothing wrong has come');
  t.ok(got.byteLength > REMOTE_CHANNEL_FROM && got.byteLength <= 2 * REMOTE_CHANNEL_FROM, `${got.byteLength} bytes`);
  t.equal((await client.ingestStream(chunks(bytes, 1 << 20), {})).healed, true);
  t.ok((await read(client, address, 0, bytes.byteLength)).equals(bytes));
  const absent = `blake3:${'0'.repeat(64)}` as const;
  await t.rejects(read(client, absent, 0, REMOTE_CHANNEL_FROM), { code: 'AS_ERR_NOT_FOUND' });
  await t.rejects(read(client, address, 1, bytes.byteLength + 1), { code: 'AS_ERR_RANGE' });
});

/** A daemon that answers reads over connections of their own with these bytes, and then does as told. */
async function liar(t: Test, answerOf: (n: number) => { bytes: Uint8Array; how: 'end' | 'destroy' | 'stay' }) {
  const path = join(await folder(t), 'liar');
  const instance = '0'.repeat(32);
  const sockets = new Set<Socket>();
  let asked = 0;
  const server = createServer((incoming, response) => {
    const greeting = {
      versions: { min: 1, max: 4 },
      software: 'liar',
      instance: Buffer.alloc(16),
      readOnly: false,
      roots: [],
    };
    const status = { ready: true, readOnly: false, backend: 'local', tier: 'hot', facts: {} };
    incoming.resume();
    response.setHeader('content-type', TYPE).setHeader('artifactstore-instance', instance);
    response.end(encodeHead(incoming.url === '/hello' ? greeting : status));
  });
  server.on('upgrade', (_, socket: Socket) => {
    sockets.add(socket);
    const fields = `connection: upgrade\r\nupgrade: artifactstore-dataplane\r\ncontent-type: ${TYPE}\r\n`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}artifactstore-instance: ${instance}\r\n\r\n`);
    const { bytes, how } = answerOf(asked++);
    socket
      .on('error', () => undefined)
      .once('data', () => {
        socket.write(bytes, () => {
          if (how !== 'stay') socket[how]();
        });
      });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return { path, asked: () => asked };
}

t.test('a daemon that lies or dies in the middle of a stream', async (t) => {
  const bytes = randomBytes(2 * REMOTE_CHANNEL_FROM);
  const address = addressOf(bytes);
  const piece = Buffer.concat([u32(bytes.byteLength), bytes]);
  const cases: [string, Uint8Array, 'end' | 'destroy', string][] = [
    ['more than was asked for', Buffer.concat([piece, u32(5), Buffer.alloc(5), END]), 'end', 'AS_ERR_PROTOCOL'],
    ['less than was asked for', Buffer.concat([u32(7), Buffer.alloc(7), END]), 'end', 'AS_ERR_PROTOCOL'],
    ['a piece that is too large', Buffer.concat([u32(REMOTE_PIECE_SIZE_MAX + 1), bytes]), 'end', 'AS_ERR_LIMIT'],
    ['nothing', Buffer.alloc(0), 'end', 'AS_ERR_UNAVAILABLE'],
    ['half a size', END.subarray(2), 'destroy', 'AS_ERR_UNAVAILABLE'],
    ['no error behind the mark of one', Buffer.alloc(4, 255), 'end', 'AS_ERR_UNAVAILABLE'],
  ];
  for (const [what, answer, how, code] of cases) {
    const { path } = await liar(t, () => ({ bytes: answer, how }));
    const client = await openRemote({ socketPath: path });
    await t.rejects(read(client, address, 0, bytes.byteLength), { code }, what);
    await client.close();
  }
  const rest = bytes.subarray(1_500_000);
  const { path, asked } = await liar(t, (n) =>
    n === 0
      ? { bytes: piece.subarray(0, 4 + 1_500_000), how: 'destroy' }
      : { bytes: Buffer.concat([u32(rest.byteLength), rest, END]), how: 'end' },
  );
  const client = await openRemote({ socketPath: path });
  t.ok((await read(client, address, 0, bytes.byteLength)).equals(bytes), 'goes on behind the last byte that came');
  t.equal(asked(), 2);
  await client.close();
});

t.test('ends: a reader that stops, a source that fails, a client and a daemon that close', async (t) => {
  const { client, connect, socketPath, restart } = await daemon(t);
  const bytes = randomBytes(8 * REMOTE_CHANNEL_FROM);
  const address = formatBlake3((await client.ingestStream(chunks(bytes, 1 << 20), {})).blake3);
  const descriptors = async () => {
    const names = await readdir('/proc/self/fd');
    const links = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')));
    return links.filter((link) => link.startsWith('socket:')).length;
  };
  const calm = async (most: number) => {
    for (let n = 0; n < 100 && (await descriptors()) > most; n++) await sleep(20);
    return descriptors();
  };
  const before = await descriptors();
  for (let n = 0; n < 5; n++) {
    for await (const _ of client.serveObject(address, { start: 0, end: bytes.byteLength })) break;
    const broken = async function* () {
      yield* chunks(bytes.subarray(0, LARGE), 1 << 20);
      throw new RangeError('no more');
    };
    await t.rejects(client.ingestStream(broken(), {}), { message: 'no more' });
    await t.rejects(client.ingestStream(chunks(bytes, 1 << 20), { size: 5 * REMOTE_CHANNEL_FROM }), {
      code: 'AS_ERR_SIZE_MISMATCH',
    });
  }
  t.equal(await calm(before), before, 'no connection is left open');

  const other = await connect();
  const reading = other.serveObject(address, { start: 0, end: bytes.byteLength })[Symbol.asyncIterator]();
  await reading.next();
  await other.close();
  const readOn = async () => {
    while (!(await reading.next()).done);
  };
  await t.rejects(readOn(), { code: 'AS_ERR_CLOSED' });

  const silent = await channel(socketPath, 'ingest', encodeHead({ hints: {} }));
  await silent.begun();
  silent.socket.write(u32(LARGE));
  const waiting = async function* () {
    yield bytes.subarray(0, LARGE);
    await once(silent.socket, 'close');
    yield bytes;
  };
  const failing = client.ingestStream(waiting(), {});
  const failed = t.rejects(failing, { code: 'AS_ERR_UNAVAILABLE', details: { repeatable: true } });
  await sleep(50);
  await restart();
  await failed;
  t.ok(silent.socket.destroyed || silent.socket.readableEnded, 'a client that is silent holds nobody up');
  t.ok((await read(client, address, 0, bytes.byteLength)).equals(bytes));
});

t.test('a slow reader holds the core back, and costs no more than a few chunks', async (t) => {
  const { client } = await daemon(t);
  const bytes = randomBytes(16 * REMOTE_CHANNEL_FROM);
  const address = formatBlake3((await client.ingestStream(chunks(bytes, 1 << 20), {})).blake3);
  let at = 0;
  for await (const chunk of client.serveObject(address, { start: 0, end: bytes.byteLength })) {
    if (at === 0) await sleep(300);
    t.ok(bytes.subarray(at, at + chunk.byteLength).equals(chunk));
    at += chunk.byteLength;
  }
  t.equal(at, bytes.byteLength);
});

t.test('other protocols are refused', async (t) => {
  const { socketPath } = await daemon(t);
  const socket = connect(socketPath);
  socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n');
  const [first] = await once(socket, 'data');
  t.match(String(first), /^HTTP\/1\.1 400 Bad Request\r\n/);
  socket.destroy();
});
