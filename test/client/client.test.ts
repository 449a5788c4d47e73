/**
 * The client against a real service: the verbs and errors of the library, bytes that are proven, connections that break at any place, a service that is
 * killed and comes back. ARTIFACTSTORE_CUT_SEED chooses where connections break.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, statfs, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startServer } from '../../lib/api/http/server.js';
import { type ClientOptions, isServiceUrl, openClient, type StoreClient } from '../../lib/client/index.js';
import {
  type ArtifactStoreError,
  digest,
  formatBlake3,
  openStore,
  type PutResult,
  type Store,
  type StoredEvent,
} from '../../lib/index.js';
import { CLIENT_PART_SIZE, CLIENT_WHOLE_SIZE_MAX, GROUP_SIZE } from '../../lib/limits.js';
import { provenBytes, wholeGroups } from '../../lib/tree.js';
import { damage, type Service, serve, until } from '../api/support.js';
import { Authority } from '../support/certificates.js';
import { Random } from '../support/random.js';
import { forkUnhooked } from '../support/unhooked.js';
import { Interferer, Wire } from './proxies.js';

const MIB = 1024 * 1024;
const SEED = Number(process.env.ARTIFACTSTORE_CUT_SEED ?? 2026);

const text = (value: string) => Buffer.from(value);
const addressOf = (bytes: Uint8Array) => formatBlake3(digest(bytes).blake3);

function clientOf(t: Test, options: ClientOptions): StoreClient {
  const client = openClient(options);
  t.teardown(() => client.close());
  return client;
}

async function served(t: Test): Promise<Service & { client: StoreClient }> {
  const service = await serve(t);
  return { ...service, client: clientOf(t, { url: service.url }) };
}

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-client-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Bytes in uneven chunks. */
async function* chunked(bytes: Buffer, size = 100_003): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function collected(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    ({ code, message }: ArtifactStoreError) => ({ code, message }),
  );

t.test('objects: in, out, listed, deleted, with the results of the library', async (t) => {
  const { client, store } = await served(t);
  const large = randomBytes(3 * MIB + 12_345);
  const file = join(await folder(t), 'large');
  await writeFile(file, large);
  const steps: number[] = [];

  const small = await client.put(text('abc'), { onProgress: (size) => steps.push(size) });
  const again = await store.put(text('abc'));
  const { event } = again;
  const facts = ({ blake3, sha256, size, healed, receipts }: Omit<PutResult, 'cbor' | 'event'>) => ({
    ...{ blake3, sha256, size, healed },
    receipts,
  });
  t.strictSame(facts(small), facts(again));
  t.equal(again.existed, true);
  t.match(small, { existed: false, event: { seq: 1, id: String, time: Number } });
  t.equal(event.seq, 2);
  t.strictSame(steps, [3]);

  const sent: number[] = [];
  const asFile = await client.put({ path: file }, { onProgress: (size) => sent.push(size) });
  t.equal(asFile.blake3, addressOf(large));
  t.equal(sent.at(-1), large.byteLength, 'progress ends at the size');
  t.strictSame(
    sent,
    [...sent].sort((a, b) => a - b),
    'and never goes back',
  );
  t.equal((await client.put(large)).existed, true, 'bytes in memory');
  t.equal((await client.put(chunked(large))).blake3, asFile.blake3, 'a stream that fits a part');
  const long = randomBytes(2 * CLIENT_PART_SIZE + 5);
  t.equal((await client.put(chunked(long))).blake3, addressOf(long), 'a stream of several parts');
  t.equal((await client.put(chunked(long.subarray(0, CLIENT_PART_SIZE), 1 << 20))).size, CLIENT_PART_SIZE);
  t.equal((await client.put(chunked(Buffer.alloc(0)))).size, 0, 'a stream without a byte');
  t.strictSame(await store.uploads.list(), [], 'no upload is left');

  const many = await client.putMany([text('one'), { path: join(file, 'none') }, text('abc'), chunked(text('two'))]);
  t.match(many, [{ existed: false }, { code: 'AS_ERR_SOURCE_UNREADABLE' }, { existed: true }, { size: 3 }]);

  for (const name of [asFile.blake3, asFile.sha256, asFile.blake3.slice(7), asFile.sha256.slice(0, 20)]) {
    t.ok((await collected(await client.get(name))).equals(large), name);
  }
  for (const [start, end] of [
    [0, 0],
    [0, 1],
    [GROUP_SIZE - 1, GROUP_SIZE + 1],
    [1_000_000, 2_500_000],
    [large.byteLength - 1, large.byteLength],
    [large.byteLength, large.byteLength],
  ] as const) {
    const part = await (await client.get(asFile.sha256, { range: { start, end } })).bytes();
    t.ok(large.subarray(start, end).equals(part), `bytes ${start} to ${end}`);
  }
  t.equal((await (await client.get(digestOf(''))).bytes()).byteLength, 0, 'the empty object');
  t.equal(await (await client.get(digestOf('abc'))).text(), 'abc');
  const target = join(await folder(t), 'copy');
  await writeFile(target, '');
  await (await client.get(asFile.blake3)).writeTo(target);
  t.ok((await readFile(target)).equals(large), 'into a file');

  t.strictSame(await client.stat('abc'.length ? digestOf('abc') : ''), await store.stat(digestOf('abc')));
  t.strictSame(await client.list(), await store.list());
  const first = await client.list({ limit: 2 });
  t.strictSame(
    await client.list({ limit: 2, cursor: first.cursor as string }),
    await store.list({ limit: 2, cursor: first.cursor as string }),
  );
  t.strictSame(await client.usage(), await store.usage());
  t.strictSame(await client.missing([digestOf('nope'), digestOf('abc')]), [digestOf('nope')]);
  t.match(await client.health(), { ready: true, backend: 'local' });
  const gone = await client.delete(digestOf('one').slice(7, 27), { reason: 'no need' });
  t.match(gone, { freedSize: Number, record: { state: 'deleted', tombstone: { reason: 'no need' } } });
});

