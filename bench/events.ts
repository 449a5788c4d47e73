/**
 * What the control plane costs without the bytes: events appended many at once and one at a time, a rebuild, and the questions to the registry.
 *
 * Run: npm run bench -- events [--json] [--objects N] [--rounds N]
 * Everything lies in a folder for temporary files, on the disk of TMPDIR. One at a time is measured in turns with a plain loop of write and
 * fdatasync on the same disk, because only the ratio of the two says anything about the log; and with one row of as many bytes as an event, put into a table of
 * a database of its own over the same connection with the same settings, which is the least that any log in SQLite can take. The rebuild and the questions are
 * asked in new processes (events/log-child.ts).
 *
 * Imports the log and the registry, which users meet only through a store, the contract's types and the public API. Called by bench/main.ts.
 */

import { randomBytes, randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MutableIngestTable } from '../lib/dataplane/ingest-table.js';
import type { IngestResult, IngestTable } from '../lib/dataplane/spi.js';
import { objectIngested } from '../lib/events/kinds.js';
import { openEventLog, type SqliteEventLog } from '../lib/events/sqlite-log.js';
import { COMMIT_AHEAD_EVENTS_MIN, PUT_PART_MAX } from '../lib/limits.js';
import { fillRecords, rowPacking } from '../lib/records.js';
import { registryViews } from '../lib/registry/views.js';
import { Connection } from '../lib/sqlite/connection.js';
import type { Latency, Rebuild } from './events/log-child.js';
import { describeMachine, type Machine } from './machine.js';
import { runProgram } from './programs.js';
import { median } from './rounds.js';
import { table } from './table.js';

