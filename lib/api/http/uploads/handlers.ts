/**
 * `/v1/uploads`: objects that come over several requests, in whichever dialect a client speaks.
 *
 * Imports the exchange, the dialects, the rules for bodies and the desk's type. Called by the router, and by `upload.ts` for objects that are
 * begun as resumable. One upload has one durable offset; a dialect only says things its own way.
 */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Principal } from '../../../access/principal.js';
import type { Digest } from '../../../dataplane/spi.js';
import { isStoreError } from '../../../errors.js';
import { UPLOAD_LIFETIME_MS } from '../../../limits.js';
import type { Upload } from '../../../store/uploads.js';
import { preferredType } from '../accept.js';
import { namespaceForbidden } from '../access/challenge.js';
import { requireIdentity } from '../body-rules.js';
import { expectedDigests, formatArtifactstoreDigest } from '../digest-fields.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { Refusal } from '../refusal.js';
import { alreadyComplete, bodySize, takeIn } from './append.js';
import { type Append, type Creation, type Dialect, uploadLimit } from './dialect.js';
import { ietf, PARTIAL_UPLOAD } from './ietf.js';
import { plain } from './plain.js';
import { SSE_TYPE, streamProgress } from './progress.js';
import { finalAnswerAgain } from './result.js';
import { requireTusVersion, TUS_ABILITIES, tus } from './tus.js';

/** POST /v1/uploads: opens an upload, perhaps with its first bytes. */
export async function createUpload(exchange: Exchange): Promise<Answer> {
  return begin(exchange);
}

/** An object that is begun as resumable under its own address or among all: it becomes an upload. */
export async function begin(exchange: Exchange, target?: Digest): Promise<Answer> {
  const { headers, uploads } = exchange;
  requireIdentity(headers);
  const dialect = dialectOf(headers);
  const creation = dialect.creation(headers);
  const upload = await open(exchange, creation, { ...(target && { target }) });
  const part = { ...creation, offset: 0 };
  return uploads.takeOver(upload.id, (signal) => takeIn({ exchange, dialect, upload, part, isNew: true, signal }));
}

/** PATCH or PUT /v1/uploads/<id>: goes on at the offset. A PUT from the first byte on opens the upload if there is none. */
export async function appendToUpload(exchange: Exchange, method = exchange.method): Promise<Answer> {
  const { headers, uploads } = exchange;
  requireIdentity(headers);
  const dialect = dialectOf(headers);
  const part = dialect.append(method, headers);
  const id = await idOf(exchange);
  return uploads.takeOver(id, async (signal) => {
    const mayOpen = method === 'PUT' && part.offset === 0 && dialect !== tus;
    const found = await findOpen(exchange, id, mayOpen);
    const upload = found ?? (await open(exchange, part, { id }));
    if (upload.state === 'completed') return repeat(exchange, dialect, upload, part);
    return takeIn({ exchange, dialect, upload, part, isNew: found === undefined, signal });
  });
}

/** HEAD /v1/uploads/<id>: where it stands. A request that is at it is ended first, so that what is answered stays true. */
export async function locateUpload(exchange: Exchange): Promise<Answer> {
  const dialect = dialectOf(exchange.headers);
  const id = await idOf(exchange);
  const upload = await exchange.uploads.takeOver(id, () => findOpen(exchange, id));
  return { status: 200, headers: { ...fieldsOf(upload), ...dialect.standing(upload) } };
}

/** GET /v1/uploads/<id>: what is known about it, without disturbing whoever is at it; or how it goes, as it does. */
export async function describeUpload(exchange: Exchange): Promise<Answer> {
  const id = await idOf(exchange);
  if (preferredType(exchange.headers.accept, ['application/json', SSE_TYPE]) === SSE_TYPE) {
    return streamProgress(exchange, id);
  }
  const upload = await findOpen(exchange, id).catch(async (error) => {
    if (!isStoreError(error, 'AS_ERR_NOT_FOUND')) throw error;
    await exchange.uploads.settled(id); // between its last byte and its last event it cannot be found
    return findOpen(exchange, id);
  });
  const { state, offset, size, digests, expires, metadata, namespace } = upload;
  const shown = { id, state, offset, length: size, ...digests, expires, metadata, namespace };
  return json(200, shown, { ...fieldsOf(upload), ...plain.standing(upload), Vary: 'Accept' });
}

/** DELETE /v1/uploads/<id>: gives it up and frees its space. */
export async function abortUpload(exchange: Exchange): Promise<Answer> {
  const { store, actor, uploads, headers } = exchange;
  dialectOf(headers);
  const id = await idOf(exchange);
  return uploads.takeOver(id, async () => {
    const { state, digests } = await findOpen(exchange, id);
    if (state === 'completed') {
      const message = `Upload ${id} has been completed as ${digests?.blake3}. To delete the object, delete that.`;
      throw new Refusal('AS_ERR_CONFLICT', 409, message, { id });
    }
    await store.uploads.abort(id, { actor });
    uploads.noteEnd();
    return { status: 204, headers: {} };
  });
}

/** OPTIONS: what every dialect may use. */
export async function uploadAbilities(): Promise<Answer> {
  const headers = {
    ...TUS_ABILITIES,
    'Upload-Limit': uploadLimit(UPLOAD_LIFETIME_MS),
    'Accept-Patch': `${PARTIAL_UPLOAD}, application/offset+octet-stream`,
  };
  return { status: 204, headers };
}

