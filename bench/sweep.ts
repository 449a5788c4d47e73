/**
 * Removing a million small objects beside somebody who stores and reads: objects a second, what others wait and why, memory, and the space that comes back.
 *
 * In this process and over the library, so that what the sweep costs the main thread shows in what others wait. The same puts and gets run for as long without a sweep,
 * beside somebody who only writes as many bytes, and beside nobody: what they wait for then is the disk's and the machine's. Called by bench/sweep/command.ts.
 */

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ContentAddress, openStore, type Store } from '../lib/index.js';
import { describeFileSystem, describeMachine } from './machine.js';
import { bytesWritten, mappedMemory, ownMemory } from './memory.js';
import { median } from './rounds.js';
import { lengthOf, longest, type Wait, waitsBeside, waitsOf } from './sweep/waits.js';
import { causesOf, type Load, type Watched, watch } from './sweep/watch.js';

export interface SweepBenchOptions {
  objects: number;
  /** Bytes of each. */
  size: number;
  /** Where the store is made. */
  folder: string;
  /** Seconds between filling and sweeping. */
  settle: number;
}

/** What must be reached: objects a second, milliseconds that anybody waits, bytes by which memory grows for each object, part of the disk space. */
const RATE_LEAST = 20_000;
const WAIT_MS_MAX = 50;
const MEMORY_EACH_MAX = 16;
const DISK_BACK_LEAST = 0.85;

const PART = 100_000;
const KEPT = 1000;
/** Waits of each kind that are explained. */
const EXPLAINED = 5;

type Measured = Awaited<ReturnType<typeof measure>>;
export type SweepBenchReport = Measured & { bars: ReturnType<typeof judge> };

/** Fills a store, and empties it again. */
export async function measureSweep(options: SweepBenchOptions): Promise<SweepBenchReport> {
  const report = await measure(options);
  return { ...report, bars: judge(report) };
}

async function measure({ objects, size, folder, settle }: SweepBenchOptions) {
  const machine = describeMachine();
  const path = mkdtempSync(join(folder, 'artifactstore-bench-'));
  const store = await openStore({ path: join(path, 'store') });
  try {
    const data = join(path, 'store', 'data');
    const kept = await fill(store, 'kept', KEPT, size);
    // The first reads start threads, and prove what they read.
    for (const address of kept) await (await store.get(address)).bytes();
    const retired = await fillAndRetire(store, objects, size);
    const usedBefore = diskUse(data);
    await sleep(settle * 1000);
    const watching = (load?: Load) => watch(store, kept, join(path, 'probe'), load);
    const swept = await sweepWatched(store, objects, watching);
    const usedAfter = diskUse(data);
    const seenBeside = async (load?: Load) => {
      const control = await watching(load);
      await sleep(swept.seconds * 1000);
      return control.end();
    };
    const loaded = await seenBeside({ path: join(path, 'load'), rate: swept.figures.written });
    const alone = await seenBeside();
    return {
      benchmark: 'sweep' as const,
      machine,
      fileSystem: describeFileSystem(path),
      objects,
      size,
      /** Tombstones a second. */
      retired,
      ...swept.figures,
      /** Bytes on disk: of the store's data before and after, and of that what is kept. */
      usedBefore,
      usedAfter,
      beside: sumUp(swept.seen),
      /** Without a sweep, beside a thread that writes and syncs as many bytes a second into a file. */
      loaded: sumUp(loaded),
      alone: sumUp(alone),
    };
  } finally {
    await store.close();
    rmSync(path, { recursive: true, force: true });
  }
}

async function fill(store: Store, salt: string, count: number, size: number): Promise<ContentAddress[]> {
  const sources = Array.from({ length: count }, (_, n) => {
    const bytes = Buffer.alloc(size, n & 0xff);
    bytes.write(`${salt} ${n}\n`);
    return bytes;
  });
  return [...(await store.putMany(sources))].map((result) => {
    if (result instanceof Error) throw result;
    return result.blake3;
  });
}

/** Stores objects and tombstones them, a part after the other; gives tombstones a second. */
async function fillAndRetire(store: Store, objects: number, size: number): Promise<number> {
  let milliseconds = 0;
  for (let from = 0; from < objects; from += PART) {
    const part = await fill(store, `part ${from}`, Math.min(PART, objects - from), size);
    const began = performance.now();
    const retired = await store.retire(part, { reason: 'benchmark' });
    milliseconds += performance.now() - began;
    if (retired.objects !== part.length) throw new Error(`${retired.objects} of ${part.length} were tombstoned`);
  }
  return objects / (milliseconds / 1000);
}

