/**
 * The name of a request: the one that its client or a proxy gave it, or a new one. It stands in the answer, in problems, in the access log and in
 * what the operator is told.
 *
 * Imports Node. Called by `visit.ts`.
 */

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What people and tools use as ids; nothing that could end a line or a quotation. */
const GIVEN = /^[A-Za-z0-9][A-Za-z0-9._~+/=:@-]{0,127}$/;

/** W3C Trace Context: version, trace, parent, flags; an id of zeros is none. */
const TRACE = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/;

/** `X-Request-Id`, else the trace of `traceparent`, if well-formed; else a UUID. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers['x-request-id'];
  if (typeof given === 'string' && GIVEN.test(given)) return given;
  const parent = headers.traceparent;
  return (typeof parent === 'string' && TRACE.exec(parent)?.[1]) || randomUUID();
}
