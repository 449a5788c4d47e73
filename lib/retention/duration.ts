/**
 * Lengths of time as people write them in policies: `30d`, `12h`, `10y`.
 *
 * Pure; imports errors. Policies, locks and the doors read and write lengths here, so that they look the same everywhere. A year is 365 days: a rule
 * must mean the same whichever year it is read in.
 */

const UNITS = { y: 31_536_000_000, w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 } as const;

/** A thousand years: beyond it a number is a slip of the pen, and sums with times would leave the integers that JSON has. */
export const DURATION_MS_MAX = 1000 * UNITS.y;

/** What a length looks like, for messages and schemas. */
export const DURATION_PATTERN = '^\\d{1,10}[ywdhms]$';

/** Milliseconds; undefined for what is no length, or one beyond DURATION_MS_MAX. */
export function readDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,10})([ywdhms])$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  const length = Number(count) * UNITS[unit as keyof typeof UNITS];
  return length <= DURATION_MS_MAX ? length : undefined;
}

/** The length with the largest unit that divides it: `2w`, `36h`; below a second `150ms`, which no policy can say. */
export function formatDuration(length: number): string {
  if (length === 0) return '0s';
  for (const [unit, size] of Object.entries(UNITS)) if (length % size === 0) return `${length / size}${unit}`;
  return `${length}ms`;
}
