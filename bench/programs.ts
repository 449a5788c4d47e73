/**
 * Runs programs for benchmarks and measures them whole, process start included: wall time, and peak memory and CPU time where GNU time is installed.
 *
 * Imports Node's own modules. Called by the benchmarks.
 */

import { type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** What to run. */
export interface Program {
  command: string;
  args: readonly string[];
  cwd?: string;
  /** Added to the environment. */
  env?: Readonly<Record<string, string>>;
  /** What it prints goes to /dev/null, as a reader that costs nothing. */
  discardOutput?: boolean;
}

/** How one run went. */
export interface Run {
  seconds: number;
  /** Of its largest process, in bytes; absent without GNU time. */
  peakMemory?: number;
  /** Of all its processes, user and system, in seconds; absent without GNU time. */
  cpuSeconds?: number;
  /** What it printed, up to a limit. */
  stdout: string;
}

/** Text of a program's output that is kept: digests and listings are shorter, and what fails says so at the end. */
const OUTPUT_SIZE_MAX = 1024 * 1024;

/** GNU time, which is no shell's built-in and knows a format. */
const GNU_TIME = '/usr/bin/time';

/** The file of a program on PATH, or nothing. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Whether peak memory can be told here. */
export function tellsPeakMemory(): boolean {
  return isExecutable(GNU_TIME);
}

/**
 * Runs a program to its end.
 *
 * @throws Error: it cannot be started, or ends with another status than 0; with what it printed
 */
export async function runProgram(program: Program): Promise<Run> {
  if (!tellsPeakMemory()) return await started(program);
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  try {
    const report = join(folder, 'peak');
    const args = ['-q', '-f', '%M %U %S', '-o', report, program.command, ...program.args];
    const run = await started({ ...program, command: GNU_TIME, args });
    const [kilobytes = 0, user = 0, system = 0] = readFileSync(report, 'utf8').split(' ').map(Number);
    return { ...run, peakMemory: kilobytes * 1024, cpuSeconds: user + system };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Has the file system of a folder written out: nobody pays for what another left to be written. */
export async function settle(folder: string): Promise<void> {
  await runProgram({ command: 'sync', args: ['--file-system', folder] });
}

/**
 * What programs are started with. Where NODE_EXTRA_CA_CERTS is set, every Node reads all certificates of that file at its start, also one that never speaks to
 * anybody: 37 ms for the 144 of a Debian, of the machine's and not of what is measured.
 */
function environment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
  return rest;
}

function started({ command, args, cwd, env, discardOutput }: Program): Promise<Run> {
  const settings: SpawnOptions = {
    stdio: ['ignore', discardOutput ? 'ignore' : 'pipe', 'pipe'],
    env: { ...environment(), ...env },
    ...(cwd !== undefined && { cwd }),
  };
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(command, args, settings);
    const [stdout, stderr] = [new Tail(), new Tail()];
    child.stdout?.on('data', (chunk: Buffer) => stdout.add(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk));
    child.on('error', reject);
    child.on('close', (code, ended) => {
      const seconds = (performance.now() - began) / 1000;
      if (code === 0) return resolve({ seconds, stdout: stdout.text() });
      const how = ended === null ? `status ${code}` : ended;
      reject(new Error(`${[command, ...args].join(' ')} ended with ${how}: ${stderr.text()}${stdout.text()}`.trim()));
    });
  });
}

/** The end of what a program prints; the rest is read and forgotten, so that it never waits for a reader. */
class Tail {
  #text = '';

  add(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString()).slice(-OUTPUT_SIZE_MAX);
  }

  text(): string {
    return this.#text;
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
