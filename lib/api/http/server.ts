/**
 * The HTTP service: its beginning and end, and the way of a request from its head to its answer.
 *
 * Imports Node types and the other files of this folder; of the library only the store's type, metrics, errors and limits. Called by
 * `artifactstore serve` and by whoever embeds the service.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TrustedIssuer } from '../../access/issuer-rules.js';
import { trustIssuers } from '../../access/issuers.js';
import { anonymousPrincipal, type Principal } from '../../access/principal.js';
import { ArtifactStoreError } from '../../errors.js';
import {
  EVENTS_HEARTBEAT_MS,
  HTTP_CLOSE_GRACE_MS,
  HTTP_HEADERS_TIMEOUT_MS,
  HTTP_IDLE_TIMEOUT_MS,
  HTTP_LINGER_MS,
  HTTP_PORT_DEFAULT,
  HTTP_TARGET_LENGTH_MAX,
} from '../../limits.js';
import { type Family, gauge } from '../../metrics/exposition.js';
import { StoredObject } from '../../store/stored-object.js';
import type { Store } from '../../store.js';
import { anonymousActor, Gate } from './access/gate.js';
import { clientRefusal } from './client-error.js';
import type { Answer, ObjectAnswer, ServiceState } from './exchange.js';
import { type Expectation, type ListenerEvents, Listeners, type Opened } from './listeners.js';
import { AccessLog } from './observe/access-log.js';
import { RequestMetrics } from './observe/request-metrics.js';
import { Visit } from './observe/visit.js';
import { Outbox, type OutboxHost } from './outbox.js';
import { placesOf } from './places.js';
import { problemAnswer, rawProblem } from './problem.js';
import { Refusal } from './refusal.js';
import type { Operation } from './route.js';
import { route } from './router.js';
import { isUnread, send } from './send.js';
import { certificatePrincipal, type TlsMaterial, type TlsOptions } from './tls.js';
import { type AuthOptions, requireTrusted } from './trust.js';
import { Turn, type TurnHost } from './turn.js';
import { UploadDesk } from './uploads/desk.js';
import { TUS_VERSION } from './uploads/tus.js';

export interface ServerOptions extends AuthOptions {
  /** A name or address of this machine. Default 127.0.0.1. */
  host?: string;
  /** 0 to 65535; 0 takes any free one. Default HTTP_PORT_DEFAULT. */
  port?: number;
  /** Where to listen instead of `host` and `port`: `host:port`, `unix:/path`, or `systemd` for sockets that were handed over. */
  listen?: readonly string[];
  /** Names by which clients call the service, without port; addresses and `localhost` need not be named. */
  hostNames?: readonly string[];
  /** Speak TLS, with these certificates. Default: plain HTTP. */
  tls?: TlsOptions;
  /** Issuers of OpenID Connect whose word counts. Default: none. */
  issuers?: readonly TrustedIssuer[];
  /** Milliseconds a client may be silent in the middle of a transfer. Default HTTP_IDLE_TIMEOUT_MS. */
  idleTimeoutMs?: number;
  /** Milliseconds for a request's headers to arrive. Default HTTP_HEADERS_TIMEOUT_MS. */
  headersTimeoutMs?: number;
  /** Milliseconds of silence after which a stream of events gives a sign of life. Default EVENTS_HEARTBEAT_MS. */
  heartbeatMs?: number;
  /** Milliseconds between `close`, from which on the service is not ready, and the end of listening. Default 0. */
  drainDelayMs?: number;
  /** Milliseconds that `close` lets requests under way finish. Default HTTP_CLOSE_GRACE_MS. */
  closeGraceMs?: number;
  /** Where the access log goes: a line of JSON for each request. Default: nowhere. */
  accessLog?: Pick<Writable, 'write'>;
  /**
   * Told what clients are not: failures of the service itself, and downloads torn by damage. Default: a process warning.
   * `activity` is method and operation of the request, `requestId` its id where there is one.
   */
  onError?: (error: unknown, activity: string, requestId?: string) => void;
}

