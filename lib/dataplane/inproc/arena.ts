/**
 * The slab arena: a fixed number of shared-memory slabs, the bound on bytes in flight.
 *
 * Main thread, workers and native code see the same memory, so bytes are copied once on their way in. Waiting for a slab is the
 * back-pressure: a source is not asked for more until there is room. Waiters are served in order, so nobody starves.
 */

import { GROUP_SIZE } from '../../limits.js';

/** One slab; whoever holds it gives it back with `release`. */
export interface Slab {
  readonly bytes: Uint8Array;
}

export class Arena {
  readonly #free: Slab[] = [];
  readonly #waiting: ((slab: Slab) => void)[] = [];
  /** Slabs not made yet: memory is taken when it is first needed. */
  #unmade: number;

  /**
   * @param count slabs, at least 1
   * @param slabSize bytes a slab, a multiple of GROUP_SIZE because verified reads come in whole groups
   */
  constructor(
    count: number,
    readonly slabSize: number,
  ) {
    if (slabSize % GROUP_SIZE !== 0) throw new RangeError(`slabSize ${slabSize} is not a multiple of ${GROUP_SIZE}`);
    this.#unmade = count;
  }

  /** A slab, as soon as one is free. */
  acquire(): Promise<Slab> {
    const slab = this.#free.pop() ?? this.#make();
    return slab ? Promise.resolve(slab) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Gives a slab back; nobody may touch its bytes afterwards. */
  release(slab: Slab): void {
    const next = this.#waiting.shift();
    if (next) next(slab);
    else this.#free.push(slab);
  }

  #make(): Slab | undefined {
    if (this.#unmade === 0) return undefined;
    this.#unmade--;
    return { bytes: new Uint8Array(new SharedArrayBuffer(this.slabSize)) };
  }
}
