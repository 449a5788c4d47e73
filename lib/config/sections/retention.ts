/** The section `retention`: when `artifactstore serve` has policies carried out by itself. Listed in ../sections.ts. */

import { RETENTION_EVERY_MINUTES_MAX, RETENTION_THROTTLE_DEFAULT } from '../../limits.js';
import type { Section } from '../setting.js';

export const retentionSection = {
  everyMinutes: {
    option: '--retention-every <minutes>',
    schema: {
      type: 'integer',
      minimum: 0,
      maximum: RETENTION_EVERY_MINUTES_MAX,
      default: 0,
      description: 'minutes between two runs of retention: a plan, carried out, and a sweep; 0: none by itself',
    },
  },
  window: {
    option: '--retention-window <hours>',
    schema: {
      type: 'string',
      pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$',
      description: 'when retention may run, from-to in UTC, such as 22:00-05:30; default: at any time',
    },
  },
  throttle: {
    option: '--retention-throttle <objects>',
    schema: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000_000,
      default: RETENTION_THROTTLE_DEFAULT,
      description: 'objects a second that retention deletes and sweeps at most',
    },
  },
} as const satisfies Section;
