/**
 * Events as they happen, with what came before: a reader says where it stands, is brought up to date, and goes on with what is new.
 *
 * Knows the log by its interface alone, so it is the same over any database. Imports the log's types, errors and limits. The facade calls it.
 *
 * Nothing is kept for a reader: what it has not taken stays in the log and is read when it asks for more. So a slow reader costs no memory, holds
 * nobody up and loses nothing; it is told that it has fallen behind.
 */

import { ArtifactStoreError } from '../errors.js';
import { COMMIT_EVENTS_MAX, SUBSCRIPTION_PAGE_SIZE } from '../limits.js';
import type { EventFilters, StoredEvent } from './log.js';
import type { FollowedLog } from './shared-reads.js';

/** Which events, and from where on. */
export interface SubscribeOptions extends EventFilters {
  /** Seq to start behind; 0: from the first event on. Default: what is newest now. */
  after?: number;
  /** Ends the subscription. */
  signal?: AbortSignal;
  /** A `checkpoint` after so many events of the log, wanted or not; at least 1. Default: none. */
  checkpointEvery?: number;
  /** Look again after so many milliseconds, for a log that another process writes. Default: only when this log has committed. */
  intervalMs?: number;
}

/**
 * What a subscription gives: events in order, and marks between them. Each mark has a `seq`, behind which one can start again without missing
 * or repeating an event.
 *
 * - `caught-up`: everything there was has been given; what follows is new. Comes once at first, and again after each `fell-behind`.
 * - `fell-behind`: the reader was caught up, and now more events wait than one commit can have: `waiting`, those not wanted included.
 * - `checkpoint`: asked for with `checkpointEvery`. It moves on also where a filter lets nothing through.
 */
export type Delivery =
  | { readonly type: 'event'; readonly event: StoredEvent }
  | { readonly type: 'caught-up'; readonly seq: number }
  | { readonly type: 'fell-behind'; readonly seq: number; readonly waiting: number }
  | { readonly type: 'checkpoint'; readonly seq: number };

/**
 * Subscribes to a log. Ends with `signal`, or when the reader breaks out of its loop.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: `after` is not a seq, or `checkpointEvery` not a number from 1 on
 * @throws AS_ERR_CLOSED: the log was closed meanwhile
 * @throws AS_ERR_LOG_DAMAGED, AS_ERR_IO, AS_ERR_SQLITE: as `EventLog.read`
 */
export async function* subscribe(log: FollowedLog, options: SubscribeOptions = {}): AsyncGenerator<Delivery> {
  const { signal, checkpointEvery = Number.POSITIVE_INFINITY, intervalMs, after, ...filters } = options;
  requireInteger('after', after, 0);
  requireInteger('checkpointEvery', options.checkpointEvery, 1);
  const bell = new Bell(log, signal, intervalMs);
  try {
    let seq = after ?? (await log.last());
    let checkpoint = seq + checkpointEvery;
    let caughtUp = false;
    while (signal?.aborted !== true) {
      const rung = bell.next(); // before looking: what is committed after the look rings it
      const last = await log.last();
      if (seq >= last) {
        if (!caughtUp) yield { type: 'caught-up', seq };
        caughtUp = true;
        await rung;
        continue;
      }
      if (caughtUp && last - seq > COMMIT_EVENTS_MAX) {
        caughtUp = false;
        yield { type: 'fell-behind', seq, waiting: last - seq };
      }
      const end = Math.min(last, checkpoint);
      const page = await log.read({ ...filters, after: seq, last: end, limit: SUBSCRIPTION_PAGE_SIZE });
      for (const event of page) {
        if (signal?.aborted) return;
        yield { type: 'event', event };
      }
      seq = page.length < SUBSCRIPTION_PAGE_SIZE ? end : (page.at(-1)?.seq ?? end);
      if (seq < checkpoint) continue;
      yield { type: 'checkpoint', seq };
      checkpoint = seq + checkpointEvery;
    }
  } finally {
    bell.remove();
  }
}

/** The events of a subscription, without its marks. */
export async function* eventsOnly(deliveries: AsyncIterable<Delivery>): AsyncGenerator<StoredEvent> {
  for await (const delivery of deliveries) if (delivery.type === 'event') yield delivery.event;
}

function requireInteger(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `Events cannot be subscribed to: ${name} is ${value}; give a whole number from ${least} on.`,
  );
}

/** Wakes one reader: when the log has committed, when the signal ends it, and at intervals if asked to. */
class Bell {
  readonly #remove: () => void;
  #ring: () => void = () => undefined;

  constructor(
    log: FollowedLog,
    signal: AbortSignal | undefined,
    private readonly intervalMs: number | undefined,
  ) {
    const ring = () => this.#ring();
    const leave = log.onCommit(ring);
    signal?.addEventListener('abort', ring);
    this.#remove = () => {
      leave();
      signal?.removeEventListener('abort', ring);
      ring();
    };
  }

  /** Resolves with the next ring from now on. */
  next(): Promise<void> {
    this.#ring(); // ends the timer of a ring that nobody waited for
    return new Promise((resolve) => {
      const timer = this.intervalMs === undefined ? undefined : setTimeout(resolve, this.intervalMs);
      this.#ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  remove(): void {
    this.#remove();
  }
}
