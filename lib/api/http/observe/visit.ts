/**
 * What is noted of one request while it is answered, for metrics, access log and the operator.
 *
 * Imports the id. Made by `server.ts` for each request, told to the observers when it has ended.
 */

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { requestIdOf } from './request-id.js';

/** The operation of requests that have none. */
export const NO_OPERATION = 'none';

/** One request, from its head to the last byte of its answer. */
export class Visit {
  readonly id: string;
  readonly method: string;
  readonly remote: string;
  readonly #begun = performance.now();
  /** Milliseconds from the head to the end; 0 before. */
  durationMs = 0;
  /** Id of the operation; `none` for what has no route or was refused before. */
  operation = NO_OPERATION;
  /** Who asks, as in events; empty while that is not known. */
  actor = '';
  /** 0 until an answer begins. */
  status = 0;
  /** Bytes of bodies. */
  bytesIn = 0;
  bytesOut = 0;
  /** The connection ended before the answer did. */
  isAborted = false;

  constructor({ headers, method = '', socket }: Pick<IncomingMessage, 'headers' | 'method' | 'socket'>) {
    this.id = requestIdOf(headers);
    this.method = method;
    this.remote = remoteOf(socket.remoteAddress);
  }

  /** What came on a connection could not be read as a request. */
  static withoutRequest(socket: Socket): Visit {
    return new Visit({ headers: {}, method: '', socket });
  }

  /** The last byte has been written, or there is nobody to write to. */
  end(isAborted: boolean): void {
    this.isAborted = isAborted;
    this.durationMs = performance.now() - this.#begun;
  }
}

const MAPPED = '::ffff:';

/** An address without the prefix that IPv4 has on a socket for both; `unix` for a socket in the file system. */
export function remoteOf(address: string | undefined): string {
  if (address === undefined) return 'unix';
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}
