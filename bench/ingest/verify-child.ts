/**
 * Verifies an object through openStore() again and again and prints how long the last time took: by then threads, caches and compiled code are
 * what they are in a service that has been running.
 *
 * Usage: node verify-child.js <store> <SHA-256, hex> both|blake3. Prints one JSON line with `seconds`.
 * Imports the public API. Started by bench/ingest.ts.
 */

import { openStore } from '../../lib/index.js';

const WARM_UPS = 2;

const [path = '', sha256 = '', digests] = process.argv.slice(2);
const store = await openStore({ path, actor: 'benchmark' });
let seconds = 0;
for (let round = 0; round <= WARM_UPS; round++) {
  const began = performance.now();
  const { status } = await store.verify(`sha256:${sha256}`, { digests: digests === 'blake3' ? 'blake3' : 'both' });
  seconds = (performance.now() - began) / 1000;
  if (status !== 'intact') throw new Error(`the object is ${status}`);
}
await store.close();
console.log(JSON.stringify({ seconds }));
