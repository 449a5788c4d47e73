/**
 * What can happen to tokens, by which a service knows who asks, and to policies, by which it decides: the kinds and their facts. No fact is a
 * secret: whoever reads the log learns who may do what, and nothing by which to do it. The hash of a token is none: what it is of has 256 random bits.
 *
 * Imports limits and how facts are written. `kinds.ts` puts it beside the others.
 */

import type { CborValue } from '../cbor/index.js';
import { NAME_LENGTH_MAX } from '../limits.js';
import { isDigest, isSize, isText, isTime, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. The subject is the public id of the token, or the name of the policy. */
export interface AccessEventData {
  /** A token was made: for whom, what it allows, and until when. */
  'token.created': TokenFacts;
  /** A token stopped counting. */
  'token.revoked': { reason?: string };
  /** A policy was set, replaced or removed: the content address of its text, an object, from now on and before; null for none. */
  'policy.changed': { to: Uint8Array | null; from: Uint8Array | null; reason?: string };
}

export interface TokenFacts {
  holder: string;
  scopes: readonly string[];
  /** Milliseconds since 1970 UTC. */
  expires?: number;
  /** SHA-256 of the token's text, 32 bytes; without it nobody can use the token. */
  hash?: Uint8Array;
  /** The only namespaces it is for. */
  namespaces?: readonly string[];
  /** Requests a minute. */
  rate?: number;
  /** Bytes of objects that may be there by it. */
  quota?: number;
}

const NAME = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${NAME_LENGTH_MAX - 1}}$`);

const isSubject = (subject: string | null) => subject !== null && NAME.test(subject);

export const ACCESS_KINDS: KindCodecs<AccessEventData> = {
  'token.created': {
    isSubject,
    write: ({ holder, scopes, ...others }) => ({ holder, scopes, ...given(others) }),
    read: (bytes) => {
      const { holder, scopes, expires, hash, namespaces, rate, quota } = members(bytes);
      if (!isText(holder) || !isTexts(scopes) || !optional(expires, isTime) || !optional(hash, isDigest))
        return undefined;
      if (!optional(namespaces, isTexts) || !optional(rate, isSize) || !optional(quota, isSize)) return undefined;
      return { holder, scopes, ...given({ expires, hash, namespaces, rate, quota }) };
    },
  },
  'token.revoked': {
    isSubject,
    write: ({ reason }) => (reason === undefined ? {} : { reason }),
    read: (bytes) => {
      const { reason } = members(bytes);
      return optional(reason, isText) ? { ...(reason !== undefined && { reason }) } : undefined;
    },
  },
  'policy.changed': {
    isSubject,
    write: ({ to, from, reason }) => ({ to, from, ...(reason !== undefined && { reason }) }),
    read: (bytes) => {
      const { to, from, reason } = members(bytes);
      if (!isDigestOrNull(to) || !isDigestOrNull(from) || !optional(reason, isText)) return undefined;
      return { to, from, ...(reason !== undefined && { reason }) };
    },
  },
};

/** The optional facts of a token that are there. */
function given(facts: { [K in keyof TokenFacts]?: TokenFacts[K] | undefined }): Omit<TokenFacts, 'holder' | 'scopes'> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
}

function isTexts(value: CborValue | undefined): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isDigestOrNull(value: Parameters<typeof isDigest>[0] | null): value is Uint8Array | null {
  return value === null || isDigest(value);
}
