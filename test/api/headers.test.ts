/** The parsers behind the HTTP door, as tables: ranges, conditions, digest fields, Accept, problem documents, trust, routes. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import t from 'tap';
import { prefersCbor } from '../../lib/api/http/accept.js';
import { checkPreconditions, rangeCounts, validatorsOf } from '../../lib/api/http/conditional.js';
import {
  expectedDigests,
  formatArtifactstoreDigest,
  formatReprDigest,
  parseDigestField,
  wantsSha256,
} from '../../lib/api/http/digest-fields.js';
import { problemAnswer, rawProblem, statusOf } from '../../lib/api/http/problem.js';
import { formatContentRange, parseRanges } from '../../lib/api/http/range.js';
import { Refusal } from '../../lib/api/http/refusal.js';
import { route } from '../../lib/api/http/router.js';
import { listening, requireTrusted } from '../../lib/api/http/trust.js';
import type { Digest, Sha256Digest } from '../../lib/dataplane/spi.js';
import { ArtifactStoreError, ERROR_CODES, type ErrorCode } from '../../lib/errors.js';
import { HTTP_RANGES_MAX } from '../../lib/limits.js';
import type { ObjectRecord } from '../../lib/registry/registry.js';

const HELLO_SHA256 = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824' as const;
const HELLO: Sha256Digest = `sha256:${HELLO_SHA256}`;
const HELLO_BASE64 = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=';
const BLAKE3: Digest = `blake3:${'a'.repeat(64)}`;

t.test('Range', async (t) => {
  const cases: [string | undefined, number, ReturnType<typeof parseRanges>][] = [
    [undefined, 10, 'whole'],
    ['bytes=0-0', 10, [{ start: 0, end: 1 }]],
    ['bytes=2-5', 10, [{ start: 2, end: 6 }]],
    ['bytes=2-', 10, [{ start: 2, end: 10 }]],
    ['bytes=-3', 10, [{ start: 7, end: 10 }]],
    ['bytes=-30', 10, [{ start: 0, end: 10 }]],
    ['bytes=9-9', 10, [{ start: 9, end: 10 }]],
    ['bytes=5-500', 10, [{ start: 5, end: 10 }]],
    ['bytes=0-99999999999999999999999999', 10, [{ start: 0, end: 10 }]],
    ['BYTES= 1-2 ', 10, [{ start: 1, end: 3 }]],
    ['bytes=10-', 10, 'unsatisfiable'],
    ['bytes=10-20', 10, 'unsatisfiable'],
    ['bytes=99999999999999999999999999-', 10, 'unsatisfiable'],
    ['bytes=-0', 10, 'unsatisfiable'],
    ['bytes=0-', 0, 'unsatisfiable'],
    ['bytes=-5', 0, 'whole'],
    ['bytes=5-2', 10, 'whole'],
    ['bytes=-', 10, 'whole'],
    ['bytes=', 10, 'whole'],
    ['bytes=a-b', 10, 'whole'],
    [
      'bytes=1-2,4-5',
      10,
      [
        { start: 1, end: 3 },
        { start: 4, end: 6 },
      ],
    ],
    [
      'bytes=7-, ,0-1',
      10,
      [
        { start: 7, end: 10 },
        { start: 0, end: 2 },
      ],
    ],
    [
      'bytes=1-2,-2',
      10,
      [
        { start: 1, end: 3 },
        { start: 8, end: 10 },
      ],
    ],
    ['bytes=1-2,50-60', 10, [{ start: 1, end: 3 }]],
    ['bytes=10-,11-', 10, 'unsatisfiable'],
    ['bytes=0-4,4-5', 10, 'whole'],
    ['bytes=0-1,x', 10, 'whole'],
    [
      `bytes=${Array.from({ length: HTTP_RANGES_MAX }, (_, n) => `${2 * n}-${2 * n}`)}`,
      999,
      Array.from({ length: HTTP_RANGES_MAX }, (_, n) => ({ start: 2 * n, end: 2 * n + 1 })),
    ],
    [`bytes=${Array.from({ length: HTTP_RANGES_MAX + 1 }, (_, n) => `${2 * n}-${2 * n}`)}`, 999, 'whole'],
    ['bytes 1-2', 10, 'whole'],
    ['lines=1-2', 10, 'whole'],
    ['bytes=+1-2', 10, 'whole'],
    ['bytes=1-2x', 10, 'whole'],
  ];
  for (const [header, size, expected] of cases)
    t.strictSame(parseRanges(header, size), expected, `${header} of ${size}`);
  t.equal(formatContentRange({ start: 2, end: 6 }, 10), 'bytes 2-5/10');
});

t.test('Want-Repr-Digest', async (t) => {
  const cases: [string | undefined, boolean | undefined][] = [
    [undefined, undefined],
    ['sha-256=1', true],
    ['sha-512=3, sha-256=10', true],
    ['sha-256=0', false],
    ['sha-256=1, sha-256=0', false],
    ['sha-512=1', undefined],
    ['sha-256=11', undefined],
    ['sha-256', undefined],
  ];
  for (const [field, expected] of cases) t.equal(wantsSha256(field), expected, `${field}`);
});

t.test('preconditions, in the order of RFC 9110', async (t) => {
  const now = Date.parse('2026-03-01T12:00:00.789Z');
  const current = validatorsOf({ blake3: BLAKE3, ingestedAt: now } as ObjectRecord);
  const tag = `"${BLAKE3}"`;
  const same = 'Sun, 01 Mar 2026 12:00:00 GMT';
  const earlier = 'Sun, 01 Mar 2026 11:59:59 GMT';
  t.strictSame(current, { etag: tag, lastModified: now - 789 });

  const cases: [string, IncomingHttpHeaders, ReturnType<typeof checkPreconditions>][] = [
    ['GET', {}, 'proceed'],
    ['GET', { 'if-match': tag }, 'proceed'],
    ['GET', { 'if-match': '*' }, 'proceed'],
    ['GET', { 'if-match': `"other", ${tag}` }, 'proceed'],
    ['GET', { 'if-match': '"other"' }, 'failed'],
    ['GET', { 'if-match': `W/${tag}` }, 'failed'],
    ['GET', { 'if-match': 'nonsense' }, 'failed'],
    ['GET', { 'if-match': tag, 'if-unmodified-since': earlier }, 'proceed'],
    ['GET', { 'if-unmodified-since': earlier }, 'failed'],
    ['GET', { 'if-unmodified-since': same }, 'proceed'],
    ['GET', { 'if-unmodified-since': 'yesterday' }, 'proceed'],
    ['GET', { 'if-none-match': tag }, 'not-modified'],
    ['HEAD', { 'if-none-match': `W/${tag}` }, 'not-modified'],
    ['GET', { 'if-none-match': '*' }, 'not-modified'],
    ['GET', { 'if-none-match': '"other", "and another"' }, 'proceed'],
    ['DELETE', { 'if-none-match': tag }, 'failed'],
    ['PUT', { 'if-none-match': '*' }, 'failed'],
    ['GET', { 'if-match': '"other"', 'if-none-match': tag }, 'failed'],
    ['GET', { 'if-modified-since': same }, 'not-modified'],
    ['GET', { 'if-modified-since': 'Sunday, 01-Mar-26 12:00:00 GMT' }, 'not-modified'],
    ['GET', { 'if-modified-since': 'Sun Mar  1 12:00:00 2026' }, 'not-modified'],
    ['GET', { 'if-modified-since': earlier }, 'proceed'],
    ['GET', { 'if-modified-since': '2026-03-01' }, 'proceed'],
    ['GET', { 'if-modified-since': 'nonsense GMT' }, 'proceed'],
    ['GET', { 'if-none-match': '"other"', 'if-modified-since': same }, 'proceed'],
    ['DELETE', { 'if-modified-since': same }, 'proceed'],
  ];
  for (const [method, headers, expected] of cases) {
    t.equal(checkPreconditions(method, headers, current), expected, `${method} ${JSON.stringify(headers)}`);
  }
  t.equal(checkPreconditions('PUT', { 'if-match': '*' }, undefined), 'failed', 'If-Match of nothing');
  t.equal(checkPreconditions('PUT', { 'if-none-match': '*' }, undefined), 'proceed');
  t.equal(checkPreconditions('PUT', { 'if-unmodified-since': earlier }, undefined), 'proceed');

  t.equal(rangeCounts({}, current), true);
  t.equal(rangeCounts({ 'if-range': tag }, current), true);
  t.equal(rangeCounts({ 'if-range': same }, current), true);
  t.equal(rangeCounts({ 'if-range': `W/${tag}` }, current), false, 'a weak tag is not enough');
  t.equal(rangeCounts({ 'if-range': '"other"' }, current), false);
  t.equal(rangeCounts({ 'if-range': earlier }, current), false);
});

t.test('digest fields', async (t) => {
  const value = `sha-256=:${HELLO_BASE64}:`;
  t.equal(HELLO_SHA256, createHash('sha256').update('hello').digest('hex'));
  t.equal(formatReprDigest(HELLO), value);
  t.equal(formatArtifactstoreDigest({ blake3: BLAKE3, sha256: HELLO }), `${BLAKE3}, ${HELLO}`);

  const readable: [string, Sha256Digest | undefined][] = [
    [value, HELLO],
    [`md5=:AAAA:, ${value}`, HELLO],
    [`${value} , unixsum=:AA==:`, HELLO],
    [`${value};a;b=1;c="x, y\\""`, HELLO],
    [`sha-256=:${Buffer.alloc(32).toString('base64')}:,${value}`, HELLO],
    ['sha-512=:AAAA:', undefined],
  ];
  for (const [field, expected] of readable) t.equal(parseDigestField('Repr-Digest', field), expected, field);

  const malformed = [
    '',
    'nonsense',
    `sha-256=${HELLO_BASE64}`,
    `sha-256=:${HELLO_BASE64}`,
    `SHA-256=:${HELLO_BASE64}:`,
    'sha-256=:AAAA:',
    'sha-256=:*:',
    `${value},`,
    `${value} sha-512=:AAAA:`,
  ];
  for (const field of malformed) {
    t.throws(() => parseDigestField('Repr-Digest', field), { code: 'AS_ERR_INVALID_DIGEST' }, `"${field}"`);
  }

  t.strictSame(expectedDigests({}), []);
  t.strictSame(expectedDigests({ 'repr-digest': value, 'content-digest': value }, HELLO), [HELLO], 'each once');
  t.strictSame(expectedDigests({ 'artifactstore-digest': `${BLAKE3} , ${HELLO}` }), [BLAKE3, HELLO]);
  t.throws(() => expectedDigests({ 'repr-digest': value }, `sha256:${'0'.repeat(64)}`), {
    code: 'AS_ERR_DIGEST_MISMATCH',
  });
  t.throws(() => expectedDigests({ 'artifactstore-digest': 'blake3:12' }), { code: 'AS_ERR_INVALID_DIGEST' });
});

t.test('Accept', async (t) => {
  const cases: [string | undefined, boolean][] = [
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['application/cbor', true],
    ['Application/CBOR, */*;q=0.1', true],
    ['application/cbor;q=0.5, application/json;q=0.4', true],
    ['application/cbor, application/json', false],
    ['application/cbor;q=0', false],
    ['application/cbor;q=nonsense', false],
  ];
  for (const [accept, expected] of cases) t.equal(prefersCbor(accept), expected, String(accept));
});

