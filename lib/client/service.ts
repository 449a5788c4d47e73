/**
 * The service as seen from here: requests that are sent again when the connection breaks, answers as values or errors.
 *
 * The one place that knows undici. Imports errors, limits and this folder. Every verb of the client asks it.
 */

import { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import { ArtifactStoreError } from '../errors.js';
import {
  CLIENT_ANSWER_SIZE_MAX,
  CLIENT_ANSWER_TIMEOUT_MS,
  CLIENT_ATTEMPTS_MAX,
  CLIENT_CONNECT_TIMEOUT_MS,
  CLIENT_CONNECTIONS_MAX,
  CLIENT_FIRST_ATTEMPTS_MAX,
  CLIENT_IDLE_TIMEOUT_MS,
} from '../limits.js';
import { parseServiceUrl, type ServicePlace } from '../service-url.js';
import { aborted } from '../store/source.js';
import { Attempts } from './attempts.js';
import { Interrupted } from './interrupted.js';
import { answeredError, connectionError } from './problems.js';

export interface ServiceOptions {
  /** `http://host:port`, `https://host`, or `unix:/path` of a socket. */
  url: string;
  /** A token or JWT that says who asks. */
  token?: string;
  /** Who issues the service's certificate, as PEM, when it is nobody that this machine trusts anyway. */
  ca?: string | Uint8Array;
  /** A certificate that says who asks, and its key, as PEM. */
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
}

/** One request. */
export interface Call {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the service, from its slash on, encoded. */
  path: string;
  /** Those that are undefined are left out. */
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Readonly<Record<string, string>>;
  /** What is sent; a stream is made anew for each attempt. */
  body?: Uint8Array | string | (() => AsyncIterable<Uint8Array>);
  signal?: AbortSignal | undefined;
  /** May be sent again although it may have been done. Default: for GET, HEAD and PUT. */
  isRepeatable?: boolean;
  /** The answer may take as long as the work: no limit on waiting for it. */
  isPatient?: boolean;
}

export interface Reply {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** The body, to be read once. Breaking off ends the connection. Throws what a broken connection is. */
  bytes: AsyncIterable<Uint8Array>;
}

export class Service {
  /** As the user wrote it. */
  readonly url: string;
  readonly #place: ServicePlace;
  readonly #agent: Agent;
  readonly #token: string | undefined;
  /** Somebody has taken a request. */
  #isThere = false;

  /** @throws AS_ERR_INVALID_ARGUMENT: not the address of a service, or not a token */
  constructor({ url, token, ca, cert, key }: ServiceOptions) {
    this.url = url;
    this.#place = parseServiceUrl(url);
    if (token !== undefined && !/^[A-Za-z0-9._~+/-]+=*$/.test(token)) {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        'What was given as a token is none. Give it as it was made, without spaces or line ends.',
      );
    }
    this.#token = token;
    const { socketPath } = this.#place;
    const pem = (text: string | Uint8Array) => (typeof text === 'string' ? text : Buffer.from(text));
    this.#agent = new Agent({
      connections: CLIENT_CONNECTIONS_MAX,
      pipelining: 1,
      bodyTimeout: CLIENT_IDLE_TIMEOUT_MS,
      connect: {
        timeout: CLIENT_CONNECT_TIMEOUT_MS,
        ...(socketPath !== undefined && { socketPath }),
        ...(ca !== undefined && { ca: pem(ca) }),
        ...(cert !== undefined && { cert: pem(cert) }),
        ...(key !== undefined && { key: pem(key) }),
      },
    });
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /**
   * Sends a request once.
   *
   * @throws Interrupted: trying again may help; and every error that the service can answer
   */
  async send(call: Call): Promise<Reply> {
    const { method, path, query, headers, body, signal, isPatient } = call;
    if (signal?.aborted) throw aborted();
    const target = `${this.#place.prefix}${path}${queryText(query)}`;
    let reply: Dispatcher.ResponseData;
    try {
      reply = await request(`${this.#place.origin}${target}`, {
        dispatcher: this.#agent,
        method,
        headers: { ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }), ...headers },
        headersTimeout: isPatient ? 0 : CLIENT_ANSWER_TIMEOUT_MS,
        ...(body !== undefined && {
          body: typeof body === 'function' ? Readable.from(body(), { objectMode: false }) : body,
        }),
        ...(signal && { signal }),
      });
    } catch (error) {
      throw this.#failure(error, signal);
    }
    this.#isThere = true;
    const fields = reply.headers as Record<string, string>;
    const bytes = this.#bytes(reply.body, signal);
    if (reply.statusCode >= 200 && reply.statusCode < 300) return { status: reply.statusCode, headers: fields, bytes };
    const about = `${method} ${path} of ${this.url}`;
    throw answeredError(about, reply.statusCode, fields['retry-after'], await collect(bytes, CLIENT_ANSWER_SIZE_MAX));
  }

  /** As `send`, again and again while that may help. */
  call(call: Call): Promise<Reply> {
    return this.#repeatedly(call, () => this.send(call));
  }

  async #repeatedly<T>(call: Call, attempt: () => Promise<T>): Promise<T> {
    const { isRepeatable = ['GET', 'HEAD', 'PUT'].includes(call.method) } = call;
    const attempts = this.attempts(call.signal);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof Interrupted && error.mayBeDone && !isRepeatable) throw error;
        await attempts.after(error);
      }
    }
  }

  /** Attempts at something of this service. One that was never there is more likely elsewhere than away for a moment. */
  attempts(signal?: AbortSignal): Attempts {
    return new Attempts(signal, () => (this.#isThere ? CLIENT_ATTEMPTS_MAX : CLIENT_FIRST_ATTEMPTS_MAX));
  }

  /** Sends a request whose answer is JSON. Throws AS_ERR_HTTP_ANSWER when it is not. */
  async json<T>(call: Call): Promise<T> {
    const { bytes } = await this.read(call);
    return parseJson<T>(bytes, `${call.method} ${call.path}`);
  }

  /** Sends a request and takes the whole answer; one that breaks off is asked for again, if it may be. */
  async read(
    call: Call,
    sizeMax: number = CLIENT_ANSWER_SIZE_MAX,
  ): Promise<{ headers: Reply['headers']; bytes: Buffer }> {
    return this.#repeatedly(call, async () => {
      const { headers, bytes } = await this.send(call);
      return { headers, bytes: await collect(bytes, sizeMax) };
    });
  }

  /** Lines of JSON, as they come; empty ones, which are signs of life, left out. */
  async *lines<T>(call: Call): AsyncGenerator<T> {
    const { bytes } = await this.call(call);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of bytes) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield parseJson<T>(Buffer.from(line), `${call.method} ${call.path}`);
    }
  }

  async *#bytes(body: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      yield* body as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw this.#failure(error, signal);
    } finally {
      body.on('error', () => undefined).destroy(); // what was not read is not wanted
    }
  }

  #failure(error: unknown, signal: AbortSignal | undefined): Error {
    if (signal?.aborted) return aborted();
    const failure = connectionError(this.url, error);
    if (failure instanceof Interrupted && failure.mayBeDone) this.#isThere = true;
    return failure;
  }
}

/** A segment of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}

/** All of a body. Throws AS_ERR_HTTP_ANSWER: more than `sizeMax`. */
export async function collect(bytes: AsyncIterable<Uint8Array>, sizeMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > sizeMax) {
      throw new ArtifactStoreError(
        'AS_ERR_HTTP_ANSWER',
        `The answer has more than the ${sizeMax} bytes that it can have. Check what is at this address.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The value of JSON. Throws AS_ERR_HTTP_ANSWER: it is none. */
export function parseJson<T>(bytes: Buffer, about: string): T {
  try {
    return JSON.parse(bytes.toString()) as T;
  } catch (cause) {
    const message = `${about} was not answered with JSON. Check what is at this address.`;
    throw new ArtifactStoreError('AS_ERR_HTTP_ANSWER', message, {}, { cause });
  }
}

function queryText(query: Call['query'] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))}`;
}
