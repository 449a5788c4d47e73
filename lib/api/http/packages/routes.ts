/**
 * Where packages are.
 *
 * Imports the handlers, the shapes and limits. Read by `rooms.ts`.
 */

import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../../../limits.js';
import type { Operation, Parameters, Room } from '../route.js';
import { count, flag, list, record, ref, text } from '../schemas.js';
import { ARCHIVE_TYPES, readRefArchive, readVersionArchive, TAR_TYPE } from './archive.js';
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
  restoreVersion,
  withdrawVersion,
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

const ONLY_FILE = 'The file of a package that is one file and nothing else, whole or in ranges.';

const PUBLISH_HEADERS: Parameters = {
  'Content-Encoding': { schema: text(), description: 'Of an archive: gzip or zstd.' },
  'Content-Digest': { schema: text(), description: 'Of an archive: sha-256 of the bytes of the body.' },
};

const ARCHIVES = Object.fromEntries(Object.keys(ARCHIVE_TYPES).map((type) => [type, undefined]));

const ARCHIVE = {
  scope: 'read',
  forBrowsers: true,
  summary: 'The whole package as a tar archive, each byte verified; the same package gives the same bytes.',
  headers: {
    'Accept-Encoding': { schema: text(), description: 'gzip, for a compressed one.' },
    'If-None-Match': { schema: text(), description: 'Entity tags that the client has.' },
  },
  answers: {
    200: { description: 'The archive.', content: { [TAR_TYPE]: undefined } },
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
    query: {
      ...PAGE,
      containing: { schema: text(), description: 'Only those that have this object.' },
    },
    answers: { 200: { description: 'The page. Without `next` it is the last.', content: { [JSON_TYPE]: page } } },
  };
}

function refListing(id: string, summary: string): Operation {
  const page = record({ refs: list(ref('Ref')), next: text() }, ['next']);
  return {
    id,
    scope: 'read',
    handler: listRefs,
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
          summary: 'Publishes a manifest whose files are all here, or a tar archive, at once or not at all.',
          query: {
            refs: { schema: text(), description: 'Refs to point at it in the same step, with commas between.' },
            immutable: { schema: flag(), description: 'They cannot move from then on.' },
            class: { schema: text(), description: 'Retention class of the version, if it is new.' },
          },
          headers: { ...REF_HEADERS, ...PUBLISH_HEADERS },
          body: {
            description: 'The manifest; or the archive, which may be compressed, by its type or by Content-Encoding.',
            required: true,
            content: { [CBOR]: undefined, ...ARCHIVES },
          },
          answers: {
            201: { description: 'Published.', content: { [JSON_TYPE]: ref('Published') } },
            200: { description: 'It was published before.', content: { [JSON_TYPE]: ref('Published') } },
          },
        },
        DELETE: {
          id: 'withdrawVersion',
          scope: 'delete',
          handler: withdrawVersion,
          summary: 'Withdraws a version: from then on it answers 410.',
          query: {
            reason: { schema: text(), description: 'Stands in the event.' },
            plan: { schema: text(), description: 'The retention plan that names it.' },
            force: {
              schema: { enum: ['1'] },
              description: 'Remove the refs that point at it, unless they are immutable; else 409 names them.',
            },
          },
          answers: { 200: { description: 'As it was.', content: { [JSON_TYPE]: ref('Withdrawal') } } },
        },
      },
    },
    {
      path: `${VERSION_PATH}/undeletion`,
      parameters: VERSION,
      methods: {
        POST: {
          id: 'restoreVersion',
          scope: 'delete',
          handler: restoreVersion,
          summary: 'Brings a withdrawn version back, as long as all of its objects are there.',
          query: { reason: { schema: text(), description: 'Stands in the events.' } },
          answers: { 200: { description: 'It is back.', content: { [JSON_TYPE]: ref('Restoration') } } },
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
      path: `${VERSION_PATH}/file`,
      parameters: VERSION,
      methods: { GET: { ...FILE, summary: ONLY_FILE, id: 'readVersionOnlyFile', handler: readVersionFile } },
    },
    {
      path: '/v1/packages/{namespace}/{name}/refs',
      parameters: PACKAGE,
      methods: {
        GET: refListing('listRefs', 'A page of the refs of a package.'),
      },
    },
    { path: '/v1/refs', methods: { GET: refListing('listAllRefs', 'A page of the refs of all packages.') } },
    {
      path: '/v1/refs/{namespace}',
      parameters: NAMESPACE,
      methods: { GET: refListing('listNamespaceRefs', 'A page of the refs of a namespace.') },
    },
    {
      path: `${VERSION_PATH}/tar`,
      parameters: VERSION,
      methods: { GET: { ...ARCHIVE, id: 'readVersionArchive', handler: readVersionArchive } },
    },
    {
      path: `${REF_PATH}/tar`,
      parameters: REF,
      methods: { GET: { ...ARCHIVE, id: 'readRefArchive', handler: readRefArchive } },
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
          summary: 'Makes a ref, or points it at another version, or at an object.',
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
    {
      path: `${REF_PATH}/file`,
      parameters: REF,
      methods: { GET: { ...FILE, summary: ONLY_FILE, id: 'readRefOnlyFile', handler: readRefFile } },
    },
  ],
};
