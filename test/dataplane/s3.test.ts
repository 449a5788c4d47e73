/** The S3 backend by its parts: signatures, credentials, requests, and what no honest server does. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { CredentialChain, providersOf } from '../../lib/dataplane/backend/s3/credentials/chain.js';
import { openS3, type S3Options } from '../../lib/dataplane/backend/s3/index.js';
import { parseS3Url } from '../../lib/dataplane/backend/s3/keys.js';
import { placeOf } from '../../lib/dataplane/backend/s3/place.js';
import {
  amzDate,
  authorization,
  canonicalRequest,
  encodePath,
  stringToSign,
} from '../../lib/dataplane/backend/s3/sigv4.js';
import { elements, elementText, escapeText } from '../../lib/dataplane/backend/s3/xml.js';
import type { ByteRange, ContentAddress, IngestResult } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { openStore } from '../../lib/index.js';
import { openMemoryS3 } from '../support/memory-s3.js';
import { checkReconciled } from '../support/reconciled.js';
import { type Fault, openFaultProxy, type Seen } from '../support/s3-faults.js';
import { openTlsFront } from '../support/tls-front.js';

const folder = mkdtempSync(join(tmpdir(), 'as-s3-parts-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
/** Places where credentials of this machine could be are led elsewhere. */
const NOWHERE = { HOME: join(folder, 'none'), AWS_EC2_METADATA_DISABLED: 'true' };
const vectors = resolve(import.meta.dirname, '../../../../shared/vectors/sigv4');

let spools = 0;
async function open(t: Test, endpoint: string, options: Partial<S3Options> = {}) {
  const spool = join(folder, `spool-${++spools}`);
  const environment = { ...NOWHERE, ...KEYS };
  const plane = await openS3({ url: 's3://bucket/a/b', spool, endpoint, environment, ...options });
  t.teardown(() => plane.close());
  return plane;
}

async function* stream(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function read(plane: Awaited<ReturnType<typeof open>>, { blake3 }: IngestResult): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of plane.serveObject(formatBlake3(blake3))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A request of the vectors: generic rules, so those of paths that S3 does not normalise are left out. */
function parseVector(text: string) {
  const [head = '', body = ''] = text.split('\n\n');
  const [first = '', ...lines] = head.split('\n');
  const [, method = '', target = ''] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first) ?? [];
  const headers: [string, string][] = [];
  for (const line of lines) {
    if (line === '') continue;
    const [, name, value] = /^([^:\s][^:]*):(.*)$/.exec(line) ?? [];
    if (name !== undefined) headers.push([name, value ?? '']);
    else headers.push([headers.at(-1)?.[0] ?? '', line]); // a folded line is a further value
  }
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  return { method, path, query, headers, body };
}

t.test(
  'signatures are those of the published vectors',
  { skip: !existsSync(vectors) && 'no vectors here' },
  async (t) => {
    const names = readdirSync(vectors, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== 'normalize-path')
      .flatMap(({ name }) =>
        name === 'post-sts-token' ? [`${name}/post-sts-header-after`, `${name}/post-sts-header-before`] : [name],
      );
    t.ok(names.length >= 24);
    for (const name of names) {
      const file = (kind: string) => readFileSync(join(vectors, name, `${name.split('/').at(-1)}.${kind}`), 'utf8');
      const { method, path, query, headers, body } = parseVector(file('req'));
      const isFolded = headers.some(([key], index) => key === headers[index - 1]?.[0]) && name.includes('multiline');
      const own = isFolded ? foldedHeaders(headers) : headers;
      // The one whose token is no part of the request that is signed.
      if (name === 'get-vanilla-with-session-token') {
        own.push(...parseVector(file('sreq')).headers.filter(([key]) => key.toLowerCase() === 'x-amz-security-token'));
      }
      const request = {
        method,
        path: encodePath(path),
        query:
          query === ''
            ? []
            : [...query.split('&')].map(
                (pair) => pair.split(/=(.*)/s).slice(0, 2).map(decodeURIComponent) as [string, string],
              ),
        headers: own,
        payloadHash: createHash('sha256').update(body).digest('hex'),
      };
      const scope = { region: 'us-east-1', service: 'service', time: '20150830T123600Z' };
      const credentials = { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY };
      const canonical = canonicalRequest(request).text;
      t.equal(canonical, file('creq'), `${name}: the canonical request`);
      t.equal(stringToSign(canonical, scope), file('sts'), `${name}: what is signed`);
      t.equal(authorization(request, scope, credentials), file('authz'), `${name}: the signature`);
    }
  },
);

function foldedHeaders(headers: readonly [string, string][]): [string, string][] {
  const joined = new Map<string, string>();
  for (const [name, value] of headers) joined.set(name, joined.has(name) ? `${joined.get(name)} ${value}` : value);
  return [...joined];
}

