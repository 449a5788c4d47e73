/**
 * Giving bytes out into a socket: the core reads, verifies and sends them, and none passes through JavaScript unless the socket is slow to take it.
 *
 * A worker waits for a socket only as long as it takes one that is read quickly to have room again. What it does not take in that time comes as a chunk, for
 * whoever owns the socket to write and to wait for; from then on no worker waits for it until it has been quick again. So slow readers hold no worker, and
 * a slab only while one is at work for them.
 *
 * Imports the backend and limits. Called by index.ts.
 */

import { BATCH_BYTES_MAX, SEND_WAIT_MS } from '../../limits.js';
import type { LocalBackend } from '../backend/local.js';
import type { ByteRange, ContentAddress } from '../spi.js';
import type { Arena } from './arena.js';
import { copy } from './serve.js';

/** Bytes of an object, in pieces or as they are. Numbers say how many bytes have been sent; chunks are for the caller to write before the next is asked for. */
export async function* serveSocket(
  backend: LocalBackend,
  arena: Arena,
  address: ContentAddress,
  socket: number,
  range: ByteRange,
  inPieces = false,
): AsyncGenerator<Uint8Array | number> {
  const sender = await backend.senderBegin(address, socket, range, inPieces);
  try {
    for (let waitMs = SEND_WAIT_MS; ; ) {
      const { sent, rest } = await pump(waitMs);
      if (sent > 0) yield sent;
      if (rest !== undefined) yield rest;
      else if (sent === 0) return;
      waitMs = rest === undefined ? SEND_WAIT_MS : 0;
    }
  } finally {
    await backend.senderClose(sender);
  }

  async function pump(waitMs: number): Promise<{ sent: number; rest: Uint8Array | undefined }> {
    const slab = await arena.acquire();
    try {
      const { sent, skip, left } = await backend.senderPump(sender, address, BATCH_BYTES_MAX, waitMs, slab.bytes);
      return { sent, rest: left > 0 ? copy(slab.bytes, skip, left) : undefined };
    } finally {
      arena.release(slab);
    }
  }
}
