/**
 * The access log: a line of JSON for each request.
 *
 * Imports the visit. Called by `server.ts` when a request has ended. A line has no path and no query: the name of an upload is what lets its holder go on
 * with it, and a query may say why something was deleted.
 */

import type { Writable } from 'node:stream';
import type { Visit } from './visit.js';

/** Lines of one turn of the event loop are written together, because a write costs more than many a request. */
export class AccessLog {
  #waiting = '';

  constructor(private readonly to: Pick<Writable, 'write'>) {}

  note(visit: Visit): void {
    if (this.#waiting === '') setImmediate(() => this.flush());
    this.#waiting += line(visit);
  }

  /** Writes what waits. */
  flush(): void {
    const lines = this.#waiting;
    this.#waiting = '';
    if (lines !== '') this.to.write(lines);
  }
}

function line(visit: Visit): string {
  const { id, method, operation, status, bytesIn, bytesOut, durationMs, actor, remote, isAborted } = visit;
  return `${JSON.stringify({
    time: new Date().toISOString(),
    type: 'access',
    requestId: id,
    method,
    operation,
    status,
    bytesIn,
    bytesOut,
    durationMs: Math.round(durationMs * 1000) / 1000,
    actor,
    remote,
    ...(isAborted && { aborted: true }),
  })}\n`;
}
