/** What runs in a worker thread: one batch of native operations. Started by scheduler.ts through Piscina; keeps no state. */

import type { Operation, Outcome } from './addon.js';
import { loadAddon } from './load.js';

const addon = loadAddon();

export default function runBatch(batch: Operation[]): Outcome[] {
  return addon.run(batch);
}
