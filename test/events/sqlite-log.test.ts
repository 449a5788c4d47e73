/** The event log in SQLite: the conformance kit, and what only this implementation promises. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { encode as cborgEncode, rfc8949EncodeOptions } from 'cborg';
import t from 'tap';
import { sentenceOf } from '../../lib/audit/explain.js';
import { type CborInput, decodeCanonical, encodeCanonical } from '../../lib/cbor/index.js';
import { decodeIngestResult, encodeIngestResult } from '../../lib/dataplane/encoding.js';
import { MutableIngestTable } from '../../lib/dataplane/ingest-table.js';
import type { ContentAddress, Receipt as IngestReceipt } from '../../lib/dataplane/spi.js';
import { formatBlake3, toHex } from '../../lib/digest-name.js';
import { decodeEvent, prepareEvent, writeEvent } from '../../lib/events/envelope.js';
import { readIngestLayout, writeIngestResult } from '../../lib/events/ingest-layout.js';
import * as kinds from '../../lib/events/kinds.js';
import type { NewEvent, StoredEvent } from '../../lib/events/log.js';
import { SharedReads } from '../../lib/events/shared-reads.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { readEvents } from '../../lib/events/sqlite-read.js';
import { APPLICATION_ID } from '../../lib/events/sqlite-schema.js';
import { uuidv7 } from '../../lib/events/uuid.js';
import type { View } from '../../lib/events/view.js';
import {
  COMMIT_EVENTS_MAX,
  REBUILD_EVENTS_MAX,
  SQLITE_CHECKPOINT_BEHIND_SIZE,
  SQLITE_CHECKPOINT_BESIDE_SIZE,
  SQLITE_CHECKPOINT_LOOK_SIZE,
  SQLITE_CHECKPOINT_SIZE,
} from '../../lib/limits.js';
import { PackedRow, plainRowPacking } from '../../lib/record-rows.js';
import { fillRecords, rowPacking } from '../../lib/records.js';
import { registryViews } from '../../lib/registry/views.js';
import { Connection } from '../../lib/sqlite/connection.js';
import { sqliteError } from '../../lib/sqlite/errors.js';
import { LaterReader } from '../../lib/sqlite/later-reader.js';
import { loadSqlite } from '../../lib/sqlite/load.js';
import { forkUnhooked } from '../support/unhooked.js';
import { dumpViews } from './dump.js';
import { everyKind, furtherFacts, leastFacts } from './every-kind.js';
import { testEventLog } from './log-conformance.js';
import { ingestResult, randomEvent, randomSource } from './random-events.js';

const INTACT = { status: 'intact' as const, size: 1, damaged: [], repaired: false };

const GOLDEN = new URL('../../../test/golden/', import.meta.url);

testEventLog('SQLite', { open: (path) => openEventLog({ path, views: registryViews }) });
testEventLog('SQLite, events written by the core', {
  open: (path) => openEventLog({ path, views: registryViews, fillRecords, rowPacking }),
});

t.test('the database itself refuses to change the log', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  await log.append([event('a')]);
  await log.append([event('b')]);
  const raw = await Connection.open(path, 'write');
  const row = (first: number, last = first, ends = '01000000') => `(${last}, ${first}, 1, x'${ends}', x'a0')`;
  const attempts = [
    "UPDATE events SET bytes = x'a0'",
    'UPDATE OR IGNORE events SET last = 100 WHERE last = 2',
    'DELETE FROM events WHERE last = 2',
    'DELETE FROM events',
    `INSERT INTO events VALUES ${row(2)}`,
    `INSERT OR REPLACE INTO events VALUES ${row(2)}`,
    `REPLACE INTO events VALUES ${row(3, 2)}`,
    `REPLACE INTO events VALUES ${row(1, 2, '0100000001000000')}`,
    `INSERT OR IGNORE INTO events VALUES ${row(2)}`,
    `INSERT INTO events VALUES ${row(2)} ON CONFLICT (last) DO UPDATE SET bytes = x'a0'`,
    `INSERT INTO events VALUES ${row(4)}`,
    `INSERT INTO events VALUES ${row(-1)}`,
    `INSERT INTO events VALUES ${row(3, 4)}`,
    "INSERT INTO events (first, time, ends, bytes) VALUES (1, 1, x'01000000', x'a0')",
  ];
  for (const sql of attempts) {
    await t.rejects(raw.run(sql), { code: 'AS_ERR_SQLITE', message: /the event log is append-only/ }, sql);
  }
  await raw.run('PRAGMA recursive_triggers = ON');
  await t.rejects(raw.run(`REPLACE INTO events VALUES ${row(1)}`), { message: /append-only/ });
  await raw.close();
  t.same(
    (await log.read()).map(({ subject }) => subject),
    ['a', 'b'],
    'the log is as it was',
  );
  await log.close();
});

t.test('events that are alike take a row together, and are read from it as they were written', async (t) => {
  const many = 1000;
  const table = new MutableIngestTable(many, { backend: 'local', tier: 'hot', durability: 'synced' });
  for (let n = 0; n < many; n++) {
    table.set(n, { digests: randomBytes(64), size: 5000 + n, storedSize: 5000 + n, existed: n === 7, healed: n === 8 });
  }
  const indexes = Uint32Array.from({ length: many }, (_, n) => n);
  const addresses = Array.from(indexes, (n) => formatBlake3(table.blake3(n)));
  const results = addresses.map((_, n) => ({ deleted: n !== 9, freedSize: 4096 + n }));
  for (const [name, packing] of Object.entries({ rowPacking, plainRowPacking })) {
    const path = `${t.testdir()}/${name}`;
    const log = await openEventLog({ path, views: registryViews, rowPacking: packing });
    await log.append([event('a')]);
    const stored = await log.appendIngests({ actor: 'zoë', table, indexes });
    await log.appendRemovals({ actor: 'zoë', addresses, facts: { reason: 'old' } });
    await log.appendRemovals({ actor: 'zoë', addresses, results });
    const read = await log.read({ limit: 10_000 });
    t.equal(read.length, 3 * many + 1, name);
    t.ok(indexes.every((n) => Buffer.compare(stored.event(n).bytes, (read[n + 1] as StoredEvent).bytes) === 0));
    const before = await dumpViews(log.plainReader);
    await log.rebuild();
    t.same(
      await dumpViews(log.plainReader),
      before,
      'views that are made from packed rows are those made beside the commits',
    );
    await log.close();
    const raw = await Connection.open(path, 'write');
    const size = (kind: string) =>
      `SELECT sum(length(bytes)) / ${many}.0 AS a FROM events WHERE first > ${kind} AND first <= ${kind} + ${many}`;
    const [ingest, tombstone, receipt] = await Promise.all(
      [1, many + 1, 2 * many + 1].map(async (first) => (await raw.get<{ a: number }>(size(String(first))))?.a ?? 0),
    );
    t.ok((ingest as number) < 110, `an ingest takes ${ingest} bytes`);
    t.ok((tombstone as number) < 70, `a tombstone takes ${tombstone} bytes`);
    t.ok((receipt as number) < 70, `a receipt of a deletion takes ${receipt} bytes`);
    // A row that is not what it was is noticed, whatever of it has changed, or gives the events another value; it never fails otherwise.
    await raw.exec('DROP TRIGGER events_update');
    const row = await raw.get<{ bytes: Buffer; last: number }>('SELECT bytes, last FROM events WHERE first = 2');
    const { bytes, last } = row as { bytes: Buffer; last: number };
    for (const change of [bytes.subarray(0, -1), bytes.subarray(0, 500), Buffer.concat([bytes, Buffer.of(0)])]) {
      await raw.run('UPDATE events SET bytes = ?1 WHERE last = ?2', [change, last]);
      const damaged = await readBare(path, 20);
      t.match(damaged, { code: 'AS_ERR_LOG_DAMAGED', message: /^Event 2 cannot be read/ });
    }
    await raw.close();
  }
});

/** What reading a log whose guards are gone says of its first events. */
async function readBare(path: string, limit: number): Promise<unknown> {
  const reader = await Connection.open(path, 'read');
  try {
    return await readEvents(reader, { limit }, undefined);
  } catch (error) {
    return error;
  } finally {
    await reader.close();
  }
}

