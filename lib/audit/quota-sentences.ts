/** What was decided about what a namespace may take, in sentences. Imports types and formatting. `explain.ts` puts it beside the others. */

import type { QuotaEventData } from '../events/quota-kinds.js';
import { because, exactSize, list, type Sentences } from './sentences.js';

export const QUOTA_SENTENCES: Sentences<QuotaEventData> = {
  'quota.set': ({ logical, physical, reason }, { actor }) => {
    const bounds = [
      ...(logical === undefined ? [] : [`${exactSize(logical)} of files`]),
      ...(physical === undefined ? [] : [`${exactSize(physical)} of distinct objects`]),
    ];
    return `${actor} set its quota: at most ${list(bounds)}${because(reason)}.`;
  },
  'quota.removed': ({ reason }, { actor }) => `${actor} removed its quota${because(reason)}.`,
};