/** The service while it runs. */
export interface RunningServer {
  /** Where it listens: `http://127.0.0.1:8420`, or `unix:/path`. The first, if there are several. */
  url: string;
  /** Everywhere it listens. */
  urls: readonly string[];
  /**
   * Is not ready from now on, takes no more requests after the delay, lets those under way finish within the grace, then ends uploads with what
   * they have and tears the rest. The store stays open.
   */
  close(): Promise<void>;
  /** Uses other certificates for connections to come. Throws AS_ERR_INVALID_ARGUMENT: they cannot be used, or there were none before. */
  changeCertificates(material: TlsMaterial): void;
}

/**
 * Serves a store over HTTP. Given a function, listens first, so that whoever asks `/livez` meanwhile hears that the process is there, and then
 * opens the store by it.
 *
 * @throws AS_ERR_UNAUTHENTICATED_LISTEN: it can be reached from beyond this machine, and nobody would have to prove who they are
 * @throws AS_ERR_INVALID_ARGUMENT: an option; AS_ERR_IO: the port is taken or not allowed; and what opening the store throws
 */
export async function startServer(
  store: Store | (() => Promise<Store>),
  options: ServerOptions = {},
): Promise<RunningServer> {
  return new HttpService(options).start(typeof store === 'function' ? store : async () => store);
}

class HttpService implements TurnHost, OutboxHost {
  readonly #listeners: Listeners;
  /** Requests under way, and who waits for their end. */
  #running = 0;
  #idle: (() => void) | undefined;
  /** Aborted when the service closes. */
  readonly #waiting = new Set<AbortController>();
  readonly #hostNames: readonly string[];
  readonly idleMs: number;
  readonly heartbeatMs: number;
  readonly #outbox = new Outbox(this);
  readonly #metrics = new RequestMetrics();
  readonly #accessLog: AccessLog | undefined;
  #store: Store | undefined;
  #uploads: UploadDesk | undefined;
  /** There once the store is open. */
  #gate: Gate | undefined;
  #closed: Promise<void> | undefined;
  /** No more connections are taken. */
  #isEnding = false;

  constructor(private readonly options: ServerOptions) {
    this.#hostNames = (options.hostNames ?? []).map((name) => name.toLowerCase());
    this.idleMs = options.idleTimeoutMs ?? HTTP_IDLE_TIMEOUT_MS;
    this.heartbeatMs = options.heartbeatMs ?? EVENTS_HEARTBEAT_MS;
    this.#accessLog = options.accessLog && new AccessLog(options.accessLog);
    const events = {
      onRequest: (...request: Parameters<ListenerEvents['onRequest']>) => this.#handle(...request),
      onClientError: (error: NodeJS.ErrnoException, socket: Socket) => this.#onClientError(error, socket),
      onError: (error: Error) => this.#report(error, 'accepting a connection'),
    };
    this.#listeners = new Listeners(events, options.tls, options.headersTimeoutMs ?? HTTP_HEADERS_TIMEOUT_MS);
  }

