/** Stores whose bytes are in a daemon: opened by the library, the command line and the service, several of them over one daemon. */

import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { startServer } from '../../lib/api/http/server.js';
import { openRemote } from '../../lib/dataplane/remote/index.js';
import { openStore } from '../../lib/index.js';
import { cleanEnvironment, cli, executable, jsonLines, lines } from '../cli/run.js';
import { checkReconciled } from '../support/reconciled.js';

const folder = mkdtempSync(join(tmpdir(), 'as-stores-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

let names = 0;
const newPath = () => join(folder, `${++names}`);

/** `artifactstore dataplane` over `hosted`; ended with the test, or before by `stop`. */
async function startDaemon(t: Test, args: readonly string[] = [], hosted = newPath()) {
  const socket = newPath();
  const words = [executable, '--store', hosted, 'dataplane', '--listen', `unix:${socket}`, ...args];
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'ignore'], env: cleanEnvironment() });
  for await (const chunk of child.stdout) if (String(chunk).includes('listening')) break;
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    return (await ended)[0] as number;
  };
  t.teardown(stop);
  return { dataplane: `unix:${socket}`, hosted, stop };
}

t.test('a store is the same wherever its bytes are', async (t) => {
  const { dataplane, stop } = await startDaemon(t);
  const path = newPath();
  const store = await openStore({ path, dataplane });
  const bytes = randomBytes(3_000_000);
  const { blake3, sha256 } = await store.put(bytes);
  const many = await store.putMany(Array.from({ length: 500 }, () => randomBytes(1000)));
  t.equal([...many.errors()].length, 0);
  await store.put(randomBytes(100), { durability: 'deferred' });
  await store.sync();
  const chunks: Uint8Array[] = [];
  for await (const chunk of await store.get(sha256, { range: { start: 10, end: 2_999_999 } })) chunks.push(chunk);
  t.ok(Buffer.concat(chunks).equals(bytes.subarray(10, 2_999_999)));
  const proof: Uint8Array[] = [];
  for await (const part of await store.outboard(blake3)) proof.push(part);
  t.equal(
    Buffer.concat(proof).byteLength,
    8 + 64 * (Math.ceil(bytes.byteLength / 16_384) - 1),
    'what proves it comes too',
  );
  await writeFileSync(join(folder, 'out'), '');
  await (await store.get(blake3)).writeTo(join(folder, 'out'));
  t.match(await store.verify(blake3), { status: 'intact' });
  const upload = await store.uploads.open();
  await store.uploads.append(
    upload,
    (async function* () {
      yield bytes;
    })(),
    { offset: 0 },
  );
  t.match(await store.uploads.complete(upload), { blake3, existed: true });
  await store.delete(blake3);
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
  t.ok(store.load().workers > 0);
  await t.rejects(openStore({ path, dataplane }), { code: 'AS_ERR_STORE_LOCKED' }, 'one writer a log');
  const reader = await openStore({ path, dataplane, readOnly: true });
  t.equal((await reader.usage()).objects, 501);
  await t.rejects(reader.put(bytes), { code: 'AS_ERR_READ_ONLY' });
  await reader.close();
  await store.close();
  await t.rejects(
    openStore({ path }),
    { code: 'AS_ERR_STORE_MISSING', message: /--dataplane/ },
    'its bytes are not here',
  );
  await (await openStore({ path, dataplane })).close();
  t.equal(await stop(), 0);
  await t.rejects(openStore({ path, dataplane }), { code: 'AS_ERR_UNAVAILABLE' });
  await t.rejects(openStore({ path, dataplane: 'http://localhost' }), { code: 'AS_ERR_INVALID_ARGUMENT' });
});

t.test('a store moves into a daemon and out again', async (t) => {
  const path = newPath();
  const own = await openStore({ path });
  const { blake3 } = await own.put(randomBytes(1000));
  await own.close();
  const other = await startDaemon(t);
  await t.rejects(
    openStore({ path, dataplane: other.dataplane }),
    { code: 'AS_ERR_STORE_FORMAT' },
    'not over the bytes of another',
  );
  const { dataplane, stop } = await startDaemon(t, [], path);
  const hosted = await openStore({ path, dataplane });
  t.match(await hosted.verify(blake3), { status: 'intact' });
  await t.rejects(openStore({ path }), { code: 'AS_ERR_STORE_LOCKED' });
  await hosted.close();
  await stop();
  const again = await openStore({ path });
  t.match(await again.verify(blake3), { status: 'intact' });
  await again.close();
});

t.test('a store beside a daemon is reconciled', async (t) => {
  const { dataplane } = await startDaemon(t);
  const store = await openStore({ path: newPath(), dataplane });
  const plane = await openRemote({ socketPath: dataplane.slice('unix:'.length) });
  await checkReconciled(t, store, plane);
  await plane.close();
  await store.close();
  const shared = await startDaemon(t, ['--shared']);
  const one = await openStore({ path: newPath(), dataplane: shared.dataplane });
  await t.rejects(one.reconcile({ age: 0 }), { code: 'AS_ERR_UNAVAILABLE', message: /several stores use its objects/ });
  await one.close();
});

