/**
 * Uploads as the IETF draft has them (draft-ietf-httpbis-resumable-upload-11, interop version 8), and as clients of its versions 5 and 6 send them.
 *
 * Imports the dialects' common fields. Called by `handlers.ts`.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { type Dialect, type End, standing } from './dialect.js';
import { completeField, hasBody, integerField, malformed, requireMediaType } from './fields.js';
import { contentCheck } from './plain.js';

export const PARTIAL_UPLOAD = 'application/partial-upload';

/** Versions whose interim answers a client understands; it is told of an upload only in its own. */
const VERSIONS: ReadonlySet<string> = new Set(['5', '6', '8']);

export const ietf: Dialect = {
  name: 'ietf',
  excess: 400,
  describes: true,
  creation(headers) {
    const length = integerField(headers, 'Upload-Length');
    return { ends: endOf(headers), ...(length !== undefined && { length }), ...contentCheck(headers) };
  },
  append(_method, headers) {
    if (hasBody(headers) && versionOf(headers) !== '5') requireMediaType(headers, PARTIAL_UPLOAD);
    const offset = integerField(headers, 'Upload-Offset');
    if (offset === undefined) throw malformed('An append needs Upload-Offset: where its bytes begin.');
    const length = integerField(headers, 'Upload-Length');
    return { ends: endOf(headers), offset, ...(length !== undefined && { length }), ...contentCheck(headers) };
  },
  standing,
  interim(upload, headers) {
    const version = knownVersion(headers);
    if (version === undefined) return undefined;
    const { 'Upload-Limit': limit } = standing(upload);
    return {
      Location: `/v1/uploads/${upload.id}`,
      'Upload-Draft-Interop-Version': version,
      ...(limit !== undefined && { 'Upload-Limit': limit }),
    };
  },
  progress(offset, headers) {
    const version = knownVersion(headers);
    return version === undefined ? undefined : { 'Upload-Draft-Interop-Version': version, 'Upload-Offset': offset };
  },
};

function knownVersion(headers: IncomingHttpHeaders): string | undefined {
  const version = versionOf(headers);
  return version !== undefined && VERSIONS.has(version) ? version : undefined;
}

function versionOf(headers: IncomingHttpHeaders): string | undefined {
  return headers['upload-draft-interop-version']?.toString();
}

/** Clients of the versions 5 and 6 may end an upload by reaching its length, and say nothing or `?0` with the last part. */
function endOf(headers: IncomingHttpHeaders): End {
  const complete = completeField(headers);
  const version = versionOf(headers);
  if (complete) return 'body';
  if (version === '5' || version === '6') return 'length';
  if (complete === undefined)
    throw malformed('Upload-Complete is missing: ?1 when the object ends with this request, else ?0.');
  return 'never';
}
