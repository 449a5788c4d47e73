/** The documents of the formats, tried: `reader.py` was written from them alone, in another language, and reads what this project writes. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { MutableIngestTable } from '../../lib/dataplane/ingest-table.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { decodeEvent } from '../../lib/events/envelope.js';
import { readAll } from '../../lib/events/read-all.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { decodeManifest, MANIFEST_SCHEMA } from '../../lib/packages/manifest.js';
import { registryViews } from '../../lib/registry/views.js';
import { everyKind } from '../events/every-kind.js';
import { randomEvent, randomSource } from '../events/random-events.js';

const READER = fileURLToPath(new URL('../../../test/formats/reader.py', import.meta.url));
const GOLDEN = new URL('../../../test/golden/', import.meta.url);
const hasPython = spawnSync('python3', ['-c', 'import sqlite3']).status === 0;
const skip = hasPython ? false : 'there is no python3 here';

function read(what: 'log' | 'event' | 'row' | 'manifest', ...values: string[]) {
  const { status, stdout, stderr } = spawnSync('python3', [READER, what, ...values], { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { status, values: lines.map((line) => JSON.parse(line)), refusal: stderr.trim() };
}

/** A value as the reader shows it. */
function shown(value: unknown): unknown {
  const asHex = (_: string, part: unknown) =>
    part instanceof Uint8Array ? { hex: Buffer.from(part).toString('hex') } : part;
  return JSON.parse(JSON.stringify(value, asHex));
}

function golden(kind: 'event' | 'row' | 'manifest'): string[] {
  const names = readdirSync(GOLDEN).filter((name) => name.startsWith(kind));
  return names.map((name) => readFileSync(new URL(name, GOLDEN), 'utf8').trim());
}

t.test('golden files', { skip }, async (t) => {
  const manifests = golden('manifest');
  t.same(
    read('manifest', ...manifests).values,
    manifests.map((hex) => shown({ schema: MANIFEST_SCHEMA, ...decodeManifest(Buffer.from(hex, 'hex')) })),
  );
  const events = golden('event');
  const found = read('event', ...events, `${events[0]}00`);
  t.same(
    found.values,
    events.map((hex) => {
      const { v, id, data, kind, time, actor, subject } = decodeEvent(1, Buffer.from(hex, 'hex'));
      return shown({ v, id, data, kind, time, actor, subject });
    }),
  );
  t.match(found, { status: 1, refusal: 'bytes behind the value' }, 'the reader can refuse');
  const [row = ''] = golden('row');
  t.match(read('row', '6', row), { status: 0, values: { length: 6 } });
  t.match(read('row', '5', row), { status: 1, refusal: 'other bytes kept than those of its events' });
  t.ok(events.length > 10 && manifests.length > 1);
});

t.test('a log', { skip }, async (t) => {
  const path = `${t.testdir()}/events.sqlite`;
  const log = await openEventLog({ path, views: registryViews });
  const random = randomSource(11);
  await log.append([...everyKind]);
  for (let n = 0; n < 20; n++) await log.append(Array.from({ length: 1 + random(50) }, () => randomEvent(random)));
  const table = new MutableIngestTable(200, { backend: 'local', tier: 'hot', durability: 'synced' });
  for (let n = 0; n < table.length; n++) {
    const digests = createHash('sha512').update(String(n)).digest();
    table.set(n, { digests, size: 2 ** (n % 20), storedSize: 70_000, existed: n % 2 === 0, healed: n % 3 === 0 });
  }
  const indexes = Uint32Array.from({ length: table.length }, (_, n) => n);
  await log.appendIngests({ actor: 'zo\u00eb', table, indexes });
  const addresses = Array.from(indexes, (n) => formatBlake3(table.blake3(n)));
  await log.appendRemovals({ actor: 'gone', addresses, facts: { reason: 'old' } });
  await log.appendRemovals({
    actor: 'gone',
    addresses,
    results: addresses.map((_, n) => ({ deleted: true, freedSize: n * n })),
  });
  await log.append([
    { kind: 'later.kind', actor: 'zo\u00eb', subject: null, data: { list: [1, -5, null, true, 'x'] } },
  ]);
  const expected: unknown[] = [];
  for await (const { seq, v, id, data, kind, time, actor, subject } of readAll((query) => log.read(query), {})) {
    expected.push(shown({ seq, v, id, data, kind, time, actor, subject }));
  }
  await log.close();
  t.same(read('log', path).values, expected);
  t.ok(expected.length > 700);
});
