/**
 * The OpenAPI document: that it is valid, published as it is served, and true. A fuzz test drives every operation of it with what fits and
 * what does not, and holds each answer to the document. ARTIFACTSTORE_FUZZ_SEED chooses the seed, ARTIFACTSTORE_FUZZ_REQUESTS how many.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { pack } from 'tar-stream';
import { Agent, type Dispatcher, request } from 'undici';
import { apiDocument } from '../../lib/api/http/openapi/routes.js';
import { encodeCanonical } from '../../lib/cbor/index.js';
import { Random } from '../support/random.js';
import { type Service, serve, stagedFiles } from './support.js';

const REQUESTS = Number(process.env.ARTIFACTSTORE_FUZZ_REQUESTS ?? 3_000);
const SEED = Number(process.env.ARTIFACTSTORE_FUZZ_SEED ?? 9457);

// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document, walked as what it is
const document = JSON.parse(JSON.stringify(apiDocument())) as any;

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  schema: { type?: string; enum?: string[]; minimum?: number; maximum?: number };
}

interface Media {
  schema?: object;
}

interface Operation {
  method: string;
  path: string;
  operationId: string;
  parameters: Parameter[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];

const operations: Operation[] = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, item]) =>
  Object.entries(item)
    .filter(([method]) => METHODS.includes(method))
    .map(([method, one]) => ({
      ...one,
      method: method.toUpperCase(),
      path,
      parameters: [...((item as unknown as { parameters?: Parameter[] }).parameters ?? []), ...(one.parameters ?? [])],
    })),
);

t.test('is a valid document, published as it is served', async (t) => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  t.ok(valid, JSON.stringify(errors));
  const published = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'));
  t.strictSame(published, document, 'docs/openapi.json is current; `npm run openapi` writes it');
  const ids = operations.map(({ operationId }) => operationId);
  t.equal(new Set(ids).size, ids.length, 'names are unique');
  const { call } = await serve(t);
  t.strictSame((await call('GET', '/openapi.json')).json, document);
});

t.test('every operation, with what fits and what does not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-openapi-'));
  const cold = await mkdtemp(join(tmpdir(), 'artifactstore-openapi-cold-'));
  const service = await serve(t, { store: { cold } });
  t.teardown(() => Promise.all([folder, cold].map((path) => rm(path, { recursive: true, force: true }))));
  await mkdir(join(folder, 'docs'));
  await writeFile(join(folder, 'docs/file'), 'content');
  await service.store.packages.push(folder, 'acme/tools@1.0.0', { refs: ['latest'] });
  const { manifest } = await service.store.packages.get('acme/tools@1.0.0');
  const manifestBytes = Buffer.from(await (await service.store.get(manifest)).bytes());
  const { token } = await service.store.tokens.create({ holder: 'browser', scopes: ['read'] });
  const sound = {
    login: Buffer.from(`token=${token}`),
    publishVersion: manifestBytes,
    moveRef: Buffer.from('{"version":"1.0.0"}'),
    createToken: Buffer.from('{"holder":"x","scopes":["read"]}'),
    listMissing: Buffer.from('[]'),
    verifyMany: Buffer.from('{}'),
    sweepObjects: Buffer.from('{}'),
    reconcileStore: Buffer.from('{"dryRun":true}'),
    erase: Buffer.from('{"order":"what fits","dryRun":true}'),
    // For whichever operation takes it, as for the others by chance.
    archive: await archiveOf('some/file', 'content'),
  };
  const { retention } = service.store;
  let turn = 0;
  /** What has to be there first, for what fits: where the request goes, and with which body. In a namespace of its own, so that nothing else is held. */
  const arranged: Arranged = {
    setPolicy: async () => ({ body: '{"classes":{"build":{"keep":{"last":3}}}}' }),
    describePolicy: async () => void (await retention.setPolicy('acme', {})),
    removePolicy: async () => void (await retention.setPolicy('acme', {})),
    classifyVersion: async () => ({ body: '{"version":"acme/tools@1.0.0","class":"release"}' }),
    placeHold: async () => ({ body: `{"on":"other/","case":"${++turn}","reason":"r"}` }),
    releaseHold: async () => {
      await retention.hold('other/', { case: `${++turn}`, reason: 'r' });
      return { target: `/v1/retention/holds?on=other%2F&case=${turn}` };
    },
    setLock: async () => ({ body: JSON.stringify({ on: 'other/x', mode: 'governance', until: 4e12 + ++turn }) }),
    setQuota: async () => ({ target: '/v1/quotas/other', body: '{"logical":1000000}' }),
    removeQuota: async () => {
      await service.store.quotas.set('other', { physical: 1_000_000 });
      return { target: '/v1/quotas/other' };
    },
    readPlan: async () => ({ target: `/v1/retention/plans/${(await retention.plan()).plan}` }),
    moveToTier: async () => {
      const { blake3 } = await service.store.put(Buffer.from(`cold ${++turn}`));
      return { target: `/v1/tiers/cold/${blake3}` };
    },
    applyPlan: async () => ({ target: `/v1/retention/plans/${(await retention.plan()).plan}/application`, body: '{}' }),
  };
  const fuzzer = new Fuzzer(service, sound, new Random(SEED), arranged);
  const problems: string[] = [];
  for (let n = 0; n < REQUESTS && problems.length < 10; n++) problems.push(...(await fuzzer.round()));
  await fuzzer.close();
  t.strictSame(problems, [], `seed ${SEED}`);
  t.strictSame(service.errors, [], 'no request made the service fail');
  for (const { operationId } of operations)
    t.ok(fuzzer.served.has(operationId), `${operationId} succeeded at least once`);

  const bytes = Buffer.from('still there');
  const stored = await service.call('POST', '/v1/objects', { body: bytes });
  t.equal((await service.call('GET', `/v1/objects/${stored.json.blake3}`)).bytes.toString(), 'still there');
  for await (const { blake3, state } of all(service)) {
    if (state === 'live') t.equal((await service.store.verify(blake3)).status, 'intact');
  }
  for (const { id } of await service.store.uploads.list()) await service.store.uploads.abort(id);
  t.strictSame(await stagedFiles(service.path), [], 'nothing is left in staging');
});

