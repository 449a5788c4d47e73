/**
 * The exit codes of the command line, documented in docs/cli.md. Scripts rely on them: a number is never given another meaning.
 *
 * Pure. Called by everything in this folder that can fail.
 */

import { ArtifactStoreError, type ErrorCode } from '../errors.js';

export const EXIT = {
  ok: 0,
  /** A bug, or an installation that is not whole. */
  unexpected: 1,
  usage: 2,
  notFound: 3,
  badDigest: 4,
  damage: 5,
  source: 6,
  store: 7,
  storage: 8,
  mismatch: 9,
  conflict: 10,
  /** Who asks is not known, or may not do this, or not so often. */
  denied: 11,
  /** As shells report a process that SIGHUP, SIGINT, SIGPIPE or SIGTERM ended. */
  hangUp: 129,
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;

/** By type exhaustive: an error code that is added without an exit code does not compile. */
const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  AS_ERR_ABORTED: EXIT.interrupted,
  AS_ERR_AMBIGUOUS_DIGEST: EXIT.badDigest,
  AS_ERR_ARCHIVE: EXIT.mismatch,
  AS_ERR_CBOR_DECODE: EXIT.unexpected,
  AS_ERR_CBOR_ENCODE: EXIT.unexpected,
  AS_ERR_CLOSED: EXIT.unexpected,
  AS_ERR_CONFIG: EXIT.usage,
  AS_ERR_CONFLICT: EXIT.conflict,
  AS_ERR_CORRUPT: EXIT.damage,
  AS_ERR_DIGEST_MISMATCH: EXIT.mismatch,
  AS_ERR_FORBIDDEN: EXIT.denied,
  AS_ERR_GONE: EXIT.notFound,
  AS_ERR_HTTP_ANSWER: EXIT.store,
  AS_ERR_HTTP_METHOD: EXIT.store,
  AS_ERR_HTTP_ORIGIN: EXIT.denied,
  AS_ERR_HTTP_PRECONDITION: EXIT.conflict,
  AS_ERR_HTTP_REQUEST: EXIT.unexpected,
  AS_ERR_HTTP_ROUTE: EXIT.store,
  AS_ERR_HTTP_TIMEOUT: EXIT.store,
  AS_ERR_INTERNAL: EXIT.unexpected,
  AS_ERR_IN_USE: EXIT.conflict,
  AS_ERR_INVALID_ARGUMENT: EXIT.usage,
  AS_ERR_INVALID_DIGEST: EXIT.badDigest,
  AS_ERR_IO: EXIT.storage,
  AS_ERR_ISSUER: EXIT.denied,
  AS_ERR_LIMIT: EXIT.usage,
  AS_ERR_LOCKED: EXIT.conflict,
  AS_ERR_LOG_DAMAGED: EXIT.damage,
  AS_ERR_MANIFEST: EXIT.mismatch,
  AS_ERR_NATIVE: EXIT.unexpected,
  AS_ERR_NO_SPACE: EXIT.storage,
  AS_ERR_NOT_FOUND: EXIT.notFound,
  AS_ERR_OFFSET: EXIT.conflict,
  AS_ERR_PLAN: EXIT.conflict,
  AS_ERR_POLICY: EXIT.usage,
  AS_ERR_PROTECTED: EXIT.conflict,
  AS_ERR_PROTOCOL: EXIT.store,
  AS_ERR_QUOTA: EXIT.storage,
  AS_ERR_RANGE: EXIT.usage,
  AS_ERR_RATE: EXIT.denied,
  AS_ERR_READ_ONLY: EXIT.storage,
  AS_ERR_SIZE_MISMATCH: EXIT.mismatch,
  AS_ERR_SOURCE_CHANGED: EXIT.source,
  AS_ERR_SOURCE_UNREADABLE: EXIT.source,
  AS_ERR_SQLITE: EXIT.unexpected,
  AS_ERR_STORE_FORMAT: EXIT.store,
  AS_ERR_STORE_LOCKED: EXIT.store,
  AS_ERR_STORE_MISSING: EXIT.store,
  AS_ERR_UNAUTHENTICATED: EXIT.denied,
  AS_ERR_UNAUTHENTICATED_LISTEN: EXIT.usage,
  AS_ERR_UNAVAILABLE: EXIT.store,
};

/** Signals that end a command in order, with the code it then exits with. */
export const SIGNAL_EXITS = {
  SIGHUP: EXIT.hangUp,
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
} as const;

/** Why a command was given up from outside; the reason of the session's abort signal. */
export class Interruption extends Error {
  override readonly name = 'Interruption';

  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}

/** The exit code of an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interruption) return error.exitCode;
  if (error instanceof ArtifactStoreError) return EXIT_CODES[error.code];
  return EXIT.unexpected;
}
