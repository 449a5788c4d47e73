/** What happened, and what was: stories in sentences, the registry at a moment of the past, and the log through the facade. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { explain, type Story, type StoryLine, sentenceOf } from '../../lib/audit/explain.js';
import { encodeCanonical } from '../../lib/cbor/index.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { deriveViews } from '../../lib/events/derive.js';
import { decodeEvent } from '../../lib/events/envelope.js';
import * as kinds from '../../lib/events/kinds.js';
import type { NewEvent, StoredEvent } from '../../lib/events/log.js';
import { openEventLog } from '../../lib/events/sqlite-log.js';
import { openRegistry, openStore, type Store } from '../../lib/index.js';
import { PAGE_SIZE_MAX } from '../../lib/limits.js';
import { openPastRegistry } from '../../lib/registry/past-registry.js';
import { createRegistry } from '../../lib/registry/sqlite-registry.js';
import { registryViews } from '../../lib/registry/views.js';
import { Connection, type Reader } from '../../lib/sqlite/connection.js';
import { dumpViews } from '../events/dump.js';
import { everyKind, furtherFacts, leastFacts } from '../events/every-kind.js';
import { ingestResult, randomEvent, randomSource } from '../events/random-events.js';
import { damageStored } from '../support/stored.js';

const ADDRESS = formatBlake3(ingestResult(1).blake3);
const [MANIFEST, OTHER] = [formatBlake3(ingestResult(2).blake3), formatBlake3(ingestResult(3).blake3)];
const HEX1 = Buffer.from(ingestResult(1).sha256).toString('hex');

t.test('every kind has its sentence', (t) => {
  t.same(everyKind.map(told), [
    `alice stored it: 1.0 kB (1,001 bytes), sha256:${HEX1}; 4.1 kB taken in local (hot, synced).`,
    'alice verified it: all 1.0 kB (1,001 bytes) are intact, by both digests. Damaged helper data, or a damaged copy, was written anew.',
    'Damage was found when verifier verified it: 32.8 kB, bytes 0-16383,4294967296-4294983679.',
    'zoë deleted it: superseded.',
    'zoë undeleted it: needed after all: it is there again.',
    'sweeper found nothing of it when comparing the log with what is stored: its bytes are lost.',
    'sweeper removed bytes of it that no event named: 4.1 kB (4,096 bytes) freed. They were stored by 2023-07-02 00:06:39Z at the latest.',
    'Its bytes were removed by sweeper: 4.1 kB (4,096 bytes) freed.',
    'mover copied it to the cold tier: 2.0 kB taken in s3, replicated.',
    'mover removed it from the hot tier: 4.1 kB (4,096 bytes) freed there.',
    'alice noted that it is a manifest and needs 4 objects, itself among them.',
    `alice published it: 3 entries, 12.3 kB (12,345 bytes), manifest ${MANIFEST}.`,
    'alice withdrew it by the plan p-2031: leaks a key; what no other version needs can be collected.',
    `alice moved it from ${OTHER} to ${MANIFEST}, for good.`,
    `bob removed it; it pointed at ${MANIFEST}: withdrawn.`,
    `alice began the upload of 1.0 kB (1,001 bytes), ${ADDRESS} and sha256:${HEX1}, to be ended by 2023-07-02 00:06:39Z.`,
    'alice said that it will have 1.0 kB (1,001 bytes).',
    `alice completed it: 1.0 kB (1,001 bytes), stored as ${ADDRESS}.`,
    'alice gave it up after 65.5 kB (65,536 bytes): changed my mind.',
    'It was ended by sweeper after 65.5 kB (65,536 bytes), because nothing had come since 2023-07-02 00:06:39Z.',
    'admin made the token for ci; it allows read and put, until 2023-07-02 00:06:39Z.',
    'admin revoked the token: leaked.',
    `admin set the policy to ${ADDRESS}: first one.`,
    'admin set the retention policy: it has rules for build, evidence and scratch, and "build" is what has no class: disk is dear.',
    'admin removed the retention policy: each has its own.',
    'alice gave it the retention class "release": shipped.',
    'bob pulled it, for the first time in a day or longer.',
    'counsel placed a hold on it for the case C-2026/14: litigation.',
    'counsel released the hold for the case C-2026/14: settled.',
    'admin expressly shortened its lock: a governance lock until 2023-07-02 00:06:39Z: by mistake too long.',
    'keeper made this plan: 2 versions and 5 objects are to go, 81.9 kB.',
    'keeper began to carry out this plan.',
    'keeper carried out this plan: 2 versions and 4 objects went, 65.5 kB.',
    'admin set its quota: at most 5.0 GB (5,000,000,000 bytes) of files and 1.0 GB (1,000,000,000 bytes) of distinct objects: a shared disk.',
    'admin removed its quota: a disk of its own.',
    'officer erased 2 texts and 1 object under the order DSR 2031/17: asked for by letter.',
  ]);
  t.same(leastFacts.map(told), [
    'me deleted it.',
    'me undeleted it: it is there again.',
    'me withdrew it; what no other version needs can be collected.',
    `me set it to ${MANIFEST}.`,
    `me removed it; it pointed at ${MANIFEST}.`,
    'me began the upload.',
    'me gave it up after 0 B.',
    'me made the token for ci; it allows nothing, without end.',
    'me revoked the token.',
    'me removed the policy.',
    'me set the retention policy: it has no rules.',
    'me removed the retention policy.',
    'me gave it the retention class "build".',
    'me released the hold for the case 1.',
    'me set its quota: at most 0 B of files.',
    'me removed its quota.',
    'me erased nothing under the order 1.',
    'me locked it with a compliance lock until 1970-01-01 00:00:00Z.',
  ]);
  t.same(furtherFacts.map(told), [
    'zoë deleted it by the plan p-2031: superseded. Its bytes stay until 1970-01-08 00:00:00Z at least.',
    'zoë deleted it by the plan p-2031.',
    'zoë erased it under the order DSR 2031/17: asked for.',
    'alice began the upload of 1.0 kB (1,001 bytes) for the namespace acme.',
    `alice completed it: 1.0 kB (1,001 bytes), stored as ${ADDRESS}.`,
  ]);
  const others: NewEvent[] = [
    kinds.objectIngested('me', ingestResult(1, { existed: true })),
    kinds.objectIngested('me', ingestResult(1, { healed: true })),
    kinds.objectVerified('me', ADDRESS, { status: 'intact', size: 7, damaged: [], repaired: false }, 'blake3'),
    kinds.objectVerified('me', ADDRESS, { status: 'corrupt', size: 7, damaged: [], repaired: false }),
    kinds.objectVerified('me', ADDRESS, { status: 'missing', size: 7, damaged: [], repaired: false }),
    kinds.objectCorrupted('me', ADDRESS, [], 'read'),
    kinds.objectDeleted('me', ADDRESS, { deleted: false, freedSize: 0 }),
    kinds.objectCopied('me', ADDRESS, { tier: 'hot', existed: true, receipts: ingestResult(1).receipts }),
    kinds.objectEvicted('me', ADDRESS, { tier: 'cold', deleted: false, freedSize: 0 }),
    kinds.newEvent('policy.changed', 'me', 'p', { to: ingestResult(1).blake3, from: ingestResult(1).blake3 }),
    { kind: 'object.painted', actor: 'later', subject: ADDRESS, data: { colour: 'red', bytes: new Uint8Array([1]) } },
  ];
  t.same(others.map(told), [
    'me stored it again: it was there already, and whole.',
    'me stored it again and so healed it: 1.0 kB (1,001 bytes) took the place of a damaged copy.',
    'me verified it: all 7 B are intact, by BLAKE3 alone.',
    'me verified it: it is damaged, by both digests.',
    'me verified it: its bytes are not there.',
    'Damage was found when me read it: no range is known.',
    'me found none of its bytes left to remove.',
    'me copied it to the hot tier, where it was already, and whole.',
    'me found none of its bytes left to remove from the cold tier.',
    `me changed the policy from ${ADDRESS} to ${ADDRESS}.`,
    'later did something that this version of artifactstore does not know, object.painted (version 1): {"bytes":"01","colour":"red"}.',
  ]);
  t.end();
});

t.test('the story of an object, from its storing to its end', async (t) => {
  const { store, path } = await opened(t);
  const bytes = Buffer.alloc(40_000, 'story');
  const { blake3, sha256 } = await store.put(bytes, { actor: 'alice' });
  await store.put(Buffer.from('something else'));
  await damageStored(join(path, 'data'), blake3, 20_000);
  await t.rejects(drain(store, blake3), { code: 'AS_ERR_CORRUPT' });
  await store.put(bytes, { actor: 'bob' });
  await store.verify(blake3, { actor: 'carol' });
  await store.delete(blake3, { actor: 'dave', reason: 'superseded' });
  const story = await store.explain(sha256.slice(0, 20));
  t.equal(story.subject, blake3, 'a prefix of either digest names it');
  const storyLines = await all(story);
  t.match(
    storyLines.map(({ sentence }) => sentence),
    [
      /^alice stored it: 40\.0 kB \(40,000 bytes\), sha256:/,
      /^Damage was found when .* read it: 16\.4 kB, bytes 16384-32767\.$/,
      /^bob stored it again and so healed it: 40\.0 kB/,
      /^carol verified it: all 40\.0 kB \(40,000 bytes\) are intact, by both digests\.$/,
      /^dave deleted it: superseded\.$/,
      /^Its bytes were removed by dave: [\d.]+ kB/,
    ],
  );
  t.match(storyLines[0], { seq: 1, kind: 'object.ingested', actor: 'alice' });
  t.same(await all(await store.explain(blake3, { at: { seq: 3 } })), storyLines.slice(0, 2), 'as it stood then');
  const now = storyLines.at(-1)?.time as number;
  t.equal((await all(await store.explain(blake3, { at: { time: now } }))).length, 6);

  await t.rejects(store.explain('0000000000'), { code: 'AS_ERR_NOT_FOUND', message: /Nothing in the log is named/ });
  await t.rejects(store.explain('never heard of'), { code: 'AS_ERR_NOT_FOUND' });
  await t.rejects(store.explain(''), { code: 'AS_ERR_NOT_FOUND' });
  await t.rejects(store.explain(blake3, { at: { seq: 0 } }), { code: 'AS_ERR_NOT_FOUND', message: /Up to event 0 / });
  await t.rejects(store.explain(blake3, { at: { seq: -1 } }), { code: 'AS_ERR_INVALID_ARGUMENT' });
  await store.close();
  const calls: (() => Promise<unknown>)[] = [
    () => store.explain(blake3),
    () => store.at({ seq: 1 }),
    () => store.seqAt({ seq: 1 }),
    () => store.follow().next(),
    () => store.subscribe().next(),
  ];
  for (const call of calls) {
    await t.rejects(call(), { code: 'AS_ERR_CLOSED' });
  }
});

t.test('whatever events are about can be explained', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  await log.append([...everyKind, { kind: 'moon.landed', actor: 'later', subject: 'some moon', data: [1] }]);
  const sentences = async (name: string) => {
    const finders = [async (text: string) => (text === 'the policy' ? 'retention' : undefined)];
    return (await all(await explain(log, name, finders, await log.last()))).map(({ kind }) => kind);
  };
  t.same(await sentences('01890a5d-ac96-774b-bcce-b302099a8057'), [
    'upload.opened',
    'upload.sized',
    'upload.completed',
    'upload.aborted',
    'upload.expired',
  ]);
  t.same(await sentences('ci-7'), ['token.created', 'token.revoked']);
  t.same(await sentences('the policy'), ['policy.changed'], 'by a name that a finder knows');
  t.same(await sentences('some moon'), ['moon.landed'], 'of kinds that this version does not know too');
  await log.close();
});

t.test('the registry at every moment of a random history is what it was, row for row', async (t) => {
  const log = await openEventLog({ path: `${t.testdir()}/log`, views: registryViews });
  const random = randomSource(3);
  const live = new Map([[0, await viewsOf(log.plainReader)]]);
  for (let commit = 0; commit < 60; commit++) {
    await log.append(Array.from({ length: 1 + random(40) }, () => randomEvent(random)));
    live.set(await log.last(), await viewsOf(log.plainReader));
  }
  for (const length of [PAGE_SIZE_MAX, 500]) await log.append(Array.from({ length }, () => randomEvent(random, 300)));
  live.set(await log.last(), await viewsOf(log.plainReader)); // more than is derived in one step
  for (const [seq, views] of live) {
    const connection = await Connection.open('', 'write');
    await deriveViews(connection, registryViews, log, seq);
    t.same(await viewsOf(connection), views, `after event ${seq}`);
    await connection.close();
  }
  const past = await openPastRegistry(log, await log.last());
  const now = createRegistry(log.reader);
  t.equal(past.seq, await log.last());
  t.same(await past.list(), await now.list());
  t.same(await past.usage(), await now.usage());
  t.same(await past.stat(ADDRESS), await now.resolve(ADDRESS));
  await past.close();
  await t.rejects(past.usage(), { code: 'AS_ERR_CLOSED' });
  const given = new AbortController();
  given.abort();
  await t.rejects(openPastRegistry(log, 5, given.signal), { code: 'AS_ERR_ABORTED' });
  await log.close();
  await t.rejects(openPastRegistry(log, 5), { code: 'AS_ERR_CLOSED' });
});

t.test('a store, and a reader beside it, then and now', async (t) => {
  const { store, path } = await opened(t);
  const now = Date.now;
  t.teardown(() => {
    Date.now = now;
  });
  const at = (time: number) => {
    Date.now = () => time;
  };
  const start = now() + 1_000_000;
  at(start);
  const one = await store.put(Buffer.from('one'), { actor: 'alice' });
  at(start + 1000);
  await store.delete(one.blake3, { actor: 'bob' });
  at(start + 2000);
  await store.put(Buffer.from('two'), { actor: 'alice' });
  Date.now = now;
  const reader = await openRegistry({ path });
  for (const door of [store, reader]) {
    const names = async (moment: Parameters<Store['at']>[0]) => {
      const past = await door.at(moment);
      const { objects } = await past.list();
      await past.close();
      return [past.seq, objects.map(({ state }) => state).sort()];
    };
    t.same(await names({ time: start - 1 }), [0, []], 'before the first');
    t.same(await names({ time: start }), [1, ['live']]);
    t.same(await names({ time: start + 1999 }), [3, ['deleted']]);
    t.same(await names({ seq: 2 }), [2, ['tombstoned']], 'between two events of the same time');
    t.same(await names({ seq: 1_000_000 }), [4, ['deleted', 'live']], 'the future is what is known now');
    t.same(
      (await door.events({ actor: 'alice' })).map(({ seq }) => seq),
      [1, 4],
    );
    t.same(
      (await door.events({ since: start + 1, until: start + 1500, reverse: true })).map(({ seq }) => seq),
      [3, 2],
    );
    await t.rejects(door.at({ time: 0.5 }), { code: 'AS_ERR_INVALID_ARGUMENT' });
    const seen: number[] = [];
    for await (const { seq } of door.follow({ after: 0, actor: 'alice' })) if (seen.push(seq) === 2) break;
    t.same(seen, [1, 4], 'following one actor');
    const marks: string[] = [];
    for await (const { type } of door.subscribe({ after: 2 })) if (marks.push(type) === 3) break;
    t.same(marks, ['event', 'event', 'caught-up']);
  }
  t.equal(await reader.subjectOf(one.sha256.slice(0, 20)), one.blake3);
  t.equal(await reader.subjectOf('ffffffffff'), undefined);
  const following = reader.follow();
  const next = following.next();
  await store.put(Buffer.from('three'));
  t.match((await next).value, { kind: 'object.ingested' }, 'a reader hears of what another one commits');
  const end = following.next();
  await reader.close();
  t.equal((await end).done, true, 'closing ends it');
  const none = store.subscribe({ signal: AbortSignal.abort() });
  t.equal((await none.next()).done, true);
  await store.close();
});

async function opened(t: Test): Promise<{ store: Store; path: string }> {
  const path = join(t.testdir(), 'store');
  return { store: await openStore({ path, threads: 2 }), path };
}

async function drain(store: Store, name: string): Promise<void> {
  for await (const _ of await store.get(name));
}

async function all(story: Story): Promise<StoryLine[]> {
  const storyLines: StoryLine[] = [];
  for await (const told of story) storyLines.push(told);
  return storyLines;
}

/** An event's sentence, as if it had been stored. */
function told({ kind, actor, subject, data }: NewEvent): string {
  const event = { v: 1, id: 'x', data: data as never, kind, time: 1, actor, subject };
  return sentenceOf(decodeEvent(1, encodeCanonical(event)) as StoredEvent);
}

/** Every row of every view; not how far each has come, which a derived copy does not keep. */
async function viewsOf(connection: Reader): Promise<object> {
  const { views: _, ...tables } = await dumpViews(connection);
  return tables;
}
