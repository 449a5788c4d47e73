/**
 * Work on one thing at a time: locks by key, held for as long as a promise takes, in the order of asking.
 *
 * Imports nothing. publish.ts has one for the names of packages, the S3 backend one for objects.
 */

export class KeyLocks<Key> {
  /** For each key that is held, the end of the last work in line. */
  readonly #locks = new Map<Key, Promise<void>>();

  /** Runs `work` while nobody else holds `key`. */
  locked<T>(key: Key, work: () => Promise<T>): Promise<T> {
    return this.lockedMany([key], work);
  }

  /** Runs `work` while nobody else holds any of the keys. All are asked for at once, so two who name them in different orders cannot wait for each other. */
  lockedMany<T>(keys: readonly Key[], work: () => Promise<T>): Promise<T> {
    const before = new Set<Promise<void>>();
    for (const key of keys) {
      const lock = this.#locks.get(key);
      if (lock !== undefined) before.add(lock);
    }
    const run = before.size === 0 ? work() : Promise.all(before).then(work);
    const release = () => {
      for (const key of keys) if (this.#locks.get(key) === settled) this.#locks.delete(key);
    };
    const settled: Promise<void> = run.then(release, release);
    for (const key of keys) this.#locks.set(key, settled);
    return run;
  }
}
