/**
 * Where the service says how it is.
 *
 * Imports the handlers and the shapes. Read by `rooms.ts`.
 */

import { live, ready, started } from './health.js';
import { metrics } from './metrics.js';
import type { Room } from './route.js';
import { record, text } from './schemas.js';

const STATUS = { 'application/json': { type: 'object' } };

export const HEALTH: Room = {
  name: 'health',
  description: 'For process managers, load balancers and Prometheus.',
  routes: [
    {
      path: '/livez',
      methods: {
        GET: {
          id: 'live',
          scope: 'public',
          needsStore: false,
          handler: live,
          summary: 'The process answers.',
          answers: { 200: { description: 'It does.', content: { 'application/json': record({ status: text() }) } } },
        },
      },
    },
    {
      path: '/startupz',
      methods: {
        GET: {
          id: 'started',
          scope: 'public',
          needsStore: false,
          handler: started,
          summary: 'The store is open and requests are taken.',
          answers: {
            200: { description: 'It is.', content: STATUS },
            503: { description: 'Not yet.', content: STATUS },
          },
        },
      },
    },
    {
      path: '/readyz',
      methods: {
        GET: {
          id: 'ready',
          scope: 'public',
          needsStore: false,
          handler: ready,
          summary: 'The storage can be read and, unless read-only, written, and the service neither starts nor ends.',
          answers: {
            200: { description: 'It can.', content: STATUS },
            503: { description: 'It cannot, and why.', content: STATUS },
          },
        },
      },
    },
    {
      path: '/metrics',
      methods: {
        GET: {
          id: 'metrics',
          scope: 'read',
          needsStore: false,
          handler: metrics,
          summary: 'Requests, store and process in the text format of Prometheus.',
          answers: { 200: { description: 'Now.', content: { 'text/plain': undefined } } },
        },
      },
    },
  ],
};
