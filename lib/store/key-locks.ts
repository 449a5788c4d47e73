/**
 * Work on one thing at a time: locks by key, held for as long as a promise takes, in the order of asking.
 *
 * Imports nothing. publish.ts has one for the names of packages.
 */

export class KeyLocks<Key> {
  /** For each key that is held, the end of the last work in line. */
  readonly #locks = new Map<Key, Promise<void>>();

  /** Runs `work` while nobody else holds `key`. */
  locked<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(key);
    const run = before === undefined ? work() : before.then(work);
    const release = () => {
      if (this.#locks.get(key) === settled) this.#locks.delete(key);
    };
    const settled: Promise<void> = run.then(release, release);
    this.#locks.set(key, settled);
    return run;
  }
}
