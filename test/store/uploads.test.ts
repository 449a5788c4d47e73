/** Uploads through the facade: over several calls and several openings of the store, with their events and their story. */

import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { formatBlake3 } from '../../lib/digest-name.js';
import { openStore, type Store } from '../../lib/index.js';
import { deletedMeanwhile } from '../../lib/store/put-many.js';
import { Uploads, type UploadsContext } from '../../lib/store/uploads.js';
import type { PutResult as Stored } from '../../lib/store.js';

const open = (path: string): Promise<Store> => openStore({ path, threads: 2, actor: 'tester' });
const place = (t: Test): string => join(t.testdir(), 'store');
const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;
const kindsOf = async (store: Store, subject: string) => (await store.events({ subject })).map(({ kind }) => kind);

t.test('an upload whose object is deleted as it is completed gives its room back, and ends', async (t) => {
  const store = await open(place(t));
  t.teardown(() => store.close());
  const { id: token } = await store.tokens.create({ holder: 'ci', scopes: ['write'], quota: 1000 });
  const actor = `token:${token}`;
  const id = await store.uploads.open({ size: 900, actor });
  await store.uploads.append(id, randomBytes(900), { offset: 0 });
  const context = Reflect.get(store.uploads, 'context') as UploadsContext<Stored>;
  // Somebody deletes it between its last byte and its event, as `Store` finds out under the lock of its address.
  const crossed = new Uploads({
    ...context,
    acknowledged: async (ingest) => {
      const { blake3 } = await ingest();
      throw deletedMeanwhile(formatBlake3(blake3));
    },
  });
  await t.rejects(crossed.complete(id, { actor }), { code: 'AS_ERR_CONFLICT' });
  t.match(await store.uploads.find(id), { state: 'aborted', offset: 900 });
  t.same(await kindsOf(store, id), ['upload.opened', 'upload.aborted']);
  t.equal((await store.put(randomBytes(950), { actor })).size, 950, 'all of the room is there again');
});

t.test('an upload over several openings of the store', async (t) => {
  const path = place(t);
  const bytes = randomBytes(700_000);
  let store = await open(path);
  const id = await store.uploads.open({ expect: sha256(bytes), size: bytes.length, actor: 'alice' });
  t.equal(await store.uploads.offset(id), 0);
  t.equal(await store.uploads.append(id, bytes.subarray(0, 300_000), { offset: 0 }), 300_000);
  await store.close();

  store = await open(path);
  t.match(await store.uploads.list(), [{ id, storedSize: Number }], 'is still there');
  const wrong = store.uploads.append(id, bytes, { offset: 7 });
  await t.rejects(wrong, { code: 'AS_ERR_OFFSET', details: { expected: 300_000 } });
  await t.rejects(store.uploads.complete(id), { code: 'AS_ERR_SIZE_MISMATCH' }, 'what was expected then counts now');
  t.equal(await store.uploads.offset(id), 300_000, 'and it stays as it was');
  const cut = (async function* () {
    yield bytes.subarray(300_000, 500_000);
    throw new Error('the line is cut');
  })();
  await t.rejects(store.uploads.append(id, cut, { offset: 300_000 }), { message: 'the line is cut' });
  const offset = await store.uploads.offset(id);
  t.equal(offset, 500_000, 'what came before the cut is kept');
  await store.uploads.append(id, bytes.subarray(offset), { offset });
  const stored = await store.uploads.complete(id);
  t.match(stored, { sha256: sha256(bytes), size: bytes.length, existed: false, healed: false });
  const chunks: Uint8Array[] = [];
  for await (const chunk of await store.get(stored.blake3)) chunks.push(chunk);
  t.ok(Buffer.concat(chunks).equals(bytes), 'the object is what was sent');

  t.same(await kindsOf(store, id), ['upload.opened', 'upload.completed']);
  const sentences: string[] = [];
  for await (const { sentence } of await store.explain(id)) sentences.push(sentence);
  t.same(sentences, [
    `alice began the upload of 700.0 kB (700,000 bytes) and ${sha256(bytes)}.`,
    `tester completed it: 700.0 kB (700,000 bytes), stored as ${stored.blake3}.`,
  ]);
  const calls: (() => Promise<unknown>)[] = [
    () => store.uploads.offset(id),
    () => store.uploads.append(id, bytes, { offset: 0 }),
    () => store.uploads.complete(id),
    () => store.uploads.abort(id),
  ];
  for (const call of calls) {
    await t.rejects(call(), { code: 'AS_ERR_NOT_FOUND' }, 'it has ended');
  }
  await t.rejects(store.uploads.open({ id }), { code: 'AS_ERR_CONFLICT' }, 'an id is used once');
  t.same(await store.uploads.list(), []);
  await store.close();
});

