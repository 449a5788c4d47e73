/**
 * Where it is decided how long things stay.
 *
 * Imports the handlers, the shapes and limits. Read by `rooms.ts`.
 */

import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../../limits.js';
import type { Parameters, Room } from '../route.js';
import { count, flag, list, record, ref, text } from '../schemas.js';
import {
  APPLY_BODY,
  applyPlan,
  CLASS_BODY,
  classifyVersion,
  describePolicy,
  HOLD_BODY,
  LOCK_BODY,
  listHolds,
  listLocks,
  listPolicies,
  POLICY_BODY,
  placeHold,
  planRetention,
  readPlan,
  releaseHold,
  removePolicy,
  retentionStatus,
  setLock,
  setPolicy,
  tellWhy,
} from './handlers.js';

const JSON_TYPE = 'application/json';
const LINES = 'application/x-ndjson';
const NAMESPACE: Parameters = {
  namespace: { schema: text(), description: 'A namespace, or * for all that have no policy of their own.' },
};
const PLAN: Parameters = { plan: { schema: text(), description: 'The content address of a plan, or a prefix of it.' } };
const THING: Parameters = {
  name: { schema: text(), description: 'An object by a digest or a prefix, or a version or ref.' },
};
const REASON: Parameters = { reason: { schema: text(), description: 'Stands in the event.' } };
const ON: Parameters = { on: { schema: text(), description: 'Only those on this thing.' } };
const OBJECTS: Parameters = {
  objects: { schema: flag(), description: 'false: versions alone, without their objects.' },
};
const PAGE: Parameters = {
  cursor: { schema: text(), description: 'From the page before.' },
  limit: {
    schema: { ...count(), minimum: 1, maximum: PAGE_SIZE_MAX, default: PAGE_SIZE_DEFAULT },
    description: `Entries on the page, 1 to ${PAGE_SIZE_MAX}.`,
  },
};

const POLICY = { [JSON_TYPE]: ref('Policy') };
const HOLD = { [JSON_TYPE]: ref('Hold') };
const HOLDS = { [JSON_TYPE]: record({ holds: list(ref('Hold')), next: text() }, ['next']) };
const LOCK = { [JSON_TYPE]: ref('Lock') };
const LOCKS = { [JSON_TYPE]: record({ locks: list(ref('Lock')), next: text() }, ['next']) };
const PLAN_LINES = {
  description:
    'Lines of JSON: what the plan comes to; then each version that goes, the objects that go with it, and what stays all the same.',
  content: { [LINES]: undefined },
};

