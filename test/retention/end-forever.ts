/**
 * A child that stores, retires, undeletes and sweeps, and tells its parent what is there for certain and what it is about to end, until it is killed. Used by
 * lifecycle.test.ts.
 *
 * Usage: end-forever.js <path> <salt>
 */

import { type ContentAddress, openStore } from '../../lib/index.js';

process.on('disconnect', () => process.exit(1)); // nobody listens any more

const [path = '', salt = ''] = process.argv.slice(2);
const store = await openStore({ path });

/** Resolves when the parent can read it, whatever becomes of this process. */
const tell = (message: object) => new Promise<void>((told) => process.send?.(message, () => told()));

const bytesOf = (turn: number, n: number) => new TextEncoder().encode(`${salt} ${turn} ${n} `.repeat(1 + (n % 40)));

async function turns(who: number): Promise<never> {
  for (let turn = 0; ; turn++) {
    const contents = Array.from({ length: 90 }, (_, n) => bytesOf(who, 100 * (turn % 3) + n)); // some of them again and again
    const addresses: ContentAddress[] = [];
    for (const result of await store.putMany(contents)) if (!(result instanceof Error)) addresses.push(result.blake3);
    await tell({ there: addresses });
    const ending = addresses.filter((_, n) => n % 3 !== 0);
    await tell({ ending });
    await store.retire(ending, turn % 2 ? { grace: 0 } : { grace: 60_000 });
    const back = ending.slice(0, 20);
    const { objects } = await store.undeleteMany(back);
    if (objects === back.length) await tell({ there: back });
    await tell({ ending: back });
    await store.sweep();
  }
}

await Promise.all([turns(1), turns(2)]);