t.test('two processes share a daemon', async (t) => {
  const { dataplane, stop } = await startDaemon(t, ['--shared', '--allow-root', folder]);
  const [same, mine, yours] = [newPath(), newPath(), newPath()];
  for (const [at, seed] of [
    [same, 'same'],
    [mine, 'mine'],
    [yours, 'yours'],
  ] as const) {
    mkdirSync(at);
    for (let n = 0; n < 300; n++) writeFileSync(join(at, `${n}`), `${seed} ${n} `.repeat(1 + (n % 90) * 10));
    writeFileSync(join(at, 'large'), Buffer.alloc(5_000_000, seed));
  }
  const [first, second] = [newPath(), newPath()];
  const at = (store: string, ...words: string[]) =>
    cli(['--store', store, '--dataplane', dataplane, '--json', ...words]);
  const puts = await Promise.all([at(first, 'put', same, mine), at(second, 'put', same, yours)]);
  for (const { code, stderr, stdout } of puts) {
    t.equal(code, 0, stderr);
    t.equal(jsonLines(stdout).filter((line) => 'blake3' in line).length, 602);
  }
  for (const store of [first, second]) {
    const verified = await at(store, 'verify');
    t.equal(verified.code, 0, verified.stderr);
  }
  const [shared] = jsonLines(puts[0].stdout).map((line) => line.blake3);
  t.equal((await at(first, 'rm', String(shared))).code, 0);
  t.equal((await at(first, 'get', String(shared))).code, 3, 'gone for who deleted it');
  t.equal((await at(second, 'get', String(shared))).code, 0, 'and there for the other');
  t.equal(await stop(), 0);
});

t.test('the service over a daemon', async (t) => {
  const { dataplane, stop } = await startDaemon(t);
  const store = await openStore({ path: newPath(), dataplane });
  const server = await startServer(store, { port: 0 });
  t.teardown(async () => {
    await server.close();
    await store.close();
  });
  const bytes = randomBytes(6_000_000);
  const put = await request(`${server.url}/v1/objects`, { method: 'POST', body: bytes });
  const { blake3 } = (await put.body.json()) as { blake3: string };
  const got = await request(`${server.url}/v1/objects/${blake3}`);
  t.ok(Buffer.from(await got.body.arrayBuffer()).equals(bytes));
  const metrics = await (await request(`${server.url}/metrics`)).body.text();
  t.match(metrics, /artifactstore_dataplane_requests_total\{operation="ingest",outcome="answered"\} [1-9]/);
  t.match(metrics, /artifactstore_dataplane_connections [1-9]/);
  t.equal((await request(`${server.url}/readyz`)).statusCode, 200);
  await stop();
  const deadline = Date.now() + 20_000; // a readiness answer is used again for a second
  let status = 200;
  while (status === 200 && Date.now() < deadline) {
    const ready = await request(`${server.url}/readyz`);
    status = ready.statusCode;
    await ready.body.dump();
  }
  t.equal(status, 503, 'without its daemon the service is not ready');
});

t.test('an erasure that the daemon refuses keeps nobody from opening the store', async (t) => {
  const { dataplane } = await startDaemon(t, ['--shared']);
  const path = newPath();
  let store = await openStore({ path, dataplane });
  const { blake3 } = await store.put(Buffer.from('of somebody'));
  await t.rejects(store.erase({ order: 'O-1', objects: [blake3] }), { code: 'AS_ERR_UNAVAILABLE' });
  await store.close();
  store = await openStore({ path, dataplane });
  t.match(await store.stat(blake3), { state: 'tombstoned', tombstone: { order: 'O-1' } }, 'it is still to be erased');
  await t.rejects(store.get(blake3), { code: 'AS_ERR_GONE' });
  await store.close();
});

t.test('the command line', async (t) => {
  const file = join(folder, 'config.json');
  const { dataplane } = await startDaemon(t);
  writeFileSync(file, JSON.stringify({ store: { path: './configured', dataplane } }));
  const put = await cli(['--config', file, 'put', '-'], { input: 'abc' });
  t.equal(put.code, 0, put.stderr);
  t.notOk(readdirSync(join(folder, 'configured')).includes('data'), 'the folder has the log alone');
  const doctor = await cli(['--store', join(folder, 'configured'), 'doctor'], {
    env: { ARTIFACTSTORE_DATAPLANE: dataplane },
  });
  t.match(
    lines(doctor.stdout).find((line) => line.startsWith('data plane')),
    /in a daemon \(artifactstore \d.*protocol 1 to 4\)/,
  );
  t.match((await cli(['--store', newPath(), 'dataplane'])).stderr, /--listen unix:/);
  t.equal((await cli(['--store', newPath(), 'dataplane', '--listen', '127.0.0.1:1'])).code, 2);
  t.equal(
    (await cli(['--store', newPath(), 'dataplane', '--listen', dataplane])).code,
    8,
    'another daemon listens there',
  );
  const away = await cli(['--store', newPath(), '--dataplane', `unix:${folder}/nobody`, 'put', '-'], { input: 'abc' });
  t.match(away, { code: 7, stderr: /cannot be reached.*AS_ERR_UNAVAILABLE/ });
});

/** As a service manager does it: the socket is descriptor 3, and the process knows that it is meant. */
const HAND_OVER = `
import os, socket, sys
listening = socket.socket(socket.AF_UNIX); listening.bind(sys.argv[1]); listening.listen()
os.dup2(listening.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])`;
const hasPython = spawnSync('python3', ['--version']).status === 0;

t.test('a socket that a service manager hands over', { skip: !hasPython && 'needs python3' }, async (t) => {
  const socket = newPath();
  const words = ['-c', HAND_OVER, socket, process.execPath, executable, '--store', newPath(), 'dataplane'];
  const child = spawn('python3', words, { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnvironment() });
  for await (const chunk of child.stdout) if (String(chunk).includes('listening')) break;
  const store = await openStore({ path: newPath(), dataplane: `unix:${socket}` });
  t.equal((await store.put(Buffer.from('abc'))).size, 3);
  await store.close();
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  t.equal((await ended)[0], 0);
});
