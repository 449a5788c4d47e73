/**
 * The whole API: every room, and the document that describes them all.
 *
 * Imports the rooms and the document. Called by the router.
 */

import { type Answer, json } from '../exchange.js';
import { ROOMS } from '../rooms.js';
import type { Room, Schema } from '../route.js';
import { openApiDocument } from './document.js';

const DESCRIPTION: Room = {
  name: 'description',
  description: 'What this is.',
  routes: [
    {
      path: '/openapi.json',
      methods: {
        GET: {
          id: 'readDescription',
          scope: 'public',
          handler: describeApi,
          summary: 'This document.',
          answers: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { type: 'object' } } } },
        },
      },
    },
  ],
};

/** Every room of the service. */
export const API: readonly Room[] = [...ROOMS, DESCRIPTION];

let document: Schema | undefined;

/** The OpenAPI document of the service. */
export function apiDocument(): Schema {
  document ??= openApiDocument(API);
  return document;
}

/** GET /openapi.json. */
async function describeApi(): Promise<Answer> {
  return json(200, apiDocument());
}
