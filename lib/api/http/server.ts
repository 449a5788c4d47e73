/**
 * The HTTP service: sockets, limits, and the way of a request from its head to its answer.
 *
 * Imports `node:http` and the other files of this folder; of the library only the store's type, errors and limits. Called by
 * `artifactstore serve` and by whoever embeds the service.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  EVENTS_HEARTBEAT_MS,
  HTTP_CLOSE_GRACE_MS,
  HTTP_CONNECTIONS_CHECK_MS,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_SIZE_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_IDLE_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_LINGER_MS,
  HTTP_PORT_DEFAULT,
  HTTP_TARGET_LENGTH_MAX,
} from '../../limits.js';
import type { Store } from '../../store.js';
import { RequestBody } from './body.js';
import { clientRefusal } from './client-error.js';
import { Connections } from './connections.js';
import type { Answer } from './exchange.js';
import { writeInterim } from './interim.js';
import { listen } from './listener.js';
import { problemAnswer, rawProblem } from './problem.js';
import { Refusal } from './refusal.js';
import { route } from './router.js';
import { send } from './send.js';
import { loopbackAddress, requireTrusted } from './trust.js';
import { UploadDesk } from './uploads/desk.js';
import { TUS_VERSION } from './uploads/tus.js';

export interface ServerOptions {
  /** A name or address of this machine's loopback. Default 127.0.0.1. */
  host?: string;
  /** 0 to 65535; 0 takes any free one. Default HTTP_PORT_DEFAULT. */
  port?: number;
  /** Names under which a reverse proxy passes requests on, without port; addresses and `localhost` need not be named. */
  hostNames?: readonly string[];
  /** Milliseconds a client may be silent in the middle of a transfer. Default HTTP_IDLE_TIMEOUT_MS. */
  idleTimeoutMs?: number;
  /** Milliseconds of silence after which a stream of events gives a sign of life. Default EVENTS_HEARTBEAT_MS. */
  heartbeatMs?: number;
  /** Milliseconds that `close` lets requests under way finish. Default HTTP_CLOSE_GRACE_MS. */
  closeGraceMs?: number;
  /**
   * Told what clients are not: failures of the service itself, and downloads torn by damage. Default: a process warning.
   * `activity` is method and target of the request.
   */
  onError?: (error: unknown, activity: string) => void;
}

/** The service while it runs. */
export interface RunningServer {
  /** Where it listens: `http://127.0.0.1:8420`. */
  url: string;
  /** Takes no more requests, lets those under way finish within the grace, tears what is left. The store stays open. */
  close(): Promise<void>;
}

/**
 * Serves a store over HTTP.
 *
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: `host` can be reached from beyond this machine
 * @throws AS_ERR_INVALID_ARGUMENT: host or port; AS_ERR_IO: the port is taken or not allowed
 */
export async function startServer(store: Store, options: ServerOptions = {}): Promise<RunningServer> {
  const address = await loopbackAddress(options.host ?? '127.0.0.1');
  const service = new HttpService(store, options);
  return service.start(address, options.port ?? HTTP_PORT_DEFAULT);
}

class HttpService {
  readonly #server: Server;
  readonly #connections: Connections;
  readonly #running = new Set<Promise<void>>();
  readonly #uploads: UploadDesk;
  /** Aborted when the service closes. */
  readonly #waiting = new Set<AbortController>();
  readonly #hostNames: readonly string[];
  readonly #idleMs: number;
  #closed: Promise<void> | undefined;

