/**
 * Where the event log is read.
 *
 * Imports the handler, the shapes and limits. Read by `rooms.ts`.
 */

import { EVENTS_WAIT_MAX_S, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../../limits.js';
import type { Parameters, Room } from '../route.js';
import { count, flag, list, record, ref, text } from '../schemas.js';
import { listEvents } from './handlers.js';

const QUERY: Parameters = {
  after: { schema: count(), description: 'Behind this place in the log; read backwards, before it.' },
  limit: {
    schema: { ...count(), minimum: 1, maximum: PAGE_SIZE_MAX, default: PAGE_SIZE_DEFAULT },
    description: `Events on the page, 1 to ${PAGE_SIZE_MAX}.`,
  },
  kind: { schema: text(), description: 'Only this kind.' },
  subject: { schema: text(), description: 'Only events about this object, upload, package or ref.' },
  actor: { schema: text(), description: 'Only what this actor did.' },
  first: { schema: count(), description: 'Only this place in the log and those behind it.' },
  last: { schema: count(), description: 'Only this place in the log and those before it.' },
  since: { schema: count(), description: 'From this time on, in milliseconds since 1970 UTC.' },
  until: { schema: count(), description: 'Up to this time.' },
  reverse: { schema: flag(), description: 'Newest first.' },
  wait: {
    schema: count(undefined, EVENTS_WAIT_MAX_S),
    description: `Seconds to wait for the first event, up to ${EVENTS_WAIT_MAX_S}; ask again after each answer.`,
  },
  follow: { schema: flag(), description: 'What is yet to come too: for streams.' },
};

export const EVENTS: Room = {
  name: 'events',
  description: 'What happened, in order: a page, all of it, or a stream.',
  routes: [
    {
      path: '/v1/events',
      methods: {
        GET: {
          id: 'listEvents',
          scope: 'read',
          forBrowsers: true,
          handler: listEvents,
          summary: 'Events as the Accept header wants them; text/event-stream goes on as they happen.',
          query: QUERY,
          headers: { 'Last-Event-ID': { schema: text(), description: 'Where a stream goes on; outranks `after`.' } },
          answers: {
            200: {
              description: 'The events.',
              content: {
                'application/json': record({ events: list(ref('Event')), next: count() }, ['next']),
                'application/cloudevents-batch+json': list({ type: 'object' }),
                'application/x-ndjson': undefined,
                'application/cbor-seq': undefined,
                'text/event-stream': undefined,
              },
              headers: { 'Artifactstore-Next': 'Of a CloudEvents batch: `after` of the next page.' },
            },
          },
        },
      },
    },
  ],
};
