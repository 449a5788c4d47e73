/**
 * How fast both digests are, against the SHA-256 of node:crypto alone: the digest that everyone has already.
 *
 * Imports the public API and node:crypto. Called by bench/main.ts and by `artifactstore bench hash`. All contenders run in one process, in
 * interleaved rounds with a rotating start, because the machine's speed changes from second to second: only ratios from the
 * same round mean anything.
 */

import { createHash } from 'node:crypto';
import { createDigester, describeNative, digestMany, selectKernel, toHex } from '../lib/index.js';
import { describeMachine, type Machine } from './machine.js';
import { median, runInterleaved } from './rounds.js';
import { table } from './table.js';

/** What is measured: a way to digest one input of any size. */
interface Contender {
  name: string;
  /** The kernel set it runs on; absent when it is not ours. */
  kernel?: string;
  /** Digests the input once and gives what it found, which is checked before anything is timed. */
  digest: (input: Uint8Array) => { sha256: string; blake3?: string };
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
  const { kernel: before } = describeNative();
  const rows: HashRow[] = [];
  try {
    const all = contenders();
    const total = sizes.length * rounds * all.length;
    for (const [index, size] of sizes.entries()) {
      const input = sample(size);
      requireSame(all, input);
      const speeds = await runInterleaved(
        all.map((contender) => ({
          run: () => void contender.digest(input),
          prepare: () => select(contender),
        })),
        {
          rounds,
          milliseconds,
          onRound: (done) => onProgress?.(index * rounds * all.length + done, total),
          ...(signal && { signal }),
        },
      );
      rows.push(...rowsOf(all, size, speeds));
    }
  } finally {
    selectKernel(before);
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

function contenders(): Contender[] {
  const reference: Contender = {
    name: REFERENCE,
    digest: (input) => ({ sha256: createHash('sha256').update(input).digest('hex') }),
  };
  return [reference, ...describeNative().kernels.flatMap(ours)];
}

function ours(kernel: string): Contender[] {
  return [
    { name: `${kernel}: digestMany, one input`, kernel, digest: (input) => hex(digestMany([input])[0]) },
    { name: `${kernel}: createDigester, stream`, kernel, digest: (input) => hex(streamed(input)) },
  ];
}

function streamed(input: Uint8Array) {
  const digester = createDigester();
  for (let at = 0; at < input.byteLength; at += STREAM_PIECE_SIZE)
    digester.update(input.subarray(at, at + STREAM_PIECE_SIZE));
  return digester.digest();
}

/** Text like node:crypto's, so that every contender does the same work. */
function hex(digests: { sha256: Uint8Array; blake3: Uint8Array } | undefined) {
  if (digests === undefined) throw new Error('digestMany gave nothing for one input');
  return { sha256: toHex(digests.sha256), blake3: toHex(digests.blake3) };
}

function select({ kernel }: Contender): void {
  if (kernel !== undefined) selectKernel(kernel);
}

/** A fast wrong answer is worth nothing. */
function requireSame(all: readonly Contender[], input: Uint8Array): void {
  const found = all.map((contender) => {
    select(contender);
    return contender.digest(input);
  });
  const blake3 = found.find((digests) => digests.blake3 !== undefined)?.blake3;
  for (const [index, digests] of found.entries()) {
    if (digests.sha256 === found[0]?.sha256 && (digests.blake3 ?? blake3) === blake3) continue;
    throw new Error(`${all[index]?.name} gives another digest for ${input.byteLength} bytes than the others`);
  }
}

/** @param speeds runs a second, by contender and round */
function rowsOf(all: readonly Contender[], size: number, speeds: readonly (readonly number[])[]): HashRow[] {
  const reference = speeds[0] ?? [];
  return all.map(({ name, kernel }, index) => {
    const own = speeds[index] ?? [];
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
function sample(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 0x9e3779b9;
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
