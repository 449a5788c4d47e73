/**
 * Hands operations to threads: those of the addon for opening, closing and what is about many objects, workers of a pool for all others. To a worker
 * go batches: whatever is queued when it comes free goes down in one call.
 *
 * Operations that end in a sync wait in a line of their own, so that many of them share one durable commit and a read never
 * waits behind a disk flush it has nothing to do with. Those about many objects wait for the disk themselves now and then, so one more of them goes down than there are
 * threads while nothing else waits. Removing many and compacting go on behind all others, on threads that those do not need. The pool is made when it is first needed: many
 * programs only store.
 */

import type { Piscina } from 'piscina';
import { ArtifactStoreError } from '../errors.js';
import { BATCH_BYTES_MAX, BATCH_OPERATIONS_MAX, SHARED_WEIGHT } from '../limits.js';
import { beginSpan, tellSpan } from '../spans.js';
import { BEHIND, isFailure, type NativeFailure, Op, type Operation, type Outcome, STARTED } from './addon.js';
import { loadAddon } from './load.js';

/** An operation that is put together when it is sent, from what has gathered until then. */
export interface LateOperation {
  code: Operation[0];
  build: () => Operation;
}

interface Job {
  operation: Operation | LateOperation;
  /** Bytes the operation will touch. */
  weight: number;
  settle: (outcome: Outcome) => void;
  fail: (error: Error) => void;
}

const SYNCING: ReadonlySet<number> = new Set([
  Op.ingestCommit,
  Op.verifyFinish,
  Op.sessionBegin,
  Op.sessionCheckpoint,
  Op.sessionLook,
  Op.sessionRemove,
  Op.sync,
]);

/** An outcome that was an error; the caller knows what it asked for and words the message. */
export class NativeError extends Error {
  override readonly name = 'NativeError';

  constructor(readonly failure: NativeFailure) {
    super(`${failure.name}: ${failure.detail}`);
  }
}

/** How busy the workers are. */
export interface WorkerLoad {
  /** Workers that there may be, and those at work. */
  workers: number;
  busy: number;
  /** Operations that wait for one: those that end in a sync, and all others. */
  waiting: { syncing: number; quick: number };
}

type Pool = Piscina<Operation[], Outcome[]>;

/** Lines of `Scheduler`, by index. */
type Line = 0 | 1 | 2;
const STARTED_LINE: Line = 2;

function lineOf(code: number): Line {
  if (STARTED.has(code)) return STARTED_LINE;
  return SYNCING.has(code) ? 1 : 0;
}

/** Carries an operation out on a thread of the addon. */
function start(operation: Operation): Promise<Outcome> {
  return new Promise((resolve) => loadAddon().start(operation, resolve));
}

