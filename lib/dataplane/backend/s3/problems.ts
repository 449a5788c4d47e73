/**
 * What a server of S3 answers when it does not do what was asked, as errors of ours. Only codes of its answers become part of a message: their texts may
 * repeat what was sent.
 *
 * Imports errors and XML. Called by the request layer and the bucket.
 */

import { ArtifactStoreError, type ErrorCode } from '../../../errors.js';
import { elementText } from './xml.js';

/** An answer other than 2xx that trying again does not change. */
export interface Refusal {
  status: number;
  /** The code in its body, as `NoSuchKey`; empty where it has none, as that of HEAD. */
  code: string;
}

/** Thrown by the request layer; the bucket turns it into an answer or an error. */
export class Refused extends Error {
  constructor(
    readonly about: string,
    readonly refusal: Refusal,
    /** What else helps a person. */
    readonly hint: string,
  ) {
    super(`${about} was answered ${describe(refusal)}`);
  }
}

/** Statuses, and codes in answers, after which the same request may be answered otherwise. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const PASSING_CODES: ReadonlySet<string> = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'RequestLimitExceeded',
  'OperationAborted',
  'IncompleteBody',
]);

/** Codes that say why a refused request was not even looked at. */
const UNPROVEN_CODES: ReadonlySet<string> = new Set([
  'SignatureDoesNotMatch',
  'InvalidAccessKeyId',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'InvalidToken',
  'RequestTimeTooSkewed',
]);

/** Whether the same request may fare better. */
export function isPassing({ status, code }: Refusal): boolean {
  return PASSING_STATUSES.has(status) || PASSING_CODES.has(code);
}

/** The code in the body of an answer. */
export function codeOf(text: string): string {
  return elementText(text, 'Code')?.replace(/[^A-Za-z0-9.]/g, '') ?? '';
}

/** `503 (SlowDown)`. */
export function describe({ status, code }: Refusal): string {
  return code === '' ? String(status) : `${status} (${code})`;
}

/** A refusal as the error that callers of the data plane see. */
export function refusedError({ about, refusal, hint }: Refused, bucket: string): ArtifactStoreError {
  const { status, code } = refusal;
  const details = { about, status, code };
  const error = (as: ErrorCode, advice: string) =>
    new ArtifactStoreError(as, `${about} was answered ${describe(refusal)}. ${advice}${hint}`, details);
  if (code === 'NoSuchBucket') return error('AS_ERR_STORE_MISSING', `Make the bucket ${bucket}, or correct its name.`);
  if (UNPROVEN_CODES.has(code))
    return error('AS_ERR_UNAUTHENTICATED', 'Check the credentials, the region and the clock of this machine.');
  if (status === 401) return error('AS_ERR_UNAUTHENTICATED', 'Check the credentials.');
  if (status === 403) return error('AS_ERR_FORBIDDEN', `The credentials do not allow this in the bucket ${bucket}.`);
  if (status === 507 || code === 'QuotaExceeded' || code === 'EntityTooLarge' || code === 'XMinioStorageFull')
    return error('AS_ERR_NO_SPACE', 'Free some space there or raise its quota.');
  return error('AS_ERR_IO', 'Check that it is an S3-compatible store, and what its own log says.');
}

/** Why a certificate is not taken, as codes of Node's. */
const UNTRUSTED = /^(ERR_TLS_CERT_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_VERIFY_|UNABLE_TO_GET_ISSUER_)/;

/** Whether a connection failed because the server's certificate is not trusted, which no further attempt changes. */
export function isUntrusted(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  return UNTRUSTED.test(cause?.code ?? code ?? '');
}

/** The server may be somebody else. */
export function untrusted(origin: string, error: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_UNAVAILABLE',
    `The certificate of ${origin} is not trusted: ${(error as Error).message}. If it is the right server, name a file of its authority's certificates in AWS_CA_BUNDLE.`,
    { origin, attempts: 1 },
    { cause: error },
  );
}

/** All attempts came to nothing. */
export function unavailable(about: string, attempts: number, reason: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_UNAVAILABLE',
    `${about} failed ${attempts} times, at last because ${reason}. Try again when the server is well.`,
    { about, attempts },
  );
}
