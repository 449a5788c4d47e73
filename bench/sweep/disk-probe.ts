/**
 * Writes a page into a file of its own and syncs it, again and again, on a thread of its own: how long the disk takes for whoever asks nothing else of it.
 *
 * Imports Node's own modules. Started by bench/sweep/watch.ts with the path of the file; told anything, it ends.
 */

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** Milliseconds between two syncs: seldom enough to cost the others nothing. */
const PAUSE_MS = 20;

let done = false;
parentPort?.once('message', () => {
  done = true;
});
const file = openSync(workerData as string, 'w');
const page = Buffer.alloc(4096, 1);
writeSync(file, page, 0, page.length, 0);
while (!done) {
  const begin = performance.timeOrigin + performance.now();
  writeSync(file, page, 0, page.length, 0);
  fdatasyncSync(file);
  parentPort?.postMessage({ begin, end: performance.timeOrigin + performance.now() });
  await sleep(PAUSE_MS);
}
closeSync(file);
