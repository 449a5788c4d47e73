/**
 * What is asked of a bucket: objects by key, and uploads in parts. Values in, values out; what is missing is an answer, what is refused an error.
 *
 * Imports the request layer, XML and limits. Called by the backend's operations.
 */

import { createHash } from 'node:crypto';
import { ArtifactStoreError, isStoreError } from '../../../errors.js';
import { loadAddon } from '../../../native/load.js';
import type { ByteRange } from '../../spi.js';
import type { HandedOver } from './handed-over.js';
import { Refused, refusedError } from './problems.js';
import type { Notice, Place, Requests, S3Answer, S3Request, StreamedBody } from './requests.js';
import type { Head, TlsBody } from './tls-answer.js';
import { elements, elementText, escapeText } from './xml.js';

/** What is known of a stored object without reading it. */
export interface Stored {
  size: number;
  etag?: string;
  /** Where the bucket keeps versions. */
  version?: string;
  /** What was said of it when it was stored, by name without `x-amz-meta-`. */
  metadata: Readonly<Record<string, string>>;
  /** SHA-256 that the server keeps and compares, in base64, where it does so. */
  checksum?: string;
}

/** A body whose SHA-256 is known. */
export interface HashedBody {
  body: Uint8Array | StreamedBody;
  /** In hex. */
  sha256: string;
}

export interface PutOptions {
  metadata?: Readonly<Record<string, string>>;
  /** Have the server refuse it when something is there already: only where it honours that. */
  onlyIfAbsent?: boolean;
  /** Have the server compare and keep the SHA-256: only where it honours that. */
  checksum?: boolean;
  /** `Content-MD5` that it is sent with, in base64. */
  md5?: string;
  signal?: AbortSignal;
  attempts?: number;
}

/** Bytes of an object that come. */
export interface Body extends Stored {
  /** What was asked for and is there. */
  body: AsyncIterable<Uint8Array>;
  /** What the server sends in fact, of which what was not asked for is left out. */
  sent: ByteRange;
}

/** A range of an object that comes over a connection of its own. */
export interface SocketBody extends Pick<HandedOver, 'before' | 'socket'> {
  /** Of the whole object. */
  size: number;
}

/** A range of an object that is decrypted into memory that is used again. */
export interface DecryptedBody {
  /** Of the whole object. */
  size: number;
  body: TlsBody;
}

/** What putting gave. */
export interface Put {
  etag?: string;
  version?: string;
}

/** An upload in parts that has not ended. */
export interface Unended {
  key: string;
  uploadId: string;
  /** Milliseconds since 1970. */
  begun: number;
}

/** An object as a listing has it. */
export interface Entry {
  key: string;
  size: number;
  /** When it was stored, by the server's clock: milliseconds since 1970; NaN where it does not say. */
  changed: number;
}

export class Bucket {
  readonly #requests: Requests;
  readonly #notice: Notice;

  constructor(requests: Requests, notice: Notice) {
    this.#requests = requests;
    this.#notice = notice;
  }

  get place(): Place {
    return this.#requests.place;
  }

  /** An object without its bytes; undefined when there is none. */
  async head(
    key: string,
    checksum = false,
    limits: Pick<S3Request, 'attempts' | 'timeoutMs'> = {},
  ): Promise<Stored | undefined> {
    const headers = checksum ? { 'x-amz-checksum-mode': 'ENABLED' } : {};
    const answer = await this.#orMissing(this.#requests.sendForText({ method: 'HEAD', key, headers, ...limits }));
    if (answer === undefined) return undefined;
    return {
      ...putOf(answer.headers),
      ...storedOf(answer.headers),
      size: Number(answer.headers['content-length'] ?? 0),
    };
  }

  /**
   * Bytes of an object, from `start` on, to `end` or all. `size` is that of the whole object.
   *
   * @returns undefined: there is none
   * @throws AS_ERR_IO: the server sends others than those asked for
   */
  async get(key: string, start = 0, end?: number): Promise<Body | undefined> {
    const isPart = start > 0 || end !== undefined;
    const headers = isPart ? { range: `bytes=${start}-${end === undefined ? '' : end - 1}` } : {};
    const answer = await this.#orMissing(this.#requests.send({ method: 'GET', key, headers }));
    if (answer === undefined) return undefined;
    const { sent, size } = sentOf(answer, start);
    const wanted = { start, end: Math.min(end ?? size, size) };
    if (sent.start > start) {
      await answer.body[Symbol.asyncIterator]().return?.();
      throw otherRange(`${this.place.bucket}/${key}`, wanted, sent);
    }
    const isAsked = sent.start === start && sent.end <= wanted.end;
    const body = isAsked ? answer.body : within(answer.body, start - sent.start, wanted.end - sent.start);
    return { ...putOf(answer.headers), ...storedOf(answer.headers), size, body, sent };
  }