/** POST with `X-HTTP-Method-Override`, which tus has for clients whose network knows GET and POST alone. */
export async function overrideMethod(exchange: Exchange): Promise<Answer> {
  const method = exchange.headers['x-http-method-override'];
  const handlers = { PATCH: appendToUpload, DELETE: abortUpload, HEAD: locateUpload };
  if (method === 'PATCH' || method === 'DELETE' || method === 'HEAD') return handlers[method](exchange, method);
  throw new Refusal(
    'AS_ERR_HTTP_METHOD',
    405,
    'POST goes on with an upload only under X-HTTP-Method-Override. Use PATCH or PUT.',
    { method: 'POST' },
    { Allow: 'GET, HEAD, PATCH, PUT, DELETE, OPTIONS' },
  );
}

function dialectOf(headers: IncomingHttpHeaders): Dialect {
  if (headers['tus-resumable'] !== undefined) {
    requireTusVersion(headers);
    return tus;
  }
  const isIetf =
    headers['upload-complete'] !== undefined ||
    headers['upload-draft-interop-version'] !== undefined ||
    headers['content-type'] === PARTIAL_UPLOAD;
  return isIetf ? ietf : plain;
}

/**
 * The id of the upload that a request is about. One that somebody else opened is not there for who asks: it cannot be read, ended or gone on with by
 * guessing its name. Where nobody proves who they are, knowing the name is enough, and who administers the service may end any.
 *
 * @throws AS_ERR_NOT_FOUND
 */
async function idOf({ params, principal, store }: Exchange): Promise<string> {
  const id = params[0] ?? '';
  if (principal.isAnonymous || principal.scopes.includes('admin')) return id;
  const opener = await store.uploads.openedBy(id);
  if (opener === undefined || opener === principal.actor) return id;
  throw new Refusal('AS_ERR_NOT_FOUND', 404, `There is no upload ${id} of ${principal.actor}. Open another.`, { id });
}

/** Opens an upload with what its request says of the object. */
async function open(
  { store, headers, actor, uploads, query, principal }: Exchange,
  { ends, length, metadata }: Creation,
  { id, target }: { id?: string; target?: Digest },
): Promise<Upload> {
  const size = length ?? (ends === 'body' ? bodySize(headers) : undefined);
  const expires = Date.now() + UPLOAD_LIFETIME_MS;
  // A part's own digest says nothing about the object.
  const { 'content-digest': content, ...others } = headers;
  const expect = expectedDigests(ends === 'body' ? headers : others, target);
  const namespace = namespaceOf(query.namespace, principal);
  const told = {
    expires,
    ...(size !== undefined && { size }),
    ...(metadata !== undefined && { metadata }),
    ...(namespace !== undefined && { namespace }),
  };
  uploads.noteOpening();
  try {
    const opened = await store.uploads.open({ ...told, ...(id !== undefined && { id }), expect, actor });
    return { id: opened, state: 'open', offset: 0, ...told };
  } catch (error) {
    uploads.noteEnd();
    throw error;
  }
}

/** The namespace that an upload is for. Throws AS_ERR_FORBIDDEN (403): who asks is for others. */
function namespaceOf(asked: unknown, { actor, namespaces }: Principal): string | undefined {
  if (asked === undefined) return undefined;
  const namespace = String(asked);
  if (namespaces === undefined || namespaces.includes(namespace)) return namespace;
  throw namespaceForbidden(actor, namespaces, namespace);
}

/**
 * An upload that is open or has been completed.
 *
 * @throws AS_ERR_NOT_FOUND; AS_ERR_GONE (410): it ended without an object
 */
async function findOpen(exchange: Exchange, id: string): Promise<Upload>;
async function findOpen(exchange: Exchange, id: string, mayLack: boolean): Promise<Upload | undefined>;
async function findOpen({ store, uploads }: Exchange, id: string, mayLack = false): Promise<Upload | undefined> {
  let upload: Upload;
  try {
    upload = await store.uploads.find(id);
  } catch (error) {
    if (mayLack && isStoreError(error, 'AS_ERR_NOT_FOUND')) return undefined;
    throw error;
  }
  const isLate = upload.state === 'open' && (upload.expires ?? Number.POSITIVE_INFINITY) <= Date.now();
  if (isLate) await uploads.sweep();
  if (upload.state === 'aborted' || upload.state === 'expired' || isLate) {
    const how = upload.state === 'aborted' ? 'was given up' : 'was not finished in time';
    throw new Refusal('AS_ERR_GONE', 410, `Upload ${id} ${how}; what it had is gone. Begin another.`, { id });
  }
  return upload;
}

/** The final answer again, for a request that would have brought the last bytes of an upload that has them. */
function repeat(exchange: Exchange, dialect: Dialect, upload: Upload, { offset }: Append): Promise<Answer> {
  const size = bodySize(exchange.headers);
  const end = size === undefined ? upload.offset : offset + size;
  if (offset > upload.offset || end !== upload.offset) throw alreadyComplete(upload.id, dialect);
  return finalAnswerAgain(exchange, dialect, upload);
}

/** Fields that every dialect's answer about an upload has: the digests of what is there, and for one that is completed the object. */
function fieldsOf({ state, digests }: Upload): OutgoingHttpHeaders {
  if (digests === undefined) return { 'Cache-Control': 'no-store' };
  const text = formatArtifactstoreDigest(digests);
  if (state !== 'completed') return { 'Cache-Control': 'no-store', 'Artifactstore-Prefix-Digest': text };
  return {
    'Cache-Control': 'no-store',
    'Artifactstore-Digest': text,
    'Content-Location': `/v1/objects/${digests.blake3}`,
  };
}
