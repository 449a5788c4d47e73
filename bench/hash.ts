/**
 * How fast both digests are, against the SHA-256 of node:crypto alone: the digest that everyone has already.
 *
 * Imports the public API and node:crypto. Called by bench/main.ts and by `artifactstore bench hash`. All contenders run in one process, in
 * interleaved rounds with a rotating start, because the machine's speed changes from second to second: only ratios from the
 * same round mean anything.
 */

import { createHash } from 'node:crypto';
import { createDigester, type Digests, describeNative, digestMany, selectKernel, toHex } from '../lib/index.js';
import { describeMachine, type Machine } from './machine.js';
import { median, runInterleaved } from './rounds.js';
import { table } from './table.js';

/** Digests as text; BLAKE3 only from those who compute it. */
interface Found {
  sha256: string;
  blake3?: string;
}

/** What is measured: a way to digest inputs of any size. */
interface Contender {
  name: string;
  /** The kernel set it runs on; absent when it is not ours. */
  kernel?: string;
  /** Inputs it is given at once. */
  count: number;
  /** Bytes of the largest input it is meant for; absent: any. */
  sizeMax?: number;
  /** Digests every input once and gives what it found, which is checked before anything is timed. */
  digest: (inputs: readonly Uint8Array[]) => Found[];
}

/** One size and contender. */
export interface HashRow {
  /** Bytes of an input. */
  size: number;
  contender: string;
  kernel?: string;
  /** Millions of bytes a second. */
  median: number;
  best: number;
  /** Median over rounds of this contender's speed by node:crypto's in the same round. */
  ratio: number;
}

export interface HashReport {
  benchmark: 'hash';
  machine: Machine;
  rounds: number;
  rows: HashRow[];
}

export interface HashOptions {
  /** Rounds; default 9. */
  rounds?: number;
  /** Bytes of an input, one measurement each; default 64 B to 16 MiB. */
  sizes?: readonly number[];
  /** Milliseconds of one measurement; default 20. */
  milliseconds?: number;
  /** Told after each measurement. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the run between two measurements, with its reason. */
  signal?: AbortSignal;
}

const KIB = 1024;
const SIZES = [64, KIB, 4 * KIB, 64 * KIB, KIB * KIB, 16 * KIB * KIB];

/** Inputs that are digested side by side when there are many: objects of a build, files of a folder. */
const MANY = 64;
/** Bytes of an input up to which many are measured: beyond, the core takes two at a time anyway. */
const MANY_SIZE_MAX = 16 * KIB;

/** Bytes of one update: what a file or a socket gives at a time. */
const STREAM_PIECE_SIZE = 64 * KIB;

const REFERENCE = 'node:crypto sha256';

/**
 * Measures every contender at every size.
 *
 * @throws Error: a contender gave a wrong digest; the signal's reason
 */
export async function measureHash(options: HashOptions = {}): Promise<HashReport> {
  const { rounds = 9, sizes = SIZES, milliseconds = 20, onProgress, signal } = options;
  const { kernel: chosen } = describeNative();
  const rows: HashRow[] = [];
  try {
    const measured = sizes.map((size) => ({ size, all: contenders(size) }));
    const total = measured.reduce((sum, { all }) => sum + rounds * all.length, 0);
    let before = 0;
    for (const { size, all } of measured) {
      const inputs = Array.from({ length: Math.max(...all.map(({ count }) => count)) }, (_, seed) =>
        sample(size, seed),
      );
      requireSame(all, inputs);
      const speeds = await runInterleaved(
        all.map((contender) => {
          const own = inputs.slice(0, contender.count);
          return { run: () => void contender.digest(own), prepare: () => select(contender) };
        }),
        {
          rounds,
          milliseconds,
          onRound: (done) => onProgress?.(before + done, total),
          ...(signal && { signal }),
        },
      );
      before += rounds * all.length;
      rows.push(...rowsOf(all, size, speeds));
    }
  } finally {
    selectKernel(chosen);
  }
  return { benchmark: 'hash', machine: describeMachine(), rounds, rows };
}

