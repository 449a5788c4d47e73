/**
 * The rooms of the service: the one list of the HTTP surface.
 *
 * Imports the routes of the rooms. Called by `openapi/routes.ts`.
 */

import { TOKENS } from './access/routes.js';
import { EVENTS } from './events/routes.js';
import { HEALTH } from './health-routes.js';
import { OBJECTS } from './objects-routes.js';
import { PACKAGES } from './packages/routes.js';
import { PAGES } from './page/routes.js';
import { QUOTAS } from './quotas/routes.js';
import { RETENTION } from './retention/routes.js';
import type { Room } from './route.js';
import { UPKEEP } from './upkeep/routes.js';
import { UPLOADS } from './uploads/routes.js';

/** In the order in which a reader of the API needs them. */
export const ROOMS: readonly Room[] = [
  OBJECTS,
  UPLOADS,
  PACKAGES,
  EVENTS,
  UPKEEP,
  RETENTION,
  QUOTAS,
  TOKENS,
  PAGES,
  HEALTH,
];
