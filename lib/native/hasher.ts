/**
 * Hashing beside the main thread: groups of objects that are read, parts that are sent.
 *
 * Two pools, made when they are first needed: one for pieces that stand by themselves, and one thread for digests that run over many pieces, whose state it keeps.
 * Imports Piscina and limits. Called by the S3 backend, which reads and sends large objects.
 */

import type { Piscina } from 'piscina';
import { toHex } from '../digest-name.js';
import type { HashDone, HashTask } from './hash-worker.js';

type Pool = Piscina<HashTask, HashDone>;

/** Threads for pieces that stand by themselves: one keeps up with a connection, the second with another reader. */
const THREADS_MAX = 2;

export class Hasher {
  #pieces: Promise<Pool> | undefined;
  #streams: Promise<Pool> | undefined;
  #lastStream = 0;

  /** The chaining values of the groups in a piece, of which the first has this number; the memory comes back with them. */
  async groups(buffer: ArrayBuffer, size: number, first: number): Promise<{ buffer: ArrayBuffer; values: Uint8Array }> {
    this.#pieces ??= makePool(THREADS_MAX);
    const { buffer: back, values } = await run(await this.#pieces, { buffer, size, first });
    return { buffer: back, values: values as Uint8Array };
  }

  /** SHA-256 of a piece, in hex. */
  async sha256(buffer: ArrayBuffer, size: number): Promise<{ buffer: ArrayBuffer; sha256: string }> {
    this.#pieces ??= makePool(THREADS_MAX);
    const { buffer: back, sha256 } = await run(await this.#pieces, { buffer, size, sha256: true });
    return { buffer: back, sha256: toHex(sha256 as Uint8Array) };
  }

  /** Reads a piece of a file; gives its SHA-256, in hex, and the chaining values of its groups, of which the first has this number. */
  async file(
    buffer: ArrayBuffer,
    size: number,
    first: number,
    file: { path: string; start: number },
  ): Promise<{ buffer: ArrayBuffer; sha256: string; values: Uint8Array }> {
    this.#pieces ??= makePool(THREADS_MAX);
    const { buffer: back, sha256, values } = await run(await this.#pieces, { buffer, size, first, sha256: true, file });
    return { buffer: back, sha256: toHex(sha256 as Uint8Array), values: values as Uint8Array };
  }

  /** A SHA-256 over many pieces, of which one must be hashed before the next is given; each gives the chaining values of its groups too. */
  stream(): StreamHash {
    this.#streams ??= makePool(1);
    return new StreamHash(this.#streams, ++this.#lastStream);
  }

  async close(): Promise<void> {
    const pools = await Promise.all([this.#pieces, this.#streams]);
    await Promise.all(pools.map((pool) => pool?.destroy()));
  }
}

export class StreamHash {
  constructor(
    private readonly pool: Promise<Pool>,
    private readonly stream: number,
  ) {}

  async update(buffer: ArrayBuffer, size: number, first: number): Promise<{ buffer: ArrayBuffer; values: Uint8Array }> {
    const { buffer: back, values } = await run(await this.pool, { buffer, size, first, stream: this.stream });
    return { buffer: back, values: values as Uint8Array };
  }

  /** The digest; also lets go of a stream whose digest nobody wants any more. */
  async end(): Promise<Uint8Array> {
    const empty = new ArrayBuffer(0);
    const { sha256 } = await run(await this.pool, { buffer: empty, size: 0, stream: this.stream, ends: true });
    return sha256 as Uint8Array;
  }
}

/** The memory comes back as another object over the same bytes. */
async function run(pool: Pool, task: HashTask): Promise<HashDone> {
  return pool.run(task, { transferList: [task.buffer] });
}

async function makePool(maxThreads: number): Promise<Pool> {
  const { Piscina } = await import('piscina');
  return new Piscina<HashTask, HashDone>({
    // This way, because the one file that the command line starts from stands in a folder beside this one.
    filename: new URL('../native/hash-worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads,
    idleTimeout: Number.POSITIVE_INFINITY, // a worker costs about 40 ms to start
    concurrentTasksPerWorker: 1,
  });
}
