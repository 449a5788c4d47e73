/**
 * A store that many histories share, each with names and contents of its own, and what happens to all of it: time passes, plans are made and carried out, it is
 * swept, and it crashes. A history alone costs a fifth of a second, nearly all of it SQLite's; in a hundred side by side, listings, plans, sweeps and commits are everybody's.
 *
 * Made by histories.ts.
 */

import { isStoreError } from '../../lib/errors.js';
import { EVERYWHERE } from '../../lib/retention/policy.js';
import type { Store } from '../../lib/store.js';
import { History, type Planned, POLICY } from './history.js';

/** Steps of every history. */
export const STEPS = 24;
/** Every so many steps some bytes are read; at the end, all. */
const READ_EACH = 4;
const HOUR = 3_600_000;

/** What the runner lends. */
export interface Surroundings {
  /** Passes time, in milliseconds. */
  pass(milliseconds: number): void;
  /** What is left of the store if it ends now, opened. */
  crash(): Promise<Store>;
}

export class World {
  readonly #histories: History[] = [];

  /**
   * @param random decides what happens to the store as a whole, and so is the same for each of its histories
   * @param randomOf decides what the history of a number does
   * @param numbers of the histories
   */
  constructor(
    public store: Store,
    private readonly random: (below: number) => number,
    randomOf: (number: number) => (below: number) => number,
    private readonly numbers: readonly number[],
    private readonly size: number,
    private readonly surroundings: Surroundings,
  ) {
    for (const number of numbers) this.#histories.push(new History(this, `h${number}`, randomOf(number)));
  }

  async run(): Promise<void> {
    // One for all: each thing that a history does asks for all policies there are.
    await this.store.retention.setPolicy(EVERYWHERE, POLICY);
    for (let step = 0; step < STEPS; step++) {
      await this.#step();
      await this.#check(step);
    }
  }

  async #step(): Promise<void> {
    const together = [
      this.#wait,
      this.#wait,
      this.#plan,
      this.#apply,
      this.#apply,
      this.#applyLate,
      this.#sweep,
      this.#crash,
    ];
    // As often as each of the things that a history does by itself, of which there are thirteen.
    const which = this.random(together.length + 13);
    const work = together[which];
    if (work === undefined) await this.#each((history) => history.act());
    else await work.call(this);
  }

  /** Side by side. All end before the first error is thrown, or one would go on in a store that is closed. */
  async #each(work: (history: History) => Promise<void>): Promise<void> {
    const ended = await Promise.allSettled(this.#histories.map(work));
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
  }

  #note(what: string): void {
    for (const history of this.#histories) history.note(what);
  }

  async #check(step: number): Promise<void> {
    const states = new Map<string, string>();
    for (let cursor: string | undefined; ; ) {
      const page = await this.store.list({ limit: 10_000, ...(cursor !== undefined && { cursor }) });
      for (const { blake3, state } of page.objects) states.set(blake3, state);
      cursor = page.cursor;
      if (cursor === undefined) break;
    }
    for (const history of this.#histories) history.checkStates(states);
    const isLast = step === STEPS - 1;
    if (isLast || step % READ_EACH === 0) await this.#each((history) => history.checkBytes(isLast));
  }

  async #wait(): Promise<void> {
    const hours = 1 + this.random(60);
    this.#note(`wait ${hours} h`);
    this.surroundings.pass(hours * HOUR);
  }

  async #planned(): Promise<Planned> {
    const { plan, entries, storedSize } = await this.store.retention.plan();
    const objects: string[] = [];
    const orphans = new Set<string>();
    for await (const { blake3, version } of this.store.retention.plannedObjects({ entries })) {
      objects.push(blake3);
      if (version === undefined) orphans.add(blake3);
    }
    const versions = entries.flatMap(({ version }) => version ?? []);
    const planned = { plan: plan as string, versions, objects, orphans, storedSize };
    for (const history of this.#histories) history.compare(planned);
    return planned;
  }

  async #plan(): Promise<void> {
    this.#note('plan');
    await this.#planned();
  }

  async #apply(): Promise<void> {
    this.#note('plan and apply');
    const planned = await this.#planned();
    const before = (await this.store.usage()).storedSize;
    const report = await this.store.retention.apply(planned.plan);
    if (report.keptCount > 0 || report.objects !== planned.objects.length)
      throw new Error(`a plan of ${planned.objects.length} objects did ${report.objects} and kept ${report.keptCount}`);
    const returned = before - (await this.store.usage()).storedSize;
    if (returned !== planned.storedSize) throw new Error(`announced ${planned.storedSize}, returned ${returned}`);
    for (const history of this.#histories) history.gone(planned);
  }

  /** A history does something between plan and apply: the plan is carried out as it is, or not at all. */
  async #applyLate(): Promise<void> {
    const planned = await this.#planned();
    const late = this.#histories[this.numbers.indexOf(this.random(this.size))];
    late?.note('plan, and before it is applied:');
    const fits = late === undefined || (await late.actLate(planned));
    try {
      await this.store.retention.apply(planned.plan);
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_PLAN')) throw error;
      this.#note('apply: refused');
      if (fits) (late ?? this.#histories[0])?.fail(`a plan was refused that still fitted: ${error.message}`);
      return;
    }
    this.#note('apply');
    if (!fits) late?.fail('a plan was carried out that did not fit any more');
    for (const history of this.#histories) history.gone(planned);
  }

  async #sweep(): Promise<void> {
    this.#note('sweep');
    const isDisturbed = this.random(2) === 0;
    await Promise.all([this.store.sweep(), isDisturbed && this.#each((history) => history.undeleteBeside())]);
    for (const history of this.#histories) history.swept();
  }

  async #crash(): Promise<void> {
    this.#note('crash');
    this.store = await this.surroundings.crash();
  }
}
