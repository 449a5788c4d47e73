/**
 * One call of an upload session: its bytes go through slabs as those of any stream do, and become durable as they come, so that little is
 * lost when the connection is cut or the process is killed.
 *
 * Called by lib/dataplane/inproc/index.ts.
 */

import { SESSION_CHECKPOINT_INTERVAL_MS, SESSION_CHECKPOINT_SIZE } from '../../limits.js';
import type { Handle, NativeIngested, NativeSession } from '../../native/addon.js';
import type { LocalBackend } from '../backend/local.js';
import type { ByteSource, ObjectHints, SessionAppend } from '../spi.js';
import type { Arena } from './arena.js';
import { StreamIngest } from './ingest.js';

/** Appends the source to the session: the object, or how far the session has come. */
export async function appendSession(
  backend: LocalBackend,
  arena: Arena,
  source: ByteSource,
  { id, offset, final }: SessionAppend,
  hints: ObjectHints,
): Promise<NativeIngested | NativeSession> {
  const ingest = await backend.sessionBegin(id, offset);
  const writer = new SessionWriter(backend, new StreamIngest(backend, arena, hints, ingest), ingest, id);
  try {
    await writer.take(source);
    return await (final ? writer.finish(hints) : writer.checkpoint());
  } finally {
    await writer.dispose();
  }
}

class SessionWriter {
  /** The last of what writes to the session; each waits for the one before, because a checkpoint may fall due at any time. */
  #last: Promise<unknown> = Promise.resolve();
  /** Bytes taken since the last checkpoint. */
  #since = 0;

  constructor(
    private readonly backend: LocalBackend,
    private readonly stream: StreamIngest,
    private readonly ingest: Handle,
    private readonly id: string,
  ) {}

  /** Reads the source to its end. When it throws, what it gave before is made durable first. */
  async take(source: ByteSource): Promise<void> {
    const timer = setInterval(() => this.#onTime(), SESSION_CHECKPOINT_INTERVAL_MS);
    try {
      for await (const chunk of source) await this.#write(chunk);
    } catch (error) {
      await this.checkpoint().catch(() => undefined); // the first error tells more
      throw error;
    } finally {
      clearInterval(timer);
    }
  }

  checkpoint(): Promise<NativeSession> {
    return this.#inTurn(() => this.#checkpoint());
  }

  finish(hints: ObjectHints): Promise<NativeIngested> {
    return this.#inTurn(() => this.stream.end((ingest) => this.backend.sessionCommit(ingest, this.id, hints)));
  }

  async dispose(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.stream.dispose();
  }

  #write(chunk: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      for (let at = 0; at < chunk.byteLength; ) {
        const piece = chunk.subarray(at, at + SESSION_CHECKPOINT_SIZE - this.#since);
        await this.stream.write(piece);
        at += piece.byteLength;
        this.#since += piece.byteLength;
        if (this.#since >= SESSION_CHECKPOINT_SIZE) await this.#checkpoint();
      }
    });
  }

  /** A source that pauses has what it gave made durable all the same, and holds no slab meanwhile. */
  #onTime(): void {
    if (this.#since > 0) this.checkpoint().catch(() => undefined); // the core repeats its error to whoever comes next
  }

  async #checkpoint(): Promise<NativeSession> {
    await this.stream.drain();
    this.#since = 0;
    return this.backend.sessionCheckpoint(this.ingest, this.id);
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.catch(() => undefined).then(run);
    this.#last = turn;
    return turn;
  }
}
