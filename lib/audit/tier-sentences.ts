/** What happened to an object between tiers, in sentences. Imports types and formatting. `explain.ts` puts it beside the others. */

import type { TierEventData } from '../events/tier-kinds.js';
import { formatSize } from '../format.js';
import { exactSize, type Sentences } from './sentences.js';

export const TIER_SENTENCES: Sentences<TierEventData> = {
  'object.copied': ({ tier, existed, receipts }, { actor }) => {
    if (existed) return `${actor} copied it to the ${tier} tier, where it was already, and whole.`;
    const where = receipts.map(
      ({ backend, storedSize, durability }) => `${formatSize(storedSize)} taken in ${backend}, ${durability}`,
    );
    return `${actor} copied it to the ${tier} tier: ${where.join('; ')}.`;
  },
  'object.evicted': ({ tier, deleted, freedSize }, { actor }) =>
    deleted
      ? `${actor} removed it from the ${tier} tier: ${exactSize(freedSize)} freed there.`
      : `${actor} found none of its bytes left to remove from the ${tier} tier.`,
};
