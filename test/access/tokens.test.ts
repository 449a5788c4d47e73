/** Tokens through the facade: their text, who is recognised, what the log and its views say of them, and what counts for a quota. */

import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { SCOPES, type Scope } from '../../lib/access/scopes.js';
import { makeToken, readToken } from '../../lib/access/token-text.js';
import { factsOf, newEvent, objectDeleted, objectIngested } from '../../lib/events/kinds.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openRegistry, openStore, type Store } from '../../lib/index.js';
import { TOKENS_LIVE_MAX } from '../../lib/limits.js';
import { createTokenRegistry } from '../../lib/registry/sqlite-tokens.js';
import { registryViews } from '../../lib/registry/views.js';
import { Tokens } from '../../lib/store/tokens.js';
import { dumpViews } from '../events/dump.js';
import { ingestResult, randomSource } from '../events/random-events.js';

const UNAUTHENTICATED = { code: 'AS_ERR_UNAUTHENTICATED' };
const INVALID = { code: 'AS_ERR_INVALID_ARGUMENT' };
const HOUR = 3_600_000;

async function open(t: Test, path = t.testdir()): Promise<Store> {
  const store = await openStore({ path, actor: 'operator' });
  t.teardown(() => store.close());
  return store;
}

t.test('the text of a token', (t) => {
  const texts = Array.from({ length: 200 }, makeToken);
  t.equal(new Set(texts.map(({ text }) => text)).size, 200);
  t.equal(new Set(texts.map(({ id }) => id)).size, 200);
  for (const { text, id, hash } of texts) {
    t.match(text, /^as_[0-9a-z]{12}_[0-9A-Za-z]{49}$/);
    t.same(readToken(text), { id, hash });
    const at = Math.floor(Math.random() * text.length);
    const other = text[at] === 'x' ? 'y' : 'x';
    t.equal(readToken(`${text.slice(0, at)}${other}${text.slice(at + 1)}`), undefined, 'one character is another');
  }
  const { text } = makeToken();
  for (const wrong of [
    '',
    'as_',
    text.slice(1),
    text.slice(0, -1),
    `${text}0`,
    ` ${text}`,
    `${text}\n`,
    text.toUpperCase(),
  ]) {
    t.equal(readToken(wrong), undefined, JSON.stringify(wrong));
  }
  t.end();
});

t.test('a token is recognised until it is revoked, also by the next process', async (t) => {
  const path = t.testdir();
  const store = await open(t, path);
  const grant = { holder: ' ci ', scopes: ['write', 'read', 'read'] as Scope[], namespaces: ['web', 'acme', 'web'] };
  const { token, ...record } = await store.tokens.create(
    { ...grant, expires: Date.now() + HOUR, rate: 60, quota: 1000 },
    { actor: 'zoë' },
  );
  t.match(record, { holder: 'ci', scopes: ['read', 'write'], namespaces: ['acme', 'web'], rate: 60, quota: 1000 });
  t.match(record, { used: 0, createdBy: 'zoë' });
  t.same(await store.tokens.authenticate(token), record);
  t.same(await store.tokens.find(record.id), record);
  t.same(await store.tokens.list(), { tokens: [record] });

  const [event] = await store.events({ kind: 'token.created' });
  t.match(event, { actor: 'zoë', subject: record.id });
  const { hash, ...facts } = (event && factsOf(event, 'token.created')) ?? {};
  const { holder, scopes, namespaces, expires, rate, quota } = record;
  t.same(facts, { holder, scopes, namespaces, expires, rate, quota });
  t.same(hash, readToken(token)?.hash);
  const secret = token.slice('as_'.length + 13);
  t.notOk(event && Buffer.from(event.bytes).includes(secret), 'the log does not have the secret');

  await store.close();
  const again = await open(t, path);
  t.same(await again.tokens.authenticate(token), record);
  const revoked = await again.tokens.revoke(record.id, { actor: 'admin', reason: 'leaked' });
  t.match(revoked, { ...record, revoked: { actor: 'admin', reason: 'leaked' } });
  await t.rejects(again.tokens.authenticate(token), UNAUTHENTICATED, 'at once');
  t.same(await again.tokens.revoke(record.id, { reason: 'twice' }), revoked, 'the first one counts');
  t.equal((await again.events({ kind: 'token.revoked' })).length, 1);
  t.same(await again.tokens.list(), { tokens: [revoked] });

  const registry = await openRegistry({ path });
  t.same(await registry.tokens.list(), { tokens: [revoked] }, 'also beside the process that has the store');
  await registry.close();
  await again.close();
  const last = await open(t, path);
  await t.rejects(last.tokens.authenticate(token), UNAUTHENTICATED, 'nor after a restart');
  await t.rejects(last.tokens.revoke('nobody'), { code: 'AS_ERR_NOT_FOUND' });
});

