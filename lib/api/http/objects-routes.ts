/**
 * Where objects are, and what their operations take and give.
 *
 * Imports the handlers, the shapes and limits. Read by `rooms.ts`.
 */

import { GRACE_MS_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../limits.js';
import { readObject } from './download.js';
import { listMissing, MISSING_BODY } from './missing.js';
import { deleteObject, describeObject, listObjects } from './objects.js';
import { readOutboard } from './outboard.js';
import type { AnswerDescription, Parameters, Room } from './route.js';
import { count, list, record, ref, text } from './schemas.js';
import { storeObject, storeObjectAs } from './upload.js';

const JSON_TYPE = 'application/json';
const CBOR = 'application/cbor';
const BYTES = 'application/octet-stream';

const NAME: Parameters = {
  digest: {
    schema: text(),
    description: 'A digest; to read, also bare hex or an unambiguous prefix of four digits on.',
  },
};

const AT = { schema: count(), description: 'As it was behind this event; derived anew, which takes time.' };

const STORE_HEADERS: Parameters = {
  'Repr-Digest': { schema: text(), description: 'sha-256=:<base64>: that the bytes must have (RFC 9530).' },
  'Content-Digest': { schema: text(), description: 'The same; an object has one representation.' },
  'Artifactstore-Digest': { schema: text(), description: 'blake3:<hex>, sha256:<hex> or both with a comma between.' },
  'If-None-Match': { schema: text(), description: '* stores only what is not here.' },
};

const STORED: AnswerDescription = {
  description: 'Stored; bytes and event are durable.',
  content: { [JSON_TYPE]: ref('Stored'), [CBOR]: undefined },
  headers: {
    'Artifactstore-Digest': 'Both digests.',
    'Artifactstore-Event': 'Place of the event in the log.',
  },
};

const STORING = {
  scope: 'write',
  isShared: true,
  headers: STORE_HEADERS,
  body: { description: 'The object, byte for byte.', required: true, content: { [BYTES]: undefined } },
  answers: { 201: STORED, 200: { ...STORED, description: 'It was here before.' } },
} as const;

const READ_HEADERS: Parameters = {
  Range: { schema: text(), description: 'bytes=… for one or several ranges.' },
  'If-Range': { schema: text(), description: 'The entity tag for which the ranges count.' },
  'If-None-Match': { schema: text(), description: 'Entity tags that the client has.' },
  'Want-Repr-Digest': { schema: text(), description: 'sha-256=0 leaves Repr-Digest out.' },
  'Want-Content-Digest': { schema: text(), description: 'sha-256=1 adds Content-Digest to a whole answer.' },
};

export const OBJECTS: Room = {
  name: 'objects',
  description: 'Bytes under both of their digests, verified whenever they leave.',
  routes: [
    {
      path: '/v1/objects',
      methods: {
        GET: {
          id: 'listObjects',
          scope: 'read',
          handler: listObjects,
          summary: 'A page of objects in the order of their content addresses.',
          query: {
            cursor: { schema: text(), description: 'From the page before.' },
            limit: {
              schema: { ...count(), minimum: 1, maximum: PAGE_SIZE_MAX, default: PAGE_SIZE_DEFAULT },
              description: `Objects on the page, 1 to ${PAGE_SIZE_MAX}.`,
            },
            at: AT,
            state: {
              schema: { type: 'string', enum: ['live', 'corrupt', 'tombstoned', 'deleted'] },
              description: 'Only objects that are live, corrupt, tombstoned or deleted.',
            },
          },
          answers: {
            200: {
              description: 'The page. Without `next` it is the last.',
              content: { [JSON_TYPE]: record({ objects: list(ref('Object')), next: text() }, ['next']) },
            },
          },
        },
        POST: { ...STORING, id: 'storeObject', handler: storeObject, summary: 'Stores the body, whatever it is.' },
        PUT: {
          ...STORING,
          id: 'putObject',
          handler: storeObject,
          summary: 'As POST, for clients that upload with PUT.',
        },
      },
    },
    {
      path: '/v1/objects/missing',
      methods: {
        POST: {
          id: 'listMissing',
          scope: ['read', 'write'],
          isShared: true,
          handler: listMissing,
          summary: 'Which of these objects are not here.',
          body: {
            description: 'Digests.',
            required: true,
            content: { [JSON_TYPE]: MISSING_BODY, [CBOR]: MISSING_BODY },
          },
          answers: {
            200: {
              description: 'Those without an object that can be read, in the order asked, each once.',
              content: { [JSON_TYPE]: record({ missing: list(ref('Digest')) }), [CBOR]: undefined },
            },
          },
        },
      },
    },
    {
      path: '/v1/objects/{digest}',
      parameters: NAME,
      methods: {
        GET: {
          id: 'readObject',
          scope: 'read',
          forBrowsers: true,
          handler: readObject,
          summary: 'The bytes, or ranges of them.',
          headers: READ_HEADERS,
          answers: {
            200: { description: 'All of them.', content: { [BYTES]: undefined } },
            206: {
              description: 'The ranges asked for.',
              content: { [BYTES]: undefined, 'multipart/byteranges': undefined },
            },
            304: { description: 'The client has them.' },
          },
        },
        PUT: {
          ...STORING,
          id: 'storeObjectAs',
          handler: storeObjectAs,
          summary: 'Stores the body, which must have this digest.',
        },
        DELETE: {
          id: 'deleteObject',
          scope: 'delete',
          handler: deleteObject,
          summary: 'Deletes the bytes; the tombstone remains.',
          query: {
            reason: { schema: text(), description: 'Stands in the tombstone.' },
            force: { schema: { enum: ['1'] }, description: 'Also if packages need it; else 409 names them.' },
            grace: {
              schema: count('Milliseconds.', GRACE_MS_MAX),
              description: 'How long the bytes stay, so that it can be undeleted. Default 0: they go at once.',
            },
          },
          answers: {
            200: {
              description: 'Deleted.',
              content: { [JSON_TYPE]: ref('Deletion') },
            },
          },
        },
      },
    },
    {
      path: '/v1/objects/{digest}/outboard',
      parameters: NAME,
      methods: {
        GET: {
          id: 'readOutboard',
          scope: 'read',
          handler: readOutboard,
          summary: 'What proves the bytes, or a range of them, to who has the content address alone.',
          query: {
            start: { schema: count(), description: 'First byte of the range; default: the first of the object.' },
            end: { schema: count(), description: 'Behind its last byte; default: the end of the object.' },
          },
          answers: {
            200: {
              description:
                'The size as 8 bytes, little-endian, then the nodes of the BLAKE3 tree over 16 KiB, in pre-order.',
              content: { [BYTES]: undefined },
            },
            304: { description: 'The client has it.' },
          },
        },
      },
    },
    {
      path: '/v1/objects/{digest}/meta',
      parameters: NAME,
      methods: {
        GET: {
          id: 'describeObject',
          scope: 'read',
          forBrowsers: true,
          handler: describeObject,
          summary: 'What is known about an object, also a deleted one.',
          query: { at: AT },
          answers: { 200: { description: 'Its record.', content: { [JSON_TYPE]: ref('Object') } } },
        },
      },
    },
  ],
};
