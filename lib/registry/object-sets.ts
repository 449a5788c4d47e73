/**
 * Sets of objects, each object by the seq of its first ingest: as runs, which events carry, and as blocks of bits, which the view of usage keeps.
 *
 * What was pushed together has seqs next to each other, so both forms are small for nearly all packages. Imports limits. Publishing makes runs;
 * `usage-view.ts` makes blocks of them.
 */

import { INDEXED_RUNS_MAX } from '../limits.js';

/** Seqs in a block: block n has those from n * BLOCK_SEQS + 1 on, the lowest bit for the first. JavaScript and SQL agree about 32 bits. */
export const BLOCK_SEQS = 32;

/** A block, and which of its seqs are in the set. */
export type ObjectBlock = [block: number, bits: number];

/**
 * Seqs as runs, divided into parts that fit into an event each: how many seqs are passed over and how many follow, in turn. Each part counts
 * from the beginning.
 *
 * @param seqs in any order, also twice
 */
export function runsOf(seqs: readonly number[]): number[][] {
  const ordered = Float64Array.from(seqs).sort();
  const parts: number[][] = [];
  let part: number[] = [];
  let end = 0; // the newest seq of the run before
  for (let i = 0; i < ordered.length; ) {
    const start = ordered[i] as number;
    let last = start;
    for (i++; i < ordered.length && (ordered[i] as number) <= last + 1; i++) last = ordered[i] as number;
    if (part.length === 2 * INDEXED_RUNS_MAX || parts.length === 0) {
      part = [];
      parts.push(part);
      end = 0;
    }
    part.push(start - end - 1, last - start + 1);
    end = last;
  }
  return parts;
}

/**
 * Runs as blocks, in their order.
 *
 * @param before only seqs below this one: an object that does not exist yet cannot be needed
 */
export function blocksOf(runs: readonly number[], before: number): ObjectBlock[] {
  const blocks: ObjectBlock[] = [];
  let seq = 1;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    seq += runs[i] as number;
    const end = Math.min(seq + (runs[i + 1] as number), before);
    while (seq < end) {
      const block = Math.floor((seq - 1) / BLOCK_SEQS);
      const from = seq - 1 - block * BLOCK_SEQS;
      const to = Math.min(BLOCK_SEQS, end - 1 - block * BLOCK_SEQS);
      addBits(blocks, block, 2 ** to - 2 ** from);
      seq += to - from;
    }
    if (seq >= before) break;
  }
  return blocks;
}

/** Runs come in order, so only the last block can be met again. */
function addBits(blocks: ObjectBlock[], block: number, bits: number): void {
  const last = blocks.at(-1);
  if (last?.[0] === block) last[1] += bits;
  else blocks.push([block, bits]);
}
