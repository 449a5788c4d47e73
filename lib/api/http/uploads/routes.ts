/**
 * Where objects come in parts.
 *
 * Imports the handlers and the shapes. Read by `rooms.ts`.
 */

import { UPLOAD_LENGTH_MAX } from '../../../limits.js';
import type { AnswerDescription, Parameters, Room } from '../route.js';
import { count, ref, text } from '../schemas.js';
import {
  abortUpload,
  appendToUpload,
  createUpload,
  describeUpload,
  locateUpload,
  overrideMethod,
  uploadAbilities,
} from './handlers.js';

const JSON_TYPE = 'application/json';

const ID: Parameters = {
  id: { schema: text(), description: 'From the Location of the answer that opened it, or chosen by a client.' },
};

const FIELDS: Parameters = {
  'Upload-Offset': { schema: count(), description: 'Where the bytes of this request begin.' },
  'Upload-Length': { schema: count(undefined, UPLOAD_LENGTH_MAX), description: 'Bytes of the whole object.' },
  'Upload-Complete': {
    schema: text(),
    description: 'IETF draft: ?1 when the object ends with this body, ?0 when not.',
  },
  'Content-Range': { schema: text(), description: 'bytes <first>-<last>/<length>, as curl sends it.' },
  'Tus-Resumable': { schema: text(), description: '1.0.0 makes it a request of tus.' },
  'Upload-Metadata': { schema: text(), description: 'tus: kept with the upload.' },
  'Upload-Checksum': { schema: text(), description: 'tus: of the bytes of this request.' },
  'Content-Digest': { schema: text(), description: 'Of the bytes of this request.' },
};

const OPENING: Parameters = {
  namespace: { schema: text(), description: 'What it is for: its length is reserved in the quota of that namespace.' },
};

const STANDING = {
  'Upload-Offset': 'Bytes that are durable.',
  'Upload-Complete': '?1 once the object is whole.',
  'Upload-Limit': 'How long it may take (max-age, seconds) and how large it may be (max-size).',
};

const STORED: AnswerDescription = {
  description: 'The object is whole and stored.',
  content: { [JSON_TYPE]: ref('Stored'), 'application/cbor': undefined },
  headers: STANDING,
};

const BEGUN: AnswerDescription = {
  description: 'Opened, and Location names it; or the object is whole and stored already.',
  content: { [JSON_TYPE]: { oneOf: [ref('Upload'), ref('Stored')] }, 'application/cbor': undefined },
  headers: STANDING,
};

const APPENDING = {
  scope: 'write',
  isShared: true,
  handler: appendToUpload,
  headers: FIELDS,
  body: {
    description: 'Bytes from the offset on.',
    required: true,
    content: {
      'application/octet-stream': undefined,
      'application/offset+octet-stream': undefined,
      'application/partial-upload': undefined,
    },
  },
  answers: {
    200: STORED,
    201: BEGUN,
    204: { description: 'They are durable; the upload goes on.', headers: STANDING },
  },
} as const;

const ABILITIES = {
  scope: 'public',
  handler: uploadAbilities,
  summary: 'What every dialect may use.',
  answers: { 204: { description: 'In header fields.' } },
} as const;

export const UPLOADS: Room = {
  name: 'uploads',
  description:
    'One object over several requests: plain, tus 1.0, or the IETF draft of resumable uploads, on the same URLs.',
  routes: [
    {
      path: '/v1/uploads',
      methods: {
        POST: {
          ...APPENDING,
          id: 'createUpload',
          handler: createUpload,
          query: OPENING,
          summary: 'Opens an upload, perhaps with its first bytes.',
          body: { ...APPENDING.body, required: false, description: 'The first bytes.' },
          answers: { 200: STORED, 201: BEGUN },
        },
        OPTIONS: { ...ABILITIES, id: 'uploadAbilities' },
      },
    },
    {
      path: '/v1/uploads/{id}',
      parameters: ID,
      methods: {
        GET: {
          id: 'describeUpload',
          scope: 'write',
          isShared: true,
          handler: describeUpload,
          summary:
            'What is known about it, without disturbing who is at it; as server-sent events, how it goes while it does.',
          headers: {
            'Last-Event-ID': { schema: text(), description: 'Of the stream before; `end`: it has been heard.' },
          },
          answers: {
            200: {
              description: 'The upload.',
              content: { [JSON_TYPE]: ref('Upload'), 'text/event-stream': undefined },
              headers: STANDING,
            },
            204: { description: 'The stream has ended, and the client knows how.' },
          },
        },
        HEAD: {
          id: 'locateUpload',
          scope: 'write',
          isShared: true,
          handler: locateUpload,
          summary: 'Where it stands; a request that is at it is ended first.',
          answers: { 200: { description: 'In header fields.', headers: STANDING } },
        },
        PATCH: { ...APPENDING, id: 'appendToUpload', summary: 'Goes on at the offset.' },
        PUT: {
          ...APPENDING,
          id: 'continueUpload',
          query: OPENING,
          summary: 'As PATCH; from the first byte on it opens the upload too.',
        },
        POST: {
          ...APPENDING,
          id: 'overrideUploadMethod',
          handler: overrideMethod,
          summary: 'PATCH, DELETE or HEAD, for networks that know GET and POST alone.',
          headers: { ...FIELDS, 'X-HTTP-Method-Override': { schema: text(), description: 'PATCH, DELETE or HEAD.' } },
        },
        DELETE: {
          id: 'abortUpload',
          scope: 'write',
          isShared: true,
          handler: abortUpload,
          summary: 'Gives it up and frees its space.',
          answers: { 204: { description: 'Given up.' } },
        },
        OPTIONS: { ...ABILITIES, id: 'thisUploadAbilities' },
      },
    },
  ],
};
