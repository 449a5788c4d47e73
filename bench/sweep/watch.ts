/**
 * Stores and reads now and then beside whatever else a store does, and notes who waited, and what ran meanwhile. Called by bench/sweep.ts.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type ContentAddress, SPANS, type Span, type Store } from '../../lib/index.js';
import { ownMemory } from '../memory.js';
import type { Wait } from './waits.js';

/** Something that ran meanwhile. */
export interface Activity extends Wait {
  name: string;
}

/** What was seen. */
export interface Watched {
  puts: Wait[];
  gets: Wait[];
  /** Times at which the main thread came late. */
  late: Wait[];
  /** What the disk took for a page and a sync of somebody else. */
  syncs: Wait[];
  /** Times in which the disk had been given something and did none of it; none are noted where its device cannot be asked. */
  stands: Wait[];
  /** What took longer than ACTIVITY_MS_MIN. */
  activities: Activity[];
  /** Bytes of memory without mapped pages of files at times. */
  memory: { at: number; size: number }[];
  began: number;
}

/** Milliseconds that something must take to be noted: what is shorter explains no wait. */
const ACTIVITY_MS_MIN = 3;
const PAUSE_MS = 5;
/** Milliseconds in which a thread that has begun comes to its work. */
const START_MS = 500;

/** Somebody who writes `rate` bytes a second into the file `path`. */
export interface Load {
  path: string;
  rate: number;
}

/**
 * Stores and reads until it is ended, from `kept`; `probe` is the path of a file for syncs of its own. Beside `load`, if there is to be one. Begins when the threads of these run and have
 * come to rest: this thread is late by tens of milliseconds while it starts them.
 */
export async function watch(store: Store, kept: readonly ContentAddress[], probe: string, load?: Load) {
  const [syncs, stands]: [Wait[], Wait[]] = [[], []];
  const counters = countersOf(dirname(probe));
  const disk = [noteWaits('./disk-probe.js', probe, syncs)];
  if (counters !== undefined) disk.push(noteWaits('./disk-stand.js', counters, stands));
  if (load !== undefined) disk.push(runThread('./disk-load.js', load));
  await Promise.all(disk.map((one) => one.started));
  await sleep(START_MS);
  const seen: Watched = {
    puts: [],
    gets: [],
    late: [],
    syncs,
    stands,
    activities: [],
    memory: [],
    began: performance.now(),
  };
  let [done, turn] = [false, 0];
  const timed = async (into: Wait[], work: () => Promise<unknown>) => {
    const begin = performance.now();
    await work();
    into.push({ begin, end: performance.now() });
  };
  const loop = async (work: () => Promise<void>) => {
    while (!done) {
      await work();
      await sleep(PAUSE_MS);
    }
  };
  const activities = noteActivities(seen.activities);
  const loops = [
    loop(() => timed(seen.puts, () => store.put(Buffer.from(`while it runs ${performance.now()}`)))),
    loop(() => timed(seen.gets, async () => (await store.get(kept[turn++ % kept.length] as string)).bytes())),
    loop(async () => {
      const begin = performance.now();
      await sleep(PAUSE_MS);
      seen.late.push({ begin: begin + PAUSE_MS, end: Math.max(performance.now(), begin + PAUSE_MS) });
      seen.memory.push({ at: performance.now(), size: ownMemory(process.pid) ?? 0 });
    }),
  ];
  return {
    end: async (): Promise<Watched> => {
      done = true;
      await Promise.all(loops);
      await Promise.all(disk.map((one) => one.end()));
      activities.end();
      return seen;
    },
  };
}

/** Notes what the library tells of what it does, and garbage collections. */
function noteActivities(into: Activity[]) {
  const note = (name: string, begin: number, end: number) => {
    if (end - begin >= ACTIVITY_MS_MIN) into.push({ name, begin, end });
  };
  const listen = (message: unknown) => {
    const { what, begin, end } = message as Span;
    note(nameOf(what), begin, end);
  };
  const collections = new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries())
      note('collecting garbage', startTime, startTime + duration);
  });
  subscribe(SPANS, listen);
  collections.observe({ entryTypes: ['gc'] });
  return {
    end: () => {
      unsubscribe(SPANS, listen);
      collections.disconnect();
    },
  };
}

/** A commit of the log by what it is, any other statement by how it begins. */
function nameOf(what: string): string {
  return what.startsWith('INSERT INTO commits_') ? 'commit of the log' : what.trim().slice(0, 50).replace(/\s+/g, ' ');
}

/** The file with the kernel's counters of the device that a folder is on. */
function countersOf(folder: string): string | undefined {
  const { dev } = statSync(folder);
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const path = `/sys/dev/block/${major}:${minor}/stat`;
  return existsSync(path) ? path : undefined;
}

/** A thread that tells from when to when something took. */
function noteWaits(script: string, path: string, into: Wait[]) {
  return runThread(script, path, ({ begin, end }: Wait) => {
    into.push({ begin: begin - performance.timeOrigin, end: end - performance.timeOrigin });
  });
}

/** A thread that runs until it is told anything. */
function runThread(script: string, workerData: unknown, onMessage?: (message: Wait) => void) {
  const worker = new Worker(new URL(script, import.meta.url), { workerData });
  const ended = new Promise<void>((resolve, reject) => {
    worker.once('exit', () => resolve());
    worker.once('error', reject);
  });
  if (onMessage !== undefined) worker.on('message', onMessage);
  return {
    started: once(worker, 'online'),
    end: () => {
      worker.postMessage('end');
      return ended;
    },
  };
}

/** What ran while somebody waited, the longest in that time first, as text. */
export function causesOf(wait: Wait, seen: Watched): string {
  const within = ({ begin, end }: Wait) => Math.min(end, wait.end) - Math.max(begin, wait.begin);
  const syncs = seen.syncs.map((one) => ({ ...one, name: 'sync of another file' }));
  const late = seen.late.map((one) => ({ ...one, name: 'main thread late' }));
  const stands = seen.stands.map((one) => ({ ...one, name: 'the disk did nothing' }));
  return [...seen.activities, ...syncs, ...late, ...stands]
    .map((one) => ({ name: one.name, own: within(one), all: one.end - one.begin }))
    .filter(({ own }) => own >= ACTIVITY_MS_MIN)
    .sort((a, b) => b.own - a.own)
    .slice(0, 12)
    .map(({ name, own, all }) => `${name} ${own.toFixed(0)}${all - own > 1 ? ` of ${all.toFixed(0)}` : ''}`)
    .join('; ');
}
