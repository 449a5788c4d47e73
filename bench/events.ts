/**
 * What the control plane costs without the bytes: events appended many at once and one at a time, a rebuild, and the questions to the registry.
 *
 * Run: npm run bench -- events [--json] [--objects N] [--rounds N]
 * Everything lies in a folder for temporary files, on the disk of TMPDIR. One at a time is measured in turns with a plain loop of write and
 * fdatasync on the same disk, because only the ratio of the two says anything about the log.
 *
 * Imports the log and the registry, which users meet only through a store, the contract's types and the public API. Called by bench/main.ts.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import type { IngestResult } from '../lib/dataplane/spi.js';
import { objectIngested } from '../lib/events/kinds.js';
import type { StoredEvent } from '../lib/events/log.js';
import { openEventLog, type SqliteEventLog } from '../lib/events/sqlite-log.js';
import { formatBlake3, formatSha256, toHex } from '../lib/index.js';
import { createRegistry } from '../lib/registry/sqlite-registry.js';
import { registryViews } from '../lib/registry/views.js';
import { describeMachine, type Machine } from './machine.js';
import { median } from './rounds.js';
import { table } from './table.js';

/** Milliseconds that a question took. */
export interface Latency {
  question: 'list' | 'stat' | 'resolve';
  p50: number;
  p99: number;
}

export interface EventsReport {
  benchmark: 'events';
  machine: Machine;
  objects: number;
  rounds: number;
  /** Events a second, appended many at once: over the whole run, and in its best tenth. */
  together: { mean: number; best: number; cpuMicros: number };
  /** One at a time, by round: events a second, syncs a second of the plain loop, median and best of the rounds' ratios. */
  alone: { events: number; syncs: number; ratio: number; ratioBest: number };
  /** Events a second, and bytes of memory that the process took at most beyond what it had before. */
  rebuild: { rate: number; cpuMicros: number; peakMemory: number };
  latencies: Latency[];
}

export interface EventsOptions {
  /** Objects in the log; default 100,000. */
  objects?: number;
  /** Rounds of one at a time; default 9. */
  rounds?: number;
}

/** Appends waiting at once, one event each: what a store with as many puts under way gives. */
const WAITING = 16_384;
/** Events and syncs of one round. */
const ROUND = 100;
const QUESTIONS = 1000;
const PAGE = 1000;

/** Measures all of it. */
export async function measureEvents({ objects = 100_000, rounds = 9 }: EventsOptions = {}): Promise<EventsReport> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  const log = await openEventLog({ path: join(folder, 'events.sqlite'), views: registryViews });
  try {
    const { together, known } = await measureTogether(log, objects);
    const alone = await measureAlone(log, folder, rounds);
    const rebuild = await measureRebuild(log);
    const latencies = await measureQuestions(log, known);
    return { benchmark: 'events', machine: describeMachine(), objects, rounds, together, alone, rebuild, latencies };
  } finally {
    await log.close();
    rmSync(folder, { recursive: true });
  }
}

/** The report as text. */
export function renderEvents({ machine, objects, together, alone, rebuild, latencies }: EventsReport): string {
  const whole = (value: number) => Math.round(value).toLocaleString('en-GB');
  const rows = [
    ['appended many at once, events/s', whole(together.mean), `best tenth ${whole(together.best)}`],
    ['  CPU an event, all threads, µs', together.cpuMicros.toFixed(1), ''],
    ['appended one at a time, events/s', whole(alone.events), `write + fdatasync ${whole(alone.syncs)}/s`],
    ['  ratio, median of rounds', alone.ratio.toFixed(2), `best ${alone.ratioBest.toFixed(2)}`],
    ['rebuilt, events/s', whole(rebuild.rate), `CPU ${rebuild.cpuMicros.toFixed(1)} µs an event`],
    ['  memory beyond before, MB', whole(rebuild.peakMemory / 1e6), ''],
    ...latencies.map(({ question, p50, p99 }) => [
      `${question}${question === 'list' ? `, ${PAGE} a page` : ''}, ms`,
      p50.toFixed(2),
      `p99 ${p99.toFixed(2)}`,
    ]),
  ];
  return `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${whole(objects)} objects\n\n${table(['', 'median', ''], rows, 1)}`;
}

