/**
 * Writing an answer to its connection: back-pressure, clients that leave, and bodies that nobody read.
 *
 * Imports the exchange types and limits. Called by `server.ts` only.
 */

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HTTP_LINGER_MS, HTTP_LINGER_SIZE } from '../../limits.js';
import type { Answer, Download } from './exchange.js';
import type { Visit } from './observe/visit.js';

/** Whatever is stored here must never act in a browser as a page of ours. */
const ALWAYS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
  'Cross-Origin-Resource-Policy': 'same-origin',
};

export interface SendOptions {
  /** Close the connection behind the answer. */
  close: boolean;
  /** The client sends the body now, or may: not so when it waits for a `100 Continue` that it never got. */
  bodyInFlight: boolean;
  /** Milliseconds that a client may take nothing. */
  idleMs: number;
  /** Where bytes of the body are counted; its id goes out with the answer. */
  visit: Visit;
}

/**
 * Sends an answer; settles when its last byte has been written to the connection, or when the client is gone.
 *
 * @throws what reading the bytes throws: the head is out, so the connection must be torn for the client to notice
 */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  options: SendOptions,
): Promise<void> {
  const { status, body } = answer;
  const { visit } = options;
  const headers = { ...ALWAYS, 'X-Request-Id': visit.id, ...answer.headers };
  const unread = !request.complete;
  if (options.close || unread) response.setHeader('Connection', 'close');
  if (isDownload(body)) {
    response.writeHead(status, headers);
    await sendBytes(response, body, options);
    return;
  }
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, bytes ? { ...headers, 'Content-Length': bytes.byteLength } : headers);
  if (bytes && request.method !== 'HEAD') visit.bytesOut += bytes.byteLength;
  if (!unread || !options.bodyInFlight) {
    response.end(bytes);
    return;
  }
  // To the client the answer is complete now; only the end of the connection waits.
  response.flushHeaders();
  if (bytes) response.write(bytes);
  await discard(request);
  response.end();
}

function isDownload(body: Answer['body']): body is Download {
  return typeof body === 'object' && 'rest' in body;
}

async function sendBytes(
  response: ServerResponse,
  { first, rest }: Download,
  { idleMs, visit }: SendOptions,
): Promise<void> {
  let waiting = false;
  // The socket's own timer knows whether the kernel took a part of what was written: a slow client is not a silent one.
  response.setTimeout(idleMs, () => {
    if (waiting) response.destroy();
  });
  try {
    for (let step = first; !step.done && !response.destroyed; step = await rest.next()) {
      visit.bytesOut += step.value.byteLength;
      if (response.write(step.value)) continue;
      waiting = true;
      await drained(response);
      waiting = false;
    }
    if (!response.destroyed) response.end();
  } finally {
    await rest.return?.();
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
function discard(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let size = 0;
    const timer = setTimeout(resolve, HTTP_LINGER_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    request.on('data', (chunk: Uint8Array) => {
      size += chunk.byteLength;
      if (size > HTTP_LINGER_SIZE) done();
    });
    request.on('end', done).on('close', done).on('error', done).resume();
  });
}
