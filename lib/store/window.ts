/**
 * Some pieces of work at once, and no more: who has another one waits until one is done.
 *
 * Imports nothing. Used by lifecycle.ts.
 */

export class Window {
  readonly #running = new Set<Promise<void>>();
  #weight = 0;

  /** @param size pieces at once */
  constructor(private readonly size: number) {}

  /** The sum over the pieces under way. */
  get weight(): number {
    return this.#weight;
  }

  /** Has `feed` add pieces, and waits for all of them, whatever happens. Throws what it throws, or the first piece. */
  async run(feed: () => Promise<void>): Promise<void> {
    try {
      await feed();
      while (this.#running.size > 0) await this.next();
    } finally {
      await Promise.allSettled(this.#running);
    }
  }

  /** Begins a piece, and waits until there is room for another. Throws what a piece throws. */
  async add(weight: number, work: () => Promise<void>): Promise<void> {
    this.#weight += weight;
    const piece = work().finally(() => {
      this.#running.delete(piece);
      this.#weight -= weight;
    });
    this.#running.add(piece);
    piece.catch(() => undefined); // thrown where it is waited for
    while (this.#running.size >= this.size) await this.next();
  }

  /** Waits until one of the pieces is done. Throws what it throws. */
  async next(): Promise<void> {
    await Promise.race(this.#running);
  }
}
