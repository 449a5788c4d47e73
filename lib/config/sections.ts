/**
 * Every section of the configuration. A new one is a file in sections/ and a line here; its options, its part of the schema and its types follow.
 *
 * Imports the sections. Called by the schema, the reader and the command line.
 */

import { authSection } from './sections/auth.js';
import { dataplaneSection } from './sections/dataplane.js';
import { retentionSection } from './sections/retention.js';
import { serviceSection } from './sections/service.js';
import { storeSection } from './sections/store.js';
import { tlsSection } from './sections/tls.js';
import type { Section, Written } from './setting.js';

export const SECTIONS = {
  store: storeSection,
  service: serviceSection,
  auth: authSection,
  tls: tlsSection,
  retention: retentionSection,
  dataplane: dataplaneSection,
} as const satisfies Readonly<Record<string, Section>>;

export type SectionName = keyof typeof SECTIONS;

/** What a configuration file says. */
export type Configuration = { readonly [Name in SectionName]?: Written<(typeof SECTIONS)[Name]> };
