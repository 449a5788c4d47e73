/**
 * Where packages are.
 *
 * Imports the handlers, the shapes and limits. Read by `rooms.ts`.
 */

import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../../limits.js';
import type { Operation, Parameters, Room } from '../route.js';
import { count, list, record, ref, text } from '../schemas.js';
import {
  describeRef,
  describeVersion,
  listRefs,
  listVersions,
  MOVE_BODY,
  moveRef,
  publishVersion,
  readManifest,
  readRefFile,
  readVersionFile,
  removeRef,
} from './handlers.js';

const JSON_TYPE = 'application/json';
const CBOR = 'application/cbor';

const NAMESPACE: Parameters = { namespace: { schema: text(), description: 'Lower-case letters, digits and . _ -' } };
const PACKAGE: Parameters = { ...NAMESPACE, name: { schema: text(), description: 'As a namespace is written.' } };
const VERSION: Parameters = {
  ...PACKAGE,
  version: { schema: text(), description: 'A version, or the content address of a manifest.' },
};
const REF: Parameters = { ...PACKAGE, ref: { schema: text(), description: 'The name of a ref, such as latest.' } };
const PATH: Parameters = { path: { schema: text(), description: 'The path of a file in the package.' } };

const PAGE: Parameters = {
  cursor: { schema: text(), description: 'From the page before.' },
  limit: {
    schema: { ...count(), minimum: 1, maximum: PAGE_SIZE_MAX, default: PAGE_SIZE_DEFAULT },
    description: `Entries on the page, 1 to ${PAGE_SIZE_MAX}.`,
  },
};

const FILE_HEADERS: Parameters = {
  Range: { schema: text(), description: 'bytes=… for one or several ranges.' },
  'If-None-Match': { schema: text(), description: 'Entity tags that the client has.' },
};

const REF_HEADERS: Parameters = {
  'If-Match': { schema: text(), description: 'The entity tag that the ref must have.' },
  'If-None-Match': { schema: text(), description: '*: there must be no such ref.' },
};

const FILE = {
  scope: 'read',
  forBrowsers: true,
  summary: 'One file by its path, whole or in ranges.',
  headers: FILE_HEADERS,
  answers: {
    200: { description: 'The file.', content: { '*/*': undefined } },
    206: { description: 'The ranges asked for.', content: { '*/*': undefined, 'multipart/byteranges': undefined } },
    304: { description: 'The client has it.' },
  },
} as const;

function listing(id: string, summary: string): Operation {
  const page = record({ packages: list(ref('Version')), next: text() }, ['next']);
  return {
    id,
    scope: 'read',
    handler: listVersions,
    summary,
    query: PAGE,
    answers: { 200: { description: 'The page. Without `next` it is the last.', content: { [JSON_TYPE]: page } } },
  };
}

const VERSION_PATH = '/v1/packages/{namespace}/{name}/versions/{version}';
const REF_PATH = '/v1/packages/{namespace}/{name}/refs/{ref}';

export const PACKAGES: Room = {
  name: 'packages',
  description: 'Directories under names: versions that never change, and refs that move.',
  routes: [
    { path: '/v1/packages', methods: { GET: listing('listVersions', 'A page of versions.') } },
    {
      path: '/v1/packages/{namespace}',
      parameters: NAMESPACE,
      methods: { GET: listing('listNamespaceVersions', 'A page of the versions of a namespace.') },
    },
    {
      path: '/v1/packages/{namespace}/{name}',
      parameters: PACKAGE,
      methods: { GET: listing('listPackageVersions', 'A page of the versions of a package.') },
    },
    {
      path: VERSION_PATH,
      parameters: VERSION,
      methods: {
        GET: {
          id: 'describeVersion',
          scope: 'read',
          handler: describeVersion,
          summary: 'What is known about a version.',
          answers: { 200: { description: 'Its record.', content: { [JSON_TYPE]: ref('Version') } } },
        },
        PUT: {
          id: 'publishVersion',
          scope: 'write',
          handler: publishVersion,
          summary: 'Publishes a manifest whose files are all here; a problem names those that are not.',
          body: { description: 'The manifest.', required: true, content: { [CBOR]: undefined } },
          answers: {
            201: { description: 'Published.', content: { [JSON_TYPE]: ref('Published') } },
            200: { description: 'It was published before.', content: { [JSON_TYPE]: ref('Published') } },
          },
        },
      },
    },
    {
      path: `${VERSION_PATH}/manifest`,
      parameters: VERSION,
      methods: {
        GET: {
          id: 'readManifest',
          scope: 'read',
          handler: readManifest,
          summary: 'The manifest of a version.',
          answers: {
            200: {
              description: 'In CBOR byte for byte as stored.',
              content: { [JSON_TYPE]: { type: 'object' }, [CBOR]: undefined },
            },
            206: { description: 'Ranges of the CBOR.', content: { [CBOR]: undefined } },
            304: { description: 'The client has it.' },
          },
        },
      },
    },
    {
      path: `${VERSION_PATH}/files/{path*}`,
      parameters: { ...VERSION, ...PATH },
      methods: { GET: { ...FILE, id: 'readVersionFile', handler: readVersionFile } },
    },
    {
      path: '/v1/packages/{namespace}/{name}/refs',
      parameters: PACKAGE,
      methods: {
        GET: {
          id: 'listRefs',
          scope: 'read',
          handler: listRefs,
          summary: 'A page of the refs of a package.',
          query: PAGE,
          answers: {
            200: {
              description: 'The page.',
              content: { [JSON_TYPE]: record({ refs: list(ref('Ref')), next: text() }, ['next']) },
            },
          },
        },
      },
    },
    {
      path: REF_PATH,
      parameters: REF,
      methods: {
        GET: {
          id: 'describeRef',
          scope: 'read',
          handler: describeRef,
          summary: 'Where a ref points; that is its entity tag.',
          headers: { 'If-None-Match': { schema: text(), description: 'The tag that the client has.' } },
          answers: {
            200: { description: 'The ref.', content: { [JSON_TYPE]: ref('Ref') } },
            304: { description: 'It points where the client knows.' },
          },
        },
        PUT: {
          id: 'moveRef',
          scope: 'write',
          handler: moveRef,
          summary: 'Makes a ref, or points it at another version.',
          headers: REF_HEADERS,
          body: { description: 'Where to.', required: true, content: { [JSON_TYPE]: MOVE_BODY, [CBOR]: MOVE_BODY } },
          answers: {
            200: { description: 'Moved.', content: { [JSON_TYPE]: ref('Ref') } },
            201: { description: 'Made.', content: { [JSON_TYPE]: ref('Ref') } },
          },
        },
        DELETE: {
          id: 'removeRef',
          scope: 'delete',
          handler: removeRef,
          summary: 'Removes a ref; versions stay.',
          headers: REF_HEADERS,
          query: { reason: { schema: text(), description: 'Stands in the event.' } },
          answers: { 200: { description: 'Where it pointed.', content: { [JSON_TYPE]: ref('Ref') } } },
        },
      },
    },
    {
      path: `${REF_PATH}/files/{path*}`,
      parameters: { ...REF, ...PATH },
      methods: { GET: { ...FILE, id: 'readRefFile', handler: readRefFile } },
    },
  ],
};
