/**
 * Stores whose bytes, or whose cold tier, are on S3, killed at random instants under load: what was acknowledged is there and whole, and what was not is swept. On OpenStack
 * Swift, and on s3rver, which keeps the half of what the killed process was sending.
 */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openStore, type StoreOptions } from '../../lib/index.js';
import { withSwift } from '../dataplane/s3-support.js';
import { countWhole } from '../support/acknowledged.js';
import { Random } from '../support/random.js';
import { startS3rver } from '../support/s3rver.js';
import type { Server } from '../support/swift-bucket.js';
import { spawnUnhooked } from '../support/unhooked.js';

const folder = mkdtempSync(join(tmpdir(), 'as-s3-kills-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const SEED = Number(process.env.ARTIFACTSTORE_TEST_SEED ?? 1 + (process.pid % 1_000_000));
t.comment(`seed ${SEED}; ARTIFACTSTORE_TEST_SEED repeats it`);

/** What the child tells of an object that was acknowledged. */
type Told = string | { put?: string; moved?: string };

/** Lets a child work until it has told of so many, and kills it. Gives the addresses that it was acknowledged. */
async function killed(t: Test, server: Server, module: string, args: string[], until: number): Promise<string[]> {
  const env = { ...process.env, ...server.environment, AWS_ENDPOINT_URL: server.endpoint };
  const words = [fileURLToPath(new URL(module, import.meta.url)), ...args];
  const child = spawnUnhooked(process.execPath, words, { stdio: ['ignore', 'inherit', 'ignore', 'ipc'], env });
  const ended = once(child, 'exit');
  const acknowledged: string[] = [];
  let told = 0;
  child.on('message', (message: Told) => {
    const put = typeof message === 'string' ? message : message.put;
    if (put !== undefined) acknowledged.push(put);
    if (++told >= until) child.kill('SIGKILL');
  });
  const [, signal] = (await ended) as [number | null, string | null];
  t.equal(signal, 'SIGKILL', 'it went on until it was killed');
  return acknowledged;
}

/** Opens the store again: all that was acknowledged is whole, and so is whatever else is known; the rest is swept. */
async function check(
  t: Test,
  options: StoreOptions,
  acknowledged: ReadonlySet<string>,
  isLast: boolean,
): Promise<void> {
  const store = await openStore(options);
  try {
    const checked = await countWhole(t, store, acknowledged);
    t.ok(checked >= acknowledged.size, `${acknowledged.size} were acknowledged, ${checked} are whole`);
    if (!isLast) return; // it lists the whole bucket, which takes Swift a while
    const swept = await store.reconcile({ age: 0 });
    t.match(swept, { lost: 0 }, `${swept.orphans} that nobody was told of are swept`);
  } finally {
    await store.close();
  }
}

async function kills(t: Test, server: Server, name: string, count: number): Promise<void> {
  const most = Number(process.env.ARTIFACTSTORE_KILLS ?? count);
  const random = new Random(SEED);
  Object.assign(process.env, server.environment);
  const s3 = { endpoint: server.endpoint };
  await t.test(`${name}: the bytes`, async (t) => {
    const options = { path: join(folder, `${name}-hot`), dataplane: 's3://bucket/hot', s3 };
    const acknowledged = new Set<string>();
    for (let kill = 0; kill < most; kill++) {
      const args = [options.path, '', options.dataplane];
      for (const one of await killed(t, server, './put-forever.js', args, 20 + random.below(40))) acknowledged.add(one);
      await check(t, options, acknowledged, kill === most - 1);
    }
  });
  await t.test(`${name}: the cold tier`, async (t) => {
    const options = { path: join(folder, `${name}-tiers`), cold: 's3://bucket/cold', s3 };
    const acknowledged = new Set<string>();
    for (let kill = 0; kill < most; kill++) {
      const args = [options.path, options.cold, String(SEED + kill)];
      for (const one of await killed(t, server, './tier-forever.js', args, 20 + random.below(40)))
        acknowledged.add(one);
      await check(t, options, acknowledged, kill === most - 1);
    }
  });
}

await withSwift(async (swift) => {
  await t.test('on Swift', (t) => kills(t, swift, 'swift', 1)); // which takes a while to list a bucket
});
t.test('on s3rver', async (t) => kills(t, await startS3rver(t), 's3rver', 2));