  /** Whether somebody without credentials may read an object that is there. */
  async isPublic(key: string): Promise<boolean> {
    try {
      await this.#requests.sendForText({ method: 'HEAD', key, unsigned: true, attempts: 2 });
      return true;
    } catch (error) {
      if (error instanceof Refused || isStoreError(error, 'AS_ERR_UNAVAILABLE')) return false;
      throw error;
    }
  }

  /**
   * The same over a connection of its own: over plain HTTP its bytes are left in there, over TLS they are decrypted outside of streams.
   *
   * @returns undefined: it cannot be had so; `get` tells why, or does it
   */
  async getAlone(key: string, start: number, end: number): Promise<SocketBody | DecryptedBody | undefined> {
    const request = { method: 'GET', key, headers: { range: `bytes=${start}-${end - 1}` } } as const;
    const isAsked = ({ status, headers }: Head) => {
      const { sent } = sentOf({ status, headers }, -1);
      return sent.start === start && sent.end === end;
    };
    if (this.#requests.isPlain) {
      const answer = await this.#requests.sendForSocket(request);
      if (answer === undefined) return undefined;
      if (isAsked(answer)) return { size: sentOf(answer, start).size, before: answer.before, socket: answer.socket };
      loadAddon().dropSocket(answer.socket);
      return undefined;
    }
    const answer = await this.#requests.sendForTls(request);
    if (answer === undefined) return undefined;
    if (isAsked(answer)) return { size: sentOf(answer, start).size, body: answer.body };
    answer.body.close();
    return undefined;
  }