t.test('problem documents', async (t) => {
  const told = new Set<ErrorCode>();
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const error = new ArtifactStoreError(code, 'A message with /srv/secret.', { place: '/srv/secret', status: 1 });
    const { status, headers, body } = problemAnswer(error, 'id-1');
    const problem = JSON.parse(String(body));
    t.match(
      problem,
      { type: `urn:artifactstore:error:${code}`, title: ERROR_CODES[code], status, code, requestId: 'id-1' },
      code,
    );
    t.match(headers, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
    if (problem.place === '/srv/secret') told.add(code);
    t.equal(problem.detail.includes('/srv/secret'), told.has(code), `${code} tells both or neither`);
    // Of its own quota who asks may read, and of the other the door itself tells clients.
    const isInside = status >= 500 && code !== 'AS_ERR_QUOTA' && code !== 'AS_ERR_UNAVAILABLE';
    t.ok(!isInside || !told.has(code), `${code} tells nothing about the inside of the service`);
  }
  t.notOk(told.has('AS_ERR_READ_ONLY'));
  t.ok(told.has('AS_ERR_GONE'));

  const foreseen = problemAnswer(new Refusal('AS_ERR_LIMIT', 431, 'Too long.', {}, { 'X-A': 'b' }), 'id-1');
  t.match(foreseen, { status: 431, headers: { 'X-A': 'b' } });
  const unforeseen = problemAnswer(new TypeError('secret'), 'id-1');
  t.equal(unforeseen.status, 500);
  t.notMatch(String(unforeseen.body), /secret/);
  t.match(String(unforeseen.body), /AS_ERR_INTERNAL/);

  const [head = '', body = ''] = rawProblem(new Refusal('AS_ERR_LIMIT', 431, 'Größer.'), 'id-1').split('\r\n\r\n');
  t.match(head, /^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
  t.match(head, `Content-Length: ${Buffer.byteLength(body)}\r\n`);
  t.match(head, 'Connection: close');
  t.match(head, 'X-Request-Id: id-1');
});

t.test('every code stands in the documentation, with its status', async (t) => {
  const text = readFileSync(new URL('../../../docs/http-api.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| ([\d, ]+) \| (.*) \|$/gm)].map(([, statuses = '', codes = '']) => ({
    statuses,
    codes,
  }));
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const status = String(statusOf(code));
    const isThere = rows.some(({ statuses, codes }) => statuses.includes(status) && codes.includes(`\`${code}\``));
    t.ok(isThere, `${code}, ${status}`);
  }
});

