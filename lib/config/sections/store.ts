/** The section `store`: which store, and how it is opened. Listed in ../sections.ts. */

import { WORKERS_MAX } from '../../limits.js';
import type { Section } from '../setting.js';

export const storeSection = {
  path: {
    option: '--store <folder>',
    isPath: true,
    schema: { type: 'string', minLength: 1, description: 'the store' },
  },
  readOnly: {
    option: '--read-only',
    schema: { type: 'boolean', description: 'open the store for reading; several processes may at once' },
  },
  threads: {
    option: '--threads <count>',
    schema: {
      type: 'integer',
      minimum: 1,
      maximum: WORKERS_MAX,
      description: `worker threads, 1 to ${WORKERS_MAX} (default: as many as cores, at least 2)`,
    },
  },
} as const satisfies Section;