const digestOf = (value: string) => addressOf(text(value));

t.test('errors are those of the library', async (t) => {
  const { client, store, path } = await served(t);
  const { blake3 } = await store.put(text('gone soon'));
  await store.delete(blake3, { actor: 'somebody', reason: 'a test' });
  const { blake3: hurt } = await store.put(randomBytes(400_000));
  await damage(path, hurt, 5);
  await store.verify(hurt);
  await store.packages.push(await folder(t), 'acme/empty@1.0.0', { refs: ['fixed'], immutable: true });
  const wrong = digestOf('something else');
  const bothFail = async (about: string, work: (one: Store | StoreClient) => Promise<unknown>) => {
    const expected = await failure(work(store));
    t.type(expected?.code, 'string', `${about} fails`);
    t.strictSame(await failure(work(client)), expected, about);
  };
  await bothFail('no such object', (one) => one.get(wrong));
  await bothFail('not a digest', (one) => one.get('xyz'));
  await bothFail('deleted', (one) => one.get(blake3));
  await bothFail('damaged', (one) => one.get(hurt));
  await bothFail('a range outside', (one) => one.get(digestOf('gone soon'), { range: { start: 1, end: 0 } }));
  await bothFail('deleting twice', (one) => one.delete(blake3));
  await bothFail('other bytes than expected', (one) => one.put(text('abc'), { expect: wrong }));
  await bothFail('another size than expected', (one) => one.put(text('abc'), { size: 4 }));
  await bothFail('two digests', (one) => one.put(text('abc'), { expect: [wrong, blake3] }));
  await bothFail('a limit', (one) =>
    one.list({ limit: 2_000_000 }).catch((error) => Promise.reject({ ...error, message: '' })),
  );
  await bothFail('no such package', (one) => one.packages.get('acme/none@1'));
  await bothFail('not a name', (one) => one.packages.open('Acme/'));
  await bothFail('no such file', (one) => one.packages.openFile('acme/empty@1.0.0', 'none'));
  await bothFail('a ref of another package', (one) => one.packages.moveRef('acme/empty:x', 'acme/other@1'));
  await bothFail('not a ref', (one) => one.packages.removeRef('acme/empty'));
  await bothFail('no such ref', (one) => one.packages.removeRef('acme/empty:none'));
  await bothFail('an immutable ref', (one) => one.packages.removeRef('acme/empty:fixed'));
  await bothFail('a ref that is elsewhere', (one) => one.packages.removeRef('acme/empty:fixed', { ifRef: wrong }));
  await bothFail('nothing to explain', (one) => one.explain('nothing'));
  await bothFail('nothing to resume', (one) => one.scrub({ resume: true }));
  await bothFail('a token without scopes', (one) => one.tokens.create({ holder: 'x', scopes: [] }));
  await bothFail('no such token', (one) => one.tokens.revoke('none'));
  const aborted = AbortSignal.abort();
  await bothFail('given up before it began', (one) => one.put(text('abc'), { signal: aborted }));
  t.match(await failure(clientOf(t, { url: 'http://127.0.0.1:1', readOnly: true }).put(text('x'))), {
    code: 'AS_ERR_READ_ONLY',
  });
});

t.test('what proves bytes', async (t) => {
  const { store } = await served(t);
  for (const size of [0, 1, GROUP_SIZE, GROUP_SIZE + 1, 3 * GROUP_SIZE, 200_000, 300_000, 17 * GROUP_SIZE + 9]) {
    const bytes = randomBytes(size);
    const { blake3: address } = await store.put(bytes);
    const proof = await collected(await store.outboard(address));
    t.equal(
      proof.byteLength,
      8 + 64 * Math.max(Math.ceil(size / GROUP_SIZE) - 1, 0),
      `${size} bytes: a whole outboard`,
    );
    t.equal(proof.readBigUInt64LE(), BigInt(size));
    for (let start = 0; start <= size; start += 1 + Math.floor(size / 3)) {
      for (const end of new Set([start, Math.min(start + 1, size), Math.ceil((start + size) / 2), size])) {
        const range = wholeGroups({ start, end }, size);
        const nodes = (await collected(await store.outboard(address, { range }))).subarray(8);
        const part = bytes.subarray(range.start, range.end);
        const proven = (a: Buffer, b: Buffer) =>
          collected(provenBytes({ address, size, range }, chunked(a, 7_001), chunked(b, 50)));
        t.ok((await proven(part, nodes)).equals(part), `${range.start} to ${range.end} of ${size}`);
        for (const [which, victim] of [part, nodes].entries()) {
          if (victim.byteLength === 0) continue;
          const changed = Buffer.from(victim);
          const at = Math.floor(victim.byteLength / 2);
          changed[at] = (changed[at] as number) ^ 1;
          const lie = which === 0 ? proven(changed, nodes) : proven(part, changed);
          t.match(await failure(lie), { code: 'AS_ERR_CORRUPT' });
          const short = victim.subarray(0, -1);
          t.match(await failure(which === 0 ? proven(short, nodes) : proven(part, short)), {
            code: /CORRUPT|SIZE_MISMATCH/,
          });
        }
        t.match(await failure(proven(Buffer.concat([part, text('x')]), nodes)), { code: /CORRUPT|SIZE_MISMATCH/ });
      }
    }
    const other = { address, size: size + 1, range: { start: 0, end: size + 1 } };
    const longer = collected(
      provenBytes(other, chunked(Buffer.concat([bytes, text('x')])), chunked(proof.subarray(8))),
    );
    t.match(await failure(longer), { code: /CORRUPT|SIZE_MISMATCH/ }, 'a size that is not the object’s');
  }
});