/** What filling left behind goes, so that memory tells of the sweep: V8 else lets the heap grow to what filling took before it looks. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

async function sweepWatched(store: Store, objects: number, begin: () => ReturnType<typeof watch>) {
  collectGarbage();
  const others = await begin();
  const memoryBefore = ownMemory(process.pid) ?? 0;
  const mappedBefore = mappedMemory(process.pid) ?? 0;
  const faultsBefore = process.resourceUsage().majorPageFault;
  const cpuBefore = process.cpuUsage();
  const writtenBefore = bytesWritten() ?? 0;
  const began = performance.now();
  let half: number | undefined;
  const report = await store.sweep({
    onProgress: (done) => {
      if (done.objects >= objects / 2) half ??= performance.now();
    },
  });
  const milliseconds = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  const written = (bytesWritten() ?? 0) - writtenBefore;
  const majorFaults = process.resourceUsage().majorPageFault - faultsBefore;
  const seen = await others.end();
  if (report.objects !== objects) throw new Error(`${report.objects} of ${objects} were swept`);
  const sizes = (isFirst: boolean) =>
    seen.memory.filter(({ at }) => at <= (half ?? 0) === isFirst).map(({ size }) => size);
  return {
    seen,
    seconds: milliseconds / 1000,
    figures: {
      /** Objects a second, with what compaction takes at the end, and the seconds. */
      swept: objects / (milliseconds / 1000),
      seconds: milliseconds / 1000,
      /** Microseconds of processor time for each object, with what those take who store and read beside it: says something on a busy machine too. */
      cpuEach: (user + system) / objects,
      /** Bytes a second that went to the disk. */
      written: written / (milliseconds / 1000),
      /**
       * Bytes of memory without mapped pages of files: before, in the median of the times at which each half of the objects went, and at most. What is under way comes and goes with
       * tens of megabytes, so the most of a half says by chance what its median says for certain: whether there is more for each object that has gone.
       */
      memoryBefore,
      memoryOfFirstHalf: median(sizes(true)),
      memoryOfSecondHalf: median(sizes(false)),
      memoryMost: Math.max(memoryBefore, ...seen.memory.map(({ size }) => size)),
      /** Bytes of mapped pages, before and after: the indexes of segments, which the kernel takes back when it needs them. */
      mappedBefore,
      mappedAfter: mappedMemory(process.pid) ?? 0,
      /** Pages of the process that had to be read from the disk meanwhile: others on a machine can cause them. */
      majorFaults,
    },
  };
}

function sumUp(seen: Watched) {
  const explain = (waits: readonly Wait[]) =>
    longest(waits, EXPLAINED).map((wait) => ({
      milliseconds: lengthOf(wait),
      /** Seconds after the begin. */
      after: (wait.begin - seen.began) / 1000,
      causes: causesOf(wait, seen),
    }));
  return {
    puts: waitsOf(seen.puts),
    gets: waitsOf(seen.gets),
    syncs: waitsOf(seen.syncs),
    late: waitsOf(seen.late),
    stands: waitsOf(seen.stands),
    /** The same puts and gets, without the times in which the disk had been given something and did none of it. */
    ownPuts: waitsOf(waitsBeside(seen.stands, seen.puts)),
    ownGets: waitsOf(waitsBeside(seen.stands, seen.gets)),
    longestPuts: explain(seen.puts),
    longestGets: explain(seen.gets),
  };
}

/** Bytes of the blocks of all files below a folder, as `du` counts. */
function diskUse(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return sum;
}

function judge(report: Measured) {
  const { objects, size, swept, memoryOfFirstHalf, memoryOfSecondHalf, usedBefore, usedAfter, beside, loaded, alone } =
    report;
  const wait = (work: string, of: 'puts' | 'gets', own: 'ownPuts' | 'ownGets') => ({
    work,
    asked: `at most ${WAIT_MS_MAX} ms`,
    found: `${beside[own].max.toFixed(1)} ms (with it ${beside[of].max.toFixed(1)}; beside a writer ${loaded[of].max.toFixed(1)}, beside nobody ${alone[of].max.toFixed(1)})`,
    reached: beside[own].max <= WAIT_MS_MAX,
  });
  const each = (memoryOfSecondHalf - memoryOfFirstHalf) / (objects / 2);
  const back = (usedBefore - usedAfter) / (objects * size);
  return [
    {
      work: 'objects a second',
      asked: `at least ${RATE_LEAST.toLocaleString('en')}`,
      found: Math.round(swept).toLocaleString('en'),
      reached: swept >= RATE_LEAST,
    },
    wait('the longest wait of a put, but for a disk that stands', 'puts', 'ownPuts'),
    wait('the longest wait of a get, but for a disk that stands', 'gets', 'ownGets'),
    {
      work: 'growth of memory for each object, from half to half',
      asked: `at most ${MEMORY_EACH_MAX} bytes`,
      found: `${each.toFixed(1)} bytes`,
      reached: each <= MEMORY_EACH_MAX,
    },
    {
      work: 'disk space that is back, of the bytes of the objects',
      asked: `at least ${DISK_BACK_LEAST}`,
      found: back.toFixed(2),
      reached: back >= DISK_BACK_LEAST,
    },
  ];
}
