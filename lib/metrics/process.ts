/**
 * What Prometheus knows of any process, under the names that its client libraries share, and how busy the main thread is.
 *
 * Imports Node and the text format. Called when somebody asks.
 */

import { readdir } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { counter, type Family, gauge } from './exposition.js';

/** How the process is now. Open descriptors are known on Linux alone. */
export async function processFamilies(): Promise<Family[]> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { active } = performance.eventLoopUtilization();
  const descriptors = await readdir('/proc/self/fd').catch(() => undefined);
  return [
    counter('process_cpu_seconds_total', 'Processor time of all threads, user and system.', (user + system) / 1e6),
    gauge('process_resident_memory_bytes', 'Memory that is resident.', rss),
    gauge('process_start_time_seconds', 'When the process began, since 1970 UTC.', performance.timeOrigin / 1000),
    gauge('process_open_fds', 'File descriptors that are open.', descriptors?.length),
    gauge('nodejs_heap_used_bytes', 'Heap of JavaScript in use, main thread.', heapUsed),
    gauge('nodejs_external_memory_bytes', 'Memory outside the heap that JavaScript holds on to.', external),
    counter('nodejs_eventloop_active_seconds_total', 'Time in which the main thread was at work.', active / 1000),
  ];
}
