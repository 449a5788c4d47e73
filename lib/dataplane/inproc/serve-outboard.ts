/**
 * Giving out what proves an object's bytes: the nodes of its tree, read and checked by the core.
 *
 * Imports the backend and the arena. Called by index.ts.
 */

import type { LocalBackend } from '../backend/local.js';
import type { ByteRange, ContentAddress } from '../spi.js';
import type { Arena } from './arena.js';

/** The nodes that prove an object, or one range of it, in pre-order. */
export async function* serveOutboard(
  backend: LocalBackend,
  arena: Arena,
  address: ContentAddress,
  range?: ByteRange,
): AsyncGenerator<Uint8Array> {
  let next = 0;
  do {
    const slab = await arena.acquire();
    let nodes: Uint8Array;
    try {
      const step = await backend.readNodes(address, range, next, slab.bytes);
      nodes = new Uint8Array(slab.bytes.subarray(0, step.size));
      next = step.next;
    } finally {
      arena.release(slab);
    }
    if (nodes.byteLength > 0) yield nodes;
  } while (next > 0);
}
