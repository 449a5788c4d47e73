/**
 * Interim answers of any status, for which Node 20 has no call.
 *
 * Imports Node types. Called by `server.ts`.
 */

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** Sends an interim answer now. A response that waits for its turn on the connection, and HTTP/1.0, get none. */
export function writeInterim(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  reason: string,
  headers: OutgoingHttpHeaders,
): void {
  if (request.httpVersion !== '1.1' || response.headersSent || !response.socket?.writable) return;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  response.socket.write(`HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}\r\n`);
}
