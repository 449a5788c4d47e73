/**
 * Requests that could not be parsed, or whose end never came.
 *
 * Imports limits. Called by `server.ts` and `listeners.ts`.
 */

import { HTTP_HEADER_SIZE_MAX } from '../../limits.js';
import { Refusal } from './refusal.js';

/** The code of a request for a tunnel. */
export const TUNNEL = 'AS_HTTP_TUNNEL';

/** What a client did wrong by Node's parser. */
export function clientRefusal({ code, message }: NodeJS.ErrnoException): Refusal {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new Refusal(
        'AS_ERR_HTTP_TIMEOUT',
        408,
        'The headers did not come in time. Send the request again, at once.',
      );
    case 'HPE_HEADER_OVERFLOW':
      return new Refusal('AS_ERR_LIMIT', 431, `Request line and headers have more than ${HTTP_HEADER_SIZE_MAX} bytes.`);
    case TUNNEL:
      return new Refusal('AS_ERR_HTTP_METHOD', 405, 'CONNECT is not possible: this is no proxy.', {}, { Allow: '' });
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
