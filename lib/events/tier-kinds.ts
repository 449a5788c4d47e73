/**
 * What can happen to an object between tiers: the kinds and their facts.
 *
 * Imports the contract's types, digest text, and how facts are written. `kinds.ts` puts it beside the others.
 */

import type { CborValue } from '../cbor/index.js';
import type { DeletionResult, Receipt, Tier } from '../dataplane/spi.js';
import { isContentAddress } from '../digest-name.js';
import { isSize, isText, type KindCodecs, members } from './facts.js';

/** Kind → facts. The subject of both is the object's content address. */
export interface TierEventData {
  /** Its bytes are durable in this tier too. */
  'object.copied': {
    tier: Tier;
    /** They were there, whole, before: an earlier copying was interrupted, say. */
    existed: boolean;
    /** Where they are in it; at least one. None is `deferred`. */
    receipts: Receipt[];
  };
  /** Its bytes were removed from this tier, and are in another. */
  'object.evicted': DeletionResult & { tier: Tier };
}

const TIERS: readonly unknown[] = ['hot', 'warm', 'cold'] satisfies Tier[];
const DURABILITIES: readonly unknown[] = ['synced', 'replicated'] satisfies Receipt['durability'][];

const isSubject = (subject: string | null) => subject !== null && isContentAddress(subject);
const isTier = (value: CborValue | undefined): value is Tier => TIERS.includes(value);

export const TIER_KINDS: KindCodecs<TierEventData> = {
  'object.copied': {
    isSubject,
    write: ({ tier, existed, receipts }) => ({ tier, existed, receipts: receipts.map(written) }),
    read: (bytes) => {
      const { tier, existed, receipts } = members(bytes);
      if (!isTier(tier) || typeof existed !== 'boolean' || !Array.isArray(receipts)) return undefined;
      const read = receipts.map(receiptOf);
      const isWhole = read.length > 0 && read.every((receipt) => receipt !== undefined);
      return isWhole ? { tier, existed, receipts: read } : undefined;
    },
  },
  'object.evicted': {
    isSubject,
    write: ({ tier, deleted, freedSize }) => ({ tier, deleted, freedSize }),
    read: (bytes) => {
      const { tier, deleted, freedSize } = members(bytes);
      if (!isTier(tier) || typeof deleted !== 'boolean' || !isSize(freedSize)) return undefined;
      return { tier, deleted, freedSize };
    },
  },
};

/** As a map, its members in canonical order: as in an ingest result. */
function written({ key, tier, backend, durability, storedSize }: Receipt) {
  return { key, tier, backend, durability, storedSize };
}

function receiptOf(value: CborValue): Receipt | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  const { key, tier, backend, durability, storedSize } = value as { readonly [name: string]: CborValue };
  if (!isText(key) || !isTier(tier) || !isText(backend) || !isSize(storedSize)) return undefined;
  if (!DURABILITIES.includes(durability)) return undefined;
  return { backend, tier, key, storedSize, durability: durability as Receipt['durability'] };
}
