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
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
} from '../../limits.js';
import { listen, type Place } from '../../listen/listen.js';
import { Connections } from './connections.js';
import { isAuthRequired, urlOf } from './places.js';
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

  constructor(private readonly events: ListenerEvents) {}

  /**
   * Listens at one more place.
   *
   * @throws AS_ERR_UNAUTHENTICATED_LISTEN, AS_ERR_IO, AS_ERR_INVALID_ARGUMENT
   */
  async open(place: Place, auth: AuthOptions): Promise<Opened> {
    const server = this.#makeServer();
    const bound = await listen(server, place);
    this.#servers.push(server);
    const isRequired = await isAuthRequired(bound, auth);
    server.on('error', (error) => this.events.onError(error));
    return { url: urlOf(bound), isAuthRequired: isRequired };
  }

  /** Takes no more connections; resolves when all of them have ended. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #makeServer(): Server {
    const { onRequest, onClientError } = this.events;
    const server = createServer({
      maxHeaderSize: HTTP_HEADER_SIZE_MAX,
      headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
      requestTimeout: 0, // objects have no size limit, so neither has the time they take; RequestBody notices silence
      connectionsCheckingInterval: HTTP_CONNECTIONS_CHECK_MS,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      requireHostHeader: false, // checked in trust.ts, which answers with a problem document
    });
    server.maxConnections = HTTP_CONNECTIONS_MAX;
    this.connections.follow(server);
    server.on('request', (request, response) => onRequest(request, response, 'request'));
    server.on('checkContinue', (request, response) => onRequest(request, response, 'continue'));
    server.on('checkExpectation', (request, response) => onRequest(request, response, 'unknown'));
    server.on('clientError', (error, socket) => onClientError(error, socket as Socket));
    return server;
  }
}
