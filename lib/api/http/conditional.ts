/**
 * Conditional requests (RFC 9110, section 13): entity tags, dates, and the order in which they count.
 *
 * Pure. Called by `download.ts`, `upload.ts` and `objects.ts`. An object never changes under its digest, so its content address is a strong
 * entity tag.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectRecord } from '../../registry/registry.js';

/** What a request's conditions are compared with. */
export interface Validators {
  /** Strong entity tag, with its quotes. */
  etag: string;
  /** Milliseconds since 1970 UTC, a whole second. */
  lastModified: number;
}

/** `failed`: answer 412. `not-modified`: answer 304. */
export type Verdict = 'proceed' | 'failed' | 'not-modified';

const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/;

export function validatorsOf({ blake3, ingestedAt }: ObjectRecord): Validators {
  return { etag: `"${blake3}"`, lastModified: ingestedAt - (ingestedAt % 1000) };
}

/**
 * Whether the request's preconditions hold; section 13.2.2 gives the order.
 *
 * @param current what the target has now; undefined when there is nothing to read
 */
export function checkPreconditions(
  method: string,
  headers: IncomingHttpHeaders,
  current: Validators | undefined,
): Verdict {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, current, 'strong')) return 'failed';
  } else {
    const date = parseHttpDate(headers['if-unmodified-since']);
    if (date !== undefined && current !== undefined && current.lastModified > date) return 'failed';
  }
  const reads = method === 'GET' || method === 'HEAD';
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) {
    if (matches(ifNoneMatch, current, 'weak')) return reads ? 'not-modified' : 'failed';
  } else if (reads) {
    const date = parseHttpDate(headers['if-modified-since']);
    if (date !== undefined && current !== undefined && current.lastModified <= date) return 'not-modified';
  }
  return 'proceed';
}

/** Whether If-Range, when there is one, lets a Range header count. */
export function rangeCounts(headers: IncomingHttpHeaders, current: Validators): boolean {
  const ifRange = headers['if-range'];
  if (ifRange === undefined) return true;
  const text = String(ifRange).trim();
  return text.includes('"') ? text === current.etag : parseHttpDate(text) === current.lastModified;
}

function matches(field: string, current: Validators | undefined, comparison: 'strong' | 'weak'): boolean {
  if (current === undefined) return false;
  if (field.trim() === '*') return true;
  for (const [, weak, tag] of field.matchAll(ENTITY_TAG)) {
    if (tag === current.etag && (weak === undefined || comparison === 'weak')) return true;
  }
  return false;
}

/** Any of the three formats of section 5.6.7, as milliseconds; undefined when absent or malformed, and then the field does not count. */
function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const complete = ASCTIME_DATE.test(text) ? `${text} GMT` : text;
  if (!complete.endsWith(' GMT')) return undefined;
  const date = Date.parse(complete);
  return Number.isNaN(date) ? undefined : date;
}
