/**
 * A small S3 server in memory, for what neither Swift nor s3rver do: it honours conditions, keeps checksums and versions, locks, and can be told to be worse than any real one.
 * It checks no signatures: Swift does.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

interface Kept {
  bytes: Buffer;
  headers: Record<string, string>;
  /** Milliseconds since 1970. */
  changed?: number;
}

/** How the server behaves. */
export interface Manners {
  /** `If-None-Match: *`: honoured, ignored, or refused. */
  condition: 'honoured' | 'ignored' | 'refused';
  /** SHA-256 checksums are compared, kept and told. */
  checksums: boolean;
  /** Objects are locked. */
  lock: boolean;
  /** Ranges: as they should be; whole objects in their place; or others, one byte on. */
  ranges: 'honoured' | 'ignored' | 'others';
  versions: boolean;
  /** What becomes of a request to delete many: done; refused; called done and not done; or done but for keys that have this in them, which it says. */
  multiDelete: 'honoured' | 'refused' | 'ignored' | RegExp;
  /** Pages of a listing: as they should be; the first again and again; or the first alone, which says that there is more. */
  pages: 'honoured' | 'repeated' | 'cut';
  /** How many bytes of an object are kept, given its size: fewer than all is what no server should do. */
  keeps: (size: number, key: string) => number;
  /** Asked first for each request: an answer instead of that of the server. */
  instead: (
    method: string,
    url: URL,
  ) => { status: number; code?: string; headers?: Record<string, string> } | undefined;
}

