/**
 * The JSON Schema (2020-12) of the configuration file, made from the sections. docs/config.schema.json is this, published; a test holds them
 * together.
 *
 * Imports the sections. Called by the reader and by `artifactstore config schema`.
 */

import { SECTIONS } from './sections.js';
import type { Section } from './setting.js';

/** The schema as a value that JSON can carry. */
export function configurationSchema(sections: Readonly<Record<string, Section>> = SECTIONS): object {
  const properties = Object.entries(sections).map(([name, section]) => [name, sectionSchema(section)]);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:artifactstore:schema:config',
    title: 'Configuration of artifactstore',
    type: 'object',
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
    additionalProperties: false,
  };
}

function sectionSchema(section: Section): object {
  return {
    type: 'object',
    properties: Object.fromEntries(Object.entries(section).map(([name, { schema }]) => [name, schema])),
    additionalProperties: false,
  };
}