t.test('the bytes of a packed row are pinned', (t) => {
  const time = 1_688_169_999_510;
  const records = Array.from({ length: 6 }, (_, n) => {
    const { blake3, ...result } = ingestResult(n);
    const receipts = [{ ...(result.receipts[0] as IngestReceipt), key: toHex(blake3) }];
    const prepared = prepareEvent(kinds.objectIngested('ci', { blake3, ...result, receipts }, formatBlake3(blake3)));
    const target = Buffer.alloc(prepared.sizeMax);
    const id = `01890a5d-ac96-774b-bcce-b302099a805${n}`;
    return target.subarray(0, writeEvent(target, 0, prepared, id, encodeCanonical(time)));
  });
  const bytes = Buffer.concat(records);
  const first = records[0] as Buffer;
  const { blake3, sha256, size } = ingestResult(0);
  const [blake3At, sizeAt] = [first.indexOf(blake3), first.indexOf(encodeCanonical(size))];
  const digits = toHex(blake3);
  const parts = {
    own: [sizeAt, 3, blake3At, 32, first.indexOf(sha256), 32],
    digits: [first.indexOf('01890a5d') + 34, 1],
    copies: [first.indexOf(digits), 32, blake3At, first.lastIndexOf(digits), 32, blake3At],
  };
  const golden = readFileSync(new URL('row-packed.hex', GOLDEN), 'utf8').trim();
  for (const { pack } of [rowPacking, plainRowPacking]) {
    const ends = Uint32Array.from(records, (_, n) => (n + 1) * first.length);
    const [target, rowEnds, endsInRows] = [Buffer.alloc(bytes.length), new Uint32Array(1), new Uint8Array(24)];
    const formOf = new Uint8Array(6).fill(1);
    pack({ bytes, ends, rows: Uint32Array.of(6), formOf, forms: [parts], target, rowEnds, endsInRows });
    t.equal(target.toString('hex', 0, rowEnds[0]), golden);
  }
  const row = new PackedRow(Buffer.from(golden, 'hex'), 6);
  t.same(
    records.map((_, n) => Buffer.from(row.record(n)).toString('hex')),
    records.map((record) => record.toString('hex')),
  );
  const documented = readFileSync(new URL('../../../docs/formats/events.md', import.meta.url), 'utf8');
  t.ok(documented.includes('row-packed.hex'));
  t.end();
});

t.test('a log of before packed rows is read as it is, and marked before the first one is written', async (t) => {
  const path = `${t.testdir()}/log`;
  await (await openEventLog({ path, views: registryViews })).close();
  const raw = await Connection.open(path, 'write');
  const version = async () => (await raw.get<{ user_version: number }>('PRAGMA user_version'))?.user_version;
  await raw.exec('PRAGMA user_version = 3');
  await (await openEventLog({ path, views: registryViews, readOnly: true })).close();
  t.equal(await version(), 3, 'a reader leaves it');
  await (await openEventLog({ path, views: registryViews })).close();
  t.equal(await version(), 4);
  await raw.close();
});

t.test('what is acknowledged is committed, synced, and in the views', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const other = await Connection.open(path, 'read');
  for (let n = 0; n < 20; n++) {
    const [stored] = await log.append([kinds.objectIngested('me', ingestResult(n))]);
    const sql = 'SELECT (SELECT max(last) FROM events) AS seq, (SELECT count(*) FROM objects) AS objects';
    t.same(await other.get(sql), { seq: stored?.seq, objects: n + 1 });
  }
  await other.close();
  const writer = await Connection.open(path, 'write');
  t.same(await writer.get('PRAGMA journal_mode'), { journal_mode: 'wal' });
  t.same(await writer.get('PRAGMA synchronous'), { synchronous: 2 }, 'every commit is synced');
  await writer.close();
  await log.close();
});

t.test('after kill -9 everything acknowledged is there, and the views are those of a rebuild', async (t) => {
  const path = `${t.testdir()}/log`;
  const acknowledged = new Map<number, string>();
  const wait = randomSource(7);
  for (let round = 0; round < 4; round++) {
    await appendUntilKilled(path, round, 40 + wait(200), acknowledged);
    const log = await openEventLog({ path, views: registryViews });
    const ids = await allIds(log);
    for (const [seq, id] of acknowledged) if (ids[seq - 1] !== id) t.fail(`event ${seq} was acknowledged and is lost`);
    const live = await dumpViews(log.plainReader);
    await log.rebuild();
    t.same(
      await dumpViews(log.plainReader),
      live,
      `round ${round}: ${acknowledged.size} acknowledged, ${ids.length} stored`,
    );
    t.ok(ids.length >= acknowledged.size && acknowledged.size > 0);
    await log.close();
  }
});

