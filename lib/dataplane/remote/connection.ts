/**
 * The way to a daemon: connections to its socket, kept and made again as needed, requests and their answers.
 *
 * The one file of this folder that knows undici. Imports errors, limits, metrics' types and the protocol. Called by the client's operations.
 */

import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import type { CborInput, CborValue } from '../../cbor/index.js';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import {
  CLIENT_CONNECT_TIMEOUT_MS,
  REMOTE_ATTEMPTS_MAX,
  REMOTE_BACKOFF_FIRST_MS,
  REMOTE_CALLS_MAX,
  REMOTE_CHANNELS_MAX,
  REMOTE_STREAMS_MAX,
} from '../../limits.js';
import type { Family } from '../../metrics/exposition.js';
import type { WorkerLoad } from '../../native/scheduler.js';
import { Channel } from './channel.js';
import { failureOf } from './failure.js';
import { BodyReader, encodeHead } from './frames.js';
import { type Greeting, helloValue, readGreeting } from './greeting.js';
import { type Attempted, connectionFailure, Interrupted } from './interrupted.js';
import {
  CHANNEL_PROTOCOL,
  CHANNELS_SINCE,
  HELLO,
  INSTANCE_HEADER,
  MEDIA_TYPE,
  OPERATIONS,
  type OperationName,
  VERSIONS,
  type Versions,
} from './protocol.js';
import { Tally } from './tally.js';

export type Rest = readonly Uint8Array[] | AsyncIterable<Uint8Array> | (() => AsyncIterable<Uint8Array>);

/** A whole body, its head included. */
export class EncodedBody {
  constructor(readonly bytes: Uint8Array) {}
}

/** What is asked for. */
export interface Request {
  operation: OperationName;
  head: CborInput | EncodedBody;
  /** What follows the head: bytes; or a stream, which is asked for only once there is a connection, or one that can be made anew. */
  rest?: Rest;
  /** Doing it twice is as doing it once. Default true. */
  isIdempotent?: boolean;
  /** It may take as long as somebody likes, and holds its connection meanwhile. */
  isStream?: boolean;
  /** It has a connection of its own, which ends with it. Only where `takeChannel` says so. `read`: somebody else than Node is to read the answer. */
  channel?: 'read' | 'written' | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds in which the answer must begin. Default: it may take as long as the work. */
  timeoutMs?: number;
  /** 1: it is not tried again. */
  attempts?: 1;
}

export interface Answer {
  body: BodyReader;
  /** Which run of the daemon gave it. */
  instance: string;
  /** The error that its connection broke. */
  cut(): Error;
  /** The connection, where it is the request's own. */
  channel?: Channel;
  /** Of that connection, for whoever is to read it: Node does not. -1: it does. */
  descriptor?: number;
  /** Nothing more of it is wanted. */
  discard(): void;
}

export class Connection {
  readonly #calls: Pool;
  readonly #streams: Pool;
  readonly #channels = new Set<Channel>();
  /** Operations that may have one. */
  #channelsTaken = 0;
  readonly #tally = new Tally();
  #greeting: Promise<Known> | undefined;
  /** The run of the daemon that was spoken to last. */
  #instance: string | undefined;

  /**
   * @param socketPath of the daemon's socket
   * @param versions of the protocol that are spoken
   */
  constructor(
    readonly socketPath: string,
    private readonly versions: Versions = VERSIONS,
  ) {
    const settings = {
      pipelining: 1,
      headersTimeout: 0, // on this machine a peer that is gone is known to be gone
      bodyTimeout: 0,
      connect: { socketPath, timeout: CLIENT_CONNECT_TIMEOUT_MS },
    };
    this.#calls = new Pool('http://localhost', { ...settings, connections: REMOTE_CALLS_MAX });
    this.#streams = new Pool('http://localhost', { ...settings, connections: REMOTE_STREAMS_MAX });
  }

  /** How users write it. */
  get place(): string {
    return `unix:${this.socketPath}`;
  }