  get phase(): ServiceState['phase'] {
    if (this.#closed !== undefined) return 'stopping';
    return this.#gate === undefined ? 'starting' : 'ready';
  }

  get store(): Store | undefined {
    return this.#store;
  }

  get uploads(): UploadDesk | undefined {
    return this.#uploads;
  }

  async start(openStore: () => Promise<Store>): Promise<RunningServer> {
    const { listen, host = '127.0.0.1', port = HTTP_PORT_DEFAULT } = this.options;
    const places = await placesOf(listen ?? [addressOf(host, port)], this.options);
    try {
      const opened: Opened[] = [];
      for (const place of places) opened.push(await this.#listeners.open(place, this.options));
      const urls = opened.map(({ url }) => url);
      this.#store = await openStore();
      this.#uploads = new UploadDesk(this.#store, (error, activity) => this.#report(error, activity));
      // One place that needs credentials makes all of them need some: nobody has to remember which is which.
      this.#gate = await this.#makeGate(
        this.#store,
        opened.some(({ isAuthRequired }) => isAuthRequired),
      );
      return {
        url: urls[0] as string,
        urls,
        close: () => this.close(),
        changeCertificates: (material) => this.#changeCertificates(material),
      };
    } catch (error) {
      this.#closed = this.#stop(0);
      await this.#closed;
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#stop(this.options.drainDelayMs ?? 0);
    return this.#closed;
  }

  async #stop(drainDelayMs: number): Promise<void> {
    if (drainDelayMs > 0) await sleep(drainDelayMs);
    this.#isEnding = true;
    const { connections } = this.#listeners;
    const ended = this.#listeners.close();
    connections.endIdle();
    for (const waiting of this.#waiting) waiting.abort();
    const graceMs = this.options.closeGraceMs ?? HTTP_CLOSE_GRACE_MS;
    const timers = [
      setTimeout(() => this.#uploads?.interrupt(), graceMs),
      setTimeout(() => connections.destroyAll(), graceMs + HTTP_LINGER_MS),
    ];
    await ended;
    for (const timer of timers) clearTimeout(timer);
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#uploads?.close();
    this.#accessLog?.flush();
  }

  families(): Family[] {
    return [
      ...this.#metrics.families(),
      gauge('artifactstore_http_connections', 'Connections that are open.', this.#listeners.connections.count),
      gauge('artifactstore_http_requests_running', 'Requests under way.', this.#running),
      gauge(
        'artifactstore_event_subscribers',
        'Requests that wait for events or get them as they happen.',
        this.#waiting.size,
      ),
      gauge('artifactstore_uploads_open', 'Uploads that have not ended.', this.#uploads?.openCount),
    ];
  }

  async #makeGate(store: Store, isRequired: boolean): Promise<Gate> {
    const { issuers = [], tls } = this.options;
    const clientScopes = tls?.clientCa === undefined ? undefined : tls.clientScopes;
    return new Gate(store, {
      isRequired,
      ...(issuers.length > 0 && { identify: await trustIssuers(issuers) }),
      ...(clientScopes && { certified: (request: IncomingMessage) => certificatePrincipal(request, clientScopes) }),
    });
  }

  #changeCertificates(material: TlsMaterial): void {
    if (this.options.tls !== undefined) {
      this.#listeners.changeCertificates(material);
      return;
    }
    const message = 'The service was started without TLS, so it has no certificates to change. Start it with them.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }

  /** One request; never throws. What can be answered at once, is. */
  #handle(request: IncomingMessage, response: ServerResponse, expectation: Expectation): void {
    const turn = new Turn(request, response, expectation, this);
    this.#running++;
    this.#listeners.connections.track(response);
    response.on('error', ignore); // a client that leaves; `close` follows
    if (request.headers['tus-resumable'] !== undefined) response.setHeader('Tus-Resumable', TUS_VERSION);
    const answer = this.#answer(turn);
    if (answer instanceof Promise) void answer.then((one) => this.#send(turn, one));
    else this.#send(turn, answer);
  }

  /** Sends the answer, and notes the request when it has ended; never throws. */
  #send(turn: Turn, answer: Answer): void {
    turn.endBody();
    turn.visit.status = answer.status;
    const { response } = turn;
    const close = this.#closed !== undefined;
    try {
      if (!close && !response.destroyed && !isUnread(turn) && this.#outbox.take(turn, answer)) return;
      if (isToRead(turn, answer)) {
        void this.#sendRead(turn, answer);
        return;
      }
      const sending = response.destroyed ? endDownload(answer) : send(turn, answer, { close, idleMs: this.idleMs });
      if (sending === undefined) this.#end(turn);
      else
        void sending.then(
          () => this.#end(turn),
          (error) => this.#tear(turn, error),
        );
    } catch (error) {
      this.#tear(turn, error);
    }
  }

  /** Reads the object of an answer first. */
  async #sendRead(turn: Turn, answer: ObjectAnswer): Promise<void> {
    let read: Answer;
    try {
      read = { ...answer, body: await answer.body.bytes() };
    } catch (error) {
      read = this.#problem(turn, error);
    }
    this.#send(turn, read);
  }

  onLeft(turn: Turn): void {
    this.#end(turn);
  }

  onUnread(turn: Turn, answer: ObjectAnswer): void {
    void this.#sendRead(turn, answer);
  }

  /** An answer could not be sent to its end. */
  #tear(turn: Turn, error: unknown): void {
    turn.response.destroy();
    this.#report(error, activityOf(turn.visit), turn.visit.id);
    this.#end(turn);
  }

  #end({ visit, response }: Turn): void {
    this.#listeners.connections.untrack(response);
    this.#note(visit, !response.writableEnded);
    if (--this.#running === 0) this.#idle?.();
  }

  #note(visit: Visit, isAborted: boolean): void {
    visit.end(isAborted);
    this.#metrics.note(visit);
    this.#accessLog?.note(visit);
  }

  #answer(turn: Turn): Answer | Promise<Answer> {
    try {
      const answer = this.#answerOf(turn);
      return answer instanceof Promise ? answer.catch((error: unknown) => this.#problem(turn, error)) : answer;
    } catch (error) {
      return this.#problem(turn, error);
    }
  }

  #problem({ visit }: Turn, error: unknown): Answer {
    const answer = problemAnswer(error, visit.id);
    if (answer.status >= 500 && !(error instanceof Refusal)) this.#report(error, activityOf(visit), visit.id);
    return answer;
  }

  #answerOf(turn: Turn): Answer | Promise<Answer> {
    const { request, expectation } = turn;
    const { method = '', url = '', headers } = request;
    if (expectation === 'unknown') {
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
    const match = route(method, url);
    const { operation, namespace } = match;
    turn.routed(match);
    if (this.#gate === undefined && operation.needsStore !== false) throw starting();
    const admitted = this.#admit(request, operation, namespace);
    if (admitted instanceof Promise) {
      return admitted.then((principal) => {
        turn.admitted(principal);
        return operation.handler(turn);
      });
    }
    turn.admitted(admitted);
    return operation.handler(turn);
  }

  /** Who asks. What needs no store is answered before there is one to know tokens, so it is for everyone. */
  #admit(
    request: IncomingMessage,
    operation: Operation,
    namespace: string | undefined,
  ): Principal | Promise<Principal> {
    if (this.#gate !== undefined) return this.#gate.admit(request, operation, namespace);
    return anonymousPrincipal(anonymousActor(request));
  }

  ended(response: ServerResponse): AbortSignal {
    const waiting = new AbortController();
    if (this.#isEnding || response.destroyed) waiting.abort();
    this.#waiting.add(waiting);
    response.once('close', () => {
      waiting.abort();
      this.#waiting.delete(waiting);
    });
    return waiting.signal;
  }

  /** A request that could not be parsed, or whose end never came. */
  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    this.#outbox.flush(); // what was answered before goes first
    const { connections } = this.#listeners;
    const isReadable = socket.writable && error.code !== 'ECONNRESET' && connections.has(socket);
    if (!isReadable || connections.isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const visit = Visit.withoutRequest(socket);
    const refusal = clientRefusal(error);
    socket.end(rawProblem(refusal, visit.id));
    visit.status = refusal.status;
    this.#note(visit, false);
    if (error.code === 'HPE_INVALID_EOF_STATE') socket.destroySoon();
    else setTimeout(() => socket.destroy(), HTTP_LINGER_MS).unref();
  }

  /** @param activity what was being done: method and operation of a request, or something else */
  #report(error: unknown, activity: string, requestId?: string): void {
    if (this.options.onError) {
      this.options.onError(error, activity, requestId);
      return;
    }
    const request = requestId === undefined ? '' : ` (request ${requestId})`;
    const message = error instanceof Error ? error.message : String(error);
    process.emitWarning(`${activity}${request}: ${message}`, 'ArtifactStoreWarning');
  }
}

function ignore(): void {}

/** Whether an answer has an object that is wanted. */
function isToRead({ request, response }: Turn, answer: Answer): answer is ObjectAnswer {
  return answer.body instanceof StoredObject && request.method !== 'HEAD' && !response.destroyed;
}

/** Releases what an answer holds when there is nobody to send it to. */
async function endDownload({ body }: Answer): Promise<void> {
  if (typeof body === 'object' && 'rest' in body) await body.rest.return?.();
}

/** What was being done, without what a target may have that is nobody else's business. */
function activityOf({ method, operation }: Visit): string {
  return `${method} ${operation}`;
}

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function starting(): Refusal {
  const message = 'The service is starting: the store is being opened. Try again in a second.';
  return new Refusal('AS_ERR_UNAVAILABLE', 503, message, {}, { 'Retry-After': '1' });
}
