/** What breaks on the way to a daemon, and how it dies: a proxy that cuts, truncates and delays, and `kill -9`. Nothing acknowledged is lost, and who asks is told what to do. */

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type ClosableDataPlane, openInproc } from '../../lib/dataplane/inproc/index.js';
import { hostPlane } from '../../lib/dataplane/remote/daemon/host.js';
import { openRemote } from '../../lib/dataplane/remote/index.js';
import type { ByteRange, ContentAddress } from '../../lib/dataplane/spi.js';
import { formatBlake3, formatSha256 } from '../../lib/digest-name.js';
import { isStoreError } from '../../lib/errors.js';
import { READS_AHEAD, SLAB_COUNT, SLAB_SIZE } from '../../lib/limits.js';
import { cleanEnvironment, executable } from '../cli/run.js';
import { clientOf, folder, HOST, openDaemon } from './remote-support.js';
import { type Fault, openProxy } from './unix-proxy.js';

const KILLS = Number(process.env.ARTIFACTSTORE_KILLS ?? 3);

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function* pieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function read(plane: ClosableDataPlane, address: ContentAddress, range?: ByteRange): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(address, range)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A daemon, and a client that reaches it through a proxy with faults. `before` is done when there are none yet. */
async function faulty(
  t: Test,
  faultOf: (connection: number) => Fault,
  before: (client: ClosableDataPlane) => Promise<unknown> = async () => undefined,
) {
  const daemon = await openDaemon();
  t.teardown(daemon.close);
  const proxy = await openProxy(t, daemon.socketPath);
  const client = await daemon.connect({ socketPath: proxy.path });
  t.teardown(() => client.close());
  await before(client);
  await proxy.use(faultOf);
  return { ...daemon, through: client, proxy };
}

t.test('a read goes on where its connection broke', async (t) => {
  for (const how of ['cut', 'end'] as const) {
    const { client, through, proxy } = await faulty(t, () => ({ down: 1_000_000, how }));
    const bytes = randomBytes(9_000_000);
    const address = formatBlake3((await client.ingestStream(pieces(bytes, 1 << 20), {})).blake3);
    const got = await read(through, address, { start: 5, end: bytes.byteLength });
    t.ok(got.equals(bytes.subarray(5)), `every byte once, in order (${how})`);
    t.ok(proxy.connections() > 8, 'over many connections');
    await t.rejects(read(through, address), { code: 'AS_ERR_UNAVAILABLE', details: { repeatable: true } });
  }
});

t.test('what comes slowly comes whole', async (t) => {
  const { through } = await faulty(t, () => ({ delayMs: 3 }));
  const bytes = randomBytes(700_000);
  const { blake3, sha256: found } = await through.ingestStream(pieces(bytes, 50_000), {});
  t.equal(formatSha256(found), sha256(bytes));
  t.ok((await read(through, formatBlake3(blake3))).equals(bytes));
});

t.test('a stream that was cut on its way in leaves nothing, and may be sent again', async (t) => {
  for (const how of ['cut', 'end'] as const) {
    const { client, through, proxy } = await faulty(t, () => ({ up: 2_000_000, how }));
    const bytes = randomBytes(5_000_000);
    const address = formatBlake3((await client.ingestStream(pieces(bytes, 1 << 20), {})).blake3);
    await client.deleteObject(address);
    const failing = through.ingestStream(pieces(bytes, 60_000), {});
    await t.rejects(failing, {
      code: 'AS_ERR_UNAVAILABLE',
      message: /safe to repeat/,
      details: { repeatable: true, operation: 'ingest' },
    });
    t.equal((await client.verifyObject(address)).status, 'missing', 'nothing of it is there');
    await proxy.use(() => ({}));
    t.equal((await through.ingestStream(pieces(bytes, 60_000), {})).existed, false);
    t.equal((await through.verifyObject(address)).status, 'intact');
  }
});

t.test('what is in memory is sent again without a word', async (t) => {
  const { through, proxy } = await faulty(t, (n) => (n < 3 ? { up: 30_000, how: 'cut' } : {}));
  const bytes = randomBytes(400_000);
  const source = { bytes, [Symbol.asyncIterator]: () => pieces(bytes, bytes.byteLength) };
  const { sha256: found } = await through.ingestStream(source, { size: bytes.byteLength });
  t.equal(formatSha256(found), sha256(bytes));
  t.ok(proxy.connections() >= 4, 'after three connections that broke');
});