  /** Stores an object. `present`: it was to be stored only if nothing is there, and something is. */
  async put(key: string, { body, sha256 }: HashedBody, options: PutOptions = {}): Promise<Put | 'present'> {
    const { metadata = {}, onlyIfAbsent = false, checksum = false, md5, signal, attempts } = options;
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
      ...(onlyIfAbsent && { 'if-none-match': '*' }),
      ...(checksum && { 'x-amz-checksum-sha256': base64Of(sha256) }),
      ...(md5 !== undefined && { 'content-md5': md5 }),
    };
    try {
      const request = {
        method: 'PUT',
        key,
        headers,
        body,
        payloadHash: sha256,
        ...(signal && { signal }),
        ...(attempts && { attempts }),
      } as const;
      return putOf((await this.#requests.sendForText(request)).headers);
    } catch (error) {
      const isPresent = error instanceof Refused && onlyIfAbsent && [409, 412].includes(error.refusal.status);
      if (isPresent) return 'present';
      throw this.#error(error);
    }
  }

  /** Removes an object; one that is not there is as good. */
  async remove(key: string): Promise<void> {
    await this.#orMissing(this.#requests.sendForText({ method: 'DELETE', key }));
  }

  /**
   * Removes objects; one that is not there is as good. At most S3_DELETE_MAX.
   *
   * @returns the keys that the server says it has removed; whatever it says of the others, they may be there
   */
  async removeMany(
    keys: readonly string[],
    { attempts }: Pick<PutOptions, 'attempts'> = {},
  ): Promise<ReadonlySet<string>> {
    const lines = keys.map((key) => `<Object><Key>${escapeText(key)}</Key></Object>`);
    const xml = `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${lines.join('')}</Delete>`;
    const headers = {
      'content-type': 'application/xml',
      'content-md5': createHash('md5').update(xml).digest('base64'), // which S3 insists on here
    };
    const { text } = await this.#ask({
      method: 'POST',
      key: '',
      query: [['delete', '']],
      headers,
      body: Buffer.from(xml),
      ...(attempts && { attempts }),
    });
    return new Set(elements(text, 'Deleted').map((each) => elementText(each, 'Key') ?? ''));
  }

  /** Keys that begin with `prefix`. Throws as `entries`. */
  async list(prefix: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.entries(prefix)) keys.push(key);
    return keys;
  }

  /**
   * What has keys that begin with `prefix`, page by page.
   *
   * @throws AS_ERR_IO: the server says that there is more, and does not give it
   */
  async *entries(prefix: string): AsyncGenerator<Entry> {
    for (let token: string | undefined; ; ) {
      const query: [string, string][] = [
        ['list-type', '2'],
        ['prefix', prefix],
      ];
      if (token !== undefined) query.push(['continuation-token', token]);
      const { text } = await this.#ask({ method: 'GET', key: '', query });
      for (const each of elements(text, 'Contents')) {
        const entry = entryOf(each);
        if (entry.key.startsWith(prefix)) yield entry;
      }
      if (elementText(text, 'IsTruncated') !== 'true') return;
      const next = elementText(text, 'NextContinuationToken');
      if (next === undefined || next === token) throw cutListing(this.place.bucket, prefix);
      token = next;
    }
  }

  /** Begins an upload in parts; gives its id. */
  async beginParts(key: string, { metadata = {}, checksum = false, attempts }: PutOptions): Promise<string> {
    const headers: Record<string, string> = {
      'content-type': 'application/octet-stream',
      ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`x-amz-meta-${name}`, value])),
      ...(checksum && { 'x-amz-checksum-algorithm': 'SHA256' }),
    };
    const { text } = await this.#ask({
      method: 'POST',
      key,
      query: [['uploads', '']],
      headers,
      ...(attempts && { attempts }),
    });
    return elementText(text, 'UploadId') ?? '';
  }

  /** Sends one part, from 1; gives its ETag. */
  async putPart(
    key: string,
    uploadId: string,
    part: number,
    { body, sha256 }: HashedBody,
    options: PutOptions,
  ): Promise<string> {
    const headers = { ...(options.checksum && { 'x-amz-checksum-sha256': base64Of(sha256) }) };
    const query = [
      ['partNumber', String(part)],
      ['uploadId', uploadId],
    ] as const;
    const { signal, attempts } = options;
    const request = {
      ...({ method: 'PUT', key, query, headers, body, payloadHash: sha256, signal } as const),
      ...(attempts && { attempts }),
    };
    return (await this.#ask(request)).headers.etag ?? '';
  }

  /** Ends an upload in parts. `gone`: there is no such upload, which may mean that this has been done before. */
  async endParts(
    key: string,
    uploadId: string,
    parts: readonly { etag: string; sha256: string }[],
    { checksum = false, attempts }: PutOptions,
  ): Promise<Put | 'gone'> {
    const lines = parts.map(({ etag, sha256 }, index) => {
      const sum = checksum ? `<ChecksumSHA256>${base64Of(sha256)}</ChecksumSHA256>` : '';
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeText(etag)}</ETag>${sum}</Part>`;
    });
    const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${lines.join('')}</CompleteMultipartUpload>`;
    const query = [['uploadId', uploadId]] as const;
    const request = { method: 'POST', key, query, body: Buffer.from(xml), ...(attempts && { attempts }) } as const;
    try {
      const { headers, text } = await this.#requests.sendForText({
        ...request,
        headers: { 'content-type': 'application/xml' },
      });
      const etag = elementText(text, 'ETag');
      return { ...putOf(headers), ...(etag !== undefined && { etag: bare(etag) }) };
    } catch (error) {
      if (error instanceof Refused && error.refusal.status === 404 && error.refusal.code !== 'NoSuchBucket')
        return 'gone';
      throw this.#error(error);
    }
  }

  /** Gives up an upload in parts; one that is not there is as good. */
  async dropParts(key: string, uploadId: string): Promise<void> {
    await this.#orMissing(this.#requests.sendForText({ method: 'DELETE', key, query: [['uploadId', uploadId]] }));
  }

  /** Uploads in parts that have not ended, of keys that begin with `prefix`. */
  async unended(prefix: string): Promise<Unended[]> {
    const found: Unended[] = [];
    for (let marker: [string, string] | undefined, isMore = true; isMore; ) {
      const query: [string, string][] = [
        ['uploads', ''],
        ['prefix', prefix],
      ];
      if (marker !== undefined) query.push(['key-marker', marker[0]], ['upload-id-marker', marker[1]]);
      const { text } = await this.#ask({ method: 'GET', key: '', query });
      for (const each of elements(text, 'Upload')) {
        const key = elementText(each, 'Key') ?? '';
        const begun = Date.parse(elementText(each, 'Initiated') ?? '');
        if (key.startsWith(prefix)) found.push({ key, uploadId: elementText(each, 'UploadId') ?? '', begun });
      }
      const next: [string, string] = [
        elementText(text, 'NextKeyMarker') ?? '',
        elementText(text, 'NextUploadIdMarker') ?? '',
      ];
      isMore = elementText(text, 'IsTruncated') === 'true' && next[0] !== '' && next.join() !== marker?.join();
      marker = next;
    }
    return found;
  }

  /** Whether the bucket locks objects; undefined when it does not say. */
  async objectLock(): Promise<boolean | undefined> {
    try {
      const { text } = await this.#requests.sendForText({
        method: 'GET',
        key: '',
        query: [['object-lock', '']],
        attempts: 2,
      });
      return elementText(text, 'ObjectLockEnabled') === 'Enabled';
    } catch (error) {
      if (error instanceof Refused && error.refusal.code === 'ObjectLockConfigurationNotFoundError') return false;
      if (error instanceof Refused || isStoreError(error, 'AS_ERR_UNAVAILABLE')) return undefined;
      throw error;
    }
  }

  /** Whether the bucket keeps versions; undefined when it does not say. */
  async versioning(): Promise<boolean | undefined> {
    try {
      const { text } = await this.#requests.sendForText({
        method: 'GET',
        key: '',
        query: [['versioning', '']],
        attempts: 2,
      });
      return elementText(text, 'Status') === 'Enabled';
    } catch (error) {
      if (error instanceof Refused || isStoreError(error, 'AS_ERR_UNAVAILABLE')) return undefined;
      throw error;
    }
  }

  /** Tells whoever keeps the log. */
  notice(sentence: string): void {
    this.#notice(sentence);
  }

  #ask(request: S3Request): Promise<{ headers: S3Answer['headers']; text: string }> {
    return this.#requests.sendForText(request).catch((error) => Promise.reject(this.#error(error)));
  }

  /** What is missing is an answer, unless it is the bucket. */
  async #orMissing<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof Refused && error.refusal.status === 404 && error.refusal.code !== 'NoSuchBucket')
        return undefined;
      throw this.#error(error);
    }
  }

  #error(error: unknown): unknown {
    return error instanceof Refused ? refusedError(error, this.place.bucket) : error;
  }
}