async function archiveOf(name: string, content: string): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name }, content);
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();

async function* all({ store }: Service) {
  for (let cursor: string | undefined; ; ) {
    const page = await store.list(cursor === undefined ? {} : { cursor });
    yield* page.objects;
    if (page.cursor === undefined) return;
    cursor = page.cursor;
  }
}

/** Texts at the edges of what paths, queries and header fields may hold. */
const TEXTS = [
  '',
  '0',
  '1',
  '-1',
  '*',
  '...',
  'a/b',
  '%',
  '%00',
  'ü',
  '"',
  "'",
  ';',
  ',',
  '?1',
  'null',
  'x'.repeat(300),
];
/** What leads to a directory of the one package. */
const PACKAGED: Readonly<Record<string, string>> = {
  namespace: 'acme',
  name: 'tools',
  version: '1.0.0',
  path: 'docs',
  ref: 'latest',
};
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'Upload-Offset': ['0', '5', '999999999999999', '-1', 'x'],
  'Upload-Length': ['0', '5', '100', '999999999999999', '1e3'],
  'Upload-Complete': ['?0', '?1', '?2', '1'],
  'Content-Range': ['bytes 0-4/5', 'bytes 0-4/*', 'bytes 5-4/5', 'bytes */5', 'items 0-1/2'],
  'Tus-Resumable': ['1.0.0', '0.2.2', ''],
  'Upload-Metadata': ['filename YQ==', 'filename YQ==,b', ' ', 'a b c'],
  'Upload-Checksum': ['sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=', 'sha1 x', 'md5 YQ=='],
  'X-HTTP-Method-Override': ['PATCH', 'DELETE', 'HEAD', 'PUT', 'get'],
  'Last-Event-ID': ['0', '3', 'x', '999999999999999'],
  Range: ['bytes=0-0', 'bytes=1-', 'bytes=-2', 'bytes=9-1', 'bytes=0-0,2-3', `bytes=${'0-0,'.repeat(80)}1-1`, 'x=1'],
  'If-None-Match': ['*', '"x"', 'W/"x"', '"'],
  'If-Range': ['"x"', 'Wed, 21 Oct 2015 07:28:00 GMT', 'x'],
  'Want-Repr-Digest': ['sha-256=0', 'sha-256=10', ','],
  'Want-Content-Digest': ['sha-256=1', 'sha-512=1'],
};
const DIGEST_FIELDS = ['Repr-Digest', 'Content-Digest', 'Artifactstore-Digest'];

