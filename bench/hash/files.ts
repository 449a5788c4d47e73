/**
 * One file, hashed by whole programs: b3sum on one thread, openssl dgst, and this library, in interleaved rounds. The time includes
 * starting the process; only `in this process` starts none.
 *
 * Imports the public API. Called by bench/hash.ts.
 */

import { randomFillSync } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../../lib/index.js';
import { findProgram, runProgram } from '../programs.js';
import { median } from '../rounds.js';
import type { Computes } from './contender.js';
import { digestFile } from './digest-file.js';

/** One program. */
export interface FileRow {
  program: string;
  computes: Computes;
  /** Seconds of wall time. */
  median: number;
  best: number;
  /** Median over rounds of openssl's time by this one's; absent without openssl. */
  ratio?: number;
}

interface Tool {
  name: string;
  computes: Computes;
  /** Hashes the file and gives hex digests in any text. */
  run: (path: string) => Promise<{ seconds: number; stdout: string }>;
}

/** Large enough that starting Node, some 50 ms, is less than what is measured. */
export const FILE_SIZE = 256 * 1024 * 1024;

const OPENSSL = 'openssl dgst -sha256';

export async function measureFiles(
  rounds: number,
  signal?: AbortSignal,
  size = FILE_SIZE,
): Promise<{ rows: FileRow[]; absent: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-bench-'));
  try {
    const path = join(folder, 'file');
    writeRandom(path, size);
    const { tools, absent } = toolsHere();
    const times = tools.map((): number[] => []);
    const found = new Map<string, string>();
    for (let round = 0; round <= rounds; round++) {
      for (const [index, { name, computes, run }] of tools.entries()) {
        signal?.throwIfAborted();
        const { seconds, stdout } = await run(path);
        requireSame(found, name, computes, stdout);
        if (round > 0) times[index]?.push(seconds); // the first round brings file and programs into memory
      }
    }
    return { rows: rowsOf(tools, times), absent };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function toolsHere(): { tools: Tool[]; absent: string[] } {
  const absent: string[] = [];
  const program = (name: string, computes: Computes, debian: string, command: string, ...args: string[]): Tool[] => {
    if (findProgram(command) === undefined) {
      absent.push(`${command} is not installed (Debian: apt-get install ${debian})`);
      return [];
    }
    return [{ name, computes, run: (path) => runProgram({ command, args: [...args, path] }) }];
  };
  const child = join(import.meta.dirname, 'digest-file.js');
  const tools: Tool[] = [
    ...program(OPENSSL, 'sha256', 'openssl', 'openssl', 'dgst', '-sha256', '-r'),
    ...program('sha256sum', 'sha256', 'coreutils', 'sha256sum'),
    ...program('b3sum --num-threads 1', 'blake3', 'b3sum', 'b3sum', '--num-threads', '1'),
    {
      name: 'artifactstore, a new Node process',
      computes: 'both',
      run: (path) => runProgram({ command: process.execPath, args: [child, path] }),
    },
    { name: 'artifactstore, in this process', computes: 'both', run: inThisProcess },
  ];
  return { tools, absent };
}

async function inThisProcess(path: string): Promise<{ seconds: number; stdout: string }> {
  const began = performance.now();
  const { blake3, sha256 } = digestFile(path);
  return { seconds: (performance.now() - began) / 1000, stdout: `${toHex(blake3)} ${toHex(sha256)}` };
}

/** Whoever computes the same digest must find the same one. */
function requireSame(found: Map<string, string>, name: string, computes: Computes, stdout: string): void {
  const digests = stdout.match(/\b[0-9a-f]{64}\b/g) ?? [];
  const algorithms = computes === 'both' ? ['blake3', 'sha256'] : [computes];
  for (const [index, algorithm] of algorithms.entries()) {
    const digest = digests[index] ?? 'nothing';
    const expected = found.get(algorithm) ?? digest;
    found.set(algorithm, expected);
    if (digest !== expected) throw new Error(`${name} gives ${digest} as ${algorithm}, others gave ${expected}`);
  }
}

/** The first tool is openssl, if it is there. */
function rowsOf(tools: readonly Tool[], times: readonly (readonly number[])[]): FileRow[] {
  const reference = tools[0]?.name === OPENSSL ? times[0] : undefined;
  return tools.map(({ name, computes }, index) => {
    const own = times[index] ?? [];
    const ratios = reference?.map((seconds, round) => seconds / (own[round] ?? Number.NaN));
    return {
      program: name,
      computes,
      median: median(own),
      best: Math.min(...own),
      ...(ratios && { ratio: median(ratios) }),
    };
  });
}

function writeRandom(path: string, size: number): void {
  const piece = Buffer.alloc(1024 * 1024);
  const file = openSync(path, 'w');
  for (let at = 0; at < size; at += piece.byteLength) {
    writeSync(file, randomFillSync(piece), 0, Math.min(piece.byteLength, size - at));
  }
  closeSync(file);
}
