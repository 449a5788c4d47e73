/**
 * What is wrong with a configuration, in sentences: where, with which value, and what to write instead.
 *
 * Imports ajv's types and the search for near names. Called by `read.ts`.
 */

import type { ErrorObject } from 'ajv';
import { nearest } from './nearest.js';

/** One sentence for an error that ajv found; it must have been told to be verbose. */
export function problemOf({ keyword, instancePath, params, data, parentSchema, message }: ErrorObject): string {
  const place = placeOf(instancePath);
  const shown = place === '' ? 'The configuration' : place;
  switch (keyword) {
    case 'additionalProperties':
      return unknownMember(String(params.additionalProperty), place, Object.keys(parentSchema?.properties ?? {}));
    case 'type':
      return `${shown} is ${JSON.stringify(data)}; it has to be ${TYPES[params.type as string] ?? params.type}.`;
    case 'minimum':
    case 'maximum':
      return `${shown} is ${data}; give ${parentSchema?.minimum} to ${parentSchema?.maximum}.`;
    case 'enum':
      return `${shown} is ${JSON.stringify(data)}; give one of ${params.allowedValues.join(', ')}.`;
    case 'pattern':
      return `${shown} is ${JSON.stringify(data)}; give ${parentSchema?.description}.`;
    case 'required':
      return `${shown} has no "${params.missingProperty}"; add it.`;
    default:
      return `${shown} ${message ?? 'is not valid'}.`;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** `/service/listen/0` → `service.listen[0]`. */
function placeOf(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  const names = parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return names.map((name, depth) => (/^\d+$/.test(name) ? `[${name}]` : `${depth > 0 ? '.' : ''}${name}`)).join('');
}

function unknownMember(name: string, place: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  const advice = meant === undefined ? `It knows ${known.join(', ')}.` : `Did you mean "${meant}"?`;
  return `"${name}" has no meaning in ${place || 'the configuration'}. ${advice}`;
}
