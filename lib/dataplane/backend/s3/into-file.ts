/**
 * Verified bytes into a local file, many chunks in one call: a write for each costs more than what it writes.
 *
 * Imports node:fs, the contract's types and errors. Called by index.ts.
 */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ArtifactStoreError } from '../../../errors.js';
import { S3_BLOCK_SIZE, S3_SYNC_SIZE } from '../../../limits.js';
import type { FileSink } from '../../spi.js';

/**
 * Writes all chunks, from the file's first byte on.
 *
 * @returns false, and nothing has been written: it is no empty regular file
 * @throws AS_ERR_ABORTED: by the sink's signal; AS_ERR_NO_SPACE, AS_ERR_IO: the file; and whatever `chunks` throws
 */
export async function intoFile(
  chunks: AsyncIterable<Uint8Array>,
  { path, onWrite, signal }: FileSink,
): Promise<boolean> {
  const name = typeof path === 'string' ? path : Buffer.from(path);
  const file = await open(name, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
  if (file === undefined) return false;
  const early = new EarlySync(file);
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > 0) return false;
    let waiting: Uint8Array[] = [];
    let size = 0;
    const flush = async () => {
      if (signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The read was given up.');
      await writeAll(file, waiting, size, name.toString());
      if (size > 0) onWrite?.(size);
      early.wrote(size);
      waiting = [];
      size = 0;
    };
    await flush(); // nothing yet: but who has given up wants nothing asked for
    for await (const chunk of chunks) {
      waiting.push(chunk);
      size += chunk.byteLength;
      if (size >= S3_BLOCK_SIZE) await flush();
    }
    await flush();
    const failure = await early.ended();
    if (failure !== undefined) throw writeError(failure, name.toString());
    return true;
  } finally {
    await early.ended();
    await file.close();
  }
}

/**
 * Has the disk write while bytes still come, so that whoever syncs the file afterwards waits for the last of them alone. What the disk could not write is
 * said once, so it is kept.
 */
class EarlySync {
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #failure: unknown;

  constructor(private readonly file: FileHandle) {}

  wrote(size: number): void {
    this.#unsynced += size;
    if (this.#unsynced < S3_SYNC_SIZE || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.file
      .datasync()
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  /** Nothing of it is under way any more. Gives what failed. */
  async ended(): Promise<unknown> {
    await this.#syncing;
    return this.#failure;
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], size: number, path: string): Promise<void> {
  if (size === 0) return;
  try {
    const { bytesWritten } = await file.writev(chunks);
    if (bytesWritten === size) return;
    let rest = Buffer.concat(chunks).subarray(bytesWritten);
    while (rest.byteLength > 0) rest = rest.subarray((await file.write(rest)).bytesWritten);
  } catch (cause) {
    throw writeError(cause, path);
  }
}

function writeError(cause: unknown, path: string): ArtifactStoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new ArtifactStoreError(
    isFull ? 'AS_ERR_NO_SPACE' : 'AS_ERR_IO',
    `${path} cannot be written: ${message}. Check the space on its disk.`,
    { path },
    { cause },
  );
}