t.test('a batch whose answer was lost is sent again', async (t) => {
  const { through } = await faulty(t, (n) => (n % 3 === 1 ? { down: 300, how: 'cut' } : {}));
  const objects = Array.from({ length: 3000 }, (_, n) => randomBytes(100 + n));
  const sources = objects.map((bytes) => ({ bytes, [Symbol.asyncIterator]: () => pieces(bytes, bytes.byteLength) }));
  const table = await through.ingestMany(sources);
  t.equal(table.errors.size, 0);
  t.ok(objects.every((bytes, n) => formatSha256(table.result(n).sha256) === sha256(bytes)));
});

t.test('an upload session says where to go on', async (t) => {
  const bytes = randomBytes(6_000_000);
  const step = (offset: number, final: boolean) => ({ session: { id: 'cut', offset, final } });
  const first = (client: ClosableDataPlane) =>
    client.ingestStream(pieces(bytes.subarray(0, 1_000_000), 99_999), step(0, false));
  const { through, proxy } = await faulty(t, () => ({ up: 3_000_000, how: 'cut' }), first);
  const failing = through.ingestStream(pieces(bytes.subarray(1_000_000), 99_999), step(1_000_000, true));
  await t.rejects(failing, { code: 'AS_ERR_UNAVAILABLE', message: /go on from there/, details: { repeatable: false } });
  await proxy.use(() => ({}));
  // The daemon notices the end of the connection when it notices it: until then the session has a writer.
  for (;;) {
    const { session } = await through.ingestStream(pieces(bytes, 1), { session: { id: 'cut', query: true } });
    t.ok(session.offset >= 1_000_000 && session.offset <= 6_000_000);
    try {
      const rest = pieces(bytes.subarray(session.offset), 99_999);
      const { sha256: found } = await through.ingestStream(rest, {
        session: { id: 'cut', offset: session.offset, final: true },
      });
      t.equal(formatSha256(found), sha256(bytes));
      return;
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_CONFLICT', 'AS_ERR_OFFSET')) throw error;
    }
  }
});

t.test('questions whose answers were lost are asked again', async (t) => {
  const { client, through } = await faulty(t, (n) =>
    n % 2 === 0 ? { down: 150, how: 'end' } : { down: 2_000, how: 'cut' },
  );
  const bytes = randomBytes(1000);
  const { blake3 } = await client.ingestStream(pieces(bytes, 1000), {});
  const address = formatBlake3(blake3);
  t.equal((await through.verifyObject(address)).status, 'intact');
  t.ok((await read(through, address, { start: 0, end: 1000 })).equals(bytes));
  t.same(await through.uploadSessions(), []);
  await through.sync();
  t.match(await through.compact(), { movedSize: 0 });
  await through.deleteObject(address);
  t.equal((await client.verifyObject(address)).status, 'missing');
});

