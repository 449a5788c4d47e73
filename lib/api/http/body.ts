/**
 * A request's body as a byte source: what the client sends, as fast as it is wanted, and an error when it falls silent or goes away.
 *
 * Imports errors, limits, the newcomers and the taking of sockets. Made by `server.ts`, read by the store. Listens to `data` because iterating the message itself is slower; pauses the
 * socket when the reader falls behind.
 */

import type { IncomingMessage } from 'node:http';
import type { GivenSocket, SocketSource } from '../../dataplane/spi.js';
import { ArtifactStoreError } from '../../errors.js';
import {
  HTTP_BODIES_BUFFER_SIZE,
  HTTP_BODY_BUFFER_SIZE,
  HTTP_RATE_MIN,
  RECEIVE_CROWD,
  RECEIVE_CROWDED_FROM,
  RECEIVE_DIRECT_FROM,
  RECEIVERS_CROWD_MAX,
  RECEIVERS_MAX,
} from '../../limits.js';
import { newcomers } from './newcomers.js';
import { canTakeSocket, descriptorOf, takeSocket } from './take-socket.js';

interface Waiter {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

const DONE: IteratorResult<Uint8Array> = { done: true, value: undefined };

/** Bodies whose sockets have been given away and are still coming. */
let given = 0;

/** Bodies that are coming and need a slab each, unless their sockets are given away. */
let coming = 0;

/** Bytes that all bodies hold for their readers. */
let held = 0;

/** Whether a socket over which so many bytes are to come is worth its connection. Of a chunked body nobody knows. */
function isWorthGiving(left: number): boolean {
  if (coming > RECEIVE_CROWD) return left >= RECEIVE_CROWDED_FROM && given < RECEIVERS_CROWD_MAX;
  return left >= RECEIVE_DIRECT_FROM && given < RECEIVERS_MAX;
}

export class RequestBody implements AsyncIterableIterator<Uint8Array>, SocketSource {
  readonly #chunks: Uint8Array[] = [];
  #buffered = 0;
  #received = 0;
  #ended = false;
  #error: Error | undefined;
  #waiter: Waiter | undefined;
  #idle: NodeJS.Timeout | undefined;
  #started = false;
  #rate: NodeJS.Timeout | undefined;
  /** Bytes that had come when the time by which the rate is measured began, and the milliseconds of it in which the client was waited for. */
  #receivedBefore = 0;
  #waitedMs = 0;
  #waitingSince = 0;
  /** Bytes that are to come over a socket that was given away; undefined while it was not. */
  #left: number | undefined;
  /** It is one of those that `given` counts. */
  #isCounted = false;
  /** It is one of those that `coming` counts. */
  #isComing = false;
  /** It is one of those that wait with their first bytes. */
  #isBeginning = false;
  /** Whoever has the socket waits for bytes. */
  #isStarved = false;

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

  /** Whether the socket was given away, so that Node reads no more from it and the connection ends behind the answer. */
  get isGiven(): boolean {
    return this.#left !== undefined;
  }

  /** Whether all of the body has come over a socket that was given away. */
  get isReceived(): boolean {
    return this.#left === 0 && this.#ended;
  }

