/**
 * Group commit: calls that come while a commit runs wait, and the next commit takes them all. Where many wait, they are prepared while the commit before
 * runs, so that the database never waits for this thread. Calls that say so go behind: one of them to a commit, prepared in the same way, and those of others
 * that wait by then join it. Knows no database, so that every implementation of the log can stand on it.
 *
 * Imports errors and limits. `sqlite-log.ts` calls it.
 */

import { ArtifactStoreError, isStoreError } from '../errors.js';
import { COMMIT_AHEAD_EVENTS_MIN, COMMIT_EVENTS_MAX, COMMIT_SIZE_MAX } from '../limits.js';

/** What one call wants committed, together. */
interface Call<Item, Result> {
  readonly item: Item;
  /** Events in the item, and their bytes. */
  readonly count: number;
  readonly size: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Work that must not run beside a commit. */
interface Exclusive {
  readonly run: () => Promise<void>;
}

/** What carries commits out. */
export interface Committer<Item, Prepared, Result> {
  /**
   * Works out what a part of a commit with these items stores. Items may be prepared more than once, and what was prepared may be left.
   *
   * @param before the part it stands behind, of the same commit or of the one that runs, where there is one
   */
  prepare(items: readonly Item[], before?: Prepared): Prepared;
  /**
   * Stores the parts behind each other, all of them or none, durably; gives one result for each item, in order. One at a time. A part need not stand any more where it
   * was prepared for: the commit before it may have failed.
   */
  commit(parts: readonly Prepared[]): Promise<Result[]>;
  /** What calls behind let end before they go, if it is under way: never rejects. */
  readonly before?: () => Promise<void> | undefined;
}

/** Calls that were prepared together. */
interface Part<Item, Prepared, Result> {
  readonly calls: readonly Call<Item, Result>[];
  readonly isBehind: boolean;
  /** What a commit of them stores; undefined where that could not be worked out, and each has to be tried alone. */
  readonly prepared: Prepared | undefined;
}

/** A commit on its way: what gives the callers their results, once all of it is stored or has failed. Never rejects. */
type Running = Promise<() => void>;

/** Joins calls into commits, one commit at a time. */
export class CommitQueue<Item, Prepared, Result> {
  readonly #committer: Committer<Item, Prepared, Result>;
  readonly #waiting: (Call<Item, Result> | Exclusive)[] = [];
  /** Calls that let those go first. */
  readonly #behind: Call<Item, Result>[] = [];
  /** What they wait for, apart from those. */
  #before: Promise<void> | undefined;
  /** Parts of the next commit that are prepared: one of each sort at most. */
  #ahead: Part<Item, Prepared, Result>[] = [];
  /** Events in the calls that wait. */
  #waitingEvents = 0;
  /** Told of each call, and of the end of a commit. */
  #onNews: () => void = () => undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(committer: Committer<Item, Prepared, Result>) {
    this.#committer = committer;
  }