t.test('paths of S3 are encoded once and stay as they are', async (t) => {
  t.equal(encodePath('a b/ü/../x//y+z~'), 'a%20b/%C3%BC/../x//y%2Bz~');
  t.equal(amzDate(Date.UTC(2015, 7, 30, 12, 36, 0, 999)), '20150830T123600Z');
});

t.test('places in buckets', async (t) => {
  t.strictSame(parseS3Url('s3://bucket'), { bucket: 'bucket', prefix: '' });
  t.strictSame(parseS3Url('s3://my.bucket-1/a//b/'), { bucket: 'my.bucket-1', prefix: 'a/b/' });
  for (const wrong of ['s3://', 's3://B', 's3://bucket/../x', 's3://bucket/a?b', 'http://bucket/x', 's3://bucket/a b'])
    t.throws(() => parseS3Url(wrong), { code: 'AS_ERR_INVALID_ARGUMENT' }, wrong);
  const config = join(folder, 'place-config');
  writeFileSync(config, '[profile far]\nregion = eu-north-1\nendpoint_url = https://s3.example.org\n');
  const at = (settings: object, more: Record<string, string> = {}) =>
    placeOf('s3://bucket/x', settings, { ...NOWHERE, ...more });
  t.match(await at({}), {
    region: 'us-east-1',
    endpoint: 'https://s3.us-east-1.amazonaws.com',
    pathStyle: false,
    prefix: 'x/',
  });
  t.match(await at({}, { AWS_REGION: 'eu-west-1' }), { endpoint: 'https://s3.eu-west-1.amazonaws.com' });
  t.match(await at({}, { AWS_CONFIG_FILE: config, AWS_PROFILE: 'far' }), {
    region: 'eu-north-1',
    endpoint: 'https://s3.example.org',
    pathStyle: true,
  });
  t.match(await at({ endpoint: 'http://h:1', addressing: 'host' }, { AWS_ENDPOINT_URL: 'http://other' }), {
    endpoint: 'http://h:1',
    pathStyle: false,
  });
  for (const endpoint of ['ftp://h', 'http://user:secret@h', 'h', 'http://h?x'])
    await t.rejects(at({ endpoint }), { code: 'AS_ERR_INVALID_ARGUMENT', message: /^(?!.*secret)/ });
});

t.test('XML is read and written', async (t) => {
  const text = '<a><b>1 &lt; 2 &amp; &#x41;&#66;</b><b/><b x="y">z</b></a>';
  t.strictSame(elements(text, 'b'), ['1 &lt; 2 &amp; &#x41;&#66;', '', 'z']);
  t.equal(elementText(text, 'b'), '1 < 2 & AB');
  t.equal(elementText(text, 'c'), undefined);
  t.strictSame(elements('<a>', 'a'), []);
  t.equal(elementText(`<q>${escapeText('<&>"')}</q>`, 'q'), '<&>"');
});

