/**
 * `/v1/packages`: versions and refs, manifests, and files by their path.
 *
 * Imports the exchange, manifests, names of packages and the reading of objects. Called by the router.
 */

import { toJson } from '../../../cbor/index.js';
import { formatBlake3, formatSha256, parseDigest } from '../../../digest-name.js';
import { isStoreError } from '../../../errors.js';
import type { StoredEvent } from '../../../events/log.js';
import { MANIFEST_BODY_SIZE_MAX } from '../../../limits.js';
import type { FileEntry, ManifestEntry } from '../../../packages/manifest.js';
import {
  type PackageName,
  type PackageRef,
  parsePackage,
  parsePackageName,
  requireNamespace,
} from '../../../packages/name.js';
import { showPackagePath } from '../../../packages/path.js';
import type { PackageQuery, PackageRecord, RefRecord } from '../../../registry/packages.js';
import { requireFile } from '../../../store/package-errors.js';
import type { PushOptions, PushResult } from '../../../store/packages.js';
import { noSuchRef } from '../../../store/publish.js';
import { prefersCbor } from '../accept.js';
import { requireIdentity } from '../body-rules.js';
import { readObject } from '../download.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { Refusal } from '../refusal.js';
import { record, text } from '../schemas.js';
import { CBOR_TYPE, collectBody, structuredBody } from '../structured-body.js';
import { ARCHIVE_TYPES, archiveCoding, publishArchive } from './archive.js';

/** GET /v1/packages, and of one namespace or package: a page of versions. */
export async function listVersions(exchange: Exchange): Promise<Answer> {
  const { store, query, params } = exchange;
  const [namespace, name] = params;
  const { containing, ...page } = query;
  if (containing !== undefined) return listContaining(exchange, String(containing));
  const asked: PackageQuery = { ...page, ...namedBy(namespace, name) };
  const { packages, cursor } = await store.packages.list(asked);
  return json(200, { packages, ...(cursor !== undefined && { next: cursor }) });
}

/** The versions that have an object, on one page: every manifest has to be read for them. */
async function listContaining({ store, params: [namespace, name] }: Exchange, digest: string): Promise<Answer> {
  const { blake3 } = await store.stat(digest);
  const packages: PackageRecord[] = [];
  for await (const version of store.packages.containing(blake3)) {
    const isAsked = (namespace ?? version.namespace) === version.namespace && (name ?? version.name) === version.name;
    if (isAsked) packages.push(version);
  }
  return json(200, { packages });
}

/** GET /v1/packages/<namespace>/<name>/versions/<version>: its record. */
export async function describeVersion(exchange: Exchange): Promise<Answer> {
  return json(200, await exchange.store.packages.get(versionName(exchange)));
}

/** PUT the same: publishes the manifest in the body, whose files are all here, or the archive, which has them; and moves refs to it in the same step. */
export async function publishVersion(exchange: Exchange): Promise<Answer> {
  const coding = archiveCoding(exchange.headers);
  const name = versionName(exchange);
  const options = { actor: exchange.actor, ...refsOf(exchange) };
  const { events, ...result } = await conditionally(exchange, () =>
    coding === undefined ? publishManifest(exchange, name, options) : publishArchive(exchange, name, coding, options),
  );
  const location = `/v1/packages/${result.namespace}/${result.name}/versions/${encodeURIComponent(result.version)}`;
  return json(
    result.published ? 201 : 200,
    { ...result, events: events.map(({ seq, id, time, kind }) => ({ seq, id, time, kind })) },
    { Location: location },
  );
}

/** Which refs a publication moves, and what must hold of them. */
function refsOf(exchange: Exchange): Pick<PushOptions, 'refs' | 'immutable' | 'ifRef' | 'class'> {
  const { refs, immutable, class: name } = exchange.query;
  return {
    ...(name !== undefined && { class: String(name) }),
    ...(refs !== undefined && { refs: String(refs).split(',') }),
    ...(immutable === true && { immutable }),
    ...expected(exchange),
  };
}

async function publishManifest(exchange: Exchange, name: string, options: PushOptions): Promise<PushResult> {
  const { store, headers } = exchange;
  if (headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== CBOR_TYPE) {
    throw new Refusal(
      'AS_ERR_HTTP_REQUEST',
      415,
      `A version is published from its manifest, ${CBOR_TYPE}, or from a tar archive: ${Object.keys(ARCHIVE_TYPES).join(', ')}.`,
      {},
      { Accept: [CBOR_TYPE, ...Object.keys(ARCHIVE_TYPES)].join(', ') },
    );
  }
  requireIdentity(headers);
  const bytes = await collectBody(exchange, MANIFEST_BODY_SIZE_MAX);
  return store.packages.publish(bytes, name, options);
}

