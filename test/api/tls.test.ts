/** The service over TLS: what it speaks, whom certificates let in, and certificates that change while it runs. */

import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Agent, request } from 'undici';
import { startServer } from '../../lib/api/http/server.js';
import { openStore } from '../../lib/index.js';
import { Authority, type Pair } from '../support/certificates.js';
import { spawnUnhooked } from '../support/unhooked.js';
import { serve, until } from './support.js';

const folder = t.testdir();
const authority = new Authority(join(folder, 'own'), 'authority');
const stranger = new Authority(join(folder, 'other'), 'stranger');
const service = authority.issue('service');
const client = authority.issue('client');
const foreign = stranger.issue('client');

/** A client that trusts the authority, with a certificate or without. */
function agentOf(t: Test, pair?: Pair): Agent {
  const agent = new Agent({ connect: { ca: authority.cert, ...(pair && { cert: pair.cert, key: pair.key }) } });
  t.teardown(() => agent.destroy());
  return agent;
}

async function status(url: string, dispatcher: Agent, headers: Record<string, string> = {}): Promise<number> {
  const { statusCode, body } = await request(url, { dispatcher, headers });
  await body.dump();
  return statusCode;
}

/** The name in the certificate that a service shows. */
async function shownName(url: string): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port: Number(new URL(url).port), ca: authority.cert });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

t.test('TLS alone', async (t) => {
  const { url, store, errors } = await serve(t, { tls: service });
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const agent = agentOf(t);
  const { blake3 } = await store.put(Buffer.from('hello'));
  const { body, statusCode } = await request(`${url}/v1/objects/${blake3}`, { dispatcher: agent });
  t.strictSame([statusCode, await body.text()], [200, 'hello']);

  await t.rejects(request(url.replace('https', 'http')), 'plain HTTP is not answered');
  await t.rejects(request(url), 'a client that does not trust the authority goes away');
  const old = { host: '127.0.0.1', port: Number(new URL(url).port), ca: authority.cert };
  const outdated = connectTls({ ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' });
  t.match((await once(outdated, 'error'))[0], { message: /protocol version|unsupported protocol/ });
  t.equal(await status(`${url}/livez`, agent), 200, 'and it goes on');
  t.strictSame(errors, [], 'none of that is a failure of the service');
});

t.test('a connection that never agrees on TLS does not hold up the end', async (t) => {
  const store = await openStore({ path: join(t.testdir(), 'store') });
  const running = await startServer(store, { port: 0, tls: service });
  const silent = connect(Number(new URL(running.url).port), '127.0.0.1');
  t.teardown(() => silent.destroy());
  silent.on('error', () => undefined);
  await once(silent, 'connect');
  await running.close();
  await store.close();
  t.pass('it ended');
});

t.test('certificates of clients', async (t) => {
  const clientCa = authority.cert;
  const scoped = await serve(t, { auth: 'required', tls: { ...service, clientCa, clientScopes: ['read', 'write'] } });
  const known = agentOf(t, client);
  t.equal(await status(`${scoped.url}/v1/objects`, known), 200, 'the certificate alone lets it in');
  const { body, statusCode } = await request(`${scoped.url}/v1/objects`, {
    dispatcher: known,
    method: 'POST',
    body: 'x',
  });
  const { blake3 } = (await body.json()) as { blake3: string };
  t.equal(statusCode, 201);
  const [event] = await scoped.store.events({ subject: blake3 });
  t.equal(event?.actor, 'tls:O=Example, CN=client', 'the certificate says who acts');
  t.equal(await status(`${scoped.url}/v1/tokens`, known), 403, 'it allows what the operator says, and no more');
  await t.rejects(status(`${scoped.url}/livez`, agentOf(t)), 'without a certificate nobody is heard');
  await t.rejects(status(`${scoped.url}/livez`, agentOf(t, foreign)), 'nor with one of another authority');

  const both = await serve(t, { auth: 'required', tls: { ...service, clientCa } });
  t.equal(await status(`${both.url}/v1/objects`, known), 401, 'without scopes a certificate is not enough');
  const { token } = await both.store.tokens.create({ holder: 'x', scopes: ['read'] });
  t.equal(await status(`${both.url}/v1/objects`, known, { authorization: `Bearer ${token}` }), 200);
});

t.test('certificates change while it runs', async (t) => {
  const running = await serve(t, { tls: service });
  const next = authority.issue('renewed');
  t.equal(await shownName(running.url), 'service');
  running.changeCertificates(next);
  t.equal(await shownName(running.url), 'renewed');
  const unusable = { cert: service.cert, key: next.key };
  t.throws(() => running.changeCertificates(unusable), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.equal(await shownName(running.url), 'renewed', 'what cannot be used changes nothing');
  const plain = await serve(t);
  t.throws(() => plain.changeCertificates(next), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(serve(t, { tls: unusable }), { code: 'AS_ERR_INVALID_ARGUMENT', message: /the key that belongs/ });
});

t.test('artifactstore serve reads them from files, and again on SIGHUP', async (t) => {
  const place = t.testdir();
  const [cert, key] = [join(place, 'cert.pem'), join(place, 'key.pem')];
  cpSync(service.certFile, cert);
  cpSync(service.keyFile, key);
  const main = fileURLToPath(new URL('../../lib/cli/main.cjs', import.meta.url));
  const args = [
    '--store',
    join(place, 'store'),
    '--json',
    'serve',
    '--port',
    '0',
    '--tls-cert',
    cert,
    '--tls-key',
    key,
  ];
  const child = spawnUnhooked(process.execPath, [main, ...args], {});
  t.teardown(() => child.kill('SIGKILL'));
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      told += chunk;
    });
  await until(() => told.includes('"url"'));
  const { url } = JSON.parse(told.split('\n').find((line) => line.includes('"url"')) as string);
  t.equal(await shownName(url), 'service');
  const next = authority.issue('from-disk');
  cpSync(next.certFile, cert);
  cpSync(next.keyFile, key);
  child.kill('SIGHUP');
  await until(() => told.includes('renewed'));
  t.equal(await shownName(url), 'from-disk');
  cpSync(service.certFile, cert);
  child.kill('SIGHUP');
  await until(() => told.includes('AS_ERR_INVALID_ARGUMENT'));
  t.equal(await shownName(url), 'from-disk', 'a certificate without its key changes nothing');
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.equal(code, 0);
});