t.test('somebody who changes what is sent is noticed before a wrong byte is given', async (t) => {
  const { url, store } = await served(t);
  const between = await Interferer.open(t, url);
  const client = clientOf(t, { url: between.url });
  const large = randomBytes(4 * MIB);
  const small = randomBytes(50_000);
  const [{ blake3: big, sha256 }, { blake3: little }, { blake3: empty }] = [
    await store.put(large),
    await store.put(small),
    await store.put(Buffer.alloc(0)),
  ];
  const flip = (bytes: Buffer, at: number) => {
    const changed = Buffer.from(bytes);
    if (changed.byteLength > at) changed[at] = (changed[at] as number) ^ 1;
    return changed;
  };
  const isBytes = (asked: string | undefined) => /^\/v1\/objects\/[^/]+$/.test(asked ?? '');
  /** What was given before the error. */
  const read = async (name: string, range?: { start: number; end: number }) => {
    let given = Buffer.alloc(0);
    const error = await failure(
      (async () => {
        for await (const chunk of await client.get(name, range && { range })) given = Buffer.concat([given, chunk]);
      })(),
    );
    return { given, error };
  };
  const refused = async (about: string, name: string, original: Buffer, range?: { start: number; end: number }) => {
    const { given, error } = await read(name, range);
    t.match(error, { code: 'AS_ERR_CORRUPT' }, about);
    const start = range?.start ?? 0;
    t.ok(given.equals(original.subarray(start, start + given.byteLength)), `${about}: what was given is right`);
    t.ok(given.byteLength < (range ? range.end - range.start : original.byteLength), `${about}: and not all`);
  };
  between.change = (asked, body) => (isBytes(asked.url) ? flip(body, 0) : undefined);
  await refused('the first byte of a small one', little, small);
  await refused('the first byte of a large one', big, large);
  await refused('a range', big, large, { start: 1_000_000, end: 1_500_000 });
  between.change = (asked, body) => (isBytes(asked.url) ? flip(body, body.byteLength - 1) : undefined);
  await refused('the last byte of a large one', big, large);
  between.change = (asked, body) => (asked.url?.includes('/outboard') ? flip(body, 3000) : undefined);
  await refused('a node', big, large);
  between.change = (asked, body) => (asked.url?.includes('/outboard') ? flip(body, 0) : undefined);
  await refused('the size', big, large);
  between.change = (asked) => (isBytes(asked.url) ? text('x') : undefined);
  t.strictSame(await read(empty), { given: Buffer.alloc(0), error: undefined }, 'an object without bytes needs none');

  const record = JSON.stringify(await store.stat(little));
  between.change = (asked) => (asked.url?.endsWith('/meta') ? text(record) : undefined);
  t.match((await read(big)).error, { code: 'AS_ERR_CORRUPT' }, 'another object');
  const lie = JSON.stringify({ ...(await store.stat(little)), sha256 });
  between.change = (asked) => (asked.url?.endsWith('/meta') ? text(lie) : undefined);
  t.match((await read(sha256)).error, { code: 'AS_ERR_CORRUPT' }, 'another object under a SHA-256 digest');

  const directory = await folder(t);
  await writeFile(join(directory, 'a'), small);
  await store.packages.push(directory, 'acme/x@1');
  between.change = (asked, body) => (asked.url?.endsWith('/manifest') ? flip(body, body.byteLength - 1) : undefined);
  t.match(await failure(client.packages.open('acme/x@1')), { code: 'AS_ERR_CORRUPT' }, 'a manifest');
  between.change = (asked, body) => (isBytes(asked.url) ? flip(body, 9) : undefined);
  const place = join(await folder(t), 'place');
  t.match(await failure(client.packages.pull('acme/x@1', place)), { code: 'AS_ERR_CORRUPT' }, 'a file of a package');
  t.match(await failure(readdir(place)), { code: 'ENOENT' }, 'and nothing of it is there');

  between.change = (asked, body) =>
    asked.method === 'PUT' && body.byteLength > 0
      ? Buffer.from(String(body).replace(big.slice(7), little.slice(7)))
      : undefined;
  t.match(await failure(client.put(large)), { code: 'AS_ERR_DIGEST_MISMATCH' }, 'what was stored is not what was sent');
  between.change = (asked) => (isBytes(asked.url) && asked.headers.range ? { status: 200, body: large } : undefined);
  t.match(
    (await read(big, { start: 20_000, end: 30_000 })).error,
    { code: 'AS_ERR_HTTP_ANSWER' },
    'the whole for a range',
  );
});

