/** JWTs of trusted issuers: which count, for what, and what becomes of those that do not. The issuer is a server of this test on loopback. */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import t, { type Test } from 'tap';
import { requireIssuers, type TrustedIssuer } from '../../lib/access/issuer-rules.js';
import { trustIssuers } from '../../lib/access/issuers.js';
import { serve } from '../api/support.js';

const AUDIENCE = 'https://artifacts.example.org';

interface IssuerServer {
  url: string;
  /** Its public keys, by id. */
  keys: Map<string, KeyObject>;
  /** Requests for keys that it got. */
  asked: number;
  isDown: boolean;
  /** What its discovery document says beyond the truth. */
  lie: object;
}

async function issuerServer(t: Test): Promise<IssuerServer> {
  const state: IssuerServer = { url: '', keys: new Map(), asked: 0, isDown: false, lie: {} };
  const server = createServer(async (request, response) => {
    if (state.isDown) return response.writeHead(503).end();
    if (request.url === '/.well-known/openid-configuration') {
      return response.end(JSON.stringify({ issuer: state.url, jwks_uri: `${state.url}/keys`, ...state.lie }));
    }
    state.asked++;
    const entries = [...state.keys].map(async ([kid, key]) => ({ ...(await exportJWK(key)), kid, use: 'sig' }));
    return response.end(JSON.stringify({ keys: await Promise.all(entries) }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });

/** A token as CI systems make them, changed as the test wants. */
function token(issuer: string, key: KeyObject, claims: object = {}, header: object = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const all = {
    iss: issuer,
    aud: AUDIENCE,
    sub: 'repo:acme/tools:ref:refs/heads/main',
    repository_owner: 'Acme',
    exp: now + 300,
    iat: now,
  };
  return new SignJWT({ ...all, ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
}

function trusting(issuer: string, rules: TrustedIssuer['rules']): TrustedIssuer[] {
  return requireIssuers({ issuer, audience: AUDIENCE, rules });
}

const MAIN = {
  claims: { sub: 'repo:acme/*:ref:refs/heads/main' },
  scopes: ['write'],
  namespaces: ['{repository_owner}'],
} as const;

t.test('who is known by a token, and what it allows', async (t) => {
  const issuer = await issuerServer(t);
  const { publicKey, privateKey } = rsa();
  issuer.keys.set('one', publicKey);
  const rules = [MAIN, { claims: { sub: '*' }, scopes: ['read'], rate: 60 }] as const;
  const identify = await trustIssuers(trusting(issuer.url, rules));
  t.strictSame(await identify(await token(issuer.url, privateKey)), {
    actor: `oidc:${issuer.url}:repo:acme/tools:ref:refs/heads/main`,
    scopes: ['write'],
    namespaces: ['acme'],
  });
  const other = await identify(await token(issuer.url, privateKey, { sub: 'somebody' }));
  t.strictSame(other, { actor: `oidc:${issuer.url}:somebody`, scopes: ['read'], rate: 60 }, 'the first rule that fits');
  const odd = identify(await token(issuer.url, privateKey, { repository_owner: '../x' }));
  await t.rejects(odd, { code: 'AS_ERR_UNAUTHENTICATED' }, 'a claim that is no namespace allows nothing');
  t.equal(issuer.asked, 1, 'its keys are asked for once');
  const long = await identify(await token(issuer.url, privateKey, { sub: 'x'.repeat(3000) }));
  t.ok(long.actor.length <= 512 && /#[0-9a-f]{64}$/.test(long.actor), 'a subject too long for the log');
});

t.test('tokens that do not count', async (t) => {
  const issuer = await issuerServer(t);
  const { publicKey, privateKey } = rsa();
  issuer.keys.set('one', publicKey);
  const identify = await trustIssuers(trusting(issuer.url, [MAIN]));
  const now = Math.floor(Date.now() / 1000);
  const good = await token(issuer.url, privateKey);
  const [head, body, signature] = good.split('.') as [string, string, string];
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  // The oldest trick: the public key as the secret of a shared one.
  const shared = new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'repo:acme/x:ref:refs/heads/main', exp: now + 60 })
    .setProtectedHeader({ alg: 'HS256', kid: 'one' })
    .sign(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })));
  const cases: [string, string | Promise<string>][] = [
    ['another key', token(issuer.url, rsa().privateKey)],
    ['an unknown key', token(issuer.url, privateKey, {}, { kid: 'two' })],
    ['changed', `${head}.${Buffer.from('{"iss":"x"}').toString('base64url')}.${signature}`],
    ['changed claims', `${head}.${body.slice(0, -4)}AAAA.${signature}`],
    ['no signature', `${head}.${body}.`],
    ['alg none', `${none}.${body}.`],
    ['a shared secret', shared],
    ['expired', token(issuer.url, privateKey, { exp: now - 60 })],
    ['not yet', token(issuer.url, privateKey, { nbf: now + 3600 })],
    ['without end', token(issuer.url, privateKey, { exp: undefined })],
    ['without subject', token(issuer.url, privateKey, { sub: undefined })],
    ['for another service', token(issuer.url, privateKey, { aud: 'https://elsewhere.example' })],
    ['of another issuer', token('https://elsewhere.example', privateKey)],
    ['no rule', token(issuer.url, privateKey, { sub: 'repo:other/x:ref:refs/heads/main' })],
    ['a rule almost', token(issuer.url, privateKey, { sub: 'repo:acme/x:ref:refs/heads/main2' })],
    ['not a token', 'x.y.z'],
    ['nothing like it', 'x'],
    ['far too long', `${good}${'A'.repeat(20_000)}`],
  ];
  for (const [name, text] of cases) await t.rejects(identify(await text), { code: 'AS_ERR_UNAUTHENTICATED' }, name);
  t.ok(await identify(good), 'and the good one counts');
});

t.test('an issuer that changes its keys, lies, or is down', async (t) => {
  const issuer = await issuerServer(t);
  const [first, second] = [rsa(), rsa()];
  issuer.keys.set('one', first.publicKey);
  issuer.isDown = true;
  const down = await trustIssuers(trusting(issuer.url, [MAIN]));
  await t.rejects(down(await token(issuer.url, first.privateKey)), { code: 'AS_ERR_ISSUER', message: /cannot be had/ });
  issuer.isDown = false;
  await t.rejects(
    down(await token(issuer.url, first.privateKey)),
    { code: 'AS_ERR_ISSUER' },
    'it is left alone a while',
  );
  t.equal(issuer.asked, 0);

  const identify = await trustIssuers(trusting(issuer.url, [MAIN]));
  issuer.keys.set('two', second.publicKey);
  t.ok(await identify(await token(issuer.url, second.privateKey, {}, { kid: 'two' })));
  issuer.lie = { issuer: 'https://elsewhere.example' };
  const lied = await trustIssuers(trusting(issuer.url, [MAIN]));
  await t.rejects(
    lied(await token(issuer.url, first.privateKey)),
    { code: 'AS_ERR_ISSUER' },
    'a document about another',
  );
  issuer.lie = { jwks_uri: 'http://example.org/keys' };
  const elsewhere = await trustIssuers(trusting(issuer.url, [MAIN]));
  await t.rejects(
    elsewhere(await token(issuer.url, first.privateKey)),
    { code: 'AS_ERR_ISSUER' },
    'keys over plain HTTP',
  );
});

t.test('over HTTP', async (t) => {
  const issuer = await issuerServer(t);
  const { publicKey, privateKey } = rsa();
  issuer.keys.set('one', publicKey);
  const rules = [{ claims: { sub: 'repo:acme/*' }, scopes: ['write'] }] as const;
  const { call, store } = await serve(t, { auth: 'required', issuers: trusting(issuer.url, rules) });
  const bearer = async (claims = {}) => ({ authorization: `Bearer ${await token(issuer.url, privateKey, claims)}` });
  const stored = await call('POST', '/v1/objects', { headers: await bearer(), body: 'by a job' });
  t.equal(stored.status, 201);
  const [event] = await store.events({ subject: stored.json.blake3 });
  t.match(event?.actor, /^oidc:http:\/\/127\.0\.0\.1:\d+:repo:acme\/tools/);
  t.equal((await call('GET', '/v1/objects', { headers: await bearer() })).status, 403);
  const refused = await call('GET', '/v1/objects', { headers: await bearer({ aud: 'x' }) });
  t.equal(refused.status, 401);
  t.match(refused.headers['www-authenticate'], /error="invalid_token"/);
  const own = await store.tokens.create({ holder: 'x', scopes: ['read'] });
  t.equal((await call('GET', '/v1/objects', { headers: { authorization: `Bearer ${own.token}` } })).status, 200);
});

t.test('what an operator may write', async (t) => {
  const rule = { claims: { sub: 'x' }, scopes: ['read'] };
  const good = { issuer: 'https://ci.example', audience: 'a', rules: [rule] };
  t.equal(
    requireIssuers([good, { ...good, issuer: 'https://other.example', jwksUri: 'https://k.example/k' }]).length,
    2,
  );
  const bad: [string, unknown][] = [
    ['plain HTTP', { ...good, issuer: 'http://ci.example' }],
    ['no URL', { ...good, issuer: 'ci' }],
    ['twice', [good, good]],
    ['no rules', { ...good, rules: [] }],
    ['no audience', { ...good, audience: '' }],
    ['a rule for everyone', { ...good, rules: [{ ...rule, claims: {} }] }],
    ['an unknown scope', { ...good, rules: [{ ...rule, scopes: ['all'] }] }],
    ['admin within namespaces', { ...good, rules: [{ ...rule, scopes: ['admin'], namespaces: ['a'] }] }],
    ['a misspelt member', { ...good, rules: [{ ...rule, namespace: ['a'] }] }],
    ['an unknown member', { ...good, secret: 'x' }],
    ['not a map', 'x'],
  ];
  for (const [name, value] of bad) t.throws(() => requireIssuers(value), { code: 'AS_ERR_INVALID_ARGUMENT' }, name);
});
