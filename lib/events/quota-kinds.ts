/**
 * What namespaces may take: the kinds and their facts.
 *
 * Imports whose namespaces rules are for, and how facts are written. `kinds.ts` puts it beside the others; `quotas-view.ts` reads it.
 */

import { isSize, isText, type KindCodecs, type Members, members, optional } from './facts.js';
import { isNamespaceOrAll } from './retention-kinds.js';

/** Kind → facts. Sizes in bytes. */
export interface QuotaEventData {
  /** What a namespace may take from now on. The subject is the namespace, or `*` for each that has no quota of its own. */
  'quota.set': QuotaFacts;
  /** A namespace has no quota of its own any more. The subject is that of `quota.set`. */
  'quota.removed': { reason?: string };
}

/** At least one of the two bounds; absent: no bound. */
export interface QuotaFacts {
  /** Bytes of files, as its versions have them: what two versions have counts twice. */
  logical?: number;
  /** Bytes of the objects that its versions need, each once. */
  physical?: number;
  reason?: string;
}

export const QUOTA_KINDS: KindCodecs<QuotaEventData> = {
  'quota.set': { isSubject: isNamespaceOrAll, write: quotaFacts, read: (bytes) => readQuota(members(bytes)) },
  'quota.removed': {
    isSubject: isNamespaceOrAll,
    write: ({ reason }) => ({ ...(reason !== undefined && { reason }) }),
    read: (bytes) => {
      const { reason } = members(bytes);
      return optional(reason, isText) ? { ...(reason !== undefined && { reason }) } : undefined;
    },
  },
};

function readQuota({ logical, physical, reason }: Members): QuotaFacts | undefined {
  if (logical === undefined && physical === undefined) return undefined;
  if (!optional(logical, isSize) || !optional(physical, isSize) || !optional(reason, isText)) return undefined;
  return quotaFacts({
    ...(logical !== undefined && { logical }),
    ...(physical !== undefined && { physical }),
    ...(reason !== undefined && { reason }),
  });
}

function quotaFacts({ reason, logical, physical }: QuotaFacts): QuotaFacts & Members {
  return {
    ...(reason !== undefined && { reason }),
    ...(logical !== undefined && { logical }),
    ...(physical !== undefined && { physical }),
  };
}
