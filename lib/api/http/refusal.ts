/**
 * Errors that this door alone knows the status of.
 *
 * Imports errors. Thrown by the handlers, answered by `problem.ts`.
 */

import type { OutgoingHttpHeaders } from 'node:http';
import { ArtifactStoreError, type ErrorCode, type ErrorDetails } from '../../errors.js';

/** An error that only this door knows the right status or headers of. */
export class Refusal extends ArtifactStoreError {
  /**
   * @param status HTTP status, 400 to 599; 303 where somebody is sent elsewhere
   * @param headers sent with the answer
   * @param type the problem's type where one is registered; default: a URN with the code
   */
  constructor(
    code: ErrorCode,
    readonly status: number,
    message: string,
    details: ErrorDetails = {},
    readonly headers: OutgoingHttpHeaders = {},
    readonly type?: string,
  ) {
    super(code, message, details);
  }
}