  /**
   * Commits an item, all of it or nothing, with whatever else is waiting.
   *
   * @param count events in it
   * @param size bytes of them
   * @param behind to let what the committer has under way end first, and to go into a commit with no other such call: for large items that nobody waits for
   * @throws AS_ERR_LIMIT: more events or bytes than one commit may have
   * @throws AS_ERR_CLOSED, and what `commit` throws
   */
  add(item: Item, count: number, size: number, behind = false): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (count > COMMIT_EVENTS_MAX || size > COMMIT_SIZE_MAX) throw tooLarge(count, size);
      const call = { item, count, size, resolve, reject };
      if (behind) this.#enqueueBehind(call);
      else this.#enqueue(call);
    });
  }

  /** Runs `work` alone, behind the calls made before. */
  async exclusively<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      for (const call of this.#behind.splice(0)) this.#enqueue(call);
      this.#enqueue({ run: () => work().then(resolve, reject) });
    });
  }

  /** Refuses new calls, and waits for those before. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== undefined || this.#before !== undefined) await (this.#running ?? this.#before);
  }

  #enqueueBehind(call: Call<Item, Result>): void {
    this.#requireOpen();
    this.#behind.push(call);
    this.#onNews();
    if (this.#mayBehindGo()) this.#start();
  }

  #enqueue(entry: Call<Item, Result> | Exclusive): void {
    this.#requireOpen();
    this.#waiting.push(entry);
    if ('item' in entry) this.#waitingEvents += entry.count;
    this.#onNews();
    this.#start();
  }

  #requireOpen(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The event log has been closed.');
  }

  #start(): void {
    // Starting a microtask later lets calls made together share the first commit too.
    this.#running ??= Promise.resolve().then(() => this.#drain());
  }

  /** Whether the first of the calls behind may be part of the next commit: nothing waits that must be alone, because they would go ahead of it for ever. */
  #mayBehindGo(): boolean {
    return this.#behind.length > 0 && this.#waiting.every(isCall) && this.#isCommitterFree();
  }

  /** Whether the committer has nothing under way for which calls behind wait; when that ends, they go on. */
  #isCommitterFree(): boolean {
    this.#before ??= this.#committer.before?.()?.then(() => {
      this.#before = undefined;
      this.#start();
    });
    return this.#before === undefined;
  }

  async #drain(): Promise<void> {
    let deliver: (() => void) | undefined;
    while (this.#ahead.length > 0 || this.#waiting.length > 0 || this.#mayBehindGo()) {
      const [first] = this.#waiting;
      if (this.#ahead.length === 0 && first !== undefined && 'run' in first) {
        this.#waiting.shift();
        await first.run();
        continue;
      }
      const parts = this.#takeParts();
      const running = this.#commit(parts);
      deliver?.(); // those of the commit before, now that the database has work
      await this.#prepareBeside(running, parts.at(-1)?.prepared);
      deliver = await running;
      if (this.#ahead.length > 0) continue;
      deliver();
      deliver = undefined;
      await Promise.resolve(); // whoever appends again at once shares the next commit
    }
    this.#running = undefined;
  }

  /** The parts of the next commit: those that are prepared, and of whom else may go. */
  #takeParts(): readonly Part<Item, Prepared, Result>[] {
    if (!this.#isAhead(false) && isCall(this.#waiting[0])) this.#prepareAhead(false);
    if (!this.#isAhead(true) && this.#mayBehindGo()) this.#prepareAhead(true);
    return this.#ahead.splice(0);
  }

  /** Prepares parts of the next commit while one runs: one behind, and one of others once so many wait that they need not wait for more. */
  async #prepareBeside(running: Running, before: Prepared | undefined): Promise<void> {
    let isRunning = true;
    running.then(() => {
      isRunning = false;
      this.#onNews();
    });
    let hasBegun = false;
    while (isRunning) {
      const isBehind = this.#whatIsReady();
      if (isBehind === undefined) {
        await new Promise<void>((resolve) => {
          this.#onNews = resolve;
        });
      } else if (hasBegun) {
        this.#prepareAhead(isBehind, before);
      } else {
        await new Promise(setImmediate); // the database is given its work in the turns before
        hasBegun = true;
      }
    }
    this.#holdBack();
  }

  /** Whether what can be prepared ahead is a part behind, or one of others; undefined: neither. */
  #whatIsReady(): boolean | undefined {
    if (!this.#isAhead(true) && this.#mayBehindGo()) return true;
    const areEnough = this.#waitingEvents >= COMMIT_AHEAD_EVENTS_MIN && isCall(this.#waiting[0]);
    return areEnough && !this.#isAhead(false) ? false : undefined;
  }

  /** Takes a part behind that is prepared out of the next commit, where the committer has begun what it waits for; not from before what must be alone, which came later. */
  #holdBack(): void {
    if (this.#isCommitterFree() || !this.#waiting.every(isCall)) return;
    for (const { calls, isBehind } of this.#ahead) if (isBehind) this.#behind.unshift(...calls);
    this.#ahead = this.#ahead.filter(({ isBehind }) => !isBehind);
  }

  #isAhead(isBehind: boolean): boolean {
    return this.#ahead.some((part) => part.isBehind === isBehind);
  }

  /** Prepares a part of the next commit: the first call behind, or those of others that wait. */
  #prepareAhead(isBehind: boolean, before?: Prepared): void {
    const calls = isBehind ? this.#behind.splice(0, 1) : this.#takeFront();
    const items = calls.map(({ item }) => item);
    let prepared: Prepared | undefined;
    try {
      prepared = this.#committer.prepare(items, this.#ahead.at(-1)?.prepared ?? before);
    } catch {
      // Each is tried alone, and told.
    }
    this.#ahead.push({ calls, isBehind, prepared });
  }

  /** As many of the calls at the front as one commit may have. */
  #takeFront(): Call<Item, Result>[] {
    const group: Call<Item, Result>[] = [];
    let count = 0;
    let size = 0;
    for (const entry of this.#waiting) {
      if ('run' in entry || count + entry.count > COMMIT_EVENTS_MAX || size + entry.size > COMMIT_SIZE_MAX) break;
      count += entry.count;
      size += entry.size;
      group.push(entry);
    }
    this.#waiting.splice(0, group.length);
    this.#waitingEvents -= count;
    return group;
  }

  /** Commits parts; if that fails because of one call, each call alone, so that the others succeed. */
  async #commit(parts: readonly Part<Item, Prepared, Result>[]): Running {
    const calls = parts.flatMap((part) => part.calls);
    const prepared = parts.flatMap((part) => (part.prepared === undefined ? [] : [part.prepared]));
    try {
      if (prepared.length < parts.length) return await this.#commitEach(calls);
      const results = await this.#committer.commit(prepared);
      return () => {
        for (const [index, { resolve }] of calls.entries()) resolve(results[index] as Result);
      };
    } catch (error) {
      if (calls.length > 1 && mayBeOneCall(error)) return this.#commitEach(calls);
      return () => {
        for (const call of calls) call.reject(error);
      };
    }
  }

  /** Commits each of the calls alone. */
  async #commitEach(calls: readonly Call<Item, Result>[]): Running {
    const deliveries: (() => void)[] = [];
    for (const { item, resolve, reject } of calls) {
      try {
        const [result] = await this.#committer.commit([this.#committer.prepare([item])]);
        deliveries.push(() => resolve(result as Result));
      } catch (error) {
        deliveries.push(() => reject(error));
      }
    }
    return () => {
      for (const deliver of deliveries) deliver();
    };
  }
}

function isCall(entry: object | undefined): boolean {
  return entry !== undefined && 'item' in entry;
}

/** Whether a failure can come from what one call wants stored; a full disk, a lock or a lost device meets all calls alike. */
function mayBeOneCall(error: unknown): boolean {
  return !isStoreError(error, 'AS_ERR_NO_SPACE', 'AS_ERR_READ_ONLY', 'AS_ERR_STORE_LOCKED', 'AS_ERR_IO');
}

function tooLarge(events: number, size: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_LIMIT',
    `One append of ${events} events with ${size} bytes is more than the ${COMMIT_EVENTS_MAX} events and ${COMMIT_SIZE_MAX} bytes of a commit. Append in several calls.`,
    { events, size, eventsMax: COMMIT_EVENTS_MAX, sizeMax: COMMIT_SIZE_MAX },
  );
}