export const RETENTION: Room = {
  name: 'retention',
  description: 'How long things stay: policies, holds, locks, and plans, which say what goes before it does.',
  routes: [
    {
      path: '/v1/retention',
      methods: {
        GET: {
          id: 'retentionStatus',
          scope: 'read',
          handler: retentionStatus,
          summary: 'The time of the log, and the newest plans.',
          answers: { 200: { description: 'How it stands.', content: { [JSON_TYPE]: ref('RetentionStatus') } } },
        },
      },
    },
    {
      path: '/v1/retention/policies',
      methods: {
        GET: {
          id: 'listPolicies',
          scope: 'read',
          handler: listPolicies,
          summary: 'All policies.',
          answers: {
            200: {
              description: 'In the order of their namespaces.',
              content: { [JSON_TYPE]: record({ policies: list(ref('Policy')) }) },
            },
          },
        },
      },
    },
    {
      path: '/v1/retention/policies/{namespace}',
      parameters: NAMESPACE,
      methods: {
        GET: {
          id: 'describePolicy',
          scope: 'read',
          handler: describePolicy,
          summary: 'The policy of just this namespace.',
          answers: { 200: { description: 'The policy.', content: POLICY } },
        },
        PUT: {
          id: 'setPolicy',
          scope: 'retain',
          handler: setPolicy,
          summary: 'Sets the policy, or replaces it. Nothing goes before a plan is carried out.',
          query: REASON,
          body: { description: 'The policy.', required: true, content: { [JSON_TYPE]: POLICY_BODY } },
          answers: { 200: { description: 'It is in force.', content: POLICY } },
        },
        DELETE: {
          id: 'removePolicy',
          scope: 'retain',
          handler: removePolicy,
          summary: 'Takes the policy away.',
          query: REASON,
          answers: { 200: { description: 'The policy as it was.', content: POLICY } },
        },
      },
    },
    {
      path: '/v1/retention/classes',
      methods: {
        POST: {
          id: 'classifyVersion',
          scope: 'retain',
          isShared: true,
          handler: classifyVersion,
          summary: 'Changes the class of a version.',
          body: { description: 'Which, and to what.', required: true, content: { [JSON_TYPE]: CLASS_BODY } },
          answers: {
            200: {
              description: 'The version and its class.',
              content: { [JSON_TYPE]: record({ namespace: text(), name: text(), version: text(), class: text() }) },
            },
          },
        },
      },
    },
    {
      path: '/v1/retention/holds',
      methods: {
        GET: {
          id: 'listHolds',
          scope: 'read',
          handler: listHolds,
          summary: 'A page of holds, in the order of what they are on.',
          query: { ...PAGE, ...ON },
          answers: { 200: { description: 'The page. Without `next` it is the last.', content: HOLDS } },
        },
        POST: {
          id: 'placeHold',
          scope: 'retain',
          isShared: true,
          handler: placeHold,
          summary: 'Places a hold: nothing and nobody deletes the thing, nor what it needs, until it is released.',
          body: {
            description: 'On what, for which case, and why.',
            required: true,
            content: { [JSON_TYPE]: HOLD_BODY },
          },
          answers: { 201: { description: 'The hold.', content: HOLD } },
        },
        DELETE: {
          id: 'releaseHold',
          scope: ['release', 'retain'],
          isShared: true,
          handler: releaseHold,
          summary: 'Releases a hold. It takes the scope release; who has retain alone is told who placed it.',
          query: {
            on: { schema: text(), description: 'What is held.' },
            case: { schema: text(), description: 'The case of the hold.' },
            ...REASON,
          },
          answers: { 200: { description: 'The hold as it was.', content: HOLD } },
        },
      },
    },
    {
      path: '/v1/retention/locks',
      methods: {
        GET: {
          id: 'listLocks',
          scope: 'read',
          handler: listLocks,
          summary: 'A page of locks, those that are over among them.',
          query: { ...PAGE, ...ON },
          answers: { 200: { description: 'The page. Without `next` it is the last.', content: LOCKS } },
        },
        POST: {
          id: 'setLock',
          scope: ['retain', 'release'],
          isShared: true,
          handler: setLock,
          summary: 'Locks a thing until a time. A compliance lock can only be extended.',
          body: { description: 'What, until when, how firmly.', required: true, content: { [JSON_TYPE]: LOCK_BODY } },
          answers: { 200: { description: 'The lock.', content: LOCK } },
        },
      },
    },
    {
      path: '/v1/retention/plans',
      methods: {
        POST: {
          id: 'planRetention',
          scope: 'retain',
          handler: planRetention,
          summary: 'What would go now, why, and what stays all the same; kept as a plan.',
          query: { record: { schema: flag(), description: 'false: only look.' }, ...OBJECTS },
          answers: { 200: PLAN_LINES },
        },
      },
    },
    {
      path: '/v1/retention/plans/{plan}',
      parameters: PLAN,
      methods: {
        GET: {
          id: 'readPlan',
          scope: 'read',
          handler: readPlan,
          summary: 'A plan that was made.',
          query: OBJECTS,
          answers: { 200: PLAN_LINES },
        },
      },
    },
    {
      path: '/v1/retention/plans/{plan}/application',
      parameters: PLAN,
      methods: {
        POST: {
          id: 'applyPlan',
          scope: 'retain',
          handler: applyPlan,
          summary: 'Carries out just this plan, or, when it no longer fits what is there, does nothing.',
          body: { description: 'How fast.', required: true, content: { [JSON_TYPE]: APPLY_BODY } },
          answers: {
            200: {
              description: 'What went; in lines of JSON, progress as it goes, and the report in the last.',
              content: { [JSON_TYPE]: ref('Application'), [LINES]: undefined },
            },
          },
        },
      },
    },
    {
      path: '/v1/retention/reasons/{name*}',
      parameters: THING,
      methods: {
        GET: {
          id: 'tellWhy',
          scope: 'read',
          handler: tellWhy,
          summary: 'Why a thing is still here, or why it is gone.',
          answers: { 200: { description: 'In sentences.', content: { [JSON_TYPE]: ref('Why') } } },
        },
      },
    },
  ],
};
