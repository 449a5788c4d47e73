/**
 * What moving between tiers takes: one large object, and a package of many small files, from the hot tier of a store to its cold one, read there, and back. Over the
 * library, in interleaved rounds, the cold tier being a second folder and, where it is installed, OpenStack Swift on this machine.
 *
 * Storing the same for the first time is measured too: a move is not expected to be faster than that. No bars were set. Uses the public API. Called by
 * bench/tiers/command.ts.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type Store, type StoreOptions, type StoreTier } from '../lib/index.js';
import { makeFile, makeTree } from './ingest/sources.js';
import { describeFileSystem, describeMachine, machineLine } from './machine.js';
import { settle } from './programs.js';
import { inTurns, median } from './rounds.js';
import { missingForSwift, type RunningSwift, startSwift } from './s3/swift.js';
import { sizeName } from './sizes.js';
import { table } from './table.js';

export interface TiersBenchOptions {
  rounds: number;
  /** Bytes of the large object. */
  size: number;
  /** Small files of the package. */
  files: number;
  /** Where files, stores and the server's own are made. */
  folder: string;
}

const SMALL_SIZE = 4096;

const STEPS = ['stored', 'to cold', 'read there', 'back to hot'] as const;
type Step = (typeof STEPS)[number];

/** What is moved. */
interface Work {
  name: string;
  /** So many of these are moved, in this unit. */
  amount: number;
  unit: 'MB/s' | 'objects/s';
  /** Stores it, and gives the name by which it is moved and the digests by which it is read. */
  store(store: Store): Promise<{ name: string; digests: readonly string[] }>;
}

interface Row {
  work: string;
  cold: string;
  unit: Work['unit'];
  /** Medians, by step. */
  speeds: Record<Step, number>;
}

type Report = Awaited<ReturnType<typeof measureTiers>>;

export async function measureTiers({ rounds, size, files, folder }: TiersBenchOptions) {
  const machine = describeMachine();
  const path = mkdtempSync(join(folder, 'as-bench-'));
  const missing = missingForSwift();
  const swift = missing.length === 0 ? await startSwift(path) : undefined;
  try {
    const works = worksOf(join(path, 'sources'), size, files);
    const places = ['folder', ...(swift ? ['Swift'] : [])];
    const contenders = works.flatMap((work) => places.map((cold) => ({ work, cold })));
    const seconds = contenders.map(() => new Map<Step, number[]>());
    await inTurns(contenders, rounds, async ({ work, cold }, index, round) => {
      const home = join(path, `${index}-${round}`);
      const options =
        cold === 'Swift' ? onSwift(swift as RunningSwift, `${index}-${round}`) : { cold: join(home, 'cold') };
      await settle(path);
      await measureOnce(work, { path: join(home, 'hot'), ...options }, (step, spent) =>
        seconds[index]?.set(step, [...(seconds[index]?.get(step) ?? []), spent]),
      );
      rmSync(home, { recursive: true });
    });
    const rows = contenders.map(({ work, cold }, index): Row => {
      const speed = (step: Step) => work.amount / median(seconds[index]?.get(step) ?? []);
      const speeds = Object.fromEntries(STEPS.map((step) => [step, speed(step)])) as Row['speeds'];
      return { work: work.name, cold, unit: work.unit, speeds };
    });
    return { benchmark: 'tiers', machine, fileSystem: describeFileSystem(path), rounds, missing, rows };
  } finally {
    await swift?.stop();
    rmSync(path, { recursive: true });
  }
}

function worksOf(folder: string, size: number, files: number): Work[] {
  const large = makeFile(join(folder, 'large', 'object.bin'), size);
  const tree = makeTree(join(folder, 'tree'), files, SMALL_SIZE);
  return [
    {
      name: sizeName(size),
      amount: size / 1e6,
      unit: 'MB/s',
      store: async (store) => {
        const { blake3 } = await store.put({ path: large.path });
        return { name: blake3, digests: [blake3] };
      },
    },
    {
      name: `${files} of ${sizeName(SMALL_SIZE)}`,
      amount: files,
      unit: 'objects/s',
      store: async (store) => {
        await store.packages.push(tree.path, 'bench/tree@1');
        const { entries } = await store.packages.open('bench/tree@1');
        const digests = entries.flatMap((entry) =>
          entry.kind === 'file' ? [`blake3:${Buffer.from(entry.blake3).toString('hex')}`] : [],
        );
        return { name: 'bench/tree@1', digests };
      },
    },
  ];
}

function onSwift({ endpoint, bucket, environment }: RunningSwift, prefix: string): Partial<StoreOptions> {
  Object.assign(process.env, environment);
  return { cold: `s3://${bucket}/${prefix}`, s3: { endpoint } };
}

async function measureOnce(
  work: Work,
  options: StoreOptions,
  took: (step: Step, seconds: number) => void,
): Promise<void> {
  const store = await openStore(options);
  const timed = async <T>(step: Step, run: () => Promise<T>): Promise<T> => {
    const begin = performance.now();
    const result = await run();
    took(step, (performance.now() - begin) / 1000);
    return result;
  };
  try {
    const { name, digests } = await timed('stored', () => work.store(store));
    await timed('to cold', () => move(store, name, 'cold'));
    await timed('read there', () => readEach(store, digests));
    await timed('back to hot', () => move(store, name, 'hot'));
  } finally {
    await store.close();
  }
}

/** Throws whatever kept an object where it was. */
async function move(store: Store, name: string, tier: StoreTier): Promise<void> {
  for await (const report of store.tier(name, tier)) if ('error' in report) throw report.error;
}

/** Objects that are read at once, as by a service with some clients. */
const AT_ONCE = 16;

async function readEach(store: Store, digests: readonly string[]): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < digests.length) for await (const _ of await store.get(digests[next++] as string));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** The report as text. */
export function renderTiers({ machine, fileSystem, rounds, missing, rows }: Report): string {
  const head = `${machineLine(machine)}\n${fileSystem}; ${rounds} interleaved rounds, medians`;
  const cells = rows.map(({ work, cold, unit, speeds }) => [
    work,
    cold,
    ...STEPS.map((step) => `${speeds[step].toFixed(0)} ${unit}`),
  ]);
  const note =
    missing.length > 0 ? `\n\nSwift is not installed, so it is left out: ${missing.join(', ')} missing.` : '';
  return `${head}\n\n${table(['what', 'cold tier', ...STEPS], cells, 2)}${note}`;
}
