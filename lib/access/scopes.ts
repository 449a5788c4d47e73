/**
 * What a holder of a token may be allowed to do: six scopes, none of which includes another.
 *
 * Imports errors. The events of tokens, the facade and the doors use it.
 */

import { ArtifactStoreError } from '../errors.js';

/** Every scope, with what it allows. */
export const SCOPES = {
  read: 'read objects, packages and events',
  write: 'store objects, publish packages, move refs',
  delete: 'delete objects, remove refs',
  retain: 'set retention policies, place holds, set and extend locks, make plans and carry them out',
  release: 'release holds, shorten governance locks',
  admin: 'make, list and revoke tokens, and whatever else concerns the whole service',
} as const;

export type Scope = keyof typeof SCOPES;

export function isScope(text: string): text is Scope {
  return Object.hasOwn(SCOPES, text);
}

/**
 * Checks a list of scopes.
 *
 * @returns each once, in the order of SCOPES
 * @throws AS_ERR_INVALID_ARGUMENT: none, or one that is not a scope
 */
export function requireScopes(scopes: readonly string[]): Scope[] {
  const names = Object.keys(SCOPES) as Scope[];
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown === undefined && scopes.length > 0) return names.filter((name) => scopes.includes(name));
  const what = unknown === undefined ? 'No scope is given' : `"${unknown}" is not a scope`;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `${what}. Give one or more of ${names.join(', ')}.`);
}