t.test('one caller whose events a view refuses does not fail the others', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: [pickyView(1)] });
  const append = (...ns: number[]) => log.append(ns.map((n) => ({ ...event('s'), data: { n } })));
  const settled = await Promise.allSettled([append(1), append(2, 1000, 3), append(4), append(-1), append(5, 6)]);
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  );
  t.match(settled[1], { reason: { code: 'AS_ERR_SQLITE', message: /CHECK constraint failed/ } });
  t.match(settled[3], { reason: { message: 'negative' } });
  t.same(
    (await log.read()).map(({ seq, data }) => [seq, data]),
    [
      [1, { n: 1 }],
      [2, { n: 4 }],
      [3, { n: 5 }],
      [4, { n: 6 }],
    ],
    'nothing of a refused call is stored',
  );
  t.same(await log.reader.all('SELECT n FROM picky'), [{ n: 1 }, { n: 4 }, { n: 5 }, { n: 6 }]);
  await log.close();
});

t.test('a commit that fails takes nothing with it that was prepared behind it', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: [pickyView(1)] });
  const many = Math.floor(COMMIT_EVENTS_MAX / 2) + 1;
  const append = (count: number, n: number) => log.append(Array(count).fill({ ...event('s'), data: { n } }));
  const calls = [append(many, 1), append(many, 1000), append(many, 2), append(many, 1001), append(1, 3)];
  const settled = await Promise.allSettled(calls);
  t.same(
    settled.map((call) => (call.status === 'fulfilled' ? [call.value.at(0)?.seq, call.value.at(-1)?.seq] : 'refused')),
    [[1, many], 'refused', [many + 1, 2 * many], 'refused', [2 * many + 1, 2 * many + 1]],
  );
  t.equal(await log.last(), 2 * many + 1);
  const stored = await log.read({ after: many - 1, limit: 2 });
  t.same(
    stored.map(({ data }) => data),
    [{ n: 1 }, { n: 2 }],
  );
  t.same(await log.reader.all('SELECT n, count(*) AS many FROM picky GROUP BY n'), [
    { n: 1, many },
    { n: 2, many },
    { n: 3, many: 1 },
  ]);
  await log.close();
});

t.test('a rebuild that fails leaves the views as they were', async (t) => {
  const path = `${t.testdir()}/log`;
  let factor = 1;
  const view = pickyView(1);
  const fickle: View = {
    ...view,
    project: (batch) => ({
      changes: JSON.stringify(batch.ofKinds(() => true).map(({ data }) => (data as { n: number }).n * factor)),
    }),
  };
  const log = await openEventLog({ path, views: [...registryViews, fickle] });
  const numbers = Array.from({ length: 2 * REBUILD_EVENTS_MAX }, (_, n) => (n < REBUILD_EVENTS_MAX ? 1 : 2));
  for (const n of [1, 2]) {
    await log.append(Array(REBUILD_EVENTS_MAX).fill({ ...event('s'), data: { n } }));
  }
  const live = await dumpViews(log.plainReader);
  factor = 500; // fails in the second of two batches
  await t.rejects(log.rebuild(), { code: 'AS_ERR_SQLITE', message: /CHECK constraint failed/ });
  t.same(await dumpViews(log.plainReader), live);
  factor = 1;
  await log.append([{ ...event('s'), data: { n: 3 } }]);
  t.same(
    await log.reader.all('SELECT n FROM picky'),
    [...numbers, 3].map((n) => ({ n })),
  );
  const whole = await dumpViews(log.plainReader);
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), whole);
  await log.close();
});

t.test('views are made, rebuilt and dropped as the code that opens the log defines them', async (t) => {
  const path = `${t.testdir()}/log`;
  const numbers = async (views: View[]) => {
    const log = await openEventLog({ path, views });
    const tables = await log.reader.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE name = 'picky'");
    const rows = tables.length === 0 ? undefined : await log.reader.all<{ n: number }>('SELECT n FROM picky');
    await log.close();
    return rows?.map(({ n }) => n);
  };
  const log = await openEventLog({ path, views: [] });
  await log.append([1, 2, 3].map((n) => ({ ...event('s'), data: { n } })));
  await log.close();
  t.same(await numbers([pickyView(1)]), [1, 2, 3], 'a new view takes in what was there');
  await t.rejects(
    openEventLog({ path, views: [pickyView(2)], readOnly: true }),
    { code: 'AS_ERR_STORE_FORMAT', message: /picky/ },
    'a reader cannot use another version',
  );
  t.same(await numbers([pickyView(2)]), [2, 4, 6], 'another version is derived anew');
  t.same(await numbers([]), undefined, 'a view nobody defines is dropped');
});

t.test('two processes that write take turns', async (t) => {
  const path = `${t.testdir()}/log`;
  const random = randomSource(3);
  const one = await openEventLog({ path, views: registryViews });
  const two = await openEventLog({ path, views: registryViews });
  for (let turn = 0; turn < 10; turn++) {
    await one.append([randomEvent(random), randomEvent(random)]);
    await two.append([randomEvent(random)]);
    await Promise.all([one.append([randomEvent(random)]), two.append([randomEvent(random)])]);
  }
  t.equal(await one.last(), 50);
  const live = await dumpViews(one.reader);
  await two.rebuild();
  t.same(await dumpViews(one.reader), live);
  await one.close();
  await two.close();
});

