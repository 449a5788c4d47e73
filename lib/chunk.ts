/**
 * Content-defined chunking, for tools that want nothing else: cuts bytes where their content says so, so that equal stretches of two
 * files become equal chunks wherever they lie. docs/formats/chunking.md defines the cuts; they are the same on every machine.
 *
 * Synchronous, on the calling thread. Imports the native addon; opens no store and loads no database.
 */

import { ArtifactStoreError } from './errors.js';
import {
  CHUNK_AVERAGE_DEFAULT,
  CHUNK_AVERAGE_MAX,
  CHUNK_AVERAGE_MIN,
  CHUNK_SIZE_MAX,
  CHUNK_SIZE_MIN,
} from './limits.js';
import type { NativeChunker } from './native/addon.js';
import { loadAddon } from './native/load.js';

/** Chunk sizes in bytes. Where cuts fall depends on all three. */
export interface ChunkOptions {
  /** No chunk but the last is smaller. 256 to the average; a quarter of the average, at least 256, unless given. */
  minimum?: number;
  /** What chunks tend to: a power of two, 1 KiB to 4 MiB; 64 KiB unless given. On random bytes the mean is 1.14 times as much. */
  average?: number;
  /** No chunk is larger. The average to 64 MiB; four times the average unless given. */
  maximum?: number;
}

/** Cuts a stream piece by piece. */
export interface Chunker {
  /**
   * Takes in further bytes; any number of calls, any sizes: they change no cut.
   *
   * @returns the ends of the chunks that these bytes complete, as offsets from the start of the stream; ascending
   * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array, or the chunker is spent
   */
  update(bytes: Uint8Array): number[];
  /**
   * Ends the stream. The chunker is spent.
   *
   * @returns the end of the last chunk, which may be smaller than the minimum; nothing when the stream ended with a cut or was empty
   * @throws AS_ERR_INVALID_ARGUMENT: called a second time
   */
  finish(): number[];
}

/**
 * Cuts `bytes` into chunks (docs/formats/chunking.md).
 *
 * @param bytes any length, any view, shared memory too
 * @returns where each chunk ends, ascending; the last is the length. Empty for no bytes.
 * @throws AS_ERR_INVALID_ARGUMENT: not a Uint8Array, or sizes out of range
 * @throws AS_ERR_NATIVE: the addon cannot be loaded
 */
export function chunk(bytes: Uint8Array, options: ChunkOptions = {}): number[] {
  const chunker = createChunker(options);
  const ends = chunker.update(bytes);
  ends.push(...chunker.finish());
  return ends;
}

/**
 * Starts cutting a stream.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: sizes out of range
 * @throws AS_ERR_NATIVE
 */
export function createChunker(options: ChunkOptions = {}): Chunker {
  const { minimum, average, maximum } = checkedSizes(options);
  const { Chunker } = loadAddon();
  return new StreamChunker(new Chunker(minimum, average, maximum));
}

/**
 * Which code looks for cuts: the one in use, and those this machine can run, best first. All find the same cuts.
 *
 * @throws AS_ERR_NATIVE
 */
export function chunkKernels(): { kernel: string; kernels: string[] } {
  const { Chunker } = loadAddon();
  return { kernel: Chunker.kernel(), kernels: Chunker.kernels() };
}

/**
 * Makes one of `chunkKernels().kernels` the one in use, for the whole process: for benchmarks and diagnosis. The environment variable
 * `ARTIFACTSTORE_CPU` does the same at start-up.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: this machine has none of that name
 * @throws AS_ERR_NATIVE
 */
export function selectChunkKernel(name: string): void {
  const { Chunker } = loadAddon();
  const kernels = Chunker.kernels();
  if (!kernels.includes(name)) {
    throw invalid(`This machine has no chunk kernel named "${name}"; choose one of ${kernels.join(', ')}.`, { name });
  }
  Chunker.selectKernel(name);
}

class StreamChunker implements Chunker {
  #native: NativeChunker | undefined;

  constructor(native: NativeChunker) {
    this.#native = native;
  }

  update(bytes: Uint8Array): number[] {
    if (!(bytes instanceof Uint8Array)) {
      throw invalid(`Chunking takes a Uint8Array, not ${bytes === null ? 'null' : typeof bytes}.`);
    }
    return Array.from(this.#live().update(bytes));
  }

  finish(): number[] {
    const ends = Array.from(this.#live().finish());
    this.#native = undefined;
    return ends;
  }

  #live(): NativeChunker {
    if (this.#native) return this.#native;
    throw invalid('This chunker has finished its stream; create another.');
  }
}

/** The three sizes, with what was left out filled in from the average. */
function checkedSizes(options: ChunkOptions): Required<ChunkOptions> {
  const average = options.average ?? CHUNK_AVERAGE_DEFAULT;
  requireSize('average', average, CHUNK_AVERAGE_MIN, CHUNK_AVERAGE_MAX);
  if (!Number.isInteger(Math.log2(average))) {
    throw invalid(`The average chunk size is ${average}: choose a power of two.`, { average });
  }
  const minimum = options.minimum ?? Math.max(average / 4, CHUNK_SIZE_MIN);
  requireSize('minimum', minimum, CHUNK_SIZE_MIN, average);
  const maximum = options.maximum ?? average * 4;
  requireSize('maximum', maximum, average, CHUNK_SIZE_MAX);
  return { minimum, average, maximum };
}

function requireSize(name: keyof ChunkOptions, size: number, from: number, to: number): void {
  if (Number.isInteger(size) && size >= from && size <= to) return;
  throw invalid(`The ${name} chunk size is ${size}: choose a whole number of ${from} to ${to} bytes.`, {
    [name]: size,
  });
}

function invalid(message: string, details: Record<string, string | number> = {}): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, details);
}
