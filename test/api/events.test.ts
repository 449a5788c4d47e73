/** Events over HTTP: every representation and filter, streams with their signs of life, waiting, and readers that are slow, leave or come back. */

import { randomBytes } from 'node:crypto';
import { EventSource as NpmEventSource } from 'eventsource';
import t, { type Test } from 'tap';
import { EventSource } from 'undici';
import { type CborValue, decodeCanonical } from '../../lib/cbor/index.js';
import { EVENTS_CHECKPOINT_EVERY } from '../../lib/limits.js';
import { RawClient, type Reply, type Service, serve, settled, until } from './support.js';

const head = (...lines: string[]) => `${[...lines, 'Host: localhost'].join('\r\n')}\r\n\r\n`;
const MIB = 1024 * 1024;

function isProblem(t: Test, reply: Reply, status: number, code: string) {
  t.equal(reply.status, status);
  t.match(reply.json, { status, code, detail: /\w.*\.$/ });
}

/** Members of a CBOR sequence of `[seq, event]`. */
function sequence(bytes: Buffer): CborValue[] {
  const items: CborValue[] = [];
  for (let start = 0, end = 1; end <= bytes.length; end++) {
    try {
      items.push(decodeCanonical(bytes.subarray(start, end)));
      start = end;
    } catch {} // not a whole item yet
  }
  return items;
}

async function filled(t: Test, count: number, options: Parameters<typeof serve>[1] = {}): Promise<Service> {
  const service = await serve(t, options);
  for (let n = 0; n < count; n++)
    await service.store.put(Buffer.from(`object ${n}`), { actor: n % 2 ? 'odd' : 'even' });
  return service;
}

/** A connection with a stream on it. */
async function stream(t: Test, { url }: Service, target: string, accept: string, ...lines: string[]) {
  const client = await RawClient.open(t, url);
  return client.send(head(`GET ${target} HTTP/1.1`, `Accept: ${accept}`, ...lines));
}

t.test('pages', async (t) => {
  const service = await filled(t, 6);
  const { call, store } = service;
  const all = await store.events();
  const seqs = async (query: string) => {
    const { json } = await call('GET', `/v1/events?${query}`);
    return [json.events.map(({ seq }: { seq: number }) => seq), json.next];
  };
  t.same(await seqs('actor=odd'), [[2, 4, 6], 6]);
  t.same(await seqs('reverse=true&limit=2'), [[6, 5], 5]);
  t.same(await seqs('reverse=1&after=3'), [[2, 1], 1]);
  t.same(await seqs('reverse=1&after=1'), [[], undefined]);
  t.same(await seqs(`since=${all[3]?.time}&until=${all[3]?.time}&limit=1`), [
    [all.find(({ time }) => time === all[3]?.time)?.seq],
    all.find(({ time }) => time === all[3]?.time)?.seq,
  ]);
  t.same(await seqs('until=0'), [[], 0]);
  for (const query of ['since=x', 'reverse=maybe', 'wait=61', 'limit=0', 'limit=10001', 'actors=a'])
    isProblem(t, await call('GET', `/v1/events?${query}`), 400, 'AS_ERR_INVALID_ARGUMENT');

  const batch = await call('GET', '/v1/events?limit=2&after=1', {
    headers: { accept: 'application/cloudevents-batch+json' },
  });
  t.equal(batch.headers['content-type'], 'application/cloudevents-batch+json');
  t.equal(batch.headers['artifactstore-next'], '3');
  t.equal(batch.json.length, 2);
  t.match(batch.json[0], {
    specversion: '1.0',
    id: all[1]?.id,
    source: '/v1/events',
    type: 'artifactstore.object.ingested',
    subject: all[1]?.subject,
    time: new Date(all[1]?.time ?? 0).toISOString(),
    datacontenttype: 'application/json',
    sequence: '0000000000000002',
    actor: 'odd',
    data: { size: 8 },
  });
  t.notMatch(Object.keys(batch.json[0]).join(''), /[^a-z]/, 'attributes are named as the specification allows');
});

