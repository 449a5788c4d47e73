/**
 * What is asked of a log that is there: a rebuild of its views, or the questions of a registry. A process of its own, as a user's is, so that nothing of what filled the log is in
 * its memory or its pauses.
 *
 * Usage: node log-child.js rebuild|questions <events.sqlite> <digests>, the last a file of pairs of digests, 64 bytes each. Prints one JSON line.
 * Imports the log and the registry. Started by bench/events.ts.
 */

import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers';
import { openEventLog, type SqliteEventLog } from '../../lib/events/sqlite-log.js';
import { formatBlake3, formatSha256, toHex } from '../../lib/index.js';
import { fillRecords, rowPacking } from '../../lib/records.js';
import { createRegistry } from '../../lib/registry/sqlite-registry.js';
import { registryViews } from '../../lib/registry/views.js';

/** Milliseconds that a question took. */
export interface Latency {
  question: string;
  p50: number;
  p99: number;
}

/** Events a second, CPU time, and bytes of memory that the process took at most beyond what it had before. */
export interface Rebuild {
  rate: number;
  cpuMicros: number;
  peakMemory: number;
}

const QUESTIONS_ASKED = 1000;
const DIGEST_SIZE = 32;

async function measureRebuild(log: SqliteEventLog): Promise<Rebuild> {
  const events = await log.last();
  const before = process.memoryUsage.rss();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  const cpu = process.cpuUsage();
  const began = performance.now();
  await log.rebuild();
  const rate = (events * 1000) / (performance.now() - began);
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(watch);
  return { rate, cpuMicros: (user + system) / events, peakMemory: peak - before };
}

/** @param digests BLAKE3 and SHA-256 of objects all over the log, in pairs */
async function measureQuestions(log: SqliteEventLog, digests: Buffer): Promise<Latency[]> {
  const registry = createRegistry(log.reader);
  const count = digests.byteLength / (2 * DIGEST_SIZE);
  const part = (n: number, which: 0 | 1) => {
    const at = (((n * 7919) % count) * 2 + which) * DIGEST_SIZE;
    return digests.subarray(at, at + DIGEST_SIZE);
  };
  const cursor = (n: number) => part(n, 0).toString('base64url');
  const ask: { readonly [question: string]: (n: number) => Promise<unknown> } = {
    'list, 100 a page': (n) => registry.list({ cursor: cursor(n), limit: 100 }),
    'list, 1,000 a page': (n) => registry.list({ cursor: cursor(n), limit: 1000 }),
    stat: (n) => registry.stat(formatBlake3(part(n, 0))),
    resolve: (n) => registry.resolve(n % 2 === 0 ? formatSha256(part(n, 1)) : toHex(part(n, 0)).slice(0, 16)),
  };
  const latencies: Latency[] = [];
  for (const [question, answer] of Object.entries(ask)) {
    const times: number[] = [];
    for (let n = 0; n < QUESTIONS_ASKED; n++) {
      const began = performance.now();
      await answer(n);
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
    latencies.push({ question, p50: at(0.5), p99: at(0.99) });
  }
  return latencies;
}

const [what = '', path = '', digests = ''] = process.argv.slice(2);
const log = await openEventLog({ path, views: registryViews, fillRecords, rowPacking });
const found = what === 'rebuild' ? await measureRebuild(log) : await measureQuestions(log, readFileSync(digests));
await log.close();
console.log(JSON.stringify(found));