t.test('answers that are not ours, and services that are busy or away', async (t) => {
  const { url } = await served(t);
  const between = await Interferer.open(t, url);
  const client = clientOf(t, { url: between.url });
  await client.put(text('abc'));
  between.change = () => text('<html>');
  t.match(await failure(client.stat(digestOf('abc'))), {
    code: 'AS_ERR_HTTP_ANSWER',
    message: /Check what is at this address/,
  });
  between.change = () => ({ status: 404, body: text('<html>nothing here') });
  t.match(await failure(client.stat(digestOf('abc'))), { code: 'AS_ERR_HTTP_ANSWER', message: /answered with 404/ });
  between.change = () => ({ status: 302, body: text(''), headers: { location: 'http://127.0.0.1:1/' } });
  t.match(
    await failure(client.stat(digestOf('abc'))),
    { code: 'AS_ERR_HTTP_ANSWER' },
    'a token follows no redirection',
  );

  let refusals = 2;
  const busy = { status: 503, body: text('busy'), headers: { 'retry-after': '0' } };
  between.change = () => (refusals-- > 0 ? busy : undefined);
  between.asked.length = 0;
  t.equal((await client.stat(digestOf('abc'))).size, 3, 'asked again until it is not busy');
  t.equal(between.asked.length, 3);
  refusals = 2;
  t.equal((await client.put(text('abc'))).existed, true, 'storing too');
  between.change = () => ({ ...busy, headers: { 'retry-after': '100000' } });
  t.match(
    await failure(client.stat(digestOf('abc'))),
    { code: 'AS_ERR_UNAVAILABLE' },
    'who is to wait too long is told',
  );

  between.change = () => undefined;
  const wire = await Wire.open(t, between.url);
  const broken = clientOf(t, { url: wire.url });
  wire.cutAfter = () => 500; // the request passes, the answer does not
  between.asked.length = 0;
  t.match(await failure(broken.tokens.create({ holder: 'x'.repeat(100), scopes: ['read'] })), {
    code: 'AS_ERR_UNAVAILABLE',
  });
  t.equal(between.asked.length, 1, 'what must not happen twice is sent once');

  const away = clientOf(t, { url: 'http://127.0.0.1:9' });
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 200);
  t.match(
    await failure(away.put(text('abc'), { signal: stop.signal })),
    { code: 'AS_ERR_ABORTED' },
    'given up while it waits',
  );
  for (const url of ['ftp://x', 'http://', 'unix:relative', 'http://user:pass@host/', 'http://host/?x', '/folder']) {
    t.throws(() => openClient({ url }), { code: 'AS_ERR_INVALID_ARGUMENT' }, url);
  }
  t.throws(() => openClient({ url, token: 'two words\n' }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.strictSame(['http://x', 'HTTPS://x', 'unix:/x', 'http', './unix:x', 'C:\\x'].map(isServiceUrl), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

t.test('connections that break anywhere', async (t) => {
  const { url, store } = await served(t);
  const wire = await Wire.open(t, url);
  const random = new Random(SEED);
  t.comment(`seed ${SEED}`);
  const size = 24 * MIB + 777;
  const file = join(await folder(t), 'file');
  // None carries half of the object: who began anew would never come to its end.
  const cuts = () => 100_000 + random.below(12 * MIB - 100_000);
  const sources: Record<string, (bytes: Buffer) => Parameters<StoreClient['put']>[0]> = {
    bytes: (bytes) => bytes,
    file: () => ({ path: file }),
    stream: (bytes) => chunked(bytes),
  };
  for (const [kind, source] of Object.entries(sources)) {
    const client = clientOf(t, { url: wire.url }); // a new one has no connection that is half used up
    const bytes = randomBytes(size);
    await writeFile(file, bytes);
    wire.cutAfter = cuts;
    const before = wire.breaks;
    const stored = await client.put(source(bytes));
    t.equal(stored.blake3, addressOf(bytes), `${kind}: the same object`);
    t.ok(wire.breaks > before, `${kind}: ${wire.breaks - before} breaks`);
    const between = wire.breaks;
    t.ok((await collected(await client.get(stored.blake3))).equals(bytes), 'and back');
    t.ok(wire.breaks > between, `${wire.breaks - between} breaks`);
    const part = await (await client.get(stored.sha256, { range: { start: 5, end: size - 5 } })).bytes();
    t.ok(bytes.subarray(5, -5).equals(part), 'a range of it');
  }
  const client = clientOf(t, { url: wire.url });
  wire.cutAfter = () => 200 + random.below(3000); // within the heads of messages
  for (let n = 0; n < 30; n++) {
    const bytes = randomBytes(300);
    await client.put(bytes);
    t.ok(bytes.equals(await (await client.get(addressOf(bytes))).bytes()), 'a small one');
  }
  wire.cutAfter = () => Number.POSITIVE_INFINITY;
  t.strictSame(await store.uploads.list(), [], 'no upload is left');
});

/** A service in a process of its own that can be killed and started again at the same place. */
async function killable(t: Test) {
  const path = join(await folder(t), 'store');
  const start = async (port: string) => {
    const child = forkUnhooked(new URL('../api/uploads-child.js', import.meta.url), [path, port]);
    const [{ url }] = (await once(child, 'message')) as [{ url: string }];
    return { child, url };
  };
  let running = await start('0');
  let isOver = false;
  t.teardown(() => {
    isOver = true;
    running.child.kill('SIGKILL');
  });
  const { url } = running;
  return {
    url,
    kill: async () => {
      const ended = once(running.child, 'exit');
      running.child.kill('SIGKILL');
      await ended;
    },
    start: async () => {
      running = await start(new URL(url).port);
      if (isOver) running.child.kill('SIGKILL');
    },
  };
}

t.test('a service that is killed and started again', async (t) => {
  const service = await killable(t);
  const client = clientOf(t, { url: service.url });
  const bytes = randomBytes(64 * MIB);
  const file = join(await folder(t), 'file');
  await writeFile(file, bytes);
  /** Kills it once so much has been sent, and starts it a little later. */
  const killer = (after: number) => {
    let isDone: Promise<void> | undefined;
    const onProgress = (size: number) => {
      if (size < after || isDone) return;
      isDone = service
        .kill()
        .then(() => sleep(300))
        .then(() => service.start());
    };
    return { onProgress, done: () => isDone as Promise<void> };
  };
  const first = killer(40 * MIB);
  const stored = await client.put({ path: file }, first);
  await first.done();
  t.equal(stored.blake3, addressOf(bytes), 'a file goes on');
  t.equal((await client.verify(stored.blake3)).status, 'intact');

  const second = killer(24 * MIB);
  const other = Buffer.concat([text('another'), bytes]);
  t.equal((await client.put(chunked(other), second)).blake3, addressOf(other), 'a stream too');
  await second.done();

  let read = Buffer.alloc(0);
  let isKilled = false;
  const chunks: Uint8Array[] = [];
  for await (const chunk of await client.get(stored.blake3)) {
    chunks.push(chunk);
    if (isKilled || chunks.length < 100) continue;
    isKilled = true;
    await service.kill();
    await service.start();
  }
  read = Buffer.concat(chunks);
  t.ok(read.equals(bytes), 'and reading');
});

t.test('an upload that another process goes on with', async (t) => {
  const { url, store } = await served(t);
  const wire = await Wire.open(t, url);
  const bytes = randomBytes(20 * MIB);
  const stop = new AbortController();
  const first = clientOf(t, { url: wire.url });
  const onProgress = (size: number) => {
    if (size > 10 * MIB) stop.abort();
  };
  t.match(await failure(first.put(bytes, { upload: 'mine', signal: stop.signal, onProgress })), {
    code: 'AS_ERR_ABORTED',
  });
  const standing = () => store.uploads.find('mine').catch(() => undefined); // it may be on its way into the log yet
  await until(async () => ((await standing())?.offset ?? 0) > 0);
  const sent = wire.up;
  const second = clientOf(t, { url: wire.url });
  t.equal((await second.put(bytes, { upload: 'mine' })).blake3, addressOf(bytes));
  t.ok(wire.up - sent < 19 * MIB, `${wire.up - sent} bytes were left to send`);
  t.equal((await second.put(bytes, { upload: 'mine' })).blake3, addressOf(bytes), 'asked once more it says the same');
  t.match(
    await failure(second.put(randomBytes(20 * MIB), { upload: 'mine' })),
    { code: /MISMATCH|CONFLICT/ },
    'another object cannot have its name',
  );
});

t.test('given up', async (t) => {
  const { client, store } = await served(t);
  const bytes = randomBytes(48 * MIB);
  for (const source of [() => bytes, () => chunked(bytes)]) {
    const stop = new AbortController();
    const onProgress = (size: number) => {
      if (size > 8 * MIB) stop.abort();
    };
    t.match(await failure(client.put(source(), { signal: stop.signal, onProgress })), { code: 'AS_ERR_ABORTED' });
    await until(async () => (await store.uploads.list()).length === 0);
  }
  t.match(await failure(client.stat(addressOf(bytes))), { code: 'AS_ERR_NOT_FOUND' }, 'nothing is stored');
  const { blake3 } = await store.put(bytes);
  const stop = new AbortController();
  const reading = collected(
    (async function* () {
      for await (const chunk of await client.get(blake3, { signal: stop.signal })) {
        stop.abort();
        yield chunk;
      }
    })(),
  );
  t.match(await failure(reading), { code: 'AS_ERR_ABORTED' });
  for await (const _ of await client.get(blake3)) break;
  t.pass('a reader may stop early');
});

t.test('a reader that takes nothing is sent nothing; a source that waits is waited for', async (t) => {
  const { url, store } = await served(t);
  const wire = await Wire.open(t, url);
  const client = clientOf(t, { url: wire.url });
  const size = 128 * MIB;
  const { blake3 } = await store.put(randomBytes(size));
  const reader = (await client.get(blake3))[Symbol.asyncIterator]();
  await reader.next();
  let last = -1;
  await until(async () => {
    const same = wire.down === last;
    last = wire.down;
    await sleep(100);
    return same && wire.down === last;
  });
  t.ok(wire.down < size / 2, `${wire.down} of ${size} bytes came`);
  await reader.return?.();
  const slow = async function* () {
    for (let n = 0; n < 5; n++) {
      yield text(`${n}`);
      await sleep(20);
    }
  };
  t.equal(await (await client.get((await client.put(slow())).blake3)).text(), '01234');
});

t.test('a gibibyte is never held', async (t) => {
  const { bavail, bsize } = await statfs(tmpdir());
  if (bavail * bsize < 3 * 1024 * MIB) return t.comment('not enough room in the temporary folder');
  const path = await folder(t);
  const server = forkUnhooked(new URL('../api/memory-server.js', import.meta.url), [
    JSON.stringify({ path: join(path, 'store') }),
  ]);
  t.teardown(() => server.kill('SIGKILL'));
  const [{ url }] = (await once(server, 'message')) as [{ url: string }];
  const client = clientOf(t, { url });
  const block = randomBytes(MIB);
  const hash = createHash('sha256');
  async function* generate() {
    for (let n = 0; n < 1024; n++) {
      block.writeUInt32LE(n);
      hash.update(block);
      yield Buffer.from(block);
    }
  }
  const idle = process.memoryUsage().rss;
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss - idle);
  }, 20);
  const { blake3, sha256, size } = await client.put(generate());
  t.equal(size, 1024 * MIB);
  t.equal(sha256, `sha256:${hash.digest('hex')}`);
  let read = 0;
  for await (const chunk of await client.get(blake3)) read += chunk.byteLength;
  clearInterval(watch);
  t.equal(read, size);
  t.ok(peak < 300 * MIB, `${Math.round(peak / MIB)} MiB more than before`);
});

/** A directory with whatever a package can hold. */
async function directory(t: Test): Promise<string> {
  const root = await folder(t);
  const path = join(root, 'tree');
  await mkdir(join(path, 'deep/er'), { recursive: true });
  await mkdir(join(path, 'empty'));
  await writeFile(join(path, 'deep/er/file'), 'content');
  await writeFile(join(path, 'deep/same'), 'content');
  await writeFile(join(path, 'large'), randomBytes(CLIENT_WHOLE_SIZE_MAX + 1));
  await writeFile(join(path, 'nothing'), '');
  await writeFile(join(path, 'run'), '#!/bin/sh\n');
  await chmod(join(path, 'run'), 0o755);
  await symlink('deep/er/file', join(path, 'link'));
  await writeFile(Buffer.concat([text(`${path}/`), Buffer.from('caf\xe9', 'latin1')]), 'odd');
  await writeFile(join(path, 'a b#ü?%.txt'), 'odd too');
  return path;
}

t.test('packages', async (t) => {
  const { url, store } = await served(t);
  const wire = await Wire.open(t, url);
  const client = clientOf(t, { url: wire.url });
  const tree = await directory(t);
  const steps: { files: number; size: number }[] = [];
  const pushed = await client.packages.push(tree, 'acme/tools@1.0.0', {
    refs: ['latest', 'stable'],
    onProgress: (step) => steps.push(step),
  });
  t.match(pushed, {
    namespace: 'acme',
    version: '1.0.0',
    published: true,
    moved: ['latest', 'stable'],
    entries: 9,
    stored: 7,
  });
  t.match(pushed.events, [
    { kind: 'manifest.indexed' },
    { kind: 'package.published' },
    { kind: 'ref.moved' },
    { kind: 'ref.moved' },
  ]);
  t.equal(steps.at(-1)?.files, 7);
  const local = await store.packages.push(tree, 'acme/tools@1.0.0');
  t.match(local, { published: false, manifest: pushed.manifest, stored: 0 }, 'the library pushes the same');
  const before = wire.up;
  t.match(await client.packages.push(tree, 'acme/tools@1.0.0'), { published: false, stored: 0, events: [] });
  t.ok(wire.up - before < 20_000, `${wire.up - before} bytes sent for what is there`);
  await writeFile(join(tree, 'run'), '#!/bin/sh\necho\n');
  const second = await client.packages.push(tree, 'acme/tools:latest', { ifRef: pushed.manifest });
  t.match(second, { version: second.manifest, moved: ['latest'], stored: 2 }, 'a ref alone');
  t.match(await failure(client.packages.push(tree, 'acme/tools:latest', { ifRef: pushed.manifest })), {
    code: 'AS_ERR_CONFLICT',
  });
  t.match(
    await failure(client.packages.push(tree, 'acme/tools@1.0.0')),
    { code: 'AS_ERR_CONFLICT' },
    'a version never changes',
  );

  for (const work of [
    (one: Store | StoreClient) => one.packages.get('acme/tools'),
    (one: Store | StoreClient) => one.packages.get('acme/tools@1.0.0'),
    (one: Store | StoreClient) => one.packages.ref('acme/tools:stable'),
    (one: Store | StoreClient) => one.packages.ref('acme/tools:none'),
    (one: Store | StoreClient) => one.packages.list(),
    (one: Store | StoreClient) => one.packages.list({ namespace: 'acme', name: 'tools', limit: 1 }),
    (one: Store | StoreClient) => one.packages.refs(),
    (one: Store | StoreClient) => one.packages.refs({ namespace: 'acme' }),
    (one: Store | StoreClient) => one.packages.refs({ namespace: 'acme', name: 'tools', limit: 1 }),
    (one: Store | StoreClient) => one.packages.diff('acme/tools@1.0.0', 'acme/tools'),
    (one: Store | StoreClient) => all(one.packages.usage()),
    (one: Store | StoreClient) => all(one.packages.usage('acme')),
    (one: Store | StoreClient) => all(one.packages.containing(digestOf('odd'))),
  ]) {
    t.strictSame(await work(client), await work(store), String(work).slice(7));
  }
  const opened = await client.packages.open('acme/tools@1.0.0');
  const expected = await store.packages.open(pushed.manifest);
  t.strictSame(opened.entries, expected.entries);
  t.equal(opened.address, pushed.manifest);
  t.strictSame((await client.packages.open(pushed.manifest.slice(7, 30))).entries, expected.entries, 'by a digest');

  const odd = Buffer.from('caf\xe9', 'latin1');
  t.equal(await (await client.packages.openFile('acme/tools', odd)).text(), 'odd');
  t.equal(
    await (await client.packages.openFile('acme/tools', 'run', { range: { start: 2, end: 9 } })).text(),
    '/bin/sh',
  );
  const place = join(await folder(t), 'out');
  await client.packages.pull('acme/tools', place);
  const pulled = await store.packages.push(place, 'acme/check@1');
  t.equal(pulled.manifest, second.manifest, 'the same directory comes back');
  t.match(
    await failure(client.packages.pull('acme/tools', place)),
    { code: 'AS_ERR_INVALID_ARGUMENT' },
    'something is there',
  );
  await client.packages.pull('acme/tools@1.0.0', place, { overwrite: true });
  t.equal((await store.packages.push(place, 'acme/check@2')).manifest, pushed.manifest);

  t.match(await client.packages.moveRef('acme/tools:next', 'acme/tools@1.0.0', { ifRef: null }), {
    target: pushed.manifest,
  });
  t.match(await failure(client.packages.moveRef('acme/tools:next', 'acme/tools', { ifRef: null })), {
    code: 'AS_ERR_CONFLICT',
  });
  t.match(await client.packages.moveRef('acme/tools:next', 'acme/tools', { ifRef: pushed.manifest }), {
    target: second.manifest,
  });
  t.match(await client.packages.removeRef('acme/tools:next', { reason: 'done' }), { target: second.manifest });
  await client.delete(digestOf('odd'), { force: true });
  t.match(
    await client.packages.push(tree, 'acme/tools@1.0.1'),
    { stored: 1, published: true },
    'what was deleted is sent again',
  );
});

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

t.test('one file under a name, and a ref at an object', async (t) => {
  const { url, store } = await served(t);
  const client = clientOf(t, { url });
  const tree = await directory(t);
  const pushed = await client.packages.push(join(tree, 'run'), 'acme/run:latest');
  t.match(await store.packages.push(join(tree, 'run'), 'acme/run:latest'), { manifest: pushed.manifest, events: [] });
  t.equal(await (await client.packages.openFile('acme/run')).text(), await readFile(join(tree, 'run'), 'utf8'));
  const { blake3 } = await client.put(Buffer.from('an object'));
  t.match(await client.packages.moveRef('acme/run:other', blake3), { ref: 'other' });
  t.equal(await (await client.packages.openFile('acme/run:other')).text(), 'an object');
  await client.packages.push(tree, 'acme/tree');
  t.match(await failure(client.packages.openFile('acme/tree')), { code: 'AS_ERR_INVALID_ARGUMENT' });
});

t.test('a token of some namespaces can push and pull its packages', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const { token } = await service.store.tokens.create({
    holder: 'ci',
    scopes: ['read', 'write'],
    namespaces: ['acme'],
  });
  const client = clientOf(t, { url: service.url, token });
  const tree = await directory(t);
  await rm(Buffer.concat([text(`${tree}/`), Buffer.from('caf\xe9', 'latin1')])); // such a name has no place in a URL
  const pushed = await client.packages.push(tree, 'acme/tools@1');
  const place = join(await folder(t), 'out');
  await client.packages.pull('acme/tools@1', place);
  t.equal((await service.store.packages.push(place, 'acme/check@1')).manifest, pushed.manifest);
  t.equal(await (await client.packages.openFile('acme/tools@1', 'deep/er/file')).text(), 'content');
  t.match(await failure(client.packages.push(tree, 'other/tools@1')), { code: 'AS_ERR_FORBIDDEN' });
  t.match(await failure(client.list()), { code: 'AS_ERR_FORBIDDEN' });
  t.match(await failure(clientOf(t, { url: service.url }).list()), { code: 'AS_ERR_UNAUTHENTICATED' });
  t.match(await failure(clientOf(t, { url: service.url, token: 'as_nobody_x' }).list()), {
    code: 'AS_ERR_UNAUTHENTICATED',
  });
});

