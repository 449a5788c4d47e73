/**
 * A child that stores objects and tells its parent of each one that was acknowledged, until it is killed; with `deferred` it puts durability
 * off and acknowledges what a sync has made durable. Used by store.test.ts, s3-kills.test.ts and power-cut.ts.
 *
 * Usage: put-forever.js <path> [deferred] [<data plane>]
 */

import { randomBytes } from 'node:crypto';
import { openStore } from '../../lib/index.js';

process.on('disconnect', () => process.exit(1)); // nobody listens any more

const [path = '', way = '', dataplane] = process.argv.slice(2);
const store = await openStore({ path, ...(dataplane && { dataplane }) });

const bytesOf = (sizeMax: number) => randomBytes(Math.floor(Math.random() * sizeMax));

async function putForever(sizeMax: number): Promise<never> {
  for (;;) {
    const { blake3 } = await store.put(bytesOf(sizeMax));
    process.send?.(blake3);
  }
}

async function deferForever(sizeMax: number): Promise<never> {
  for (;;) {
    const addresses: string[] = [];
    for (let left = Math.random() * 50; left > 0; left--) {
      const { blake3 } = await store.put(bytesOf(sizeMax), { durability: 'deferred' });
      addresses.push(blake3);
    }
    await store.sync();
    for (const address of addresses) process.send?.(address);
  }
}

const loop = way === 'deferred' ? deferForever : putForever;
await Promise.all([...Array.from({ length: 8 }, () => loop(20_000)), loop(3_000_000)]);
