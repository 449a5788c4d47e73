/**
 * What a dialect of resumable uploads is: how it says the same few things. The session, its offset and its rules are the same in all of them.
 *
 * Imports types and limits. Implemented by `plain.ts`, `tus.ts` and `ietf.ts`, called by `handlers.ts`.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { UPLOAD_LENGTH_MAX } from '../../../limits.js';
import type { Upload } from '../../../store/uploads.js';

/** What the bytes of a request itself must hash to. */
export interface Check {
  algorithm: 'sha1' | 'sha256' | 'sha512';
  digest: Uint8Array;
  /** Status when they do not. */
  status: number;
}

/** When the object is whole: with the end of this body, when its length is reached, or not with this request. */
export type End = 'body' | 'length' | 'never';

/** What a request that brings bytes says. */
export interface Part {
  ends: End;
  /** Bytes that the whole object will have. */
  length?: number;
  check?: Check;
}

/** A request that opens an upload, perhaps with its first bytes. */
export interface Creation extends Part {
  metadata?: string;
}

/** A request that goes on with one. */
export interface Append extends Part {
  offset: number;
}

export interface Dialect {
  readonly name: 'plain' | 'tus' | 'ietf';
  /** Status for more bytes than the length allows. */
  readonly excess: 400 | 413;
  /** Throws AS_ERR_HTTP_REQUEST (400, 412, 415), AS_ERR_LIMIT (413), AS_ERR_INVALID_DIGEST. */
  creation(headers: IncomingHttpHeaders): Creation;
  /** Throws as `creation` does. */
  append(method: string, headers: IncomingHttpHeaders): Append;
  /** Fields that say where an upload stands. */
  standing(upload: Upload): OutgoingHttpHeaders;
  /** Whether the answer that completes an upload describes the object in its body. */
  readonly describes: boolean;
  /** Fields of an interim answer (104) that names the upload, for clients that understand it. */
  interim?(upload: Upload, headers: IncomingHttpHeaders): OutgoingHttpHeaders | undefined;
  /** Fields of one that says how far the upload has come. */
  progress?(offset: number, headers: IncomingHttpHeaders): OutgoingHttpHeaders | undefined;
}

/** `Upload-Limit` of the IETF draft: what holds for an upload, one that is open or one to be. */
export function uploadLimit(lifetimeMs: number): string {
  return `max-size=${UPLOAD_LENGTH_MAX}, max-age=${Math.max(Math.floor(lifetimeMs / 1000), 0)}`;
}

/** Where an upload stands, in the words of the IETF draft, which plain clients read too. */
export function standing({ state, offset, size, expires }: Upload): OutgoingHttpHeaders {
  return {
    'Upload-Offset': offset,
    'Upload-Complete': state === 'completed' ? '?1' : '?0',
    ...(size !== undefined && { 'Upload-Length': size }),
    ...(state === 'open' && expires !== undefined && { 'Upload-Limit': uploadLimit(expires - Date.now()) }),
  };
}
