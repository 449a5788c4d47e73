/**
 * Verifying many objects: which of them, in the order in which they were stored, how fast, and how to go on after an interruption.
 *
 * Imports the registry's types, errors, limits and the pacer and its helpers sample.ts and scrub-state.ts. The facade makes it, and gives it the
 * way to verify one object.
 */

import { randomBytes } from 'node:crypto';
import type { VerifyOptions, VerifyResult } from '../dataplane/spi.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { SCRUB_IN_FLIGHT_MAX, SCRUB_PAGE_SIZE } from '../limits.js';
import { Pacer } from '../pacer.js';
import type { Registry, ScannedObject } from '../registry/registry.js';
import { type Sample, SmallestScores, sampleScore } from './sample.js';
import { readScrubState, removeScrubState, type ScrubState, writeScrubState } from './scrub-state.js';

export interface ScrubOptions {
  /** `blake3` leaves SHA-256 unchecked, for a fraction of the work. Default `both`. */
  digests?: 'both' | 'blake3';
  /** Only some of the objects: the same ones for the same seed. Default: all. */
  sample?: Sample;
  /** Any text; random by default. */
  seed?: string;
  /** Only objects that have not been found intact within so many milliseconds. */
  olderThan?: number;
  /** Bytes a second at most, on average, within large objects too. */
  bytesPerSecond?: number;
  /** Goes on with the scrub of this store that was interrupted, as that was asked for; other options but `bytesPerSecond` must be absent. */
  resume?: boolean;
  /** Ends the scrub early, within a large object too; it can be resumed. */
  signal?: AbortSignal;
  actor?: string;
}

/** What became of one object: what was found, or why it could not be verified. */
export type ScrubReport = { object: ScannedObject } & ({ result: VerifyResult } | { error: unknown });

/** What a scrub needs of the store. */
export interface ScrubHost {
  path: string;
  readOnly: boolean;
  registry: Pick<Registry, 'scan'>;
  /** Verifies the objects of a page, each when asked to; undefined for one deleted meanwhile. `end` follows the last. */
  begin(how: VerifyOptions): { verify(object: ScannedObject): Promise<VerifyResult | undefined>; end(): void };
}

/** A verification of many objects, to be iterated once. Reports come in the order in which the objects were first stored. */
export class Scrub implements AsyncIterable<ScrubReport> {
  private constructor(
    private readonly host: ScrubHost,
    private readonly state: ScrubState,
    private readonly options: ScrubOptions,
    private readonly bound: number,
    /** Objects to be verified. */
    readonly count: number,
    /** Their bytes. */
    readonly size: number,
  ) {}

  /** What the choice of a sample depends on; absent when there is none. */
  get seed(): string | undefined {
    return this.state.seed;
  }

  /** When it began, or the one that it resumes; milliseconds since 1970 UTC. */
  get began(): number {
    return this.state.began;
  }

