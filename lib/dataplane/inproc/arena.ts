/**
 * The slab arena: a fixed number of shared-memory slabs, the bound on bytes in flight.
 *
 * Main thread, workers and native code see the same memory, so bytes are copied once on their way in. Waiting for a slab is the
 * back-pressure: a source is not asked for more until there is room. Waiters are served in order, so nobody starves; and while some wait, those who hold a
 * slab to which nothing comes are asked for it, so that sources that drip cannot keep all of them.
 */

import { GROUP_SIZE, SLAB_IDLE_MS } from '../../limits.js';

/** One slab; whoever holds it gives it back with `release`. */
export interface Slab {
  readonly bytes: Uint8Array;
}

/** Who holds a slab that is not full. */
export interface SlabHolder {
  /** When something came for it last, by `performance.now()`. */
  readonly touched: number;
  /** Others wait: it empties its slab and gives it back as soon as it can. */
  giveBack(): void;
}

export class Arena {
  readonly #holders = new Set<SlabHolder>();
  #asking: NodeJS.Timeout | undefined;
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
    if (slab) return Promise.resolve(slab);
    this.#asking ??= setTimeout(() => this.#askHolders(), SLAB_IDLE_MS);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Somebody holds a slab that is not full, until `forget`. */
  hold(holder: SlabHolder): void {
    this.#holders.add(holder);
  }

  /** It does not any more. */
  forget(holder: SlabHolder): void {
    this.#holders.delete(holder);
  }

  /** Gives a slab back; nobody may touch its bytes afterwards. */
  release(slab: Slab): void {
    const next = this.#waiting.shift();
    if (next) next(slab);
    else this.#free.push(slab);
  }

  #askHolders(): void {
    this.#asking = undefined;
    if (this.#waiting.length === 0) return;
    const idleSince = performance.now() - SLAB_IDLE_MS;
    for (const holder of this.#holders) if (holder.touched <= idleSince) holder.giveBack();
    this.#asking = setTimeout(() => this.#askHolders(), SLAB_IDLE_MS);
  }

  #make(): Slab | undefined {
    if (this.#unmade === 0) return undefined;
    this.#unmade--;
    return { bytes: new Uint8Array(new SharedArrayBuffer(this.slabSize)) };
  }
}
