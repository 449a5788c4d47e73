/**
 * What was erased on legal demand: the kind and its facts.
 *
 * Imports cases, pseudonyms, and how facts are written. `kinds.ts` puts it beside the others.
 */

import { isDigest, isText, type KindCodecs, members, optional } from './facts.js';
import { isPseudonym } from './pseudonym.js';
import { isCase } from './retention-kinds.js';

/** Kind → facts. */
export interface ErasureEventData {
  /**
   * Texts about people, and objects, are gone for good. The subject is the order that demanded it, in the form of a case. One order may have several of these events, each with a
   * part of what was erased.
   */
  'data.erased': ErasureFacts;
}

export interface ErasureFacts {
  /** Pseudonyms of texts, to which nothing leads back. */
  texts: readonly string[];
  /** Content addresses of objects, 32 bytes each. */
  objects: readonly Uint8Array[];
  reason?: string;
}

export const ERASURE_KINDS: KindCodecs<ErasureEventData> = {
  'data.erased': {
    isSubject: (subject) => subject !== null && isCase(subject),
    write: ({ texts, reason, objects }) => ({
      texts: [...texts],
      ...(reason !== undefined && { reason }),
      objects: [...objects],
    }),
    read: (bytes) => {
      const { texts, reason, objects } = members(bytes);
      if (!Array.isArray(texts) || !Array.isArray(objects) || !optional(reason, isText)) return undefined;
      if (!texts.every((text) => isText(text) && isPseudonym(text)) || !objects.every(isDigest)) return undefined;
      return { texts: texts as string[], objects, ...(reason !== undefined && { reason }) };
    },
  },
};
