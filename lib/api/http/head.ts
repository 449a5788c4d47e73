/**
 * The head of an answer as bytes, for answers that leave in one write: see `piece.ts`.
 *
 * Imports Node's names of statuses and its check of fields, and limits. Called by `send.ts`.
 */

import { type OutgoingHttpHeaders, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import { HTTP_KEEP_ALIVE_MS } from '../../limits.js';

/** Whatever is stored here must never act in a browser as a page of ours. */
export const ALWAYS = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; sandbox"],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
] as const;

/** Of headers that are frozen: those of objects that are asked for again and again. */
const kept = new WeakMap<OutgoingHttpHeaders, { status: number; bytes: Uint8Array }>();

/**
 * The status line and the fields that do not change from one answer to the next.
 *
 * @throws ERR_INVALID_CHAR, ERR_INVALID_HTTP_TOKEN: what stands there cannot be a field
 */
export function headOf(status: number, headers: OutgoingHttpHeaders): Uint8Array {
  const known = kept.get(headers);
  if (known?.status === status) return known.bytes;
  const bytes = makeHead(status, headers);
  if (Object.isFrozen(headers)) kept.set(headers, { status, bytes });
  return bytes;
}

function makeHead(status: number, headers: OutgoingHttpHeaders): Uint8Array {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
  for (const [name, value] of ALWAYS) if (!(name in headers)) text += `${name}: ${value}\r\n`;
  for (const name in headers) {
    validateHeaderName(name);
    for (const value of [headers[name]].flat()) {
      validateHeaderValue(name, String(value));
      text += `${name}: ${value}\r\n`;
    }
  }
  return Buffer.from(text, 'latin1');
}

/** The other fields, and the end of a head. The connection stays open behind it. */
export function restOfHead(length: number, requestId: string): string {
  return `Content-Length: ${length}\r\nX-Request-Id: ${requestId}\r\nDate: ${date()}\r\n${KEEP_ALIVE}\r\n`;
}

/** As Node says it. */
const KEEP_ALIVE = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(HTTP_KEEP_ALIVE_MS / 1000)}\r\n`;

let second = 0;
let text = '';

/** Of this second, as HTTP writes it. */
function date(): string {
  const now = Date.now();
  if (now < second || now >= second + 1000) {
    second = now - (now % 1000);
    text = new Date(now).toUTCString();
  }
  return text;
}
