/**
 * What a handler gets and what it gives: a request with everything decided about it, and an answer as plain data.
 *
 * Imports types and errors. Handlers never see a socket, so they cannot get the framing of HTTP wrong; `server.ts` makes requests,
 * `send.ts` writes answers.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Principal } from '../../access/principal.js';
import type { ByteSource } from '../../dataplane/spi.js';
import type { Family } from '../../metrics/exposition.js';
import type { StoredObject } from '../../store/stored-object.js';
import type { Store } from '../../store.js';
import type { UploadDesk } from './uploads/desk.js';

/** Query parameters by name. */
export type QueryValues = Readonly<Record<string, string | number | boolean>>;

/** The service itself, for the operations that tell how it is. */
export interface ServiceState {
  readonly phase: 'starting' | 'ready' | 'stopping';
  /** Once it is open. */
  readonly store: Store | undefined;
  /** What it has counted. */
  families(): Family[];
}

/** One request, routed. */
export interface Exchange {
  readonly service: ServiceState;
  readonly store: Store;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** What stands in the path where the route has a parameter, decoded, in order. */
  readonly params: readonly string[];
  /** Parameters that the operation takes, as the types of their schemas; those that were not given are missing. */
  readonly query: QueryValues;
  /** The request came over TLS. */
  readonly isEncrypted: boolean;
  /** Under which the operator finds the request. */
  readonly requestId: string;
  /** Who asks, for events. */
  readonly actor: string;
  /** The same, with what they may do. */
  readonly principal: Principal;
  /** What requests for uploads share. */
  readonly uploads: UploadDesk;
  /** The body. Reading it is what invites a client that asked first (`Expect: 100-continue`) to send it. */
  readonly body: ByteSource;
  /** Aborted when the client leaves or the service closes: for who waits. */
  ended(): AbortSignal;
  /** Milliseconds of silence after which a stream gives a sign of life. */
  readonly heartbeatMs: number;
  /** Sends an interim answer now, 102 to 199, where the protocol has them. */
  inform(status: number, reason: string, headers: OutgoingHttpHeaders): void;
}

/** Bytes on their way out, the first chunk read already: what is wrong with it can still become an answer of its own. */
export interface Download {
  readonly first: IteratorResult<Uint8Array>;
  readonly rest: AsyncIterator<Uint8Array>;
  /**
   * The rest sent to a socket by the store itself, if it can: numbers are bytes that have been sent, chunks are to be written. Undefined: read `rest`. Nothing is
   * read of one when the other is.
   */
  readonly intoSocket?: (socket: number) => AsyncIterable<Uint8Array | number> | undefined;
}

/**
 * What is sent. A stream comes with its Content-Length in `headers`, or goes out in chunks. An object, of SEND_JOINED_SIZE_MAX bytes at most unless it answers a HEAD, is
 * read when its turn comes; what is wrong with it becomes an answer of its own.
 */
export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | StoredObject | Download;
}

/** An answer with an object. */
export interface ObjectAnswer extends Answer {
  readonly body: StoredObject;
}

/** Answers at once where it has nothing to wait for: a promise costs a small answer more than most of what it does. */
export type Handler = (exchange: Exchange) => Answer | Promise<Answer>;

/** An answer in JSON. */
export function json(status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache', ...headers },
    body: `${JSON.stringify(value)}\n`,
  };
}
