/**
 * The kernels without Node: builds bench/native/kernels_bench.c where that is possible, runs it, and reads what it prints. Calls from
 * JavaScript cost more than a small object does, so sizes under 64 KiB are told here.
 *
 * Imports nothing of the library. Called by bench/hash.ts.
 */

import { buildNative } from '../built.js';
import { runProgram } from '../programs.js';

/** One kernel set, case and size. Speeds are millions of bytes a second. */
export interface KernelRow {
  kernel: string;
  /** What is measured, as `one stream`. */
  case: string;
  /** Objects hashed side by side. */
  objects: number;
  /** Bytes of an object. */
  size: number;
  median: number;
  best: number;
  /** Who hashed the same objects, one after the other, in the same rounds, as `OpenSSL SHA-256, EVP`. */
  reference: string;
  referenceMedian: number;
  referenceBest: number;
  /** Median over rounds of this speed by the reference's. */
  ratio: number;
}

/** Its name of OpenSSL's SHA-256 without EVP, which is the fastest there is. */
export const LOW_LEVEL = 'OpenSSL SHA-256, low-level';

/** As kernels_bench has it. */
const ROUNDS_MAX = 1001;

/** Rows, or why there are none. */
export async function measureKernels(rounds: number): Promise<{ rows: KernelRow[]; absent: string[] }> {
  const built = await buildNative('kernels_bench');
  if ('absent' in built) return { rows: [], absent: [`the kernels from C: ${built.absent}`] };
  const count = Math.min(rounds, ROUNDS_MAX);
  const { stdout } = await runProgram({ command: built.program, args: ['--json', '--rounds', String(count)] });
  return { rows: readKernelRows(stdout), absent: [] };
}

/**
 * Reads the output of `kernels_bench --json`.
 *
 * @throws TypeError: a row lacks a figure
 */
export function readKernelRows(json: string): KernelRow[] {
  return (JSON.parse(json) as Record<string, unknown>[]).map((row) => {
    const number = (name: string, factor = 1): number => {
      const value = row[name];
      if (typeof value !== 'number') throw new TypeError(`kernels_bench printed no ${name}: ${JSON.stringify(row)}`);
      return value * factor;
    };
    return {
      kernel: String(row.set),
      case: String(row.case),
      objects: number('objects'),
      size: number('size'),
      median: number('gbps_median', 1000),
      best: number('gbps_best', 1000),
      reference: String(row.reference),
      referenceMedian: number('reference_gbps_median', 1000),
      referenceBest: number('reference_gbps_best', 1000),
      ratio: number('ratio_median'),
    };
  });
}
