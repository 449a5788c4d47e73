/**
 * One object over as many requests as it takes: when the connection breaks or the service restarts, the upload goes on from the byte that is durable there.
 *
 * Speaks the IETF draft of resumable uploads (draft-ietf-httpbis-resumable-upload-11), which of the three dialects is the one that also takes a stream
 * whose length nobody knows. Imports errors, limits and this folder. Called by `put.ts`.
 */

import type { IngestHints } from '../dataplane/spi.js';
import { createDigester, type Digests } from '../digest.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { CLIENT_ANSWER_SIZE_MAX, CLIENT_PART_SIZE } from '../limits.js';
import type { Stored } from '../store/verbs.js';
import type { Attempts } from './attempts.js';
import { Interrupted } from './interrupted.js';
import { collect, parseJson, type Reply, type Service, segment } from './service.js';
import type { Repeatable } from './sources.js';

export interface UploadOptions {
  /** Its name there; whoever knows it can go on with it. */
  id: string;
  hints: IngestHints;
  signal?: AbortSignal | undefined;
  /** Told how many bytes have been sent, each once. */
  onProgress?: ((size: number) => void) | undefined;
}

/** What came of an upload, and what was sent. */
export interface Uploaded {
  stored: Stored;
  sent: Digests;
}

const PARTIAL = 'application/partial-upload';

/** One upload under way. */
export class Upload {
  readonly #service: Service;
  readonly #options: UploadOptions;
  readonly #attempts: Attempts;
  readonly #digester = createDigester();
  /** Bytes from the first on that the digester has, and that have been reported. */
  #digested = 0;
  /** Bytes that are durable there, as far as is known here. */
  #offset = 0;

  constructor(service: Service, options: UploadOptions) {
    this.#service = service;
    this.#options = options;
    this.#attempts = service.attempts(options.signal);
  }

  /**
   * Sends what can be read again. An upload of this name that is there already is gone on with.
   *
   * @throws AS_ERR_DIGEST_MISMATCH, AS_ERR_SIZE_MISMATCH, AS_ERR_SOURCE_CHANGED, AS_ERR_GONE, AS_ERR_UNAVAILABLE, AS_ERR_ABORTED, …
   */
  async whole(source: Repeatable, isContinued: boolean): Promise<Uploaded> {
    if (isContinued) await this.#locate();
    await this.#digest(source.from(this.#digested), this.#offset);
    const answer = await this.#part(0, source.size, (offset) => source.from(offset), true);
    return { stored: answer as Stored, sent: this.#digester.digest() };
  }

  /** Sends a stream, which comes only once: the part under way is held until it is durable there. */
  async stream(first: Uint8Array, rest: AsyncIterator<Uint8Array>): Promise<Uploaded> {
    let part = first;
    for (let start = 0; ; ) {
      const next = await gather(rest, CLIENT_PART_SIZE);
      const isLast = next.byteLength === 0;
      const held = part;
      const bytesFrom = async function* (offset: number) {
        yield held.subarray(offset - start);
      };
      const answer = await this.#part(start, start + held.byteLength, bytesFrom, isLast);
      if (isLast) return { stored: answer as Stored, sent: this.#digester.digest() };
      start += held.byteLength;
      part = next;
    }
  }

  /** Sends bytes up to `end`, and the last of them as such. Gives the object, when it was the last part. */
  async #part(
    start: number,
    end: number,
    from: (offset: number) => AsyncIterable<Uint8Array>,
    isLast: boolean,
  ): Promise<Stored | undefined> {
    for (;;) {
      try {
        const answer = await this.#append(end, from, isLast);
        this.#offset = end;
        this.#attempts.progress();
        return answer;
      } catch (error) {
        await this.#recover(error, start, end);
        if (!isLast && this.#offset === end) return undefined;
      }
    }
  }

  async #append(
    end: number,
    from: (offset: number) => AsyncIterable<Uint8Array>,
    isLast: boolean,
  ): Promise<Stored | undefined> {
    const { id, hints, signal } = this.#options;
    const offset = this.#offset;
    let failure: unknown;
    const source = from(offset)[Symbol.asyncIterator]();
    const next = () =>
      source.next().catch((error) => {
        failure = error;
        throw error;
      });
    const body = async function* (this: Upload) {
      let at = offset;
      try {
        for (let step = await next(); !step.done; step = await next()) {
          this.#take(step.value, at);
          yield step.value;
          at += step.value.byteLength;
        }
      } finally {
        await source.return?.();
      }
    }.bind(this);
    const path = `/v1/uploads/${segment(id)}`;
    const headers = { ...partHeaders(hints, offset, isLast), 'content-length': String(end - offset) };
    try {
      const method = offset === 0 ? 'PUT' : 'PATCH'; // what begins at the first byte may open it
      const reply = await this.#service.send({ method, path, headers, body, signal, isPatient: true });
      return await objectOf(reply, isLast);
    } catch (error) {
      throw failure ?? error; // why the source failed is more than that the connection ended with it
    }
  }

  /** Finds out where to go on after a failure, or gives up. */
  async #recover(failure: unknown, start: number, end: number): Promise<void> {
    const known = this.#offset;
    if (isStoreError(failure, 'AS_ERR_OFFSET')) this.#offset = Number(failure.details.expected);
    else {
      await this.#attempts.after(isTakenOver(failure) ? interrupted(failure) : failure);
      await this.#locate();
    }
    if (this.#offset > known) this.#attempts.progress();
    if (this.#offset >= start && this.#offset <= end) return;
    throw new ArtifactStoreError(
      'AS_ERR_OFFSET',
      `Upload ${this.#options.id} stands at ${this.#offset}, where these bytes are not (${start} to ${end}). Somebody else is sending to it; choose another name.`,
      { id: this.#options.id, expected: this.#offset },
    );
  }

  /** Asks how far the upload has come; one that was never opened stands at the first byte. */
  async #locate(): Promise<void> {
    const { id, signal } = this.#options;
    try {
      const { headers, bytes } = await this.#service.call({
        method: 'HEAD',
        path: `/v1/uploads/${segment(id)}`,
        signal,
      });
      await collect(bytes, 0);
      this.#offset = Number(headers['upload-offset']);
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_HTTP_ANSWER')) throw error;
      // The answer to HEAD has no body that could say more than its status.
      if (error.details.status !== 404)
        await this.#service.json({ method: 'GET', path: `/v1/uploads/${segment(id)}`, signal });
      this.#offset = 0;
    }
  }