t.test('events of a later version are kept, readable, and passed over by views', async (t) => {
  const path = `${t.testdir()}/log`;
  let log = await openEventLog({ path, views: registryViews });
  await log.append([kinds.objectIngested('me', ingestResult(1))]);
  await log.close();
  const subject = formatBlake3(ingestResult(1).blake3);
  const raw = await Connection.open(path, 'write');
  const later = everyKind.map(({ kind }, index) => {
    return { v: 2, id: uuidv7(1), time: index, kind, actor: 'x', subject, data: 'new', more: true };
  });
  const bytes = later.map((event) => encodeCanonical(event));
  for (const [index, event] of bytes.entries()) await insertRaw(raw, 2 + index, event);
  await raw.close();
  await t.rejects(
    openEventLog({ path, views: registryViews, readOnly: true }),
    { code: 'AS_ERR_STORE_FORMAT', message: /behind the log/ },
    'a reader does not use views that lag',
  );
  log = await openEventLog({ path, views: registryViews });
  t.same(await log.reader.get('SELECT state FROM objects'), { state: 'live' });
  const kept = await log.read({ after: 1 });
  t.match(
    kept,
    later.map(({ kind }, index) => ({ seq: 2 + index, v: 2, kind, data: 'new' })),
  );
  t.ok(
    kept.every((event, index) => Buffer.from(event.bytes).equals(bytes[index] ?? Buffer.alloc(0))),
    'byte for byte',
  );
  t.match((await log.read({ kind: 'object.deleted', subject }))[0], { v: 2 }, 'found like any other');
  for (const event of kept) t.match(sentenceOf(event), `does not know, ${event.kind} (version 2): "new"`);
  const live = await dumpViews(log.plainReader);
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), live, 'a rebuild passes over them too');
  const [next] = await log.append([event('after')]);
  t.equal(next?.seq, 2 + later.length);
  await log.close();
});

t.test('read-only', async (t) => {
  const folder = t.testdir();
  const path = `${folder}/log`;
  const open = (readOnly: boolean) => openEventLog({ path, views: registryViews, readOnly });
  await t.rejects(open(true), { code: 'AS_ERR_STORE_MISSING' }, 'never makes a file');
  let log = await open(false);
  await log.append([kinds.objectIngested('me', ingestResult(1))]);
  const beside = await open(true);
  await log.append([event('while a reader is there')]);
  t.equal(await beside.last(), 2, 'reads beside a writer');
  await t.rejects(beside.append([event('x')]), { code: 'AS_ERR_READ_ONLY' });
  await t.rejects(beside.rebuild(), { code: 'AS_ERR_READ_ONLY' });
  await t.rejects(beside.plainReader.run('DROP TABLE objects'), { code: 'AS_ERR_READ_ONLY' });
  await beside.close();
  await log.close();

  // SQLite follows no symbolic link to its shared memory file: as on a read-only file system, it cannot make that file.
  symlinkSync('nowhere', `${path}-shm`);
  log = await open(true);
  t.equal((await log.read()).length, 2, 'reads without shared memory');
  await log.close();
  writeFileSync(`${path}-wal`, 'left by a crash');
  await t.rejects(open(true), { code: 'AS_ERR_READ_ONLY', message: /not closed cleanly/ });
});

t.test('what is not a log of this version is refused', async (t) => {
  const folder = t.testdir({ text: 'This is not a database. '.repeat(100) });
  const open = (name: string, readOnly = false) => openEventLog({ path: `${folder}/${name}`, views: [], readOnly });
  const altered = async (name: string, ...statements: string[]) => {
    await (await open(name)).close();
    const raw = await Connection.open(`${folder}/${name}`, 'write');
    for (const sql of statements) await raw.exec(sql);
    await raw.close();
  };
  await t.rejects(open('text'), { code: 'AS_ERR_LOG_DAMAGED' });
  await t.rejects(open('text', true), { code: 'AS_ERR_LOG_DAMAGED' });
  await t.rejects(open('no/such/folder'), { code: 'AS_ERR_SQLITE' });
  await altered('newer', 'PRAGMA user_version = 5');
  await t.rejects(open('newer'), { code: 'AS_ERR_STORE_FORMAT', details: { found: 5, known: 4 } });
  await t.rejects(open('newer', true), { code: 'AS_ERR_STORE_FORMAT' });
  await altered('older', 'PRAGMA user_version = 1');
  await t.rejects(open('older'), { code: 'AS_ERR_STORE_FORMAT', details: { found: 1, known: 4 } });
  await altered('foreign', 'PRAGMA application_id = 7');
  await t.rejects(open('foreign'), { code: 'AS_ERR_STORE_FORMAT', details: { found: 7, known: APPLICATION_ID } });
  for (const [sql, name] of [
    ['DROP TRIGGER events_insert', 'events_insert'],
    ['DROP TRIGGER events_update', 'events_update'],
    ['DROP TRIGGER events_delete', 'events_delete'],
    ['DROP TABLE events', 'events'],
    ['ALTER TABLE events RENAME TO former', 'events'],
    ['ALTER TABLE events DROP COLUMN time', 'events'],
  ] as const) {
    await altered(sql, sql);
    for (const readOnly of [false, true])
      await t.rejects(open(sql, readOnly), { code: 'AS_ERR_LOG_DAMAGED', details: { name } }, `after ${sql}`);
  }
  await altered('weakened', 'DROP TRIGGER events_update', weakTrigger);
  await t.rejects(open('weakened'), { code: 'AS_ERR_LOG_DAMAGED', message: /events_update is altered/ });
  const other = await Connection.open(`${folder}/other`, 'write');
  await other.exec('CREATE TABLE mine (a)');
  await other.close();
  await t.rejects(open('other'), { code: 'AS_ERR_STORE_FORMAT' }, 'the database of another program is left alone');
});

t.test('damage is reported, not passed on', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: [] });
  await log.append(Array.from({ length: 500 }, (_, i) => event(`subject ${i}`)));
  const raw = await Connection.open(path, 'write');
  await insertRaw(raw, 501, Buffer.from('a1', 'hex'));
  await insertRaw(raw, 502, Buffer.from('a0', 'hex'));
  await insertRaw(raw, 503, Buffer.from('01', 'hex'));
  await insertRaw(raw, 504, Buffer.from('a0', 'hex'), 2);
  await raw.close();
  for (const after of [500, 501, 502, 503]) {
    await t.rejects(log.read({ after, limit: 1 }), { code: 'AS_ERR_LOG_DAMAGED', details: { seq: after + 1 } });
  }
  await log.close();
  await t.rejects(openEventLog({ path, views: registryViews }), { code: 'AS_ERR_LOG_DAMAGED' }, 'views stop there');
  truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
  const reopened = openEventLog({ path, views: [] }).then(async (log) => {
    const all = log.read({ subject: 'subject 499' }).then(() => log.read());
    await all.finally(() => log.close());
  });
  await t.rejects(reopened, { code: 'AS_ERR_LOG_DAMAGED' }, 'half a file');
});