  /**
   * Looks at which objects there are, and chooses.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: options out of range, or nothing to resume
   */
  static async plan(host: ScrubHost, options: ScrubOptions): Promise<Scrub> {
    const state = options.resume ? await resumed(host, options) : begun(options);
    if (options.bytesPerSecond !== undefined && !(options.bytesPerSecond > 0)) {
      throw invalid(`${options.bytesPerSecond} bytes a second would never end; give a rate above 0`);
    }
    const bound = await findBound(host, state, options.signal);
    let [count, size] = [0, 0];
    for await (const page of pages(host, options.signal)) {
      for (const object of page) {
        if (!isChosen(state, options.resume, bound, object)) continue;
        count++;
        size += object.size;
      }
    }
    return new Scrub(host, state, options, bound, count, size);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ScrubReport> {
    const { signal } = this.options;
    if (!this.host.readOnly) await writeScrubState(this.host.path, this.state);
    const stop = new AbortController();
    const either = AbortSignal.any(signal ? [signal, stop.signal] : [stop.signal]);
    yield* inOrder(this.#verifications(either), SCRUB_IN_FLIGHT_MAX, () => stop.abort());
    if (!this.host.readOnly && !signal?.aborted) await removeScrubState(this.host.path);
  }

  /** One verification under way for each object, paced. */
  async *#verifications(signal: AbortSignal): AsyncGenerator<UnderWay> {
    const { bytesPerSecond, resume } = this.options;
    const pacer = bytesPerSecond === undefined ? undefined : new Pacer(bytesPerSecond);
    const how = { digests: this.state.digests, ...(bytesPerSecond && { bytesPerSecond }), signal };
    for (let after = 0; !signal.aborted; ) {
      const session = this.host.begin(how); // before the page is read: what is deleted from here on is noticed
      const reports: Promise<unknown>[] = [];
      try {
        const page = await this.host.registry.scan(after, SCRUB_PAGE_SIZE);
        for (const object of page) {
          if (!isChosen(this.state, resume, this.bound, object)) continue;
          await pacer?.take(object.size, signal);
          if (signal.aborted) return;
          const report = reportOf(object, session.verify(object));
          reports.push(report);
          yield { report };
        }
        if (page.length < SCRUB_PAGE_SIZE) return;
        after = page.at(-1)?.seq ?? after;
      } finally {
        void Promise.all(reports).then(() => session.end());
      }
    }
  }
}

/** Wrapped, because a generator would wait for a promise that it yields. */
interface UnderWay {
  report: Promise<ScrubReport | undefined>;
}

function reportOf(
  object: ScannedObject,
  verifying: Promise<VerifyResult | undefined>,
): Promise<ScrubReport | undefined> {
  return verifying.then(
    (result) => result && { object, result },
    (error: unknown) => (isStoreError(error, 'AS_ERR_ABORTED') ? undefined : { object, error }),
  );
}

/** Reports in the order of the work, each as soon as it and those before it are there; up to `most` under way. `stop` when no more are wanted. */
async function* inOrder(work: AsyncGenerator<UnderWay>, most: number, stop: () => void): AsyncGenerator<ScrubReport> {
  const window: UnderWay['report'][] = [];
  let coming: Promise<IteratorResult<UnderWay>> | undefined;
  let ended = false;
  try {
    for (;;) {
      if (!ended && window.length < most) coming ??= work.next();
      const head = window[0];
      if (coming === undefined && head === undefined) return;
      const first = await Promise.race([
        ...(coming ? [coming.then((next) => ({ next }))] : []),
        ...(head ? [head.then((report) => ({ report }))] : []),
      ]);
      if ('next' in first) {
        coming = undefined;
        if (first.next.done) ended = true;
        else window.push(first.next.value.report);
      } else {
        void window.shift();
        if (first.report) yield first.report;
      }
    }
  } finally {
    stop();
    await coming; // ends at the next object: it is told to by the signal, or by the return below
    await work.return(undefined);
    await Promise.all(window); // what has begun is recorded, whoever listens; but for large objects, which are given up
  }
}

async function* pages(host: ScrubHost, signal: AbortSignal | undefined): AsyncGenerator<ScannedObject[]> {
  for (let after = 0; !signal?.aborted; ) {
    const page = await host.registry.scan(after, SCRUB_PAGE_SIZE);
    yield page;
    if (page.length < SCRUB_PAGE_SIZE) return;
    after = page.at(-1)?.seq ?? after;
  }
}

// ---- which objects ----

/** Whether it is time to verify an object again. What this very scrub has verified before an interruption counts as due. */
function isDue({ began, olderThan }: ScrubState, { verifiedAt }: ScannedObject): boolean {
  if (olderThan === undefined || verifiedAt === undefined) return true;
  return verifiedAt <= began - olderThan || verifiedAt >= began;
}

function isChosen(state: ScrubState, resume: boolean | undefined, bound: number, object: ScannedObject): boolean {
  if (resume && (object.verifiedAt ?? 0) >= state.began) return false;
  return isDue(state, object) && (state.sample === undefined || sampleScore(state.seed ?? '', object.blake3) <= bound);
}

/** What the score of an object in the sample is at most. */
async function findBound(host: ScrubHost, state: ScrubState, signal: AbortSignal | undefined): Promise<number> {
  const { sample, seed = '' } = state;
  if (sample === undefined) return 1;
  if ('share' in sample) return sample.share;
  const smallest = new SmallestScores(sample.count);
  for await (const page of pages(host, signal)) {
    for (const object of page) if (isDue(state, object)) smallest.add(sampleScore(seed, object.blake3));
  }
  return smallest.bound;
}

function begun(options: ScrubOptions): ScrubState {
  const { sample, olderThan, digests = 'both' } = options;
  if (sample && 'share' in sample && !(sample.share > 0 && sample.share <= 1)) {
    throw invalid(`a sample of ${sample.share * 100}% is none; give more than 0% and at most 100%`);
  }
  if (sample && 'count' in sample && !(Number.isSafeInteger(sample.count) && sample.count >= 1)) {
    throw invalid(`a sample of ${sample.count} objects is none; give a whole number of at least 1`);
  }
  if (olderThan !== undefined && !(olderThan >= 0)) throw invalid(`${olderThan} ms is not an age; give 0 or more`);
  if (options.seed !== undefined && sample === undefined) throw invalid('a seed was given but no sample; give both');
  const seed = sample && (options.seed ?? randomBytes(4).toString('hex'));
  return {
    version: 1,
    began: Date.now(),
    digests,
    ...(sample && { sample }),
    ...(seed !== undefined && { seed }),
    ...(olderThan !== undefined && { olderThan }),
  };
}

async function resumed(host: ScrubHost, { digests, sample, seed, olderThan }: ScrubOptions): Promise<ScrubState> {
  if (digests ?? sample ?? seed ?? olderThan) {
    throw invalid('one that is resumed goes on as it was begun; leave out which digests, sample, seed and age');
  }
  if (host.readOnly) throw invalid('a store opened read-only remembers nothing to resume; open it for writing');
  const state = await readScrubState(host.path);
  if (state === undefined) throw invalid('none was interrupted; begin one without resuming');
  return state;
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `The objects cannot be verified so: ${what}.`);
}
