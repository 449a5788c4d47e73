/**
 * The service takes in and serves an object far larger than memory in a bounded amount of it: RSS stays under 300 MB.
 * ARTIFACTSTORE_TEST_STREAM_GIB says how large; it needs as much room in the temporary folder.
 */

import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { request } from 'undici';
import type { StoreOptions } from '../../lib/index.js';
import { HTTP_BODY_BUFFER_SIZE, SLAB_COUNT, SLAB_SIZE } from '../../lib/limits.js';
import { forkUnhooked } from '../support/unhooked.js';
import { openPlace } from './places.js';
import { RawClient, until } from './support.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const RSS_MAX = 300 * 1000 * 1000;
const size = Number(process.env.ARTIFACTSTORE_TEST_STREAM_GIB ?? 4) * GIB;

/** Why this cannot be tested here; false when it can. */
async function obstacle(): Promise<string | false> {
  if (!existsSync('/proc/self/status')) return 'the peak of RSS is read from /proc, which this system does not have';
  const { bavail, bsize } = await statfs(tmpdir());
  return bavail * bsize > size + GIB ? false : `${tmpdir()} has no room for ${size / GIB} GiB`;
}

/** A service in a process of its own. Its bytes are where the tests have them; a daemon is in this process, so that what is measured is the service. */
async function startService(t: Test, path: string): Promise<{ server: ChildProcess; url: string }> {
  const place = await openPlace(path, false);
  t.teardown(() => place.close());
  const options: StoreOptions = { path, ...place.options };
  const server = forkUnhooked(new URL('./memory-server.js', import.meta.url), [JSON.stringify(options)]);
  t.teardown(() => server.kill('SIGKILL'));
  const [{ url }] = (await once(server, 'message')) as [{ url: string }];
  return { server, url };
}

/** Bytes of memory that a process ever held at once, as the kernel counted them. */
async function peakRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

t.test(`${size / GIB} GiB in and out`, { skip: await obstacle() }, async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-memory-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  const { server, url } = await startService(t, path);
  const pid = server.pid as number;
  t.comment(`idle: ${Math.round((await peakRss(pid)) / 1e6)} MB`);

  const sent = createHash('sha256');
  const block = randomBytes(MIB);
  async function* generate() {
    for (let offset = 0; offset < size; offset += MIB) {
      block.writeDoubleLE(offset); // no two blocks are the same
      const bytes = Buffer.from(block);
      sent.update(bytes);
      yield bytes;
    }
  }
  const begun = performance.now();
  const stored = await request(`${url}/v1/objects`, {
    method: 'POST',
    body: Readable.from(generate()),
    bodyTimeout: 0,
    headersTimeout: 0,
  });
  t.equal(stored.statusCode, 201);
  const { sha256 } = (await stored.body.json()) as { sha256: string };
  t.equal(sha256, `sha256:${sent.digest('hex')}`);
  t.comment(`taken in: ${report(begun)}, peak ${Math.round((await peakRss(pid)) / 1e6)} MB`);

  const again = performance.now();
  const served = await request(`${url}/v1/objects/${sha256}`, { bodyTimeout: 0 });
  t.equal(Number(served.headers['content-length']), size);
  const received = createHash('sha256');
  for await (const chunk of served.body) received.update(chunk);
  t.equal(`sha256:${received.digest('hex')}`, sha256);
  const peak = await peakRss(pid);
  t.comment(`served: ${report(again)}, peak ${Math.round(peak / 1e6)} MB`);
  t.ok(peak < RSS_MAX, `${peak} bytes at most`);

  server.disconnect();
  const [code] = await once(server, 'exit');
  t.equal(code, 0);
});

const SLOW = 500;
const SLOW_SENT = 200_000;
/** Bytes of the largest object that the core keeps in memory. */
const PACKED_SIZE_MAX = 256 * 1024;

t.test(`${SLOW} uploads that drip, and others beside them`, async (t) => {
  if (!existsSync('/proc/self/status')) return t.comment('memory is read from /proc, which this system does not have');
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-slow-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  const { server, url } = await startService(t, path);
  const pid = server.pid as number;
  const warm = await request(`${url}/v1/objects`, { method: 'POST', body: randomBytes(40 * MIB) });
  await warm.body.dump();
  const before = await peakRss(pid);

  const begun = randomBytes(SLOW_SENT);
  const slow: RawClient[] = [];
  for (let n = 0; n < SLOW; n++) {
    const client = await RawClient.open(t, url);
    client.send(`POST /v1/objects HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${SLOW_SENT + 8 + 1000}\r\n\r\n`);
    client.send(Buffer.from(`${n}`.padStart(8))).send(begun);
    slow.push(client);
  }
  const dripping = setInterval(() => {
    for (const client of slow) client.send('x');
  }, 100);
  t.teardown(() => clearInterval(dripping));
  const drips = slow[0]?.socket.bytesWritten ?? 0;
  await until(() => (slow[0]?.socket.bytesWritten ?? 0) > drips + 10);

  for (const size of [4096, 300_000, 20 * MIB]) {
    const bytes = randomBytes(size);
    const stored = await request(`${url}/v1/objects`, { method: 'POST', body: bytes, headersTimeout: 0 });
    t.equal(stored.statusCode, 201, `${size} bytes are taken in meanwhile`);
    const { blake3 } = (await stored.body.json()) as { blake3: string };
    const served = await request(`${url}/v1/objects/${blake3}`);
    t.ok(Buffer.from(await served.body.arrayBuffer()).equals(bytes), 'and served');
  }
  const peak = await peakRss(pid);
  t.comment(`${Math.round(before / 1e6)} MB before, ${Math.round(peak / 1e6)} MB at most`);
  // What the door buffers of a body, and what the core keeps of an object that may yet be packed.
  const most = SLOW * (HTTP_BODY_BUFFER_SIZE + PACKED_SIZE_MAX) + SLAB_COUNT * SLAB_SIZE;
  t.ok(peak - before < most, `${peak - before} bytes more, of ${most}`);
  clearInterval(dripping);
  for (const client of slow) client.socket.destroy();
  server.disconnect();
  const [code] = await once(server, 'exit');
  t.equal(code, 0);
});

function report(since: number): string {
  const seconds = (performance.now() - since) / 1000;
  return `${seconds.toFixed(1)} s, ${Math.round(size / 1e6 / seconds)} MB/s`;
}
