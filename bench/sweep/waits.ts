/** Who waited from when to when, summed up. Pure. Called by bench/sweep.ts. */

/** From when to when, in milliseconds of `performance.now()`. */
export interface Wait {
  begin: number;
  end: number;
}

/** What others waited for, in milliseconds. */
export interface Waits {
  count: number;
  median: number;
  p99: number;
  max: number;
}

export const lengthOf = ({ begin, end }: Wait): number => end - begin;

/** Waits without the time that lies in `stands`, which do not overlap. */
export function waitsBeside(stands: readonly Wait[], waits: readonly Wait[]): Wait[] {
  return waits.map(({ begin, end }) => {
    const within = stands.map((stand) => Math.max(Math.min(end, stand.end) - Math.max(begin, stand.begin), 0));
    return { begin, end: end - within.reduce((sum, part) => sum + part, 0) };
  });
}

export function waitsOf(waits: readonly Wait[]): Waits {
  const sorted = waits.map(lengthOf).toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? 0;
  return { count: sorted.length, median: at(0.5), p99: at(0.99), max: at(1) };
}

/** The longest waits, the longest first. */
export function longest(waits: readonly Wait[], count: number): Wait[] {
  return waits.toSorted((a, b) => lengthOf(b) - lengthOf(a)).slice(0, count);
}