/** Which bytes an answer has, and of how many. One of 206 that does not say is taken for what was asked for. */
function sentOf({ status, headers }: Head, start: number): { sent: ByteRange; size: number } {
  const length = Number(headers['content-length'] ?? 0);
  if (status !== 206) return { sent: { start: 0, end: length }, size: length };
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (total === undefined) return { sent: { start, end: start + length }, size: start + length };
  return { sent: { start: Number(first), end: Number(last) + 1 }, size: Number(total) };
}

function otherRange(what: string, wanted: ByteRange, sent: ByteRange): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `Of ${what} the server sent bytes ${sent.start} to ${sent.end - 1} where those from ${wanted.start} on were asked for. Check what stands between here and the server.`,
    { key: what, wanted: [wanted.start, wanted.end], sent: [sent.start, sent.end] },
  );
}

function entryOf(text: string): Entry {
  const key = elementText(text, 'Key') ?? '';
  const size = Number(elementText(text, 'Size') ?? 0);
  return { key, size, changed: Date.parse(elementText(text, 'LastModified') ?? '') };
}

function cutListing(bucket: string, prefix: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `The server says that ${bucket}/${prefix} holds more than it has listed, and lists no more (ListObjectsV2). Check that it knows version 2 of listing.`,
    { prefix },
  );
}

function putOf(headers: S3Answer['headers']): Put {
  const { etag, 'x-amz-version-id': version } = headers;
  return {
    ...(etag !== undefined && { etag: bare(etag) }),
    ...(version !== undefined && version !== 'null' && { version }),
  };
}

function storedOf(headers: S3Answer['headers']): Pick<Stored, 'metadata' | 'checksum'> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-')) metadata[name.slice('x-amz-meta-'.length)] = String(value);
  }
  const checksum = headers['x-amz-checksum-sha256'];
  return { metadata, ...(checksum !== undefined && { checksum }) };
}

/** An ETag without its quotes. */
function bare(etag: string): string {
  return etag.replace(/^"|"$/g, '');
}

export function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

/** Of a body that is more than was asked for, what was. */
async function* within(body: AsyncIterable<Uint8Array>, start: number, end: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of body) {
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += chunk.byteLength;
    if (part.byteLength > 0) yield part;
    if (at >= end) return;
  }
}
