/** The section `service`: how `artifactstore serve` listens, logs and ends. Listed in ../sections.ts. */

import { HTTP_CLOSE_GRACE_MS, HTTP_DELAY_MS_MAX, HTTP_IDLE_TIMEOUT_MS, HTTP_PORT_DEFAULT } from '../../limits.js';
import { LISTEN_PATTERN } from '../../listen/address.js';
import type { Section } from '../setting.js';

export const serviceSection = {
  listen: {
    option: '--listen <address>',
    schema: {
      type: 'array',
      minItems: 1,
      items: { type: 'string', pattern: LISTEN_PATTERN, description: 'host:port, unix:/path, or systemd' },
      description: 'where to listen, instead of host and port: host:port, unix:/path, systemd; may be repeated',
    },
  },
  host: {
    option: '--host <address>',
    schema: { type: 'string', minLength: 1, default: '127.0.0.1', description: 'address to listen on' },
  },
  port: {
    option: '--port <number>',
    schema: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: HTTP_PORT_DEFAULT,
      description: 'port to listen on; 0 takes any that is free',
    },
  },
  hostNames: {
    option: '--host-name <name>',
    schema: {
      type: 'array',
      items: { type: 'string', pattern: '^[A-Za-z0-9._\\-]+$', description: 'a name without port' },
      description: 'names by which clients call the service, without port; may be repeated',
    },
  },
  idleTimeoutMs: {
    option: '--idle-timeout <ms>',
    schema: {
      type: 'integer',
      minimum: 1,
      maximum: HTTP_DELAY_MS_MAX,
      default: HTTP_IDLE_TIMEOUT_MS,
      description: 'milliseconds that a client may be silent in the middle of a transfer',
    },
  },
  drainDelayMs: {
    option: '--drain-delay <ms>',
    schema: {
      type: 'integer',
      minimum: 0,
      maximum: HTTP_DELAY_MS_MAX,
      default: 0,
      description:
        'milliseconds between the signal to end, from which on the service is not ready, and the end of listening',
    },
  },
  closeGraceMs: {
    option: '--close-grace <ms>',
    schema: {
      type: 'integer',
      minimum: 0,
      maximum: HTTP_DELAY_MS_MAX,
      default: HTTP_CLOSE_GRACE_MS,
      description: 'milliseconds that requests under way get to finish when the service ends',
    },
  },
  accessLog: {
    option: '--access-log <where>',
    schema: {
      type: 'string',
      enum: ['stderr', 'none'],
      default: 'none',
      description: 'where a line of JSON for each request goes',
    },
  },
} as const satisfies Section;
