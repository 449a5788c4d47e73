/**
 * Requests to an S3-compatible server: signed, sent over kept connections, and sent again when the server is busy or a connection breaks.
 *
 * With handed-over.ts the only file of this folder that sends them with undici; tls-answer.ts sends some by itself. Nothing is sent again that the server has refused for what it is: a wrong signature, a missing right,
 * a missing object. Called by bucket.ts.
 */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import { ArtifactStoreError, isStoreError } from '../../../errors.js';
import {
  S3_ANSWER_SIZE_MAX,
  S3_ANSWER_TIMEOUT_MS,
  S3_ATTEMPTS_MAX,
  S3_BACKOFF_FIRST_MS,
  S3_BACKOFF_MAX_MS,
  S3_BLOCK_SIZE,
  S3_CONNECT_TIMEOUT_MS,
  S3_CONNECTIONS_MAX,
  S3_IDLE_TIMEOUT_MS,
} from '../../../limits.js';
import type { CredentialChain } from './credentials/chain.js';
import { type HandedOver, handOver } from './handed-over.js';
import { codeOf, describe, isPassing, isUntrusted, Refused, unavailable, untrusted } from './problems.js';
import { amzDate, authorization, canonicalQuery, EMPTY_PAYLOAD_HASH, encodePath } from './sigv4.js';
import { answerOverTls, type Head, type TlsBody } from './tls-answer.js';

/** Where the server is and how it wants to be spoken to. */
export interface Place {
  bucket: string;
  region: string;
  /** Of the server: `https://host` or `http://host:port`. */
  endpoint: string;
  /** The bucket is the first segment of the path, not a part of the host's name. */
  pathStyle: boolean;
  /** Certificates in PEM that are trusted in place of the system's. */
  authorities?: string;
}

/** A body that is made anew for each attempt. */
export interface StreamedBody {
  size: number;
  stream: () => AsyncIterable<Uint8Array>;
}

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Of an object; empty for the bucket itself. */
  key: string;
  query?: readonly (readonly [string, string])[];
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>;
  body?: Uint8Array | StreamedBody;
  /** SHA-256 of the body, in hex; computed here for a small one. */
  payloadHash?: string;
  signal?: AbortSignal | undefined;
  /** Attempts at most. */
  attempts?: number;
  /** Milliseconds until the head of the answer. */
  timeoutMs?: number;
  /** As anybody could send it, without a signature. */
  unsigned?: boolean;
}

export interface S3Answer {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
  /** To be read to its end or left by `return`. Throws what a broken connection is. */
  body: AsyncIterable<Uint8Array>;
}

/** Something that went wrong and was dealt with, as a sentence. */
export type Notice = (sentence: string) => void;

export class Requests {
  readonly #agent: Agent;
  readonly #origin: string;
  readonly #host: string;
  readonly #root: string;
  /** By how much the server's clock is ahead of ours, once it has complained. */
  #clockAheadMs = 0;
  /** Counted for metrics. */
  readonly counts = { requests: 0, retries: 0, failures: 0 };