  /** What the daemon says of itself; asked anew after it has been started again. Throws AS_ERR_PROTOCOL and as `call`. */
  async greeting(): Promise<Greeting> {
    return (await this.#known()).greeting;
  }

  /** The version that both speak; asked anew likewise. */
  async version(): Promise<number> {
    return (await this.#known()).version;
  }

  /** Whether an operation may have a connection of its own: both ends know how, and few have. Then `leaveChannel` follows when it has ended. */
  async takeChannel(): Promise<boolean> {
    const { version } = await this.#known();
    if (version < CHANNELS_SINCE || this.#channelsTaken >= REMOTE_CHANNELS_MAX) return false;
    this.#channelsTaken++;
    return true;
  }

  leaveChannel(): void {
    this.#channelsTaken--;
  }

  /** Requests that are on their way, for `load`. */
  load(): WorkerLoad {
    const { running, queued } = this.#calls.stats;
    return {
      workers: REMOTE_CALLS_MAX + REMOTE_STREAMS_MAX,
      busy: running + this.#streams.stats.running + this.#channels.size,
      waiting: { syncing: 0, quick: queued + this.#streams.stats.queued },
    };
  }

  families(): Family[] {
    const { connected } = this.#streams.stats;
    return this.#tally.families(this.#calls.stats.connected + connected + this.#channels.size);
  }

  /** Ends all connections, whatever is under way. */
  async close(): Promise<void> {
    for (const channel of this.#channels) channel.destroy();
    await Promise.all([this.#calls.destroy(), this.#streams.destroy()]);
  }

  /** Asks, and gives the value that is the whole answer. Throws as `ask`. */
  call(request: Request): Promise<CborValue> {
    return this.ask(request, async ({ body }) => {
      const value = await body.head();
      await body.end();
      return value;
    });
  }

  /**
   * Asks, and has the answer read. Tries again for as long as a daemon takes to start again, where the request can be sent again: not
   * once a byte of a stream has been asked for.
   *
   * @param read reads all of the answer; it is called again when the request is sent again
   * @throws Interrupted: AS_ERR_UNAVAILABLE, whose `details.repeatable` says whether the operation may be repeated
   * @throws AS_ERR_UNAVAILABLE: the version that both speak has no such operation
   * @throws AS_ERR_ABORTED, AS_ERR_CLOSED, AS_ERR_PROTOCOL, AS_ERR_FORBIDDEN; what the operation throws
   */
  ask<T>(request: Request, read: (answer: Answer) => Promise<T>): Promise<T> {
    return this.#repeatedly(request, async (sending) => {
      const answer = await this.#request(request, sending);
      try {
        return await read(answer);
      } catch (error) {
        answer.discard();
        throw error;
      } finally {
        answer.channel?.destroy();
      }
    });
  }

  /** Asks for a stream; whoever gets it reads it to its end or discards it, and looks after it when it breaks. Otherwise as `ask`. */
  open(request: Request): Promise<Answer> {
    return this.#repeatedly({ ...request, isStream: true }, async (sending) => {
      const answer = await this.#request({ ...request, isStream: true }, sending);
      if (answer.channel === undefined) await answer.body.head();
      return answer;
    });
  }

  async #repeatedly<T>(request: Request, attempt: (sending: Sending) => Promise<T>): Promise<T> {
    const { operation, signal } = request;
    for (let attempts = 1; ; attempts++) {
      const sending = new Sending(request);
      try {
        const result = await attempt(sending);
        this.#tally.count(operation, 'answered');
        return result;
      } catch (error) {
        const isInterrupted = error instanceof Interrupted;
        this.#tally.count(operation, isInterrupted ? 'interrupted' : 'refused');
        const mayRepeat = isInterrupted && sending.canRepeat && request.attempts !== 1 && signal?.aborted !== true;
        if (!mayRepeat || attempts >= REMOTE_ATTEMPTS_MAX) throw error;
        await sleep(REMOTE_BACKOFF_FIRST_MS * 2 ** (attempts - 1));
      }
    }
  }

  async #request(request: Request, sending: Sending): Promise<Answer> {
    const { operation, signal, isStream, timeoutMs } = request;
    const { version, greeting } = await this.#known();
    if (OPERATIONS[operation] > version) throw tooOld(greeting, operation, version);
    if (request.channel) return this.#openChannel(request, sending, `/v${version}/${operation}`);
    return this.#send({
      pool: isStream ? this.#streams : this.#calls,
      path: `/v${version}/${operation}`,
      body: sending.body(),
      attempted: { place: this.place, operation, isIdempotent: request.isIdempotent ?? true },
      signal,
      timeoutMs,
    });
  }

  async #send({ pool, path, body, attempted, signal, timeoutMs }: Sent): Promise<Answer> {
    if (signal?.aborted) throw aborted();
    if (signal !== undefined) setMaxListeners(0, signal); // one for each request that it may end
    const failure = (cause: unknown) => (signal?.aborted ? aborted() : connectionFailure(attempted, cause));
    let reply: Dispatcher.ResponseData<unknown>;
    try {
      reply = await pool.request({
        method: 'POST',
        path,
        headers: { 'content-type': MEDIA_TYPE },
        body: body as Dispatcher.DispatchOptions['body'] & Uint8Array, // it takes what can be iterated too, chunk by chunk
        ...(signal && { signal }),
        ...(timeoutMs !== undefined && { headersTimeout: timeoutMs }),
      });
    } catch (error) {
      throw failure(error);
    }
    const discard = () => void reply.body.on('error', () => undefined).destroy();
    const instance = this.#instanceOf(reply);
    if (instance === undefined) {
      discard();
      throw notADataPlane(attempted.place, reply.statusCode);
    }
    const cut = () => failure(new Error('it ended before all had come'));
    const answer = { body: new BodyReader(mended(reply.body, failure)), instance, cut, discard };
    if (reply.statusCode === 200) return answer;
    try {
      throw failureOf(await answer.body.head());
    } finally {
      await answer.body.end().catch(() => discard());
    }
  }

  async #openChannel(
    { operation, channel: use, isIdempotent = true }: Request,
    sending: Sending,
    path: string,
  ): Promise<Answer> {
    const attempted = { place: this.place, operation, isIdempotent };
    const failure = (cause: unknown) => connectionFailure(attempted, cause);
    const reply = await upgrade(this.#streams, path).catch((error) => Promise.reject(failure(error)));
    const instance = this.#instanceOf(reply);
    const { channel } = reply;
    if (instance === undefined) channel?.destroy();
    if (instance === undefined) throw notADataPlane(attempted.place, reply.statusCode);
    if (channel === undefined) throw failureOf(await new BodyReader(reply.body).head());
    this.#channels.add(channel);
    channel.onClose(() => this.#channels.delete(channel));
    const cut = () => failure(new Error('it ended before all had come'));
    const descriptor = use === 'read' ? channel.giveReading() : -1; // before anything can come
    // What it cannot write the other end has not asked for: why not, its answer says.
    void channel.writeAll(sending.stream()).catch(() => undefined);
    return {
      body: new BodyReader(mended(channel, failure), { cut }),
      instance,
      cut,
      channel,
      descriptor,
      discard: () => channel.destroy(),
    };
  }

  /** Which run of the daemon answered; undefined: it is none. */
  #instanceOf({ headers }: Pick<Dispatcher.ResponseData, 'headers'>): string | undefined {
    const { [INSTANCE_HEADER]: instance, 'content-type': type } = headers;
    if (type !== MEDIA_TYPE || typeof instance !== 'string') return undefined;
    if (this.#instance !== instance) this.#changed(instance);
    return instance;
  }

  /** Another run of the daemon answers: what the last one said of itself counts no more. */
  #changed(instance: string): void {
    if (this.#instance !== undefined) {
      this.#greeting = undefined;
      this.#tally.restarted();
    }
    this.#instance = instance;
  }

  #known(): Promise<Known> {
    if (this.#greeting === undefined) {
      const greeting = this.#greet();
      this.#greeting = greeting;
      greeting.catch(() => {
        if (this.#greeting === greeting) this.#greeting = undefined;
      });
    }
    return this.#greeting;
  }

  async #greet(): Promise<Known> {
    const attempted = { place: this.place, operation: 'hello', isIdempotent: true };
    const body = encodeHead(helloValue(this.versions));
    const answer = await this.#send({
      pool: this.#streams,
      path: HELLO,
      body,
      attempted,
      signal: undefined,
      timeoutMs: undefined,
    });
    try {
      const value = await answer.body.head();
      await answer.body.end();
      return readGreeting(value, this.versions);
    } catch (error) {
      answer.discard();
      throw error;
    }
  }
}