/** A metadata service on loopback, whose answers are made by the test. */
async function metadata(t: Test, reply: (request: IncomingMessage, body: string) => string | number) {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const given = reply(request, body);
    if (typeof given === 'number') response.writeHead(given).end();
    else response.end(given);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('credentials from each place', async (t) => {
  const chain = (environment: Record<string, string>, now?: () => number) =>
    new CredentialChain(providersOf({ ...NOWHERE, ...environment }, 'us-east-1'), now);
  const json = (id: string, expires: number) =>
    JSON.stringify({ AccessKeyId: id, SecretAccessKey: 's', Token: 't', Expiration: new Date(expires).toISOString() });
  await t.rejects(chain({}).get(), { code: 'AS_ERR_UNAUTHENTICATED', message: /No credentials for S3 were found/ });

  t.match(await chain(KEYS).get(), { accessKeyId: KEYS.AWS_ACCESS_KEY_ID });
  t.match(await chain({ ...KEYS, AWS_SESSION_TOKEN: 'x' }).get(), { sessionToken: 'x' });
  await t.rejects(chain({ AWS_ACCESS_KEY_ID: 'a' }).get(), { code: 'AS_ERR_UNAUTHENTICATED' });

  const [config, shared] = [join(folder, 'config'), join(folder, 'credentials')];
  writeFileSync(
    config,
    '# words\n[default]\nregion=x\n[profile dev]\naws_access_key_id = old\naws_secret_access_key = old\n[profile sso]\nsso_session = s\n',
  );
  writeFileSync(
    shared,
    '[dev]\r\naws_access_key_id=DEV\r\naws_secret_access_key = a=b \r\n[half]\naws_access_key_id=H\n',
  );
  const files = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: shared };
  t.strictSame(await chain({ ...files, AWS_PROFILE: 'dev' }).get(), { accessKeyId: 'DEV', secretAccessKey: 'a=b' });
  await t.rejects(chain({ ...files, AWS_PROFILE: 'half' }).get(), { message: /alone/ });
  await t.rejects(chain({ ...files, AWS_PROFILE: 'sso' }).get(), { message: /sso_session, which is not supported/ });
  await t.rejects(chain({ ...files, AWS_PROFILE: 'none' }).get(), { message: /no profile file has it/ });
  await t.rejects(chain(files).get(), { message: /were found/ }, 'the default profile has none');

  let clock = 1_000_000;
  let served = 0;
  const container = await metadata(t, ({ headers, url }) =>
    headers.authorization === 'secret' && url === '/creds' ? json(`C${++served}`, clock + 3_600_000) : 403,
  );
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'secret\n');
  const wrongToken = join(folder, 'wrong-token');
  writeFileSync(wrongToken, 'other');
  const inContainer = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container}/creds`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
  };
  const kept = chain(inContainer, () => clock);
  t.match(
    await Promise.all([kept.get(), kept.get()]),
    [{ accessKeyId: 'C1', sessionToken: 't' }, { accessKeyId: 'C1' }],
    'asked for once',
  );
  clock += 3_600_000 - 240_000;
  await kept.get();
  t.match(await kept.get(), { accessKeyId: 'C2' }, 'and anew before they end');
  kept.forget();
  t.match(await kept.get(), { accessKeyId: 'C3' });
  await t.rejects(chain({ ...inContainer, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: wrongToken }).get(), {
    message: /^(?!.*secret).*403/s,
  });
  const far = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.org/' };
  await t.rejects(chain(far).get(), { message: /neither https nor an address of this machine/ });

  const asked: string[] = [];
  const instance = await metadata(t, ({ method, url, headers }) => {
    asked.push(`${method} ${url}`);
    if (method === 'PUT') return headers['x-aws-ec2-metadata-token-ttl-seconds'] ? 'session' : 400;
    if (headers['x-aws-ec2-metadata-token'] !== 'session') return 401;
    return url?.endsWith('/') ? 'my-role' : json('I', clock + 3_600_000);
  });
  const onInstance = { AWS_EC2_METADATA_DISABLED: 'false', AWS_EC2_METADATA_SERVICE_ENDPOINT: instance };
  t.match(await chain(onInstance).get(), { accessKeyId: 'I' });
  t.equal(asked.at(-1), 'GET /latest/meta-data/iam/security-credentials/my-role');

  let form = '';
  let isBusy = true;
  const tokens = await metadata(t, (_, body) => {
    form = body;
    if (isBusy) {
      isBusy = false;
      return 500;
    }
    return '<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>W</AccessKeyId><SecretAccessKey>s&amp;</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResponse>';
  });
  const identity = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: 'arn:x', AWS_ENDPOINT_URL_STS: tokens };
  t.match(await chain(identity).get(), { accessKeyId: 'W', secretAccessKey: 's&', expires: Date.UTC(2099, 0, 1) });
  t.strictSame(Object.fromEntries(new URLSearchParams(form)), {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: 'arn:x',
    RoleSessionName: 'artifactstore',
    WebIdentityToken: 'secret',
  });
  await t.rejects(chain({ AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile }).get(), { message: /AWS_ROLE_ARN is not/ });
  const front = await openTlsFront(t, tokens);
  const behindTls = { ...identity, AWS_ENDPOINT_URL_STS: front.endpoint };
  t.match(await chain({ ...behindTls, AWS_CA_BUNDLE: front.certificate }).get(), { accessKeyId: 'W' });
  await t.rejects(chain(behindTls).get(), { code: 'AS_ERR_UNAUTHENTICATED', message: /certificate/ });
});

t.test('what the server honours is found out and used', async (t) => {
  const server = await openMemoryS3(t, { versions: true });
  const plane = await open(t, server.endpoint, { partSize: 1 << 20 });
  t.match((await plane.backendHealth()).facts, {
    conditionalPut: 'honoured',
    payloadHash: 'compared',
    contentMd5: 'compared',
    partEtags: 'compared',
    ranges: 'honoured',
    withoutCredentials: 'refused',
    checksums: 'SHA-256 kept',
    multiDelete: 'honoured',
    objectLock: 'off',
    versions: 'on',
  });
  const small = await plane.ingestStream(stream(Buffer.from('abc')), {});
  t.match(small.receipts, [{ bucket: 'bucket', version: /^v\d+$/, key: /^a\/b\/objects\/64\// }]);
  const sent = () =>
    server.requests.filter(({ method, url }) => method === 'PUT' && url.pathname.includes('/objects/'));
  t.match(sent().at(-1)?.headers, { 'if-none-match': '*', 'x-amz-checksum-sha256': String });
  const before = sent().length;
  t.equal((await plane.ingestStream(stream(Buffer.from('abc')), {})).existed, true);
  t.equal(sent().length, before, 'what is there is not sent again');

  const bytes = randomBytes(3_500_000);
  const large = await plane.ingestStream(stream(bytes), {});
  t.ok((await read(plane, large)).equals(bytes), 'in parts, whose checksum was compared');
  t.equal(server.uploads.size, 0);

  // Somebody else stores it between the look and the request.
  const other = Buffer.from('somebody else was first');
  let isRacing = true;
  server.behaves.instead = (method, url) => {
    if (method !== 'HEAD' || !url.pathname.includes('/objects/') || !isRacing) return undefined;
    isRacing = false;
    server.objects.set(decodeURIComponent(url.pathname).slice('/bucket/'.length), {
      bytes: other,
      headers: { etag: '"theirs"' },
    });
    return { status: 404 };
  };
  t.match(await plane.ingestStream(stream(other), {}), { existed: true, receipts: [{ etag: 'theirs' }] });
});

t.test('bytes that were not asked for are left out, or refused, and are no damage', async (t) => {
  const server = await openMemoryS3(t, { ranges: 'ignored', lock: true });
  const plane = await open(t, server.endpoint);
  t.match((await plane.backendHealth()).facts, {
    ranges: 'more is sent than was asked for, and left out',
    objectLock: 'on',
  });
  const bytes = randomBytes(1_000_000);
  const result = await plane.ingestStream(stream(bytes), {});
  const part = async (range: ByteRange) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of plane.serveObject(formatBlake3(result.blake3), range)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  t.ok((await part({ start: 500_001, end: 700_000 })).equals(bytes.subarray(500_001, 700_000)), 'cut out of the whole');
  server.behaves.ranges = 'others';
  await t.rejects(part({ start: 500_001, end: 700_000 }), {
    code: 'AS_ERR_IO',
    message: /the server sent bytes \d+ to/,
  });
  server.behaves.ranges = 'honoured';
  t.ok(
    (await part({ start: 500_001, end: 700_000 })).equals(bytes.subarray(500_001, 700_000)),
    'and nothing is marked',
  );
});

t.test('many are deleted in one request where the server does that, else one by one', async (t) => {
  const contents = [10, 20_000, 300_000].map((size) => randomBytes(size));
  const cases = [
    { multiDelete: 'honoured', fact: 'honoured', together: 2, alone: 0 },
    { multiDelete: 'refused', fact: 'refused', together: 0, alone: 5 },
    { multiDelete: 'ignored', fact: 'ignored: not relied on', together: 0, alone: 5 },
    { multiDelete: /\/objects\/.*[0-9a-f]{64}$/, fact: 'honoured', together: 2, alone: 3 },
  ] as const;
  for (const { multiDelete, fact, together, alone } of cases) {
    const server = await openMemoryS3(t, { multiDelete });
    const plane = await open(t, server.endpoint);
    t.equal((await plane.backendHealth()).facts.multiDelete, fact);
    const addresses: ContentAddress[] = [];
    for (const bytes of contents) addresses.push(formatBlake3((await plane.ingestStream(stream(bytes), {})).blake3));
    const before = server.requests.length;
    const absent: ContentAddress = `blake3:${'0'.repeat(64)}`;
    const [first] = addresses as [ContentAddress];
    const outcomes = await plane.deleteMany?.([...addresses, absent, first]);
    t.match(outcomes, [
      { deleted: true, freedSize: 10 },
      { deleted: true, freedSize: 20_000 + 8 + 64 },
      { deleted: true, freedSize: 300_000 + 8 + 64 * 18 },
      { deleted: false, freedSize: 0 },
      { deleted: false, freedSize: 0 },
    ]);
    t.same(
      [...server.objects.keys()].filter((key) => key.includes('/objects/')),
      [],
      `${fact}: objects and outboards are gone`,
    );
    const sent = server.requests.slice(before);
    t.equal(sent.filter(({ method, url }) => method === 'POST' && url.searchParams.has('delete')).length, together);
    t.equal(sent.filter(({ method }) => method === 'DELETE').length, alone);
  }
});

t.test('what cannot be deleted fails alone, and keeps its outboard', async (t) => {
  const server = await openMemoryS3(t);
  const plane = await open(t, server.endpoint);
  const bytes = [randomBytes(20_000), randomBytes(30_000)];
  const addresses: ContentAddress[] = [];
  for (const one of bytes) addresses.push(formatBlake3((await plane.ingestStream(stream(one), {})).blake3));
  const [kept] = addresses as [ContentAddress];
  const locked = new RegExp(`${kept.slice(7)}$`);
  server.behaves.multiDelete = locked;
  server.behaves.instead = (method, url) =>
    method === 'DELETE' && locked.test(url.pathname) ? { status: 403, code: 'AccessDenied' } : undefined;
  const outcomes = await plane.deleteMany?.(addresses);
  t.match(outcomes, [{ code: 'AS_ERR_FORBIDDEN' }, { deleted: true }]);
  t.equal(
    [...server.objects.keys()].filter((key) => key.includes('/objects/')).length,
    2,
    'the object and its outboard',
  );
  t.equal((await plane.verifyObject(kept)).status, 'intact');
});

/** Large objects into files, whatever happens to them on their way, over TLS or not. */
async function downloads(t: Test, isTls: boolean): Promise<void> {
  const MIB = 1024 * 1024;
  const server = await openMemoryS3(t);
  const proxy = await openFaultProxy(t, server.endpoint);
  const notices: string[] = [];
  const front = isTls ? await openTlsFront(t, proxy.endpoint) : { endpoint: proxy.endpoint, certificate: '' };
  const environment = { ...NOWHERE, ...KEYS, AWS_CA_BUNDLE: front.certificate };
  const plane = await open(t, front.endpoint, { environment, onNotice: (sentence) => notices.push(sentence) });
  const target = join(folder, 'target');
  const put = async (address: ContentAddress, range?: ByteRange, signal?: AbortSignal) => {
    writeFileSync(target, '');
    let told = 0;
    const sink = { path: target, onWrite: (size: number) => (told += size), ...(signal && { signal }) };
    const isDone = await plane.serveFile?.(address, sink, range);
    return { isDone, told, isSame: (bytes: Uint8Array) => Buffer.compare(readFileSync(target), bytes) === 0 };
  };
  const isObject = ({ method, url }: Seen) => method === 'GET' && /[/]objects[/]/.test(url) && !url.endsWith('.obao4');
  /** What happens to the first reads of the object. */
  const happens = (...faults: (Fault | undefined)[]) => {
    notices.length = 0;
    proxy.rule = (seen) => (isObject(seen) ? faults.shift() : undefined);
  };

  for (const size of [9 * MIB + 5, 70 * MIB + 1]) {
    const bytes = randomBytes(size);
    const address = formatBlake3((await plane.ingestStream(stream(bytes), {})).blake3);
    const whole = async (what: string) => {
      const { isDone, told, isSame } = await put(address);
      t.same([isDone, told, isSame(bytes)], [true, size, true], `${size} bytes: ${what}`);
    };
    happens();
    const before = server.requests.length;
    await whole('nothing');
    const reads = server.requests.slice(before).filter(({ url }) => url.pathname.endsWith(address.slice(7)));
    const [read] = reads.filter(({ method }) => method === 'GET');
    t.equal(read?.headers.range, `bytes=0-${size - 1}`, 'in one request');
    t.same(notices, []);
    if (size > 64 * MIB) {
      happens({ kind: 'cut-answer', after: 67 * MIB + 3 }, { kind: 'flip', at: 2 * MIB });
      await whole('past the page cache, cut off, and then a bit that differs');
      continue;
    }
    for (const kind of ['cut-answer', 'truncate'] as const) {
      happens({ kind, after: 5 * MIB + 3 });
      await whole(kind);
      t.match(notices, [/broke off at byte \d+ of \d+; it goes on from there/]);
    }
    happens({ kind: 'status', status: 503, code: 'SlowDown' });
    await whole('a server that is busy');
    happens({ kind: 'cut-before' }, { kind: 'cut-before' }, { kind: 'cut-answer', after: 100_000 });
    await whole('connections that break at once');
    happens({ kind: 'flip', at: 6 * MIB });
    await whole('a bit that differs once');
    t.match(notices, [/came wrong once and right the second time/]);

    const part = { start: 2 * MIB, end: 8 * MIB };
    t.ok((await put(address, part)).isSame(bytes.subarray(part.start, part.end)), 'a range of blocks');
    const odd = { start: 3, end: 7 * MIB };
    t.ok((await put(address, odd)).isSame(bytes.subarray(odd.start, odd.end)), 'and one that is none');
    await t.rejects(put(address, { start: 0, end: size + 1 }), { code: 'AS_ERR_RANGE' });
    await t.rejects(put(address, undefined, AbortSignal.abort()), { code: 'AS_ERR_ABORTED' });
    const leaving = new AbortController();
    writeFileSync(target, '');
    const sink = { path: target, onWrite: () => leaving.abort(), signal: leaving.signal };
    await t.rejects(plane.serveFile?.(address, sink) as Promise<boolean>, { code: 'AS_ERR_ABORTED' }, 'in the middle');

    const key = [...server.objects.keys()].find((one) => one.endsWith(address.slice(7))) as string;
    const kept = server.objects.get(key) as NonNullable<ReturnType<typeof server.objects.get>>;
    kept.bytes[6 * MIB] = (kept.bytes[6 * MIB] as number) ^ 1;
    await t.rejects(put(address), { code: 'AS_ERR_CORRUPT' });
    const there = readFileSync(target);
    t.ok(
      Buffer.compare(there, bytes.subarray(0, there.length)) === 0 || there.every((b, n) => b === bytes[n] || b === 0),
    );
    kept.bytes[6 * MIB] = (kept.bytes[6 * MIB] as number) ^ 1;
    t.equal((await plane.verifyObject(address)).status, 'intact');
    server.objects.delete(key);
    await t.rejects(put(address), { code: 'AS_ERR_NOT_FOUND' });
  }
}

t.test('a large object comes into a file by the core, whatever happens to it', (t) => downloads(t, false));
t.test('and over TLS, decrypted and proven piece by piece', (t) => downloads(t, true));

t.test('a server that is not trusted gets no request', async (t) => {
  const server = await openMemoryS3(t);
  const { endpoint, certificate } = await openTlsFront(t, server.endpoint);
  const opening = (more: Record<string, string>) =>
    openS3({
      url: 's3://bucket',
      spool: join(folder, 'untrusted'),
      endpoint,
      environment: { ...NOWHERE, ...KEYS, ...more },
    });
  await t.rejects(opening({}), {
    code: 'AS_ERR_UNAVAILABLE',
    message: /^The certificate of https:\/\/127.* AWS_CA_BUNDLE/,
    details: { attempts: 1 },
  });
  t.strictSame(server.requests, []);
  await t.rejects(opening({ AWS_CA_BUNDLE: join(folder, 'no-such-file') }), {
    code: 'AS_ERR_INVALID_ARGUMENT',
    message: /AWS_CA_BUNDLE/,
  });
  const config = join(folder, 'bundle-config');
  writeFileSync(config, `[default]\nca_bundle = ${certificate}\n`);
  await (await opening({ AWS_CONFIG_FILE: config })).close();
});

t.test('a store on S3 is reconciled', async (t) => {
  const server = await openMemoryS3(t);
  Object.assign(process.env, KEYS);
  t.teardown(() => {
    for (const name of Object.keys(KEYS)) delete process.env[name];
  });
  const path = join(folder, 'reconciled');
  const store = await openStore({ path, dataplane: 's3://bucket/a/b', s3: { endpoint: server.endpoint } });
  t.teardown(() => store.close());
  await checkReconciled(t, store, await open(t, server.endpoint));
  t.same(
    [...server.objects.keys()].filter((key) => key.includes('/objects/')),
    [],
    'and nothing is left of it',
  );
});

t.test('an outboard whose object never came is found and swept', async (t) => {
  const server = await openMemoryS3(t);
  Object.assign(process.env, KEYS);
  t.teardown(() => {
    for (const name of Object.keys(KEYS)) delete process.env[name];
  });
  const path = join(folder, 'leftovers');
  const options = { path, dataplane: 's3://bucket/a/b', s3: { endpoint: server.endpoint } };
  const store = await openStore(options);
  t.teardown(() => store.close());
  const keysOf = () => [...server.objects.keys()].filter((key) => key.includes('/objects/'));

  // A crash is between the two: the server takes outboards and no object any more.
  server.behaves.instead = (method, url) =>
    method === 'PUT' && !url.pathname.endsWith('.obao4') ? { status: 403, code: 'AccessDenied' } : undefined;
  for (const size of [20_000, 400_000]) await t.rejects(store.put(randomBytes(size)));
  server.behaves.instead = () => undefined;
  t.equal(keysOf().filter((key) => key.endsWith('.obao4')).length, 2);
  t.equal(keysOf().length, 2);
  const size = [...server.objects].reduce(
    (sum, [key, { bytes }]) => sum + (key.endsWith('.obao4') ? bytes.length : 0),
    0,
  );

  const { blake3: kept } = await store.put(randomBytes(30_000));
  const lost = randomBytes(40_000);
  const { blake3: missing } = await store.put(lost);
  server.objects.delete(`a/b/objects/${missing.slice(7, 9)}/${missing.slice(7)}`);
  const found = { objects: 1, orphans: 2, orphansSize: size, lost: 1 };
  t.match(await store.reconcile({ dryRun: true, age: 0 }), { ...found, discarded: 0 });
  t.match(await store.reconcile(), { ...found, young: 2, discarded: 0 }, 'too young to be removed');
  t.match(await store.reconcile({ age: 0 }), { orphans: 2, discarded: 2, freedSize: size, lost: 0 });
  t.match(await store.reconcile({ age: 0 }), { objects: 1, orphans: 0 });
  const left = [`${kept.slice(7)}`, `${kept.slice(7)}.obao4`, `${missing.slice(7)}.obao4`];
  t.same(
    keysOf()
      .map((key) => key.split('/').at(-1))
      .sort(),
    left.sort(),
    'what is known keeps its outboard',
  );
  await store.put(lost);
  t.equal((await store.verify(missing)).status, 'intact');
  const discarded = (await store.events({ kind: 'object.discarded' })).length;
  t.equal(discarded, 2, 'and the log says what was removed');
});

t.test('a bucket is listed page by page, and a listing that is not whole is no listing', async (t) => {
  const server = await openMemoryS3(t);
  const plane = await open(t, server.endpoint);
  const part = 0x64;
  const stored = formatBlake3((await plane.ingestStream(stream(Buffer.from('abc')), {})).blake3);
  const keyOf = (hex: string) => `a/b/objects/64/${hex}`;
  const forged = ['64'.repeat(32), `64${'f'.repeat(62)}`, `64${'0'.repeat(62)}`];
  for (const hex of forged)
    server.objects.set(keyOf(hex), { bytes: Buffer.alloc(7), headers: {}, changed: 86_400_000 });
  const others = [keyOf(`${'64'.repeat(32)}.obao4`), keyOf('short'), keyOf('65'.repeat(32)), 'other/objects/64/x'];
  for (const key of others) server.objects.set(key, { bytes: Buffer.alloc(1), headers: {} });
  const listing = await plane.listObjects?.(part);
  const names = [...forged, stored.slice(7)].sort();
  t.equal(Buffer.from(listing?.addresses ?? []).toString('hex'), names.join(''));
  t.same(
    [...(listing?.sizes ?? [])],
    names.map((hex) => (forged.includes(hex) ? 7 : 3)),
  );
  const old = names.map((hex) => forged.includes(hex));
  t.same(
    Array.from(listing?.changed ?? [], (time) => time === 86_400_000),
    old,
  );
  t.equal((await plane.listObjects?.(0))?.sizes.length, 0);
  for (const key of server.objects.keys()) delete server.objects.get(key)?.changed;
  const undated = await plane.listObjects?.(part);
  t.ok(
    undated?.changed.every((time) => time > Date.now() - 3_600_000),
    'what the server says no time of came just now, so nobody takes it for old',
  );
  for (const pages of ['repeated', 'cut'] as const) {
    server.behaves.pages = pages;
    await t.rejects(Promise.resolve(plane.listObjects?.(part)), { code: 'AS_ERR_IO', message: /lists no more/ }, pages);
  }
});

t.test('parts that are too large for memory are read twice', async (t) => {
  const server = await openMemoryS3(t, { checksums: false });
  const plane = await open(t, server.endpoint, { partSize: 1024 });
  const bytes = randomBytes(11_000_000);
  const result = await plane.ingestStream(stream(bytes), {});
  t.ok((await read(plane, result)).equals(bytes));
  const parts = server.requests.filter(
    ({ url: { pathname, searchParams } }) =>
      searchParams.has('partNumber') && pathname.includes('/objects/') && !pathname.endsWith('.obao4'),
  );
  t.equal(parts.length, 11, 'of a mebibyte each, because ten thousand of what was wanted are too few');
});

t.test('a server that keeps half of what it is given is found out', async (t) => {
  for (const size of [1_000, 600_000]) {
    const server = await openMemoryS3(t, { checksums: false });
    const notices: string[] = [];
    const plane = await open(t, server.endpoint, { onNotice: (sentence) => notices.push(sentence), partSize: 1 << 18 });
    let isHalf = 1;
    server.behaves.keeps = (whole, key) => (key.includes('/objects/') && isHalf-- > 0 ? Math.floor(whole / 2) : whole);
    const bytes = randomBytes(size);
    const result = await plane.ingestStream(stream(bytes), {});
    t.ok((await read(plane, result)).equals(bytes), `${size} bytes: it is stored again`);
    t.match(notices.join('\n'), /bytes after it was stored; it is stored again/);
    server.behaves.keeps = (whole, key) => (key.includes('/objects/') && !key.endsWith('.obao4') ? whole - 1 : whole);
    const never = randomBytes(size);
    await t.rejects(plane.ingestStream(stream(never), {}), {
      code: 'AS_ERR_IO',
      message: /does not keep what it is given/,
    });
    t.equal(
      [...server.objects.keys()].filter((key) => key.includes('/objects/') && !key.endsWith('.obao4')).length,
      1,
      'and nothing half is left',
    );
  }
});

t.test('what is refused is refused at once, and says what to do', async (t) => {
  const server = await openMemoryS3(t);
  const plane = await open(t, server.endpoint);
  const result = await plane.ingestStream(stream(Buffer.from('x')), {});
  const cases: [{ status: number; code?: string; headers?: Record<string, string> }, string, RegExp][] = [
    [{ status: 403, code: 'SignatureDoesNotMatch' }, 'AS_ERR_UNAUTHENTICATED', /credentials, the region and the clock/],
    [{ status: 403, code: 'AccessDenied' }, 'AS_ERR_FORBIDDEN', /do not allow this in the bucket bucket/],
    [{ status: 404, code: 'NoSuchBucket' }, 'AS_ERR_STORE_MISSING', /Make the bucket bucket/],
    [
      { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
      'AS_ERR_IO',
      /in the region eu-west-1, not in us-east-1/,
    ],
    [{ status: 507, code: 'QuotaExceeded' }, 'AS_ERR_NO_SPACE', /Free some space/],
    [{ status: 400, code: 'BadDigest' }, 'AS_ERR_IO', /S3-compatible/],
  ];
  for (const [instead, code, message] of cases) {
    let count = 0;
    server.behaves.instead = (method) => {
      if (method !== 'GET') return undefined;
      count++;
      return instead;
    };
    await t.rejects(read(plane, result), { code, message }, code);
    t.equal(count, 1, 'and is not asked for again');
  }
  let left = 2;
  server.behaves.instead = () => (left-- > 0 ? { status: left === 1 ? 429 : 503, code: 'SlowDown' } : undefined);
  t.equal((await read(plane, result)).toString(), 'x', 'what passes is waited for');
  let ended = true;
  server.behaves.instead = (method) => {
    if (!ended || method !== 'GET') return undefined;
    ended = false;
    return { status: 403, code: 'ExpiredToken' };
  };
  t.equal((await read(plane, result)).toString(), 'x', 'credentials that have ended are asked for again');
  const dates: string[] = [];
  server.behaves.instead = (method) => {
    if (method !== 'GET') return undefined;
    dates.push(String(server.requests.at(-1)?.headers['x-amz-date']));
    return dates.length === 1
      ? { status: 403, code: 'RequestTimeTooSkewed', headers: { date: 'Sun, 30 Aug 2099 12:36:00 GMT' } }
      : undefined;
  };
  t.equal((await read(plane, result)).toString(), 'x');
  t.match(dates, [/^20[2-8]/, /^2099/], 'a clock that differs is put right');
  server.behaves.instead = () => undefined;
  await t.rejects(
    openS3({
      url: 's3://other',
      spool: join(folder, 'o'),
      endpoint: server.endpoint,
      environment: { ...NOWHERE, ...KEYS },
    }),
    {
      code: 'AS_ERR_STORE_MISSING',
    },
  );
  await t.rejects(
    openS3({ url: 's3://bucket', spool: join(folder, 'o'), endpoint: server.endpoint, environment: NOWHERE }),
    {
      code: 'AS_ERR_UNAUTHENTICATED',
    },
  );
});

t.test('a store that only reads needs no spool and writes nothing', async (t) => {
  const server = await openMemoryS3(t, { condition: 'ignored', checksums: false });
  const writer = await open(t, server.endpoint);
  t.match((await writer.backendHealth()).facts, { conditionalPut: 'ignored: not relied on', checksums: 'ignored' });
  const bytes = randomBytes(400_000);
  const result = await writer.ingestStream(stream(bytes), {});
  const address: ContentAddress = formatBlake3(result.blake3);
  const before = server.requests.length;
  const reader = await open(t, server.endpoint, { readOnly: true, spool: '/nonexistent/folder' });
  t.match(await reader.backendHealth(), { ready: true, readOnly: true });
  t.ok((await read(reader, result)).equals(bytes));
  const kept = server.objects.get([...server.objects.keys()].find((key) => key.endsWith(address.slice(7))) as string);
  const stored = kept?.bytes as Buffer;
  stored[300_000] = (stored[300_000] as number) ^ 1;
  t.match(await reader.verifyObject(address), { status: 'corrupt', damaged: [{ start: 294_912, end: 311_296 }] });
  await t.rejects(read(reader, result), { code: 'AS_ERR_CORRUPT' });
  await t.rejects(reader.ingestStream(stream(bytes), {}), { code: 'AS_ERR_READ_ONLY' });
  await t.rejects(reader.deleteObject(address), { code: 'AS_ERR_READ_ONLY' });
  const ask = (plane: typeof reader, id: string) => plane.ingestStream(stream(), { session: { id, query: true } });
  await t.rejects(ask(reader, 'u'), { code: 'AS_ERR_NOT_FOUND' });
  t.strictSame(
    server.requests.slice(before).filter(({ method }) => method !== 'GET' && method !== 'HEAD'),
    [],
  );
  await reader.close();
  await t.rejects(reader.verifyObject(address), { code: 'AS_ERR_CLOSED' });
  t.match(await reader.backendHealth(), { ready: false, problem: /closed/ });
});

t.test('who only reads may ask how far an upload has come, and hinders nobody', async (t) => {
  const server = await openMemoryS3(t);
  const spool = join(folder, 'asked');
  const writer = await open(t, server.endpoint, { spool });
  await writer.ingestStream(stream(Buffer.from('hello')), { session: { id: 'u', offset: 0, final: false } });
  const reader = await open(t, server.endpoint, { spool, readOnly: true });
  const ask = () => reader.ingestStream(stream(), { session: { id: 'u', query: true } });
  await t.rejects(ask(), { code: 'AS_ERR_STORE_LOCKED' }, 'who writes knows');
  await writer.close();
  t.match(await ask(), { session: { id: 'u', offset: 5 }, size: 5 });
  await t.rejects(reader.ingestStream(stream(), { session: { id: 'u', abort: true } }), { code: 'AS_ERR_READ_ONLY' });
  const again = await open(t, server.endpoint, { spool });
  t.match(await again.ingestStream(stream(), { session: { id: 'u', offset: 5, final: true } }), { size: 5 });
});
