/**
 * Where a store is looked after: verified, told about, measured.
 *
 * Imports the handlers and the shapes. Read by `rooms.ts`.
 */

import type { Parameters, Room } from '../route.js';
import { count, flag, list, record, ref, text } from '../schemas.js';
import { ERASURE_BODY, erase } from './erasure.js';
import { RECONCILE_BODY, reconcileStore, SWEEP_BODY, sweepObjects, undeleteObject } from './lifecycle.js';
import { tellStory } from './story.js';
import { moveToTier } from './tier.js';
import { namespaceUsage, storeUsage } from './usage.js';
import { SCRUB_BODY, verifyMany, verifyOne } from './verify.js';

const JSON_TYPE = 'application/json';
const LINES = 'application/x-ndjson';
const TOLD = 'The report; in lines of JSON, progress as it goes, and the report in the last.';
const OBJECT: Parameters = { digest: { schema: text(), description: 'A digest, or an unambiguous prefix of one.' } };
const NAMESPACE: Parameters = { namespace: { schema: text(), description: 'Lower-case letters, digits and . _ -' } };
const THING: Parameters = {
  name: { schema: text(), description: 'An object by a digest or a prefix, or what else events are about.' },
};
const MOVING: Parameters = {
  tier: { schema: { enum: ['hot', 'cold'] }, description: 'Where it is to be, and nowhere else.' },
  name: {
    schema: text(),
    description: 'An object by a digest or a prefix, or a package: namespace/name@version or :ref.',
  },
};
const NAMESPACES = record({ namespaces: list(ref('NamespaceUsage')) });
const MEASURED = { 200: { description: 'In the order of their names.', content: { [JSON_TYPE]: NAMESPACES } } };

export const UPKEEP: Room = {
  name: 'upkeep',
  description: 'Verification, tiers, the story of a thing, and what takes how much.',
  routes: [
    {
      path: '/v1/objects/{digest}/verification',
      parameters: OBJECT,
      methods: {
        POST: {
          id: 'verifyObject',
          scope: 'write',
          handler: verifyOne,
          summary: 'Re-reads an object and computes its digests anew. Damage is a result.',
          query: { quick: { schema: flag(), description: 'BLAKE3 alone.' } },
          answers: { 200: { description: 'What was found.', content: { [JSON_TYPE]: ref('Verification') } } },
        },
      },
    },
    {
      path: '/v1/objects/{digest}/undeletion',
      parameters: { digest: { schema: text(), description: 'Either digest.' } },
      methods: {
        POST: {
          id: 'undeleteObject',
          scope: 'delete',
          handler: undeleteObject,
          summary: 'Takes a tombstone back, as long as the bytes have not been swept.',
          query: { reason: { schema: text(), description: 'Stands in the event.' } },
          answers: { 200: { description: 'It is there again.', content: { [JSON_TYPE]: ref('Object') } } },
        },
      },
    },
    {
      path: '/v1/sweeps',
      methods: {
        POST: {
          id: 'sweepObjects',
          scope: 'admin',
          handler: sweepObjects,
          summary: 'Removes the bytes of deleted objects whose grace is over.',
          body: { description: 'How much of it.', required: true, content: { [JSON_TYPE]: SWEEP_BODY } },
          answers: { 200: { description: TOLD, content: { [JSON_TYPE]: ref('Sweep'), [LINES]: undefined } } },
        },
      },
    },
    {
      path: '/v1/reconciliations',
      methods: {
        POST: {
          id: 'reconcileStore',
          scope: 'admin',
          handler: reconcileStore,
          summary: 'Compares what is stored with the log: removes bytes that no event names, records what is lost.',
          body: { description: 'How carefully.', required: true, content: { [JSON_TYPE]: RECONCILE_BODY } },
          answers: { 200: { description: TOLD, content: { [JSON_TYPE]: ref('Reconciliation'), [LINES]: undefined } } },
        },
      },
    },
    {
      path: '/v1/erasures',
      methods: {
        POST: {
          id: 'erase',
          scope: 'admin',
          handler: erase,
          summary: 'Erases names, what people wrote, and objects, at once and for good, on legal demand.',
          body: { description: 'What has to go.', required: true, content: { [JSON_TYPE]: ERASURE_BODY } },
          answers: { 200: { description: 'What went, or would go.', content: { [JSON_TYPE]: ref('Erasure') } } },
        },
      },
    },
    {
      path: '/v1/verifications',
      methods: {
        POST: {
          id: 'verifyMany',
          scope: 'admin',
          handler: verifyMany,
          summary: 'Verifies all objects, a sample, or those that are due; one such verification at a time.',
          body: { description: 'Which, and how.', required: true, content: { [JSON_TYPE]: SCRUB_BODY } },
          answers: {
            200: {
              description:
                'Lines of JSON: what is to be done, then what was found of each object; an empty line is a sign of life.',
              content: { [LINES]: undefined },
            },
          },
        },
      },
    },
    {
      path: '/v1/tiers/{tier}/{name*}',
      parameters: MOVING,
      methods: {
        POST: {
          id: 'moveToTier',
          scope: 'admin',
          handler: moveToTier,
          summary:
            'Moves an object, or every file of a package, to a tier; repeated, it finishes what was interrupted.',
          answers: {
            200: {
              description:
                'Lines of JSON, one for each object: where it is, or the error; an empty line is a sign of life.',
              content: { [LINES]: undefined },
            },
          },
        },
      },
    },
    {
      path: '/v1/stories/{name*}',
      parameters: THING,
      methods: {
        GET: {
          id: 'tellStory',
          scope: 'read',
          handler: tellStory,
          summary: 'What happened to one thing, oldest first, in sentences.',
          query: {
            seq: { schema: count(), description: 'As the story stood behind this event.' },
            time: { schema: count(), description: 'As it stood at this time, in milliseconds since 1970 UTC.' },
          },
          answers: {
            200: {
              description:
                'Lines of JSON: the subject, with why an object or a version is still here or gone, then an event each.',
              content: { [LINES]: undefined },
            },
          },
        },
      },
    },
    {
      path: '/v1/usage',
      methods: {
        GET: {
          id: 'storeUsage',
          scope: 'read',
          handler: storeUsage,
          summary: 'Objects and bytes that are live.',
          answers: { 200: { description: 'Now.', content: { [JSON_TYPE]: ref('Usage') } } },
        },
      },
    },
    {
      path: '/v1/usage/namespaces',
      methods: {
        GET: {
          id: 'namespacesUsage',
          scope: 'read',
          handler: namespaceUsage,
          summary: 'What each namespace takes: reads every manifest.',
          answers: MEASURED,
        },
      },
    },
    {
      path: '/v1/usage/namespaces/{namespace}',
      parameters: NAMESPACE,
      methods: {
        GET: {
          id: 'namespaceUsage',
          scope: 'read',
          handler: namespaceUsage,
          summary: 'What one namespace takes: reads its manifests.',
          answers: MEASURED,
        },
      },
    },
  ],
};