type Known = ReturnType<typeof readGreeting>;

interface Sent {
  pool: Pool;
  path: string;
  body: Uint8Array | AsyncIterable<Uint8Array>;
  attempted: Attempted;
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
}

/** One attempt at sending a request. */
class Sending {
  #hasBegun = false;

  constructor(private readonly request: Request) {}

  /** Nothing has been taken that cannot be had again. */
  get canRepeat(): boolean {
    const { rest, isIdempotent = true } = this.request;
    return isReadOnce(rest) ? !this.#hasBegun : isIdempotent;
  }

  /** The same as a stream, whatever follows the head. */
  async *stream(): AsyncGenerator<Uint8Array> {
    const body = this.body();
    if (body instanceof Uint8Array) yield body;
    else yield* body;
  }

  body(): Uint8Array | AsyncIterable<Uint8Array> {
    const { head, rest = [] } = this.request;
    if (head instanceof EncodedBody) return head.bytes;
    const encoded = encoding(head);
    if (isReadOnce(rest)) return this.#stream(encoded, rest);
    return typeof rest === 'function' ? this.#stream(encoded, rest()) : Buffer.concat([encoded, ...rest]);
  }

  async *#stream(head: Buffer, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield head;
    this.#hasBegun = true;
    yield* rest;
  }
}

