/**
 * Where the service says how it is.
 *
 * Imports the handlers and the shapes. Read by `rooms.ts`.
 */

import { live, ready } from './health.js';
import type { Room } from './route.js';
import { record, text } from './schemas.js';

const STATUS = { 'application/json': { type: 'object' } };

export const HEALTH: Room = {
  name: 'health',
  description: 'For process managers and load balancers.',
  routes: [
    {
      path: '/livez',
      methods: {
        GET: {
          id: 'live',
          scope: 'public',
          handler: live,
          summary: 'The process answers.',
          answers: { 200: { description: 'It does.', content: { 'application/json': record({ status: text() }) } } },
        },
      },
    },
    {
      path: '/readyz',
      methods: {
        GET: {
          id: 'ready',
          scope: 'public',
          handler: ready,
          summary: 'The storage can be read and, unless read-only, written.',
          answers: {
            200: { description: 'It can.', content: STATUS },
            503: { description: 'It cannot, and why.', content: STATUS },
          },
        },
      },
    },
  ],
};
