/** Names, and what people wrote, in the event log: kept apart from the events, put back when they are read, erased for good while no event changes. */

import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeCanonical } from '../../lib/cbor/index.js';
import { decodeEvent, prepareEvent, writeEvent } from '../../lib/events/envelope.js';
import { newEvent, objectIngested, objectsTombstoned } from '../../lib/events/kinds.js';
import type { NewEvent, StoredEvent } from '../../lib/events/log.js';
import { isPseudonym, newPersonalText, pseudonymOf } from '../../lib/events/pseudonym.js';
import { openEventLog, type SqliteEventLog } from '../../lib/events/sqlite-log.js';
import { uuidv7 } from '../../lib/events/uuid.js';
import { EVENT_SIZE_MAX } from '../../lib/limits.js';
import { registryViews } from '../../lib/registry/views.js';
import { Connection } from '../../lib/sqlite/connection.js';
import { dumpViews } from '../events/dump.js';
import { ingestResult } from '../events/random-events.js';

const ORDER = 'DSR 2031/17';

/** Every file that the log consists of, as one byte string. */
const filesOf = (folder: string) => Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));

const note = (actor: string, text?: string): NewEvent =>
  newEvent('quota.removed', actor, 'acme', text === undefined ? {} : { reason: text });

const erased = (texts: readonly string[]) => newEvent('data.erased', 'officer', ORDER, { texts, objects: [] });

async function newLog(
  t: Test,
): Promise<{ log: SqliteEventLog; folder: string; reopen: () => Promise<SqliteEventLog> }> {
  const folder = t.testdir();
  const open = () => openEventLog({ path: `${folder}/log`, views: registryViews });
  let log = await open();
  t.teardown(() => log.close());
  const reopen = async () => {
    await log.close();
    log = await open();
    return log;
  };
  return { log, folder, reopen };
}

const raw = (event: StoredEvent): StoredEvent => decodeEvent(event.seq, event.bytes);

const reasonOf = (event: StoredEvent | undefined) => String((event?.data as { reason?: string })?.reason);

const pseudonymOfActor = async (log: SqliteEventLog, actor: string) =>
  (await log.findTexts({ actor })).map(({ pseudonym }) => pseudonym)[0] as string;

t.test('a pseudonym commits to its text', async (t) => {
  const { pseudonym, salt, text } = newPersonalText('zoë', true);
  t.ok(isPseudonym(pseudonym));
  t.equal(pseudonym, `~${createHmac('sha256', salt).update('zoë', 'utf8').digest('base64url').slice(0, 22)}`);
  t.equal(pseudonymOf(salt, text), pseudonym);
  t.not(newPersonalText('zoë', true).pseudonym, pseudonym, 'two of one text have nothing in common');
  t.equal(salt.byteLength, 32);
});