/** The report as a table. */
export function renderHash({ machine, rounds, rows }: HashReport): string {
  const { cpu, cores, node, openssl, os, kernel } = machine;
  const head = `${cpu}, ${cores} cores; Node ${node}, OpenSSL ${openssl}, ${os}; kernel set in use: ${kernel}`;
  const cells = rows.map(({ size, contender, median, best, ratio }) => [
    sizeName(size),
    contender,
    median.toFixed(0),
    best.toFixed(0),
    `${ratio.toFixed(2)}×`,
  ]);
  const body = table(['size', 'contender', 'median MB/s', 'best MB/s', 'vs node:crypto'], cells, 2);
  return `${head}\n${rounds} interleaved rounds; ours give BLAKE3 and SHA-256, node:crypto SHA-256 alone\n\n${body}\n`;
}

/** Those that are meant for inputs of this size; the reference first. */
function contenders(size: number): Contender[] {
  const reference: Contender = {
    name: REFERENCE,
    count: 1,
    digest: (inputs) => inputs.map((input) => ({ sha256: createHash('sha256').update(input).digest('hex') })),
  };
  const all = [reference, ...describeNative().kernels.flatMap(ours)];
  return all.filter(({ sizeMax = Number.POSITIVE_INFINITY }) => size <= sizeMax);
}

function ours(kernel: string): Contender[] {
  const together = (inputs: readonly Uint8Array[]) => digestMany(inputs).map(hex);
  return [
    { name: `${kernel}: one input`, kernel, count: 1, digest: together },
    {
      name: `${kernel}: one stream`,
      kernel,
      count: 1,
      digest: (inputs) => inputs.map((input) => hex(streamed(input))),
    },
    { name: `${kernel}: two inputs`, kernel, count: 2, digest: together },
    { name: `${kernel}: ${MANY} inputs`, kernel, count: MANY, sizeMax: MANY_SIZE_MAX, digest: together },
  ];
}

function streamed(input: Uint8Array) {
  const digester = createDigester();
  for (let at = 0; at < input.byteLength; at += STREAM_PIECE_SIZE)
    digester.update(input.subarray(at, at + STREAM_PIECE_SIZE));
  return digester.digest();
}

/** Text like node:crypto's, so that every contender does the same work. */
function hex(digests: Digests): Found {
  return { sha256: toHex(digests.sha256), blake3: toHex(digests.blake3) };
}

function select({ kernel }: Contender): void {
  if (kernel !== undefined) selectKernel(kernel);
}

/** A fast wrong answer is worth nothing. */
function requireSame(all: readonly Contender[], inputs: readonly Uint8Array[]): void {
  const expected = inputs.map((input) => createHash('sha256').update(input).digest('hex'));
  const blake3: string[] = [];
  for (const contender of all) {
    select(contender);
    for (const [index, found] of contender.digest(inputs.slice(0, contender.count)).entries()) {
      blake3[index] ??= found.blake3 as string;
      if (found.sha256 === expected[index] && (found.blake3 ?? blake3[index]) === blake3[index]) continue;
      throw new Error(`${contender.name} gives another digest for ${inputs[index]?.byteLength} bytes than the others`);
    }
  }
}

/** @param speeds runs a second, by contender and round; a run takes `count` inputs */
function rowsOf(all: readonly Contender[], size: number, speeds: readonly (readonly number[])[]): HashRow[] {
  const reference = speeds[0] ?? [];
  return all.map(({ name, kernel, count }, index) => {
    const own = (speeds[index] ?? []).map((speed) => speed * count);
    const ratios = own.map((speed, round) => speed / (reference[round] ?? Number.NaN));
    return {
      size,
      contender: name,
      ...(kernel !== undefined && { kernel }),
      median: (median(own) * size) / 1e6,
      best: (Math.max(...own) * size) / 1e6,
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

function sizeName(size: number): string {
  if (size < KIB) return `${size} B`;
  return size < KIB * KIB ? `${size / KIB} KiB` : `${size / KIB / KIB} MiB`;
}
