/**
 * Puts objects from memory and prints how long that took: this store through openStore(), or cacache. A process of its own, so that its
 * peak memory can be told.
 *
 * Usage: node memory-child.js 'artifactstore putMany'|'artifactstore put'|cacache <folder> <count> <size> <in flight>. Prints one JSON line with `seconds`.
 * Imports the public API, and cacache by way of bench/peers.ts. Started by bench/ingest/memory.ts.
 */

import { randomFillSync } from 'node:crypto';
import { openStore } from '../../lib/index.js';
import { loadPeer } from '../peers.js';

interface Target {
  /** Stores all of them. */
  putAll: (objects: readonly Buffer[]) => Promise<unknown>;
  close: () => Promise<void>;
}

async function openTarget(name: string, folder: string, inFlight: number): Promise<Target> {
  if (name === 'cacache') {
    type Cacache = { default: { put(cache: string, key: string, data: Buffer): Promise<unknown> } };
    const peer = await loadPeer<Cacache>('cacache');
    if (peer === undefined) throw new Error('cacache is not installed');
    const put = (bytes: Buffer, index: number) => peer.module.default.put(folder, String(index), bytes);
    return { putAll: (objects) => putEach(put, objects, inFlight), close: async () => {} };
  }
  const store = await openStore({ path: folder, actor: 'benchmark' });
  const close = () => store.close();
  if (name === 'artifactstore put') {
    return { putAll: (objects) => putEach((bytes) => store.put(bytes), objects, inFlight), close };
  }
  const putAll = async (objects: readonly Buffer[]) => {
    for (const [, error] of (await store.putMany(objects)).errors()) throw error;
  };
  return { putAll, close };
}

/** Puts each by itself, with always `inFlight` of them waiting. */
async function putEach(
  put: (bytes: Buffer, index: number) => Promise<unknown>,
  objects: readonly Buffer[],
  inFlight: number,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < objects.length) {
      const index = next++;
      await put(objects[index] as Buffer, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, objects.length) }, work));
}

const [name = '', folder = '', ...numbers] = process.argv.slice(2);
const [count = 0, size = 0, inFlight = 0] = numbers.map(Number);
const all = randomFillSync(Buffer.allocUnsafe(count * size));
const objects = Array.from({ length: count }, (_, index) => all.subarray(index * size, (index + 1) * size));
const target = await openTarget(name, folder, inFlight);
const began = performance.now();
await target.putAll(objects);
const seconds = (performance.now() - began) / 1000;
await target.close();
console.log(JSON.stringify({ seconds }));
