/**
 * One request, from its head to the end of its answer: what the service knows of it, and what a handler gets of it.
 *
 * Imports the exchange, the body and the visit. Made by `server.ts` for each request; an object of one class, because one with members of its own for each
 * request costs a small answer a tenth of its time.
 */

import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Principal } from '../../access/principal.js';
import type { Store } from '../../store.js';
import { RequestBody } from './body.js';
import type { Exchange, QueryValues, ServiceState } from './exchange.js';
import { writeInterim } from './interim.js';
import type { Expectation } from './listeners.js';
import { Visit } from './observe/visit.js';
import type { Match } from './router.js';
import type { UploadDesk } from './uploads/desk.js';

/** What the service lends to each turn. */
export interface TurnHost extends ServiceState {
  readonly uploads: UploadDesk | undefined;
  readonly idleMs: number;
  readonly heartbeatMs: number;
  /** A signal for one who waits before or while answering. */
  ended(response: ServerResponse): AbortSignal;
}

export class Turn implements Exchange {
  readonly visit: Visit;
  params: readonly string[] = [];
  query: QueryValues = {};
  principal!: Principal;
  /** The client sends the body now, or may: not so when it waits for a `100 Continue` that it never got. */
  bodyInFlight: boolean;
  #body: RequestBody | undefined;

  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    readonly expectation: Expectation,
    private readonly host: TurnHost,
  ) {
    this.visit = new Visit(request);
    this.bodyInFlight = expectation === 'request';
  }

  /** It has been found what is asked for. */
  routed({ operation, params, query }: Match): void {
    this.visit.operation = operation.id;
    this.params = params;
    this.query = query;
  }

  /** It is known who asks. */
  admitted(principal: Principal): void {
    this.principal = principal;
    this.visit.actor = principal.actor;
  }

  get service(): ServiceState {
    return this.host;
  }

  /** Operations that are answered before there is one do not use it. */
  get store(): Store {
    return this.host.store as Store;
  }

  get uploads(): UploadDesk {
    return this.host.uploads as UploadDesk;
  }

  get method(): string {
    return this.request.method ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  get isEncrypted(): boolean {
    return this.request.socket instanceof TLSSocket;
  }

  get requestId(): string {
    return this.visit.id;
  }

  get actor(): string {
    return this.principal.actor;
  }

  get heartbeatMs(): number {
    return this.host.heartbeatMs;
  }

  /** Most requests have none: it is made when a handler asks for it. */
  get body(): RequestBody {
    this.#body ??= new RequestBody(this.request, this.host.idleMs, this.#onStart);
    return this.#body;
  }

  /** The connection's bytes are read by somebody else, so no request can follow on it. */
  get isGiven(): boolean {
    return this.#body?.isGiven === true;
  }

  /** Somebody else has received all of the body. */
  get isReceived(): boolean {
    return this.#body?.isReceived === true;
  }

  /** Nobody reads any more of the body. */
  endBody(): void {
    if (this.#body === undefined) return;
    void this.#body.return();
    this.visit.bytesIn = this.#body.received;
  }

  ended(): AbortSignal {
    return this.host.ended(this.response);
  }

  inform(status: number, reason: string, headers: OutgoingHttpHeaders): void {
    writeInterim(this.request, this.response, status, reason, headers);
  }

  readonly #onStart = (): void => {
    if (!this.bodyInFlight) this.response.writeContinue();
    this.bodyInFlight = true;
  };
}
