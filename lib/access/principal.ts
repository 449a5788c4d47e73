/**
 * Who asks, once that is proven: by a token, by a JWT of a trusted issuer, or by a client certificate.
 *
 * Pure. Made by those who check credentials; the doors decide by it.
 */

import type { Scope } from './scopes.js';

export interface Principal {
  /** Who acts, in events: `token:<id>`, `oidc:<issuer>:<subject>`, `tls:<name>`. */
  actor: string;
  scopes: readonly Scope[];
  /** The only namespaces it may touch; absent: all, and what lies in none. */
  namespaces?: readonly string[];
  /** Requests a minute; absent: as many as come. */
  rate?: number;
  /** The token by which it is known, if that has a quota: what is stored counts for it. */
  quota?: { token: string; size: number };
}

/** Whether a principal is one of a few namespaces. */
export function isRestricted({ namespaces }: Principal): boolean {
  return namespaces !== undefined;
}
