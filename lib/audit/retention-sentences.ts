/** What was decided about how long a thing stays, in sentences. Imports types and formatting. `explain.ts` puts it beside the others. */

import type { RetentionEventData } from '../events/retention-kinds.js';
import { formatSize, formatTime } from '../format.js';
import { because, count, list, type Sentences } from './sentences.js';

export const RETENTION_SENTENCES: Sentences<RetentionEventData> = {
  'policy.set': ({ policy: { classes, defaultClass }, reason }, { actor }) => {
    const names = Object.keys(classes);
    const rules = names.length === 0 ? 'it has no rules' : `it has rules for ${list(names)}`;
    const fallback = defaultClass === undefined ? '' : `, and "${defaultClass}" is what has no class`;
    return `${actor} set the retention policy: ${rules}${fallback}${because(reason)}.`;
  },
  'policy.removed': ({ reason }, { actor }) => `${actor} removed the retention policy${because(reason)}.`,
  'package.classified': ({ class: name, reason }, { actor }) =>
    `${actor} gave it the retention class "${name}"${because(reason)}.`,
  'package.pulled': (_, { actor }) => `${actor} pulled it, for the first time in a day or longer.`,
  'hold.placed': ({ case: id, reason }, { actor }) =>
    `${actor} placed a hold on it for the case ${id}${because(reason)}.`,
  'hold.released': ({ case: id, reason }, { actor }) =>
    `${actor} released the hold for the case ${id}${because(reason)}.`,
  'lock.set': ({ mode, until, bypass, reason }, { actor }) => {
    const how = bypass ? 'expressly shortened its lock: a' : 'locked it with a';
    return `${actor} ${how} ${mode} lock until ${formatTime(until)}${because(reason)}.`;
  },
  'retention.planned': ({ versions, objects, storedSize }, { actor }) =>
    `${actor} made this plan: ${count(versions, 'version')} and ${count(objects, 'object')} are to go, ${formatSize(storedSize)}.`,
  'retention.started': (_, { actor }) => `${actor} began to carry out this plan.`,
  'retention.applied': ({ versions, objects, storedSize }, { actor }) =>
    `${actor} carried out this plan: ${count(versions, 'version')} and ${count(objects, 'object')} went, ${formatSize(storedSize)}.`,
};
