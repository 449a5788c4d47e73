/**
 * What hashes in a worker thread: pieces of objects on their way to or from S3. Memory comes and goes by transfer, so nothing is copied.
 *
 * Imports the native addon, node:crypto, and node:fs for bytes that are in a file. Started by hasher.ts through Piscina.
 */

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { DIGEST_SIZE, GROUP_SIZE } from '../limits.js';
import { loadAddon } from './load.js';

/** One piece of work. */
export interface HashTask {
  /** The memory; given back as another object over the same bytes. */
  buffer: ArrayBuffer;
  /** Bytes of it that count. */
  size: number;
  /** Number of the first group in it, where chaining values of its groups are wanted. */
  first?: number;
  /** Have SHA-256 of these bytes. */
  sha256?: boolean;
  /** Read the bytes first, from this place of a file. */
  file?: { path: string; start: number };
  /** Add these bytes to the SHA-256 of the stream with this number; `ends`: and give it. */
  stream?: number;
  ends?: boolean;
}

export interface HashDone {
  buffer: ArrayBuffer;
  values?: Uint8Array;
  /** 32 bytes. */
  sha256?: Uint8Array;
}

const addon = loadAddon();
const streams = new Map<number, Hash>();

/** Bytes that are read and hashed together: they are still near the core when they are hashed. */
const PIECE_SIZE = 256 * 1024;

export default function hash({ buffer, size, first, sha256, file, stream, ends }: HashTask): unknown {
  const bytes = new Uint8Array(buffer, 0, size);
  const done: HashDone = { buffer };
  const values = first === undefined ? undefined : new Uint8Array(Math.ceil(size / GROUP_SIZE) * DIGEST_SIZE);
  const whole = sha256 ? createHash('sha256') : undefined;
  const running = stream === undefined ? undefined : (streams.get(stream) ?? createHash('sha256'));
  const descriptor = file && openSync(file.path, 'r');
  try {
    for (let at = 0; at < size; at += PIECE_SIZE) {
      const piece = bytes.subarray(at, at + PIECE_SIZE);
      if (descriptor !== undefined && file) readInto(descriptor, piece, file.start + at);
      if (values && first !== undefined) {
        const end = Math.ceil((at + piece.byteLength) / GROUP_SIZE) * DIGEST_SIZE;
        addon.groupValues(piece, first + at / GROUP_SIZE, values.subarray((at / GROUP_SIZE) * DIGEST_SIZE, end));
      }
      whole?.update(piece);
      running?.update(piece);
    }
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
  if (values) done.values = values;
  if (whole) done.sha256 = plain(whole.digest());
  if (running && stream !== undefined) {
    streams.set(stream, running);
    if (ends) {
      streams.delete(stream);
      done.sha256 = plain(running.digest());
    }
  }
  return move({ [transferableSymbol]: [buffer], [valueSymbol]: done } as never);
}

/** Fills the piece from a file; throws Error when the file is shorter. */
function readInto(descriptor: number, piece: Uint8Array, from: number): void {
  for (let filled = 0; filled < piece.byteLength; ) {
    const read = readSync(descriptor, piece, filled, piece.byteLength - filled, from + filled);
    if (read === 0) throw new Error(`the file ends at byte ${from + filled}`);
    filled += read;
  }
}

function plain(digest: Buffer): Uint8Array {
  return new Uint8Array(digest);
}
