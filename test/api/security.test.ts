/** Who may use the service: credentials, scopes, namespaces, rates, on every operation there is; and that who may not does nothing. */

import t, { type Test } from 'tap';
import type { Scope } from '../../lib/access/scopes.js';
import { ROOMS } from '../../lib/api/http/rooms.js';
import type { Method, Operation } from '../../lib/api/http/route.js';
import { openStore } from '../../lib/index.js';
import { RawClient, type Reply, type Service, serve } from './support.js';

const SCOPES: readonly Scope[] = ['read', 'write', 'delete', 'retain', 'release', 'admin'];
const HELLO = Buffer.from('hello');
const HELLO_SHA256 = 'sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function token(service: Service, ...scopes: Scope[]): Promise<string> {
  return (await service.store.tokens.create({ holder: scopes.join(' '), scopes })).token;
}

function isProblem(t: Test, { json, headers, status }: Reply, expected: number, code: string, about: string): void {
  t.equal(status, expected, about);
  t.equal(headers['content-type'], 'application/problem+json', about);
  t.match(json, { code, status: expected, type: `urn:artifactstore:error:${code}` }, about);
}

/** Every operation, with a target that exists as far as its parameters go. */
const OPERATIONS = ROOMS.flatMap(({ routes }) => routes).flatMap(({ path, methods }) =>
  Object.entries(methods).map(([method, operation]) => ({
    method: method as Method,
    path,
    target: path.replace('{digest}', HELLO_SHA256).replace(/\{[^}]*\}/g, 'some'),
    operation: operation as Operation,
  })),
);

t.test('every operation is closed to who lacks its scope, and does nothing then', async (t) => {
  const service = await serve(t, { auth: 'required' });
  await service.store.put(HELLO);
  const tokens = new Map(await Promise.all(SCOPES.map(async (scope) => [scope, await token(service, scope)] as const)));
  const before = JSON.stringify([
    await service.store.usage(),
    (await service.store.events({ limit: 1, reverse: true }))[0]?.seq,
  ]);
  let closed = 0;
  for (const { method, target, operation } of OPERATIONS) {
    const { scope: declared, id } = operation;
    if (declared === 'public') {
      t.notOk([401, 403].includes((await service.call(method, target)).status), `${id} is public`);
      continue;
    }
    const wanted: readonly string[] = typeof declared === 'string' ? [declared] : declared;
    const body = ['POST', 'PUT', 'PATCH'].includes(method) ? { body: 'new bytes' } : {};
    const none = await service.call(method, target, body);
    t.equal(none.status, 401, `${id} without a token`);
    t.equal(none.headers['www-authenticate'], 'Bearer realm="artifactstore"', id);
    const wrong = await service.call(method, target, { ...body, headers: bearer('nonsense') });
    t.equal(wrong.status, 401, `${id} with a wrong token`);
    t.match(
      wrong.headers['www-authenticate'],
      /^Bearer realm="artifactstore", error="invalid_token", error_description="[^"\\]*"$/,
    );
    for (const [scope, text] of tokens) {
      if (wanted.includes(scope)) continue;
      const refused = await service.call(method, target, { ...body, headers: bearer(text) });
      t.equal(refused.status, 403, `${id} with ${scope}`);
      t.equal(
        refused.headers['www-authenticate'],
        `Bearer realm="artifactstore", error="insufficient_scope", scope="${wanted[0]}"`,
        `${id} with ${scope}`,
      );
      if (method !== 'HEAD') t.match(refused.json, { code: 'AS_ERR_FORBIDDEN', scopes: wanted }, `${id} with ${scope}`);
      closed++;
    }
  }
  t.ok(closed >= 40, 'the table is not empty');
  const after = JSON.stringify([
    await service.store.usage(),
    (await service.store.events({ limit: 1, reverse: true }))[0]?.seq,
  ]);
  t.equal(after, before, 'nothing was stored, deleted or recorded');
  t.same(service.errors, [], 'none of it is a failure of the service');
  for (const { method, target, operation } of OPERATIONS) {
    const wanted = typeof operation.scope === 'string' ? [operation.scope] : operation.scope;
    for (const scope of wanted.filter((scope) => scope !== 'public')) {
      const { status } = await service.call(method, target, { headers: bearer(tokens.get(scope as Scope) ?? '') });
      t.notOk([401, 403].includes(status), `${operation.id} with ${scope}`);
    }
  }
});

