/**
 * The daemon: a data plane at a Unix socket, for other processes of this machine.
 *
 * Imports `node:http`, the listening, the protocol and the operations. Picked by the composition root, which hands it the data plane.
 */

import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ArtifactStoreError } from '../../../errors.js';
import {
  HTTP_CONNECTIONS_CHECK_MS,
  HTTP_HEADER_SIZE_MAX,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_KEEP_ALIVE_MS,
  REMOTE_CLOSE_CHECK_MS,
  REMOTE_CONNECTIONS_MAX,
} from '../../../limits.js';
import { parseListenAddress } from '../../../listen/address.js';
import { listen, type Place } from '../../../listen/listen.js';
import { requireInheritedSockets } from '../../../listen/systemd.js';
import { EXPOSITION_TYPE } from '../../../metrics/exposition.js';
import type { ClosableDataPlane } from '../../closable.js';
import type { Channel } from '../channel.js';
import { greetingValue, readHello } from '../greeting.js';
import { type ChannelOperation, HELLO, type OperationName, VERSIONS } from '../protocol.js';
import { ChannelExchange } from './channel-exchange.js';
import { runOnChannel } from './channel-operations.js';
import { Exchange } from './exchange.js';
import { HostMetrics } from './metrics.js';
import { Operations } from './operations.js';
import { Peers } from './peers.js';
import { Roots } from './roots.js';
import { requireChannel, requireOperation } from './routes.js';
import { acceptChannel, refuseChannel } from './upgrade.js';

export interface HostOptions {
  /** `unix:/path`, or `systemd` for sockets that were handed over. */
  listen: readonly string[];
  /** `127.0.0.1:port`: where metrics can be had besides the sockets, which Prometheus does not read. Only on loopback. */
  metrics?: string;
  /** Bits of the socket's mode. Default 0o600. */
  mode?: number;
  /** Users who may speak to it beside its own and root, by number. */
  allowUids?: readonly number[];
  /** Folders whose files it reads itself. */
  allowRoots?: readonly string[];
  /** Several stores with logs of their own use it: nothing is deleted. Default false. */
  shared?: boolean;
  /** Name and version of the program, for people. */
  software: string;
  readOnly: boolean;
  /** Milliseconds that `close` lets requests under way finish. */
  closeGraceMs: number;
  /** Told of what clients are not: failures of the daemon itself. */
  onError: (error: unknown, activity: string) => void;
}

/** A daemon that runs. */
export interface RunningHost {
  /** Paths where it listens. */
  readonly paths: readonly string[];
  /** Where metrics are besides. */
  readonly metricsUrl?: string;
  /** Takes no more requests, lets those under way finish within the grace, and ends the rest. The data plane stays open. */
  close(): Promise<void>;
}

/**
 * Hosts a data plane.
 *
 * @throws AS_ERR_IO: another daemon listens there, or this user may not; AS_ERR_INVALID_ARGUMENT: no Unix socket, or a root that is no folder
 */
export async function hostPlane(plane: ClosableDataPlane, options: HostOptions): Promise<RunningHost> {
  const host = new PlaneHost(plane, options);
  try {
    for (const place of options.listen.flatMap((address) => placesOf(address, options.mode))) await host.open(place);
    if (options.metrics !== undefined) await host.openMetrics(options.metrics);
    return host;
  } catch (error) {
    await host.close();
    throw error;
  }
}

class PlaneHost implements RunningHost {
  readonly paths: string[] = [];
  metricsUrl?: string;
  readonly #servers: Server[] = [];
  readonly #metrics = new HostMetrics();
  readonly #plane: ClosableDataPlane;
  #connections = 0;
  readonly #channels = new Set<Channel>();
  readonly #instance = randomBytes(16);
  readonly #roots: Roots;
  readonly #peers: Peers;
  readonly #operations: Operations;
  /** Connections whose other end may not speak, and why. */
  readonly #refused = new WeakMap<Socket, ArtifactStoreError>();

  constructor(
    plane: ClosableDataPlane,
    private readonly options: HostOptions,
  ) {
    this.#plane = plane;
    this.#roots = new Roots(options.allowRoots ?? []);
    this.#peers = new Peers(options.allowUids ?? []);
    const instance = this.#instance.toString('hex');
    this.#operations = new Operations({ plane, roots: this.#roots, instance, isShared: options.shared ?? false });
  }

  async open(place: Place): Promise<void> {
    const server = createServer({
      maxHeaderSize: HTTP_HEADER_SIZE_MAX,
      headersTimeout: HTTP_HEADERS_TIMEOUT_MS,
      requestTimeout: 0, // a stream may pause for as long as whoever sends it likes
      connectionsCheckingInterval: HTTP_CONNECTIONS_CHECK_MS,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
    });
    server.maxConnections = REMOTE_CONNECTIONS_MAX;
    server.on('connection', (socket) => {
      this.#connections++;
      socket.once('close', () => this.#connections--);
      const refusal = this.#peers.refusal(socket);
      if (refusal === undefined) return;
      this.#refused.set(socket, refusal);
      this.#metrics.refusePeer();
    });
    server.on('request', (request, response) => void this.#handle(request, response));
    server.on('upgrade', (request, socket, head) => {
      if (head.byteLength > 0) socket.unshift(head); // sent at once with what asks for it
      void this.#handleUpgrade(request, socket as Socket);
    });
    const bound = await listen(server, place);
    this.#servers.push(server);
    server.on('error', (error) => this.options.onError(error, 'accepting a connection'));
    if (!('path' in bound)) {
      const message =
        'A data plane listens on Unix sockets alone, because there the kernel says who asks. Give unix:/path.';
      throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { ...bound });
    }
    this.paths.push(bound.path);
  }

  /** Metrics alone, at a port of this machine: of a socket in the file system the kernel says who asks, here anybody on this machine may. */
  async openMetrics(address: string): Promise<void> {
    const place = parseListenAddress(address);
    if (place.kind !== 'tcp' || !LOOPBACK.has(place.host)) {
      const message = `Metrics can be had at a port of this machine alone, without proof of who asks: give 127.0.0.1:<port>, not ${address}.`;
      throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { metrics: address });
    }
    const server = createServer((request, response) => {
      if (isMetricsRequest(request)) return void this.#tell(response);
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('Metrics are at /metrics.\n');
    });
    const bound = await listen(server, place);
    this.#servers.push(server);
    server.on('error', (error) => this.options.onError(error, 'accepting a connection'));
    if ('port' in bound)
      this.metricsUrl = `http://${place.host === '::1' ? '[::1]' : place.host}:${bound.port}/metrics`;
  }

