/**
 * Uploads as tus 1.0 has them (https://tus.io/protocols/resumable-upload): the core protocol, and the extensions named in TUS_EXTENSIONS.
 *
 * Imports the exchange, limits and the dialects' common fields. Called by `handlers.ts`.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { UPLOAD_LENGTH_MAX } from '../../../limits.js';
import { Refusal } from '../refusal.js';
import type { Check, Dialect } from './dialect.js';
import { hasBody, integerField, malformed, requireMediaType } from './fields.js';

export const TUS_VERSION = '1.0.0';
const TUS_EXTENSIONS = 'creation,creation-with-upload,creation-defer-length,termination,expiration,checksum';
const MEDIA_TYPE = 'application/offset+octet-stream';
const CHECKSUMS = { sha1: 20, sha256: 32, sha512: 64 } as const;
/** The status that tus defines for bytes that do not match their checksum. */
const CHECKSUM_MISMATCH = 460;

/** What the service can do, for OPTIONS. */
export const TUS_ABILITIES: OutgoingHttpHeaders = {
  'Tus-Resumable': TUS_VERSION,
  'Tus-Version': TUS_VERSION,
  'Tus-Extension': TUS_EXTENSIONS,
  'Tus-Max-Size': UPLOAD_LENGTH_MAX,
  'Tus-Checksum-Algorithm': Object.keys(CHECKSUMS).join(','),
};

export const tus: Dialect = {
  name: 'tus',
  excess: 413,
  describes: false,
  creation(headers) {
    const length = integerField(headers, 'Upload-Length');
    const deferred = headers['upload-defer-length'];
    if (deferred !== undefined && deferred !== '1') throw malformed(`Upload-Defer-Length: ${deferred} is not 1.`);
    if ((length === undefined) === (deferred === undefined)) {
      throw malformed('An upload is opened with either Upload-Length or Upload-Defer-Length: 1.');
    }
    if (headers['upload-concat'] !== undefined) {
      throw malformed('Upload-Concat is not supported: the parts of an object come one after the other.');
    }
    if (hasBody(headers)) requireMediaType(headers, MEDIA_TYPE);
    const metadata = metadataOf(headers);
    return {
      ends: 'length',
      ...(length !== undefined && { length }),
      ...(metadata && { metadata }),
      ...check(headers),
    };
  },
  append(_method, headers) {
    requireMediaType(headers, MEDIA_TYPE);
    const offset = integerField(headers, 'Upload-Offset');
    if (offset === undefined) throw malformed('PATCH needs Upload-Offset: where its bytes begin.');
    const length = integerField(headers, 'Upload-Length');
    return { ends: 'length', offset, ...(length !== undefined && { length }), ...check(headers) };
  },
  standing({ state, offset, size, expires, metadata }) {
    return {
      'Upload-Offset': offset,
      ...(size === undefined ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': size }),
      ...(state === 'open' && expires !== undefined && { 'Upload-Expires': new Date(expires).toUTCString() }),
      ...(metadata !== undefined && { 'Upload-Metadata': metadata }),
    };
  },
};

/** Refuses other versions with 412. */
export function requireTusVersion(headers: IncomingHttpHeaders): void {
  const version = headers['tus-resumable'];
  if (version === TUS_VERSION) return;
  throw new Refusal(
    'AS_ERR_HTTP_PRECONDITION',
    412,
    `Tus-Resumable: ${version} is not spoken here; use ${TUS_VERSION}.`,
    {},
    { 'Tus-Version': TUS_VERSION },
  );
}

/** `Upload-Metadata`: pairs of a key and, in base64, a value; kept as they came. */
function metadataOf(headers: IncomingHttpHeaders): string | undefined {
  const text = headers['upload-metadata'];
  if (text === undefined || text === '') return undefined;
  const keys = new Set<string>();
  for (const pair of String(text).split(',')) {
    const match = /^ *([\x21-\x2b\x2d-\x7e]+)(?: ([A-Za-z0-9+/]*={0,2}))? *$/.exec(pair);
    const key = match?.[1];
    if (key === undefined || keys.has(key)) {
      throw malformed(`Upload-Metadata: "${pair}" is not a key, each but once, and a value in base64.`);
    }
    keys.add(key);
  }
  return String(text);
}

/** `Upload-Checksum`: an algorithm and, in base64, what the bytes of this request hash to. */
function check(headers: IncomingHttpHeaders): { check?: Check } {
  const text = headers['upload-checksum'];
  if (text === undefined) return {};
  const [algorithm = '', base64 = ''] = String(text).split(' ');
  const isKnown = (name: string): name is keyof typeof CHECKSUMS => Object.hasOwn(CHECKSUMS, name);
  if (isKnown(algorithm)) {
    const digest = Buffer.from(base64, 'base64');
    if (digest.byteLength === CHECKSUMS[algorithm]) return { check: { algorithm, digest, status: CHECKSUM_MISMATCH } };
  }
  throw malformed(
    `Upload-Checksum: ${text} is not one of ${Object.keys(CHECKSUMS).join(', ')} and its value in base64.`,
  );
}