export interface EventsReport {
  benchmark: 'events';
  machine: Machine;
  objects: number;
  rounds: number;
  /** Events a second, appended with WAITING of them under way in each way: over the whole run, and from the end of one commit to that of the next, at best. */
  together: Record<Way, { mean: number; best: number; cpuMicros: number }>;
  /** One at a time, by round: events a second, rows a second of SQLite alone, syncs a second of the plain loop; median and best of the rounds' ratios to the last. */
  alone: {
    events: number;
    cpuMicros: number;
    rows: number;
    rowCpuMicros: number;
    syncs: number;
    ratio: number;
    ratioBest: number;
    rowRatio: number;
  };
  rebuild: Rebuild;
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
/** What the roadmap asks for: events a second, parts of the plain loop's speed, milliseconds. */
const [APPENDED_MIN, ALONE_MIN, REBUILT_MIN, ASKED_MAX] = [100_000, 0.9, 150_000, 2];
/** Pages have 100 objects unless somebody asks for more; these are shown, and nothing is asked of them. */
const LONG_PAGE = 'list, 1,000 a page';
/** Events and syncs of one round. */
const ROUND = 100;
/** Bytes of the usual event of an ingest, about. */
const ROW_SIZE = 500;
const LOG = 'events.sqlite';
const KNOWN_FILE = 'known';
/** Objects that are asked for, all over the log. */
const KNOWN = 5000;

/** Measures all of it. */
export async function measureEvents({ objects = 100_000, rounds = 9 }: EventsOptions = {}): Promise<EventsReport> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  try {
    const together = {} as EventsReport['together'];
    for (const way of WAYS.slice(1)) together[way] = await measureInLogOfItsOwn(way, objects);
    const log = await openEventLog({ path: join(folder, LOG), views: registryViews, fillRecords, rowPacking });
    let alone: EventsReport['alone'];
    try {
      const { appended, known } = await measureTogether(log, objects, WAYS[0]);
      together[WAYS[0]] = appended;
      writeFileSync(join(folder, KNOWN_FILE), Buffer.concat(known.flatMap(({ blake3, sha256 }) => [blake3, sha256])));
      alone = await measureAlone(log, folder, rounds);
    } finally {
      await log.close();
    }
    const latencies = await inChild<Latency[]>('questions', folder);
    const rebuild = await inChild<Rebuild>('rebuild', folder);
    return { benchmark: 'events', machine: describeMachine(), objects, rounds, together, alone, rebuild, latencies };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The report as text. */
export function renderEvents(report: EventsReport): string {
  const { machine, objects, together, alone, rebuild, latencies } = report;
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
    ['appended one at a time, events/s', whole(alone.events), `CPU ${whole(alone.cpuMicros)} µs an event`],
    ['a row a commit, SQLite alone, rows/s', whole(alone.rows), `CPU ${whole(alone.rowCpuMicros)} µs a row`],
    ['write + fdatasync alone, times/s', whole(alone.syncs), ''],
    ['  events to that, median of rounds', alone.ratio.toFixed(2), `best ${alone.ratioBest.toFixed(2)}`],
    ['  rows to that', alone.rowRatio.toFixed(2), ''],
    ['rebuilt, events/s', whole(rebuild.rate), `CPU ${rebuild.cpuMicros.toFixed(1)} µs an event`],
    ['  memory beyond before, MB', whole(rebuild.peakMemory / 1e6), ''],
    ...latencies.map(({ question, p50, p99 }) => [`${question}, ms`, p50.toFixed(2), `p99 ${p99.toFixed(2)}`]),
  ];
  const head = `${machine.cpu}, ${machine.cores} cores (load ${machine.load.toFixed(1)}), Node ${machine.node}; ${whole(objects)} objects`;
  const verdicts = table(['must be reached', 'asked', 'found', 'reached'], barsOf(report), 4);
  return [head, table(['', 'median', ''], rows, 1), verdicts].join('\n\n');
}

/** What must be reached, and whether it was; see docs/ROADMAP.md. */
function barsOf({ together, alone, rebuild, latencies }: EventsReport): string[][] {
  const bar = (work: string, asked: string, found: string, reached: boolean) => {
    return [work, asked, found, reached ? 'yes' : 'no'];
  };
  const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString('en-GB')} a second`;
  const best = Math.max(...WAYS.map((way) => together[way].mean));
  return [
    bar(
      'events appended, many at once',
      `at least ${rate(APPENDED_MIN)}`,
      `${rate(best)}, the best way`,
      best >= APPENDED_MIN,
    ),
    bar(
      'events appended one at a time',
      `at least ${ALONE_MIN} × write + fdatasync`,
      `${alone.ratio.toFixed(2)} ×`,
      alone.ratio >= ALONE_MIN,
    ),
    bar('views rebuilt', `at least ${rate(REBUILT_MIN)}`, rate(rebuild.rate), rebuild.rate >= REBUILT_MIN),
    ...latencies
      .filter(({ question }) => question !== LONG_PAGE)
      .map(({ question, p99 }) =>
        bar(question, `99 of 100 in less than ${ASKED_MAX} ms`, `${p99.toFixed(2)} ms`, p99 < ASKED_MAX),
      ),
  ];
}

async function measureInLogOfItsOwn(way: Way, objects: number) {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  const log = await openEventLog({
    path: join(folder, 'events.sqlite'),
    views: registryViews,
    fillRecords,
    rowPacking,
  });
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

/** The log, SQLite alone and the plain loop in turns, so that what disturbs the disk disturbs all. */
async function measureAlone(log: SqliteEventLog, folder: string, rounds: number): Promise<EventsReport['alone']> {
  const file = openSync(join(folder, 'plain'), 'w');
  const bare = await Connection.open(join(folder, 'bare.sqlite'), 'write');
  await bare.exec('CREATE TABLE rows (n INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  const bytes = randomBytes(4096);
  const row = randomBytes(ROW_SIZE);
  const events = new Turns();
  const rows = new Turns();
  const syncs = new Turns();
  for (let round = 0; round < rounds; round++) {
    const results = Array.from({ length: ROUND }, sampleResult);
    await events.time((n) => log.append([objectIngested('bench', results[n] as IngestResult)]));
    await rows.time(() => bare.run('INSERT INTO rows (bytes) VALUES (?1)', [row]));
    await syncs.time(() => {
      writeSync(file, bytes);
      fdatasyncSync(file);
    });
  }
  closeSync(file);
  await bare.close();
  const ratios = (turns: Turns) => turns.rates.map((rate, round) => rate / (syncs.rates[round] ?? Number.NaN));
  return {
    events: median(events.rates),
    cpuMicros: median(events.cpuMicros),
    rows: median(rows.rates),
    rowCpuMicros: median(rows.cpuMicros),
    syncs: median(syncs.rates),
    ratio: median(ratios(events)),
    ratioBest: Math.max(...ratios(events)),
    rowRatio: median(ratios(rows)),
  };
}

/** One thing done ROUND times in each round: how often a second, and what the processor took for each. */
class Turns {
  readonly rates: number[] = [];
  readonly cpuMicros: number[] = [];

  async time(work: (n: number) => unknown): Promise<void> {
    const cpu = process.cpuUsage();
    const began = performance.now();
    for (let n = 0; n < ROUND; n++) await work(n);
    this.rates.push((ROUND * 1000) / (performance.now() - began));
    const { user, system } = process.cpuUsage(cpu);
    this.cpuMicros.push((user + system) / ROUND);
  }
}

/** Runs a part in a process of its own over the log, which must be closed. */
async function inChild<T>(part: 'rebuild' | 'questions', folder: string): Promise<T> {
  const child = join(import.meta.dirname, 'events/log-child.js');
  const args = [child, part, join(folder, LOG), join(folder, KNOWN_FILE)];
  const { stdout } = await runProgram({ command: process.execPath, args });
  return JSON.parse(stdout);
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
