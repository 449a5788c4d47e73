/**
 * Who asks, once that is proven: by a token, by a JWT of a trusted issuer, or by a client certificate.
 *
 * Pure. Made by those who check credentials; the doors decide by it.
 */

import type { TokenRecord } from '../registry/tokens.js';
import { SCOPES, type Scope } from './scopes.js';

export interface Principal {
  /** Who acts, in events: `token:<id>`, `oidc:<issuer>:<subject>`, `tls:<name>`; where nobody has to prove anything, what the door knows. */
  actor: string;
  scopes: readonly Scope[];
  /** The only namespaces it may touch; absent: all, and what lies in none. */
  namespaces?: readonly string[];
  /** Requests a minute; absent: as many as come. */
  rate?: number;
  /** What it may store, by the token by which it is known. */
  quota?: { token: string; size: number };
  /** Nobody asked it to prove who it is. */
  isAnonymous?: true;
}

/** Who holds a token. */
export function tokenPrincipal({ id, scopes, namespaces, rate, quota }: TokenRecord): Principal {
  return {
    actor: `token:${id}`,
    scopes,
    ...(namespaces !== undefined && { namespaces }),
    ...(rate !== undefined && { rate }),
    ...(quota !== undefined && { quota: { token: id, size: quota } }),
  };
}

const ALL_SCOPES = Object.keys(SCOPES) as Scope[];

/** Anyone, where no authentication is asked for: everything is allowed. */
export function anonymousPrincipal(actor: string): Principal {
  return { actor, scopes: ALL_SCOPES, isAnonymous: true };
}
