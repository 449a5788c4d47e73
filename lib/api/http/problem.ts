/**
 * Errors as problem documents (RFC 9457): a status for every code, and only what a stranger may read.
 *
 * Imports errors. Called by `server.ts` for whatever a handler throws, and for requests that never reached one.
 */

import { STATUS_CODES } from 'node:http';
import { ArtifactStoreError, ERROR_CODES, type ErrorCode } from '../../errors.js';
import type { Answer } from './exchange.js';
import { Refusal } from './refusal.js';

/** How a code is answered. `private`: its message may name paths or state of the server, so the client reads the code's meaning instead. */
interface Mapping {
  status: number;
  private?: true;
}

const MAPPINGS: Record<ErrorCode, Mapping> = {
  AS_ERR_ABORTED: { status: 400 },
  AS_ERR_AMBIGUOUS_DIGEST: { status: 409 },
  AS_ERR_ARCHIVE: { status: 422 },
  AS_ERR_CBOR_DECODE: { status: 400 },
  AS_ERR_CBOR_ENCODE: { status: 400 },
  AS_ERR_CLOSED: { status: 503, private: true },
  AS_ERR_CONFIG: { status: 500, private: true },
  AS_ERR_CONFLICT: { status: 409 },
  // Damaged bytes count as absent: storing them again heals them.
  AS_ERR_CORRUPT: { status: 404 },
  AS_ERR_DIGEST_MISMATCH: { status: 400 },
  AS_ERR_FORBIDDEN: { status: 403 },
  AS_ERR_GONE: { status: 410 },
  AS_ERR_HTTP_ANSWER: { status: 502, private: true },
  AS_ERR_HTTP_METHOD: { status: 405 },
  AS_ERR_HTTP_ORIGIN: { status: 403 },
  AS_ERR_HTTP_PRECONDITION: { status: 412 },
  AS_ERR_HTTP_REQUEST: { status: 400 },
  AS_ERR_HTTP_ROUTE: { status: 404 },
  AS_ERR_HTTP_TIMEOUT: { status: 408 },
  AS_ERR_INTERNAL: { status: 500, private: true },
  AS_ERR_IN_USE: { status: 409 },
  AS_ERR_INVALID_ARGUMENT: { status: 400 },
  AS_ERR_INVALID_DIGEST: { status: 400 },
  AS_ERR_IO: { status: 500, private: true },
  AS_ERR_ISSUER: { status: 503, private: true },
  AS_ERR_LIMIT: { status: 413 },
  // RFC 4918, section 11.3.
  AS_ERR_LOCKED: { status: 423 },
  AS_ERR_LOG_DAMAGED: { status: 500, private: true },
  AS_ERR_MANIFEST: { status: 422 },
  AS_ERR_NATIVE: { status: 500, private: true },
  AS_ERR_NO_SPACE: { status: 507, private: true },
  AS_ERR_NOT_FOUND: { status: 404 },
  AS_ERR_OFFSET: { status: 409 },
  AS_ERR_PLAN: { status: 409 },
  AS_ERR_POLICY: { status: 422 },
  AS_ERR_PROTECTED: { status: 409 },
  // RFC 4918, section 11.5; RFC 4331 has it for quotas. It tells a token of its own quota and nothing else.
  AS_ERR_PROTOCOL: { status: 503, private: true },
  AS_ERR_QUOTA: { status: 507 },
  AS_ERR_RANGE: { status: 416 },
  AS_ERR_RATE: { status: 429 },
  AS_ERR_READ_ONLY: { status: 403, private: true },
  AS_ERR_SIZE_MISMATCH: { status: 400 },
  AS_ERR_SOURCE_CHANGED: { status: 500, private: true },
  AS_ERR_SOURCE_UNREADABLE: { status: 500, private: true },
  AS_ERR_SQLITE: { status: 500, private: true },
  AS_ERR_STORE_FORMAT: { status: 500, private: true },
  AS_ERR_STORE_LOCKED: { status: 503, private: true },
  AS_ERR_STORE_MISSING: { status: 500, private: true },
  AS_ERR_UNAUTHENTICATED: { status: 401 },
  AS_ERR_UNAUTHENTICATED_LISTEN: { status: 500, private: true },
  AS_ERR_UNAVAILABLE: { status: 503 },
};

/** The status of a code, unless a refusal has one of its own. */
export function statusOf(code: ErrorCode): number {
  return MAPPINGS[code].status;
}

/** What a stranger may read of an error. */
function shown(known: ArtifactStoreError): string {
  const { code, message } = known;
  if (!MAPPINGS[code].private) return message;
  return `The request failed: ${ERROR_CODES[code]}. The operator of the service can see more.`;
}

function known(error: unknown): ArtifactStoreError {
  return error instanceof ArtifactStoreError ? error : new ArtifactStoreError('AS_ERR_INTERNAL', '', {});
}

/** An error among other values, such as lines: its code and what a stranger may read of it. */
export function errorJson(error: unknown): { code: ErrorCode; message: string } {
  const { code } = known(error);
  return { code, message: shown(known(error)) };
}

/**
 * The answer to an error, whatever was thrown. Members beyond RFC 9457: `code`, `requestId`, and the error's details.
 *
 * @param requestId under which the operator finds the request
 */
export function problemAnswer(error: unknown, requestId: string): Answer {
  const told = known(error);
  const { code } = told;
  const mapping = MAPPINGS[code];
  const status = told instanceof Refusal ? told.status : mapping.status;
  const detail = shown(told);
  const type = (told instanceof Refusal && told.type) || `urn:artifactstore:error:${code}`;
  const document = { type, title: ERROR_CODES[code], status, detail, code, requestId };
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(told instanceof Refusal && told.headers),
    },
    // Twice, so that it comes first and no detail of the same name replaces a member.
    body: `${JSON.stringify({ ...document, ...(!mapping.private && told.details), ...document })}\n`,
  };
}

/** A problem as a whole HTTP/1.1 message, for connections whose request could not be parsed; the connection closes behind it. */
export function rawProblem(refusal: Refusal, requestId: string): string {
  const { status, headers, body } = problemAnswer(refusal, requestId);
  const text = String(body);
  const lines = Object.entries({
    ...headers,
    'X-Request-Id': requestId,
    'Content-Length': Buffer.byteLength(text),
    Date: new Date().toUTCString(),
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`;
}