t.test('who reads finds texts, who looks into the bytes pseudonyms', async (t) => {
  const { log, folder, reopen } = await newLog(t);
  const events: NewEvent[] = [
    note('alice', 'moves to Ghent'),
    note('alice'),
    note('bob', 'moves to Ghent'),
    note('token:ci-7', 'by a token'),
    newEvent('token.created', 'alice', 'ci-7', { holder: 'carol', scopes: ['read'] }),
    newEvent('upload.opened', 'bob', 'up-1', { size: 5, metadata: 'filename ZGF2ZS5wZGY=' }),
    newEvent('package.withdrawn', 'keeper', { namespace: 'a', name: 'b', version: '1' } as never, {
      manifest: ingestResult(3).blake3,
    }),
  ].slice(0, 6);
  const appended = await log.append(events);
  const read = await log.read();
  for (const [index, { actor, data }] of events.entries()) {
    for (const event of [appended[index], read[index]] as StoredEvent[]) {
      t.equal(event.actor, actor);
      t.same(event.data, data, 'as it was given');
      t.same(event.dataBytes, encodeCanonical(data), 'and encoded');
    }
    t.same(appended[index]?.bytes, read[index]?.bytes);
  }
  const inBytes = read.map(raw);
  t.equal(inBytes[0]?.actor, inBytes[1]?.actor, 'whoever acts has one pseudonym');
  t.not(inBytes[0]?.actor, inBytes[2]?.actor);
  t.equal(inBytes[3]?.actor, 'token:ci-7', 'a token has none: its id is nobody');
  const reasons = [0, 2, 3].map((n) => reasonOf(inBytes[n]));
  t.ok(reasons.every(isPseudonym));
  t.equal(reasons[0], reasons[1], 'the same text in one append is stored once');
  t.match(inBytes[4]?.data, { holder: /^~/, scopes: ['read'] });
  t.match(inBytes[5]?.data, { metadata: /^~/, size: 5 });
  const bytes = Buffer.concat(read.map((event) => event.bytes));
  for (const text of ['alice', 'bob', 'carol', 'Ghent', 'ZGF2']) t.notOk(bytes.includes(text), text);
  t.match(read[0]?.texts?.get(inBytes[0]?.actor as string), 'alice');

  t.same(
    (await log.read({ actor: 'alice' })).map(({ seq }) => seq),
    [1, 2, 5],
    'found by the name',
  );
  t.same(
    (await log.read({ actor: 'alice', kind: 'quota.removed', reverse: true })).map(({ seq }) => seq),
    [2, 1],
  );
  t.same(
    (await log.read({ actor: inBytes[2]?.actor as string })).map(({ seq }) => seq),
    [3, 6],
    'and by the pseudonym',
  );
  t.same(await log.read({ actor: 'ali' }), []);

  const again = await reopen();
  await again.append([note('alice')]);
  t.equal(raw((await again.read({ last: 7, reverse: true }))[0] as StoredEvent).actor, inBytes[0]?.actor, 'kept');
  const reader = await openEventLog({ path: `${folder}/log`, views: registryViews, readOnly: true });
  t.same(
    (await reader.read()).map(({ actor }) => actor).slice(0, 3),
    ['alice', 'alice', 'bob'],
    'also beside a writer',
  );
  await reader.close();
});

