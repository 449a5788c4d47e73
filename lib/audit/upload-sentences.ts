/** What happened to an upload, in sentences. Imports types, digest text and formatting. `explain.ts` puts it beside the others. */

import { formatBlake3, formatSha256 } from '../digest-name.js';
import type { UploadEventData } from '../events/upload-kinds.js';
import { formatTime } from '../format.js';
import { because, exactSize, list, type Sentences } from './sentences.js';

export const UPLOAD_SENTENCES: Sentences<UploadEventData> = {
  'upload.opened': ({ size, blake3, sha256, expires, namespace }, { actor }) => {
    const expected = [
      ...(size === undefined ? [] : [exactSize(size)]),
      ...(blake3 ? [formatBlake3(blake3)] : []),
      ...(sha256 ? [formatSha256(sha256)] : []),
    ];
    const until = expires === undefined ? '' : `, to be ended by ${formatTime(expires)}`;
    const place = namespace === undefined ? '' : ` for the namespace ${namespace}`;
    return `${actor} began the upload${expected.length === 0 ? '' : ` of ${list(expected)}`}${place}${until}.`;
  },
  'upload.sized': ({ size }, { actor }) => `${actor} said that it will have ${exactSize(size)}.`,
  'upload.completed': ({ size, blake3 }, { actor }) =>
    `${actor} completed it: ${exactSize(size)}, stored as ${formatBlake3(blake3)}.`,
  'upload.aborted': ({ offset, reason }, { actor }) =>
    `${actor} gave it up after ${exactSize(offset)}${because(reason)}.`,
  'upload.expired': ({ offset, idleSince }, { actor }) =>
    `It was ended by ${actor} after ${exactSize(offset)}, because nothing had come since ${formatTime(idleSince)}.`,
};
