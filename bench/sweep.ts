/**
 * Removing a million small objects beside somebody who stores and reads: objects a second, what others wait, memory, and the space that comes back.
 *
 * Run: npm run bench -- sweep [--json] [--objects N] [--size BYTES] [--folder PATH]
 *
 * In this process and over the library, so that what the sweep costs the main thread shows in what others wait. Called by bench/main.ts.
 */

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContentAddress, openStore, type Store } from '../lib/index.js';
import { describeFileSystem, describeMachine, type Machine, machineLine } from './machine.js';

/** What others waited for, in milliseconds. */
export interface Waits {
  count: number;
  median: number;
  p99: number;
  max: number;
}

export interface SweepBenchReport {
  benchmark: 'sweep';
  machine: Machine;
  fileSystem: string;
  objects: number;
  /** Bytes of each. */
  size: number;
  /** Objects a second: tombstoned; and swept, with what compaction takes at the end. */
  retired: number;
  swept: number;
  /** Seconds of the sweep. */
  seconds: number;
  /** Microseconds of processor time for each object, with what those take who store and read beside it: says something on a busy machine too. */
  cpuEach: number;
  /** Bytes on disk: of the store's data before and after, and of that what is kept. */
  usedBefore: number;
  usedAfter: number;
  /** Bytes of resident memory at the begin of the sweep and at most during it. */
  memoryBefore: number;
  memoryMost: number;
  /** Of others before the sweep, and while it runs. */
  putsBefore: Waits;
  puts: Waits;
  getsBefore: Waits;
  gets: Waits;
  /** Milliseconds that the main thread was late at most, and how many seconds of the sweep had passed then. */
  lateMost: number;
  lateAt: number;
  /** Pages of the process that had to be read from the disk meanwhile: others on a machine can cause them. */
  majorFaults: number;
}

export interface SweepBenchOptions {
  objects?: number;
  size?: number;
  folder?: string;
}

const PART = 100_000;
const KEPT = 1000;

/** Fills a store, and empties it again. */
export async function measureSweep(options: SweepBenchOptions = {}): Promise<SweepBenchReport> {
  const { objects = 1_000_000, size = 1000, folder = tmpdir() } = options;
  const machine = describeMachine();
  const path = mkdtempSync(join(folder, 'artifactstore-bench-'));
  try {
    const store = await openStore({ path: join(path, 'store') });
    const data = join(path, 'store', 'data');
    try {
      const kept = await fill(store, 'kept', KEPT, size);
      const begin = performance.now();
      const idle = watch(store, kept);
      await sleep(2000);
      const before = await idle.end();
      let retired = 0;
      let retiring = 0;
      for (let from = 0; from < objects; from += PART) {
        const part = await fill(store, `${begin} ${from}`, Math.min(PART, objects - from), size);
        const started = performance.now();
        retired += (await store.retire(part, { reason: 'benchmark' })).objects;
        retiring += performance.now() - started;
      }
      const usedBefore = diskUse(data);
      globalThis.gc?.();
      const memoryBefore = process.memoryUsage.rss();
      const others = watch(store, kept);
      const started = performance.now();
      const cpuBefore = process.cpuUsage();
      const faultsBefore = process.resourceUsage().majorPageFault;
      const report = await store.sweep();
      const seconds = (performance.now() - started) / 1000;
      const { user, system } = process.cpuUsage(cpuBefore);
      const majorFaults = process.resourceUsage().majorPageFault - faultsBefore;
      const during = await others.end();
      if (report.objects !== objects || retired !== objects)
        throw new Error(`${report.objects} of ${objects} were swept`);
      return {
        benchmark: 'sweep',
        machine,
        fileSystem: describeFileSystem(path),
        objects,
        size,
        retired: retired / (retiring / 1000),
        swept: objects / seconds,
        seconds,
        cpuEach: (user + system) / objects,
        usedBefore,
        usedAfter: diskUse(data),
        memoryBefore,
        memoryMost: during.memoryMost,
        putsBefore: before.puts,
        puts: during.puts,
        getsBefore: before.gets,
        gets: during.gets,
        lateMost: during.lateMost,
        lateAt: during.lateAt,
        majorFaults,
      };
    } finally {
      await store.close();
    }
  } finally {
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

/** Stores and reads now and then, and looks at the clock, until it is ended. */
function watch(store: Store, kept: readonly ContentAddress[]) {
  const [puts, gets]: [number[], number[]] = [[], []];
  const began = performance.now();
  let [lateMost, lateAt, memoryMost, done, turn] = [0, 0, 0, false, 0];
  const timed = async (into: number[], work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    into.push(performance.now() - started);
  };
  const run = async (work: () => Promise<void>) => {
    while (!done) {
      await work();
      await sleep(5);
    }
  };
  const loops = [
    run(() => timed(puts, () => store.put(Buffer.from(`while it runs ${performance.now()}`)))),
    run(() => timed(gets, async () => (await store.get(kept[turn++ % kept.length] as string)).bytes())),
    run(async () => {
      const started = performance.now();
      await sleep(5);
      const late = performance.now() - started - 5;
      if (late > lateMost) [lateMost, lateAt] = [late, (started - began) / 1000];
      memoryMost = Math.max(memoryMost, process.memoryUsage.rss());
    }),
  ];
  return {
    end: async () => {
      done = true;
      await Promise.all(loops);
      return { puts: waitsOf(puts), gets: waitsOf(gets), lateMost, lateAt, memoryMost };
    },
  };
}

function waitsOf(milliseconds: number[]): Waits {
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? 0;
  return { count: sorted.length, median: at(0.5), p99: at(0.99), max: at(1) };
}

/** Bytes of the blocks of all files below a folder, as `du` counts. */
function diskUse(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) sum += statSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return sum;
}

/** The report for people. */
export function renderSweep(report: SweepBenchReport): string {
  const { objects, size, retired, swept, seconds, cpuEach, lateMost } = report;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString('en')} objects/s`;
  const waits = ({ count, median, p99, max }: Waits) =>
    `median ${median.toFixed(1)} ms, 99% ${p99.toFixed(1)} ms, most ${max.toFixed(1)} ms (${count})`;
  return [
    machineLine(report.machine),
    `${report.fileSystem}; ${objects.toLocaleString('en')} objects of ${size} bytes`,
    `tombstones   ${rate(retired)}`,
    `sweep        ${rate(swept)}, ${seconds.toFixed(1)} s; ${cpuEach.toFixed(1)} us of processor time for each`,
    `disk         ${mb(report.usedBefore)} before, ${mb(report.usedAfter)} after`,
    `memory       ${mb(report.memoryBefore)} before, ${mb(report.memoryMost)} at most`,
    `put, idle    ${waits(report.putsBefore)}`,
    `put, beside  ${waits(report.puts)}`,
    `get, idle    ${waits(report.getsBefore)}`,
    `get, beside  ${waits(report.gets)}`,
    `main thread  late by ${lateMost.toFixed(1)} ms at most, after ${report.lateAt.toFixed(1)} s; ${report.majorFaults} pages of the process read from the disk`,
  ].join('\n');
}