t.test('failures of the database have codes that say what to do', async (t) => {
  const path = `${t.testdir()}/database`;
  const one = await Connection.open(path, 'write');
  const two = await Connection.open(path, 'write');
  await one.exec('CREATE TABLE filler (content BLOB); PRAGMA max_page_count = 10');
  await t.rejects(one.run('INSERT INTO filler VALUES (zeroblob(100000))'), { code: 'AS_ERR_NO_SPACE' });
  await two.exec('PRAGMA busy_timeout = 0');
  await one.exec('BEGIN IMMEDIATE');
  await t.rejects(two.exec('BEGIN IMMEDIATE'), { code: 'AS_ERR_STORE_LOCKED' });
  await one.exec('ROLLBACK');
  await t.rejects(one.run('SELECT 1 FROM nowhere'), { code: 'AS_ERR_SQLITE', message: /no such table/ });
  await t.rejects(
    one.transaction(async () => {
      await one.run("INSERT INTO filler VALUES (x'01')");
      throw new Error('changed my mind');
    }),
    /changed my mind/,
  );
  t.same(await two.get('SELECT count(*) AS n FROM filler'), { n: 0 }, 'a transaction that throws leaves nothing');
  await one.close();
  await one.close();
  await t.rejects(one.run('SELECT 1'), { code: 'AS_ERR_CLOSED' });
  await two.close();
  t.match(sqliteError(new Error('odd'), path), { code: 'AS_ERR_SQLITE', message: /odd/ });
  const missing = loadSqlite(() => Promise.reject(new Error('no binary')));
  await t.rejects(missing, { code: 'AS_ERR_SQLITE', message: /npm approve-scripts sqlite3.*npm rebuild sqlite3/ });
});

t.test('the bytes of every kind are pinned', async (t) => {
  const id = '01890a5d-ac96-774b-bcce-b302099a8057';
  const time = 1_688_169_999_510;
  for (const event of everyKind) {
    const prepared = prepareEvent(event);
    const target = Buffer.alloc(prepared.sizeMax);
    const bytes = target.subarray(0, writeEvent(target, 0, prepared, id, encodeCanonical(time)));
    const golden = readFileSync(new URL(`event-${event.kind}.hex`, GOLDEN), 'utf8').trim();
    t.equal(bytes.toString('hex'), golden, event.kind);
    const data = decodeCanonical(prepared.data);
    const value = { v: 1, id, time, kind: event.kind, actor: event.actor, subject: event.subject, data };
    t.ok(bytes.equals(cborgEncode(value, rfc8949EncodeOptions)), `${event.kind}: a second implementation agrees`);
    t.match(decodeEvent(1, bytes), value);
  }
  const documented = readFileSync(new URL('../../../docs/formats/events.md', import.meta.url), 'utf8');
  for (const { kind } of everyKind) t.match(documented, `\n| \`${kind}\` |`, `${kind} is documented`);
});

t.test('facts are given back as they were written, and others are refused', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  for (const event of [...everyKind, ...leastFacts, ...furtherFacts]) {
    const [stored] = (await log.append([event])) as [StoredEvent];
    const kind = event.kind as kinds.EventKind;
    const again = kinds.newEvent(kind, event.actor, event.subject as string, kinds.factsOf(stored, kind) as never);
    t.same(encodeCanonical(again.data), encodeCanonical(event.data), kind);
    const other = { ...event, subject: null };
    await t.rejects(log.append([other]), { code: 'AS_ERR_INVALID_ARGUMENT' }, `${kind}: about nothing`);
  }
  const digest = ingestResult(1).blake3;
  const short = digest.subarray(1);
  const wrong: [kinds.EventKind, string, CborInput][] = [
    ['upload.opened', 'u', { size: -1 }],
    ['upload.opened', 'u', { blake3: short }],
    ['upload.opened', 'u', { sha256: 'text' }],
    ['upload.opened', 'u', { expires: 'soon' }],
    ['upload.opened', 'not/an/id', {}],
    ['upload.opened', 'u'.repeat(65), {}],
    ['upload.completed', 'u', { size: 1, blake3: digest }],
    ['upload.completed', 'u', { size: 1, blake3: digest, sha256: short }],
    ['upload.aborted', 'u', {}],
    ['upload.aborted', 'u', { offset: 1, reason: 7 }],
    ['upload.expired', 'u', { offset: 1 }],
    ['manifest.indexed', 'a/x@1', { objects: [] }],
    ['manifest.indexed', formatBlake3(digest), {}],
    ['manifest.indexed', formatBlake3(digest), { objects: [1] }],
    ['manifest.indexed', formatBlake3(digest), { objects: [1, 0] }],
    ['manifest.indexed', formatBlake3(digest), { objects: [-1, 1] }],
    ['manifest.indexed', formatBlake3(digest), { objects: [1, Number.MAX_SAFE_INTEGER] }],
    ['token.created', 'a token', { holder: 'x', scopes: [] }],
    ['token.created', 'x', { holder: 'x' }],
    ['token.created', 'x', { holder: 'x', scopes: [1] }],
    ['token.created', 'x', { holder: 'x', scopes: [], expires: -1 }],
    ['token.revoked', 'x', { reason: null }],
    ['policy.changed', 'x', { to: digest }],
    ['policy.changed', 'x', { to: short, from: null }],
    ['policy.changed', '', { to: null, from: null }],
    ['quota.set', 'acme', {}],
    ['quota.set', 'acme', { logical: -1 }],
    ['quota.set', 'acme', { physical: 'much' }],
    ['quota.set', 'no such name', { logical: 1 }],
    ['upload.opened', 'u', { namespace: '*' }],
    ['upload.completed', 'u', { size: 1, blake3: digest, sha256: digest, namespace: 7 }],
  ];
  const before = await log.last();
  for (const [kind, subject, data] of wrong) {
    const event = { kind, actor: 'me', subject, data };
    await t.rejects(log.append([event]), { code: 'AS_ERR_INVALID_ARGUMENT' }, `${kind} ${JSON.stringify(data)}`);
  }
  t.equal(await log.last(), before);
  await log.close();
});

