/**
 * Timing in interleaved rounds, so that what disturbs the machine disturbs every contender alike. Time is that of the CPU, which on a machine
 * with nothing else to do is that of the wall: what other processes take of a core is not the contender's. For work that computes and waits
 * for nothing. Pure but for the clock. Called by benchmarks.
 */

/** Something to time. */
export interface Timed {
  /** Called before each measurement, not timed. */
  prepare?: () => void;
  run: () => void;
}

export interface RoundOptions {
  rounds: number;
  /** Milliseconds of CPU time of one measurement, about. */
  milliseconds: number;
  /** Told how many measurements are done. */
  onRound?: (done: number) => void;
  signal?: AbortSignal;
}

/** Runs a second of CPU time of each, by contender and round. */
export async function runInterleaved(timed: readonly Timed[], options: RoundOptions): Promise<number[][]> {
  const { rounds, onRound, signal } = options;
  const counts = timed.map((contender) => calibrate(contender, options));
  const speeds: number[][] = timed.map(() => []);
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < timed.length; step++) {
      // A rotating start: nobody always runs behind the same neighbour.
      const index = (round + step) % timed.length;
      speeds[index]?.push(measure(timed[index] as Timed, counts[index] ?? 1));
      onRound?.(++done);
      await new Promise((resolve) => setImmediate(resolve)); // signals and the progress line get their turn
      signal?.throwIfAborted();
    }
  }
  return speeds;
}

/** Measurements before the first that counts: V8 compiles a function in several steps, and only the last one is fast. */
const WARM_UPS = 20;

/** How many runs take about so long; warms up code and caches first, for no longer than will be measured. */
function calibrate(contender: Timed, { milliseconds, rounds }: RoundOptions): number {
  const enough = milliseconds * Math.min(rounds, WARM_UPS);
  for (let spent = 0; spent < enough; ) spent += 1000 / measure(contender, 1);
  for (let count = 1; ; count *= 2) {
    const seconds = count / measure(contender, count);
    if (seconds * 1000 >= milliseconds / 4) return Math.max(1, Math.round((count * milliseconds) / (seconds * 1000)));
  }
}

function measure({ prepare, run }: Timed, count: number): number {
  prepare?.();
  const began = process.cpuUsage();
  for (let n = 0; n < count; n++) run();
  const { user, system } = process.cpuUsage(began);
  return count / (Math.max(user + system, 1) / 1e6);
}

/** Every contender once a round, with a rotating start. */
export async function inTurns<T>(
  contenders: readonly T[],
  rounds: number,
  run: (contender: T, index: number, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < contenders.length; step++) {
      const index = (round + step) % contenders.length;
      await run(contenders[index] as T, index, round);
    }
  }
}

/** The middle value; the mean of the two in the middle of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