t.test('routes', async (t) => {
  t.strictSame(route('GET', `/v1/objects/${HELLO}`).params, [HELLO]);
  t.strictSame(route('GET', '/v1/objects/blake3%3Aabcd').params, ['blake3:abcd'], 'percent-encoding is undone');
  t.strictSame(route('GET', 'http://127.0.0.1/v1/objects/abcd/meta').params, ['abcd'], 'absolute form');
  t.strictSame(route('GET', '/v1/events?after=5&follow=1&kind=a').query, { after: 5, follow: true, kind: 'a' });
  t.equal(route('HEAD', '/livez').operation, route('GET', '/livez').operation);

  const refused: [string, string, ErrorCode, number][] = [
    ['GET', '/nothing', 'AS_ERR_HTTP_ROUTE', 404],
    ['GET', '/v1/objects/', 'AS_ERR_HTTP_ROUTE', 404],
    ['GET', '/v1/objects/a/b', 'AS_ERR_HTTP_ROUTE', 404],
    ['GET', '//v1/objects', 'AS_ERR_HTTP_ROUTE', 404],
    ['GET', '/v1/../livez', 'AS_ERR_HTTP_ROUTE', 404],
    ['GET', '/v1/objects/%', 'AS_ERR_HTTP_REQUEST', 400],
    ['GET', '*', 'AS_ERR_HTTP_REQUEST', 400],
    ['POST', `/v1/objects/${HELLO}`, 'AS_ERR_HTTP_METHOD', 405],
    ['HEAD', '/v1/objects?limit=1&limit=2', 'AS_ERR_INVALID_ARGUMENT', 400],
    ['GET', '/livez?verbose', 'AS_ERR_INVALID_ARGUMENT', 400],
  ];
  for (const [method, target, code, status] of refused) {
    t.throws(() => route(method, target), { code, status }, `${method} ${target}`);
  }

  t.equal(route('GET', '/v1/objects?limit=1').query.limit, 1);
  for (const value of ['', '-1', '0', '1.5', '1e3', '0x1', '9'.repeat(16)]) {
    const target = `/v1/objects?limit=${value}`;
    t.throws(() => route('GET', target), { code: 'AS_ERR_INVALID_ARGUMENT', status: 400 }, target);
  }
  for (const target of ['/v1/events?reverse=maybe', '/v1/objects?state=lost', '/v1/events?toString=1']) {
    t.throws(() => route('GET', target), { code: 'AS_ERR_INVALID_ARGUMENT', status: 400 }, target);
  }
});

