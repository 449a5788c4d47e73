/**
 * Requests that could not be parsed, or whose end never came.
 *
 * Imports limits. Called by `server.ts`.
 */

import { HTTP_HEADER_SIZE_MAX, HTTP_HEADERS_TIMEOUT_MS } from '../../limits.js';
import { Refusal } from './refusal.js';

/** What a client did wrong by Node's parser. */
export function clientRefusal({ code, message }: NodeJS.ErrnoException): Refusal {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal('AS_ERR_HTTP_TIMEOUT', 408, `The headers did not come within ${HTTP_HEADERS_TIMEOUT_MS} ms.`);
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('AS_ERR_LIMIT', 431, `Request line and headers have more than ${HTTP_HEADER_SIZE_MAX} bytes.`);
    case 'HPE_INVALID_EOF_STATE':
      return new Refusal(
        'AS_ERR_SIZE_MISMATCH',
        400,
        'The connection ended before the request did; no object was stored.',
      );
    default:
      return new Refusal('AS_ERR_HTTP_REQUEST', 400, `The request is not well-formed HTTP/1.1: ${message}.`);
  }
}
