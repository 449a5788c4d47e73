/**
 * Runs random histories, a hundred of them side by side in each store, and ends at the first that went wrong, telling how to repeat it.
 *
 * Usage: node histories.js <disk | memory> <seed> <stores> <histories of a store> [<number of one, to run it alone>]. The stores have the seeds from <seed> on. Started by
 * model.test.ts, in processes of its own: what a test runner watches of every promise takes as much time as the histories.
 *
 * In memory are the bytes (test/support/memory-plane.ts), since what is tested decides and does not store, and a folder in memory has the log. A crash is a copy of the
 * folder, and of the memory, opened in place of the store, which is not closed first.
 */

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openStore } from '../../lib/index.js';
import { registryViews } from '../../lib/registry/views.js';
import { Store } from '../../lib/store.js';
import { randomSource } from '../events/random-events.js';
import { MemoryPlane } from '../support/memory-plane.js';
import { World } from './world.js';

/** Time, which only goes on. */
const real = Date.now;
let offset = 0;
Date.now = () => real() + offset;
const pass = (milliseconds: number) => {
  offset += milliseconds;
};

/** Opens a store in a folder, and what a crash of it leaves in another. */
interface Place {
  open(folder: string): Promise<Store>;
  crash(from: string, to: string): Promise<void>;
}

/** As anybody does. */
const ON_DISK: Place = {
  open: (folder) => openStore({ path: folder, actor: 'model' }),
  crash: (from, to) => cp(from, to, { recursive: true }),
};

/** The log in a file, the bytes in memory. */
class InMemory implements Place {
  readonly #planes = new Map<string, MemoryPlane>();

  async open(folder: string): Promise<Store> {
    await mkdir(folder, { recursive: true });
    const plane = this.#planes.get(folder) ?? new MemoryPlane();
    this.#planes.set(folder, plane);
    const log = await openEventLog({ path: join(folder, 'events.db'), views: registryViews });
    const store = new Store(folder, false, 'model', plane, log);
    await store.finishDeletions();
    return store;
  }

  async crash(from: string, to: string): Promise<void> {
    await cp(from, to, { recursive: true });
    this.#planes.set(to, (this.#planes.get(from) as MemoryPlane).copy());
    this.#planes.delete(from);
  }
}

/** Runs the histories of one store: those of the numbers, of as many as there may be. */
async function run(seed: number, numbers: readonly number[], size: number, place: Place): Promise<void> {
  const root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'artifactstore-model-'));
  const left: Store[] = [];
  let folder = 0;
  const pathOf = (n: number) => join(root, String(n));
  const open = async () => {
    const store = await place.open(pathOf(folder));
    left.push(store);
    return store;
  };
  const crash = async () => {
    await place.crash(pathOf(folder), pathOf(folder + 1));
    folder++;
    return open();
  };
  const randomOf = (number: number) => randomSource(seed * size + number + 1);
  try {
    await new World(await open(), randomSource(seed), randomOf, numbers, size, { pass, crash }).run();
  } finally {
    for (const one of left) await one.close();
    await rm(root, { recursive: true, force: true });
  }
}

const [where = 'memory', ...rest] = process.argv.slice(2);
const [first = 1, stores = 1, size = 1, only] = rest.map(Number);
const numbers = only === undefined ? Array.from({ length: size }, (_, number) => number) : [only];
for (let seed = first; seed < first + stores; seed++) {
  try {
    await run(seed, numbers, size, where === 'disk' ? ON_DISK : new InMemory());
  } catch (error) {
    console.error(`To repeat it: node dist/test/retention/histories.js ${where} ${seed} 1 ${size}`);
    console.error(`Stores before: ${seed - first}`);
    throw error;
  }
}
console.log(`${stores * numbers.length} histories`);