t.test('whom the service trusts', async (t) => {
  const beyond = ['0.0.0.0', '::', '10.0.0.1', '192.168.1.1', '128.0.0.1', 'fe80::1'];
  for (const host of ['127.0.0.1', '127.9.8.7', '::1', 'localhost']) {
    const { address, isAuthRequired } = await listening(host, {});
    t.match(address, /^(127\.|::1$)/, host);
    t.equal(isAuthRequired, false, 'loopback is enough');
    t.equal((await listening(host, { auth: 'required' })).isAuthRequired, true);
    t.equal((await listening(host, { auth: 'none' })).isAuthRequired, false);
  }
  for (const host of beyond) {
    t.equal((await listening(host, {})).isAuthRequired, true, 'beyond loopback somebody must prove something');
    await t.rejects(listening(host, { auth: 'none' }), { code: 'AS_ERR_UNAUTHENTICATED_LISTEN' }, host);
    t.equal((await listening(host, { insecureNoAuthentication: true })).isAuthRequired, false, 'in so many words');
  }
  const contradiction = { auth: 'required', insecureNoAuthentication: true } as const;
  await t.rejects(listening('0.0.0.0', contradiction), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(listening('no such name', {}), { code: 'AS_ERR_INVALID_ARGUMENT' });

  const request = (headers: { host?: string; origin?: string }, hosts?: string[]) =>
    ({
      headers,
      rawHeaders: (hosts ?? (headers.host === undefined ? [] : [headers.host])).flatMap((host) => ['Host', host]),
      httpVersion: '1.1',
    }) as unknown as IncomingMessage;
  const names = ['store.example'];
  const trusted: { host: string; origin?: string }[] = [
    { host: '127.0.0.1:8420' },
    { host: '10.1.2.3' },
    { host: '[::1]:8420' },
    { host: 'LocalHost:1' },
    { host: 'a.localhost' },
    { host: 'store.example' },
    { host: 'localhost:8420', origin: 'http://localhost:8420' },
    { host: '127.0.0.1:8420', origin: 'https://store.example' },
  ];
  for (const headers of trusted) t.doesNotThrow(() => requireTrusted(request(headers), names), JSON.stringify(headers));
  const refused: { host: string; origin?: string }[] = [
    { host: 'evil.example' },
    { host: 'localhost.evil.example:8420' },
    { host: 'store.example@evil' },
    { host: '' },
    { host: 'localhost:8420', origin: 'http://evil.example' },
    { host: 'localhost:8420', origin: 'http://localhost:9000' },
    { host: 'localhost:8420', origin: 'null' },
  ];
  for (const headers of refused) {
    t.throws(() => requireTrusted(request(headers), names), { code: 'AS_ERR_HTTP_ORIGIN' }, JSON.stringify(headers));
  }
  t.throws(() => requireTrusted(request({}), names), { code: 'AS_ERR_HTTP_REQUEST' }, 'no Host');
  t.throws(() => requireTrusted(request({ host: 'localhost' }, ['localhost', 'a']), names), {
    code: 'AS_ERR_HTTP_REQUEST',
  });
  t.doesNotThrow(() => requireTrusted({ ...request({}), httpVersion: '1.0' } as IncomingMessage, names));
});
