/**
 * A directory tree as a package: pushed into a fresh store, and pushed again when nothing has changed. Whole programs, process start included,
 * in interleaved rounds with what the tree asks of anybody: reading every file, and `git add` of a tree that git knows already.
 *
 * Run: npm run bench -- push [--json] [--files N] [--size BYTES] [--rounds N] [--folder PATH]
 *
 * Uses the command line, never what lies below it. Called by bench/main.ts.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTree } from './ingest/sources.js';
import { describeFileSystem, describeMachine, type Machine, machineLine } from './machine.js';
import { findProgram, type Program, runProgram } from './programs.js';
import { COMMAND_LINE } from './root.js';
import { median } from './rounds.js';
import { sizeName } from './sizes.js';
import { table } from './table.js';

/** One contender over an unchanged tree. */
export interface PushRow {
  contender: string;
  /** Seconds. */
  median: number;
  best: number;
  /** Median over rounds of this contender's time by ours. */
  ratio: number;
}

export interface PushReport {
  benchmark: 'push';
  machine: Machine;
  fileSystem: string;
  files: number;
  /** Bytes of each file. */
  fileSize: number;
  rounds: number;
  /** Seconds of the push into a fresh store. */
  first: number;
  /** Objects that the pushes of the unchanged tree wrote: none, or the figures are of something else. */
  stored: number;
  rows: PushRow[];
}

export interface PushBenchOptions {
  files?: number;
  fileSize?: number;
  rounds?: number;
  /** Where tree and store lie: the file system that is measured. */
  folder?: string;
}

const OURS = 'artifactstore push, unchanged';

/** Measures the first push once, and those of the unchanged tree in rounds. */
export async function measurePush(options: PushBenchOptions = {}): Promise<PushReport> {
  const { files = 50_000, fileSize = 4096, rounds = 5, folder = tmpdir() } = options;
  const machine = describeMachine();
  const work = mkdtempSync(join(folder, 'artifactstore-bench-'));
  try {
    const tree = join(work, 'tree');
    makeTree(tree, files, fileSize);
    const push = pushProgram(tree, join(work, 'store'));
    const first = await runProgram(push);
    const contenders = [{ contender: OURS, program: push, seconds: [] as number[] }, ...(await others(work, tree))];
    let stored = 0;
    for (let round = 0; round < rounds; round++) {
      for (let step = 0; step < contenders.length; step++) {
        const { program, contender, seconds } = contenders[(round + step) % contenders.length] as Contender;
        const run = await runProgram(program);
        seconds.push(run.seconds);
        if (contender === OURS) stored += (JSON.parse(run.stdout) as { stored: number }).stored;
      }
    }
    const ours = contenders[0]?.seconds ?? [];
    const rows = contenders.map((contender) => rowOf(contender, ours));
    const fileSystem = describeFileSystem(work);
    return { benchmark: 'push', machine, fileSystem, files, fileSize, rounds, first: first.seconds, stored, rows };
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The report as text. */
export function renderPush({ machine, fileSystem, files, fileSize, rounds, first, stored, rows }: PushReport): string {
  const lines = rows.map((row) => [row.contender, row.median.toFixed(2), row.best.toFixed(2), row.ratio.toFixed(2)]);
  const what = `${files.toLocaleString('en-GB')} files of ${sizeName(fileSize)}, ${rounds} rounds; ${fileSystem}`;
  const before = `first push ${first.toFixed(2)} s; objects written by the others: ${stored}`;
  const head = ['', 'median, s', 'best, s', 'by ours'];
  return `${machineLine(machine)}\n${what}\n${before}\n\n${table(head, lines, 1)}`;
}

interface Contender {
  contender: string;
  program: Program;
  seconds: number[];
}

function pushProgram(tree: string, store: string): Program {
  const args = [COMMAND_LINE, '--store', store, '--json', 'push', tree, 'bench/tree'];
  return { command: process.execPath, args };
}

/** What is installed of them; git's index is filled before the first round. */
async function others(work: string, tree: string): Promise<Contender[]> {
  const read = 'find "$0" -type f -print0 | xargs -0 cat > /dev/null';
  const found = [
    { contender: 'reading every file', program: { command: 'sh', args: ['-c', read, tree] }, seconds: [] },
  ];
  if (findProgram('git') === undefined) return found;
  const repository = join(work, 'repository');
  mkdirSync(repository);
  const git = (...args: string[]) => ({
    command: 'git',
    args: [`--git-dir=${repository}/.git`, `--work-tree=${tree}`, ...args],
  });
  await runProgram(git('init', '-q'));
  await runProgram(git('add', '-A'));
  return [...found, { contender: 'git add -A, unchanged', program: git('add', '-A'), seconds: [] }];
}

function rowOf({ contender, seconds }: Contender, ours: readonly number[]): PushRow {
  const ratios = seconds.map((value, round) => value / (ours[round] ?? Number.NaN));
  return { contender, median: median(seconds), best: Math.min(...seconds), ratio: median(ratios) };
}
