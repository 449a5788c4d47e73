/**
 * Gives back, while many objects are being removed, the space that removed ones share with others: in passes beside the removals, so that what is left for the end takes little.
 *
 * Imports limits. lifecycle.ts makes one for each sweep.
 */

import { COMPACT_AFTER_DELETIONS, COMPACT_BESIDE_REST, COMPACT_BESIDE_SIZE } from '../limits.js';

/** One pass over everything. */
type Pass = () => Promise<{ freedSize: number }>;

export class CompactionBeside {
  #objects = 0;
  /** Bytes that had been removed when the newest pass began. */
  #sizeBefore = 0;
  #freedSize = 0;
  #running: Promise<void> | undefined;
  /** When the next pass may begin, by the clock of `performance`. */
  #notBefore = 0;

  constructor(private readonly pass: Pass) {}

  /** Is told how many objects have been removed so far, and what that gave back by itself; begins a pass if that is worth one. */
  note({ objects, freedSize }: { objects: number; freedSize: number }): void {
    this.#objects = objects;
    if (freedSize - this.#sizeBefore < COMPACT_BESIDE_SIZE || this.#running !== undefined) return;
    const began = performance.now();
    if (began < this.#notBefore) return;
    this.#sizeBefore = freedSize;
    // What fails here fails again in the pass at the end, and is told there.
    this.#running = this.#run()
      .catch(() => undefined)
      .finally(() => {
        this.#running = undefined;
        const now = performance.now();
        this.#notBefore = now + COMPACT_BESIDE_REST * (now - began);
      });
  }

  /** Waits for the pass under way; never throws. */
  async settle(): Promise<void> {
    await this.#running;
  }

  /** Does the rest, where enough was removed for a pass to be worth it; gives the bytes given back by all passes. */
  async finish(): Promise<number> {
    await this.settle();
    if (this.#objects >= COMPACT_AFTER_DELETIONS) await this.#run();
    return this.#freedSize;
  }

  async #run(): Promise<void> {
    this.#freedSize += (await this.pass()).freedSize;
  }
}