t.test('every operation is closed to who is bounded to namespaces, unless it says so', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const scopes = SCOPES.filter((scope) => scope !== 'admin');
  const { token: bounded } = await service.store.tokens.create({ holder: 'ci', scopes, namespaces: ['acme'] });
  const shared: string[] = [];
  for (const { method, path, target, operation } of OPERATIONS) {
    if (operation.scope === 'public' || operation.scope === 'admin') continue;
    const ask = (target: string) => service.call(method, target, { headers: bearer(bounded) });
    if (path.includes('{namespace}')) {
      const other = await ask(target);
      t.equal(other.status, 403, `${operation.id} in another namespace`);
      t.not((await ask(path.replace('{namespace}', 'acme').replace(/\{[^}]*\}/g, 'some'))).status, 403, operation.id);
      continue;
    }
    const { status } = await ask(target);
    if (operation.isShared) shared.push(operation.id);
    t.equal(status === 403, operation.isShared !== true, operation.id);
  }
  t.notOk(
    shared.some((id) => ['readObject', 'listObjects', 'describeObject', 'deleteObject', 'listEvents'].includes(id)),
    'objects are shared by all namespaces: their bytes, records and events are not for one of them',
  );
  const stored = await service.call('PUT', '/v1/objects', { body: HELLO, headers: bearer(bounded) });
  t.equal(stored.status, 201);
  isProblem(
    t,
    await service.call('GET', `/v1/objects/${HELLO_SHA256}`, { headers: bearer(bounded) }),
    403,
    'AS_ERR_FORBIDDEN',
    'nor is what it stored itself, by its digest',
  );
});

t.test('what is presented', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const reader = await token(service, 'read');
  const ask = (headers: Record<string, string>) => service.call('GET', '/v1/objects', { headers });
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) {
    t.equal((await ask({ authorization: `${scheme} ${reader}` })).status, 200, scheme);
  }
  for (const field of ['Basic dTpw', 'Digest x', 'Bearertoken', reader]) {
    const reply = await ask({ authorization: field });
    isProblem(t, reply, 401, 'AS_ERR_UNAUTHENTICATED', field);
    t.equal(reply.headers['www-authenticate'], 'Bearer realm="artifactstore"', `${field}: nothing was presented`);
  }
  for (const field of ['Bearer', 'Bearer ', 'Bearer a b', 'Bearer "x"', `Bearer ${reader},${reader}`]) {
    const reply = await ask({ authorization: field });
    isProblem(t, reply, 400, 'AS_ERR_UNAUTHENTICATED', field);
    t.match(reply.headers['www-authenticate'], /error="invalid_request"/);
  }
  const wrong = ['x', reader.slice(0, -1), `${reader}0`, 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.', 'a'.repeat(10_000)];
  for (const text of wrong) {
    const reply = await ask(bearer(text));
    isProblem(t, reply, 401, 'AS_ERR_UNAUTHENTICATED', text.slice(0, 80));
    t.notOk(reply.bytes.includes(text), 'what was presented is not repeated');
  }
  t.equal((await service.call('GET', `/v1/objects?access_token=${reader}`)).status, 400, 'never in the URL');
  const client = await RawClient.open(t, service.url);
  client.send(
    `GET /v1/objects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${reader}\r\nAuthorization: Bearer ${reader}\r\nConnection: close\r\n\r\n`,
  );
  t.match(await client.ended(), /^HTTP\/1\.1 400 /, 'twice');
  t.same(service.errors, []);
});

t.test('a refused upload leaves the connection as it should be', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const writer = await token(service, 'write');
  const client = await RawClient.open(t, service.url);
  client.send('PUT /v1/objects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
  const refused = await client.until(/\r\n\r\n\{.*\}\n/s);
  t.match(refused, /^HTTP\/1\.1 401 /);
  t.notMatch(refused, /100 Continue/, 'the body is never asked for');
  await client.ended();
  const next = await RawClient.open(t, service.url);
  const head = `Host: localhost\r\nAuthorization: Bearer ${writer}\r\n`;
  next.send(`GET /v1/objects HTTP/1.1\r\n${head}\r\n`);
  t.match(await next.until(/\r\n\r\n\{.*\}\n/s), /^HTTP\/1\.1 403 /);
  next.send(`PUT /v1/objects HTTP/1.1\r\n${head}Content-Length: 5\r\n\r\nhello`);
  t.match(await next.until(/HTTP\/1\.1 201 /), /HTTP\/1\.1 201 /, 'a connection outlives a refusal');
  t.equal((await service.store.usage()).objects, 1);
});

t.test('who did it stands in the log', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const made = await service.store.tokens.create({ holder: 'ci', scopes: ['write', 'delete'] });
  const headers = bearer(made.token);
  await service.call('PUT', '/v1/objects', { body: HELLO, headers });
  await service.call('DELETE', `/v1/objects/${HELLO_SHA256}`, { headers });
  const actors = (await service.store.events({ after: 1 })).map(({ kind, actor }) => [kind, actor]);
  t.same(
    actors,
    ['ingested', 'tombstoned', 'deleted'].map((what) => [`object.${what}`, `token:${made.id}`]),
  );
});

