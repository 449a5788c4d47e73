/**
 * Taking bytes in from a socket: the core receives, hashes and stores them, and none passes through JavaScript. The mirror of serve-socket.ts.
 *
 * A worker waits for a socket only as long as one that sends quickly takes to send more; from then on no worker waits for it until it has been quick again,
 * and it is looked at less and less often. So slow senders hold no worker, and no slab.
 *
 * Imports the backend, limits and the contract. Called by ingest.ts.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { BATCH_BYTES_MAX, RECEIVE_PIECES_QUICK_SIZE, RECEIVE_QUICK_SIZE, RECEIVE_WAIT_MS } from '../../limits.js';
import type { Handle } from '../../native/addon.js';
import type { LocalBackend } from '../backend/local.js';
import { pauseAfter } from '../receive-pause.js';
import type { GivenSocket } from '../spi.js';

/** What the bytes go into. */
export interface Receiving {
  /** Takes what had come before. */
  write(chunk: Uint8Array): Promise<void>;
  /** The ingest, once the core has all that was written. */
  begun(): Promise<Handle>;
}

/** What a step received. */
interface Received {
  size: number;
  /** Nothing more is to come. */
  isLast: boolean;
}

/** Where bytes come from, in steps. */
interface Line {
  /** Bytes of a step from which on it is waited for again. */
  quickSize: number;
  step(ingest: Handle, waitMs: number): Promise<Received>;
  close(): void;
}

/**
 * Has an ingest take all that is left to come.
 *
 * @throws AS_ERR_ABORTED: the connection ended before that; what `took` and `ended` throw; AS_ERR_NO_SPACE, AS_ERR_IO
 */
export async function receive(backend: LocalBackend, into: Receiving, given: GivenSocket): Promise<void> {
  // Kept before anything is waited for: the descriptor of a socket that closes may be another's at any time.
  const line = given.size === 'pieces' ? inPieces(backend, given) : ofSize(backend, given, given.size);
  try {
    for (const chunk of given.before) await into.write(chunk);
    const ingest = await into.begun();
    let [waitMs, heard] = [RECEIVE_WAIT_MS, performance.now()];
    for (;;) {
      const { size, isLast } = await line.step(ingest, waitMs);
      if (isLast) return;
      const isQuick = size >= line.quickSize;
      waitMs = isQuick ? RECEIVE_WAIT_MS : 0;
      if (size > 0) heard = performance.now();
      if (!isQuick) await sleep(pauseAfter(performance.now() - heard));
    }
  } finally {
    line.close();
  }
}

/** So many bytes as they are. */
function ofSize(backend: LocalBackend, given: GivenSocket, size: number): Line {
  const socket = backend.keepSocket(given.descriptor);
  let left = size;
  return {
    quickSize: RECEIVE_QUICK_SIZE,
    step: async (ingest, waitMs) => {
      const size = left > 0 ? await backend.ingestReceive(ingest, socket, Math.min(left, BATCH_BYTES_MAX), waitMs) : 0;
      given.took(size);
      left -= size;
      return { size, isLast: left === 0 };
    },
    close: () => backend.dropSocket(socket),
  };
}

/** Pieces, until something else comes. */
function inPieces(backend: LocalBackend, given: GivenSocket): Line {
  const pieces = backend.keepPieces(given.descriptor);
  return {
    quickSize: RECEIVE_PIECES_QUICK_SIZE,
    step: async (ingest, waitMs) => {
      const { size, mark } = await backend.ingestReceivePieces(ingest, pieces, BATCH_BYTES_MAX, waitMs);
      given.took(size);
      if (mark !== undefined) await given.ended?.(mark);
      return { size, isLast: mark !== undefined };
    },
    close: () => backend.dropPieces(pieces),
  };
}
