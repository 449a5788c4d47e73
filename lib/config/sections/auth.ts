/** The section `auth`: whom `artifactstore serve` lets in. Listed in ../sections.ts. */

import type { Section } from '../setting.js';

export const authSection = {
  mode: {
    option: '--auth <mode>',
    schema: {
      type: 'string',
      enum: ['required', 'none'],
      description: 'whether who asks must prove who they are (default: none on loopback, required beyond)',
    },
  },
  insecureNoAuthentication: {
    option: '--insecure-no-authentication',
    schema: {
      type: 'boolean',
      description: 'beyond loopback too, let whoever reaches the service do everything',
    },
  },
  issuers: {
    option: '--issuers <file>',
    isPath: true,
    schema: {
      type: 'string',
      minLength: 1,
      description: 'a JSON file that says which issuers of OpenID Connect are trusted, and for what',
    },
  },
} as const satisfies Section;
