/**
 * What can happen to tokens, by which a service knows who asks, and to policies, by which it decides: the kinds and their facts. No fact is a
 * secret: whoever reads the log learns who may do what, and nothing by which to do it.
 *
 * Imports limits and how facts are written. `kinds.ts` puts it beside the others. Nothing makes such events yet.
 */

import { NAME_LENGTH_MAX } from '../limits.js';
import { isDigest, isText, isTime, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. The subject is the public id of the token, or the name of the policy. */
export interface AccessEventData {
  /** A token was made: for whom, what it allows, and until when. */
  'token.created': { holder: string; scopes: readonly string[]; expires?: number };
  /** A token stopped counting. */
  'token.revoked': { reason?: string };
  /** A policy was set, replaced or removed: the content address of its text, an object, from now on and before; null for none. */
  'policy.changed': { to: Uint8Array | null; from: Uint8Array | null; reason?: string };
}

const NAME = new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${NAME_LENGTH_MAX - 1}}$`);

const isSubject = (subject: string | null) => subject !== null && NAME.test(subject);

export const ACCESS_KINDS: KindCodecs<AccessEventData> = {
  'token.created': {
    isSubject,
    write: ({ holder, scopes, expires }) => ({ holder, scopes, ...(expires !== undefined && { expires }) }),
    read: (bytes) => {
      const { holder, scopes, expires } = members(bytes);
      if (!isText(holder) || !Array.isArray(scopes) || !scopes.every(isText) || !optional(expires, isTime))
        return undefined;
      return { holder, scopes, ...(expires !== undefined && { expires }) };
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

function isDigestOrNull(value: Parameters<typeof isDigest>[0] | null): value is Uint8Array | null {
  return value === null || isDigest(value);
}
