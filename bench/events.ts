/**
 * What the control plane costs without the bytes: events appended many at once and one at a time, a rebuild, and the questions to the registry.
 *
 * Run: npm run bench -- events [--json] [--objects N] [--rounds N]
 * Everything lies in a folder for temporary files, on the disk of TMPDIR. One at a time is measured in turns with a plain loop of write and
 * fdatasync on the same disk, because only the ratio of the two says anything about the log.
 *
 * Imports the log and the registry, which users meet only through a store, the contract's types and the public API. Called by bench/main.ts.
 */

import { randomBytes, randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { MutableIngestTable } from '../lib/dataplane/ingest-table.js';
import type { IngestResult, IngestTable } from '../lib/dataplane/spi.js';
import { objectIngested } from '../lib/events/kinds.js';
import { openEventLog, type SqliteEventLog } from '../lib/events/sqlite-log.js';
import { formatBlake3, formatSha256, toHex } from '../lib/index.js';
import { COMMIT_AHEAD_EVENTS_MIN, PUT_PART_MAX } from '../lib/limits.js';
import { createRegistry } from '../lib/registry/sqlite-registry.js';
import { registryViews } from '../lib/registry/views.js';
import { describeMachine, type Machine } from './machine.js';
import { median } from './rounds.js';
import { table } from './table.js';

/** Milliseconds that a question took. */
export interface Latency {
  question: (typeof QUESTIONS)[number];
  p50: number;
  p99: number;
}

export interface EventsReport {
  benchmark: 'events';
  machine: Machine;
  objects: number;
  rounds: number;
  /** Events a second, appended with WAITING of them under way in each way: over the whole run, and from the end of one commit to that of the next, at best. */
  together: Record<Way, { mean: number; best: number; cpuMicros: number }>;
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

/** Ways to append many at once: an event a call as a store with as many puts under way does, 1,000 events a call, and from columns as `putMany` does. */
const WAYS = ['an event a call', '1,000 a call', 'from columns'] as const;
type Way = (typeof WAYS)[number];

/** Events under way at once: as soon as some are stored, others take their place. */
const WAITING = 65_536;
/** Events in a call of those that have many. */
const CALL = { 'an event a call': 1, '1,000 a call': 1000, 'from columns': PUT_PART_MAX } as const;
/** Events and syncs of one round. */
const ROUND = 100;
const QUESTIONS = ['list, 100 a page', 'list, 1,000 a page', 'stat', 'resolve'] as const;
const QUESTIONS_ASKED = 1000;
/** Objects that are asked for, all over the log. */
const KNOWN = 5000;

/** Measures all of it. */
export async function measureEvents({ objects = 100_000, rounds = 9 }: EventsOptions = {}): Promise<EventsReport> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  const log = await openEventLog({ path: join(folder, 'events.sqlite'), views: registryViews });
  try {
    const together = {} as EventsReport['together'];
    for (const way of WAYS.slice(1)) together[way] = await measureInLogOfItsOwn(way, objects);
    const { appended, known } = await measureTogether(log, objects, WAYS[0]);
    together[WAYS[0]] = appended;
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
    ...WAYS.flatMap((way) => {
      const { mean, best, cpuMicros } = together[way];
      return [
        [
          `appended, ${way}, events/s`,
          whole(mean),
          `best commit ${whole(best)}, CPU ${cpuMicros.toFixed(1)} µs an event`,
        ],
      ];
    }),
    ['appended one at a time, events/s', whole(alone.events), `write + fdatasync ${whole(alone.syncs)}/s`],
    ['  ratio, median of rounds', alone.ratio.toFixed(2), `best ${alone.ratioBest.toFixed(2)}`],
    ['rebuilt, events/s', whole(rebuild.rate), `CPU ${rebuild.cpuMicros.toFixed(1)} µs an event`],
    ['  memory beyond before, MB', whole(rebuild.peakMemory / 1e6), ''],
    ...latencies.map(({ question, p50, p99 }) => [`${question}, ms`, p50.toFixed(2), `p99 ${p99.toFixed(2)}`]),
  ];
  return `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${whole(objects)} objects\n\n${table(['', 'median', ''], rows, 1)}`;
}

async function measureInLogOfItsOwn(way: Way, objects: number) {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  const log = await openEventLog({ path: join(folder, 'events.sqlite'), views: registryViews });
  try {
    return (await measureTogether(log, objects, way)).appended;
  } finally {
    await log.close();
    rmSync(folder, { recursive: true });
  }
}

async function measureTogether(log: SqliteEventLog, objects: number, way: Way) {
  const table = sampleTable(objects);
  const calls = callsIn(log, table, way);
  const rates: number[] = [];
  let next = 0;
  const cpu = process.cpuUsage();
  const began = performance.now();
  let before = { last: await log.last(), at: began };
  const leave = log.onCommit((last) => {
    const at = performance.now();
    if (last - before.last >= COMMIT_AHEAD_EVENTS_MIN) rates.push(((last - before.last) * 1000) / (at - before.at));
    before = { last, at };
  });
  const lane = async () => {
    while (next < calls.length) await calls[next++]?.();
  };
  await Promise.all(Array.from({ length: WAITING / CALL[way] }, lane));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  leave();
  const appended = { mean: objects / seconds, best: Math.max(...rates), cpuMicros: (user + system) / objects };
  const count = Math.min(KNOWN, objects);
  const known = Array.from({ length: count }, (_, n) => table.result(Math.floor((n * objects) / count)));
  return { appended, known };
}

/** Makes ready what is to be appended, call by call; the calls are what is timed. */
function callsIn(log: SqliteEventLog, table: IngestTable, way: Way): (() => Promise<unknown>)[] {
  const starts = Array.from({ length: Math.ceil(table.length / CALL[way]) }, (_, call) => call * CALL[way]);
  const end = (start: number) => Math.min(start + CALL[way], table.length);
  if (way === 'from columns') {
    const parts = starts.map((start) => Uint32Array.from({ length: end(start) - start }, (_, n) => start + n));
    return parts.map((indexes) => () => log.appendIngests({ actor: 'bench', table, indexes }));
  }
  const results = Array.from({ length: table.length }, (_, index) => table.result(index));
  const event = (result: IngestResult) => objectIngested('bench', result);
  return starts.map((start) => () => log.append(results.slice(start, end(start)).map(event)));
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
    'list, 100 a page': (n: number) => registry.list({ cursor: cursor(n), limit: 100 }),
    'list, 1,000 a page': (n: number) => registry.list({ cursor: cursor(n), limit: 1000 }),
    stat: (n: number) => registry.stat(formatBlake3(pick(n).blake3)),
    resolve: (n: number) =>
      registry.resolve(n % 2 === 0 ? formatSha256(pick(n).sha256) : toHex(pick(n).blake3).slice(0, 16)),
  };
  const latencies: Latency[] = [];
  for (const question of QUESTIONS) {
    const times: number[] = [];
    for (let n = 0; n < QUESTIONS_ASKED; n++) {
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

/** Ingests of 4 KiB that nobody has made before. */
function sampleTable(length: number): IngestTable {
  const table = new MutableIngestTable(length, { backend: 'local', tier: 'hot', durability: 'synced' });
  randomFillSync(table.digests);
  table.sizes.fill(4096);
  table.storedSizes.fill(4096);
  return table;
}

function sampleResult(): IngestResult {
  return sampleTable(1).result(0);
}
