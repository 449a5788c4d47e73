/**
 * Compaction in the background: after many deletions, and when asked, step by step beside everything else.
 *
 * A step is bounded (some megabytes); behind one that copies as much as it may the disk rests as long as it took, and behind others as much less as they copied less. Called by index.ts.
 */

import { COMPACT_AFTER_DELETIONS, COMPACT_STEP_SIZE } from '../../limits.js';
import type { NativeCompacted } from '../../native/addon.js';

/** What a pass over all segments did. */
export interface CompactionReport {
  /** Bytes that were still needed and have been copied. */
  movedSize: number;
  /** Bytes given back to the file system. */
  freedSize: number;
  /** Segment files deleted. */
  removedSegments: number;
}

/** Who watches a pass, and may end it. */
export interface CompactionWatch {
  /** Told after every step what has been done so far. */
  onProgress?: (report: CompactionReport) => void;
  signal?: AbortSignal;
}

export class Compaction {
  #deletions = 0;
  #pass: Promise<CompactionReport> | undefined;
  #stopped = false;
  #wake: (() => void) | undefined;

  /** @param step one bounded step from a segment number on */
  constructor(private readonly step: (from: number) => Promise<NativeCompacted>) {}

  /** Notes a deletion; now and then a pass follows. */
  noteDeletion(): void {
    if (++this.#deletions < COMPACT_AFTER_DELETIONS || this.#stopped) return;
    // A failure shows again in what asked for space in the first place; the next pass tries anew.
    this.run().catch(() => undefined);
  }

  /** Counts deletions of who deletes many and asks for a pass when all of them are done. */
  countDeletions(count: number): void {
    this.#deletions += count;
  }

  /** A whole pass; joins one that is under way. Aborted, it ends after the step under way, with what it has done. */
  run(watch: CompactionWatch = {}): Promise<CompactionReport> {
    this.#pass ??= this.#run(watch).finally(() => {
      this.#pass = undefined;
    });
    return this.#pass;
  }

  /** Ends after the step under way, which is waited for. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#pass?.catch(() => undefined);
  }

  async #run({ onProgress, signal }: CompactionWatch): Promise<CompactionReport> {
    const report = { movedSize: 0, freedSize: 0, removedSegments: 0 };
    this.#deletions = 0;
    for (let from = 0; !this.#stopped && !signal?.aborted; ) {
      const started = performance.now();
      const [next, movedSize, freedSize, removed] = await this.step(from);
      report.movedSize += movedSize;
      report.freedSize += freedSize;
      report.removedSegments += removed;
      onProgress?.({ ...report });
      if (next === 0) break;
      from = next;
      if (movedSize > 0) await this.#rest((performance.now() - started) * Math.min(movedSize / COMPACT_STEP_SIZE, 1));
    }
    return report;
  }

  #rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
