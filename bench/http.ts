/**
 * The service beside what people use instead: large and small objects out and in, an archive of many files, readers of events, and slow uploads. Clients and servers share
 * the cores of this machine; docs/performance.md says how to read the figures.
 *
 * Uses `artifactstore serve` and HTTP, never what lies below them. Called by bench/http/command.ts.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { measureArchive } from './http/archive.js';
import { judge } from './http/bars.js';
import { measureGet, measureGetSmall } from './http/get.js';
import { loadGenerator } from './http/load.js';
import { measurePut, measurePutSmall } from './http/put.js';
import { measureReaders } from './http/readers.js';
import type { HttpBench, HttpOptions, HttpPart, HttpReport, HttpRow } from './http/shapes.js';
import { measureSlow } from './http/slow.js';
import { describeFileSystem, describeMachine } from './machine.js';

const MEASURES: Readonly<Record<HttpPart, (bench: HttpBench) => Promise<HttpRow[]>>> = {
  get: measureGet,
  'get-small': measureGetSmall,
  put: measurePut,
  'put-small': measurePutSmall,
  archive: measureArchive,
  readers: measureReaders,
  slow: measureSlow,
};

/**
 * Measures what is asked for.
 *
 * @throws Error: this service failed; a peer that fails is in `absent`
 */
export async function measureHttp(options: HttpOptions): Promise<HttpReport> {
  const machine = describeMachine();
  const work = mkdtempSync(join(options.folder, 'artifactstore-bench-'));
  const removeAndEnd = (signal: NodeJS.Signals) => {
    rmSync(work, { recursive: true, force: true }); // it may hold gigabytes
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, removeAndEnd);
  try {
    const absent: string[] = [];
    const generator = await loadGenerator(work);
    if (typeof generator === 'string') absent.push(`small requests: ${generator}`);
    const able = typeof generator === 'string' ? undefined : generator;
    const rows: HttpRow[] = [];
    for (const part of options.parts) {
      const own = join(work, part);
      mkdirSync(own);
      rows.push(...(await MEASURES[part]({ ...options, work: own, generator: able, absent })));
      rmSync(own, { recursive: true });
    }
    return {
      benchmark: 'http',
      machine,
      fileSystem: describeFileSystem(work),
      generator: able?.name ?? 'none',
      rounds: options.rounds,
      size: options.size,
      files: options.files,
      readers: options.readers,
      rows,
      bars: judge(rows),
      absent,
    };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, removeAndEnd);
    rmSync(work, { recursive: true });
  }
}
