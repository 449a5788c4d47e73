/**
 * Whether a plan still holds: what of it would not go any more, by a plan made now for the same moment.
 *
 * Pure; imports plans and sets of objects. The facade asks before it carries a plan out. What would go beyond the plan is no change: the next plan has it.
 */

import { BLOCK_SEQS, blocksOf } from '../registry/object-sets.js';
import { type Plan, seqsOf } from './plan.js';

/** What of a plan does not hold any more. */
export interface Differences {
  /** Versions that would not go, or whose refs are others now. */
  versions: { version: string; refsNow?: readonly string[] }[];
  /** Seqs of objects that would not go. */
  objects: number[];
}

/** What of `plan` is not in `now`. */
export function differences(plan: Pick<Plan, 'entries'>, now: Pick<Plan, 'entries'>): Differences {
  const going = new Map(now.entries.map((entry) => [entry.version, entry]));
  const versions: Differences['versions'] = [];
  for (const { version, refs } of plan.entries) {
    if (version === undefined) continue;
    const entry = going.get(version);
    if (entry === undefined) versions.push({ version });
    else if (entry.refs.join('\n') !== refs.join('\n')) versions.push({ version, refsNow: entry.refs });
  }
  const there = objectsOf(now);
  const objects: number[] = [];
  for (const { objects: runs } of plan.entries) {
    for (const [block, bits] of blocksOf(runs, Number.MAX_SAFE_INTEGER)) {
      const lost = (bits & ~(there.get(block) ?? 0)) >>> 0;
      for (let at = 0; at < BLOCK_SEQS; at++) if ((lost >>> at) & 1) objects.push(BLOCK_SEQS * block + at + 1);
    }
  }
  return { versions, objects };
}

/** All objects of a plan, as bits by block. */
function objectsOf({ entries }: Pick<Plan, 'entries'>): Map<number, number> {
  const sets = new Map<number, number>();
  for (const { objects } of entries)
    for (const [block, bits] of blocksOf(objects, Number.MAX_SAFE_INTEGER))
      sets.set(block, ((sets.get(block) ?? 0) | bits) >>> 0);
  return sets;
}

/** The objects of an entry, so many seqs at a time. */
export function* slicesOf(runs: readonly number[], size: number): Generator<number[]> {
  let slice: number[] = [];
  for (const seq of seqsOf(runs)) {
    slice.push(seq);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}