/** GET …/manifest: the manifest, byte for byte in CBOR, or as JSON. */
export async function readManifest(exchange: Exchange): Promise<Answer> {
  const { store, headers } = exchange;
  const { manifest } = await store.packages.get(versionName(exchange));
  if (prefersCbor(headers.accept)) {
    const answer = await readObject(exchange, manifest);
    return { ...answer, headers: { ...answer.headers, Vary: 'Accept', 'Content-Type': CBOR_TYPE } };
  }
  const { entries, annotations } = await store.packages.open(manifest);
  const shown = { manifest, entries: entries.map(entryJson), ...(annotations && { annotations: toJson(annotations) }) };
  return json(200, shown, { Vary: 'Accept' });
}

/** GET …/versions/<version>/files/<path>, or …/file for the one that there is: one file, whole or in ranges. */
export async function readVersionFile(exchange: Exchange): Promise<Answer> {
  return readFile(exchange, versionName(exchange));
}

/** GET …/refs/<ref>/files/<path> and …/file: the same of the version that the ref points at now. */
export async function readRefFile(exchange: Exchange): Promise<Answer> {
  const answer = await readFile(exchange, refName(exchange));
  return { ...answer, headers: { ...answer.headers, 'Cache-Control': 'no-cache' } };
}

/** Without a path, the file of a package that is one file. */
async function readFile(exchange: Exchange, name: string): Promise<Answer> {
  const entry = requireFile(name, await exchange.store.packages.open(name), exchange.params[3]);
  const address = formatBlake3(entry.blake3);
  const answer = await readObject(exchange, address);
  const { headers } = answer;
  const isPart = String(headers['Content-Type']).startsWith('multipart/');
  return {
    ...answer,
    headers: {
      ...headers,
      ...(!isPart && entry.mediaType !== undefined && { 'Content-Type': entry.mediaType }),
      'Content-Location': `/v1/objects/${address}`,
    },
  };
}

/** GET /v1/packages/<namespace>/<name>/refs: a page of refs. */
export async function listRefs({ store, query, params: [namespace, name] }: Exchange): Promise<Answer> {
  const { refs, cursor } = await store.packages.refs({ ...query, ...namedBy(namespace, name) });
  return json(200, { refs, ...(cursor !== undefined && { next: cursor }) });
}

/** GET …/refs/<ref>: where it points; that is its entity tag. */
export async function describeRef(exchange: Exchange): Promise<Answer> {
  const ref = await exchange.store.packages.ref(refName(exchange));
  if (ref === undefined) throw noSuchRef(parsePackage(refName(exchange)) as PackageRef);
  const tag = tagOf(ref);
  const isKnown = exchange.headers['if-none-match'] === tag;
  if (isKnown) return { status: 304, headers: { ETag: tag } };
  return json(200, ref, { ETag: tag });
}

/** DELETE …/versions/<version>: withdraws it. */
export async function withdrawVersion(exchange: Exchange): Promise<Answer> {
  const { store, actor, query } = exchange;
  const [reason, plan] = [textOf(query.reason), textOf(query.plan)];
  const options = { actor, force: query.force !== undefined, ...(reason && { reason }), ...(plan && { plan }) };
  const { record: found, removed, events } = await store.packages.withdraw(versionName(exchange), options);
  return json(200, { record: found, removed, events: events.map(placeOf) });
}

/** POST …/versions/<version>/undeletion: brings a withdrawn one back. */
export async function restoreVersion(exchange: Exchange): Promise<Answer> {
  const { store, actor, query } = exchange;
  const reason = textOf(query.reason);
  const options = { actor, ...(reason && { reason }) };
  const { record: found, undeleted, events } = await store.packages.undelete(versionName(exchange), options);
  return json(200, { record: found, undeleted, events: events.map(placeOf) });
}

const textOf = (value: unknown) => (value === undefined ? undefined : String(value).normalize('NFC'));

const placeOf = ({ seq, id, time, kind }: StoredEvent) => ({ seq, id, time, kind });

/** What moving a ref takes. */
export const MOVE_BODY = record(
  {
    version: text('The version, or ref, of the same package to point at.'),
    object: text('In place of a version: the digest of an object, which becomes a package of one file.'),
    immutable: { type: 'boolean', description: 'It cannot move or be removed from then on.' },
  },
  ['version', 'object', 'immutable'],
);