t.test('who is not recognised', async (t) => {
  const store = await open(t);
  const { token, id } = await store.tokens.create({ holder: 'ci', scopes: ['read'] });
  const { token: other } = await store.tokens.create({ holder: 'other', scopes: ['admin'] });
  const forged = forge(id);
  t.ok(readToken(forged), 'a checksum is no secret');
  const wrong = [forged, makeToken().text, '', 'Bearer', token.slice(0, -1), token.replace(id, other.slice(3, 15))];
  for (const text of [...wrong, randomBytes(40).toString('base64')]) {
    await t.rejects(store.tokens.authenticate(text), UNAUTHENTICATED, text);
  }
  const brief = await store.tokens.create({ holder: 'brief', scopes: ['read'], expires: Date.now() + 1000 });
  t.equal((await store.tokens.authenticate(brief.token)).holder, 'brief');
  const clock = Date.now;
  t.teardown(() => {
    Date.now = clock;
  });
  Date.now = () => (brief.expires as number) - 1;
  t.equal((await store.tokens.authenticate(brief.token)).holder, 'brief', 'the last moment');
  Date.now = () => brief.expires as number;
  await t.rejects(store.tokens.authenticate(brief.token), UNAUTHENTICATED, 'its end');
  Date.now = clock;
  t.equal((await store.tokens.authenticate(token)).holder, 'ci');
  await store.close();
  await t.rejects(store.tokens.authenticate(token), { code: 'AS_ERR_CLOSED' });
  await t.rejects(store.tokens.create({ holder: 'x', scopes: ['read'] }), { code: 'AS_ERR_CLOSED' });
});

t.test('what no token can be', async (t) => {
  const path = t.testdir();
  const store = await open(t, path);
  const wrong: object[] = [
    { holder: '' },
    { holder: ' ' },
    { holder: 'x'.repeat(201) },
    { scopes: [] },
    { scopes: ['put'] },
    { scopes: ['read', 'toString'] },
    { namespaces: [] },
    { namespaces: ['Acme'] },
    { namespaces: ['*'] },
    { namespaces: Array.from({ length: 101 }, (_, n) => `n${n}`) },
    { namespaces: ['acme'], scopes: ['read', 'admin'] },
    { expires: Date.now() - 1 },
    { expires: Number.NaN },
    { rate: 0 },
    { rate: 1.5 },
    { rate: 1_000_001 },
    { quota: -1 },
    { quota: 0.5 },
  ];
  for (const part of wrong) {
    await t.rejects(store.tokens.create({ holder: 'x', scopes: ['read'], ...part }), INVALID, JSON.stringify(part));
  }
  t.same((await store.events()).length, 0, 'nothing was recorded');
  await store.close();
  const readOnly = await openStore({ path, readOnly: true });
  await t.rejects(readOnly.tokens.create({ holder: 'x', scopes: ['read'] }), { code: 'AS_ERR_READ_ONLY' });
  await t.rejects(readOnly.tokens.revoke('x'), { code: 'AS_ERR_READ_ONLY' });
  await readOnly.close();
});

t.test('there may be so many tokens and no more; those that are over make room', async (t) => {
  const now = Date.now();
  const record = (n: number) => ({
    ...{ id: `t${n}`, holder: 'x', scopes: ['read' as const], used: 0, createdAt: 1, createdBy: 'me' },
    ...(n === 0 && { expires: now + 20 }),
  });
  const usable = Array.from({ length: TOKENS_LIVE_MAX }, (_, n) => ({ record: record(n), hash: new Uint8Array(32) }));
  const tokens = new Tokens({
    log: { append: async () => [{ time: 1 }] } as never,
    registry: { usable: async () => usable } as never,
    actor: 'me',
    requireOpen: () => undefined,
    requireWritable: () => undefined,
  });
  const grant = { holder: 'x', scopes: ['read' as const] };
  await t.rejects(tokens.create(grant), { code: 'AS_ERR_LIMIT' });
  const clock = Date.now;
  t.teardown(() => {
    Date.now = clock;
  });
  Date.now = () => now + 20;
  const [first, second] = await Promise.allSettled([tokens.create(grant), tokens.create(grant)]);
  t.equal(first?.status, 'fulfilled');
  t.match(second, { status: 'rejected', reason: { code: 'AS_ERR_LIMIT' } });
});

