/** Small answers that leave together: each to who asked, whole and in its turn, whatever becomes of the connections and the objects meanwhile. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { damage, placeName, RawClient, serve, until } from './support.js';

const ask = (digest: string) => `GET /v1/objects/${digest} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

/** Answers as they stand on a connection. */
function parseAnswers(received: Buffer): { status: number; head: string; body: Buffer }[] {
  const answers = [];
  for (let at = 0; ; ) {
    const end = received.indexOf('\r\n\r\n', at, 'latin1');
    if (end < 0) return answers;
    const head = received.toString('latin1', at, end);
    const length = Number(/^Content-Length: (\d+)$/m.exec(head)?.[1] ?? 0);
    const body = received.subarray(end + 4, end + 4 + length);
    if (body.length < length) return answers;
    answers.push({ status: Number(head.slice(9, 12)), head, body });
    at = end + 4 + length;
  }
}

t.test('many connections at once', async (t) => {
  const { url, store } = await serve(t);
  const objects = await Promise.all(
    [0, 1, 100, 4096, 8192, 8193, 20_000].map(async (size) => {
      const bytes = randomBytes(size);
      return { bytes, digest: (await store.put(bytes)).blake3 };
    }),
  );
  const clients = await Promise.all(Array.from({ length: 150 }, () => RawClient.open(t, url)));
  for (let round = 1; round <= 3; round++) {
    for (const [n, client] of clients.entries()) client.send(ask(objects[n % objects.length]?.digest ?? ''));
    for (const [n, client] of clients.entries()) {
      const { bytes } = objects[n % objects.length] as (typeof objects)[0];
      await until(() => parseAnswers(client.received).length === round || client.socket.destroyed);
      const { status, head, body } = parseAnswers(client.received)[round - 1] ?? {};
      const isRight =
        status === 200 && body?.equals(bytes) && head?.includes(`\r\nContent-Length: ${bytes.length}\r\n`);
      if (!isRight) t.fail(`round ${round}, client ${n}: ${head}`);
    }
  }
  const ids = clients.flatMap(({ text }) => [...text.matchAll(/^X-Request-Id: (\S+)\r$/gm)].map(([, id]) => id));
  t.equal(new Set(ids).size, 450, 'each has an id of its own');
});

t.test('in the order in which they were asked for', async (t) => {
  const { url, store } = await serve(t);
  const bytes = [randomBytes(50), randomBytes(60)] as const;
  const [one, two] = [(await store.put(bytes[0])).blake3, (await store.put(bytes[1])).sha256];
  const client = await RawClient.open(t, url);
  for (let round = 0; round < 2; round++) {
    client.send(ask(one) + ask(two) + ask(one) + ask(`blake3:${'0'.repeat(64)}`) + ask(two));
  }
  await until(() => parseAnswers(client.received).length === 10);
  const answers = parseAnswers(client.received);
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200, 404, 200, 200, 200, 200, 404, 200],
  );
  for (const [n, which] of ([0, 1, 0, undefined, 1] as const).entries()) {
    if (which !== undefined) t.ok(answers[n]?.body.equals(bytes[which]), `answer ${n}`);
  }
  if (['remote', 's3'].includes(placeName())) return; // nothing is at hand there, and what is wrong is answered meanwhile
  const wrong = await RawClient.open(t, url);
  wrong.send(`${ask(one)}nonsense\r\n\r\n`);
  await wrong.ended();
  const statuses = parseAnswers(wrong.received).map(({ status }) => status);
  t.equal(statuses[0], 200, 'what was right before what was wrong');
});

t.test('to a client that reads nothing for a while', async (t) => {
  const { url, store } = await serve(t);
  const bytes = randomBytes(8000);
  const { blake3 } = await store.put(bytes);
  const client = await RawClient.open(t, url);
  client.send(ask(blake3));
  await until(() => parseAnswers(client.received).length === 1);
  client.socket.pause();
  for (let n = 0; n < 1500; n++) {
    client.send(ask(blake3));
    await sleep(1); // so that each comes when the one before has been answered, until the connection takes no more
  }
  client.socket.resume();
  await until(() => client.received.length >= 1501 * 8000);
  await until(() => parseAnswers(client.received).length === 1501);
  t.ok(parseAnswers(client.received).every(({ status, body }) => status === 200 && body.equals(bytes)));
});

t.test('to clients that leave', async (t) => {
  const { url, store, call, errors } = await serve(t);
  const bytes = randomBytes(4096);
  const { blake3 } = await store.put(bytes);
  for (let n = 0; n < 2; n++) t.ok((await call('GET', `/v1/objects/${blake3}`)).bytes.equals(bytes));
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(t, url)));
    for (const [n, client] of clients.entries()) {
      client.send(ask(blake3) + ask(blake3));
      if (n % 2 === 0) setImmediate(() => client.socket.resetAndDestroy());
    }
    for (const [n, client] of clients.entries()) {
      if (n % 2 === 0) continue;
      await until(() => parseAnswers(client.received).length === 2);
      if (!parseAnswers(client.received).every(({ body }) => body.equals(bytes))) t.fail('other bytes');
    }
  }
  const running = async () =>
    /^artifactstore_http_requests_running (\d+)$/m.exec((await call('GET', '/metrics')).bytes.toString())?.[1];
  await until(async () => (await running()) === '1');
  t.strictSame(errors, [], 'nobody has to be told');
});

t.test('without a body', async (t) => {
  const { call, store } = await serve(t);
  for (const size of [0, 4096, 100_000]) {
    const { blake3 } = await store.put(randomBytes(size));
    for (let n = 0; n < 2; n++) {
      await call('GET', `/v1/objects/${blake3}`);
      const { status, headers, bytes } = await call('HEAD', `/v1/objects/${blake3}`);
      t.match({ status, headers }, { status: 200, headers: { 'content-length': `${size}`, etag: `"${blake3}"` } });
      t.equal(bytes.length, 0);
      const known = await call('GET', `/v1/objects/${blake3}`, { headers: { 'if-none-match': `"${blake3}"` } });
      t.equal(known.status, 304);
    }
  }
});

t.test('what became of an object that was sent before', async (t) => {
  const service = await serve(t);
  const { call, store } = service;
  const deleted = await store.put(randomBytes(4096));
  const get = (digest: string) => call('GET', `/v1/objects/${digest}`);
  for (let n = 0; n < 3; n++) t.equal((await get(deleted.blake3)).status, 200);
  const [, gone] = await Promise.all([store.delete(deleted.blake3), get(deleted.sha256)]);
  t.ok([200, 410].includes(gone.status), 'while it is deleted');
  t.equal((await get(deleted.sha256)).status, 410);
  if (placeName() === 's3') return;
  const wrong = await store.put(randomBytes(4096));
  for (let n = 0; n < 3; n++) t.equal((await get(wrong.blake3)).status, 200);
  await damage(service.path, wrong.blake3, 1000);
  const answer = await get(wrong.blake3);
  t.match({ status: answer.status, json: answer.json }, { status: 404, json: { code: 'AS_ERR_CORRUPT' } });
  t.equal((await store.stat(wrong.blake3)).state, 'corrupt', 'and it is recorded');
});
