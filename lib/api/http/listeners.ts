/**
 * The servers of the service, one for each place where it listens, and the limits that all of them have.
 *
 * Imports `node:http`, the listening, the connections and limits. Made by `server.ts`.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  HTTP_CONNECTIONS_CHECK_MS,
  HTTP_CONNECTIONS_MAX,
  HTTP_HEADER_SIZE_MAX,
  HTTP_KEEP_ALIVE_MS,
} from '../../limits.js';
import { listen, type Place } from '../../listen/listen.js';
import { TUNNEL } from './client-error.js';
import { Connections } from './connections.js';
import { isAuthRequired, urlOf } from './places.js';
import { changeCertificates, createTlsServer, type TlsMaterial } from './tls.js';
import type { AuthOptions } from './trust.js';

/** What a request says of its body: that it comes, that it waits for `100 Continue`, or that it expects something else. */
export type Expectation = 'request' | 'continue' | 'unknown';

/** A place where the service listens. */
export interface Opened {
  url: string;
  isAuthRequired: boolean;
}

export interface ListenerEvents {
  onRequest(request: IncomingMessage, response: ServerResponse, expectation: Expectation): void;
  /** A request that could not be parsed, or whose end never came. */
  onClientError(error: NodeJS.ErrnoException, socket: Socket): void;
  /** Accepting a connection failed. */
  onError(error: Error): void;
}

export class Listeners {
  readonly connections = new Connections();
  readonly #servers: Server[] = [];
  readonly #tlsServers: Server[] = [];

  /**
   * @param tls certificates; absent: plain HTTP. A socket in the file system has plain HTTP in any case: nobody is in between
   * @param headersTimeoutMs milliseconds for a request's headers to arrive
   */
  constructor(
    private readonly events: ListenerEvents,
    private readonly tls: TlsMaterial | undefined,
    private readonly headersTimeoutMs: number,
  ) {}

  /**
   * Listens at one more place.
   *
   * @throws AS_ERR_UNAUTHENTICATED_LISTEN, AS_ERR_IO, AS_ERR_INVALID_ARGUMENT
   */
  async open(place: Place, auth: AuthOptions): Promise<Opened> {
    const tls = place.kind === 'unix' ? undefined : this.tls;
    const server = this.#makeServer(tls);
    const bound = await listen(server, place);
    this.#servers.push(server);
    const isRequired = await isAuthRequired(bound, auth);
    server.on('error', (error) => this.events.onError(error));
    return { url: urlOf(bound, tls ? 'https' : 'http'), isAuthRequired: isRequired };
  }

  /** Takes no more connections; resolves when all of them have ended. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  /** Uses other certificates for connections to come. Throws AS_ERR_INVALID_ARGUMENT: they cannot be used. */
  changeCertificates(material: TlsMaterial): void {
    for (const server of this.#tlsServers) changeCertificates(server, material);
  }

  #makeServer(tls: TlsMaterial | undefined): Server {
    const { onRequest, onClientError } = this.events;
    const settings = {
      maxHeaderSize: HTTP_HEADER_SIZE_MAX,
      headersTimeout: this.headersTimeoutMs,
      requestTimeout: 0, // objects have no size limit, so neither has the time they take; RequestBody notices silence
      connectionsCheckingInterval: Math.min(HTTP_CONNECTIONS_CHECK_MS, this.headersTimeoutMs),
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      requireHostHeader: false, // checked in trust.ts, which answers with a problem document
    };
    const server = tls ? createTlsServer(settings, tls) : createServer(settings);
    if (tls) this.#tlsServers.push(server);
    server.maxConnections = HTTP_CONNECTIONS_MAX;
    this.connections.follow(server, tls !== undefined);
    server.on('request', (request, response) => onRequest(request, response, 'request'));
    server.on('checkContinue', (request, response) => onRequest(request, response, 'continue'));
    server.on('checkExpectation', (request, response) => onRequest(request, response, 'unknown'));
    server.on('connect', (_request, socket) => onClientError(noProxy(), socket as Socket));
    server.on('clientError', (error, socket) => onClientError(error, socket as Socket));
    return server;
  }
}

/** CONNECT, which no handler gets: Node would end the connection without a word. */
function noProxy(): NodeJS.ErrnoException {
  return Object.assign(new Error('CONNECT asks for a tunnel'), { code: TUNNEL });
}