t.test('events: read, and followed over broken connections', async (t) => {
  const { url, store } = await served(t);
  const wire = await Wire.open(t, url);
  const client = clientOf(t, { url: wire.url });
  for (let n = 0; n < 30; n++) await store.put(text(`${n}`), { actor: n % 2 === 0 ? 'even' : 'odd' });
  const plain = (events: StoredEvent[]) =>
    events.map(({ seq, kind, actor, subject, bytes }) => ({
      seq,
      kind,
      actor,
      subject,
      bytes: Buffer.from(bytes).toString('hex'),
    }));
  for (const query of [
    {},
    { after: 3, limit: 4 },
    { reverse: true, limit: 2 },
    { actor: 'odd' },
    { first: 5, last: 7 },
    { kind: 'x.y' },
    { subject: digestOf('7') },
  ]) {
    t.strictSame(plain(await client.events(query)), plain(await store.events(query)), JSON.stringify(query));
  }
  const stop = new AbortController();
  const seqs: number[] = [];
  const marks: string[] = [];
  const following = (async () => {
    for await (const delivery of client.subscribe({ after: 0, actor: 'odd', signal: stop.signal })) {
      if (delivery.type === 'event') seqs.push(delivery.event.seq);
      else marks.push(delivery.type);
    }
  })();
  const random = new Random(SEED);
  wire.cutAfter = () => 500 + random.below(4000);
  for (let n = 30; n < 200; n++) {
    await store.put(text(`${n}`), { actor: n % 2 === 0 ? 'even' : 'odd' });
    if (n % 20 === 0) wire.cut();
  }
  const expected = (await store.events({ actor: 'odd' })).map(({ seq }) => seq);
  await until(() => seqs.length >= expected.length);
  stop.abort();
  await following;
  t.strictSame(seqs, expected, `none missed, none twice, over ${wire.connections} connections`);
  t.ok(wire.connections > 3);
  t.equal(marks.filter((mark) => mark === 'caught-up').length, 1, 'it says once that it is caught up');
  const ended = new AbortController();
  const waiting = all(client.follow({ signal: ended.signal }));
  await sleep(50);
  ended.abort();
  t.strictSame(await waiting, [], 'ended by its signal while nothing happens');
});

