/** The section `dataplane`: how `artifactstore dataplane` listens and whom it serves. Listed in ../sections.ts. */

import { HTTP_CLOSE_GRACE_MS, HTTP_DELAY_MS_MAX } from '../../limits.js';
import type { Section } from '../setting.js';

export const dataplaneSection = {
  listen: {
    option: '--listen <address>',
    schema: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', pattern: '^(?:systemd|unix:/.+)$', description: 'unix:/path, or systemd' },
      description: 'where to listen: unix:/path, or systemd for sockets that are handed over; may be repeated',
    },
  },
  mode: {
    option: '--mode <octal>',
    schema: {
      type: 'string',
      pattern: '^0?[0-7]{3}$',
      default: '0600',
      description: 'mode of the socket: who may connect, beside what --allow-uid says of who may speak',
    },
  },
  allowUid: {
    option: '--allow-uid <uid>',
    schema: {
      type: 'array',
      items: { type: 'string', pattern: '^[0-9]{1,10}$', description: 'the number of a user' },
      description: 'users who may use it, by number, beside its own and root; may be repeated',
    },
  },
  allowRoot: {
    option: '--allow-root <folder>',
    schema: {
      type: 'array',
      items: { type: 'string', pattern: '^/', description: 'an absolute path' },
      description: 'folders whose files it reads itself when a client names them; may be repeated',
    },
  },
  shared: {
    option: '--shared',
    schema: {
      type: 'boolean',
      description: 'several stores with logs of their own use it: what one of them deletes stays, another may need it',
    },
  },
  metrics: {
    option: '--metrics <address>',
    schema: {
      type: 'string',
      pattern: '^(?:127\\.0\\.0\\.1|\\[::1\\]):[0-9]{1,5}$',
      description: '127.0.0.1:<port> where /metrics can be had besides the socket, for programs that read no sockets',
    },
  },
  closeGraceMs: {
    option: '--close-grace <ms>',
    schema: {
      type: 'integer',
      minimum: 0,
      maximum: HTTP_DELAY_MS_MAX,
      default: HTTP_CLOSE_GRACE_MS,
      description: 'milliseconds that requests under way get to finish when it is ended',
    },
  },
} as const satisfies Section;