type Arranged = Readonly<Record<string, () => Promise<{ target?: string; body?: string } | undefined>>>;

class Fuzzer {
  /** Operations that were answered with success. */
  readonly served = new Set<string>();
  readonly #agent = new Agent();
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly #checks = new Map<object, ReturnType<Ajv2020['compile']>>();
  readonly #known: string[] = [];
  readonly #uploads: string[] = [];
  readonly #tokens: string[] = [];

  constructor(
    private readonly service: Service,
    /** Bodies that operations take, by their names. */
    private readonly sound: Readonly<Record<string, Buffer>>,
    private readonly random: Random,
    private readonly arranged: Arranged = {},
  ) {}

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** One request; what about its answer the document does not allow. */
  async round(): Promise<string[]> {
    const one = this.random.pick(operations);
    // What fits comes more often than by chance.
    const fits = this.random.oneIn(4);
    if (fits) await this.#prepare(one);
    const ready = fits ? ((await this.arranged[one.operationId]?.()) ?? {}) : {};
    const { headers, body: made } = fits ? this.#fitting(one) : this.#content(one);
    const body = ready.body === undefined ? made : Buffer.from(ready.body);
    const target = ready.target ?? this.#target(one, body, fits);
    const what = `${one.method} ${target} ${JSON.stringify(headers)}`;
    let reply: Dispatcher.ResponseData;
    try {
      reply = await request(`${this.service.url}${target}`, {
        dispatcher: this.#agent,
        method: one.method as Dispatcher.HttpMethod,
        headers,
        ...(body?.byteLength && one.method !== 'GET' && one.method !== 'HEAD' && { body }),
      });
    } catch (error) {
      // What undici refuses to send was never a request.
      return /UND_ERR_(INVALID_ARG|REQ_CONTENT)/.test(String((error as { code?: string }).code))
        ? []
        : [`${what}: ${error}`];
    }
    const bytes = await firstBytes(reply);
    this.#remember(reply, bytes);
    return this.#misfits(one, reply, bytes).map((problem) => `${what} -> ${reply.statusCode}: ${problem}`);
  }

