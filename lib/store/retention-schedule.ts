/**
 * Retention by itself, in a service: every so often, within a window of the day, a plan is made and carried out, and what is due is swept.
 *
 * Imports errors, limits and the pacer's clock. `artifactstore serve` starts one where its configuration says so.
 *
 * It does what a person would do with `retention plan`, `retention apply` and `sweep`, and leaves the same events. When the window closes or the service stops it
 * ends between two blocks; the next run goes on. One that fails is reported, and the next one tries again.
 */

import { isStoreError } from '../errors.js';
import { type Clock, Pacer } from '../pacer.js';
import type { SweepOptions, SweepReport } from './lifecycle.js';
import type { Retention } from './retention.js';

/** What it works on. */
export interface ScheduledStore {
  readonly retention: Pick<Retention, 'status' | 'plan' | 'apply'>;
  sweep(options: SweepOptions): Promise<SweepReport>;
}

export interface ScheduleOptions {
  /** Minutes between the beginnings of two runs. */
  everyMinutes: number;
  /** `22:00-05:30`, in UTC; absent: any time. */
  window?: string;
  /** Objects a second. */
  throttle: number;
  /** Told what a run did, when it did something. */
  onRun?: (run: ScheduledRun) => void;
  /** Told what made a run fail. */
  onError?: (error: unknown) => void;
  clock?: Clock & { time(): number };
}

/** What one run did. */
export interface ScheduledRun {
  /** Plans that were carried out. */
  plans: string[];
  versions: number;
  objects: number;
  /** Objects whose bytes were removed. */
  swept: number;
  freedSize: number;
}

/** Who acts, in events. */
export const SCHEDULE_ACTOR = 'service:retention';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
/** How long a pause in the sweep is looked at: short enough to end with the window, long enough to sweep a block. */
const SLICE_SECONDS = 1;

const systemClock: NonNullable<ScheduleOptions['clock']> = {
  now: () => performance.now(),
  time: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      timer.unref(); // a service that has nothing else to wait for may end
      signal?.addEventListener('abort', done, { once: true });
      function done() {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      }
      if (signal?.aborted) done();
    }),
};

/** Minutes of the day from and to which retention may run. */
interface Window {
  from: number;
  to: number;
}

/** Reads `22:00-05:30`. */
export function parseWindow(text: string): Window {
  const [from = 0, to = 0] = text.split('-').map((time) => {
    const [hours, minutes] = time.split(':').map(Number);
    return Number(hours) * 60 + Number(minutes);
  });
  return { from, to };
}

/** Milliseconds until a window is open: 0 while it is. One that ends where it begins is open all day. */
export function untilOpen({ from, to }: Window, time: number): number {
  const minute = (time / MINUTE_MS) % DAY_MINUTES;
  const isOpen = from === to || (from < to ? minute >= from && minute < to : minute >= from || minute < to);
  return isOpen ? 0 : Math.ceil(((from - minute + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS);
}

/** Milliseconds until an open window closes; infinite where it never does. */
export function untilClosed({ from, to }: Window, time: number): number {
  if (from === to) return Number.POSITIVE_INFINITY;
  const minute = (time / MINUTE_MS) % DAY_MINUTES;
  return Math.ceil(((to - minute + DAY_MINUTES) % DAY_MINUTES) * MINUTE_MS);
}

export class RetentionSchedule {
  readonly #store: ScheduledStore;
  readonly #options: ScheduleOptions;
  readonly #clock: NonNullable<ScheduleOptions['clock']>;
  readonly #window: Window;
  readonly #ending = new AbortController();
  readonly #running: Promise<void>;

  /** Starts at once. */
  constructor(store: ScheduledStore, options: ScheduleOptions) {
    this.#store = store;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#window = options.window === undefined ? { from: 0, to: 0 } : parseWindow(options.window);
    this.#running = this.#loop();
  }

  /** Ends what is under way between two blocks, and waits for it. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    const { signal } = this.#ending;
    const { everyMinutes, onRun, onError } = this.#options;
    while (!signal.aborted) {
      await this.#clock.sleep(untilOpen(this.#window, this.#clock.time()), signal);
      if (signal.aborted) return;
      const began = this.#clock.now();
      try {
        const run = await this.#run(signal);
        if (run.plans.length > 0 || run.swept > 0) onRun?.(run);
      } catch (error) {
        if (!signal.aborted) onError?.(error);
      }
      await this.#clock.sleep(Math.max(0, began + everyMinutes * MINUTE_MS - this.#clock.now()), signal);
    }
  }

  /** One run, ended when the window closes. */
  async #run(ended: AbortSignal): Promise<ScheduledRun> {
    const closing = new AbortController();
    const end = () => closing.abort();
    ended.addEventListener('abort', end);
    if (ended.aborted) end();
    const over = new AbortController();
    const length = untilClosed(this.#window, this.#clock.time());
    if (Number.isFinite(length)) void this.#clock.sleep(length, over.signal).then(end);
    const run: ScheduledRun = { plans: [], versions: 0, objects: 0, swept: 0, freedSize: 0 };
    try {
      await this.#carryOut(run, closing.signal);
      await this.#sweep(run, closing.signal);
      return run;
    } finally {
      over.abort();
      ended.removeEventListener('abort', end);
    }
  }

  /** Goes on with plans that were begun, then makes one, if anything goes, and carries it out. */
  async #carryOut(run: ScheduledRun, signal: AbortSignal): Promise<void> {
    const { retention } = this.#store;
    for (const { plan } of (await retention.status()).unfinished) await this.#apply(plan, run, signal);
    if (signal.aborted) return;
    const looked = await retention.plan({ record: false });
    if (looked.versions + looked.objects === 0 || signal.aborted) return;
    const { plan } = await retention.plan({ actor: SCHEDULE_ACTOR });
    if (plan !== undefined) await this.#apply(plan, run, signal);
  }

  async #apply(plan: string, run: ScheduledRun, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { throttle } = this.#options;
    try {
      const { versions, objects } = await this.#store.retention.apply(plan, {
        actor: SCHEDULE_ACTOR,
        throttle,
        signal,
      });
      run.plans.push(plan);
      run.versions += versions;
      run.objects += objects;
    } catch (error) {
      // Something has changed between planning and carrying out: the next run plans anew.
      if (!isStoreError(error, 'AS_ERR_PLAN')) throw error;
    }
  }

  /** Sweeps what is due, slice by slice. */
  async #sweep(run: ScheduledRun, signal: AbortSignal): Promise<void> {
    const { throttle } = this.#options;
    const limit = Math.max(1, throttle * SLICE_SECONDS);
    const pacer = new Pacer(throttle, this.#clock);
    while (!signal.aborted) {
      await pacer.take(limit, signal);
      if (signal.aborted) return;
      const { objects, freedSize } = await this.#store.sweep({ actor: SCHEDULE_ACTOR, limit, signal });
      run.swept += objects;
      run.freedSize += freedSize;
      if (objects < limit) return;
    }
  }
}