  constructor(
    private readonly store: Store,
    private readonly options: ServerOptions,
  ) {
    this.#hostNames = (options.hostNames ?? []).map((name) => name.toLowerCase());
    this.#idleMs = options.idleTimeoutMs ?? HTTP_IDLE_TIMEOUT_MS;
    this.#server = createServer({
      maxHeaderSize: HTTP_HEADER_SIZE_MAX,
      headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
      requestTimeout: 0, // objects have no size limit, so neither has the time they take; RequestBody notices silence
      connectionsCheckingInterval: HTTP_CONNECTIONS_CHECK_MS,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      requireHostHeader: false, // checked in trust.ts, which answers with a problem document
    });
    this.#uploads = new UploadDesk(store, (error, activity) => this.#report(error, activity));
    this.#server.maxConnections = HTTP_CONNECTIONS_MAX;
    this.#connections = new Connections(this.#server);
    this.#server.on('request', (request, response) => this.#track(this.#handle(request, response, 'request')));
    this.#server.on('checkContinue', (request, response) => this.#track(this.#handle(request, response, 'continue')));
    this.#server.on('checkExpectation', (request, response) => this.#track(this.#handle(request, response, 'unknown')));
    this.#server.on('clientError', (error, socket) => this.#onClientError(error, socket as Socket));
  }

  async start(host: string, port: number): Promise<RunningServer> {
    const url = await listen(this.#server, host, port);
    this.#server.on('error', (error) => this.#report(error, 'accepting a connection'));
    return { url, close: () => this.close() };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const ended = new Promise((resolve) => this.#server.close(resolve));
    this.#connections.endIdle();
    for (const waiting of this.#waiting) waiting.abort();
    const grace = setTimeout(() => this.#connections.destroyAll(), this.options.closeGraceMs ?? HTTP_CLOSE_GRACE_MS);
    await ended;
    clearTimeout(grace);
    await Promise.allSettled(this.#running);
    await this.#uploads.close();
  }

  #track(running: Promise<void>): void {
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** One request; never rejects. */
  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    expectation: 'request' | 'continue' | 'unknown',
  ): Promise<void> {
    this.#connections.track(response);
    response.on('error', () => undefined); // a client that leaves; `close` follows
    let bodyInFlight = expectation === 'request';
    const body = new RequestBody(request, this.#idleMs, () => {
      if (!bodyInFlight) response.writeContinue();
      bodyInFlight = true;
    });
    if (request.headers['tus-resumable'] !== undefined) response.setHeader('Tus-Resumable', TUS_VERSION);
    const answer = await this.#answer(request, response, body, expectation === 'unknown');
    await body.return();
    try {
      if (response.destroyed) await endDownload(answer);
      else
        await send(request, response, answer, {
          close: this.#closed !== undefined,
          bodyInFlight,
          idleMs: this.#idleMs,
        });
    } catch (error) {
      response.destroy();
      this.#report(error, `${request.method} ${request.url}`);
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    body: RequestBody,
    isExpectationUnknown: boolean,
  ): Promise<Answer> {
    try {
      const { method = '', url = '', headers } = request;
      if (isExpectationUnknown) {
        throw new Refusal(
          'AS_ERR_HTTP_REQUEST',
          417,
          `Expect: ${headers.expect} is not understood; only 100-continue is.`,
        );
      }
      requireTrusted(request, this.#hostNames);
      if (url.length > HTTP_TARGET_LENGTH_MAX) {
        throw new Refusal(
          'AS_ERR_LIMIT',
          414,
          `The request target has ${url.length} characters, more than ${HTTP_TARGET_LENGTH_MAX}.`,
        );
      }
      const { operation, params, query } = route(method, url);
      return await operation.handler({
        store: this.store,
        uploads: this.#uploads,
        method,
        headers,
        params,
        query,
        actor: actorOf(request),
        body,
        heartbeatMs: this.options.heartbeatMs ?? EVENTS_HEARTBEAT_MS,
        ended: () => this.#ended(response),
        inform: (...interim) => writeInterim(request, response, ...interim),
      });
    } catch (error) {
      const answer = problemAnswer(error);
      if (answer.status >= 500 && !(error instanceof Refusal)) this.#report(error, `${request.method} ${request.url}`);
      return answer;
    }
  }

  /** A signal for one who waits before or while answering. */
  #ended(response: ServerResponse): AbortSignal {
    const waiting = new AbortController();
    if (this.#closed !== undefined || response.destroyed) waiting.abort();
    this.#waiting.add(waiting);
    response.once('close', () => {
      waiting.abort();
      this.#waiting.delete(waiting);
    });
    return waiting.signal;
  }

  /** A request that could not be parsed, or whose end never came. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    if (!socket.writable || error.code === 'ECONNRESET' || this.#connections.isAnswering(socket)) {
      socket.destroy();
      return;
    }
    socket.end(rawProblem(clientRefusal(error)));
    if (error.code === 'HPE_INVALID_EOF_STATE') socket.destroySoon();
    else setTimeout(() => socket.destroy(), HTTP_LINGER_MS).unref();
  }

  /** @param what was being done: method and target of a request, or another activity */
  #report(error: unknown, what: string): void {
    if (this.options.onError) this.options.onError(error, what);
    else process.emitWarning(`${what}: ${error instanceof Error ? error.message : error}`, 'ArtifactStoreWarning');
  }
}

/** Releases what an answer holds when there is nobody to send it to. */
async function endDownload({ body }: Answer): Promise<void> {
  if (typeof body === 'object' && 'rest' in body) await body.rest.return?.();
}

function actorOf({ socket }: IncomingMessage): string {
  return `http:${socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown'}`;
}
