/**
 * What went wrong with a request, as the errors of this package: problem documents read back, and failures of the connection.
 *
 * Imports errors and this folder's failure. Called by the transport.
 */

import { ArtifactStoreError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../errors.js';
import { Interrupted } from './interrupted.js';

/** Statuses that say: not now. */
const BUSY: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** Members of a problem document that are not details of the error. */
const ENVELOPE: ReadonlySet<string> = new Set(['type', 'title', 'status', 'detail', 'code']);

/**
 * The error that an answer is.
 *
 * @param about the request, for people
 * @param body of the answer
 */
export function answeredError(
  about: string,
  status: number,
  retryAfter: string | undefined,
  body: Buffer,
): ArtifactStoreError {
  const problem = problemOf(body);
  const waitMs = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) * 1000 : undefined;
  const options = { mayBeDone: false, ...(waitMs !== undefined && { waitMs }) };
  if (problem === undefined) {
    const message = `${about} was answered with ${status}, and not as this service answers. Check what is at this address.`;
    if (BUSY.has(status)) return new Interrupted('AS_ERR_UNAVAILABLE', message, { status }, options);
    return new ArtifactStoreError('AS_ERR_HTTP_ANSWER', message, { status });
  }
  const { code, detail, details } = problem;
  if (BUSY.has(status)) return new Interrupted(code, detail, details, options);
  return new ArtifactStoreError(code, detail, details);
}

function problemOf(body: Buffer): { code: ErrorCode; detail: string; details: ErrorDetails } | undefined {
  try {
    const document = JSON.parse(body.toString()) as Record<string, unknown>;
    const { code, detail } = document;
    if (typeof detail !== 'string' || typeof code !== 'string' || !Object.hasOwn(ERROR_CODES, code)) return undefined;
    const details = Object.entries(document).filter(([name]) => !ENVELOPE.has(name));
    return { code: code as ErrorCode, detail, details: Object.fromEntries(details) as ErrorDetails };
  } catch {
    return undefined; // not JSON, so not ours
  }
}

/** Failures before anything was sent, which may pass. */
const NOT_REACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOENT', // a socket that is not there yet
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Failures in the middle. */
const BROKEN: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RESPONSE',
  'HPE_INVALID_EOF_STATE',
]);

/** The error that a failure of the connection is; errors of this package stay as they are. */
export function connectionError(place: string, cause: unknown): Error {
  if (cause instanceof ArtifactStoreError) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const details = { place, ...(code && { errno: code }) };
  if (NOT_REACHED.has(code)) {
    const text = `${place} cannot be reached: ${message}. Check the address, and that the service runs.`;
    return new Interrupted('AS_ERR_UNAVAILABLE', text, details, { mayBeDone: false, cause });
  }
  if (BROKEN.has(code)) {
    const text = `The connection to ${place} broke: ${message}. Try again.`;
    return new Interrupted('AS_ERR_UNAVAILABLE', text, details, { mayBeDone: true, cause });
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return new ArtifactStoreError('AS_ERR_CLOSED', `The client of ${place} is closed; open another.`, {}, { cause });
  }
  const advice = isAboutTrust(code) ? 'If it is your own, name who issued its certificate' : 'Check the address';
  return new ArtifactStoreError('AS_ERR_UNAVAILABLE', `${place} cannot be asked: ${message}. ${advice}.`, details, {
    cause,
  });
}

function isAboutTrust(code: string): boolean {
  return /CERT|SIGNED|SIGNATURE|ISSUER|ERR_TLS|ERR_SSL/.test(code);
}
