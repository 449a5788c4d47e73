/**
 * Single puts of objects in memory, gathered: a promise, an event and a result for each step of each object cost more than storing it does, so those
 * that wait at the same time go the way of `putMany`.
 *
 * Imports limits and results. Called by the facade.
 */

import { PUT_GATHERED_MIN, PUT_PART_MAX, PUT_PARTS_IN_FLIGHT } from '../limits.js';
import type { PutResult, PutResults } from './put-results.js';

/** One object, and who stores it. */
export interface Gathered {
  readonly bytes: Uint8Array;
  readonly actor: string;
}

interface Waiting extends Gathered {
  resolve: (result: PutResult) => void;
  reject: (error: unknown) => void;
}

export class PutGather {
  #waiting: Waiting[] = [];
  #parts = 0;
  #scheduled = false;
  #drained: (() => void)[] = [];

  /** @param putAll stores many objects; gives the result of each or what its put is to throw */
  constructor(private readonly putAll: (objects: readonly Gathered[]) => Promise<PutResults>) {}

  /** Stores one object, together with others that wait. */
  put(bytes: Uint8Array, actor: string): Promise<PutResult> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, actor, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves when nothing waits any more. */
  async drain(): Promise<void> {
    if (this.#waiting.length > 0 || this.#parts > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** Starts when everything that has come so far has been looked at, so that what many connections bring together goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#parts === PUT_PARTS_IN_FLIGHT) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#parts < PUT_PARTS_IN_FLIGHT && this.#waiting.length > 0) void this.#run(this.#take());
    });
  }

  /** What waits, shared out among the parts that may be under way, so that one is hashed while another is in the log. */
  #take(): Waiting[] {
    const share = Math.ceil(this.#waiting.length / (PUT_PARTS_IN_FLIGHT - this.#parts));
    return this.#waiting.splice(0, Math.min(Math.max(share, PUT_GATHERED_MIN), PUT_PART_MAX));
  }

  async #run(part: Waiting[]): Promise<void> {
    this.#parts++;
    try {
      const results = await this.putAll(part);
      for (let index = 0; index < part.length; index++) {
        const { resolve, reject } = part[index] as Waiting;
        const result = results.at(index) as PutResult | Error;
        if (result instanceof Error) reject(result);
        else resolve(result);
      }
    } catch (error) {
      for (const { reject } of part) reject(error);
    }
    this.#parts--;
    if (this.#waiting.length > 0) this.#schedule();
    else if (this.#parts === 0) for (const resolve of this.#drained.splice(0)) resolve();
  }
}
