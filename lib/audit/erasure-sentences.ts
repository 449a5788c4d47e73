/** What was erased, in sentences. Imports types and formatting. `explain.ts` puts it beside the others. */

import type { ErasureEventData } from '../events/erasure-kinds.js';
import { because, count, list, type Sentences } from './sentences.js';

export const ERASURE_SENTENCES: Sentences<ErasureEventData> = {
  'data.erased': ({ texts, objects, reason }, { actor, subject }) => {
    const what = [
      ...(texts.length === 0 ? [] : [count(texts.length, 'text')]),
      ...(objects.length === 0 ? [] : [count(objects.length, 'object')]),
    ];
    return `${actor} erased ${what.length === 0 ? 'nothing' : list(what)} under the order ${subject}${because(reason)}.`;
  },
};
