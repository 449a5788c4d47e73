/**
 * A child that puts objects, moves them between tiers and reads them, all at once, until it is killed. It tells its parent of each object before and after it was
 * acknowledged. Used by tiers.test.ts and s3-kills.test.ts.
 *
 * Usage: tier-forever.js <path> <cold> <seed>
 */

import { setImmediate } from 'node:timers/promises';
import { openStore, type StoreTier } from '../../lib/index.js';
import { Random } from '../support/random.js';

process.on('disconnect', () => process.exit(1)); // nobody listens any more

const [path = '', cold = '', seed = '0'] = process.argv.slice(2);
const random = new Random(Number(seed));
const store = await openStore({ path, cold, coldReads: random.oneIn(2) ? 'restore' : 'stream' });
const known = (await store.list({ limit: 1000 })).objects.map(({ blake3 }) => blake3);

async function put(sizeMax: number): Promise<void> {
  const { blake3 } = await store.put(random.bytes(random.below(sizeMax)));
  known.push(blake3);
  process.send?.({ put: blake3 });
}

async function move(): Promise<void> {
  const name = random.pick(known);
  const tier: StoreTier = random.oneIn(2) ? 'hot' : 'cold';
  for await (const report of store.tier(name, tier)) process.send?.({ moved: report.blake3 });
}

/** What it says of an object that cannot be read ends the test. */
async function read(): Promise<void> {
  const name = random.pick(known);
  await (await store.get(name)).bytes();
}

/** A read of what is at hand never leaves this turn of the event loop: two that read on and on would let nobody else have one. */
async function forever(step: () => Promise<void>): Promise<never> {
  for (;;) {
    await step();
    await setImmediate();
  }
}

await put(1000);
await Promise.all([
  forever(() => put(2_000)),
  forever(() => put(400_000)),
  ...Array.from({ length: 6 }, () => forever(move)),
  ...Array.from({ length: 2 }, () => forever(read)),
]);
