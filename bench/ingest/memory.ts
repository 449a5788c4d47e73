/**
 * Objects from memory through openStore(), durable when put() resolves, with many waiting at once; cacache beside it, which syncs nothing.
 *
 * Imports bench modules only. Called by bench/ingest.ts.
 */

import { join } from 'node:path';
import { resolvePeer } from '../peers.js';
import { runProgram } from '../programs.js';
import type { Durable } from './peers.js';

/** Puts that wait at once: as many requests as a busy service has, and enough for commits to be shared. */
export const IN_FLIGHT = 1024;

/** Bytes of all objects of one run, at most: they are made in memory first. */
const TOTAL_SIZE_MAX = 256 * 1024 * 1024;

export const MEMORY_SIZES = [64, 1024, 4096, 64 * 1024] as const;

export interface MemoryContender {
  /** `put` with many waiting, or all objects in one `putMany`. */
  name: 'artifactstore put' | 'artifactstore putMany' | 'cacache';
  durable: Durable;
}

export function memoryContenders(): MemoryContender[] {
  const ours: MemoryContender[] = [
    { name: 'artifactstore putMany', durable: 'yes' },
    { name: 'artifactstore put', durable: 'yes' },
  ];
  return resolvePeer('cacache') === undefined ? ours : [...ours, { name: 'cacache', durable: 'no' }];
}

/** How many objects of a size are put when 4 KiB ones are `count`. */
export function memoryCount(count: number, size: number): number {
  return Math.max(1, Math.min(count, Math.floor(TOTAL_SIZE_MAX / size)));
}

/** One run in a process of its own; the seconds are those of the puts alone. */
export async function putFromMemory(
  { name }: MemoryContender,
  home: string,
  count: number,
  size: number,
): Promise<{ seconds: number; peakMemory?: number }> {
  const child = join(import.meta.dirname, 'memory-child.js');
  const args = [child, name, join(home, 'store'), ...[count, size, IN_FLIGHT].map(String)];
  const { stdout, peakMemory } = await runProgram({ command: process.execPath, args });
  const { seconds } = JSON.parse(stdout) as { seconds: number };
  return { seconds, ...(peakMemory !== undefined && { peakMemory }) };
}
