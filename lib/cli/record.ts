/**
 * Events and paths as JSON. Everything else that commands print is the library's own type as it is, so that all doors say the same: times
 * in milliseconds since 1970 UTC, digests as text, sizes in bytes.
 *
 * Imports types and CBOR's rendering. Called by the commands.
 */

import { toJson } from '../cbor/json.js';
import type { StoredEvent } from '../events/log.js';
import { showPath } from './format.js';

export function eventJson({ seq, v, id, time, kind, actor, subject, data }: StoredEvent) {
  return { seq, v, id, time, kind, actor, subject, data: toJson(data) };
}

/** A path as text, and as hex too when it is not UTF-8 and the text has lost something. */
export function pathJson(path: Uint8Array) {
  const bytes = Buffer.from(path);
  const text = bytes.toString();
  return bytes.equals(Buffer.from(text)) ? { path: text } : { path: showPath(path), pathHex: bytes.toString('hex') };
}
