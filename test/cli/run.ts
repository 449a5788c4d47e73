/** Runs the real executable, as a person or a script does. */

import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { resolve } from 'node:path';
import { spawnUnhooked } from '../support/unhooked.js';

export const root = resolve(import.meta.dirname, '../../..');
export const executable = resolve(root, 'dist/lib/cli/main.cjs');

/** What a run ended with. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface RunOptions {
  /** Further environment variables. */
  env?: Record<string, string>;
  /** Standard input; nothing by default. */
  input?: Uint8Array | string;
  /** Run as this user and group. */
  uid?: number;
  cwd?: string;
  /** Called with the process as soon as it runs. */
  started?: (child: ChildProcess) => void;
}

/** The environment without anything that would be an option. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ARTIFACTSTORE_')));
}

/** Runs the command line to its end. */
export function cli(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return command(process.execPath, [executable, ...args], options);
}

/** Runs any program to its end. */
export function command(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { env, input, uid, cwd, started } = options;
  const settings: SpawnOptions = {
    env: { ...cleanEnvironment(), ...env },
    stdio: 'pipe',
    ...(uid !== undefined && { uid, gid: uid }),
    ...(cwd !== undefined && { cwd }),
  };
  return new Promise((done, failed) => {
    const child = spawnUnhooked(program, args, settings);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin?.on('error', () => undefined); // it may end without reading what it was given
    child.stdin?.end(input ?? '');
    child.on('error', failed);
    child.on('close', (code, signal) =>
      done({ code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() }),
    );
    started?.(child);
  });
}

/** The lines of a text, without the empty one at its end. */
export function lines(text: Buffer | string): string[] {
  return text.toString().split('\n').slice(0, -1);
}

/** JSON lines, parsed; throws when one is not JSON. */
export function jsonLines(text: Buffer | string): Record<string, unknown>[] {
  return lines(text).map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Resolves when a process has written so many lines. */
export function linesWritten(child: ChildProcess, count: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 10) seen++;
      if (seen >= count) resolve();
    });
    child.on('close', () => resolve());
  });
}

/** Whether a program is installed. */
export async function isInstalled(program: string): Promise<boolean> {
  return (await command('sh', ['-c', `command -v ${program}`])).code === 0;
}