t.test('a slow reader holds the daemon back, and itself', async (t) => {
  const path = await folder(t);
  const inner = await openInproc({ path: join(path, 'data') });
  let given = 0;
  const counting = Object.assign(Object.create(inner) as ClosableDataPlane, {
    servePieces: undefined,
    async *serveObject() {
      while (given++ < 500) yield Buffer.alloc(1 << 20, given);
    },
  });
  const client = await clientOf(t, counting, inner, path);
  const reading = client.serveObject(`blake3:${'0'.repeat(64)}`, { start: 0, end: 500 << 20 })[Symbol.asyncIterator]();
  await reading.next();
  let before = -1;
  while (before !== given) {
    before = given;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(given <= 4, `${given} MiB of 500 have been asked for`);
  await reading.return?.(undefined);
});

t.test('a daemon that has no room holds the source back', async (t) => {
  const path = await folder(t);
  const inner = await openInproc({ path: join(path, 'data') });
  const stuck = Object.assign(Object.create(inner) as ClosableDataPlane, {
    async ingestStream(source: AsyncIterable<Uint8Array>) {
      await source[Symbol.asyncIterator]().next();
      await new Promise(() => undefined);
    },
  });
  const host = await hostPlane(stuck, { ...HOST, listen: [`unix:${path}/s`], closeGraceMs: 0 });
  const client = await openRemote({ socketPath: join(path, 's') });
  let asked = 0;
  const source = async function* () {
    while (asked++ < 500) yield Buffer.alloc(1 << 20);
  };
  const ingest = client.ingestStream(source(), {});
  let before = -1;
  while (before !== asked || asked === 0) {
    before = asked;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(asked <= SLAB_COUNT + READS_AHEAD && SLAB_SIZE === 1 << 20, `${asked} MiB of 500 have been taken`);
  await host.close();
  await t.rejects(ingest, { code: 'AS_ERR_UNAVAILABLE' });
  await client.close();
  await inner.close();
});

/** `artifactstore dataplane` as a process of its own. */
async function startDaemon(path: string) {
  const args = [executable, '--store', join(path, 'hosted'), 'dataplane', '--listen', `unix:${path}/socket`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnvironment() });
  for await (const chunk of child.stdout) if (String(chunk).includes('listening')) break;
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  return { kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

t.test('kill -9 in the middle of an ingest', async (t) => {
  const path = await folder(t);
  let daemon = await startDaemon(path);
  t.teardown(() => daemon.stop());
  const client = await openRemote({ socketPath: join(path, 'socket') });
  t.teardown(() => client.close());
  const bytes = randomBytes(8_000_000);
  async function* untilKilled() {
    yield* pieces(bytes.subarray(0, 4_000_000), 100_000);
    await daemon.kill();
    yield* pieces(bytes.subarray(4_000_000), 100_000);
  }
  const details = { repeatable: true };
  await t.rejects(client.ingestStream(untilKilled(), {}), { code: 'AS_ERR_UNAVAILABLE', details });
  t.match(await client.backendHealth(), { ready: false, problem: /cannot be reached|broke/ }, 'health is an answer');
  await t.rejects(client.ingestStream(pieces(bytes, 100_000), {}), { code: 'AS_ERR_UNAVAILABLE', details });
  daemon = await startDaemon(path); // in place of the socket that was left behind
  const { sha256: found, existed } = await client.ingestStream(pieces(bytes, 100_000), {});
  t.equal(formatSha256(found), sha256(bytes), 'the same client goes on');
  t.equal(existed, false);
  t.match(await client.backendHealth(), { ready: true });
  const restarts = client.families?.().find(({ name }) => name.endsWith('_restarts_total'));
  t.same(restarts?.samples, [{ value: 1 }], 'and has noticed');
});

t.test('kill -9 in the middle of a read', async (t) => {
  const path = await folder(t);
  let daemon = await startDaemon(path);
  t.teardown(() => daemon.stop());
  const client = await openRemote({ socketPath: join(path, 'socket') });
  t.teardown(() => client.close());
  const bytes = randomBytes(40_000_000);
  const address = formatBlake3((await client.ingestStream(pieces(bytes, 1 << 20), {})).blake3);
  const chunks: Uint8Array[] = [];
  let size = 0;
  let started: Promise<unknown> | undefined;
  while (size < bytes.byteLength) {
    try {
      for await (const chunk of client.serveObject(address, { start: size, end: bytes.byteLength })) {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (started !== undefined || size < 5_000_000) continue;
        await daemon.kill();
        started = startDaemon(path).then((again) => {
          daemon = again;
        });
      }
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_UNAVAILABLE') || error.details.repeatable !== true) throw error;
      await started; // the client did not wait so long, and said that it may be repeated
    }
  }
  await started;
  t.ok(Buffer.concat(chunks).equals(bytes), 'every byte, each once');
});

t.test(`kill -9 at any moment loses nothing that was acknowledged (${KILLS} times)`, async (t) => {
  const path = await folder(t);
  const acknowledged: ContentAddress[] = [];
  for (let kill = 0; kill <= KILLS; kill++) {
    const daemon = await startDaemon(path);
    const client = await openRemote({ socketPath: join(path, 'socket') });
    for (const address of acknowledged) {
      const { status } = await client.verifyObject(address, { digests: 'blake3' });
      if (status !== 'intact') t.fail(`${address} was acknowledged and is ${status}`);
    }
    if (kill === KILLS) {
      await client.close();
      await daemon.stop();
      break;
    }
    let isDead = false;
    const work = async (n: number) => {
      while (!isDead) {
        const size = n % 4 === 0 ? 900_000 : 3_000;
        const { blake3 } = await client.ingestStream(pieces(randomBytes(size), 65_536), {});
        acknowledged.push(formatBlake3(blake3));
      }
    };
    const working = Array.from({ length: 8 }, (_, n) =>
      work(n).catch((error) => t.match(error, { code: 'AS_ERR_UNAVAILABLE', details: { repeatable: true } })),
    );
    while (acknowledged.length < 40 * (kill + 1))
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    await daemon.kill();
    isDead = true;
    await Promise.all(working);
    await client.close();
  }
  t.ok(acknowledged.length >= 40 * KILLS, `${acknowledged.length} objects were acknowledged, and all are intact`);
});
