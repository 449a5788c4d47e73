/** What happened to an object, in sentences. Imports types, digest text and formatting. `explain.ts` puts it beside the others. */

import type { IngestResult, Receipt } from '../dataplane/spi.js';
import { formatSha256 } from '../digest-name.js';
import type { ObjectEventData } from '../events/object-kinds.js';
import { formatRanges, formatSize, formatTime } from '../format.js';
import { because, exactSize, planned, type Sentences } from './sentences.js';

export const OBJECT_SENTENCES: Sentences<ObjectEventData> = {
  'object.ingested': (facts, { actor }) => `${actor} ${ingested(facts)}`,
  'object.verified': ({ status, size, digests, repaired }, { actor }) => {
    const how = digests === 'blake3' ? 'by BLAKE3 alone' : 'by both digests';
    const found = {
      intact: `all ${exactSize(size)} are intact, ${how}`,
      corrupt: `it is damaged, ${how}`,
      missing: 'its bytes are not there',
    }[status];
    return `${actor} verified it: ${found}.${repaired ? ' Damaged helper data, or a damaged copy, was written anew.' : ''}`;
  },
  'object.corrupted': ({ ranges, foundBy }, { actor }) => {
    const size = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    const where = ranges.length === 0 ? 'no range is known' : `${formatSize(size)}, bytes ${formatRanges(ranges)}`;
    return `Damage was found when ${actor} ${foundBy === 'read' ? 'read' : 'verified'} it: ${where}.`;
  },
  'object.tombstoned': ({ reason, grace, plan, order }, { actor, time }) => {
    if (order !== undefined) return `${actor} erased it under the order ${order}${because(reason)}.`;
    const until = grace === undefined ? '' : ` Its bytes stay until ${formatTime(time + grace)} at least.`;
    return `${actor} deleted it${planned(plan)}${because(reason)}.${until}`;
  },
  'object.undeleted': ({ reason }, { actor }) => `${actor} undeleted it${because(reason)}: it is there again.`,
  'object.lost': (_, { actor }) =>
    `${actor} found nothing of it when comparing the log with what is stored: its bytes are lost.`,
  'object.discarded': ({ freedSize, changed }, { actor }) =>
    `${actor} removed bytes of it that no event named: ${exactSize(freedSize)} freed. They were stored by ${formatTime(changed)} at the latest.`,
  'object.deleted': ({ deleted, freedSize }, { actor }) =>
    deleted
      ? `Its bytes were removed by ${actor}: ${exactSize(freedSize)} freed.`
      : `${actor} found none of its bytes left to remove.`,
};

function ingested({ size, sha256, existed, healed, receipts }: IngestResult): string {
  if (healed) return `stored it again and so healed it: ${exactSize(size)} took the place of a damaged copy.`;
  if (existed) return 'stored it again: it was there already, and whole.';
  return `stored it: ${exactSize(size)}, ${formatSha256(sha256)}; ${receipts.map(kept).join('; ')}.`;
}

function kept({ backend, tier, storedSize, durability }: Receipt): string {
  return `${formatSize(storedSize)} taken in ${backend} (${tier}, ${durability})`;
}