  async close(): Promise<void> {
    const ended = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    // A connection is kept for a request that will not be taken: it ends once its last one has been answered.
    const idle = setInterval(() => {
      for (const server of this.#servers) server.closeIdleConnections();
    }, REMOTE_CLOSE_CHECK_MS);
    const late = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
      for (const channel of this.#channels) channel.destroy();
    }, this.options.closeGraceMs);
    await Promise.all(ended);
    clearInterval(idle);
    clearTimeout(late);
  }

  async #tell(response: ServerResponse): Promise<void> {
    try {
      const text = await this.#metrics.text(this.#plane, this.#connections);
      response.writeHead(200, { 'Content-Type': EXPOSITION_TYPE, 'Cache-Control': 'no-store' }).end(text);
    } catch (error) {
      this.options.onError(error, 'GET /metrics');
      response.writeHead(500).end();
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (isMetricsRequest(request) && !this.#refused.has(request.socket)) return this.#tell(response);
    const exchange = new Exchange(request, response, this.#instance.toString('hex'));
    try {
      const refusal = this.#refused.get(request.socket);
      if (refusal !== undefined) throw refusal;
      await this.#route(request, exchange);
    } catch (error) {
      const isOurs = error instanceof ArtifactStoreError && error.code !== 'AS_ERR_INTERNAL';
      if (!isOurs && !exchange.signal.aborted) this.options.onError(error, `${request.method} ${request.url}`);
      exchange.fail(error);
    }
  }

  /** A client asks for a connection of its own for an operation. */
  async #handleUpgrade(request: IncomingMessage, socket: Socket): Promise<void> {
    const instance = this.#instance.toString('hex');
    socket.on('error', () => undefined); // whoever reads or writes learns it
    let operation: ChannelOperation;
    try {
      const refusal = this.#refused.get(socket);
      if (refusal !== undefined) throw refusal;
      operation = requireChannel(request);
    } catch (error) {
      return refuseChannel(socket, instance, error);
    }
    const channel = await acceptChannel(socket, instance).catch(() => undefined); // who asked has gone
    if (channel !== undefined) await this.#runOnChannel(operation, channel);
  }

  async #runOnChannel(operation: ChannelOperation, channel: Channel): Promise<void> {
    const exchange = new ChannelExchange(channel);
    this.#channels.add(channel);
    channel.onClose(() => this.#channels.delete(channel));
    try {
      const run = () => runOnChannel(operation, this.#plane, exchange);
      await this.#counted(operation, run, () => !channel.isOpen);
    } catch (error) {
      const isOurs = error instanceof ArtifactStoreError && error.code !== 'AS_ERR_INTERNAL';
      if (!isOurs && channel.isOpen) this.options.onError(error, `${operation} over a connection of its own`);
      exchange.fail(error);
    }
  }

  async #route(request: IncomingMessage, exchange: Exchange): Promise<void> {
    if (request.method === 'POST' && request.url === HELLO) return this.#greet(exchange);
    const operation = requireOperation(request);
    await this.#counted(
      operation,
      () => this.#operations.run(operation, exchange),
      () => exchange.signal.aborted,
    );
  }

  /** Runs an operation, and counts what became of it. */
  async #counted(operation: OperationName, run: () => Promise<void>, isAbandoned: () => boolean): Promise<void> {
    const end = this.#metrics.begin(operation);
    try {
      await run();
      end(isAbandoned() ? 'abandoned' : 'answered');
    } catch (error) {
      const isRefusal = error instanceof ArtifactStoreError && error.code !== 'AS_ERR_INTERNAL';
      end(isAbandoned() ? 'abandoned' : isRefusal ? 'refused' : 'failed');
      throw error;
    }
  }

  async #greet(exchange: Exchange): Promise<void> {
    readHello(await exchange.body.head());
    const { software, readOnly } = this.options;
    const greeting = { versions: VERSIONS, software, instance: this.#instance, readOnly, roots: this.#roots.names };
    await exchange.answer(greetingValue(greeting));
  }
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1']);

function isMetricsRequest({ method, url }: IncomingMessage): boolean {
  return method === 'GET' && url === '/metrics';
}

function placesOf(address: string, mode: number | undefined): Place[] {
  const place = parseListenAddress(address);
  if (place.kind === 'unix') return [{ ...place, ...(mode !== undefined && { mode }) }];
  if (place.kind === 'systemd')
    return requireInheritedSockets().map((descriptor) => ({ kind: 'descriptor', descriptor }));
  const message = `A data plane listens on Unix sockets alone, because there the kernel says who asks: give unix:/path, not ${address}.`;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { listen: address });
}
