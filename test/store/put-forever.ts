/** A child that stores objects and tells its parent of each one that was acknowledged, until it is killed. Used by store.test.ts and power-cut.ts. */

import { randomBytes } from 'node:crypto';
import { openStore } from '../../lib/index.js';

process.on('disconnect', () => process.exit(1)); // nobody listens any more

const store = await openStore({ path: process.argv[2] as string });

async function putForever(sizeMax: number): Promise<never> {
  for (;;) {
    const { blake3 } = await store.put(randomBytes(Math.floor(Math.random() * sizeMax)));
    process.send?.(blake3);
  }
}

await Promise.all([...Array.from({ length: 8 }, () => putForever(20_000)), putForever(3_000_000)]);
