/**
 * Twenty thousand random histories of stores against a simple model (history.ts, world.ts): nothing live, held or locked is ever missing, nothing goes that no plan or
 * person named, and what a plan announces comes back.
 *
 * A few on disk, as anybody opens a store, the others with their bytes in memory. ARTIFACTSTORE_RETENTION_HISTORIES runs as many as are wanted by hand, millions too;
 * ARTIFACTSTORE_RETENTION_SEED repeats a run. One that goes wrong says how it is repeated.
 */

import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const HISTORIES = Number(process.env.ARTIFACTSTORE_RETENTION_HISTORIES ?? 20_000);
const SEED = Number(process.env.ARTIFACTSTORE_RETENTION_SEED ?? Math.floor(Math.random() * 2 ** 23));
/** Histories of one store: more share more of what a store does, and wait longer for the first that goes wrong. */
const OF_A_STORE = 200;
const ON_DISK = 4;

t.setTimeout(0);

const program = fileURLToPath(new URL('./histories.js', import.meta.url));

/** Runs `stores` stores with the seeds from `seed` on, in a process of its own; gives what it prints. */
async function run(where: string, seed: number, stores: number, size: number): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [program, where, seed, stores, size].map(String));
  return stdout.trim();
}

t.test(`${ON_DISK} random histories on disk`, async (t) => {
  t.comment(`seed ${SEED}`);
  t.equal(await run('disk', SEED, 1, ON_DISK), `${ON_DISK} histories`);
});

t.test(`${HISTORIES} random histories, their bytes in memory`, async (t) => {
  const stores = Math.ceil(HISTORIES / OF_A_STORE);
  const processes = Math.min(availableParallelism(), stores);
  const runs = Array.from({ length: processes }, (_, part) => {
    const [from, to] = [part, part + 1].map((end) => Math.floor((stores * end) / processes)) as [number, number];
    return run('memory', SEED + from, to - from, OF_A_STORE);
  });
  const printed = await Promise.all(runs);
  const done = printed.reduce((sum, line) => sum + Number.parseInt(line, 10), 0);
  t.equal(done, stores * OF_A_STORE);
});
