/**
 * Sizes, counts, times and ranges as people read them, the same in every sentence and table. Pure; imports a type. Called by the audit and
 * the command line.
 */

import type { ByteRange } from './dataplane/spi.js';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes with a decimal unit: `512 B`, `1.5 kB`, `4.3 GB`. */
export function formatSize(size: number): string {
  let value = size;
  let unit = 0;
  while (unit < UNITS.length - 1 && Number(value.toFixed(unit === 0 ? 0 : 1)) >= 1000) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A whole number with thousands separated. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-GB');
}

/** Milliseconds since 1970 as `2026-01-31 23:59:59Z`: UTC, so that two machines say the same. */
export function formatTime(time: number): string {
  return new Date(time).toISOString().replace('T', ' ').replace(/\.\d+/, '');
}

/** Byte ranges as the `--range` option takes them: both ends included. */
export function formatRanges(ranges: readonly ByteRange[]): string {
  return ranges.map(({ start, end }) => `${start}-${end - 1}`).join(',');
}