async function makePool(threads: number): Promise<Pool> {
  const { Piscina } = await import('piscina');
  return new Piscina<Operation[], Outcome[]>({
    filename: new URL('../native/worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: threads,
    // A worker costs about 40 ms to start: keep it for as long as the store is open.
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
  });
}

export class Scheduler {
  #pool: Promise<Pool> | undefined;
  readonly #threads: number;
  readonly #lines: [quick: Job[], syncing: Job[], started: Job[]] = [[], [], []];
  #running = 0;
  /** What has been sent down beyond the threads. It counts as running once one has come free. */
  #oneMore: Job | undefined;
  /** Operations that go on behind the others, and the kinds of those at work. */
  readonly #behind: Job[] = [];
  readonly #runningBehind = new Set<number>();
  /** The line that was served last. */
  #turn: Line = 0;
  #scheduled = false;
  #closed = false;
  #drained: (() => void) | undefined;

  /** @param threads that may be at work at once, at least 1 */
  constructor(threads: number) {
    this.#threads = threads;
  }

  /** Whether `close` has been called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How busy the workers are at this moment. */
  get load(): WorkerLoad {
    const [quick, syncing, started] = this.#lines;
    return {
      workers: this.#threads,
      busy: this.#running,
      waiting: {
        syncing: syncing.length + started.length + this.#behind.length + Number(this.#oneMore !== undefined),
        quick: quick.length,
      },
    };
  }

  /**
   * Runs one operation on a worker, together with what else is waiting.
   *
   * @param operation what to do
   * @param weight bytes it will touch; bounds the batch
   * @throws NativeError when the outcome is a failure; AS_ERR_CLOSED
   */
  run<T extends Exclude<Outcome, NativeFailure>>(operation: Operation | LateOperation, weight = 0): Promise<T> {
    if (this.#closed)
      return Promise.reject(new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.'));
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Outcome) => {
        if (isFailure(outcome)) reject(new NativeError(outcome));
        else resolve(outcome as T);
      };
      const code = codeOf({ operation });
      const line = BEHIND.has(code) ? this.#behind : this.#lines[lineOf(code)];
      line.push({ operation, weight, settle, fail: reject });
      this.#schedule();
    });
  }

  /**
   * Refuses further operations, waits for those submitted, runs `last` in order, then ends the workers.
   *
   * @param last asked for when everything else has ended
   */
  async close(last: () => Operation[] = () => []): Promise<void> {
    this.#closed = true;
    if (!this.#idle()) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    for (const operation of last()) {
      if (STARTED.has(operation[0])) await start(operation);
      else await (await this.#workers()).run([operation]);
    }
    await (await this.#pool)?.close();
  }

  #workers(): Promise<Pool> {
    this.#pool ??= makePool(this.#threads);
    return this.#pool;
  }

  #idle(): boolean {
    const isNothingBehind = this.#runningBehind.size === 0 && this.#behind.length === 0;
    return (
      this.#running === 0 &&
      this.#oneMore === undefined &&
      isNothingBehind &&
      this.#lines.every((line) => line.length === 0)
    );
  }

  /** Dispatches after the current code has run, so that what it submits together goes down together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    this.#dispatchBehind();
    while (this.#running < this.#threads) {
      if (this.#oneMore !== undefined) {
        this.#oneMore = undefined;
        this.#running++;
        continue;
      }
      const line = this.#nextLine();
      if (line === undefined) return;
      const batch = line === STARTED_LINE ? this.#lines[line].splice(0, 1) : this.#nextBatch(this.#lines[line]);
      this.#running++;
      void this.#execute(batch).finally(() => {
        this.#running--;
        this.#next();
      });
    }
    this.#dispatchOneMore();
  }

  /** Sends one more operation down. Not one that is put together when it is sent: more of it may gather until then. */
  #dispatchOneMore(): void {
    const [quick, syncing, started] = this.#lines;
    const [job] = started;
    if (this.#oneMore !== undefined || quick.length + syncing.length > 0) return;
    if (job === undefined || !Array.isArray(job.operation)) return;
    started.shift();
    this.#oneMore = job;
    void this.#execute([job]).finally(() => {
      if (this.#oneMore === job) this.#oneMore = undefined;
      else this.#running--;
      this.#next();
    });
  }

  #dispatchBehind(): void {
    for (;;) {
      const index = this.#behind.findIndex((job) => !this.#runningBehind.has(codeOf(job)));
      const [job] = index < 0 ? [] : this.#behind.splice(index, 1);
      if (job === undefined) return;
      this.#runningBehind.add(codeOf(job));
      void this.#execute([job]).finally(() => {
        this.#runningBehind.delete(codeOf(job));
        this.#next();
      });
    }
  }

  #next(): void {
    this.#dispatch();
    if (this.#idle()) this.#drained?.();
  }

  /** The lines take turns; a batch never mixes them. */
  #nextLine(): Line | undefined {
    for (let n = 1; n <= this.#lines.length; n++) {
      const line = ((this.#turn + n) % this.#lines.length) as Line;
      if (this.#lines[line].length === 0) continue;
      this.#turn = line;
      return line;
    }
    return undefined;
  }

  /** What a worker gets of a line. Heavy operations are shared out among those that are free. */
  #nextBatch(line: Job[]): Job[] {
    const share = Math.ceil(line.length / (this.#threads - this.#running));
    let count = 0;
    for (let bytes = 0; count < line.length && count < BATCH_OPERATIONS_MAX; count++) {
      const weight = line[count]?.weight ?? 0;
      bytes += weight;
      if (count > 0 && (bytes > BATCH_BYTES_MAX || (count >= share && weight >= SHARED_WEIGHT))) break;
    }
    return line.splice(0, count);
  }

  async #execute(batch: Job[]): Promise<void> {
    const began = beginSpan();
    try {
      const operations = batch.map(({ operation }) => (Array.isArray(operation) ? operation : operation.build()));
      const [first] = operations as [Operation];
      const outcomes = STARTED.has(first[0]) ? [await start(first)] : await (await this.#workers()).run(operations);
      for (const [index, job] of batch.entries()) job.settle(outcomes[index] as Outcome);
    } catch (error) {
      for (const job of batch) job.fail(error as Error);
    } finally {
      if (began !== undefined) tellSpan('native', nameOf(batch), began);
    }
  }
}

function codeOf({ operation }: Pick<Job, 'operation'>): Operation[0] {
  return Array.isArray(operation) ? operation[0] : operation.code;
}

/** The operations of a batch by name, each kind once. */
function nameOf(batch: readonly Job[]): string {
  const codes = new Set(batch.map(codeOf));
  return [...codes].map((code) => OPERATION_NAMES.get(code) ?? String(code)).join(' ');
}

const OPERATION_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Op).map(([name, code]) => [code, name]));
