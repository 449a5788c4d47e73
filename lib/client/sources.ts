/**
 * What a person may hand to `put`, as the client sends it: bytes that are there, a local file that can be read from any place, or a stream that comes once.
 *
 * Imports the file system, errors, limits and the store's sources. Called by `put.ts` and `push.ts`.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { ArtifactStoreError } from '../errors.js';
import { CLIENT_READ_SIZE } from '../limits.js';
import type { PutSource } from '../store/source.js';

/** Bytes of known number that can be read again from any place. */
export interface Repeatable {
  size: number;
  /** The bytes from `offset` on. */
  from(offset: number): AsyncIterable<Uint8Array>;
  /** Throws AS_ERR_SOURCE_CHANGED: they are not what they were when it was opened. */
  requireUnchanged(): Promise<void>;
  close(): Promise<void>;
}

export function isFile(source: PutSource): source is { path: string | Uint8Array } {
  return !(source instanceof Uint8Array) && 'path' in source && !(Symbol.asyncIterator in source);
}

/** Bytes in memory. */
export function bytesSource(bytes: Uint8Array): Repeatable {
  return {
    size: bytes.byteLength,
    async *from(offset) {
      for (let at = offset; at < bytes.byteLength; at += CLIENT_READ_SIZE)
        yield bytes.subarray(at, at + CLIENT_READ_SIZE);
    },
    requireUnchanged: async () => undefined,
    close: async () => undefined,
  };
}

/**
 * A local file. Close it after use.
 *
 * @throws AS_ERR_SOURCE_UNREADABLE: it cannot be opened, or is no regular file
 */
export async function fileSource(path: string | Uint8Array): Promise<Repeatable> {
  const shown = typeof path === 'string' ? path : Buffer.from(path).toString();
  const file = await onSource(shown, () => open(typeof path === 'string' ? path : Buffer.from(path), 'r'));
  try {
    return await opened(file, shown);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function opened(file: FileHandle, path: string): Promise<Repeatable> {
  const found = await onSource(path, () => file.stat({ bigint: true }));
  if (!found.isFile()) {
    const message = `${path} is not a regular file. Pipe it in, or name a file.`;
    throw new ArtifactStoreError('AS_ERR_SOURCE_UNREADABLE', message, { path });
  }
  const size = Number(found.size);
  return {
    size,
    async *from(offset) {
      for (let at = offset; at < size; ) {
        const memory = Buffer.allocUnsafeSlow(Math.min(CLIENT_READ_SIZE, size - at));
        const { bytesRead } = await onSource(path, () => file.read(memory, 0, memory.byteLength, at));
        if (bytesRead === 0) throw changed(path);
        yield memory.subarray(0, bytesRead);
        at += bytesRead;
      }
    },
    async requireUnchanged() {
      const now = await onSource(path, () => file.stat({ bigint: true }));
      if (now.size !== found.size || now.mtimeNs !== found.mtimeNs) throw changed(path);
    },
    close: () => file.close(),
  };
}

export function changed(path: string): ArtifactStoreError {
  const message = `${path} changed while it was being read. Repeat when its writer is done.`;
  return new ArtifactStoreError('AS_ERR_SOURCE_CHANGED', message, { path });
}

async function onSource<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const text = `${path} cannot be read (${message}). Check that it exists and that you may read it.`;
    throw new ArtifactStoreError('AS_ERR_SOURCE_UNREADABLE', text, { path, ...(code && { errno: code }) }, { cause });
  }
}