t.test('uploads that end without an object', async (t) => {
  const path = place(t);
  const store = await open(path);
  const text = Buffer.from('never to be');
  const { uploads } = store;
  const aborted = await uploads.open({ id: 'given-up' });
  await uploads.append(aborted, text, { offset: 0 });
  await uploads.abort(aborted, { reason: 'changed my mind', actor: 'bob' });
  t.match(await store.events({ kind: 'upload.aborted' }), [
    { subject: 'given-up', actor: 'bob', data: { offset: text.length, reason: 'changed my mind' } },
  ]);
  await t.rejects(uploads.open({ id: 'given-up' }), { code: 'AS_ERR_CONFLICT' });

  const now = Date.now();
  const past = await uploads.open({ id: 'past', expires: now - 1 });
  const idle = await uploads.open({ id: 'idle' });
  const promised = await uploads.open({ id: 'promised', expires: now + 3_600_000 });
  await uploads.append(idle, text, { offset: 0 });
  t.same(await uploads.expire({ idleSince: now - 3_600_000 }), [past], 'one whose time is over');
  t.same(await uploads.expire({ idleSince: Date.now() + 60_000, actor: 'sweeper' }), [idle], 'one that is idle');
  t.match(await store.events({ kind: 'upload.expired', actor: 'sweeper' }), [
    { subject: idle, data: { offset: text.length, idleSince: Number } },
  ]);
  t.same(
    (await uploads.list()).map(({ id }) => id),
    [promised],
    'one whose time has not come is left',
  );

  const busy = await uploads.open({ id: 'busy' });
  let release: () => void = () => undefined;
  let begun: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const slow = (async function* () {
    yield text;
    begun();
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  })();
  const appending = uploads.append(busy, slow, { offset: 0 });
  await began;
  await t.rejects(uploads.append(busy, text, { offset: 0 }), { code: 'AS_ERR_CONFLICT' }, 'one writer at a time');
  t.same(await uploads.expire({ idleSince: Date.now() + 60_000 }), [], 'one that is being written to is left');
  release();
  t.equal(await appending, text.length);
  t.match(await uploads.complete(busy), { size: text.length, sha256: sha256(text) });

  for (const options of [
    { id: 'no/id' },
    { id: '' },
    { id: 'x', expires: -1 },
    { id: 'x', size: -1 },
    { id: 'x', actor: '' },
  ]) {
    await t.rejects(uploads.open(options), { code: 'AS_ERR_INVALID_ARGUMENT' });
  }
  t.same([...(await kindsOf(store, 'no/id')), ...(await kindsOf(store, 'x'))], [], 'what is refused leaves no event');
  t.same(
    (await uploads.list()).map(({ id }) => id),
    [promised],
    'and no upload',
  );
  await store.close();
  const closed: (() => Promise<unknown>)[] = [
    () => uploads.open(),
    () => uploads.offset('busy'),
    () => uploads.expire({ idleSince: 0 }),
    () => uploads.list(),
  ];
  for (const call of closed) await t.rejects(call(), { code: 'AS_ERR_CLOSED' });
  const reader = await openStore({ path, readOnly: true });
  await t.rejects(reader.uploads.open(), { code: 'AS_ERR_READ_ONLY' });
  t.equal((await reader.uploads.list()).length, 1);
  await reader.close();
});
