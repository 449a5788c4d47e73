/**
 * The service takes in and serves an object far larger than memory in a bounded amount of it: RSS stays under 300 MB.
 * ARTIFACTSTORE_TEST_STREAM_GIB says how large; it needs as much room in the temporary folder.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t from 'tap';
import { request } from 'undici';
import { forkUnhooked } from '../support/unhooked.js';

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

/** Bytes of memory that a process ever held at once, as the kernel counted them. */
async function peakRss(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

t.setTimeout(290_000);

t.test(`${size / GIB} GiB in and out`, { skip: await obstacle(), timeout: 285_000 }, async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-memory-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  const server = forkUnhooked(new URL('./memory-server.js', import.meta.url), [join(path, 'store')]);
  t.teardown(() => server.kill('SIGKILL'));
  const [{ url }] = (await once(server, 'message')) as [{ url: string }];
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

function report(since: number): string {
  const seconds = (performance.now() - since) / 1000;
  return `${seconds.toFixed(1)} s, ${Math.round(size / 1e6 / seconds)} MB/s`;
}