t.test('tokens are made and revoked while the service runs', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const admin = await service.store.tokens.create({ holder: 'root', scopes: ['admin'] });
  const call = (method: string, target: string, body?: object, type = 'application/json') =>
    service.call(method, target, {
      headers: { ...bearer(admin.token), ...(body && { 'content-type': type }) },
      ...(body && { body: JSON.stringify(body) }),
    });
  const grant = { holder: 'ci', scopes: ['read', 'write'], namespaces: ['acme'], rate: 600, quota: 5 };
  const made = await call('POST', '/v1/tokens', grant);
  t.equal(made.status, 201);
  t.equal(made.headers.location, `/v1/tokens/${made.json.id}`);
  t.equal(made.headers['cache-control'], 'no-store');
  t.match(made.json, { ...grant, used: 0, createdBy: `token:${admin.id}` });
  const { token: text, ...record } = made.json;
  t.equal((await service.call('PUT', '/v1/objects', { body: HELLO, headers: bearer(text) })).status, 201);
  const used = { ...record, used: 5 };
  t.same((await call('GET', `/v1/tokens/${record.id}`)).json, used, 'without the secret');
  const { tokens } = (await call('GET', '/v1/tokens')).json;
  t.same(new Set(tokens.map(({ id }: { id: string }) => id)), new Set([admin.id, record.id]));
  t.notOk(JSON.stringify(tokens).includes(text.slice(16)));
  const first = (await call('GET', '/v1/tokens?limit=1')).json;
  t.equal((await call('GET', `/v1/tokens?limit=1&cursor=${first.next}`)).json.tokens.length, 1);

  const revoked = await call('DELETE', `/v1/tokens/${record.id}?reason=leaked`);
  t.match(revoked.json, { ...used, revoked: { actor: `token:${admin.id}`, reason: 'leaked' } });
  t.equal((await service.call('PUT', '/v1/objects', { body: HELLO, headers: bearer(text) })).status, 401, 'at once');

  isProblem(t, await call('GET', '/v1/tokens/nobody'), 404, 'AS_ERR_NOT_FOUND', 'unknown');
  isProblem(t, await call('DELETE', '/v1/tokens/nobody'), 404, 'AS_ERR_NOT_FOUND', 'unknown');
  isProblem(t, await call('POST', '/v1/tokens', grant, 'text/plain'), 415, 'AS_ERR_HTTP_REQUEST', 'a form');
  for (const body of [
    {},
    { holder: 'x' },
    { ...grant, admin: true },
    { ...grant, scopes: ['root'] },
    [],
    { ...grant, quota: -1 },
  ]) {
    isProblem(t, await call('POST', '/v1/tokens', body), 400, 'AS_ERR_HTTP_REQUEST', JSON.stringify(body));
  }
  for (const part of [{ scopes: [] }, { namespaces: ['A'] }, { rate: 0 }, { expires: 1 }, { scopes: ['admin'] }]) {
    const reply = await call('POST', '/v1/tokens', { ...grant, ...part });
    isProblem(t, reply, 400, 'AS_ERR_INVALID_ARGUMENT', JSON.stringify(part));
  }
  const large = { ...grant, holder: 'x'.repeat(20_000) };
  isProblem(t, await call('POST', '/v1/tokens', large), 413, 'AS_ERR_LIMIT', 'too large');
});

t.test('an upload is of who opened it', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const [mine, yours, admin] = [
    await token(service, 'write'),
    await token(service, 'write'),
    await token(service, 'write', 'admin'),
  ];
  const call = (who: string, method: string, headers: Record<string, string> = {}, body?: string) =>
    service.call(method, '/v1/uploads/nightly', { headers: { ...bearer(who), ...headers }, ...(body && { body }) });
  t.equal((await call(mine, 'PUT', { 'content-range': 'bytes 0-2/5' }, 'hel')).status, 201);
  for (const method of ['GET', 'DELETE']) {
    isProblem(t, await call(yours, method), 404, 'AS_ERR_NOT_FOUND', `${method} by another`);
  }
  t.equal((await call(yours, 'HEAD')).status, 404);
  isProblem(t, await call(yours, 'PATCH', { 'upload-offset': '3' }, 'XX'), 404, 'AS_ERR_NOT_FOUND', 'PATCH by another');
  isProblem(t, await call(yours, 'PUT', {}, 'XXXXX'), 404, 'AS_ERR_NOT_FOUND', 'PUT by another');
  const overridden = { 'x-http-method-override': 'DELETE', 'tus-resumable': '1.0.0' };
  isProblem(t, await call(yours, 'POST', overridden), 404, 'AS_ERR_NOT_FOUND', 'POST by another');
  t.equal((await call(admin, 'HEAD')).headers['upload-offset'], '3', 'who administers the service sees it');
  t.equal((await call(mine, 'PATCH', { 'upload-offset': '3' }, 'lo')).status, 201);
  isProblem(t, await call(yours, 'GET'), 404, 'AS_ERR_NOT_FOUND', 'once completed too');
});