async function measureTogether(log: SqliteEventLog, objects: number) {
  const rates: number[] = [];
  const known: IngestResult[] = [];
  let [seconds, micros] = [0, 0];
  for (let done = 0; done < objects; done += WAITING) {
    const results = Array.from({ length: Math.min(WAITING, objects - done) }, sampleResult);
    known.push(...results.slice(0, 500));
    const began = performance.now();
    const cpu = process.cpuUsage();
    const appended: Promise<StoredEvent[]>[] = results.map((result) => log.append([objectIngested('bench', result)]));
    await Promise.all(appended);
    const took = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    rates.push(results.length / took);
    seconds += took;
    micros += user + system;
  }
  rates.sort((a, b) => b - a);
  const best = rates[Math.floor(rates.length / 10)] ?? Number.NaN;
  return { together: { mean: objects / seconds, best, cpuMicros: micros / objects }, known };
}

/** The log and the plain loop in turns, so that what disturbs the disk disturbs both. */
async function measureAlone(log: SqliteEventLog, folder: string, rounds: number): Promise<EventsReport['alone']> {
  const file = openSync(join(folder, 'plain'), 'w');
  const bytes = randomBytes(4096);
  const [events, syncs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const results = Array.from({ length: ROUND }, sampleResult);
    let began = performance.now();
    for (const result of results) await log.append([objectIngested('bench', result)]);
    events.push((ROUND * 1000) / (performance.now() - began));
    began = performance.now();
    for (let n = 0; n < ROUND; n++) {
      writeSync(file, bytes);
      fdatasyncSync(file);
    }
    syncs.push((ROUND * 1000) / (performance.now() - began));
  }
  closeSync(file);
  const ratios = events.map((rate, round) => rate / (syncs[round] ?? Number.NaN));
  return { events: median(events), syncs: median(syncs), ratio: median(ratios), ratioBest: Math.max(...ratios) };
}

async function measureRebuild(log: SqliteEventLog): Promise<EventsReport['rebuild']> {
  const events = await log.last();
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await log.rebuild();
  const rate = (events * 1000) / (performance.now() - began);
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(watch);
  return { rate, cpuMicros: (user + system) / events, peakMemory: peak - before };
}

async function measureQuestions(log: SqliteEventLog, known: readonly IngestResult[]): Promise<Latency[]> {
  const registry = createRegistry(log.reader);
  const pick = (n: number) => known[(n * 7919) % known.length] as IngestResult;
  const cursor = (n: number) => Buffer.from(pick(n).blake3).toString('base64url');
  const ask = {
    list: (n: number) => registry.list({ cursor: cursor(n), limit: PAGE }),
    stat: (n: number) => registry.stat(formatBlake3(pick(n).blake3)),
    resolve: (n: number) =>
      registry.resolve(n % 2 === 0 ? formatSha256(pick(n).sha256) : toHex(pick(n).blake3).slice(0, 16)),
  };
  const latencies: Latency[] = [];
  for (const question of ['list', 'stat', 'resolve'] as const) {
    const times: number[] = [];
    for (let n = 0; n < (question === 'list' ? QUESTIONS / 10 : QUESTIONS); n++) {
      const began = performance.now();
      await ask[question](n);
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const at = (part: number) => times[Math.floor(times.length * part)] ?? Number.NaN;
    latencies.push({ question, p50: at(0.5), p99: at(0.99) });
  }
  return latencies;
}

/** An ingest of 4 KiB that nobody has made before. */
function sampleResult(): IngestResult {
  const blake3 = new Uint8Array(randomBytes(32));
  const hex = toHex(blake3);
  const key = `objects/${hex.slice(0, 2)}/${hex}`;
  const receipt = { backend: 'local', tier: 'hot', key, storedSize: 4096, durability: 'synced' } as const;
  const sha256 = new Uint8Array(randomBytes(32));
  return { blake3, sha256, size: 4096, existed: false, healed: false, receipts: [receipt] };
}
