/**
 * The local engine beside what people use instead: many small files, one large file, reading back, verifying, and objects from memory. Every
 * figure is of whole programs with fresh repositories, in interleaved rounds; docs/performance.md says how to read them.
 *
 * Uses the command line and openStore(), never what lies below them. Called by bench/ingest/command.ts.
 */

import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { buildNative } from './built.js';
import { IN_FLIGHT, MEMORY_SIZES, memoryContenders, memoryCount, putFromMemory } from './ingest/memory.js';
import { type Archive, archives, type Durable, type Step, type Timed } from './ingest/peers.js';
import { makeFile, makeTree, type Source } from './ingest/sources.js';
import { describeFileSystem, describeMachine, type Machine } from './machine.js';
import { type Run, runProgram, settle, tellsPeakMemory } from './programs.js';
import { inTurns, median } from './rounds.js';

/** `tree`: many small files, `cold-tree`: the same, which are not in the page cache; `memory`: objects from memory; `file`: one large file, `get` and `verify`: reading it back and verifying it. */
export const INGEST_PARTS = ['tree', 'cold-tree', 'memory', 'file', 'get', 'verify'] as const;
export type IngestPart = (typeof INGEST_PARTS)[number];

/** One contender in one part. */
export interface IngestRow {
  part: IngestPart;
  contender: string;
  /** After a put; absent where nothing is written. */
  durable?: Durable;
  /** Objects of a run, and bytes of all of them. */
  objects: number;
  size: number;
  /** Seconds. */
  median: number;
  best: number;
  /** Median over rounds of this contender's time by ours: how many times longer it takes. */
  ratio: number;
  /** The largest of all rounds, in bytes. */
  peakMemory?: number;
}

export interface IngestReport {
  benchmark: 'ingest';
  machine: Machine;
  fileSystem: string;
  rounds: number;
  /** Puts from memory that wait at once. */
  inFlight: number;
  rows: IngestRow[];
  /** What was not measured, and why, in sentences. */
  absent: string[];
}

export interface IngestOptions {
  rounds: number;
  parts: readonly IngestPart[];
  /** Files of the tree, and objects from memory. */
  files: number;
  /** Bytes of the large file. */
  fileSize: number;
  /** Leaves out what takes most of a minute. */
  quick: boolean;
  /** Where sources and repositories lie: the file system that is measured. */
  folder: string;
  /** Told what runs next. */
  onStep?: (text: string) => void;
}

/** Bytes of a small file: what sources, scripts and small outputs have. */
const SMALL_SIZE = 4096;

/** What one contender did in one part, round by round. */
interface Measured {
  contender: string;
  durable?: Durable;
  seconds: number[];
  peaks: number[];
}

/** How our own names among the contenders begin; every ratio is to the first of them. */
const OURS = 'artifactstore';

/**
 * Measures what is asked for.
 *
 * @throws Error: this store failed; a peer that fails is in `absent`
 */
export async function measureIngest(options: IngestOptions): Promise<IngestReport> {
  const { parts, files, fileSize, folder, rounds, quick } = options;
  const machine = describeMachine();
  const work = mkdtempSync(join(folder, 'artifactstore-bench-'));
  const removeAndEnd = (signal: NodeJS.Signals) => {
    rmSync(work, { recursive: true, force: true }); // it may hold gigabytes
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, removeAndEnd);
  try {
    const { archives: all, absent } = await archives();
    if (!tellsPeakMemory()) absent.push('peak memory: GNU time is not installed (Debian: apt-get install time)');
    const rows: IngestRow[] = [];
    if (parts.includes('tree') || parts.includes('cold-tree')) {
      const source = makeTree(join(work, 'tree'), files, SMALL_SIZE);
      const able = all.filter(({ fileOnly }) => !fileOnly);
      if (parts.includes('tree')) rows.push(...(await measureArchives(able, source, ['put'], work, options, absent)));
      if (parts.includes('cold-tree')) rows.push(...(await measureColdTree(able, source, work, options, absent)));
    }
    if (parts.includes('memory')) rows.push(...(await measureMemory(work, options)));
    const steps = stepsOf(parts);
    if (steps.length > 0) {
      const able = all.filter(({ slowWithFiles }) => !(quick && slowWithFiles));
      if (able.length < all.length) absent.push('git with the large file: left out by --quick');
      const source = makeFile(join(work, 'file', 'large.bin'), fileSize);
      const measured = await measureArchives(able, source, steps, work, options, absent);
      rows.push(...measured.filter(({ part }) => parts.includes(part)));
    }
    const fileSystem = describeFileSystem(work);
    return { benchmark: 'ingest', machine, fileSystem, rounds, inFlight: IN_FLIGHT, rows, absent };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, removeAndEnd);
    rmSync(work, { recursive: true });
  }
}

/** The steps of parts that take what was put before, and how their rows are named after the contender. */
const LATER_STEPS = [
  { part: 'get', step: 'get', name: '' },
  { part: 'verify', step: 'verify', name: '' },
  { part: 'verify', step: 'quick', name: ' --quick' },
  { part: 'verify', step: 'library', name: ', warm process' },
  { part: 'verify', step: 'libraryQuick', name: ', warm process, BLAKE3' },
] as const;

/** Reading back and verifying take what was put before. */
function stepsOf(parts: readonly IngestPart[]): Step[] {
  const later = LATER_STEPS.filter(({ part }) => parts.includes(part)).map(({ step }) => step);
  return parts.includes('file') || later.length > 0 ? ['put', ...later] : [];
}

