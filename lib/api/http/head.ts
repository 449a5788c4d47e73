/**
 * The head of an answer as bytes, for answers that leave together: see `outbox.ts`.
 *
 * Imports Node's names of statuses and its check of fields, the exchange's types and limits. Called by `outbox.ts`; `ALWAYS` by `send.ts`.
 */

import { type OutgoingHttpHeaders, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http';
import { HTTP_KEEP_ALIVE_MS } from '../../limits.js';
import type { Answer } from './exchange.js';

/** Whatever is stored here must never act in a browser as a page of ours. */
export const ALWAYS = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Content-Security-Policy', "default-src 'none'; sandbox"],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
] as const;

/** The beginning of a head, up to where the id of the request stands. */
interface Beginning {
  status: number;
  length: number;
  bytes: Uint8Array;
}

/** Of headers that are frozen: those of objects that are asked for again and again. */
const kept = new WeakMap<OutgoingHttpHeaders, Beginning>();

/**
 * Writes the head of an answer behind which the connection stays open into memory from `start` on.
 *
 * @param length bytes of the body
 * @returns where the head ends; undefined: there is no room for it before `end`
 * @throws ERR_INVALID_CHAR, ERR_INVALID_HTTP_TOKEN: what stands there cannot be a field
 */
export function writeHead(
  into: Buffer,
  start: number,
  end: number,
  { status, headers }: Pick<Answer, 'status' | 'headers'>,
  length: number,
  requestId: string,
): number | undefined {
  const beginning = beginningOf(status, headers, length);
  const rest = ending();
  const idAt = start + beginning.byteLength;
  const restAt = idAt + requestId.length;
  if (restAt + rest.byteLength > end) return undefined;
  into.set(beginning, start);
  into.write(requestId, idAt, 'latin1');
  into.set(rest, restAt);
  return restAt + rest.byteLength;
}

function beginningOf(status: number, headers: OutgoingHttpHeaders, length: number): Uint8Array {
  const known = kept.get(headers);
  if (known !== undefined && known.status === status && known.length === length) return known.bytes;
  const bytes = makeBeginning(status, headers, length);
  if (Object.isFrozen(headers)) kept.set(headers, { status, length, bytes });
  return bytes;
}

function makeBeginning(status: number, headers: OutgoingHttpHeaders, length: number): Uint8Array {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
  for (const [name, value] of ALWAYS) if (!(name in headers)) text += `${name}: ${value}\r\n`;
  for (const name in headers) {
    validateHeaderName(name);
    for (const value of [headers[name]].flat()) {
      validateHeaderValue(name, String(value));
      text += `${name}: ${value}\r\n`;
    }
  }
  return Buffer.from(`${text}Content-Length: ${length}\r\nX-Request-Id: `, 'latin1');
}

/** As Node says it. */
const KEEP_ALIVE = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(HTTP_KEEP_ALIVE_MS / 1000)}\r\n`;

let second = 0;
let endingBytes: Uint8Array = Buffer.alloc(0);

/** What stands behind the id of a request: the end of its line, the date of this second as HTTP writes it, and the end of the head. */
function ending(): Uint8Array {
  const now = Date.now();
  if (now < second || now >= second + 1000) {
    second = now - (now % 1000);
    endingBytes = Buffer.from(`\r\nDate: ${new Date(now).toUTCString()}\r\n${KEEP_ALIVE}\r\n`, 'latin1');
  }
  return endingBytes;
}
