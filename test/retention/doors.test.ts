/** Undelete, sweep, withdraw and reconcile from the command line, on a folder and on a service: the same answers, and the same exit codes. */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { EXIT } from '../../lib/cli/exit.js';
import { openClient } from '../../lib/client/index.js';
import { openStore } from '../../lib/index.js';
import { serve } from '../api/support.js';
import { cli, jsonLines, lines } from '../cli/run.js';

const work = mkdtempSync(join(tmpdir(), 'artifactstore-doors-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));

const tree = join(work, 'tree');
mkdirSync(tree);
writeFileSync(join(tree, 'file'), 'in a package');

/** The same steps on any store: `run` is the command line with `--store` and `--json`. */
async function steps(t: Test, store: string, isService: boolean): Promise<void> {
  const run = (...args: string[]) => cli(['--store', store, '--json', ...args]);
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return jsonLines(stdout);
  };
  const fails = async (code: number, pattern: RegExp, ...args: string[]) => {
    const ended = await run(...args);
    t.match([ended.code, ended.stderr], [code, pattern], args.join(' '));
  };
  const loose = join(work, 'loose');
  writeFileSync(loose, 'loose');
  const [{ blake3 }] = (await json('put', loose)) as [{ blake3: string }];
  const [deleted] = await json('rm', blake3, '--grace', '7d', '--reason', 'old');
  t.match(deleted, { state: 'tombstoned', freedSize: 0, tombstone: { reason: 'old', sweepAfter: Number } });
  await fails(EXIT.notFound, /AS_ERR_GONE/, 'get', blake3);
  t.match(await json('sweep'), [{ objects: 0, keptCount: 0, failedCount: 0 }]);
  t.match(await json('undelete', blake3, '--reason', 'a mistake'), [{ blake3, state: 'live' }]);
  await fails(EXIT.conflict, /AS_ERR_CONFLICT/, 'undelete', blake3);
  await fails(EXIT.notFound, /AS_ERR_NOT_FOUND/, 'undelete', 'acme/tools@1');
  await fails(EXIT.usage, /--grace/, 'rm', blake3, '--grace', 'soon');

  await json('push', tree, 'acme/tools@1', '--ref', 'latest');
  await fails(
    EXIT.conflict,
    /latest points at it.*AS_ERR_IN_USE|AS_ERR_IN_USE.*latest points at it/,
    'withdraw',
    'acme/tools@1',
  );
  t.match(await json('withdraw', 'acme/tools@1', '--force', '--reason', 'leaks'), [
    { version: '1', removed: ['latest'] },
  ]);
  await fails(EXIT.notFound, /AS_ERR_GONE/, 'pull', 'acme/tools@1', join(work, 'out'));
  t.match(await json('undelete', 'acme/tools@1'), [{ version: '1', undeleted: 0 }]);
  await fails(EXIT.usage, /names? a version/, 'withdraw', 'acme/tools:latest');

  t.match(await json('reconcile'), [{ objects: 3, orphans: 0, lost: 0, dryRun: false }]);
  t.match(await json('reconcile', '--dry-run', '--age', '0s'), [{ objects: 3, orphans: 0, lost: 0, dryRun: true }]);
  t.match(await json('rm', blake3), [{ state: 'deleted' }], 'at once, as ever');
  if (!isService)
    t.match((await cli(['--store', store, 'sweep'])).stdout.toString(), /^0 objects removed, 0 B freed\n$/);
}

t.test('on a folder', (t) => steps(t, join(work, 'store'), false));

t.test('on a service', async (t) => {
  const service = await serve(t);
  await steps(t, service.url, true);
});

t.test('by the client', async (t) => {
  const { url, store, call } = await serve(t);
  const client = openClient({ url });
  t.teardown(() => client.close());
  const [one, two] = [await store.put(Buffer.from('one')), await store.put(Buffer.from('two'))];
  t.match(await client.delete(one.blake3, { grace: 60_000 }), { record: { state: 'tombstoned' }, freedSize: 0 });
  const gone = await call('GET', `/v1/objects/${one.blake3}`);
  t.match([gone.status, gone.json], [410, { code: 'AS_ERR_GONE', event: String, sweepAfter: Number }]);
  t.match(await client.undelete(one.blake3.slice(0, 20)), { blake3: one.blake3, state: 'live' });
  await store.retire([one.blake3, two.blake3]);
  const seen: number[] = [];
  const swept = await client.sweep({ limit: 1, onProgress: ({ objects }) => seen.push(objects) });
  t.match([swept, seen], [{ objects: 1, failed: [], kept: [] }, [1]]);
  const lines = (target: string) =>
    call('POST', target, {
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
      body: '{}',
    });
  const told = (await lines('/v1/reconciliations')).bytes
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(told.at(-1), { report: { objects: 1, orphans: 0 } });
  t.match(told[0], { progress: { objects: Number, steps: Number } }, 'who accepts lines is told how far it has come');
  t.match(
    (await call('POST', '/v1/reconciliations', { headers: { 'content-type': 'application/json' }, body: '{}' })).json,
    { objects: 1 },
  );
  const parts: number[] = [];
  await client.reconcile({ onProgress: (_, steps) => parts.push(steps) });
  t.ok(parts.length > 0 && parts.every((part, n) => n === 0 || part > (parts[n - 1] as number)), 'so does the client');
  t.match(await client.sweep(), { objects: 1 });
  const gonePage = await store.list({ state: 'deleted', limit: 1 });
  const nextPage = await store.list({ state: 'deleted', limit: 1, cursor: gonePage.cursor as string });
  const listed = [gonePage, nextPage].flatMap(({ objects }) => objects.map(({ blake3 }) => blake3));
  t.same(listed, [one.blake3, two.blake3], 'those that are gone are listed in the order in which they came');
  t.equal(nextPage.cursor, undefined);
  t.match(await client.reconcile({ age: 0 }), { objects: 0, orphans: 0, lost: 0 });
  await store.packages.push(tree, 'acme/x@1');
  const withdrawn = await client.packages.withdraw('acme/x@1', { reason: 'because' });
  t.match(withdrawn, { record: { version: '1' }, removed: [], events: [{ kind: 'package.withdrawn' }] });
  const { status, json } = await call('GET', '/v1/packages/acme/x/versions/1');
  t.match([status, json], [410, { code: 'AS_ERR_GONE', reason: 'because', event: withdrawn.events[0]?.id }]);
  await t.rejects(client.packages.get('acme/x@1'), { code: 'AS_ERR_GONE' });
  t.match(await client.packages.undelete('acme/x@1'), { record: { version: '1' }, undeleted: 0 });
  const reader = openClient({ url, readOnly: true });
  t.teardown(() => reader.close());
  const refused: (() => Promise<unknown>)[] = [
    () => reader.sweep(),
    () => reader.undelete('x'),
    () => reader.reconcile(),
    () => reader.packages.withdraw('a/b@1'),
  ];
  for (const forbidden of refused) await t.rejects(forbidden, { code: 'AS_ERR_READ_ONLY' });
  t.equal(
    (await call('POST', '/v1/sweeps', { headers: { 'content-type': 'application/json' }, body: '{"limit":0}' })).status,
    400,
  );
});

/** A store of which a policy lets the first of two versions go, with its own object, for good. */
async function withSomethingDue(path: string): Promise<string> {
  await using store = await openStore({ path, actor: 'ana' });
  const policy = { defaultClass: 'build', classes: { build: { keep: { last: 1 }, grace: '0s' } } };
  await store.retention.setPolicy('ci', policy);
  const goes = join(work, 'goes');
  mkdirSync(goes, { recursive: true });
  writeFileSync(join(goes, 'file'), 'goes');
  const { manifest } = await store.packages.push(goes, 'ci/x@1');
  await store.packages.push(tree, 'ci/x@2');
  return manifest;
}

/** Serves a store with retention by itself until `until` has seen what it wants in its notes, then ends it; gives the notes. */
async function servedUntil(
  t: Test,
  path: string,
  options: string[],
  until: (note: string) => boolean,
): Promise<string[]> {
  let child: ChildProcess | undefined;
  const served = cli(['--store', path, '--json', 'serve', '--port', '0', '--retention-every', '60', ...options], {
    started: (started) => {
      child = started;
    },
  });
  const seen: Buffer[] = [];
  let ending = false;
  for (const stream of [child?.stdout, child?.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      seen.push(chunk);
      if (ending || !lines(Buffer.concat(seen)).some(until)) return;
      ending = true; // a second signal would end it at once
      child?.kill('SIGTERM');
    });
  }
  const { code, stdout, stderr } = await served;
  t.equal(code, 0, stderr);
  return [...lines(stdout), ...lines(stderr)];
}

