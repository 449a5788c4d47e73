/** Answers over TLS that are read outside of streams: whole, cut, slow, and such as are none. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { answerOverTls, type TlsBody } from '../../lib/dataplane/backend/s3/tls-answer.js';
import { S3_TLS_HEAD_SIZE_MAX, S3_TLS_STEP_SIZE } from '../../lib/limits.js';
import { Authority } from '../support/certificates.js';

const folder = mkdtempSync(join(tmpdir(), 'as-tls-answer-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const authority = new Authority(folder, 'authority');
const { cert, key } = authority.issue('server');

let asked = '';
let answer: (socket: TLSSocket) => unknown = () => undefined;
const server = createServer({ cert, key }, (socket) => {
  socket.on('error', () => undefined);
  asked = '';
  socket.on('data', (chunk) => {
    asked += chunk;
    if (asked.endsWith('\r\n\r\n')) void answer(socket);
  });
});
server.on('tlsClientError', () => undefined);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
t.teardown(() => server.close());
const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

function ask(authorities: string | undefined = authority.cert, headersTimeout = 5_000) {
  const request = { method: 'GET', path: '/a%20b?c', headers: { host: 'x', range: 'bytes=0-4' }, headersTimeout };
  return answerOverTls(origin, { ...request, authorities }, ({ status }) => status === 200);
}

async function all(body: TlsBody): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
    pieces.push(Buffer.from(piece)); // a copy: what it gave is read into again
    body.release(piece);
  }
  return Buffer.concat(pieces);
}

const OK = (length: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\nETag: "e"\r\n\r\n`;

t.test('a body of a length', async (t) => {
  answer = (socket) => socket.end(`${OK(5)}hello`);
  const given = await ask();
  t.equal(asked, 'GET /a%20b?c HTTP/1.1\r\nhost: x\r\nrange: bytes=0-4\r\nconnection: close\r\n\r\n');
  t.match(given, { status: 200, headers: { 'content-length': '5', etag: '"e"' } });
  t.equal((await all(given?.body as TlsBody)).toString(), 'hello');
  answer = (socket) => socket.write(`${OK(5)}hello and more`);
  t.equal((await all((await ask())?.body as TlsBody)).toString(), 'hello', 'what is beyond it is left out');
  answer = (socket) => socket.write(OK(0));
  t.equal((await all((await ask())?.body as TlsBody)).length, 0);
});

t.test('however it comes, and however slowly it is taken', async (t) => {
  const bytes = randomBytes(40 * S3_TLS_STEP_SIZE + 12_345); // more than the sockets of a system hold;
  let sent = 0;
  answer = async (socket) => {
    for (const byte of OK(bytes.length)) socket.write(byte);
    for (let at = 0; at < bytes.length; at += 100_003) {
      if (!socket.write(bytes.subarray(at, at + 100_003))) await once(socket, 'drain').catch(() => undefined);
      sent = at;
    }
  };
  const body = (await ask())?.body as TlsBody;
  const first = await body.next();
  t.equal(first?.byteLength, S3_TLS_STEP_SIZE, 'in pieces');
  await sleep(300); // whoever does not take is not read ahead for: a limit that cannot be passed late
  t.ok(sent < bytes.length, 'it is not all read while nobody takes it');
  const head = Buffer.from(first as Uint8Array);
  body.release(first as Uint8Array);
  t.ok(Buffer.concat([head, await all(body)]).equals(bytes), 'and all of it comes');
});

t.test('a connection that breaks gives what came', async (t) => {
  answer = (socket) => socket.write(`${OK(1_000)}half`, () => socket.destroy());
  const body = (await ask())?.body as TlsBody;
  t.equal((await all(body)).toString(), 'half');
  answer = (socket) => socket.write(`${OK(1_000)}half`);
  const left = (await ask())?.body as TlsBody;
  left.close();
  t.ok((await all(left)).length <= 4, 'one that is left ends');
});

t.test('what is no such answer is none', async (t) => {
  const none = async (text: string, what: string) => {
    answer = (socket) => socket.end(text);
    t.equal(await ask(), undefined, what);
  };
  await none('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'of a length that is not told');
  await none('HTTP/1.1 200 OK\r\n\r\nhello', 'that ends with the connection');
  await none('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello', 'of two lengths');
  await none('HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello', 'of a length that is no number');
  await none('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n folded\r\n\r\nhello', 'with a line that is no header');
  await none('HTTP/2 200\r\nContent-Length: 5\r\n\r\nhello', 'of another protocol');
  await none(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(S3_TLS_HEAD_SIZE_MAX)}\r\n`, 'whose head has no end');
  await none('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy', 'that is not wanted');
  await none('', 'that never comes');
  answer = () => undefined;
  t.equal(await ask(authority.cert, 50), undefined, 'that does not come in time');
  t.equal(await ask(''), undefined, 'from somebody who is not trusted');
});
