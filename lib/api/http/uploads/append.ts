/**
 * One request's bytes on their way into an upload: what is known to be wrong is refused before the first byte is asked for, and what comes is kept.
 *
 * Imports the exchange, the dialects' types, errors, and the check of parts. Called by `handlers.ts`.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { ByteSource } from '../../../dataplane/spi.js';
import { isStoreError } from '../../../errors.js';
import { type PutSource, toByteSource } from '../../../store/source.js';
import type { Upload } from '../../../store/uploads.js';
import { announcedSize } from '../body-rules.js';
import type { Answer, Exchange } from '../exchange.js';
import { Refusal } from '../refusal.js';
import { checked } from './checked.js';
import type { Append, Dialect } from './dialect.js';
import { hasBody } from './fields.js';
import { withInterimProgress } from './progress.js';
import { completed, progressed } from './result.js';

export interface Step {
  exchange: Exchange;
  dialect: Dialect;
  /** Open. */
  upload: Upload;
  part: Append;
  /** Opened by this request. */
  isNew: boolean;
  /** Another request for the upload has come. */
  signal: AbortSignal;
}

const PROBLEM = 'https://iana.org/assignments/http-problem-types#';

/** Appends the body, completes the upload if it is whole, and says where it stands. */
export async function takeIn(step: Step): Promise<Answer> {
  const { exchange, dialect, upload, part, isNew } = step;
  const { store, headers, actor } = exchange;
  if (part.offset !== upload.offset) throw wrongOffset(upload.offset, part.offset);
  const size = bodySize(headers);
  requireAgreement(step, size);
  if (part.length !== undefined && upload.size === undefined) {
    await store.uploads.announce(upload.id, part.length, { actor });
  }
  const length = upload.size ?? part.length;
  const known: Upload = { ...upload, ...(length !== undefined && { size: length }) };
  const interim = dialect.interim?.(known, headers);
  if (interim) exchange.inform(104, 'Upload Resumption Supported', interim);
  const isNothing = size === 0 && !part.check;
  const take = () => append(step, length, size);
  const offset = isNothing ? upload.offset : await withInterimProgress(step, known, take);
  if (part.ends === 'body' || (part.ends === 'length' && offset === length)) return completed(step, known);
  return progressed(dialect, { ...known, offset }, isNew);
}

/** Bytes that a request brings; undefined for a chunked body. One without framing brings none. */
export function bodySize(headers: IncomingHttpHeaders): number | undefined {
  return hasBody(headers) ? announcedSize(headers) : 0;
}

/** Refuses lengths that contradict each other, and bytes beyond them. */
function requireAgreement({ dialect, upload, part }: Step, size: number | undefined): void {
  const length = upload.size ?? part.length;
  if (part.length !== undefined && part.length !== length) throw inconsistent(400, length, part.length);
  if (length === undefined || size === undefined) return;
  const end = part.offset + size;
  if (end > length) throw inconsistent(dialect.excess, length, end);
  if (part.ends === 'body' && end !== length) throw inconsistent(400, length, end);
}

async function append(step: Step, length: number | undefined, size: number | undefined): Promise<number> {
  const { exchange, dialect, upload, part, isNew, signal } = step;
  const { id, offset } = upload;
  const take = (source: PutSource) => exchange.store.uploads.append(id, source, { offset, signal });
  const room = (length ?? Number.POSITIVE_INFINITY) - offset;
  const body = size === undefined ? upTo(exchange.body, room, () => excess(dialect, length)) : exchange.body;
  // The digest of a body that is the whole object is checked as that of the object, without holding it in memory.
  const check = isNew && part.ends === 'body' ? undefined : part.check;
  try {
    return await (check ? checked(exchange.uploads, toByteSource(body, { signal }), size, check, take) : take(body));
  } catch (error) {
    throw told(error, id, signal);
  }
}

/** The source, until it gives more bytes than there is room for. */
async function* upTo(source: ByteSource, room: number, refuse: () => Refusal): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const chunk of source) {
    taken += chunk.byteLength;
    if (taken > room) throw refuse();
    yield chunk;
  }
}

/** The error as the client of an upload should read it: what came before it is kept. */
function told(error: unknown, id: string, signal: AbortSignal): unknown {
  if (error instanceof Refusal || !isStoreError(error)) return error;
  switch (error.code) {
    case 'AS_ERR_ABORTED':
      if (!signal.aborted) return error;
      if (signal.reason instanceof Refusal) return signal.reason;
      return new Refusal('AS_ERR_CONFLICT', 409, `Another request for upload ${id} came and ended this one.`, { id });
    case 'AS_ERR_HTTP_TIMEOUT': {
      const message = `Upload ${id} heard nothing for too long. It has what came before: ask for its offset and go on.`;
      return new Refusal('AS_ERR_HTTP_TIMEOUT', 408, message, { id });
    }
    case 'AS_ERR_LIMIT':
      return new Refusal('AS_ERR_LIMIT', 503, error.message, error.details, { 'Retry-After': '1' });
    case 'AS_ERR_OFFSET':
      return wrongOffset(Number(error.details.expected));
    default:
      return error;
  }
}

function wrongOffset(expected: number, provided?: number): Refusal {
  return new Refusal(
    'AS_ERR_OFFSET',
    409,
    `The upload stands at ${expected}${provided === undefined ? '' : `, not at ${provided}`}. Go on from there.`,
    { expected, 'expected-offset': expected, ...(provided !== undefined && { 'provided-offset': provided }) },
    { 'Upload-Offset': expected },
    `${PROBLEM}mismatching-upload-offset`,
  );
}

function inconsistent(status: number, expected: number | undefined, given: number): Refusal {
  return new Refusal(
    'AS_ERR_SIZE_MISMATCH',
    status,
    `The object was announced with ${expected} bytes; with this request it would have ${given}.`,
    { expected, given },
    {},
    `${PROBLEM}inconsistent-upload-length`,
  );
}

function excess(dialect: Dialect, length: number | undefined): Refusal {
  return new Refusal(
    'AS_ERR_SIZE_MISMATCH',
    dialect.excess,
    `More bytes came than the ${length} that were announced; none beyond them was taken in.`,
    { expected: length },
    {},
    `${PROBLEM}inconsistent-upload-length`,
  );
}

/** A request that would go on with an upload that is whole already. */
export function alreadyComplete(id: string, dialect: Dialect): Refusal {
  return new Refusal(
    'AS_ERR_CONFLICT',
    dialect.name === 'tus' ? 409 : 400,
    `Upload ${id} is complete; nothing can be appended. Begin another.`,
    { id },
    {},
    `${PROBLEM}completed-upload`,
  );
}