t.test('the layout of an ingest result is that of the general encoder', (t) => {
  const random = randomSource(11);
  const text = () => ['a', 'objects/7f', 'x'.repeat(30), 'y'.repeat(300)][random(4)] as string;
  const numbers = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
  const number = () => numbers[random(numbers.length)] as number;
  for (let n = 0; n < 300; n++) {
    const receipts = Array.from({ length: 1 + random(3) }, () => ({
      backend: text(),
      tier: (['hot', 'warm', 'cold'] as const)[random(3)] ?? 'hot',
      key: text(),
      storedSize: number(),
      durability: random(2) === 0 ? ('synced' as const) : ('replicated' as const),
    }));
    const result = ingestResult(n, { size: number(), healed: random(2) === 0, existed: random(2) === 0, receipts });
    const bytes = encodeIngestResult(result);
    if (!Buffer.from(bytes).equals(writeIngestResult(result) ?? new Uint8Array(0)))
      t.fail(`result ${n} is written otherwise`);
    const layout = readIngestLayout(Buffer.concat([Buffer.alloc(5), bytes]), 5);
    const storedSize = receipts.reduce((sum, receipt) => sum + receipt.storedSize, 0);
    if (layout?.size !== result.size || layout.storedSize !== storedSize || layout.end !== bytes.byteLength + 5)
      t.fail(`result ${n} is read otherwise`);
    const kept = Buffer.from(bytes).indexOf(encodeCanonical(receipts.map((one) => ({ ...one })) as never));
    if (layout?.keptAt !== kept + 5) t.fail(`the receipts of result ${n} are not kept as they are`);
    for (let cut = 0; cut < bytes.byteLength; cut++)
      if (readIngestLayout(bytes.subarray(0, cut), 0) !== undefined)
        t.fail(`a part of ${cut} bytes is read as a whole`);
  }
  const { blake3 } = ingestResult(1);
  const key = Buffer.from(blake3).toString('hex');
  const plain = { backend: 'local', tier: 'hot', key, storedSize: 70_000, durability: 'synced' } as const;
  const keptOf = (one: object) => {
    const bytes = encodeIngestResult(ingestResult(1, { receipts: [one] } as never));
    const layout = readIngestLayout(bytes, 0);
    return bytes.subarray(layout?.keptAt, layout?.end);
  };
  t.same(
    keptOf(plain),
    encodeCanonical(plain.storedSize),
    'of a receipt that says nothing else, its stored size is kept',
  );
  for (const change of [
    { key: `${key.slice(1)}0` },
    { tier: 'warm' },
    { backend: 'other' },
    { durability: 'replicated' },
  ])
    t.same(
      keptOf({ ...plain, ...change }),
      encodeCanonical([{ ...plain, ...change }]),
      `all where ${Object.keys(change)}`,
    );
  const [receipt] = ingestResult(1).receipts;
  const unusual = [
    { receipts: [{ ...receipt, key: 'zoë' }] },
    { size: -1 },
    { size: 1.5 },
    { blake3: new Uint8Array(31) },
  ];
  for (const change of unusual)
    t.equal(writeIngestResult(ingestResult(1, change as never)), undefined, 'left to the general encoder');
  t.equal(readIngestLayout(encodeIngestResult(ingestResult(1, unusual[0] as never)), 0), undefined);
  t.end();
});

t.test('unusual ingests are views like any other, and known again by every name', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  const [receipt] = ingestResult(1).receipts as [IngestReceipt];
  const unusual = ingestResult(1, { receipts: [{ ...receipt, key: 'zoë' }] });
  const collision = ingestResult(1, { sha256: new Uint8Array(32).fill(7) });
  await log.append([kinds.objectIngested('Zoë with a name of more than twenty-three bytes', unusual)]);
  await log.append([kinds.objectIngested('me', collision)]);
  await log.append([kinds.objectIngested('me', unusual), kinds.objectIngested('me', collision)]);
  const live = await dumpViews(log.plainReader);
  t.same(
    (live.former_digests as { sha256: Uint8Array }[]).map(({ sha256 }) => sha256[31]).sort(),
    [0x07, 0x5a],
    'SHA-256 digests that another took the place of',
  );
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), live);
  await log.close();
});

t.test('ingests from columns are in the views as a rebuild has them, whoever makes them', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const ids = ['ci', 'c'.repeat(40)];
  const quota = { holder: 'ci', scopes: ['put'], quota: 1e9 };
  await log.append(ids.map((id) => kinds.newEvent('token.created', 'admin', id, quota)));
  const actors = ['kit', 'token:ci', `token:${ids[1]}`, 'zo\u00eb', 'x'.repeat(23), 'x'.repeat(24), 'x'.repeat(300)];
  for (const [place, actor] of actors.entries()) {
    for (const backend of ['local', 'lok\u00e4l']) {
      const table = new MutableIngestTable(40, { backend, tier: 'hot', durability: 'synced' });
      for (let n = 0; n < table.length; n++) {
        // The second half is that of the table before, so that objects are stored again, also within one commit.
        const { blake3, sha256 } = ingestResult(20 * place + n);
        const sizes = { size: 10 ** (n % 12), storedSize: 10 ** (n % 7) };
        table.set(n, { digests: Buffer.concat([blake3, sha256]), ...sizes, existed: n % 3 === 0, healed: false });
      }
      const indexes = Uint32Array.from({ length: table.length }, (_, n) => n);
      await Promise.all([
        log.appendIngests({ actor, table, indexes }),
        log.append([kinds.objectVerified('kit', formatBlake3(table.blake3(7)), INTACT)]),
        log.appendIngests({ actor, table, indexes: indexes.subarray(0, 5) }),
      ]);
    }
  }
  const live = await dumpViews(log.plainReader);
  t.equal(live.objects?.length, 20 * actors.length + 20);
  t.match(live.tokens, [{ used: Number }, { used: Number }]);
  t.ok(live.tokens?.every((row) => (row as { used: number }).used > 0));
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), live);
  await log.close();
  const byCore = await openEventLog({ path, views: registryViews, fillRecords });
  await byCore.rebuild();
  t.same(await dumpViews(byCore.plainReader), live, 'and as the core has them');
  await byCore.close();
});

