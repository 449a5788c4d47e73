/**
 * A request's body as a byte source: what the client sends, as fast as it is wanted, and an error when it falls silent or goes away.
 *
 * Imports errors and limits. Made by `server.ts`, read by the store. Listens to `data` because iterating the message itself is slower; pauses the
 * socket when the reader falls behind.
 */

import type { IncomingMessage } from 'node:http';
import { ArtifactStoreError } from '../../errors.js';
import { HTTP_BODY_BUFFER_SIZE } from '../../limits.js';

interface Waiter {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

const DONE: IteratorResult<Uint8Array> = { done: true, value: undefined };

export class RequestBody implements AsyncIterableIterator<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #buffered = 0;
  #received = 0;
  #ended = false;
  #error: Error | undefined;
  #waiter: Waiter | undefined;
  #idle: NodeJS.Timeout | undefined;
  #started = false;

  /**
   * @param idleMs milliseconds a client may be silent while its bytes are waited for
   * @param onStart called once, before the first byte is waited for
   */
  constructor(
    private readonly request: IncomingMessage,
    private readonly idleMs: number,
    private readonly onStart: () => void,
  ) {}

  /** Bytes that have come. */
  get received(): number {
    return this.#received;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#started) this.#start();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#buffered -= chunk.byteLength;
      if (this.#buffered === 0 && !this.#ended) this.request.resume();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#error) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve(DONE);
    this.#idle?.refresh();
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /** The reader wants no more: what has come is dropped, what follows stays in the socket. */
  return(): Promise<IteratorResult<Uint8Array>> {
    if (this.#started && !this.#ended) {
      this.#stop();
      this.request.pause();
    }
    this.#started = true;
    this.#ended = true;
    this.#chunks.length = 0;
    return Promise.resolve(DONE);
  }

  #start(): void {
    this.#started = true;
    this.onStart();
    this.#idle = setTimeout(this.#onIdle, this.idleMs);
    this.request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onGone).on('error', this.#onGone);
    if (this.request.destroyed) this.#onGone();
  }

  #stop(): void {
    clearTimeout(this.#idle);
    this.request
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onGone)
      .off('error', this.#onGone);
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#received += chunk.byteLength;
    const waiter = this.#takeWaiter();
    if (waiter) {
      waiter.resolve({ done: false, value: chunk });
      return;
    }
    this.#chunks.push(chunk);
    this.#buffered += chunk.byteLength;
    if (this.#buffered >= HTTP_BODY_BUFFER_SIZE) this.request.pause();
  };

  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#stop();
    this.#takeWaiter()?.resolve(DONE);
  };

  readonly #onGone = (): void => {
    this.#fail(
      new ArtifactStoreError(
        'AS_ERR_ABORTED',
        `The connection ended after ${this.#received} bytes of the body; nothing was stored. Send the object again.`,
        { received: this.#received },
      ),
    );
  };

  /** Only a client that is waited for is too slow: while the store is busy, its silence is our own doing. */
  readonly #onIdle = (): void => {
    if (!this.#waiter) return;
    this.#fail(
      new ArtifactStoreError(
        'AS_ERR_HTTP_TIMEOUT',
        `No byte of the body came for ${this.idleMs} ms; ${this.#received} had come and nothing was stored. Send the object again.`,
        { received: this.#received, idleMs: this.idleMs },
      ),
    );
  };

  #fail(error: Error): void {
    this.#error = error;
    this.#stop();
    this.request.pause();
    this.#takeWaiter()?.reject(error);
  }

  #takeWaiter(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }
}