t.test('everything at once', async (t) => {
  const service = await filled(t, 5);
  const { call, store } = service;
  const all = await store.events();
  const lines = await call('GET', '/v1/events', { headers: { accept: 'application/x-ndjson' } });
  t.equal(lines.headers['content-type'], 'application/x-ndjson');
  const values = lines.bytes
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.same(values, (await call('GET', '/v1/events')).json.events);

  const binary = await call('GET', '/v1/events?limit=3', { headers: { accept: 'application/cbor-seq' } });
  t.equal(binary.headers['content-type'], 'application/cbor-seq');
  t.match(
    sequence(binary.bytes),
    all.slice(0, 3).map(({ seq, id }) => [seq, { id }]),
  );
  const whole = await call('GET', '/v1/events', { headers: { accept: 'application/cbor-seq' } });
  for (const { bytes } of all)
    t.ok(whole.bytes.includes(Buffer.from(bytes)), 'each event byte for byte as it is stored');

  const newest = await call('GET', '/v1/events?reverse=true&limit=2', { headers: { accept: 'application/x-ndjson' } });
  t.match(newest.bytes.toString(), /^\{"seq":5,.*\n\{"seq":4,.*\n$/);
  const none = await call('GET', '/v1/events?actor=nobody', { headers: { accept: 'application/x-ndjson' } });
  t.equal(none.status, 200);
  t.equal(none.bytes.length, 0);
  isProblem(
    t,
    await call('GET', '/v1/events?since=x', { headers: { accept: 'application/x-ndjson' } }),
    400,
    'AS_ERR_INVALID_ARGUMENT',
  );

  let asked = 0;
  const events = store.events.bind(store);
  store.events = (query) => {
    asked++;
    return events(query);
  };
  await Promise.all(Array.from({ length: 2100 }, (_, n) => store.put(Buffer.from(`many ${n}`))));
  asked = 0;
  const many = await call('GET', '/v1/events?after=5', { headers: { accept: 'application/x-ndjson' } });
  t.equal(many.bytes.toString().split('\n').length, 2101);
  t.ok(asked > 2, 'page by page');
});

t.test('waiting', async (t) => {
  const service = await filled(t, 1);
  const { call, store } = service;
  t.equal((await call('GET', '/v1/events?wait=60')).json.next, 1, 'what is there is given at once');
  const waiting = call('GET', '/v1/events?after=1&wait=60&actor=late');
  await store.put(Buffer.from('early'), { actor: 'early' });
  await store.put(Buffer.from('late'), { actor: 'late' });
  t.match((await waiting).json, { events: [{ seq: 3, actor: 'late' }], next: 3 });
  t.same((await call('GET', '/v1/events?after=3&wait=1')).json, { events: [], next: 3 }, 'nothing came');

  let subscribers = 0;
  const subscribe = store.subscribe.bind(store);
  store.subscribe = async function* (options) {
    subscribers++;
    try {
      yield* subscribe(options);
    } finally {
      subscribers--;
    }
  };
  const left = await RawClient.open(t, service.url);
  left.send(head('GET /v1/events?after=3&wait=60 HTTP/1.1'));
  await until(() => subscribers === 1);
  left.socket.destroy();
  await until(() => subscribers === 0);
  const waits = call('GET', '/v1/events?after=3&wait=60');
  await until(() => subscribers === 1);
  await service.close();
  t.same((await waits).json, { events: [], next: 3 }, 'a service that closes lets nobody wait');
});

t.test('server-sent events', async (t) => {
  const service = await filled(t, 3, { heartbeatMs: 40 });
  const { call, store } = service;

  await t.test('what was, then what is', async (t) => {
    const client = await stream(t, service, '/v1/events?after=1', 'text/event-stream');
    await client.until(/caught-up/);
    t.match(client.text, /^HTTP\/1\.1 200 OK\r\n/);
    t.match(client.text, /Content-Type: text\/event-stream\r\n/);
    t.match(client.text, /Cache-Control: no-store\r\n/);
    t.match(client.text, /retry: 2000\n\n/);
    t.notMatch(client.text, /"seq":1,/);
    t.match(
      client.text,
      /id: 2\ndata: \{"seq":2,.*id: 3\ndata: \{"seq":3,.*id: 3\nevent: caught-up\ndata: \{"seq":3\}\n\n/s,
    );
    await store.put(Buffer.from('fresh'));
    await client.until(/id: 4\ndata: \{"seq":4,/);
    await client.until(/:\nid: 4\n\n/);
  });

  await t.test('from where the client says, filtered', async (t) => {
    const again = await stream(t, service, '/v1/events?after=0', 'text/event-stream', 'Last-Event-ID: 3');
    await again.until(/caught-up/);
    t.notMatch(again.text, /"seq":[123],/);
    t.match(again.text, /"seq":4,/);
    const odd = await stream(t, service, '/v1/events?after=0&actor=odd', 'text/event-stream');
    await odd.until(/caught-up/);
    t.same(
      [...odd.text.matchAll(/"seq":(\d+),"v"/g)].map(([, seq]) => seq),
      ['2'],
    );
    const live = await stream(t, service, '/v1/events', 'text/event-stream');
    await live.until(/caught-up/);
    t.notMatch(live.text, /"v":1/, 'without a place only what is new');
    const [, second] = await store.events();
    const since = await stream(t, service, `/v1/events?since=${second?.time}`, 'text/event-stream');
    await since.until(/caught-up/);
    t.match(since.text, /"seq":2,/);
    for (const query of ['limit=1', 'until=5', 'reverse=1', 'wait=1']) {
      const reply = await call('GET', `/v1/events?${query}`, { headers: { accept: 'text/event-stream' } });
      isProblem(t, reply, 400, 'AS_ERR_INVALID_ARGUMENT');
    }
    const odder = { accept: 'text/event-stream', 'last-event-id': 'x' };
    isProblem(t, await call('GET', '/v1/events', { headers: odder }), 400, 'AS_ERR_INVALID_ARGUMENT');
    const only = await call('HEAD', '/v1/events', { headers: { accept: 'text/event-stream' } });
    t.match(only, { status: 200, headers: { 'content-type': 'text/event-stream' } });
  });

  await t.test('clients that come back by themselves, across an end of the service', async (t) => {
    const clients = {
      undici: new EventSource(`${service.url}/v1/events?after=0`),
      npm: new NpmEventSource(`${service.url}/v1/events?after=0`),
    };
    const seen = new Map<string, number[]>();
    for (const [name, source] of Object.entries(clients)) {
      const seqs: number[] = [];
      seen.set(name, seqs);
      t.teardown(() => source.close());
      source.onmessage = ({ data }: { data: string }) => seqs.push(JSON.parse(data).seq);
    }
    const all = (count: number) => until(() => [...seen.values()].every(({ length }) => length >= count));
    await all(4);
    await service.close();
    await store.put(Buffer.from('while it was away'));
    const port = Number(new URL(service.url).port);
    const again = await serve(t, { stub: store, port });
    t.equal(again.url, service.url);
    await all(5);
    await store.put(Buffer.from('afterwards'));
    await all(6);
    for (const [name, seqs] of seen) t.same(seqs, [1, 2, 3, 4, 5, 6], `${name}: nothing twice and nothing missed`);
  });
});

t.test('streams of lines and of CBOR', async (t) => {
  const service = await filled(t, 2, { heartbeatMs: 40 });
  const lines = await stream(t, service, '/v1/events?follow=true&after=0', 'application/x-ndjson', 'Connection: close');
  await lines.until(/"seq":2,/);
  await service.store.put(Buffer.from('third'));
  await lines.until(/"seq":3,/);
  await lines.until(/\n\r\n1\r\n\n/);
  const binary = await stream(t, service, '/v1/events?follow=true&after=2', 'application/cbor-seq');
  await binary.until(/\r\n\r\n/);
  await until(() => binary.received.includes(Buffer.from('\r\n2\r\n\x81\x03\r\n', 'latin1')));
  const [, , third] = await service.store.events();
  t.ok(binary.received.includes(Buffer.from(third?.bytes ?? 'none')));
  await service.close();
  t.match(await lines.ended(), /0\r\n\r\n$/, 'a service that closes ends them properly');
});

t.test('a checkpoint moves the place on where a filter lets nothing through', async (t) => {
  const service = await filled(t, 1);
  const { store } = service;
  const part = Array.from({ length: 2048 }, (_, n) => Buffer.from(`${n}`));
  for (let n = 0; n <= EVENTS_CHECKPOINT_EVERY; n += part.length) await store.putMany(part);
  const client = await stream(t, service, '/v1/events?after=0&kind=object.deleted', 'text/event-stream');
  await client.until(/caught-up/);
  t.match(client.text, new RegExp(`:\nid: ${EVENTS_CHECKPOINT_EVERY}\n\n`));
});

t.test('readers that do not read', async (t) => {
  const given = { count: 0, released: false };
  const [event] = await (async () => {
    const { store } = await serve(t);
    await store.put(randomBytes(10));
    return store.events();
  })();
  const subscribe = async function* () {
    try {
      for (; given.count < 4_000_000; given.count++) yield { type: 'event', event };
    } finally {
      given.released = true;
    }
  };
  const service = await serve(t, { stub: { subscribe }, idleTimeoutMs: 300 });
  const client = await stream(t, service, '/v1/events', 'text/event-stream');
  client.socket.pause();
  const count = await settled(() => given.count);
  t.ok(count * 300 < 64 * MIB, 'no more is taken from the log than the kernel buffers');
  await until(() => given.released);
  t.ok(given.count < 4_000_000, 'and then the reader is cut off');

  given.count = 0;
  given.released = false;
  const leaver = await stream(t, service, '/v1/events', 'text/event-stream');
  await leaver.until(/data:/);
  leaver.socket.destroy();
  await until(() => given.released);
});