  constructor(
    readonly place: Place,
    private readonly credentials: CredentialChain,
    private readonly notice: Notice,
  ) {
    const { endpoint, bucket, pathStyle } = place;
    const url = new URL(endpoint);
    if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`;
    this.#origin = url.origin;
    this.#host = url.host;
    const below = url.pathname.replace(/\/+$/, '');
    this.#root = pathStyle ? `${below}/${encodePath(bucket)}` : below;
    this.#agent = new Agent({
      connections: S3_CONNECTIONS_MAX,
      pipelining: 1,
      bodyTimeout: S3_IDLE_TIMEOUT_MS,
      connect: { timeout: S3_CONNECT_TIMEOUT_MS, ...(place.authorities && { ca: place.authorities }) },
    });
  }

  /** Bytes come as they are, not within TLS. */
  get isPlain(): boolean {
    return this.#origin.startsWith('http:');
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /**
   * Sends a request, again while that may help.
   *
   * @returns an answer of 2xx
   * @throws Refused: the server will not; AS_ERR_UNAVAILABLE: it cannot be reached, or keeps failing; AS_ERR_ABORTED, AS_ERR_UNAUTHENTICATED
   */
  async send(request: S3Request): Promise<S3Answer> {
    return this.#repeatedly(request, () => this.#attempt(request));
  }

  /** The same, and reads the answer, which is text; an answer that breaks off, or says in its body that it failed, is asked for again. */
  async sendForText(request: S3Request): Promise<{ headers: S3Answer['headers']; text: string }> {
    return this.#repeatedly(request, async () => {
      const { headers, body, status } = await this.#attempt(request);
      const text = await readText(body);
      // Some operations begin to answer before they know how they end.
      const code = /^\s*(<\?xml[^>]*\?>)?\s*<Error>/.test(text) ? codeOf(text) : undefined;
      if (code !== undefined)
        throw new Refused(this.#about(request), { status: status === 200 ? 500 : status, code }, '');
      return { headers, text };
    });
  }

  /**
   * Sends a request for an object once, and leaves the body of the answer in its connection.
   *
   * @returns undefined: this cannot be done, or the answer is none with a body of known length; `send` finds out what it is
   */
  async sendForSocket(request: S3Request): Promise<HandedOver | undefined> {
    try {
      return await handOver(this.#origin, await this.#once(request), hasPlainBody);
    } catch (error) {
      if (isStoreError(error)) throw error;
      return undefined;
    }
  }

  /** The same over TLS, the body decrypted into memory that is used again. */
  async sendForTls(request: S3Request): Promise<(Head & { body: TlsBody }) | undefined> {
    const { authorities } = this.place;
    return answerOverTls(this.#origin, { ...(await this.#once(request)), authorities }, hasPlainBody);
  }

  /** A request without a body that is sent once, by itself. */
  async #once(request: S3Request) {
    const { method } = request;
    const path = `${this.#root}/${encodePath(request.key)}`;
    this.counts.requests++;
    return { path, method, headers: await this.#headers(request, path), headersTimeout: S3_ANSWER_TIMEOUT_MS };
  }

  async #repeatedly<T>(request: S3Request, attempt: () => Promise<T>): Promise<T> {
    const about = this.#about(request);
    const most = request.attempts ?? S3_ATTEMPTS_MAX;
    for (let attempts = 1; ; attempts++) {
      let reason: string;
      let isFree = false;
      try {
        return await attempt();
      } catch (error) {
        if (request.signal?.aborted) throw aborted(error);
        if (error instanceof Refused) {
          isFree = attempts === 1 && this.#hasLearned(error);
          if (!isFree && !isPassing(error.refusal)) throw error;
          reason = `it was answered ${describe(error.refusal)}`;
        } else {
          if (isStoreError(error)) throw error;
          if (isUntrusted(error)) throw untrusted(this.#origin, error);
          reason = connectionReason(error);
        }
      }
      if (attempts >= most) {
        this.counts.failures++;
        throw unavailable(about, attempts, reason);
      }
      const wait = isFree ? 0 : Math.random() * Math.min(S3_BACKOFF_FIRST_MS * 2 ** attempts, S3_BACKOFF_MAX_MS);
      this.counts.retries++;
      this.notice(
        `${about} is sent again because ${reason}: attempt ${attempts + 1} of ${most}, in ${wait.toFixed(0)} ms.`,
      );
      await sleep(wait, undefined, request.signal && { signal: request.signal }).catch((error) => {
        throw aborted(error);
      });
    }
  }

  /** Whether a refusal says something about us that can be put right: the clock differs, or the credentials have ended. */
  #hasLearned({ refusal }: Refused): boolean {
    if (refusal.code === 'RequestTimeTooSkewed') return true; // the clock was set when the answer came
    if (refusal.code !== 'ExpiredToken') return false;
    this.credentials.forget();
    return true;
  }

  async #attempt(request: S3Request): Promise<S3Answer> {
    if (request.signal?.aborted) throw aborted(request.signal.reason);
    const { method, body, signal, timeoutMs = S3_ANSWER_TIMEOUT_MS } = request;
    const path = `${this.#root}/${encodePath(request.key)}`;
    const query = canonicalQuery(request.query ?? []);
    this.counts.requests++;
    const reply = await this.#agent.request({
      origin: this.#origin,
      path: query === '' ? path : `${path}?${query}`,
      method,
      headers: await this.#headers(request, path),
      headersTimeout: timeoutMs,
      ...(body instanceof Uint8Array && { body: this.isPlain ? body : (inPieces(body) as never) }),
      ...(body !== undefined && !(body instanceof Uint8Array) && { body: body.stream() as never }),
      ...(signal && { signal }),
    });
    const { statusCode: status } = reply;
    const headers = reply.headers as S3Answer['headers'];
    if (status >= 200 && status < 300) return { status, headers, body: reply.body };
    throw await this.#refused(request, reply);
  }

  async #headers(request: S3Request, path: string): Promise<Record<string, string>> {
    const { method, query = [], body } = request;
    const payloadHash = request.payloadHash ?? hashOf(body);
    if (request.unsigned) return { ...request.headers, host: this.#host };
    const credentials = await this.credentials.get();
    const time = amzDate(Date.now() + this.#clockAheadMs);
    const headers: Record<string, string> = {
      ...request.headers,
      host: this.#host,
      'x-amz-content-sha256': payloadHash,
      'x-amz-date': time,
      ...(credentials.sessionToken !== undefined && { 'x-amz-security-token': credentials.sessionToken }),
    };
    const signed = { method, path, query, headers: Object.entries(headers), payloadHash };
    const scope = { region: this.place.region, service: 's3', time };
    headers.authorization = authorization(signed, scope, credentials);
    const size = body instanceof Uint8Array ? body.byteLength : (body?.size ?? 0);
    if (body !== undefined || method === 'PUT' || method === 'POST') headers['content-length'] = String(size);
    return headers;
  }

  async #refused(request: S3Request, reply: Dispatcher.ResponseData): Promise<Refused> {
    const text = await readText(reply.body); // of HEAD there is none
    const refusal = { status: reply.statusCode, code: codeOf(text) };
    const date = Date.parse(String(reply.headers.date ?? ''));
    if (refusal.code === 'RequestTimeTooSkewed' && !Number.isNaN(date)) this.#clockAheadMs = date - Date.now();
    const region = reply.headers['x-amz-bucket-region'];
    const isElsewhere = typeof region === 'string' && /^[a-z0-9-]+$/.test(region) && region !== this.place.region;
    const hint = isElsewhere ? ` The bucket is in the region ${region}, not in ${this.place.region}.` : '';
    return new Refused(this.#about(request), refusal, hint);
  }

  #about({ method, key, query = [] }: S3Request): string {
    const names = query
      .filter(([name]) => name !== 'uploadId')
      .map(([name, value]) => (value ? `${name} ${value}` : name));
    const what = `${method} ${this.place.bucket}/${key}`;
    return names.length === 0 ? what : `${what} (${names.join(', ')})`;
  }
}

