/**
 * Events, paths and entries of packages as JSON. Everything else that commands print is the library's own type as it is, so that all doors say the same: times
 * in milliseconds since 1970 UTC, digests as text, sizes in bytes.
 *
 * Imports types, digest text and CBOR's rendering. Called by the commands.
 */

import { toJson } from '../cbor/json.js';
import { formatBlake3, formatSha256 } from '../digest-name.js';
import type { StoredEvent } from '../events/log.js';
import type { ManifestEntry } from '../packages/manifest.js';
import type { PackagePath } from '../packages/path.js';
import { showPath } from './format.js';

export function eventJson({ seq, v, id, time, kind, actor, subject, data }: StoredEvent) {
  return { seq, v, id, time, kind, actor, subject, data: toJson(data) };
}

/** The bytes of a path in a package, as files have them. */
export function pathBytes(path: PackagePath): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : Buffer.from(path.buffer, path.byteOffset, path.byteLength);
}

/** An entry of a manifest, with digests as text. */
export function entryJson(entry: ManifestEntry) {
  const place = { kind: entry.kind, ...pathJson(pathBytes(entry.path)) };
  if (entry.kind === 'directory') return place;
  if (entry.kind === 'symlink') {
    const { path: target, pathHex: targetHex } = pathJson(pathBytes(entry.target)) as {
      path: string;
      pathHex?: string;
    };
    return { ...place, target, ...(targetHex !== undefined && { targetHex }) };
  }
  const { size, blake3, sha256, mediaType, executable } = entry;
  const digests = { blake3: formatBlake3(blake3), sha256: formatSha256(sha256) };
  return {
    ...place,
    size,
    ...digests,
    ...(mediaType !== undefined && { mediaType }),
    ...(executable && { executable }),
  };
}

/** A path as text, and as hex too when it is not UTF-8 and the text has lost something. */
export function pathJson(path: Uint8Array) {
  const bytes = Buffer.from(path);
  const text = bytes.toString();
  return bytes.equals(Buffer.from(text)) ? { path: text } : { path: showPath(path), pathHex: bytes.toString('hex') };
}
