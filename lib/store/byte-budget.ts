/**
 * Memory that many share: a number of bytes, lent in the order of asking.
 *
 * Pure. packages.ts has one for all archives on their way in.
 */

export class ByteBudget {
  #free: number;
  readonly #waiting: { size: number; go: () => void }[] = [];

  /** @param most bytes; nobody may ask for more at once */
  constructor(most: number) {
    this.#free = most;
  }

  /** Takes so many bytes if they are there and nobody waits for some. */
  tryTake(size: number): boolean {
    if (this.#waiting.length > 0 || size > this.#free) return false;
    this.#free -= size;
    return true;
  }

  /** Takes so many bytes once they are there. Whoever waits should hold nothing: others may wait for it. */
  async take(size: number): Promise<void> {
    if (this.tryTake(size)) return;
    await new Promise<void>((go) => this.#waiting.push({ size, go }));
  }

  /** Gives bytes back. */
  release(size: number): void {
    this.#free += size;
    for (let next = this.#waiting[0]; next !== undefined && next.size <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.size;
      next.go();
    }
  }
}
