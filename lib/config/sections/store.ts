/** The section `store`: which store, and how it is opened. Listed in ../sections.ts. */

import { WORKERS_MAX } from '../../limits.js';
import type { Section } from '../setting.js';

export const storeSection = {
  path: {
    option: '--store <place>',
    isPath: true,
    schema: { type: 'string', minLength: 1, description: 'the store: a folder, or the URL of a service' },
  },
  dataplane: {
    option: '--dataplane <address>',
    schema: {
      type: 'string',
      pattern: '^(?:unix:/.+|s3://.+)$',
      description:
        'where the bytes are, if not in the folder: unix:/path of a daemon (artifactstore dataplane), or s3://bucket/prefix',
    },
  },
  s3Endpoint: {
    option: '--s3-endpoint <url>',
    schema: {
      type: 'string',
      pattern: '^https?://.+$',
      description: 'the S3-compatible server of an s3:// data plane (default: as AWS tools find it, else AWS)',
    },
  },
  s3Region: {
    option: '--s3-region <name>',
    schema: { type: 'string', minLength: 1, description: 'its region (default: as AWS tools find it, else us-east-1)' },
  },
  s3Addressing: {
    option: '--s3-addressing <style>',
    schema: {
      type: 'string',
      enum: ['path', 'host'],
      description: 'whether the bucket is named in the path or in the host (default: path, except on AWS)',
    },
  },
  spool: {
    option: '--spool <folder>',
    isPath: true,
    schema: {
      type: 'string',
      minLength: 1,
      description: 'folder for objects on their way to S3, of this process alone (default: spool in the store)',
    },
  },
  cold: {
    option: '--cold <place>',
    isPath: true,
    schema: {
      type: 'string',
      minLength: 1,
      description:
        'the cold tier, to which "tier" moves objects: a folder of its own, unix:/path of a daemon, or s3://bucket/prefix',
    },
  },
  coldReads: {
    option: '--cold-reads <how>',
    schema: {
      type: 'string',
      enum: ['stream', 'restore'],
      default: 'stream',
      description: 'what reading an object of the cold tier does: stream it, or restore it to the hot tier first',
    },
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
