/**
 * Watches the device under a folder, on a thread of its own: when it has been given something and has done none of it. What is waited for then is the device, whoever wrote.
 *
 * By the counters of the kernel (Documentation/block/stat.rst), which anybody may read; a stand is from the first look at which nothing had been done to the last, so it is rather too short than too long.
 * Imports Node's own modules. Started by bench/sweep/watch.ts with the path of the counters; told anything, it ends.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** Milliseconds between two looks, and of the shortest stand that is told: a request that is served takes some tenths of one. */
const PAUSE_MS = 3;
const STAND_MS_MIN = 10;
/** Of the counters: requests done, by kind (reads, writes, discards, flushes), and requests that the device has. */
const DONE: readonly number[] = [0, 4, 11, 15];
const IN_FLIGHT = 8;

let ended = false;
parentPort?.once('message', () => {
  ended = true;
});
const file = openSync(workerData as string, 'r');
const text = Buffer.alloc(512);
const counters = new Float64Array(32);
let [before, since, latest] = [-1, 0, 0];
while (!ended) {
  readCounters();
  const now = performance.timeOrigin + performance.now();
  let done = 0;
  for (const index of DONE) done += counters[index] ?? 0;
  if (done === before && (counters[IN_FLIGHT] ?? 0) > 0) latest = now;
  else {
    if (latest - since >= STAND_MS_MIN) parentPort?.postMessage({ begin: since, end: latest });
    [before, since, latest] = [done, now, now];
  }
  await sleep(PAUSE_MS);
}
closeSync(file);

/** Into the same memory each time: this thread must not add to what the benchmark measures. */
function readCounters(): void {
  const length = readSync(file, text, 0, text.length, 0);
  counters.fill(0);
  let index = 0;
  for (let at = 0; at < length; at++) {
    const digit = (text[at] ?? 0) - 0x30;
    if (digit >= 0) counters[index] = (counters[index] ?? 0) * 10 + digit;
    else if (at > 0 && (text[at - 1] ?? 0) >= 0x30) index++;
  }
}
