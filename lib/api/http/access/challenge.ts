/**
 * Refusals of who asks, with the challenges of RFC 6750.
 *
 * Imports the refusal. Thrown by `credentials.ts` and `gate.ts`.
 */

import { Refusal } from '../refusal.js';

const REALM = 'Bearer realm="artifactstore"';

/** 401: nothing was presented. Without an error code, as RFC 6750 wants it: there is nothing to be wrong. */
export function credentialsMissing(): Refusal {
  const message =
    'This needs a token: send Authorization: Bearer <token>. The operator makes one with "artifactstore token create".';
  return new Refusal('AS_ERR_UNAUTHENTICATED', 401, message, {}, { 'WWW-Authenticate': REALM });
}

/** 303: a person is asked for a token. */
export function loginNeeded(): Refusal {
  const message = 'This service wants to know who asks. Log in at /login.';
  return new Refusal('AS_ERR_UNAUTHENTICATED', 303, message, {}, { Location: '/login' });
}

/** 401: what was presented proves nothing. */
export function credentialsWrong(message: string): Refusal {
  const challenge = `${REALM}, error="invalid_token", error_description="${quotable(message)}"`;
  return new Refusal(
    'AS_ERR_UNAUTHENTICATED',
    401,
    message,
    { error: 'invalid_token' },
    { 'WWW-Authenticate': challenge },
  );
}

/** 400: what was presented is not a bearer token at all. */
export function credentialsMalformed(message: string): Refusal {
  const challenge = `${REALM}, error="invalid_request", error_description="${quotable(message)}"`;
  return new Refusal(
    'AS_ERR_UNAUTHENTICATED',
    400,
    message,
    { error: 'invalid_request' },
    { 'WWW-Authenticate': challenge },
  );
}

/** 403: who asks is known, and lacks the scope. */
export function scopeMissing(actor: string, wanted: readonly string[]): Refusal {
  const message = `${actor} may not do this: it takes the scope ${wanted.join(' or ')}.`;
  const challenge = `${REALM}, error="insufficient_scope", scope="${wanted[0]}"`;
  return new Refusal(
    'AS_ERR_FORBIDDEN',
    403,
    message,
    { error: 'insufficient_scope', scopes: wanted },
    { 'WWW-Authenticate': challenge },
  );
}

/** 403: who asks is for other namespaces. */
export function namespaceForbidden(
  actor: string,
  namespaces: readonly string[],
  namespace: string | undefined,
): Refusal {
  const where =
    namespace === undefined ? 'This concerns more than namespaces' : `This concerns the namespace ${namespace}`;
  const message = `${where}; ${actor} is only for ${namespaces.join(', ')}.`;
  return new Refusal('AS_ERR_FORBIDDEN', 403, message, { namespaces });
}

/** 429 (RFC 6585). */
export function tooOften(actor: string, rate: number, waitMs: number): Refusal {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const message = `${actor} may make ${rate} requests a minute, and made more. Try again in ${seconds} s.`;
  return new Refusal('AS_ERR_RATE', 429, message, { rate }, { 'Retry-After': String(seconds) });
}

/** Text as RFC 6750 allows it in a description: printable ASCII without quotes and backslashes. */
function quotable(text: string): string {
  return text.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?');
}