  /** Where much is still to come and few others have been given away, or there is a crowd. */
  async giveSocket(): Promise<GivenSocket | undefined> {
    const { request } = this;
    const size = Number(request.headers['content-length']);
    if (!this.#started) this.#start();
    if (!isWorthGiving(size - this.#received) || this.#ended || this.#error || !canTakeSocket(request))
      return undefined;
    given++;
    this.#isCounted = true;
    this.#isBeginning = true;
    newcomers.uploadBegins();
    this.#left = 0; // from now on, whatever comes meanwhile
    await takeSocket(request);
    request.off('data', this.#onData).off('end', this.#onEnd);
    this.#left = size - this.#received;
    this.#idle?.refresh();
    const { socket } = request;
    return {
      get descriptor() {
        return descriptorOf(socket);
      },
      before: this.#before(),
      size: this.#left,
      took: (more) => this.#took(more),
    };
  }

  /** What had come when the socket was given away, held until it has been taken. */
  *#before(): Generator<Uint8Array> {
    for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) {
      yield chunk;
      this.#hold(-chunk.byteLength);
    }
    this.#began();
  }

  #began(): void {
    if (this.#isBeginning) newcomers.uploadBegan();
    this.#isBeginning = false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#started) this.#start();
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#hold(-chunk.byteLength);
      if (this.#buffered === 0 && !this.#ended) this.request.resume();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#error) return Promise.reject(this.#error);
    if (this.#ended) return Promise.resolve(DONE);
    this.#idle?.refresh();
    this.#waitingSince = performance.now();
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
    this.#hold(-this.#buffered);
    this.#takeWaiter()?.resolve(DONE);
    return Promise.resolve(DONE);
  }

  #took(size: number): void {
    if (this.#error) throw this.#error;
    this.#received += size;
    this.#left = (this.#left ?? 0) - size;
    if (size === 0 && !this.#isStarved) this.#waitingSince = performance.now();
    else if (size > 0 && this.#isStarved) this.#waitedMs += performance.now() - this.#waitingSince;
    if (size > 0 || !this.#isStarved) this.#idle?.refresh();
    this.#isStarved = size === 0;
    if (this.#left === 0) this.#onEnd();
  }

  #start(): void {
    this.#started = true;
    this.onStart();
    this.#isComing = !(Number(this.request.headers['content-length']) < RECEIVE_CROWDED_FROM);
    if (this.#isComing) coming++;
    this.#idle = setTimeout(this.#onIdle, this.idleMs);
    this.#rate = setInterval(this.#onRate, this.idleMs);
    this.request.on('data', this.#onData).on('end', this.#onEnd).on('close', this.#onGone).on('error', this.#onGone);
    if (this.request.destroyed) this.#onGone();
  }

  #stop(): void {
    this.#began();
    if (this.#isComing) coming--;
    this.#isComing = false;
    if (this.#isCounted) given--;
    this.#isCounted = false;
    clearTimeout(this.#idle);
    clearInterval(this.#rate);
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
    this.#hold(chunk.byteLength);
    const isEnough = this.#buffered >= HTTP_BODY_BUFFER_SIZE || held >= HTTP_BODIES_BUFFER_SIZE;
    if (isEnough && !this.isGiven) this.request.pause();
  };

  #hold(size: number): void {
    this.#buffered += size;
    held += size;
  }

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

  get #isAwaited(): boolean {
    return this.#waiter !== undefined || this.#isStarved;
  }

  /** Only a client that is waited for is too slow: while the store is busy, its silence is our own doing. */
  readonly #onIdle = (): void => {
    if (!this.#isAwaited) return;
    this.#fail(
      new ArtifactStoreError(
        'AS_ERR_HTTP_TIMEOUT',
        `No byte of the body came for ${this.idleMs} ms; ${this.#received} had come and nothing was stored. Send the object again.`,
        { received: this.#received, idleMs: this.idleMs },
      ),
    );
  };

  /** Who sends a byte now and then is never silent, and never done. */
  readonly #onRate = (): void => {
    const now = performance.now();
    const waitedMs = this.#waitedMs + (this.#isAwaited ? now - this.#waitingSince : 0);
    const size = this.#received - this.#receivedBefore;
    this.#receivedBefore = this.#received;
    this.#waitedMs = 0;
    this.#waitingSince = now;
    if (!this.#isAwaited || waitedMs < this.idleMs / 2 || size >= (HTTP_RATE_MIN * waitedMs) / 1000) return;
    this.#fail(
      new ArtifactStoreError(
        'AS_ERR_HTTP_TIMEOUT',
        `Only ${size} bytes of the body came within ${this.idleMs} ms, fewer than ${HTTP_RATE_MIN} a second; nothing was stored. Send the object again over a better connection, or in parts.`,
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
    if (waiter !== undefined) this.#waitedMs += performance.now() - this.#waitingSince;
    this.#waiter = undefined;
    return waiter;
  }
}
