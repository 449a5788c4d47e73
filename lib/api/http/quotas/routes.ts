/**
 * Where it is decided what namespaces may take.
 *
 * Imports the handlers and the shapes. Read by `rooms.ts`.
 */

import type { Parameters, Room } from '../route.js';
import { list, record, ref, text } from '../schemas.js';
import { describeQuota, listQuotas, QUOTA_BODY, removeQuota, setQuota } from './handlers.js';

const JSON_TYPE = 'application/json';
const NAMESPACE: Parameters = {
  namespace: {
    schema: text(),
    description: 'A namespace; for setting and removing also *, each that has no quota of its own.',
  },
};
const QUOTA = { [JSON_TYPE]: ref('Quota') };

export const QUOTAS: Room = {
  name: 'quotas',
  description: 'What namespaces may take, and do.',
  routes: [
    {
      path: '/v1/quotas',
      methods: {
        GET: {
          id: 'listQuotas',
          scope: 'read',
          handler: listQuotas,
          summary: 'All quotas, with what their namespaces take.',
          answers: {
            200: {
              description: 'In the order of their namespaces.',
              content: { [JSON_TYPE]: record({ quotas: list(ref('QuotaStatus')) }) },
            },
          },
        },
      },
    },
    {
      path: '/v1/quotas/{namespace}',
      parameters: NAMESPACE,
      methods: {
        GET: {
          id: 'describeQuota',
          scope: ['read', 'write'],
          handler: describeQuota,
          summary: 'What bounds a namespace, and what it takes.',
          answers: { 200: { description: 'How it stands.', content: { [JSON_TYPE]: ref('QuotaStatus') } } },
        },
        PUT: {
          id: 'setQuota',
          scope: 'admin',
          handler: setQuota,
          summary: 'Sets the quota, or replaces it. Nothing is deleted by it.',
          body: { description: 'At least one bound.', required: true, content: { [JSON_TYPE]: QUOTA_BODY } },
          answers: { 200: { description: 'It is in force.', content: QUOTA } },
        },
        DELETE: {
          id: 'removeQuota',
          scope: 'admin',
          handler: removeQuota,
          summary: 'Takes the quota away.',
          query: { reason: { schema: text(), description: 'Stands in the event.' } },
          answers: { 200: { description: 'The quota as it was.', content: QUOTA } },
        },
      },
    },
  ],
};
