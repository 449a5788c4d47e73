/**
 * Puts objects from memory and prints how long that took: this store through openStore(), or cacache. A process of its own, so that its
 * peak memory can be told.
 *
 * Usage: node memory-child.js artifactstore|cacache <folder> <count> <size> <in flight>. Prints one JSON line with `seconds`.
 * Imports the public API, and cacache by way of bench/peers.ts. Started by bench/ingest/memory.ts.
 */

import { randomFillSync } from 'node:crypto';
import { openStore } from '../../lib/index.js';
import { loadPeer } from '../peers.js';

/** Stores one object. */
type Put = (bytes: Buffer, index: number) => Promise<unknown>;

interface Target {
  put: Put;
  close: () => Promise<void>;
}

async function openTarget(name: string, folder: string): Promise<Target> {
  if (name === 'cacache') {
    type Cacache = { default: { put(cache: string, key: string, data: Buffer): Promise<unknown> } };
    const peer = await loadPeer<Cacache>('cacache');
    if (peer === undefined) throw new Error('cacache is not installed');
    return { put: (bytes, index) => peer.module.default.put(folder, String(index), bytes), close: async () => {} };
  }
  const store = await openStore({ path: folder, actor: 'benchmark' });
  return { put: (bytes) => store.put(bytes), close: () => store.close() };
}

/** Seconds from the first put to the last acknowledgement, with always `inFlight` of them waiting. */
async function putAll(put: Put, objects: readonly Buffer[], inFlight: number): Promise<number> {
  const began = performance.now();
  let next = 0;
  const work = async () => {
    while (next < objects.length) {
      const index = next++;
      await put(objects[index] as Buffer, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, objects.length) }, work));
  return (performance.now() - began) / 1000;
}

const [name = '', folder = '', ...numbers] = process.argv.slice(2);
const [count = 0, size = 0, inFlight = 0] = numbers.map(Number);
const all = randomFillSync(Buffer.allocUnsafe(count * size));
const objects = Array.from({ length: count }, (_, index) => all.subarray(index * size, (index + 1) * size));
const target = await openTarget(name, folder);
const seconds = await putAll(target.put, objects, inFlight);
await target.close();
console.log(JSON.stringify({ seconds }));
