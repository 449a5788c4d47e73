/**
 * Errors as values and back: `{code, message, details}`.
 *
 * Imports CBOR's types, errors and the checks of values. Called by both ends.
 */

import type { CborInput, CborValue } from '../../cbor/index.js';
import { ArtifactStoreError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../../errors.js';
import { isMap } from './shapes.js';

/** An error as a value. Of one that is not ours nothing is told but that it was: it may hold what is nobody's business. */
export function failureValue(error: unknown): CborInput {
  if (!(error instanceof ArtifactStoreError)) {
    return {
      code: 'AS_ERR_INTERNAL',
      message: 'The data plane failed in a way nobody foresaw; its log says more.',
      details: {},
    };
  }
  const { code, message, details } = error;
  return { code, message: text(message), details: plain(details) };
}

/** The error that a value is. */
export function failureOf(value: CborValue): ArtifactStoreError {
  if (!isMap(value) || typeof value.code !== 'string' || typeof value.message !== 'string' || !isMap(value.details)) {
    return new ArtifactStoreError(
      'AS_ERR_PROTOCOL',
      'The other end failed, and did not say why in a way that is known.',
    );
  }
  const { code, message } = value;
  const details = value.details as ErrorDetails;
  if (Object.hasOwn(ERROR_CODES, code)) return new ArtifactStoreError(code as ErrorCode, message, details);
  return new ArtifactStoreError('AS_ERR_INTERNAL', message, { ...details, code });
}

/** What canonical CBOR can carry of a value; numbers that it cannot become text. */
function plain(value: unknown): CborInput {
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return value;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : String(value);
  if (typeof value === 'string') return text(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object') return String(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}

/** Text in the form that CBOR asks for: a path may be in any. */
function text(value: string): string {
  return Buffer.from(value.normalize('NFC')).toString();
}
