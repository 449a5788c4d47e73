/**
 * What happened, and what was: the log read, followed and explained, and the registry at a moment of the past.
 *
 * Imports the log's and the registry's interfaces, the audit and errors. One behind each open store and each registry reader; both show its
 * verbs as their own.
 */

import { setMaxListeners } from 'node:events';
import { explain, type FindSubject, findSubject, type Story } from '../audit/explain.js';
import { isStoreError } from '../errors.js';
import type { EventLog, StoredEvent } from '../events/log.js';
import { type Moment, seqAt } from '../events/read-all.js';
import { SharedReads } from '../events/shared-reads.js';
import { type Delivery, eventsOnly, type SubscribeOptions, subscribe } from '../events/subscribe.js';
import { openPastRegistry, type PastRegistry } from '../registry/past-registry.js';
import type { Registry } from '../registry/registry.js';

/** How to follow the log: from where, which events, until when. */
export type FollowOptions = Omit<SubscribeOptions, 'intervalMs' | 'checkpointEvery'>;

/** How to subscribe to the log. */
export type SubscriptionOptions = Omit<SubscribeOptions, 'intervalMs'>;

export interface ExplainOptions {
  /** As the story stood then; default: now. */
  at?: Moment;
}

export interface PastOptions {
  /** Gives up with AS_ERR_ABORTED. */
  signal?: AbortSignal;
}

export class History {
  readonly #log: EventLog;
  readonly #followed: SharedReads;
  readonly #finders: readonly FindSubject[];
  readonly #intervalMs: number | undefined;
  readonly #closing = new AbortController();

  /** @param intervalMs how often to look at a log that another process writes; absent: this one does */
  constructor(log: EventLog, registry: Registry, intervalMs?: number) {
    this.#log = log;
    this.#followed = new SharedReads(log);
    setMaxListeners(0, this.#closing.signal); // one for each subscription, removed with it
    this.#finders = [objectFinder(registry)];
    this.#intervalMs = intervalMs;
  }

  /** As `Store.subscribe`. */
  async *subscribe(options: SubscriptionOptions = {}): AsyncGenerator<Delivery> {
    const ending = new AbortController();
    const end = () => ending.abort();
    const signals = [this.#closing.signal, ...(options.signal ? [options.signal] : [])];
    if (signals.some(({ aborted }) => aborted)) return;
    for (const signal of signals) signal.addEventListener('abort', end);
    try {
      const interval = this.#intervalMs !== undefined && { intervalMs: this.#intervalMs };
      yield* subscribe(this.#followed, { ...options, ...interval, signal: ending.signal });
    } finally {
      for (const signal of signals) signal.removeEventListener('abort', end);
    }
  }

  /** As `Store.follow`. */
  follow(options: FollowOptions = {}): AsyncGenerator<StoredEvent> {
    return eventsOnly(this.subscribe(options));
  }

  /** As `Store.explain`. */
  async explain(name: string, { at }: ExplainOptions = {}): Promise<Story> {
    const last = at === undefined ? await this.#log.last() : await this.seqAt(at);
    return explain(this.#log, name, this.#finders, last);
  }

  /** As `RegistryReader.subjectOf`. */
  subjectOf(name: string): Promise<string | undefined> {
    return findSubject(this.#log, name, this.#finders);
  }

  /** As `Store.at`. */
  async at(moment: Moment, { signal }: PastOptions = {}): Promise<PastRegistry> {
    return openPastRegistry(this.#log, await this.seqAt(moment), signal);
  }

  /** As `Store.seqAt`. */
  seqAt(moment: Moment): Promise<number> {
    return seqAt(this.#log, moment);
  }

  /** Ends every subscription. */
  close(): void {
    this.#closing.abort();
  }
}

/** Objects go by either digest, or an unambiguous prefix of one. */
function objectFinder(registry: Registry): FindSubject {
  return async (name) => {
    try {
      return (await registry.resolve(name)).blake3;
    } catch (error) {
      if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_INVALID_DIGEST')) return undefined;
      throw error;
    }
  };
}