/** PUT …/refs/<ref>: makes or moves it. If-Match and If-None-Match: * say what must hold until now. */
export async function moveRef(exchange: Exchange): Promise<Answer> {
  const { store, actor, params } = exchange;
  const body = (await structuredBody(exchange, MOVE_BODY, REF_BODY_SIZE_MAX)) as {
    version?: string;
    object?: string;
    immutable?: boolean;
  };
  const name = refName(exchange);
  const target = requireTarget(body, `${params[0]}/${params[1]}`);
  const existed = (await store.packages.ref(name)) !== undefined;
  const options = { actor, ...expected(exchange), ...(body.immutable && { immutable: true }) };
  const ref = await conditionally(exchange, () => store.packages.moveRef(name, target, options));
  return json(existed ? 200 : 201, ref, { ETag: tagOf(ref) });
}

/** What a ref is to point at, as the store takes it. Throws AS_ERR_HTTP_REQUEST: not one of the two. */
function requireTarget({ version, object }: { version?: string; object?: string }, name: string): string {
  if (version !== undefined && object === undefined) return `${name}@${version}`;
  if (version === undefined && object !== undefined) return parseDigest(object);
  throw new Refusal('AS_ERR_HTTP_REQUEST', 400, 'A ref points at one thing: give either "version" or "object".');
}

/** DELETE …/refs/<ref>: removes it; versions stay. */
export async function removeRef(exchange: Exchange): Promise<Answer> {
  const { store, actor, query } = exchange;
  const reason = query.reason === undefined ? undefined : String(query.reason).normalize('NFC');
  const options = { actor, ...expected(exchange), ...(reason && { reason }) };
  return json(200, await conditionally(exchange, () => store.packages.removeRef(refName(exchange), options)));
}

/** A ref and a version have at most some hundred characters. */
const REF_BODY_SIZE_MAX = 4096;

const TAG = /^"(blake3:[0-9a-f]{64})"$/;

/** Where a ref must point for the request to hold. Throws AS_ERR_HTTP_REQUEST: not one tag, or both fields. */
function expected({ headers }: Exchange): { ifRef?: string | null } {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match === undefined && noneMatch === undefined) return {};
  if (noneMatch === '*' && match === undefined) return { ifRef: null };
  const tag = noneMatch === undefined ? TAG.exec(match?.trim() ?? '')?.[1] : undefined;
  if (tag !== undefined) return { ifRef: tag };
  const message = 'A ref takes If-Match with its one entity tag, or If-None-Match: *. Get the ref to see its tag.';
  throw new Refusal('AS_ERR_HTTP_REQUEST', 400, message);
}

/** A ref that is not where the request wanted it is a failed precondition; any other conflict stays one. */
async function conditionally<T>(exchange: Exchange, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    const isAboutRef = isStoreError(error, 'AS_ERR_CONFLICT') && error.details.expected !== undefined;
    if (!isAboutRef || expected(exchange).ifRef === undefined) throw error;
    throw new Refusal('AS_ERR_HTTP_PRECONDITION', 412, error.message, error.details);
  }
}

function tagOf({ target }: RefRecord): string {
  return `"${target}"`;
}

/** Of which namespace or package. Throws AS_ERR_INVALID_ARGUMENT: none can have that name. */
function namedBy(namespace: string | undefined, name: string | undefined): Partial<PackageName> {
  if (namespace === undefined) return {};
  return name === undefined ? { namespace: requireNamespace(namespace) } : parsePackageName(`${namespace}/${name}`);
}

function versionName({ params: [namespace, name, version] }: Exchange): string {
  return `${namespace}/${name}@${version}`;
}

function refName({ params: [namespace, name, ref] }: Exchange): string {
  return `${namespace}/${name}:${ref}`;
}

/** An entry with digests as text. Paths that are not UTF-8 are shown with what stands for their bytes; CBOR has them as they are. */
function entryJson(entry: ManifestEntry) {
  const place = { kind: entry.kind, path: showPackagePath(entry.path) };
  if (entry.kind === 'directory') return place;
  if (entry.kind === 'symlink') return { ...place, target: showPackagePath(entry.target) };
  const { size, blake3, sha256, mediaType, executable } = entry satisfies FileEntry;
  const digests = { blake3: formatBlake3(blake3), sha256: formatSha256(sha256) };
  return {
    ...place,
    size,
    ...digests,
    ...(mediaType !== undefined && { mediaType }),
    ...(executable && { executable }),
  };
}