export async function openMemoryS3(t: Test, manners: Partial<Manners> = {}) {
  const behaves: Manners = {
    condition: 'honoured',
    checksums: true,
    lock: false,
    ranges: 'honoured',
    versions: false,
    multiDelete: 'honoured',
    pages: 'honoured',
    keeps: (size) => size,
    instead: () => undefined,
    ...manners,
  };
  const objects = new Map<string, Kept>();
  const uploads = new Map<
    string,
    { key: string; headers: Record<string, string>; parts: Map<number, Buffer>; begun: number }
  >();
  const requests: { method: string; url: URL; headers: IncomingMessage['headers'] }[] = [];
  let lastId = 0;

  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', 'http://memory');
    const method = incoming.method ?? '';
    requests.push({ method, url, headers: incoming.headers });
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const instead = behaves.instead(method, url);
    if (instead)
      return void answer(outgoing, instead.status, instead.code ? errorText(instead.code) : '', instead.headers);
    const [, bucket = '', ...rest] = decodeURIComponent(url.pathname).split('/');
    if (bucket !== 'bucket') return void answer(outgoing, 404, errorText('NoSuchBucket'));
    const { authorization, 'x-amz-content-sha256': payload, 'content-md5': md5 = md5Of(body) } = incoming.headers;
    if (authorization === undefined) return void answer(outgoing, 403, errorText('AccessDenied'));
    if (digestOf(body) !== payload) return void answer(outgoing, 400, errorText('XAmzContentSHA256Mismatch'));
    if (md5 !== md5Of(body)) return void answer(outgoing, 400, errorText('BadDigest'));
    handle(method, rest.join('/'), url.searchParams, incoming.headers, body, outgoing);
  });

  function handle(
    method: string,
    key: string,
    query: URLSearchParams,
    headers: IncomingMessage['headers'],
    body: Buffer,
    outgoing: ServerResponse,
  ): void {
    if (method === 'POST' && query.has('delete')) return void removeMany(headers, body, outgoing);
    if (key === '') return void about(query, outgoing);
    const uploadId = query.get('uploadId');
    if (method === 'POST' && query.has('uploads')) {
      const id = `upload-${++lastId}`;
      uploads.set(id, { key, headers: keptHeaders(headers), parts: new Map(), begun: Date.now() });
      return void answer(
        outgoing,
        200,
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (uploadId !== null) {
      const upload = uploads.get(uploadId);
      if (upload === undefined) return void answer(outgoing, 404, errorText('NoSuchUpload'));
      if (method === 'DELETE') {
        uploads.delete(uploadId);
        return void answer(outgoing, 204, '');
      }
      if (method === 'PUT') {
        upload.parts.set(Number(query.get('partNumber')), body);
        return void answer(outgoing, 200, '', { etag: `"${etagOf(body)}"` });
      }
      const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
      if (!parts.every((part) => body.includes(etagOf(part))))
        return void answer(outgoing, 400, errorText('InvalidPart'));
      uploads.delete(uploadId);
      const sums = Buffer.concat(parts.map((part) => createHash('sha256').update(part).digest()));
      const checksum = `${createHash('sha256').update(sums).digest('base64')}-${parts.length}`;
      keep(key, Buffer.concat(parts), {
        ...upload.headers,
        ...(behaves.checksums && { 'x-amz-checksum-sha256': checksum }),
      });
      return void answer(
        outgoing,
        200,
        `  <CompleteMultipartUploadResult><ETag>"x-${parts.length}"</ETag></CompleteMultipartUploadResult>`,
      );
    }
    const kept = objects.get(key);
    if (method === 'PUT') return void put(key, headers, body, outgoing);
    if (method === 'DELETE') {
      objects.delete(key);
      return void answer(outgoing, 204, '');
    }
    if (kept === undefined) return void answer(outgoing, 404, method === 'HEAD' ? '' : errorText('NoSuchKey'));
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    if (method === 'HEAD' || from === undefined || behaves.ranges === 'ignored')
      return void answer(outgoing, 200, kept.bytes, { ...kept.headers, 'content-length': String(kept.bytes.length) });
    const start = Number(from) + (behaves.ranges === 'others' ? 1 : 0);
    const end = to ? Math.min(Number(to) + 1, kept.bytes.length) : kept.bytes.length;
    answer(outgoing, 206, kept.bytes.subarray(start, end), {
      ...kept.headers,
      'content-range': `bytes ${start}-${end - 1}/${kept.bytes.length}`,
    });
  }

  function put(key: string, headers: IncomingMessage['headers'], body: Buffer, outgoing: ServerResponse): void {
    if (headers['if-none-match'] !== undefined && behaves.condition === 'refused')
      return void answer(outgoing, 501, errorText('NotImplemented'));
    if (headers['if-none-match'] !== undefined && behaves.condition === 'honoured' && objects.has(key))
      return void answer(outgoing, 412, errorText('PreconditionFailed'));
    const checksum = headers['x-amz-checksum-sha256'];
    const isKept = behaves.checksums && typeof checksum === 'string';
    keep(key, body, { ...keptHeaders(headers), ...(isKept && { 'x-amz-checksum-sha256': String(checksum) }) });
    answer(outgoing, 200, '', objects.get(key)?.headers);
  }

  function keep(key: string, bytes: Buffer, headers: Record<string, string>): void {
    const part = Buffer.from(bytes.subarray(0, behaves.keeps(bytes.length, key)));
    const version = behaves.versions ? { 'x-amz-version-id': `v${++lastId}` } : {};
    objects.set(key, {
      bytes: part,
      changed: Date.now(),
      headers: { ...headers, ...version, etag: `"${etagOf(bytes)}"` },
    });
  }

  function removeMany(headers: IncomingMessage['headers'], body: Buffer, outgoing: ServerResponse): void {
    if (behaves.multiDelete === 'refused') return void answer(outgoing, 501, errorText('NotImplemented'));
    if (headers['content-md5'] === undefined) return void answer(outgoing, 400, errorText('InvalidRequest'));
    const keys = [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key as string);
    const lines = keys.map((key) => {
      if (behaves.multiDelete instanceof RegExp && behaves.multiDelete.test(key))
        return `<Error><Key>${key}</Key><Code>InternalError</Code><Message>no</Message></Error>`;
      if (behaves.multiDelete !== 'ignored') objects.delete(key);
      return `<Deleted><Key>${key}</Key></Deleted>`;
    });
    answer(outgoing, 200, `<DeleteResult>${lines.join('')}</DeleteResult>`);
  }

  function about(query: URLSearchParams, outgoing: ServerResponse): void {
    const prefix = query.get('prefix') ?? '';
    if (query.has('uploads')) {
      const found = [...uploads].filter(([, { key }]) => key.startsWith(prefix));
      const text = found.map(
        ([id, { key, begun }]) =>
          `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(begun).toISOString()}</Initiated></Upload>`,
      );
      return void answer(outgoing, 200, `<ListMultipartUploadsResult>${text.join('')}</ListMultipartUploadsResult>`);
    }
    const locked = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>';
    if (query.has('object-lock') && behaves.lock) return void answer(outgoing, 200, locked);
    if (query.has('object-lock')) return void answer(outgoing, 404, errorText('ObjectLockConfigurationNotFoundError'));
    if (query.has('versioning'))
      return void answer(
        outgoing,
        200,
        `<VersioningConfiguration>${behaves.versions ? '<Status>Enabled</Status>' : ''}</VersioningConfiguration>`,
      );
    // Two keys a page, so that pages are read.
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const from = behaves.pages === 'honoured' ? Number(query.get('continuation-token') ?? 0) : 0;
    const page = keys.slice(from, from + 2).map((key) => {
      const { bytes, changed } = objects.get(key) as Kept;
      const time = changed === undefined ? '' : `<LastModified>${new Date(changed).toISOString()}</LastModified>`;
      return `<Contents><Key>${key}</Key>${time}<Size>${bytes.length}</Size></Contents>`;
    });
    const isMore = from + 2 < keys.length;
    const token = behaves.pages === 'cut' ? '' : `<NextContinuationToken>${from + 2}</NextContinuationToken>`;
    const next = isMore ? `<IsTruncated>true</IsTruncated>${token}` : '';
    answer(outgoing, 200, `<ListBucketResult>${page.join('')}${next}</ListBucketResult>`);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, objects, uploads, requests, behaves };
}

function keptHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith('x-amz-meta-'))
      .map(([name, value]) => [name, String(value)]),
  );
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function md5Of(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('base64');
}

/** Of an object or a part: that nobody may take for an MD5 of anything. */
function etagOf(bytes: Buffer): string {
  return digestOf(bytes).slice(0, 32);
}

function errorText(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>no</Message></Error>`;
}

function answer(
  outgoing: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  outgoing.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
  outgoing.end(outgoing.req.method === 'HEAD' ? undefined : body);
}