function isReadOnce(rest: Rest | undefined): rest is AsyncIterable<Uint8Array> {
  return typeof rest === 'object' && Symbol.asyncIterator in rest;
}

/** What cannot be carried to another process is an argument outside its range. */
function encoding(head: CborInput): Buffer {
  try {
    return encodeHead(head);
  } catch (cause) {
    if (!isStoreError(cause, 'AS_ERR_CBOR_ENCODE')) throw cause;
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `An argument is outside its range: ${cause.message}`,
      cause.details,
      { cause },
    );
  }
}

/** An answer to the question whether a connection may become an operation's own: it has, or why not. */
type Upgraded = Pick<Dispatcher.ResponseData, 'headers' | 'statusCode'> &
  ({ channel: Channel; body?: never } | { channel?: never; body: AsyncIterable<Uint8Array> });

function upgrade(pool: Pool, path: string): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let head: Pick<Upgraded, 'headers' | 'statusCode'> | undefined;
    pool.dispatch(
      { method: 'POST', path, headers: { 'content-type': MEDIA_TYPE }, upgrade: CHANNEL_PROTOCOL },
      {
        onRequestStart: () => undefined,
        onRequestUpgrade: (_, statusCode, headers, socket) =>
          resolve({ statusCode, headers, channel: new Channel(socket as Socket) }),
        onResponseStart: (_, statusCode, headers) => {
          head = { statusCode, headers };
        },
        onResponseData: (_, chunk) => void chunks.push(chunk),
        onResponseEnd: () => head && resolve({ ...head, body: each(chunks) }),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function* mended(
  body: AsyncIterable<Uint8Array>,
  failure: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw failure(error);
  }
}

export function aborted(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The operation was given up by its caller.');
}

function tooOld({ software }: Greeting, operation: OperationName, version: number): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_UNAVAILABLE',
    `The data plane (${software}) and this side share version ${version} of the protocol, which has no operation "${operation}"; version ${OPERATIONS[operation]} has. Bring the older side up to date.`,
    { operation, version },
  );
}

function notADataPlane(place: string, status: number): ArtifactStoreError {
  const message = `What answers at ${place} (status ${status}) is no data plane. Check the address; a service is named by --store.`;
  return new ArtifactStoreError('AS_ERR_PROTOCOL', message, { place, status });
}