t.test('pages of tokens', async (t) => {
  const store = await open(t);
  const made = await Promise.all(
    Array.from({ length: 7 }, () => store.tokens.create({ holder: 'x', scopes: Object.keys(SCOPES) as Scope[] })),
  );
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.tokens.list({ limit: 3, ...(cursor && { cursor }) });
    seen.push(...page.tokens.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  t.same(seen, made.map(({ id }) => id).sort());
  for (const limit of [0, 10_001, 1.5]) await t.rejects(store.tokens.list({ limit }), INVALID);
});

t.test('what is stored counts for the quota of its token while it is there', async (t) => {
  const path = t.testdir();
  const store = await open(t, path);
  const { id } = await store.tokens.create({ holder: 'ci', scopes: ['write'], quota: 1000 });
  const free = await store.tokens.create({ holder: 'free', scopes: ['write'] });
  const actor = `token:${id}`;
  const used = async (of = id) => (await store.tokens.find(of)).used;
  const first = await store.put(Buffer.from('12345'), { actor });
  t.equal(await used(), 5);
  await store.put(Buffer.from('12345'), { actor });
  t.equal(await used(), 5, 'a second time');
  await store.put(Buffer.from('not by the token'));
  await store.put(Buffer.from('not by the token'), { actor });
  t.equal(await used(), 5, 'what was there before');
  const large = await store.put(randomBytes(300_000), { actor });
  t.equal(await used(), 300_005);
  await store.put(Buffer.from('free'), { actor: `token:${free.id}` });
  t.equal(await used(free.id), 0, 'a token without a quota is not counted');
  await store.delete(first.blake3, { actor: 'somebody else' });
  t.equal(await used(), 300_000);
  await store.put(Buffer.from('12345'), { actor: `token:${free.id}` });
  t.equal(await used(), 300_000, 'stored anew by another');
  await store.delete(large.blake3);
  t.equal(await used(), 0);
  await store.put(Buffer.from('abc'), { actor });
  await store.rebuild();
  t.equal(await used(), 3, 'the same from the log alone');
});

t.test('the view does not depend on where batches end', async (t) => {
  const random = randomSource(7);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const ids = ['a1', 'b2', 'c3'];
  const events = Array.from({ length: 400 }, (_, n) => {
    const id = pick(ids);
    const object = ingestResult(random(6), { existed: random(10) < 3 });
    const address = `blake3:${Buffer.from(object.blake3).toString('hex')}` as const;
    const roll = random(100);
    if (roll < (n < 20 ? 12 : 2)) {
      const quota = random(10) < 7 && { quota: 10_000 };
      return newEvent('token.created', 'me', id, { holder: `h${n}`, scopes: ['read'], ...quota });
    }
    if (roll < 5) return newEvent('token.revoked', 'me', id, { reason: `r${n}` });
    if (roll < 35) return objectDeleted(`token:${id}`, address, { deleted: true, freedSize: 1 });
    const actor = pick([`token:${id}`, `token:${id}-of-a-name-that-is-longer`, 'someone', 'tokens']);
    return objectIngested(actor, object);
  });
  const dumps: unknown[] = [];
  for (const size of [1, 7, 400]) {
    const log = await openEventLog({ path: `${t.testdir()}/log-${size}`, views: registryViews });
    for (let at = 0; at < events.length; at += size) await log.append(events.slice(at, at + size));
    const { tokens, token_objects: objects } = await dumpViews(log.reader);
    const page = await createTokenRegistry(log.reader).list();
    const sums = new Map(page.tokens.map((token) => [token.id, 0]));
    for (const { token, size } of objects as { token: string; size: number }[]) {
      sums.set(token, (sums.get(token) ?? 0) + size);
    }
    t.same(new Map(page.tokens.map(({ id, used }) => [id, used])), sums, 'used is the sum of what is there');
    dumps.push(JSON.stringify([tokens, objects], (key, value) => (/_at$/.test(key) ? Boolean(value) : value)));
    await log.close();
  }
  t.ok((JSON.parse(dumps[0] as string)[1] as unknown[]).length > 0, 'something is counted');
  t.equal(dumps[1], dumps[0]);
  t.equal(dumps[2], dumps[0]);
});

/** A token of this id with a secret of one's own, and the right checksum. */
function forge(id: string): string {
  const { text, id: own } = makeToken();
  const before = text.replace(own, id).slice(0, -6);
  return `${before}${checksumOf(before)}`;
}

/** CRC-32 as the documentation of the form has it, computed bit by bit. */
function checksumOf(text: string): string {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  let value = (crc ^ 0xffffffff) >>> 0;
  let out = '';
  for (let n = 0; n < 6; n++) {
    out = `${digits[value % 62]}${out}`;
    value = Math.floor(value / 62);
  }
  return out;
}
