/**
 * Memory for the bytes of batches, used again: taking it anew from the system costs more than filling it.
 *
 * Imports limits. Called by the client, for what it sends, and by the daemon, for what comes.
 */

import { REMOTE_BATCH_SIZE_MAX, REMOTE_BATCHES_HELD } from '../../limits.js';

/** A batch of objects with its head, which has four bytes an object. */
const SIZE = REMOTE_BATCH_SIZE_MAX + 64 * 1024;

const free: Buffer[] = [];

/**
 * Lends memory for as long as it is used.
 *
 * @param size bytes; more than a batch has come from the system
 */
export async function withBatchMemory<T>(size: number, use: (memory: Buffer) => Promise<T>): Promise<T> {
  if (size > SIZE) return use(Buffer.allocUnsafeSlow(size));
  const memory = free.pop() ?? Buffer.allocUnsafeSlow(SIZE);
  try {
    return await use(memory.subarray(0, size));
  } finally {
    if (free.length < REMOTE_BATCHES_HELD) free.push(memory);
  }
}
