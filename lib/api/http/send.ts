/**
 * Writing an answer to its connection: back-pressure, clients that leave, and bodies that nobody read.
 *
 * Imports Node types, the exchange, errors and limits. Called by `server.ts` only.
 */

import { once } from 'node:events';
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { isStoreError } from '../../errors.js';
import { HTTP_LINGER_MS, HTTP_LINGER_SIZE } from '../../limits.js';
import { StoredObject } from '../../store/stored-object.js';
import type { Answer, Download } from './exchange.js';
import { ALWAYS } from './head.js';
import type { Visit } from './observe/visit.js';
import type { Turn } from './turn.js';

export interface SendOptions {
  /** Close the connection behind the answer. */
  close: boolean;
  /** Milliseconds that a client may take nothing. */
  idleMs: number;
}

/**
 * Sends an answer, of which an object has been read before; settles when its last byte has been written to the connection, or when the client is gone; at once where there is nothing to wait for.
 *
 * @throws what reading the bytes throws: the head is out, so the connection must be torn for the client to notice
 */
export function send(turn: Turn, answer: Answer, options: SendOptions): Promise<void> | undefined {
  const { request, response, visit } = turn;
  const { status, body } = answer;
  const unread = isUnread(turn);
  const fields = fieldsOf(answer.headers, visit.id);
  if (options.close || unread) fields.push('Connection', 'close');
  if (isDownload(body)) {
    response.writeHead(status, fields);
    return sendBytes(response, body, { ...options, visit });
  }
  const isObject = body instanceof StoredObject; // then it is a HEAD, for which nobody reads it
  const bytes = isObject ? undefined : bytesOf(body);
  const length = isObject ? body.size : bytes?.byteLength;
  if (length !== undefined) fields.push('Content-Length', length);
  response.writeHead(status, fields);
  if (bytes && request.method !== 'HEAD') visit.bytesOut += bytes.byteLength;
  if (!unread || !turn.bodyInFlight || turn.isReceived) {
    response.end(bytes);
    return undefined;
  }
  // To the client the answer is complete now; only the end of the connection waits.
  response.flushHeaders();
  if (bytes) response.write(bytes);
  return discard(turn.isGiven ? request.socket : request).then(() => void response.end());
}

/** Whether a body of the request is still to come. What has none may be answered before Node says that it is complete. */
export function isUnread({ request: { complete, headers }, isGiven }: Turn): boolean {
  if (isGiven) return true;
  if (complete) return false;
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function bytesOf(body: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof body === 'string' ? Buffer.from(body) : body;
}

/** Names and values in turns, which Node takes as they are: an object made of several costs more than sending it. */
function fieldsOf(headers: OutgoingHttpHeaders, requestId: string): OutgoingHttpHeader[] {
  const fields: OutgoingHttpHeader[] = ['X-Request-Id', requestId];
  for (const [name, value] of ALWAYS) if (!(name in headers)) fields.push(name, value);
  for (const name in headers) fields.push(name, headers[name] as OutgoingHttpHeader);
  return fields;
}

function isDownload(body: Answer['body']): body is Download {
  return typeof body === 'object' && 'rest' in body;
}

async function sendBytes(response: ServerResponse, body: Download, options: WriterOptions): Promise<void> {
  const { first, rest, intoSocket } = body;
  const writer = new Writer(response, options);
  try {
    if (intoSocket === undefined) {
      if (!first.done) await writer.write(first.value);
      await writer.writeAll(rest);
    } else {
      if (!first.done) await writer.writeThrough(first.value);
      const socket = plainSocketOf(response);
      const sending = socket === undefined ? undefined : intoSocket(socket);
      if (sending === undefined) await writer.writeAll(rest);
      else await writer.passOn(sending);
    }
    if (!response.destroyed) response.end();
  } finally {
    await rest.return?.();
  }
}

/** The descriptor of a connection on which bytes are sent as they are, once it is this answer's turn; undefined of TLS, and where there is none. */
function plainSocketOf({ socket }: ServerResponse): number | undefined {
  if (socket === null || socket instanceof TLSSocket) return undefined;
  const { fd } = (socket as Socket & { _handle?: { fd?: number } })._handle ?? {};
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

interface WriterOptions {
  idleMs: number;
  /** Where bytes of the body are counted. */
  visit: Visit;
}

/** Bytes of a body on their way to a client that may be slow, silent or gone. */
class Writer {
  #waiting = false;

  private readonly visit: Visit;

  constructor(
    private readonly response: ServerResponse,
    { idleMs, visit }: WriterOptions,
  ) {
    this.visit = visit;
    // The socket's own timer knows whether the kernel took a part of what was written: a slow client is not a silent one.
    response.setTimeout(idleMs, () => {
      if (this.#waiting) response.destroy();
    });
  }

  /** Writes a chunk; resolves when there is room for another, or nobody to send to. */
  async write(chunk: Uint8Array): Promise<void> {
    this.visit.bytesOut += chunk.byteLength;
    if (this.response.write(chunk)) return;
    this.#waiting = true;
    await drained(this.response);
    this.#waiting = false;
  }

  async writeAll(rest: AsyncIterator<Uint8Array>): Promise<void> {
    while (!this.response.destroyed) {
      const step = await rest.next();
      if (step.done) return;
      await this.write(step.value);
    }
  }

  /** Writes a chunk; resolves when the kernel has all that was ever written, or nobody is there. */
  async writeThrough(chunk: Uint8Array): Promise<void> {
    const { response } = this;
    this.visit.bytesOut += chunk.byteLength;
    this.#waiting = true;
    await new Promise<void>((resolve) => {
      const done = () => {
        response.off('close', done);
        resolve();
      };
      response.once('close', done);
      response.write(chunk, done);
    });
    this.#waiting = false;
  }

  /** Lets somebody else write to the socket, and writes what they leave. */
  async passOn(sending: AsyncIterable<Uint8Array | number>): Promise<void> {
    try {
      for await (const step of sending) {
        if (typeof step === 'number') this.visit.bytesOut += step;
        else await this.writeThrough(step);
        if (this.response.destroyed) return;
      }
    } catch (error) {
      if (!isStoreError(error, 'AS_ERR_ABORTED')) throw error;
      this.response.destroy();
    }
  }
}

/** Until there is room again, or nobody to send to. */
async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  const ended = new AbortController();
  const settled = [once(response, 'drain', ended), once(response, 'close', ended)];
  await Promise.race(settled);
  ended.abort();
  await Promise.allSettled(settled);
}

/** Takes in and drops what a client still sends, for a while: closing at once would reset the connection before the client reads its answer. */
function discard(from: Readable): Promise<void> {
  return new Promise((resolve) => {
    let size = 0;
    const timer = setTimeout(resolve, HTTP_LINGER_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    from.on('data', (chunk: Uint8Array) => {
      size += chunk.byteLength;
      if (size > HTTP_LINGER_SIZE) done();
    });
    from.on('end', done).on('close', done).on('error', done).resume();
  });
}
