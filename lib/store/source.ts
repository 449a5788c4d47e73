/**
 * What a person may hand to `put`, as a source that the data plane takes: checked, counted, and ended when the caller gives up.
 *
 * Imports the contract and file sources. Called by the facade.
 */

import { resolve } from 'node:path';
import { fileSource } from '../dataplane/file-source.js';
import {
  type ByteSource,
  type BytesSource,
  type FileList,
  type IngestHints,
  isFileList,
  isSocketSource,
} from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { GATHER_ALONE_SIZE } from '../limits.js';

/** Bytes, a stream of bytes (Node and web streams too), or a local file by its path. */
export type PutSource = Uint8Array | ByteSource | { path: string | Uint8Array };

/** What accompanies a source on its way. */
export interface Watch {
  /** Told the bytes taken in so far. */
  onProgress?: (size: number) => void;
  /** Gives the operation up: it fails with AS_ERR_ABORTED and stores nothing. */
  signal?: AbortSignal;
}

/**
 * Whether it is a small object in memory, of which no digest is expected, and nobody wants more than to have it stored: such ones go together, see
 * `put-gather.ts`. One of another size than expected goes the way on which that is an error.
 */
export function isPlain(
  source: PutSource,
  { blake3, sha256, size, durability }: IngestHints,
  watch: Watch,
): source is Uint8Array {
  if (!(source instanceof Uint8Array) || source.byteLength >= GATHER_ALONE_SIZE) return false;
  const isWatched = watch.onProgress !== undefined || watch.signal !== undefined;
  const isExpected = blake3 !== undefined || sha256 !== undefined || (size !== undefined && size !== source.byteLength);
  return !isWatched && !isExpected && (durability === undefined || durability === 'durable');
}

/** The bytes of those sources that are in memory. */
export function bytesInMemory(sources: readonly PutSource[]): number {
  return sources.reduce((sum, source) => sum + (source instanceof Uint8Array ? source.byteLength : 0), 0);
}

/** Whether the source can be read a second time. */
export function isRepeatable(source: PutSource): boolean {
  return source instanceof Uint8Array || isPath(source);
}

/**
 * The source as the contract has it.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: not a source; AS_ERR_ABORTED: given up already
 */
export function toByteSource(source: PutSource, watch: Watch): ByteSource {
  if (watch.signal?.aborted) throw aborted();
  if (source instanceof Uint8Array) {
    return watch.onProgress || watch.signal ? new OneChunk(source, watch) : new WholeBytes(source, watch);
  }
  if (isPath(source)) return fromPath(source.path, watch);
  // Whoever is told of each chunk, or may end it between two, needs them to come this way.
  if (isStream(source) && isSocketSource(source) && !watch.onProgress && !watch.signal) return source;
  if (isStream(source)) return watched(source, watch);
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `put takes a Uint8Array, a stream of them, or { path }, not ${describe(source)}. For text, encode it first.`,
  );
}

/**
 * Many sources, watched together: `onProgress` is told the bytes of all streams and files. Bytes in memory go down as they are, and unreported.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: one is not a source; AS_ERR_ABORTED: given up already
 */
export function toByteSources(
  sources: readonly PutSource[] | FileList,
  { onProgress, signal }: Watch,
): ByteSource[] | FileList {
  if (signal?.aborted) throw aborted();
  let total = 0;
  if (isFileList(sources)) {
    const onRead = (size: number) => {
      total += size;
      onProgress?.(total);
    };
    return { paths: sources.paths, ends: sources.ends, ...(onProgress && { onRead }), ...(signal && { signal }) };
  }
  return sources.map((source) => {
    if (source instanceof Uint8Array) return new WholeBytes(source, {});
    if (onProgress === undefined) return toByteSource(source, { ...(signal && { signal }) });
    let taken = 0;
    const onOwn = (size: number) => {
      total += size - taken;
      taken = size;
      onProgress(total);
    };
    return toByteSource(source, { onProgress: onOwn, ...(signal && { signal }) });
  });
}

function fromPath(path: string | Uint8Array, { onProgress, signal }: Watch): ByteSource {
  let taken = 0;
  const onRead = (size: number) => {
    taken += size;
    onProgress?.(taken);
  };
  return fileSource(typeof path === 'string' ? resolve(path) : path, {
    ...(onProgress && { onRead }),
    ...(signal && { signal }),
  });
}

/** Bytes as a stream of one chunk. It is never silent, so looking at the signal between two steps is soon enough. */
class OneChunk implements AsyncIterableIterator<Uint8Array> {
  #given = false;

  constructor(
    readonly chunk: Uint8Array,
    private readonly watch: Watch,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { onProgress, signal } = this.watch;
    if (signal?.aborted) return Promise.reject(aborted());
    if (this.#given) {
      onProgress?.(this.chunk.byteLength);
      return Promise.resolve({ done: true, value: undefined });
    }
    this.#given = true;
    return Promise.resolve({ done: false, value: this.chunk });
  }
}

/** Bytes that a data plane may take as they are, because nobody asks to be told of their way. */
class WholeBytes extends OneChunk implements BytesSource {
  get bytes(): Uint8Array {
    return this.chunk;
  }
}

async function* watched(source: AsyncIterable<Uint8Array>, { onProgress, signal }: Watch) {
  let taken = 0;
  for await (const chunk of signal ? untilAborted(source, signal) : source) {
    if (!(chunk instanceof Uint8Array)) {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        `The stream gave ${describe(chunk)} instead of a Uint8Array. Encode text before putting it.`,
      );
    }
    yield chunk;
    taken += chunk.byteLength;
    onProgress?.(taken);
  }
}

/**
 * Ends at once on abort, even while the source is silent. One listener for all chunks, which fails the wait of the moment: a race against
 * one promise for the whole stream would keep every chunk in memory until that promise settles.
 */
async function* untilAborted(source: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  const iterator = source[Symbol.asyncIterator]();
  let giveUp: () => void = () => undefined;
  const onAbort = () => giveUp();
  signal.addEventListener('abort', onAbort, { once: true });
  let done = false;
  try {
    for (;;) {
      const step = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        giveUp = () => reject(aborted());
        if (signal.aborted) giveUp();
        else Promise.resolve(iterator.next()).then(resolve, reject);
      });
      done = step.done === true;
      if (step.done) return;
      yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a silent source would hold its end back for ever.
    if (!done) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

export function aborted(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The operation was given up by its caller; nothing was stored.');
}

function isPath(source: PutSource): source is { path: string | Uint8Array } {
  if (typeof source !== 'object' || source === null || isStream(source)) return false;
  const { path } = source as { path?: unknown };
  return typeof path === 'string' || path instanceof Uint8Array;
}

/** Whether the source is a stream. */
export function isStream(source: unknown): source is ByteSource {
  return typeof source === 'object' && source !== null && Symbol.asyncIterator in source;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'object' ? `a ${value.constructor?.name ?? 'plain object'}` : `a ${typeof value}`;
}
