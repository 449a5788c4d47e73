/**
 * What a body of bytes to store must be: announced, and the bytes themselves.
 *
 * Imports the exchange. Called by `upload.ts` and by the uploads in parts.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from './refusal.js';

/** Bytes announced; undefined for a chunked body. Node has checked that the framing is sound. */
export function announcedSize(headers: IncomingHttpHeaders): number | undefined {
  const coding = headers['transfer-encoding'];
  if (coding !== undefined) {
    if (coding.trim().toLowerCase() === 'chunked') return undefined;
    throw refusal(
      501,
      `Transfer-Encoding: ${coding} is not understood. Send the bytes as they are, chunked or with a Content-Length.`,
    );
  }
  const length = headers['content-length'];
  if (length === undefined) {
    throw refusal(
      411,
      'The request announces no body. Send a Content-Length (0 for the empty object) or a chunked body.',
    );
  }
  const size = Number(length);
  if (Number.isSafeInteger(size)) return size;
  throw refusal(413, `Content-Length: ${length} is more than an object can have.`);
}

/** Refuses bodies that are not the bytes themselves: storing them as they come would store something else than was meant. */
export function requireIdentity(headers: IncomingHttpHeaders): void {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      415,
      `Content-Encoding: ${coding} is not undone here. Send the bytes that are to be stored, without Content-Encoding.`,
      {},
      { 'Accept-Encoding': 'identity' },
    );
  }
  if (headers['content-type']?.toLowerCase().startsWith('multipart/form-data')) {
    throw refusal(
      415,
      'A form is not an object. Send the bytes alone as the body, for example with curl --upload-file.',
    );
  }
}

function refusal(status: number, message: string): Refusal {
  return new Refusal('AS_ERR_HTTP_REQUEST', status, message);
}