t.test('a token with a rate is slowed down, and no other', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const { token: slow } = await service.store.tokens.create({ holder: 'slow', scopes: ['read'], rate: 18 });
  const other = await token(service, 'read');
  const ask = (text: string) => service.call('GET', '/v1/objects', { headers: bearer(text) });
  const replies: Reply[] = [];
  for (let n = 0; n < 4; n++) replies.push(await ask(slow));
  t.same(
    replies.map(({ status }) => status),
    [200, 200, 200, 429],
    'ten seconds of 18 a minute are 3',
  );
  const last = replies[3] as Reply;
  isProblem(t, last, 429, 'AS_ERR_RATE', 'too often');
  t.match(last.headers['retry-after'], /^[1-4]$/);
  t.equal((await ask(other)).status, 200);
  t.equal((await service.call('GET', '/livez', { headers: bearer(slow) })).status, 200, 'public operations ask nobody');
});

t.test('on loopback nobody has to prove anything, and who presents something is who it says', async (t) => {
  const service = await serve(t);
  t.equal((await service.call('GET', '/v1/objects')).status, 200);
  t.equal((await service.call('GET', '/v1/objects', { headers: { authorization: 'Basic dTpw' } })).status, 200);
  const writer = await token(service, 'write');
  t.equal((await service.call('GET', '/v1/objects', { headers: bearer(writer) })).status, 403);
  t.equal((await service.call('GET', '/v1/objects', { headers: bearer('wrong') })).status, 401);
  const made = await service.call('POST', '/v1/tokens', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ holder: 'ci', scopes: ['read'] }),
  });
  t.equal(made.status, 201);
  t.equal(made.json.createdBy, 'http:127.0.0.1');
  const foreign = { origin: 'http://evil.example', 'content-type': 'application/json' };
  isProblem(
    t,
    await service.call('POST', '/v1/tokens', { headers: foreign, body: '{"holder":"x","scopes":["admin"]}' }),
    403,
    'AS_ERR_HTTP_ORIGIN',
    'no page makes itself a token',
  );
  isProblem(
    t,
    await service.call('GET', '/v1/objects', { headers: { ...bearer(writer), host: 'evil.example' } }),
    403,
    'AS_ERR_HTTP_ORIGIN',
    'nor does a token make a name trusted',
  );
});

t.test('no path of a request becomes one of the file system', async (t) => {
  const service = await serve(t, { auth: 'required' });
  const all = await token(service, ...SCOPES);
  const names = [
    '..',
    '%2e%2e',
    '..%2f..%2fetc%2fpasswd',
    '/etc/passwd',
    '%2fetc%2fpasswd',
    'a%00b',
    '....//',
    '%c0%ae%c0%ae',
  ];
  for (const { method, path, operation } of OPERATIONS) {
    if (!path.includes('{')) continue;
    for (const name of names) {
      const target = path.replace(/\{[^}]*\}/g, name);
      // As it stands: a client that knows URLs would take the dots out before it sends them.
      const fields = `Host: localhost\r\nAuthorization: ${bearer(all).authorization}\r\nConnection: close`;
      const client = await RawClient.open(t, service.url);
      const reply = await client.send(`${method} ${target} HTTP/1.1\r\n${fields}\r\n\r\n`).ended();
      const status = Number(reply.slice(9, 12));
      const about = `${operation.id} ${name}`;
      t.ok(status < 500 && !(operation.scope !== 'public' && status < 300), `${about}: ${status}`);
      t.notMatch(reply, /root:|\/tmp\/|ENOENT|at .*\.js/, about);
    }
  }
  t.same(service.errors, []);
});

t.test('a store that is only read knows its tokens', async (t) => {
  const path = t.testdir();
  const store = await openStore({ path });
  const { token: reader } = await store.tokens.create({ holder: 'r', scopes: ['read', 'admin'] });
  await store.close();
  const service = await serve(t, { auth: 'required', store: { path, readOnly: true } });
  t.equal((await service.call('GET', '/v1/objects', { headers: bearer(reader) })).status, 200);
  const made = await service.call('POST', '/v1/tokens', {
    headers: { ...bearer(reader), 'content-type': 'application/json' },
    body: '{"holder":"x","scopes":["read"]}',
  });
  isProblem(t, made, 403, 'AS_ERR_READ_ONLY', 'and makes none');
});
