/**
 * Group commit: calls that come while a commit runs wait, and the next commit takes them all. Where many wait, the next commit is prepared while
 * the one before runs, so that the database never waits for this thread. Calls that say so go behind the others, one to a commit; the first of them is prepared while a commit
 * runs behind which nobody else seems to come. Knows no database, so that every implementation of the log can stand on it.
 *
 * Imports errors and limits. `sqlite-log.ts` calls it.
 */

import { ArtifactStoreError, isStoreError } from '../errors.js';
import {
  COMMIT_AHEAD_EVENTS_MIN,
  COMMIT_EVENTS_MAX,
  COMMIT_SIZE_MAX,
  COMMITS_ALONE_MIN,
  COMMITS_BEFORE_BEHIND_MAX,
} from '../limits.js';

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
   * Works out what a commit of these items stores. Items may be prepared more than once, and what was prepared may be left.
   *
   * @param before what is being committed, where something is
   */
  prepare(items: readonly Item[], before?: Prepared): Prepared;
  /** Stores what was prepared, all or none of it, durably, also when the commit before it failed; gives one result for each item, in order. One at a time. */
  commit(prepared: Prepared): Promise<Result[]>;
  /** What calls behind let end before they go, if it is under way: never rejects. */
  readonly before?: () => Promise<void> | undefined;
}

/** Calls that are committed together. */
interface Group<Item, Prepared, Result> {
  readonly calls: readonly Call<Item, Result>[];
  readonly isBehind: boolean;
  /** What a commit of them stores; undefined where it could not be prepared. */
  readonly prepared: Prepared | undefined;
  readonly start: () => Running;
}

/** A group on its way: what gives the callers their results, once all of it is stored or has failed. */
type Running = Promise<() => void>;

/** Joins calls into commits, one commit at a time. */
export class CommitQueue<Item, Prepared, Result> {
  readonly #committer: Committer<Item, Prepared, Result>;
  readonly #waiting: (Call<Item, Result> | Exclusive)[] = [];
  /** Calls that let those go first. */
  readonly #behind: Call<Item, Result>[] = [];
  /** The first of them, as it was prepared behind the commit that runs or was the last. */
  #ahead: Group<Item, Prepared, Result> | undefined;
  /** What they wait for, apart from those. */
  #before: Promise<void> | undefined;
  /** Commits of others that the first of them has let go first. */
  #commitsBeforeBehind = 0;
  /** Commits of theirs since one of others. */
  #commitsOfBehind = 0;
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
   * @param behind to let calls that come later go first, COMMITS_BEFORE_BEHIND_MAX commits of them at most, and what the committer has under way, and to share its
   *   commit with none: for large items that nobody waits for
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
      this.#ahead = undefined;
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

