/**
 * What is measured of a store whose bytes are in a daemon, and of one that has them itself: the same calls of the library.
 *
 * Imports the public API. Called by bench/remote.ts.
 */

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Store } from '../../lib/index.js';

export const SMALL_SIZE = 4096;

/** Objects that are asked for at once. */
const AT_ONCE = 64;

/** What the works are about. */
export interface Subject {
  store: Store;
  /** The large object as a file, and its bytes. */
  file: string;
  size: number;
  /** Small objects that nobody has stored. */
  objects: readonly Uint8Array[];
}

/** Work, how it is counted, and what goes before it unmeasured. */
export interface Work {
  title: string;
  unit: 'MB/s' | 'objects/s';
  prepare?: (subject: Subject) => Promise<string[]>;
  run: (subject: Subject, prepared: readonly string[]) => Promise<unknown>;
}

/** New small objects of which nobody knows the digests. */
export function smallObjects(count: number): Uint8Array[] {
  const seed = randomBytes(SMALL_SIZE);
  return Array.from({ length: count }, (_, n) => {
    const bytes = Uint8Array.from(seed);
    new DataView(bytes.buffer).setUint32(0, n);
    return bytes;
  });
}

export const WORKS = {
  'put-file': {
    title: 'a large local file in',
    unit: 'MB/s',
    run: ({ store, file }) => store.put({ path: file }),
  },
  'put-stream': {
    title: 'a large stream in',
    unit: 'MB/s',
    run: ({ store, file }) => store.put(createReadStream(file, { highWaterMark: 1024 * 1024 })),
  },
  get: {
    title: 'a large object out, verified',
    unit: 'MB/s',
    prepare: async ({ store, file }) => [(await store.put({ path: file })).blake3],
    run: ({ store }, [digest = '']) => readAll(store, digest),
  },
  'put-small': {
    title: 'objects of 4 KiB in, each put by itself, all at once',
    unit: 'objects/s',
    run: ({ store, objects }) => Promise.all(objects.map((bytes) => store.put(bytes))),
  },
  'put-many': {
    title: 'objects of 4 KiB in, putMany',
    unit: 'objects/s',
    run: ({ store, objects }) => store.putMany(objects),
  },
  'get-small': {
    title: `objects of 4 KiB out, ${AT_ONCE} at once`,
    unit: 'objects/s',
    prepare: async ({ store, objects }) =>
      Array.from(await store.putMany(objects), (one) => ('blake3' in one ? one.blake3 : '')),
    run: ({ store }, digests) => readEach(store, digests),
  },
} as const satisfies Record<string, Work>;

async function readAll(store: Store, digest: string): Promise<number> {
  let size = 0;
  for await (const chunk of await store.get(digest)) size += chunk.byteLength;
  return size;
}

async function readEach(store: Store, digests: readonly string[]): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < digests.length) await readAll(store, digests[next++] as string);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}