t.test('a service carries policies out by itself', async (t) => {
  const path = join(work, 'by-itself');
  const manifest = await withSomethingDue(path);
  // A window that is open all day, so that it runs at once.
  const options = ['--retention-window', '00:00-00:00', '--retention-throttle', '1000'];
  const notes = await servedUntil(t, path, options, (note) => note.includes('"retention"'));
  const [run] = notes.filter((note) => note.includes('"retention"')).map((note) => JSON.parse(note));
  t.match(run, { retention: { plans: [String], versions: 1, objects: 2, swept: 2 } });
  await using store = await openStore({ path, readOnly: true });
  t.match((await store.stat(manifest)).state, 'deleted');
  t.same(
    (await store.packages.list({ namespace: 'ci', name: 'x' })).packages.map(({ version }) => version),
    ['2'],
  );
  const kinds = (await store.events({ actor: 'service:retention' })).map(({ kind }) => kind);
  for (const kind of [
    'retention.planned',
    'package.withdrawn',
    'object.tombstoned',
    'object.deleted',
    'retention.applied',
  ])
    t.ok(kinds.includes(kind as never), kind);
});

t.test('and nothing while its window is closed', async (t) => {
  const path = join(work, 'closed');
  const manifest = await withSomethingDue(path);
  // It opens half a day from now, for an hour.
  const hour = (more: number) => `${String((new Date().getUTCHours() + more) % 24).padStart(2, '0')}:00`;
  // A run begins with the opening of the store, which comes before this.
  await servedUntil(t, path, ['--retention-window', `${hour(12)}-${hour(13)}`], (note) => note.includes('"url"'));
  await using store = await openStore({ path, readOnly: true });
  t.match((await store.stat(manifest)).state, 'live');
  t.same(await store.events({ actor: 'service:retention' }), []);
});