  /** Whether there are calls behind that wait for nothing but their turn. */
  #mayBehindGo(): boolean {
    return this.#behind.length > 0 && this.#isCommitterFree();
  }

  /** Whether the committer has nothing under way for which calls behind wait; when that ends, they go on. */
  #isCommitterFree(): boolean {
    this.#before ??= this.#committer.before?.()?.then(() => {
      this.#before = undefined;
      this.#start();
    });
    return this.#before === undefined;
  }

  /** Whether the first of the calls behind goes next: nobody else waits, or it has let enough go first. */
  #isTurnOfBehind(): boolean {
    const goesFirst = this.#waiting.length === 0 || this.#commitsBeforeBehind >= COMMITS_BEFORE_BEHIND_MAX;
    return goesFirst && this.#mayBehindGo();
  }

  async #drain(): Promise<void> {
    let next: Group<Item, Prepared, Result> | undefined;
    let deliver: (() => void) | undefined;
    while (next !== undefined || this.#waiting.length > 0 || this.#mayBehindGo()) {
      const [first] = this.#waiting;
      if (next === undefined && first !== undefined && 'run' in first) {
        this.#waiting.shift();
        await first.run();
        continue;
      }
      const group = next ?? this.#takeNext();
      const running = this.#begin(group);
      deliver?.(); // those of the commit before, now that the database has work
      next = await this.#prepareBeside(group, running);
      deliver = await running;
      if (next !== undefined || (this.#ahead !== undefined && this.#isTurnOfBehind())) continue;
      deliver();
      deliver = undefined;
      await Promise.resolve(); // whoever appends again at once shares the next commit
    }
    this.#running = undefined;
  }

  #begin(group: Group<Item, Prepared, Result>): Running {
    if (!group.isBehind) this.#ahead = undefined; // it would stand behind this one
    this.#commitsOfBehind = group.isBehind ? this.#commitsOfBehind + 1 : 0;
    return group.start();
  }

  /**
   * Prepares what goes behind a group while that is stored: the first of the calls behind, if nobody else seems to come; and others once so many wait that they need not wait
   * for more. Gives those, or undefined where the group was stored before they came.
   */
  async #prepareBeside(
    group: Group<Item, Prepared, Result>,
    running: Running,
  ): Promise<Group<Item, Prepared, Result> | undefined> {
    let isRunning = true;
    running.then(() => {
      isRunning = false;
      this.#onNews();
    });
    let hasBegun = false;
    while (isRunning) {
      const areEnough = this.#waitingEvents >= COMMIT_AHEAD_EVENTS_MIN && isCall(this.#waiting[0]);
      const isTurnOfBehind = this.#ahead === undefined && this.#isBehindLikelyNext(group) && this.#mayBehindGo();
      if (!areEnough && !isTurnOfBehind) {
        await new Promise<void>((resolve) => {
          this.#onNews = resolve;
        });
      } else if (!hasBegun) {
        await new Promise(setImmediate); // the database is given its work in the turns before
        hasBegun = true;
      } else if (areEnough) {
        return this.#takeNext(group.prepared);
      } else {
        this.#ahead = this.#prepare(this.#behind.slice(0, 1), true, group.prepared);
      }
    }
    return undefined;
  }

  /** Whether nobody seems to come before the calls behind: others wait for each other, and of several commits of those behind they would have joined one. */
  #isBehindLikelyNext({ isBehind }: Group<Item, Prepared, Result>): boolean {
    return this.#waiting.length === 0 && (!isBehind || this.#commitsOfBehind >= COMMITS_ALONE_MIN);
  }

  /** Prepares a commit of the calls whose turn it is, where it has not been. */
  #takeNext(before?: Prepared): Group<Item, Prepared, Result> {
    if (this.#isTurnOfBehind()) {
      this.#commitsBeforeBehind = 0;
      const calls = this.#behind.splice(0, 1);
      const ahead = this.#ahead;
      this.#ahead = undefined;
      return ahead ?? this.#prepare(calls, true, before);
    }
    if (this.#mayBehindGo()) this.#commitsBeforeBehind++;
    return this.#prepare(this.#takeFront(), false, before);
  }

  #prepare(
    calls: readonly Call<Item, Result>[],
    isBehind: boolean,
    before: Prepared | undefined,
  ): Group<Item, Prepared, Result> {
    try {
      const items = calls.map(({ item }) => item);
      const prepared = this.#committer.prepare(items, before);
      return { calls, isBehind, prepared, start: () => this.#commit(calls, () => this.#committer.commit(prepared)) };
    } catch (error) {
      return { calls, isBehind, prepared: undefined, start: () => this.#commit(calls, () => Promise.reject(error)) };
    }
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

  /** Commits a group; if that fails because of one call, each call alone, so that the others succeed. Never rejects. */
  async #commit(group: readonly Call<Item, Result>[], commit: () => Promise<Result[]>): Running {
    try {
      const results = await commit();
      return () => {
        for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
      };
    } catch (error) {
      if (group.length === 1 || !mayBeOneCall(error)) {
        return () => {
          for (const call of group) call.reject(error);
        };
      }
    }
    const deliveries: (() => void)[] = [];
    for (const call of group) {
      deliveries.push(
        await this.#commit([call], async () => this.#committer.commit(this.#committer.prepare([call.item]))),
      );
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
