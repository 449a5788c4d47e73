/**
 * Taking bytes in from a socket: the core receives, hashes and stores them, and none passes through JavaScript. The mirror of serve-socket.ts.
 *
 * A worker waits for a socket only as long as one that sends quickly takes to send more; from then on no worker waits for it until it has been quick again,
 * and it is looked at less and less often. So slow senders hold no worker, and no slab.
 *
 * Imports the backend, limits and the contract. Called by ingest.ts.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  BATCH_BYTES_MAX,
  RECEIVE_PIECES_QUICK_SIZE,
  RECEIVE_QUICK_SIZE,
  RECEIVE_WAIT_MS,
  RECEIVERS_MAX,
} from '../../limits.js';
import type { Handle } from '../../native/addon.js';
import type { LocalBackend } from '../backend/local.js';
import { pauseAfter } from '../receive-pause.js';
import type { GivenSocket } from '../spi.js';
import type { SlowSenders } from './slow-senders.js';

/** What the bytes go into. */
export interface Receiving {
  /** Takes what had come before. */
  write(chunk: Uint8Array): Promise<void>;
  /** The ingest, once the core has all that was written. */
  begun(): Promise<Handle>;
}

/** Sockets that are being received from. */
let receiving = 0;

/**
 * Has an ingest take all that is left to come.
 *
 * @throws AS_ERR_ABORTED: the connection ended before that; what `took` and `ended` throw; AS_ERR_NO_SPACE, AS_ERR_IO
 */
export async function receive(
  backend: LocalBackend,
  slow: SlowSenders,
  into: Receiving,
  given: GivenSocket,
): Promise<void> {
  receiving++;
  try {
    if (given.size === 'pieces') await receivePieces(backend, into, given);
    else await receiveSize(backend, slow, into, given, given.size);
  } finally {
    receiving--;
  }
}

/** So many bytes as they are. */
async function receiveSize(
  backend: LocalBackend,
  slow: SlowSenders,
  into: Receiving,
  given: GivenSocket,
  size: number,
): Promise<void> {
  // Kept before anything is waited for: the descriptor of a socket that closes may be another's at any time.
  const socket = backend.keepSocket(given.descriptor);
  try {
    const ingest = await begin(backend, into, given);
    const took = (taken: number) => given.took(taken);
    for (let [left, waitMs] = [size, receiving > RECEIVERS_MAX ? 0 : RECEIVE_WAIT_MS]; left > 0; ) {
      const taken = await backend.ingestReceive(ingest, socket, Math.min(left, BATCH_BYTES_MAX), waitMs);
      left -= taken;
      took(taken);
      const isQuick = taken >= RECEIVE_QUICK_SIZE;
      waitMs = isQuick ? RECEIVE_WAIT_MS : 0;
      if (!isQuick && left > 0) left = await slow.receive({ ingest, socket, left, took });
    }
    if (size === 0) given.took(0);
  } finally {
    backend.dropSocket(socket);
  }
}

/** Pieces, until something else comes. */
async function receivePieces(backend: LocalBackend, into: Receiving, given: GivenSocket): Promise<void> {
  const pieces = backend.keepPieces(given.descriptor);
  try {
    const ingest = await begin(backend, into, given);
    for (let [waitMs, heard] = [RECEIVE_WAIT_MS, performance.now()]; ; ) {
      const { size, mark } = await backend.ingestReceivePieces(ingest, pieces, BATCH_BYTES_MAX, waitMs);
      given.took(size);
      if (mark !== undefined) return await given.ended?.(mark);
      const isQuick = size >= RECEIVE_PIECES_QUICK_SIZE;
      waitMs = isQuick ? RECEIVE_WAIT_MS : 0;
      if (size > 0) heard = performance.now();
      if (!isQuick) await sleep(pauseAfter(performance.now() - heard));
    }
  } finally {
    backend.dropPieces(pieces);
  }
}

/** The ingest, once it has what had come before. */
async function begin(backend: LocalBackend, into: Receiving, { before }: GivenSocket): Promise<Handle> {
  await into.begun(); // first, so that a slab is held for one operation and not for two
  for (const chunk of before) {
    await into.write(chunk);
    backend.freeBytes(chunk);
  }
  return into.begun();
}