t.test('what comes beside removals is in the log and in the views as a rebuild has it, and so are they', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews, fillRecords });
  const table = new MutableIngestTable(400, { backend: 'local', tier: 'hot', durability: 'synced' });
  for (let n = 0; n < table.length; n++) {
    const { blake3, sha256 } = ingestResult(n);
    const sizes = { size: 100 + n, storedSize: 200 + n };
    table.set(n, { digests: Buffer.concat([blake3, sha256]), ...sizes, existed: false, healed: false });
  }
  const part = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, n) => from + n);
  const addresses = (from: number, to: number) => [...part(from, to)].map((n) => formatBlake3(table.blake3(n)));
  const appendIngests = (indexes: Uint32Array) => log.appendIngests({ actor: 'kit', table, indexes });
  await appendIngests(part(0, 300));
  const places: number[] = [];
  log.onCommit((last) => places.push(last));
  const facts = { reason: 'old' };
  const results = (count: number) => Array(count).fill({ deleted: true, freedSize: 0 });
  // Beside blocks of removals: other objects, the same ones, and events of people that the log does not know yet.
  const work: Promise<unknown>[] = [];
  for (let from = 0; from < 250; from += 50) {
    const block = addresses(from, from + 50);
    work.push(log.appendRemovals({ actor: 'kit', addresses: block, facts }));
    work.push(log.appendRemovals({ actor: 'kit', addresses: block, results: results(50) }));
    work.push(appendIngests(part(300 + from / 5, 310 + from / 5)));
    await new Promise((resolve) => setImmediate(resolve));
    work.push(appendIngests(part(from + 10, from + 12)));
    work.push(log.append([kinds.objectVerified(`zo\u00eb ${from}`, block[0] as ContentAddress, INTACT)]));
    work.push(log.appendRemovals({ actor: `o ${from}`, addresses: block.slice(20, 40), facts: { reason: 'again' } }));
  }
  await Promise.all(work);
  const events = await log.read({ limit: 10_000 });
  t.same(
    events.map(({ seq }) => seq),
    Array.from({ length: 300 + 5 * (50 + 50 + 10 + 2 + 1 + 20) }, (_, n) => n + 1),
  );
  t.equal(new Set(events.map(({ id }) => id)).size, events.length);
  t.same(places.at(-1), events.length);
  t.ok(places.length < work.length, 'commits were shared');
  const live = await dumpViews(log.plainReader);
  await log.rebuild();
  t.same(await dumpViews(log.plainReader), live);
  t.same(await log.read({ limit: 10_000 }), events);
  await log.close();
});

t.test('pages by kind and subject over many rows', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: [] });
  const subjects = ['a', 'b', `blake3:${'12'.repeat(32)}`, `blake3:${'12'.repeat(31)}34`];
  const events = Array.from({ length: 5000 }, (_, n) => ({
    ...event(subjects[n % 4] as string),
    kind: n % 700 === 0 ? 'test.rare' : 'test.event',
  }));
  for (let at = 0; at < events.length; at += 777) await log.append(events.slice(at, at + 777));
  const expected = (kind?: string, subject?: string) =>
    events.flatMap((made, n) =>
      (kind ?? made.kind) === made.kind && (subject ?? made.subject) === made.subject ? [n + 1] : [],
    );
  for (const kind of [undefined, 'test.rare', 'test.event']) {
    for (const subject of [undefined, ...subjects]) {
      for (const reverse of [false, true]) {
        const query = { ...(kind && { kind }), ...(subject && { subject }), reverse, limit: 333 };
        const found: number[] = [];
        for (
          let page = await log.read(query);
          page.length > 0;
          page = await log.read({ ...query, after: found.at(-1) ?? 0 })
        )
          found.push(...page.map(({ seq }) => seq));
        t.same(found, reverse ? expected(kind, subject).reverse() : expected(kind, subject), JSON.stringify(query));
      }
    }
  }
  await log.close();
});

t.test('an ingest result is encoded once, and its bytes are those in the event', async (t) => {
  const result = ingestResult(5);
  const bytes = encodeIngestResult(result);
  t.equal(encodeIngestResult(result), bytes, 'the same array');
  t.ok(encodeCanonical({ ...result, receipts: [...result.receipts] } as never).every((b, i) => b === bytes[i]));
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: [] });
  await log.append([kinds.objectIngested('me', result)]);
  const [stored] = await log.read();
  t.ok(Buffer.from(stored?.dataBytes ?? []).equals(bytes));
  t.same(decodeIngestResult(Buffer.from(bytes)), result);
  for (const change of [{ size: -1 }, { blake3: new Uint8Array(31) }, { receipts: [] }, { existed: 1 }, { extra: 1 }]) {
    const wrong = encodeCanonical({ ...result, ...change } as never);
    t.throws(() => decodeIngestResult(wrong), { code: 'AS_ERR_CBOR_DECODE' }, JSON.stringify(change));
  }
  const foreign = { ...kinds.objectIngested('me', result), subject: formatBlake3(ingestResult(6).blake3) };
  await t.rejects(log.append([foreign]), { code: 'AS_ERR_INVALID_ARGUMENT' }, 'the subject must be that of the data');
  await log.close();
});

const weakTrigger = `CREATE TRIGGER events_update BEFORE UPDATE ON events WHEN false BEGIN
  SELECT RAISE(ABORT, 'never'); END`;

function event(subject: string): NewEvent {
  return { kind: 'test.event', actor: 'test', subject, data: {} };
}

/** Stores bytes as one event, whatever they are. */
function insertRaw(raw: Connection, seq: number, bytes: Uint8Array, end = bytes.byteLength): Promise<void> {
  const ends = Buffer.alloc(4);
  ends.writeUInt32LE(end);
  return raw.run('INSERT INTO events (last, first, time, ends, bytes) VALUES (?1, ?1, 1, ?2, ?3)', [seq, ends, bytes]);
}

/** A view that keeps `data.n` times its version, whose table refuses numbers from 1000 on, and which fails on negative ones. */
function pickyView(version: number): View {
  return {
    name: 'picky',
    version,
    schema: 'CREATE TABLE picky (n INTEGER CHECK (n < 1000)) STRICT',
    drop: 'DROP TABLE picky',
    parameters: ['changes'],
    project: (batch) => {
      const numbers = batch
        .ofKinds(() => true)
        .map(({ data }) => {
          const { n } = data as { n: number };
          if (n < 0) throw new Error('negative');
          return n * version;
        });
      return { changes: JSON.stringify(numbers) };
    },
    apply: ['INSERT INTO picky SELECT value FROM json_each(:changes)'],
  };
}

/** Lets a child append, and kills it once it has reported a number of acknowledged calls. */
async function appendUntilKilled(
  path: string,
  seed: number,
  reports: number,
  acknowledged: Map<number, string>,
): Promise<void> {
  const child = forkUnhooked(new URL('./append-child.js', import.meta.url), [path, String(seed)]);
  let heard = 0;
  child.on('message', (events: [number, string][]) => {
    for (const [seq, id] of events) acknowledged.set(seq, id);
    if (++heard === reports) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'exit');
  if (signal !== 'SIGKILL') throw new Error('the child ended by itself');
}

async function allIds(log: Awaited<ReturnType<typeof openEventLog>>): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const page = await log.read({ after: ids.length });
    if (page.length === 0) return ids;
    ids.push(...page.map(({ id }) => id));
  }
}

