/**
 * Writes and syncs as many bytes a second as it is told, as commits do, into a file of its own, on a thread of its own: what the disk does to others then, when it is nobody's sweep that writes.
 *
 * Imports Node's own modules. Started by bench/sweep/watch.ts; told anything, it ends.
 */

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** Bytes between two syncs, about what a block of a sweep commits, and of the file, which is written over again and again. */
const PIECE = 256 * 1024;
const FILE_SIZE = 64 * 1024 * 1024;

const { path, rate } = workerData as { path: string; rate: number };
let done = false;
parentPort?.once('message', () => {
  done = true;
});
const file = openSync(path, 'w');
const piece = Buffer.alloc(PIECE, 1);
const began = performance.now();
for (let written = 0; !done; written += PIECE) {
  writeSync(file, piece, 0, PIECE, written % FILE_SIZE);
  fdatasyncSync(file);
  const early = (written / rate) * 1000 - (performance.now() - began);
  await sleep(Math.max(early, 0));
}
closeSync(file);
