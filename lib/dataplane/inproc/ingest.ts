/**
 * Taking bytes in: from a stream through the slab arena, or from a local file that the native core reads itself.
 *
 * A small object is kept until it has ended, and shares an operation, its hash and its commit with whatever else waits. One that fits a slab
 * is one operation. A longer stream hands one slab to a worker while it fills the next.
 */

import { ArtifactStoreError } from '../../errors.js';
import { FILE_FIRST_STEP_SIZE, FILE_STEP_SIZE, SLAB_SIZE, STREAM_HELD_MAX } from '../../limits.js';
import type { Handle, NativeIngested } from '../../native/addon.js';
import type { LocalBackend } from '../backend/local.js';
import { type ByteSource, type FileSource, type IngestHints, isBytesSource, isSocketSource } from '../spi.js';
import type { Arena, Slab, SlabHolder } from './arena.js';
import { receive } from './receive.js';
import type { SlowSenders } from './slow-senders.js';

/** Reads a stream to its end and stores it. */
export async function ingestBytes(
  backend: LocalBackend,
  arena: Arena,
  slow: SlowSenders,
  source: ByteSource,
  hints: IngestHints,
): Promise<NativeIngested> {
  if (isBytesSource(source) && source.bytes.byteLength <= SLAB_SIZE) return backend.ingestWhole(source.bytes, hints);
  const held = new HeldBytes();
  let stream: StreamIngest | undefined;
  try {
    const begin = async () => {
      stream = new StreamIngest(backend, arena, hints);
      await stream.write(held.bytes);
      return stream;
    };
    const isReceived = async () => {
      const given = isSocketSource(source) ? await source.giveSocket() : undefined;
      if (given !== undefined) await receive(backend, slow, stream ?? (await begin()), given);
      return given !== undefined;
    };
    if (!(await isReceived())) {
      for await (const chunk of source) {
        if (stream !== undefined || !held.keep(chunk)) await (stream ?? (await begin())).write(chunk);
        if (await isReceived()) break;
      }
    }
    return await (stream ? stream.finish() : backend.ingestWhole(held.bytes, hints));
  } finally {
    await stream?.dispose();
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** The beginning of a stream, copied, because a chunk belongs to its source again when the next one is asked for. */
class HeldBytes {
  #bytes = NOTHING;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Keeps the chunk too, unless that would be too much. */
  keep(chunk: Uint8Array): boolean {
    const size = this.#bytes.byteLength + chunk.byteLength;
    if (size > STREAM_HELD_MAX) return false;
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes);
    bytes.set(chunk, this.#bytes.byteLength);
    this.#bytes = bytes;
    return true;
  }
}

/** Stores a local file that never passes through JavaScript. */
export async function ingestFile(
  backend: LocalBackend,
  source: FileSource,
  hints: IngestHints,
): Promise<NativeIngested> {
  refuseAborted(source);
  const first = await backend.fileBegin(source.path, hints);
  if (typeof first === 'number') return finishFile(backend, source, hints, first);
  source.onRead?.(first.size);
  return first;
}

/** Stores a file of which the first step has been taken and more is left. */
export async function finishFile(
  backend: LocalBackend,
  source: FileSource,
  hints: IngestHints,
  first: Handle,
): Promise<NativeIngested> {
  let committed = false;
  try {
    source.onRead?.(FILE_FIRST_STEP_SIZE);
    for (let taken = FILE_STEP_SIZE; taken > 0; source.onRead?.(taken)) {
      refuseAborted(source);
      taken = await backend.filePump(first, FILE_STEP_SIZE, source.path);
    }
    committed = true;
    return await backend.ingestCommit(first, hints);
  } finally {
    if (!committed) await backend.ingestAbort(first);
  }
}

function refuseAborted(source: FileSource): void {
  if (source.signal?.aborted) throw aborted();
}

/** The error of an ingest that its signal ended. */
export function aborted(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The ingest was given up; nothing was stored.');
}

/** One stream on its way in. */
export class StreamIngest implements SlabHolder {
  #slab: Slab | undefined;
  #used = 0;
  /** Begun once, whoever is the first to need it. */
  #ingest: Promise<Handle> | undefined;
  /** The slab that a worker is reading; settled before the next one follows, so that bytes stay in order. */
  #appending: Promise<void> = Promise.resolve();
  #ended = false;
  #isWriting = false;
  /** A slab that is not full is on its way down, because others wait for one; never rejects. */
  #givingBack: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;
  touched = 0;

  /** @param ingest an ingest that has begun already; otherwise one begins when there is more than a slab */
  constructor(
    private readonly backend: LocalBackend,
    private readonly arena: Arena,
    private readonly hints: IngestHints,
    ingest?: Handle,
  ) {
    if (ingest !== undefined) this.#ingest = Promise.resolve(ingest);
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#settled();
    this.#isWriting = true;
    try {
      for (let offset = 0; offset < chunk.byteLength; ) {
        this.#slab ??= await this.#acquire();
        const room = Math.min(chunk.byteLength - offset, this.arena.slabSize - this.#used);
        this.#slab.bytes.set(chunk.subarray(offset, offset + room), this.#used);
        offset += room;
        this.#used += room;
        // A full slab goes down only when more follows: an object of exactly one slab is still one operation.
        if (this.#used === this.arena.slabSize && offset < chunk.byteLength) await this.#flush();
      }
      this.touched = performance.now();
    } finally {
      this.#isWriting = false;
    }
  }

  giveBack(): void {
    if (this.#isWriting || this.#givingBack !== undefined || this.#slab === undefined) return;
    this.#givingBack = this.#flush()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#givingBack = undefined;
      });
  }

  async finish(): Promise<NativeIngested> {
    await this.#settled();
    if (this.#ingest === undefined) return this.#whole();
    return this.end((ingest) => this.backend.ingestCommit(ingest, this.hints));
  }

  /** Ends an ingest that has begun, with a commit of the caller's. */
  async end(commit: (ingest: Handle) => Promise<NativeIngested>): Promise<NativeIngested> {
    await this.drain();
    this.#ended = true;
    return commit(await this.#begun());
  }

  /** The ingest, once the core has all that was written so far. */
  async begun(): Promise<Handle> {
    const ingest = await this.#begun();
    await this.drain();
    return ingest;
  }

  /** Has the core take all that was written so far. */
  async drain(): Promise<void> {
    await this.#settled();
    if (this.#used > 0) await this.#flush();
    await this.#appending;
  }

  /** Gives everything back, whatever happened before. */
  async dispose(): Promise<void> {
    this.arena.forget(this);
    await this.#givingBack;
    await this.#appending.catch(() => undefined);
    if (this.#slab) this.arena.release(this.#slab);
    this.#slab = undefined;
    const ingest = this.#ended ? undefined : await this.#ingest?.catch(() => undefined); // who waited for it was told
    if (ingest !== undefined) await this.backend.ingestAbort(ingest);
  }

  #begun(): Promise<Handle> {
    this.#ingest ??= this.backend.ingestBegin(this.hints.size);
    return this.#ingest;
  }

  /** Waits until no slab is on its way back, and throws what that threw. */
  async #settled(): Promise<void> {
    if (this.#givingBack !== undefined) await this.#givingBack;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #acquire(): Promise<Slab> {
    const slab = await this.arena.acquire();
    this.arena.hold(this);
    return slab;
  }

  /** Stores what is in the slab as an object. */
  async #whole(): Promise<NativeIngested> {
    const filled = this.#takeSlab();
    try {
      return await this.backend.ingestWhole(filled?.bytes ?? new Uint8Array(0), this.hints);
    } finally {
      if (filled) this.arena.release(filled.slab);
    }
  }

  /** Hands the slab to a worker once the one before has been taken. */
  async #flush(): Promise<void> {
    const filled = this.#takeSlab();
    if (filled === undefined) return;
    const { slab, bytes } = filled;
    let ingest: Handle;
    try {
      ingest = await this.#begun();
      await this.#appending;
    } catch (error) {
      this.arena.release(slab);
      throw error;
    }
    this.#appending = this.backend.ingestAppend(ingest, bytes).finally(() => this.arena.release(slab));
    this.#appending.catch(() => undefined); // reported where it is awaited
  }

  /** The slab and what is in it, for the core. From now on nobody can ask for it back: it goes down once, and others get it when the core has let go of it. */
  #takeSlab(): { slab: Slab; bytes: Uint8Array } | undefined {
    const slab = this.#slab;
    if (slab === undefined) return undefined;
    const bytes = slab.bytes.subarray(0, this.#used);
    this.arena.forget(this);
    this.#slab = undefined;
    this.#used = 0;
    return { slab, bytes };
  }
}