t.test('a read is shared with those who ask while it runs, and never across a commit', async (t) => {
  const finish: (() => void)[] = [];
  let ring: (last: number) => void = () => undefined;
  let asked = 0;
  const slow = <T>(value: T) =>
    new Promise<T>((resolve, reject) => {
      asked++;
      finish.push(() => (value instanceof Error ? reject(value) : resolve(value)));
    });
  let newest: number | Error = 1;
  const shared = new SharedReads({
    last: () => slow(newest) as Promise<number>,
    read: ({ after } = {}) => slow([{ seq: after }] as StoredEvent[]),
    onCommit: (listener) => {
      ring = listener;
      return () => undefined;
    },
  });
  const end = () => {
    for (const one of finish.splice(0)) one();
  };
  const old = [shared.last(), shared.last()];
  const pages = [shared.read({ after: 1 }), shared.read({ after: 1 }), shared.read({ after: 2 })];
  t.equal(asked, 3);
  newest = 2;
  ring(2);
  const fresh = [shared.last(), shared.last()];
  pages.push(shared.read({ after: 1 }));
  t.equal(asked, 5, 'what began before the commit is not for those who ask after it');
  end();
  t.same(await Promise.all(old), [1, 1]);
  t.same(await Promise.all(fresh), [2, 2]);
  t.same(
    (await Promise.all(pages)).map(([event]) => event?.seq),
    [1, 1, 2, 1],
  );
  newest = new Error('the disk is gone');
  const failing = [shared.last(), shared.last()];
  end();
  for (const one of failing) await t.rejects(one, { message: 'the disk is gone' });
  newest = 3;
  const again = shared.last();
  t.equal(asked, 7, 'nothing is kept behind its end, a failure neither');
  end();
  t.equal(await again, 3);
});

t.test('settling leaves nothing for closing to copy, and the log goes on', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const settled = log.append([event('a')]).then(() => log.settle());
  await log.append([event('b')]);
  await settled;
  const other = await Connection.open(path, 'write');
  const found = await other.get<{ log: number; checkpointed: number }>('PRAGMA wal_checkpoint(NOOP)');
  t.ok(found !== undefined && found.log > 0, 'there is a write-ahead log');
  t.equal(found?.checkpointed, found?.log);
  await other.close();
  await log.append([event('c')]);
  const reader = await openEventLog({ path, views: registryViews, readOnly: true });
  await reader.settle();
  t.equal((await reader.read()).length, 3);
  await reader.close();
  await log.close();
  await log.settle();
});

t.test('who asks behind others has a connection of its own, and sees what is acknowledged', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const last = async () => (await log.readerBehind.get<{ last: number }>('SELECT max(last) AS last FROM events'))?.last;
  for (let seq = 1; seq <= 3; seq++) {
    await log.append([event(`behind ${seq}`)]);
    t.equal(await last(), seq);
  }
  // Long enough that the other connection answers first, if it does not wait for this one.
  const long = log.readerBehind.get(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000)
    SELECT count(*) AS count FROM n`);
  let isOver = false;
  void long.then(() => {
    isOver = true;
  });
  t.equal((await log.read()).length, 3);
  t.notOk(isOver, 'nobody waits for it');
  t.same(await long, { count: 3_000_000 });
  await log.close();

  const missing = new LaterReader(`${t.testdir()}/none`);
  await t.rejects(missing.all('SELECT 1'), { code: 'AS_ERR_STORE_MISSING' });
  (await Connection.open(missing.path, 'write')).close();
  t.same(await missing.all('SELECT 1 AS one'), [{ one: 1 }], 'and the next question tries again');
  await missing.close();
});

/** Bytes of the write-ahead log of a database, and those of it that are not in the database yet. */
async function writeAheadLog(path: string) {
  const other = await Connection.open(path, 'write');
  const { page_size: page } = (await other.get<{ page_size: number }>('PRAGMA page_size')) ?? { page_size: 0 };
  return {
    bytes: async () => {
      const found = await other.get<{ log: number; checkpointed: number }>('PRAGMA wal_checkpoint(NOOP)');
      const { log = 0, checkpointed = 0 } = found ?? {};
      return { log: log * page, left: (log - checkpointed) * page };
    },
    close: () => other.close(),
  };
}

t.test('the write-ahead log is copied beside who writes, before a commit has to do it, and begins anew', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const large = { filler: 'x'.repeat(200_000) };
  const append = () => log.append(Array.from({ length: 20 }, () => ({ ...event('large'), data: large })));
  const ahead = await writeAheadLog(path);
  let written = 0;
  for (; written < SQLITE_CHECKPOINT_BESIDE_SIZE + SQLITE_CHECKPOINT_LOOK_SIZE; written = (await ahead.bytes()).log)
    await append();
  t.ok(written < SQLITE_CHECKPOINT_SIZE, 'no commit had to copy it');
  // Without what is tested here, nothing would ever be copied: nobody commits any more.
  let left = written;
  for (let n = 0; left > 0 && n < 1000; n++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ({ left } = await ahead.bytes());
  }
  t.equal(left, 0, 'copied, with what was added meanwhile');
  await log.close();
  await ahead.close();
});

t.test('while many are removed it is copied sooner', async (t) => {
  const path = `${t.testdir()}/log`;
  const log = await openEventLog({ path, views: registryViews });
  const ahead = await writeAheadLog(path);
  let n = 0;
  const address = () => `blake3:${(n++).toString(16).padStart(12, '0').padEnd(64, '0')}` as const;
  let [most, now] = [0, 0];
  for (let commits = 0; now >= most && commits < 1000; commits++) {
    const addresses = Array.from({ length: 1024 }, address);
    await log.appendRemovals({ actor: 'someone', addresses, facts: { reason: 'old' } });
    most = Math.max(most, now);
    now = (await ahead.bytes()).log;
  }
  t.ok(now < most, 'it has begun anew');
  t.ok(most >= SQLITE_CHECKPOINT_BEHIND_SIZE && most < SQLITE_CHECKPOINT_BESIDE_SIZE, `it had ${most} bytes`);
  await log.close();
  await ahead.close();
});
