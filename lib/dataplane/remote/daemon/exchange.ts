/**
 * One request to the daemon and its answer: heads and streams read and written, at the pace of the other end.
 *
 * Imports `node:http`'s types, frames and failures. Made by `host.ts`, used by the operations.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CborInput } from '../../../cbor/index.js';
import { ArtifactStoreError } from '../../../errors.js';
import { failureValue } from '../failure.js';
import { BodyReader, encodeFailedEnd, encodeHead, encodePieces, STREAM_END } from '../frames.js';
import { INSTANCE_HEADER, MEDIA_TYPE } from '../protocol.js';
import { NOTHING } from '../values.js';
import { statusOf } from './status.js';

export class Exchange {
  readonly body: BodyReader;
  readonly #gone = new AbortController();
  #hasBegun = false;

  /** @param instance which run of the daemon this is */
  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly instance: string,
  ) {
    this.body = new BodyReader(request);
    response.once('close', () => {
      if (!response.writableFinished) this.#gone.abort();
    });
    response.on('error', () => undefined); // whoever writes learns it by `close`
  }

  /** Aborted when nobody waits for the answer any more. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Ends the connection unless what is run, which reads from it, is done in time. */
  async within<T>(milliseconds: number, run: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.request.destroy(), milliseconds);
    try {
      return await run();
    } finally {
      clearTimeout(timer);
    }
  }

  /** The whole answer: a value, and what it says follows. */
  async answer(value: CborInput, payload: readonly Uint8Array[] = []): Promise<void> {
    this.#send(200, Buffer.concat([encodeHead(value), ...payload]));
  }

  /** The answer is a stream from here on. */
  begin(): void {
    this.#hasBegun = true;
    this.response.writeHead(200, this.#headers());
    this.response.write(encodeHead(NOTHING));
  }

  /** A value as a piece of the stream, which waits for nobody: for few small ones. */
  report(value: CborInput): void {
    this.response.write(encodeHead(value));
  }

  /** All of a stream; it begins when the first of its bytes is there, so that what fails before is answered as a failure. */
  async stream(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces = encodePieces(bytes);
    try {
      let step = await pieces.next();
      this.begin();
      for (; !step.done; step = await pieces.next()) await this.#write(step.value);
      this.end();
    } finally {
      await pieces.return(undefined);
    }
  }

  /** The stream has come to its end. */
  end(): void {
    this.response.end(STREAM_END);
  }

  /** What was asked for failed. */
  fail(error: unknown): void {
    if (this.response.destroyed) return;
    if (this.#hasBegun) {
      this.response.end(encodeFailedEnd(error));
      return;
    }
    this.#send(statusOf(error), encodeHead(failureValue(error)));
    void this.body.drain();
  }

  #send(status: number, body: Buffer): void {
    this.response.writeHead(status, { ...this.#headers(), 'content-length': body.byteLength });
    this.response.end(body);
  }

  #headers() {
    return { 'content-type': MEDIA_TYPE, [INSTANCE_HEADER]: this.instance };
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (this.response.destroyed) throw gone();
    if (this.response.write(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const onDrain = () => {
        this.response.off('close', onClose);
        resolve();
      };
      const onClose = () => {
        this.response.off('drain', onDrain);
        reject(gone());
      };
      this.response.once('drain', onDrain).once('close', onClose);
    });
  }
}

/** Nobody waits for the answer any more. */
function gone(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The client went away.');
}