  /** Gives up what has come there, so that its space is free; if that fails, time does it. */
  async abandon(): Promise<void> {
    const path = `/v1/uploads/${segment(this.#options.id)}`;
    await this.#service.send({ method: 'DELETE', path }).catch(() => undefined);
  }

  /** Digests what is about to be sent from `at` on, each byte once however often it is sent. */
  #take(chunk: Uint8Array, at: number): void {
    const fresh = chunk.subarray(Math.max(this.#digested - at, 0));
    if (fresh.byteLength === 0) return;
    this.#digester.update(fresh);
    this.#digested += fresh.byteLength;
    this.#options.onProgress?.(this.#digested);
  }

  /** Digests bytes that are there already, up to `end`. */
  async #digest(bytes: AsyncIterable<Uint8Array>, end: number): Promise<void> {
    if (this.#digested >= end) return;
    for await (const chunk of bytes) {
      this.#take(chunk.subarray(0, end - this.#digested), this.#digested);
      if (this.#digested >= end) return;
    }
  }
}

/** Up to `size` bytes of a stream, more by at most a chunk; fewer only at its end. */
export async function gather(stream: AsyncIterator<Uint8Array>, size: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let gathered = 0;
  while (gathered < size) {
    const step = await stream.next();
    if (step.done) break;
    chunks.push(step.value);
    gathered += step.value.byteLength;
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, gathered);
}

function partHeaders({ blake3, sha256, size }: IngestHints, offset: number, isLast: boolean): Record<string, string> {
  const expected = [blake3, sha256].filter((digest) => digest !== undefined);
  return {
    'content-type': PARTIAL,
    'upload-offset': String(offset),
    'upload-complete': isLast ? '?1' : '?0',
    ...(size !== undefined && { 'upload-length': String(size) }),
    ...(offset === 0 && expected.length > 0 && { 'artifactstore-digest': expected.join(', ') }),
  };
}

async function objectOf({ bytes }: Reply, isLast: boolean): Promise<Stored | undefined> {
  const body = await collect(bytes, CLIENT_ANSWER_SIZE_MAX);
  return isLast ? parseJson<Stored>(body, 'The end of an upload') : undefined;
}

/** Another request for this upload ended ours: one of ours that the service took for lost later than we did. */
function isTakenOver(error: unknown): error is ArtifactStoreError {
  return (
    isStoreError(error, 'AS_ERR_CONFLICT') && error.details.id !== undefined && error.details.address === undefined
  );
}

function interrupted({ code, message, details }: ArtifactStoreError): Interrupted {
  return new Interrupted(code, message, details, { mayBeDone: true });
}