/** Takes a tree in, of which nothing is in the page cache but names and inodes. */
async function measureColdTree(
  contenders: readonly Archive[],
  source: Source,
  work: string,
  options: IngestOptions,
  absent: string[],
): Promise<IngestRow[]> {
  const forget = await buildNative('forget');
  const before = () => runProgram({ command: 'program' in forget ? forget.program : '', args: [source.path] });
  await settle(work);
  const reason = 'absent' in forget ? forget.absent : await before().then(undefined, (error: Error) => error.message);
  if (typeof reason === 'string') {
    absent.push(`files that are not in the page cache: ${reason}`);
    return [];
  }
  const rows = await measureArchives(contenders, source, ['put'], work, options, absent, before);
  return rows.map((row) => ({ ...row, part: 'cold-tree' }));
}

/** @param before what is done before each timed step */
async function measureArchives(
  contenders: readonly Archive[],
  source: Source,
  steps: readonly Step[],
  work: string,
  { rounds, onStep }: IngestOptions,
  absent: string[],
  before?: () => Promise<unknown>,
): Promise<IngestRow[]> {
  const kind = source.files === 1 ? 'file' : 'tree';
  const measured = new Map(steps.map((step) => [step, contenders.map((one) => nothingYet(one, source, step))]));
  const failed = new Set<Archive>();
  await inTurns(contenders, rounds, async (archive, index, round) => {
    if (failed.has(archive)) return;
    const home = join(work, 'home');
    mkdirSync(home);
    try {
      for (const program of archive.prepare(home)) await runProgram(program);
      for (const step of steps) {
        const program = step === 'put' ? archive.put(home, source) : archive[step]?.(home, source);
        if (program === undefined) continue;
        onStep?.(`round ${round + 1} of ${rounds}: ${archive.name}, ${step} ${kind}`);
        await settle(work);
        await before?.();
        record(measured.get(step)?.[index], await runTimed(program));
        if (step === 'put' && steps.length > 1) readAll(home);
      }
    } catch (error) {
      if (archive.name === OURS) throw error;
      failed.add(archive); // a peer that does not work here is no reason to lose the others' figures
      absent.push(`${archive.name}, ${kind}: ${(error as Error).message}`);
    } finally {
      rmSync(home, { recursive: true });
    }
  });
  const whole = (step: Step, suffix: string) =>
    (measured.get(step) ?? [])
      .filter(({ seconds }) => seconds.length === rounds)
      .map((one) => ({ ...one, contender: one.contender + suffix }));
  const parts = new Map<IngestPart, Measured[]>([[kind, whole('put', '')]]);
  for (const { part, step, name } of LATER_STEPS) parts.set(part, [...(parts.get(part) ?? []), ...whole(step, name)]);
  return [...parts].flatMap(([part, found]) => rowsOf(part, found, source.files, source.size));
}

async function runTimed(program: Timed): Promise<Run> {
  const run = await runProgram(program);
  return program.ownClock ? { ...run, ...(JSON.parse(run.stdout) as { seconds: number }) } : run;
}

/** What was put is in the page cache from here on, however its program wrote it. */
function readAll(folder: string): void {
  const piece = Buffer.alloc(1024 * 1024);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = openSync(join(entry.parentPath, entry.name), 'r');
    while (readSync(file, piece) > 0);
    closeSync(file);
  }
}

async function measureMemory(work: string, { rounds, files, quick, onStep }: IngestOptions): Promise<IngestRow[]> {
  const contenders = memoryContenders().filter(({ durable }) => !quick || durable === 'yes');
  const rows: IngestRow[] = [];
  for (const size of MEMORY_SIZES) {
    const count = memoryCount(files, size);
    const measured = contenders.map(({ name, durable }) => ({ contender: name, durable, seconds: [], peaks: [] }));
    await inTurns(contenders, rounds, async (contender, index, round) => {
      onStep?.(`round ${round + 1} of ${rounds}: ${contender.name}, ${count} objects of ${size} bytes from memory`);
      const home = join(work, 'home');
      mkdirSync(home);
      await settle(work);
      record(measured[index], await putFromMemory(contender, home, count, size));
      rmSync(home, { recursive: true });
    });
    rows.push(...rowsOf('memory', measured, count, count * size));
  }
  return rows;
}

function nothingYet({ name, durable }: Archive, source: Source, step: Step): Measured {
  return { contender: name, ...(step === 'put' && { durable: durable(source) }), seconds: [], peaks: [] };
}

function record(
  measured: Measured | undefined,
  { seconds, peakMemory }: { seconds: number; peakMemory?: number },
): void {
  measured?.seconds.push(seconds);
  if (peakMemory !== undefined) measured?.peaks.push(peakMemory);
}

/** Measured contenders as rows; ours is among them. */
export function rowsOf(part: IngestPart, measured: readonly Measured[], objects: number, size: number): IngestRow[] {
  const ours = measured.find(({ contender }) => contender.startsWith(OURS))?.seconds ?? [];
  return measured.map(({ contender, durable, seconds, peaks }) => ({
    part,
    contender,
    ...(durable !== undefined && { durable }),
    objects,
    size,
    median: median(seconds),
    best: Math.min(...seconds),
    ratio: median(seconds.map((time, round) => time / (ours[round] ?? Number.NaN))),
    ...(peaks.length > 0 && { peakMemory: Math.max(...peaks) }),
  }));
}
