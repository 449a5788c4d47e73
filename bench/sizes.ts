/** Sizes as people write them. Pure. Called by benchmarks. */

import { UsageError } from './arguments.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB'] as const;

/** `64 B`, `4 KiB`, `1.5 GiB`. */
export function sizeName(size: number): string {
  const power = size === 0 ? 0 : Math.min(Math.floor(Math.log2(size) / 10), UNITS.length - 1);
  const value = size / 1024 ** power;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[power]}`;
}

/**
 * Reads `4096`, `64K`, `64KiB` or `1GiB`: a count of bytes, units of 1024.
 *
 * @throws UsageError: anything else, or nothing
 */
export function readSize(text: string): number {
  const match = /^(\d+)\s*(?:([KMG])(?:i?B)?|B)?$/i.exec(text.trim());
  const size = Number(match?.[1]) * 1024 ** (' KMG'.indexOf((match?.[2] ?? ' ').toUpperCase()) || 0);
  if (match && Number.isSafeInteger(size) && size > 0) return size;
  throw new UsageError(`"${text}" is not a size; write bytes, or a number with K, M or G`);
}
