/**
 * Tells those who watch a thing that it has changed.
 *
 * Imports nothing. uploads.ts has one.
 */

export class Changes {
  readonly #watchers = new Map<string, Set<() => void>>();

  /** Something about `id` is other than before. */
  note(id: string): void {
    for (const wake of this.#watchers.get(id) ?? []) wake();
  }

  /** Resolves with the next change, after so many milliseconds, or with the signal, whichever comes first. Ask before looking, so that nothing is missed. */
  next(id: string, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const watchers = this.#watchers.get(id) ?? new Set();
      this.#watchers.set(id, watchers);
      const wake = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        watchers.delete(wake);
        if (watchers.size === 0) this.#watchers.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      watchers.add(wake);
      if (signal?.aborted) wake();
      else signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