  /** Has there be what the operation is about. */
  async #prepare({ operationId, path }: Operation): Promise<void> {
    const { store } = this.service;
    if (path === '/v1/uploads/{id}') this.#uploads.push(await store.uploads.open({}));
    if (operationId === 'undeleteObject') {
      const { blake3 } = await store.put(this.random.bytes(9));
      await store.retire([blake3], { grace: 1_000_000 });
      this.#known.push(blake3);
    } else if (operationId === 'restoreVersion') {
      await store.packages.withdraw('acme/tools@1.0.0', { force: true }).catch(() => undefined);
    } else if (path.includes('/packages/')) {
      await store.packages.undelete('acme/tools@1.0.0').catch(() => undefined);
      await store.packages.moveRef('acme/tools:latest', 'acme/tools@1.0.0').catch(() => undefined);
    }
  }

  #remember({ statusCode, headers }: Dispatcher.ResponseData, bytes: Buffer): void {
    const location = String(headers.location ?? '');
    if (statusCode === 201 && location.startsWith('/v1/uploads/')) this.#uploads.push(location.slice(12));
    if (statusCode === 201 && location.startsWith('/v1/tokens/')) this.#tokens.push(location.slice(11));
    if (statusCode === 201 && location.startsWith('/v1/objects/')) {
      const { blake3, sha256 } = bytes[0] === 0x7b ? JSON.parse(bytes.toString()) : {};
      this.#known.push(...[blake3, sha256].filter(Boolean));
    }
  }

  #target({ path, parameters }: Operation, body: Buffer | undefined, fits: boolean): string {
    const query: string[] = [];
    let target = path;
    for (const parameter of parameters) {
      if (parameter.in === 'path')
        target = target.replace(`{${parameter.name}}`, this.#segment(parameter.name, path, body, fits));
      if (parameter.in === 'query' && !fits && this.random.oneIn(3)) {
        query.push(`${parameter.name}=${encodeURIComponent(this.#value(parameter))}`);
      }
    }
    if (!fits && this.random.oneIn(40)) query.push(this.random.pick(['x=1', '=', '%zz', '&&', 'limit=1&limit=2']));
    return query.length > 0 ? `${target}?${query.join('&')}` : target;
  }

  #segment(name: string, path: string, body: Buffer | undefined, fits: boolean): string {
    const packaged = path.includes('/packages/') || name === 'namespace' ? PACKAGED[name] : undefined;
    if (packaged !== undefined && (fits || !this.random.oneIn(5)))
      return path.endsWith('files/{path}') ? (name === 'path' ? 'docs/file' : packaged) : packaged;
    if (name === 'digest' && body !== undefined && this.random.oneIn(2))
      return `sha256:${sha256(body).toString('hex')}`;
    const known = path.startsWith('/v1/tokens') ? this.#tokens : name === 'id' ? this.#uploads : this.#known;
    if (known.length > 0 && (fits || !this.random.oneIn(4))) {
      // The newest upload is the likeliest to be open still.
      const text = fits || this.random.oneIn(2) ? (known.at(-1) as string) : this.random.pick(known);
      return !fits && this.random.oneIn(6) ? text.slice(0, this.random.below(text.length)) || 'a' : text;
    }
    const text = this.random.oneIn(3) ? this.random.bytes(32).toString('hex') : this.random.pick(TEXTS);
    return encodeURIComponent(this.random.oneIn(3) ? `sha256:${text}` : text || 'empty');
  }

  #value({ schema, name }: Parameter): string {
    // A page that waits would hold the test up.
    if (name === 'wait') return this.random.pick(['0', '61', '-1', 'x']);
    if (this.random.oneIn(4)) return this.random.pick(TEXTS);
    if (schema.enum !== undefined) return this.random.pick(schema.enum);
    if (schema.type === 'integer') return String(this.random.pick([schema.minimum ?? 0, 1, 7, schema.maximum ?? 9]));
    if (schema.type === 'boolean') return this.random.pick(['true', 'false', '1', '0']);
    return this.#known.length > 0 ? this.random.pick(this.#known) : 'object.ingested';
  }

  /** A request as a client would make it. */
  #fitting({ operationId, parameters, requestBody }: Operation) {
    const has = (field: string) => parameters.some(({ name }) => name === field);
    const sound = this.sound[operationId];
    const bytes = this.random.oneIn(2) ? Buffer.alloc(0) : this.random.bytes(this.random.below(200));
    const headers: Record<string, string> = {
      ...(requestBody && { 'Content-Type': Object.keys(requestBody.content)[0] as string }),
      ...(has('Upload-Offset') && { 'Upload-Offset': '0' }),
      ...(has('X-HTTP-Method-Override') && { 'X-HTTP-Method-Override': this.random.pick(['PATCH', 'HEAD']) }),
    };
    return { headers, body: requestBody && (sound ?? bytes) };
  }

  #content({ parameters, requestBody, responses }: Operation) {
    const body = requestBody && this.#body();
    const headers: Record<string, string> = {};
    for (const { name, in: place } of parameters) {
      if (place !== 'header' || !this.random.oneIn(4)) continue;
      headers[name] = DIGEST_FIELDS.includes(name)
        ? this.#digestField(name, body)
        : this.random.pick(FIELDS[name] ?? TEXTS.slice(0, 5));
    }
    const accepted = Object.values(responses).flatMap(({ content }) => Object.keys(content ?? {}));
    if (accepted.length > 0 && this.random.oneIn(3))
      headers.Accept = this.random.pick([...accepted, '*/*', 'x', 'text/html']);
    if (requestBody && !this.random.oneIn(4)) {
      headers['Content-Type'] = this.random.pick([...Object.keys(requestBody.content), 'text/plain']);
    }
    if (this.random.oneIn(60)) headers[this.random.pick(['Origin', 'Content-Encoding', 'Tus-Resumable'])] = 'gzip';
    return { headers, body };
  }

  #digestField(name: string, body: Buffer = Buffer.alloc(0)): string {
    const bytes = this.random.oneIn(3) ? this.random.bytes(32) : sha256(body);
    if (this.random.oneIn(6)) return this.random.pick(['sha-256=x', 'blake3:1', 'md5=:YQ==:', ',']);
    return name === 'Artifactstore-Digest'
      ? `sha256:${bytes.toString('hex')}`
      : `sha-256=:${bytes.toString('base64')}:`;
  }

  #body(): Buffer {
    const names = this.#known.slice(-3);
    switch (this.random.below(10)) {
      case 0:
        return Buffer.from(JSON.stringify(names));
      case 1:
        return Buffer.from(encodeCanonical(names));
      case 2:
        return Buffer.from(this.random.pick(['{', '[1]', '["x"]', '{"a":1}', 'null', '"']));
      case 3:
        return this.random.bytes(5);
      case 5:
      case 6:
      case 7:
        return this.random.pick(Object.values(this.sound));
      case 4:
        return Buffer.alloc(0);
      default:
        return this.random.bytes(this.random.below(this.random.oneIn(20) ? 70_000 : 200));
    }
  }

  #misfits({ operationId, method, responses }: Operation, reply: Dispatcher.ResponseData, bytes: Buffer): string[] {
    const { statusCode: status, headers } = reply;
    const type = String(headers['content-type'] ?? '').split(';')[0] as string;
    if (status >= 400 && responses[status] === undefined) {
      if (status >= 500 && status !== 501) return ['a failure of the service'];
      if (method === 'HEAD') return [];
      if (type !== 'application/problem+json' && responses.default?.content?.[type]) return [];
      if (type !== 'application/problem+json') return [`a problem as ${type}`];
      return this.#check(document.components.schemas.Problem, JSON.parse(bytes.toString()));
    }
    const described = responses[status];
    if (described === undefined) return ['a status that the document does not have'];
    this.served.add(operationId);
    if (bytes.byteLength === 0) return [];
    const media = described.content?.[type] ?? described.content?.['*/*'];
    if (media === undefined) return [`${type}, which the document does not have`];
    const isJson = /[/+]json$/.test(type);
    return isJson && media.schema ? this.#check(media.schema, JSON.parse(bytes.toString())) : [];
  }

  #check(schema: object, value: unknown): string[] {
    let check = this.#checks.get(schema);
    if (check === undefined) {
      check = this.#ajv.compile({ ...schema, components: document.components });
      this.#checks.set(schema, check);
    }
    return check(value) ? [] : [`${JSON.stringify(check.errors?.[0])} in ${JSON.stringify(value).slice(0, 300)}`];
  }
}

/** The body; of one that does not end, what came first. */
async function firstBytes({ body, headers }: Dispatcher.ResponseData): Promise<Buffer> {
  const isStream = /event-stream|ndjson|cbor-seq/.test(String(headers['content-type']));
  if (!isStream) return Buffer.from(await body.arrayBuffer());
  for await (const chunk of body) return chunk;
  return Buffer.alloc(0);
}