/** Whether an answer is bytes of an object, as they are, and so many as it says. */
function hasPlainBody({ status, headers }: Head): boolean {
  const isPlain = headers['content-encoding'] === undefined && headers['transfer-encoding'] === undefined;
  return [200, 206].includes(status) && isPlain && headers['content-length'] !== undefined;
}

/** TLS encrypts whatever it is given at once, into memory of its own; so it is given little. */
function* inPieces(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.byteLength; at += S3_BLOCK_SIZE) yield body.subarray(at, at + S3_BLOCK_SIZE);
}

function hashOf(body: S3Request['body']): string {
  if (body === undefined) return EMPTY_PAYLOAD_HASH;
  if (body instanceof Uint8Array) return createHash('sha256').update(body).digest('hex');
  throw new ArtifactStoreError('AS_ERR_INTERNAL', 'A streamed body was to be sent without its digest.');
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > S3_ANSWER_SIZE_MAX)
      throw new ArtifactStoreError(
        'AS_ERR_IO',
        `An answer of more than ${S3_ANSWER_SIZE_MAX} bytes came where text was expected.`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Why a connection gave no answer, in words. */
export function connectionReason(error: unknown): string {
  const { code, message, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  switch (cause?.code ?? code) {
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name is not known';
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'the connection broke';
    case 'UND_ERR_CONNECT_TIMEOUT':
      return 'no connection was made in time';
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'nothing came for too long';
    default:
      return message || 'the connection broke';
  }
}

function aborted(cause: unknown): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The request was given up.', {}, { cause });
}
