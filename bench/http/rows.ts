/** Measurements of several contenders as rows. Pure but for what it runs. Called by the parts of the benchmark. */

import { rmSync } from 'node:fs';
import { settle } from '../programs.js';
import { inTurns, median } from '../rounds.js';
import type { HttpBench, HttpPart, HttpRow } from './shapes.js';

/** Someone to measure. */
export interface Contender {
  name: string;
  /** One measurement; the more the better. */
  measure: () => Promise<number>;
  /** Bytes that its server held at most, asked for at the end. */
  peakMemory?: () => number | undefined;
}

/**
 * Every contender once a round. A peer that fails is noted and left out.
 *
 * @param contenders ours first
 * @throws Error: ours failed
 */
export async function measureRows(
  part: HttpPart,
  unit: HttpRow['unit'],
  contenders: readonly Contender[],
  { rounds, work, absent, onStep }: HttpBench,
): Promise<HttpRow[]> {
  const values = contenders.map((): number[] => []);
  const failed = new Set<number>();
  await inTurns(contenders, rounds, async ({ name, measure }, index, round) => {
    if (failed.has(index)) return;
    onStep?.(`round ${round + 1} of ${rounds}: ${part}, ${name}`);
    try {
      await settle(work);
      values[index]?.push(await measure());
    } catch (error) {
      if (index === 0) throw error;
      failed.add(index);
      absent.push(`${part}, ${name}: ${(error as Error).message}`);
    }
  });
  return contenders.flatMap(({ name, peakMemory }, index) => {
    const peak = peakMemory?.();
    return failed.has(index)
      ? []
      : [{ ...rowOf(part, name, unit, values[index] ?? [], values[0] ?? []), ...(peak && { peakMemory: peak }) }];
  });
}

/** A row from its values and ours, by round. */
export function rowOf(
  part: HttpPart,
  contender: string,
  unit: HttpRow['unit'],
  values: readonly number[],
  ours: readonly number[],
): HttpRow {
  const ratios = values.map((value, round) => (ours[round] ?? Number.NaN) / value);
  const best = unit.endsWith('/s') ? Math.max(...values) : Math.min(...values);
  return { part, contender, unit, median: median(values), best, ratio: median(ratios) };
}

/** Removes what a server has left. */
export function clear(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