t.test('many at once: ingests, shared data, and a text as long as an event', async (t) => {
  const { log } = await newLog(t);
  const [one] = await log.append([objectIngested('alice', ingestResult(1))]);
  t.equal(one?.actor, 'alice');
  t.ok(isPseudonym(raw(one as StoredEvent).actor));
  const tombstones = objectsTombstoned(
    'alice',
    [1, 2, 3].map((n) => `blake3:${`${n}`.repeat(64)}` as const),
    { reason: 'dull' },
  );
  const stored = await log.append(tombstones);
  t.same(
    stored.map(({ data }) => data),
    Array(3).fill({ reason: 'dull' }),
  );
  t.equal(new Set(stored.map((event) => (raw(event).data as { reason: string }).reason)).size, 1);
  const planned = await log.append(
    objectsTombstoned('alice', [`blake3:${'4'.repeat(64)}`], { reason: 'class "build"', plan: 'p' }),
  );
  t.match(raw(planned[0] as StoredEvent).data, { reason: 'class "build"' }, 'what a plan says nobody wrote');
  const long = 'x'.repeat(EVENT_SIZE_MAX - 100);
  t.equal(reasonOf((await log.append([note('bob', long)]))[0]), long);
  await t.rejects(log.append([note('bob', `${long}${long}`)]), { code: 'AS_ERR_LIMIT' });
  await t.rejects(log.append([note('')]), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(log.append([note('bob\0')]), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await t.rejects(log.append([note('\ud800')]), { code: 'AS_ERR_CBOR_ENCODE' });
  const looks = '~AAAAAAAAAAAAAAAAAAAAAA';
  t.match(
    (await log.append([note(looks, looks)]))[0],
    { actor: looks, data: { reason: looks } },
    'one that looks like a pseudonym',
  );
  t.match((await log.read({ reverse: true, limit: 1 }))[0], { actor: looks, data: { reason: looks } });
});

t.test('a name whose first commit fails is stored with the next', async (t) => {
  const { log, reopen } = await newLog(t);
  const tooMany = Array.from({ length: 2 }, () => note('alice', 'fine'));
  const refused = { kind: 'object.tombstoned', actor: 'alice', subject: 'not an address', data: {} };
  await t.rejects(log.append([...tooMany, refused]), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await log.append([note('alice')]);
  t.equal((await (await reopen()).read())[0]?.actor, 'alice');
});

t.test('what is erased is gone from events, views and files, and the log stays whole', async (t) => {
  const { log, folder, reopen } = await newLog(t);
  // Enough rows, in random order, that pages are split and copies of texts are left where they were.
  for (let block = 0; block < 40; block++) {
    await log.append(
      Array.from({ length: 50 }, (_, n) => note(`person-${block}`, `letter ${block}-${n} about Zenobia`)),
    );
  }
  await log.append([newEvent('hold.placed', 'person-7', 'acme/tools', { case: 'C-1', reason: 'asked by Zenobia' })]);
  await log.append([objectIngested('person-7', ingestResult(1))]);
  for (const letter of ['letter 3-17 ', 'letter 21-4 ']) {
    const one = (await log.findTexts({ mentioning: letter })).map(({ pseudonym }) => pseudonym);
    t.equal((await log.erase(one, erased(one))).remains, false);
    t.notOk(filesOf(folder).includes(letter), 'one, looked for');
  }
  const found = await log.findTexts({ actor: 'person-7' });
  t.match(found, [{ text: 'person-7', isActor: true }]);
  const letters = await log.findTexts({ mentioning: 'letter 7-' });
  t.equal(letters.length, 50);
  t.ok(filesOf(folder).includes('person-7'));
  const before = (await log.read({ limit: 10_000 })).map(({ bytes }) => Buffer.from(bytes));
  const gone = [...found, ...letters].map(({ pseudonym }) => pseudonym);
  const views = await dumpViews(log.plainReader);
  const { event, remains } = await log.erase(gone, erased(gone));
  t.equal(remains, false);
  t.match(event, { kind: 'data.erased', actor: 'officer', subject: ORDER, data: { texts: gone } });

  const bytes = filesOf(folder);
  t.notOk(
    bytes.includes(Buffer.from('person-7\0').subarray(0, 8)) && /person-7(?![0-9])/.test(bytes.toString('latin1')),
  );
  t.notMatch(bytes.toString('latin1'), /letter 7-\d/);
  t.match(bytes.toString('latin1'), /letter 8-1/, 'others are still there');
  t.same(
    (await log.read({ limit: 10_000 })).slice(0, -1).map(({ bytes }) => Buffer.from(bytes)),
    before,
    'no event has changed',
  );
  const { actors, kinds, heads, later, views: positions, ...rest } = await dumpViews(log.plainReader);
  for (const [name, rows] of Object.entries(rest)) t.same(rows, views[name], `${name} has not changed`);
  t.same(await log.findTexts({ actor: 'person-7' }), []);
  t.same(await log.read({ actor: 'person-7' }), [], 'not found by the name any more');
  const [pseudonym] = gone as [string];
  t.equal((await log.read({ actor: pseudonym, limit: 1000 })).length, 52, 'but by the pseudonym');
  t.match((await log.read({ kind: 'hold.placed' }))[0], { actor: pseudonym, data: { reason: 'asked by Zenobia' } });

  const whole = await dumpViews(log.plainReader);
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), whole, 'a rebuild gives the same');
  const [later1] = await log.append([note('person-7', 'here again')]);
  t.equal(later1?.actor, 'person-7');
  t.not(raw(later1 as StoredEvent).actor, pseudonym, 'what is done later under the name has nothing to do with it');
  t.equal((await log.read({ actor: 'person-7' })).length, 1);

  const all = await log.findTexts({ mentioning: 'Zenobia' });
  const many = all.map((one) => one.pseudonym);
  t.equal((await log.erase(many, erased(many.slice(0, 4000)))).remains, false);
  t.notOk(filesOf(folder).includes('Zenobia'), 'many at once');
  t.equal(
    (await log.erase(['~AAAAAAAAAAAAAAAAAAAAAA'], erased([]))).remains,
    false,
    'one that there is not is passed over',
  );
  t.equal((await (await reopen()).read({ limit: 10_000 })).length, 2008);
  const check = await Connection.open(`${folder}/log`, 'read');
  t.match(await check.get('PRAGMA integrity_check'), { integrity_check: 'ok' });
  await check.close();
});

t.test('while others read, something may be left, and that is said', async (t) => {
  const { log, folder } = await newLog(t);
  await log.append([note('alice', 'a secret of hers')]);
  const other = await Connection.open(`${folder}/log`, 'read');
  await other.exec('BEGIN; SELECT count(*) FROM events');
  const gone = (await log.findTexts({ mentioning: 'secret' })).map(({ pseudonym }) => pseudonym);
  t.equal((await log.erase(gone, erased(gone))).remains, true);
  await other.exec('COMMIT');
  await other.close();
  await log.close();
  t.notOk(filesOf(folder).includes('a secret of hers'), 'gone with the last who closes it');
});

t.test('what stands beside an erasure', async (t) => {
  const { log } = await newLog(t);
  await log.append([note('alice')]);
  const pseudonym = await pseudonymOfActor(log, 'alice');
  const calls = [note('alice', 'before'), note('alice')].map((event) => log.append([event]));
  const erasing = log.erase([pseudonym], erased([pseudonym]));
  const behind = log.append([note('alice', 'after')]);
  await Promise.all([...calls, erasing, behind]);
  t.same(
    (await log.read()).map(({ actor }) => actor),
    [pseudonym, pseudonym, pseudonym, 'officer', 'alice'],
  );
  const refused = { ...erased([]), subject: '' };
  await t.rejects(log.erase([pseudonym], refused), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.equal((await log.findTexts({ actor: 'alice' })).length, 1, 'an erasure that is refused erases nothing');
});

t.test('texts cannot be changed, and a changed one is noticed', async (t) => {
  const { log, folder } = await newLog(t);
  await log.append([note('alice', 'why not')]);
  const pseudonym = await pseudonymOfActor(log, 'alice');
  await log.close();
  const path = `${folder}/log`;
  const open = () => openEventLog({ path, views: registryViews });
  const db = await Connection.open(path, 'write');
  const mallory = Buffer.from('mallory').toString('hex');
  await t.rejects(db.exec(`UPDATE personal SET text = x'${mallory}'`), { message: /erased, never changed/ });
  await t.rejects(db.exec('UPDATE personal SET text = NULL WHERE salt IS NOT NULL'), {
    message: /erased, never changed/,
  });
  await t.rejects(db.exec('DELETE FROM personal'), { message: /never deleted/ });
  await db.exec(`INSERT OR REPLACE INTO personal VALUES ('${pseudonym}', x'00', x'${mallory}', 1)`);
  t.match(await db.get('SELECT count(*) AS n FROM personal WHERE text = ?1', [Buffer.from('alice')]), { n: 1 });
  const { sql } = (await db.get<{ sql: string }>("SELECT sql FROM sqlite_schema WHERE name = 'personal_update'")) as {
    sql: string;
  };
  await db.exec(`DROP TRIGGER personal_update; UPDATE personal SET text = x'${mallory}' WHERE actor = 0`);
  await db.close();
  await t.rejects(open(), { code: 'AS_ERR_LOG_DAMAGED', message: /personal_update is missing/ });
  const mend = await Connection.open(path, 'write');
  await mend.exec(sql);
  await mend.close();
  const opened = await open();
  await t.rejects(opened.read(), { code: 'AS_ERR_LOG_DAMAGED', message: /not the one that the events commit to/ });
  await opened.close();
});

t.test('a log of the version before is gone on with', async (t) => {
  const { log, folder } = await newLog(t);
  await log.close();
  const path = `${folder}/log`;
  const db = await Connection.open(path, 'write');
  for (const name of ['personal_insert', 'personal_update', 'personal_delete']) await db.exec(`DROP TRIGGER ${name}`);
  await db.exec('DROP TABLE personal; PRAGMA user_version = 2');
  const prepared = prepareEvent(note('alice', 'in its very bytes'));
  const bytes = Buffer.alloc(prepared.sizeMax);
  const end = writeEvent(bytes, 0, prepared, uuidv7(1000), encodeCanonical(1000));
  const ends = Buffer.alloc(4);
  ends.writeUInt32LE(end);
  await db.run('INSERT INTO events VALUES (1, 1, 1000, ?1, ?2)', [ends, bytes.subarray(0, end)]);
  await db.close();
  await t.rejects(openEventLog({ path, views: registryViews, readOnly: true }), {
    code: 'AS_ERR_STORE_FORMAT',
    message: /once for writing/,
  });
  const opened = await openEventLog({ path, views: registryViews });
  await opened.append([note('alice', 'apart')]);
  t.same(
    (await opened.read()).map(({ actor, data }) => [actor, data]),
    [
      ['alice', { reason: 'in its very bytes' }],
      ['alice', { reason: 'apart' }],
    ],
  );
  t.equal((await opened.read({ actor: 'alice' })).length, 2, 'found in both forms');
  t.same(Buffer.from((await opened.read({ limit: 1 }))[0]?.bytes as Uint8Array), bytes.subarray(0, end), 'unchanged');
  await opened.close();
  await (await openEventLog({ path, views: registryViews, readOnly: true })).close();
});
