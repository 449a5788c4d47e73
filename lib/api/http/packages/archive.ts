/**
 * Whole packages in one request: a tar archive published, and a package given as one.
 *
 * Imports the exchange, the readers and writers of archives, and the rules for bodies. Called by the router, and by `handlers.ts` for what is published as an
 * archive.
 */

import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { digestBytes } from '../../../digest-name.js';
import { parsePackage } from '../../../packages/name.js';
import type { PushOptions, PushResult } from '../../../store/packages.js';
import { acceptsCoding } from '../accept.js';
import { announcedSize } from '../body-rules.js';
import { checkPreconditions } from '../conditional.js';
import { parseDigestField } from '../digest-fields.js';
import type { Answer, Exchange } from '../exchange.js';
import { Refusal } from '../refusal.js';
import { type Coding, inflate } from './inflate.js';
import { readTar } from './tar-read.js';
import { tarSize, writeTar } from './tar-write.js';

export const TAR_TYPE = 'application/x-tar';

/** What tar archives are sent as, and how they are compressed then. */
export const ARCHIVE_TYPES: Readonly<Record<string, Coding | 'none'>> = {
  [TAR_TYPE]: 'none',
  'application/tar': 'none',
  'application/x-gtar': 'none',
  'application/gzip': 'gzip',
  'application/x-gzip': 'gzip',
  'application/x-tar+gzip': 'gzip',
  'application/x-compressed-tar': 'gzip',
  'application/x-tgz': 'gzip',
  'application/zstd': 'zstd',
  'application/x-zstd': 'zstd',
  'application/x-tar+zstd': 'zstd',
  'application/x-zstd-compressed-tar': 'zstd',
};

const CONTENT_CODINGS: Readonly<Record<string, Coding | 'none'>> = {
  identity: 'none',
  gzip: 'gzip',
  'x-gzip': 'gzip',
  zstd: 'zstd',
};

/** How the archive in a body is compressed; undefined: it is no archive. */
export function archiveCoding(headers: IncomingHttpHeaders): Coding | 'none' | undefined {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  return Object.hasOwn(ARCHIVE_TYPES, type) ? ARCHIVE_TYPES[type] : undefined;
}

/**
 * Publishes the archive in the body.
 *
 * @throws AS_ERR_ARCHIVE (422), AS_ERR_LIMIT (413), AS_ERR_QUOTA (507), AS_ERR_DIGEST_MISMATCH (400), AS_ERR_CONFLICT (409)
 */
export async function publishArchive(
  exchange: Exchange,
  name: string,
  coding: Coding | 'none',
  options: PushOptions,
): Promise<PushResult> {
  const { headers, body, store } = exchange;
  announcedSize(headers);
  let bytes = checked(body, headers);
  for (const one of [contentCoding(headers), coding]) if (one !== 'none') bytes = inflate(bytes, one);
  return store.packages.pushEntries(readTar(bytes), name, options);
}

function contentCoding(headers: IncomingHttpHeaders): Coding | 'none' {
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (Object.hasOwn(CONTENT_CODINGS, coding)) return CONTENT_CODINGS[coding] as Coding | 'none';
  throw new Refusal(
    'AS_ERR_HTTP_REQUEST',
    415,
    `Content-Encoding: ${coding} is not undone here. Send the archive as it is, or in one of gzip and zstd.`,
    {},
    { 'Accept-Encoding': 'gzip, zstd, identity' },
  );
}

/** The body, which must have the digest that its fields announce. Both are digests of what is sent, codings included (RFC 9530, sections 2 and 3). */
function checked(body: AsyncIterable<Uint8Array>, headers: IncomingHttpHeaders): AsyncIterable<Uint8Array> {
  const fields = [
    ['Content-Digest', headers['content-digest']],
    ['Repr-Digest', headers['repr-digest']],
  ] as const;
  const expected = fields.flatMap(([name, field]) => {
    const digest = field === undefined ? undefined : parseDigestField(name, String(field));
    return digest === undefined ? [] : [digest];
  });
  return expected.length === 0 ? body : hashed(body, expected);
}

async function* hashed(
  body: AsyncIterable<Uint8Array>,
  expected: readonly `sha256:${string}`[],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
  const digest = hash.digest();
  const other = expected.find((one) => !digest.equals(digestBytes(one)));
  if (other === undefined) return;
  const message = `The body is sha256:${digest.toString('hex')}, not ${other} as its header says. Nothing was stored; send it again.`;
  throw new Refusal('AS_ERR_DIGEST_MISMATCH', 400, message, { expected: other });
}

/** GET …/versions/<version>/tar: the whole package. */
export async function readVersionArchive(exchange: Exchange): Promise<Answer> {
  const [namespace, name, version] = exchange.params;
  return readArchive(exchange, `${namespace}/${name}@${version}`, 'public, max-age=31536000, immutable');
}

/** GET …/refs/<ref>/tar: the same of the version that the ref points at now. */
export async function readRefArchive(exchange: Exchange): Promise<Answer> {
  const [namespace, name, ref] = exchange.params;
  return readArchive(exchange, `${namespace}/${name}:${ref}`, 'no-cache');
}

async function readArchive(
  { store, headers, method, actor }: Exchange,
  name: string,
  caching: string,
): Promise<Answer> {
  const record = await store.packages.get(name);
  const opened = await store.packages.open(record.manifest);
  const isZipped = acceptsCoding(headers['accept-encoding'], 'gzip');
  const etag = `"${record.manifest}${isZipped ? '.tar.gz' : '.tar'}"`;
  const lastModified = record.publishedAt - (record.publishedAt % 1000);
  const metadata = {
    'Content-Type': TAR_TYPE,
    'Content-Disposition': `attachment; filename="${fileName(name)}.tar"`,
    ETag: etag,
    'Last-Modified': new Date(lastModified).toUTCString(),
    'Cache-Control': caching,
    Vary: 'Accept-Encoding',
    'Accept-Ranges': 'none',
    ...(isZipped && { 'Content-Encoding': 'gzip' }),
  };
  const verdict = checkPreconditions(method, headers, { etag, lastModified });
  if (verdict === 'failed') {
    throw new Refusal('AS_ERR_HTTP_PRECONDITION', 412, `A precondition does not hold for the archive of ${name}.`);
  }
  if (verdict === 'not-modified') return { status: 304, headers: metadata };
  const whole = isZipped ? metadata : { ...metadata, 'Content-Length': tarSize(opened) };
  if (method === 'HEAD') return { status: 200, headers: whole };
  const archive = writeTar(opened, store.packages.reader(opened, { actor }));
  const rest = (isZipped ? zipped(archive) : archive)[Symbol.asyncIterator]();
  return { status: 200, headers: whole, body: { first: await rest.next(), rest } };
}

async function* zipped(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  pipeline(archive, gzip, () => undefined); // its error comes by the iteration
  yield* gzip;
}

/** A name that every file system takes. */
function fileName(name: string): string {
  const named = parsePackage(name);
  const version = 'version' in named ? named.version : named.ref;
  return `${named.name}-${version.replace(/^blake3:/, '').slice(0, 64)}`;
}
