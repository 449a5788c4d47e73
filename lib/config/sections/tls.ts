/** The section `tls`: certificates of `artifactstore serve`, read again on SIGHUP. Listed in ../sections.ts. */

import type { Section } from '../setting.js';

export const tlsSection = {
  cert: {
    option: '--tls-cert <file>',
    isPath: true,
    schema: {
      type: 'string',
      minLength: 1,
      description: 'certificate of the service and those above it, PEM; with it, the service speaks TLS alone',
    },
  },
  key: {
    option: '--tls-key <file>',
    isPath: true,
    schema: { type: 'string', minLength: 1, description: 'private key of that certificate, PEM' },
  },
  clientCa: {
    option: '--tls-client-ca <file>',
    isPath: true,
    schema: {
      type: 'string',
      minLength: 1,
      description: 'who issues the certificates of clients, PEM; with it, every client must have one',
    },
  },
  clientScopes: {
    option: '--tls-client-scopes <list>',
    schema: {
      type: 'array',
      items: {
        type: 'string',
        pattern: '^(read|write|delete|retain|release|admin)$',
        description: 'read, write, delete, retain, release or admin',
      },
      description: 'what a client may do by its certificate alone, without a token; default: nothing',
    },
  },
} as const satisfies Section;