t.test('verification, stories, the past, tokens', async (t) => {
  const { client, store, path } = await served(t);
  const { blake3 } = await store.put(randomBytes(300_000));
  await store.put(text('abc'));
  t.match(await client.verify(blake3), { status: 'intact', damaged: [], record: { blake3 } });
  t.match(await client.verify(blake3, { digests: 'blake3' }), { status: 'intact', sha256: undefined });
  await damage(path, blake3, 20_000);
  t.match(await client.verify(blake3), {
    status: 'corrupt',
    damaged: [{ start: 16_384, end: 32_768 }],
    record: { state: 'corrupt' },
  });
  const run = await client.scrub({ sample: { count: 10 }, seed: 'x' });
  t.match(run, { count: 2, size: 300_003, seed: 'x', began: Number });
  t.match(
    await all(run),
    [
      { object: { blake3 }, result: { status: 'corrupt' } },
      { object: { blake3: digestOf('abc') }, result: { status: 'intact', blake3: Buffer } },
    ].map(({ object, result }) => ({ object, result: { status: result.status } })),
  );
  const [one, two] = [await client.explain(blake3.slice(7, 20)), await store.explain(blake3)];
  t.equal(one.subject, blake3);
  t.strictSame(await all(one), await all(two));
  t.equal(await client.subjectOf(blake3.slice(7, 20)), blake3);
  t.equal(await client.subjectOf('nothing at all'), undefined);
  t.equal((await all(await client.explain(blake3, { at: { seq: 1 } }))).length, 1, 'as it stood then');
  const past = await client.at({ seq: 1 });
  t.match(
    [await past.list(), await past.stat(blake3)],
    [{ objects: [{ blake3, state: 'live' }] }, { state: 'live', lastSeq: 1 }],
  );
  t.match(await failure(past.stat(digestOf('abc'))), { code: 'AS_ERR_NOT_FOUND' }, 'not there yet');
  t.equal(await client.seqAt({ time: Date.now() + 1000 }), await store.seqAt({ time: Date.now() + 1000 }));
  const made = await client.tokens.create({ holder: 'ci', scopes: ['read'] });
  t.match(await client.tokens.list(), { tokens: [{ id: made.id, holder: 'ci' }] });
  t.match(await client.tokens.revoke(made.id, { reason: 'over' }), { revoked: { reason: 'over' } });
  t.match(await client.tokens.find(made.id), { revoked: { reason: 'over' } });
});

t.test('sockets in the file system, and TLS', async (t) => {
  const path = await folder(t);
  const authority = new Authority(join(path, 'ca'), 'authority');
  const store = await openStore({ path: join(path, 'store') });
  t.teardown(() => store.close());
  const socket = join(path, 'socket');
  const local = await startServer(store, { listen: [`unix:${socket}`] });
  t.teardown(() => local.close());
  const client = clientOf(t, { url: `unix:${socket}` });
  t.equal((await client.put(text('abc'))).size, 3);
  const secure = await startServer(store, {
    port: 0,
    tls: { ...authority.issue('service'), clientCa: authority.cert },
  });
  t.teardown(() => secure.close());
  const trusted = clientOf(t, { url: secure.url, ca: authority.cert, ...authority.issue('client') });
  t.equal(await (await trusted.get(digestOf('abc'))).text(), 'abc');
  const distrustful = clientOf(t, { url: secure.url });
  t.match(await failure(distrustful.usage()), { code: 'AS_ERR_UNAVAILABLE', message: /certificate/ });
});
