/**
 * A failure that may be none the next time: the service was not reached, or was busy, or the connection broke.
 *
 * Imports errors. Thrown by the transport, looked at by whoever tries again; to users it is an error like any other.
 */

import { ArtifactStoreError, type ErrorCode, type ErrorDetails } from '../errors.js';

export interface InterruptedOptions extends ErrorOptions {
  /** The service may have done what it was asked. */
  mayBeDone: boolean;
  /** Milliseconds that it asks to be left alone. */
  waitMs?: number;
}

export class Interrupted extends ArtifactStoreError {
  readonly mayBeDone: boolean;
  readonly waitMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails,
    { mayBeDone, waitMs, ...options }: InterruptedOptions,
  ) {
    super(code, message, details, options);
    this.mayBeDone = mayBeDone;
    this.waitMs = waitMs;
  }
}
