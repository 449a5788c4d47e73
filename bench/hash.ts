/**
 * How fast both digests are, against the SHA-256 of OpenSSL alone, the digest that everyone has already: from Node, as kernels from C, and
 * as whole programs over a file.
 *
 * Imports the public API. Called by bench/main.ts and by `artifactstore bench hash`. All contenders of a part run in interleaved rounds with a
 * rotating start, because the machine's speed changes from second to second: only ratios from the same round mean anything.
 */

import { createHash } from 'node:crypto';
import { describeNative, selectKernel } from '../lib/index.js';
import { type Computes, type Contender, ONE_SHOT, ours, REFERENCE } from './hash/contender.js';
import { type FileRow, measureFiles } from './hash/files.js';
import { type KernelRow, measureKernels } from './hash/kernels.js';
import { packages } from './hash/packages.js';
import { describeMachine, type Machine } from './machine.js';
import { median, runInterleaved } from './rounds.js';

/** `library`: from Node, with packages of npm; `kernels`: from C; `files`: whole programs. */
export const HASH_PARTS = ['library', 'kernels', 'files'] as const;
export type HashPart = (typeof HASH_PARTS)[number];

/** One size and contender. */
export interface HashRow {
  /** Bytes of an input. */
  size: number;
  contender: string;
  computes: Computes;
  kernel?: string;
  /** Millions of bytes a second. */
  median: number;
  best: number;
  /** Nanoseconds an input, from the median. */
  nanoseconds: number;
  /** Median over rounds of this contender's speed by the reference's in the same round. */
  ratio: number;
}

export interface HashReport {
  benchmark: 'hash';
  machine: Machine;
  rounds: number;
  /** What every ratio of `rows` is to. */
  reference: string;
  rows: HashRow[];
  kernels: KernelRow[];
  files: FileRow[];
  /** What was not measured, and why, in sentences. */
  absent: string[];
}

export interface HashOptions {
  /** Rounds; default 31. What takes long, large inputs and whole programs, gets a third of them. */
  rounds?: number;
  /** Default: all. */
  parts?: readonly HashPart[];
  /** Bytes of an input, one measurement each; default 64 B to 16 MiB. Of the library only. */
  sizes?: readonly number[];
  /** Milliseconds of one measurement; default 3: less than a busy machine lets another process run in between. */
  milliseconds?: number;
  /** Told after each measurement of the library. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the run between two measurements, with its reason. */
  signal?: AbortSignal;
}

const KIB = 1024;
const ROUNDS = 31;
const MILLISECONDS = 3;
/** Bytes of an input beyond which one run takes longer than a measurement should. */
const LARGE_SIZE = KIB * KIB;
const SIZES = [64, KIB, 4 * KIB, 64 * KIB, KIB * KIB, 16 * KIB * KIB];

/**
 * Measures every contender at every size.
 *
 * @throws Error: a contender gave a wrong digest; the signal's reason
 */
export async function measureHash(options: HashOptions = {}): Promise<HashReport> {
  const { rounds = ROUNDS, parts = HASH_PARTS, signal } = options;
  const machine = describeMachine();
  const none = { rows: [], absent: [] };
  const library = parts.includes('library') ? await measureLibrary(rounds, options) : none;
  signal?.throwIfAborted();
  const kernels = parts.includes('kernels') ? await measureKernels(rounds) : none;
  signal?.throwIfAborted();
  const files = parts.includes('files') ? await measureFiles(fewer(rounds), signal) : none;
  return {
    benchmark: 'hash',
    machine,
    rounds,
    reference: REFERENCE.name,
    rows: library.rows,
    kernels: kernels.rows,
    files: files.rows,
    absent: [...library.absent, ...kernels.absent, ...files.absent],
  };
}

async function measureLibrary(
  rounds: number,
  { sizes = SIZES, milliseconds = MILLISECONDS, onProgress, signal }: HashOptions,
): Promise<{ rows: HashRow[]; absent: string[] }> {
  const { kernel: chosen } = describeNative();
  const { contenders, absent } = await packages();
  const everyone = [REFERENCE, ONE_SHOT, ...ours(), ...contenders];
  const rows: HashRow[] = [];
  try {
    const measured = sizes.map((size) => ({
      size,
      all: everyone.filter((one) => size <= (one.sizeMax ?? size)),
      rounds: size > LARGE_SIZE ? fewer(rounds) : rounds,
    }));
    const total = measured.reduce((sum, { all, rounds }) => sum + rounds * all.length, 0);
    let before = 0;
    for (const { size, all, rounds } of measured) {
      const most = Math.max(...all.map(({ count }) => count));
      const inputs = Array.from({ length: most }, (_, seed) => sample(size, seed));
      requireSame(all, inputs);
      const timed = all.map((contender) => {
        const own = inputs.slice(0, contender.count);
        return { run: () => void contender.digest(own), prepare: () => select(contender) };
      });
      const onRound = (done: number) => onProgress?.(before + done, total);
      const speeds = await runInterleaved(timed, { rounds, milliseconds, onRound, ...(signal && { signal }) });
      before += rounds * all.length;
      rows.push(...rowsOf(all, size, speeds));
    }
  } finally {
    selectKernel(chosen);
  }
  return { rows, absent };
}

/** For what takes long. */
function fewer(rounds: number): number {
  return Math.ceil(rounds / 3);
}

function select({ kernel }: Contender): void {
  if (kernel !== undefined) selectKernel(kernel);
}

/** A fast wrong answer is worth nothing. */
function requireSame(all: readonly Contender[], inputs: readonly Uint8Array[]): void {
  const sha256 = inputs.map((input) => createHash('sha256').update(input).digest('hex'));
  const blake3: string[] = [];
  for (const contender of all) {
    select(contender);
    for (const [index, found] of contender.digest(inputs.slice(0, contender.count)).entries()) {
      blake3[index] ??= found.blake3 as string;
      const whole = contender.computes === 'both' ? found.sha256 && found.blake3 : found[contender.computes];
      const same =
        (found.sha256 ?? sha256[index]) === sha256[index] && (found.blake3 ?? blake3[index]) === blake3[index];
      if (whole && same) continue;
      throw new Error(`${contender.name} gives another digest for ${inputs[index]?.byteLength} bytes than the others`);
    }
  }
}

/** @param speeds runs a second, by contender and round; a run takes `count` inputs; the reference comes first */
function rowsOf(all: readonly Contender[], size: number, speeds: readonly (readonly number[])[]): HashRow[] {
  const reference = speeds[0] ?? [];
  return all.map(({ name, computes, kernel, count }, index) => {
    const own = (speeds[index] ?? []).map((speed) => speed * count);
    const ratios = own.map((speed, round) => speed / (reference[round] ?? Number.NaN));
    return {
      size,
      contender: name,
      computes,
      ...(kernel !== undefined && { kernel }),
      median: (median(own) * size) / 1e6,
      best: (Math.max(...own) * size) / 1e6,
      nanoseconds: 1e9 / median(own),
      ratio: median(ratios),
    };
  });
}

/** Bytes without a pattern that are the same in every run. */
function sample(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = (0x9e3779b9 + seed) >>> 0;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
