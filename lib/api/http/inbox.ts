/**
 * Waiting for what comes next, but not for ever: streams say that they are alive where nothing comes.
 *
 * Imports nothing. Called by the streams of events and of uploads.
 */

/** Takes from a source, and stops waiting for it now and then. What came meanwhile is there the next time. */
export class Inbox<T> {
  #outcome: { step: IteratorResult<T> } | { error: unknown } | undefined;
  #isAsked = false;
  #wake: () => void = () => undefined;

  constructor(private readonly source: AsyncIterator<T>) {}

  /** What comes next; undefined when nothing comes for so many milliseconds. */
  async next(ms: number): Promise<IteratorResult<T> | undefined> {
    if (!this.#isAsked) this.#ask();
    if (this.#outcome === undefined) await this.#arrival(ms);
    const outcome = this.#outcome;
    if (outcome === undefined) return undefined;
    this.#outcome = undefined;
    this.#isAsked = false;
    if ('error' in outcome) throw outcome.error;
    return outcome.step;
  }

  #ask(): void {
    this.#isAsked = true;
    this.source.next().then(
      (step) => this.#arrived({ step }),
      (error) => this.#arrived({ error }),
    );
  }

  #arrived(outcome: { step: IteratorResult<T> } | { error: unknown }): void {
    this.#outcome = outcome;
    this.#wake();
  }

  async #arrival(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }
}
