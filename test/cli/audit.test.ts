/** `audit`, `explain`, and `ls` and `stat` at a moment of the past, as a person runs them. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFirst } from 'cborg';
import t from 'tap';
import { parseEnd, parseStart } from '../../lib/cli/moment.js';
import { openStore } from '../../lib/index.js';
import { cli, jsonLines, lines } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-audit-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const store = ['--store', join(folder, 'store')];
const ABC = 'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85';

t.test('moments as people write them', (t) => {
  const day = Date.UTC(2026, 10, 24);
  for (const [text, start, length] of [
    ['2026-11-24', day, 86_400_000],
    ['2026-11-24T10:30', day + 37_800_000, 60_000],
    ['2026-11-24t10:30z', day + 37_800_000, 60_000],
    ['2026-11-24T10:30+02:00', day + 30_600_000, 60_000],
    ['2026-11-24 10:30:05Z', day + 37_805_000, 1000],
    ['2026-11-24T10:30:05.25', day + 37_805_250, 1],
  ] as const) {
    t.same(parseStart(text), { time: start }, text);
    t.same(parseEnd(text), { time: start + length - 1 }, `the end of ${text}`);
  }
  t.same(parseStart('17'), { seq: 17 });
  t.same(parseEnd('2026'), { seq: 2026 }, 'a number is the seq of an event');
  for (const text of [
    '',
    'yesterday',
    '-1',
    '1.5',
    '2026-13-01',
    '2026-02-30',
    '2026-02-30T10:00',
    '2026-11-24T25:00',
    '2026-11-24Z',
    '1969-12-31',
    '99999999999999999999',
  ]) {
    t.throws(() => parseStart(text), { message: /Give the seq of an event, or a time/ }, text);
  }
  t.end();
});

t.test('who did what, and what was there', async (t) => {
  for (const name of ['abc', 'second', 'third']) writeFileSync(join(folder, name), name);
  const put = (actor: string, name: string) => cli([...store, '--actor', actor, 'put', join(folder, name)]);
  await put('alice', 'abc');
  await put('bob', 'second');
  await put('alice', 'abc');
  await cli([...store, '--actor', 'carol', 'rm', ABC, '--reason', 'a test']);
  await put('alice', 'third');
  const shown = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli([...store, ...args]);
    t.equal(code, 0, `${args.join(' ')} ${stderr}`);
    return stdout;
  };
  const seqs = async (...args: string[]) => jsonLines(await shown('audit', '--json', ...args)).map(({ seq }) => seq);

  t.same(await seqs(), [1, 2, 3, 4, 5, 6]);
  t.same(await seqs('--actor', 'alice'), [1, 3, 6]);
  t.same(
    await seqs('--actor', 'alice', '--subject', ABC.slice(0, 20), '--reverse'),
    [3, 1],
    'a prefix names a subject',
  );
  t.same(await seqs('--kind', 'object.ingested', '--since', '2', '--until', '5'), [2, 3]);
  t.same(await seqs('--since', '2', '--until', '5', '--reverse', '--limit', '2'), [5, 4]);
  t.same(await seqs('--after', '4'), [5, 6]);
  t.same(await seqs('--subject', 'nobody'), [], 'nothing is about it');
  t.same(await seqs('--until', '2000-01-01'), []);
  t.same(await seqs('--since', '2000-01-01', '--until', '2100-01-01T00:00Z', '--kind', 'object.deleted'), [5]);
  t.same(await seqs('--follow', '--since', '5', '--limit', '2'), [5, 6], 'from a moment of the past on');
  t.same(await seqs('--follow', '--since', '2000-01-01', '--actor', 'bob', '--limit', '1'), [2]);
  const mine = await cli([...store, 'audit', '--json'], { env: { ARTIFACTSTORE_ACTOR: 'alice' } });
  t.equal(jsonLines(mine.stdout).length, 6, 'who I am does not narrow what I see');

  const text = lines(await shown('audit', '--limit', '1'))[0] ?? '';
  t.match(text, /^ {7}1 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}object\.ingested {4}alice {2}blake3:6437b3ac/);
  t.ok((await shown('events', '--limit', '1')).equals(Buffer.from(`${text}\n`)), 'events is another name of it');
  t.ok(
    (await shown('audit', '--format', 'json')).equals(await shown('--json', 'audit')),
    'a format is also an option of the command',
  );
  const sequence = await shown('audit', '--format', 'cbor', '--since', '4');
  const kinds: unknown[] = [];
  for (let rest: Uint8Array = sequence; rest.byteLength > 0; ) {
    const [event, more] = decodeFirst(rest) as [{ kind: string }, Uint8Array];
    kinds.push(event.kind);
    rest = more;
  }
  t.same(kinds, ['object.tombstoned', 'object.deleted', 'object.ingested'], 'another decoder reads the sequence');
  const opened = await openStore({ path: store[1] as string, readOnly: true });
  const stored = (await opened.events({ after: 3 })).map(({ bytes }) => bytes);
  await opened.close();
  t.ok(sequence.equals(Buffer.concat(stored)), 'its bytes are those stored');

  const story = lines(await shown('explain', ABC.slice(7, 19)));
  t.equal(story[0], ABC);
  t.match(story[1], /^ {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}alice stored it: 3 B, sha256:.* \(event 1\)$/);
  t.match(story[3], /carol deleted it: a test\. \(event 4\)$/);
  t.equal(story[5], 'why it is gone:', 'and what that comes to');
  t.equal(story.length, 7);
  t.equal(lines(await shown('explain', ABC, '--at', '3')).length, 3);
  t.match(jsonLines(await shown('explain', ABC, '--json'))[2], {
    subject: ABC,
    seq: 4,
    kind: 'object.tombstoned',
    actor: 'carol',
    sentence: 'carol deleted it: a test.',
  });

  const listed = async (...args: string[]) => lines(await shown('ls', ...args)).length;
  t.same(
    [await listed('--at', '0'), await listed('--at', '1'), await listed('--at', '3'), await listed()],
    [0, 1, 2, 2],
  );
  t.equal(await listed('--at', '2000-01-01'), 0);
  t.ok((await shown('ls', '--at', '2100-01-01')).equals(await shown('ls')), 'the future is what is known now');
  t.match((await shown('stat', ABC, '--at', '3')).toString(), /state {9}live\n/);
  t.match((await shown('stat', ABC, '--at', '4')).toString(), /state {9}tombstoned\n/);
  t.match((await shown('stat', ABC)).toString(), /state {9}deleted\n/);
});

t.test('nobody writes a line that is not there', async (t) => {
  const actor = 'mallory\n      77  2026-01-01 00:00:00Z  object.deleted';
  const reason = '\u001b[2Jgone\u009b \u202eenog';
  const put = await cli([...store, '--actor', actor, 'put', join(folder, 'abc')]);
  t.equal(put.code, 0);
  t.equal((await cli([...store, '--actor', actor, 'rm', ABC, '--reason', reason])).code, 0);
  const shown = await Promise.all(
    [
      ['audit', '--reverse', '--limit', '2'],
      ['explain', ABC],
      ['stat', ABC],
    ].map((args) => cli([...store, ...args])),
  );
  const gone = await cli([...store, 'get', ABC]);
  const text = shown.map(({ stdout }) => stdout.toString()).join('') + gone.stderr;
  t.match(gone.stderr, 'AS_ERR_GONE');
  t.equal(lines(shown[0]?.stdout ?? '').length, 2);
  t.match(text, /deleted it: \\u001b\[2Jgone\\u009b \\u202eenog\./);
  t.notMatch(text, /^ {6}77 /m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  t.notMatch(text, /[\u001b\u009b\u202e]/);
});

t.test('what is refused', async (t) => {
  for (const [code, error, ...args] of [
    [2, 'AS_ERR_INVALID_ARGUMENT', 'audit', '--follow', '--until', '3'],
    [2, 'AS_ERR_INVALID_ARGUMENT', 'audit', '--since', 'yesterday'],
    [2, 'AS_ERR_INVALID_ARGUMENT', 'audit', '--format', 'xml'],
    [2, 'AS_ERR_INVALID_ARGUMENT', 'ls', '--at', '2026-02-30'],
    [3, 'AS_ERR_NOT_FOUND', 'explain', 'unheard-of'],
    [3, 'AS_ERR_NOT_FOUND', 'explain', ABC, '--at', '0'],
    [3, 'AS_ERR_NOT_FOUND', 'stat', ABC, '--at', '0'],
  ] as const) {
    const ended = await cli([...store, ...args]);
    t.equal(ended.code, code, args.join(' '));
    t.match(ended.stderr, `[${error}]\n`);
  }
});
