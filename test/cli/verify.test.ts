/** `artifactstore verify` and its options, by running it. */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseAge, parseRate, parseSample } from '../../lib/cli/commands/verify.js';
import { EXIT } from '../../lib/cli/exit.js';
import { cli, jsonLines, lines } from './run.js';

const COUNT = 60;
const folder = mkdtempSync(join(tmpdir(), 'artifactstore-verify-'));
const path = join(folder, 'store');
const store = ['--store', path];
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** The objects that a run verified. */
async function verified(...args: string[]): Promise<string[]> {
  const ended = await cli([...store, '--json', 'verify', ...args]);
  t.equal(ended.code, EXIT.ok, ended.stderr);
  return jsonLines(ended.stdout).map(({ blake3 }) => blake3 as string);
}

t.before(async () => {
  const files = join(folder, 'files');
  mkdirSync(files);
  for (let i = 0; i < COUNT; i++) writeFileSync(join(files, `file-${i}`), `file ${i} `.repeat(500));
  writeFileSync(join(files, 'large'), Buffer.alloc(2_000_000, 'large'));
  t.equal((await cli([...store, 'put', files])).code, EXIT.ok);
});

t.test('values of options', (t) => {
  t.same(parseSample('5%'), { share: 0.05 });
  t.same(parseSample('0.1%'), { share: 0.001 });
  t.same(parseSample('1000'), { count: 1000 });
  for (const text of ['', '0', '0%', '101%', '-1', '1.5', 'all', '5 %']) t.throws(() => parseSample(text), text);
  t.equal(parseAge('90s'), 90_000);
  t.equal(parseAge('30m'), 1_800_000);
  t.equal(parseAge('12h'), 43_200_000);
  t.equal(parseAge('7d'), 604_800_000);
  t.equal(parseAge('2w'), 1_209_600_000);
  for (const text of ['', '7', 'd', '1.5d', '-1d', '7y', '99999999999999w']) t.throws(() => parseAge(text), text);
  t.equal(parseRate('100MB/s'), 100e6);
  t.equal(parseRate('50MiB'), 50 * 2 ** 20);
  t.equal(parseRate('1.5 GB/s'), 1.5e9);
  t.equal(parseRate('20k'), 20_000);
  t.equal(parseRate('4096'), 4096);
  for (const text of ['', '0', 'fast', '-1MB/s', '1TB/h', '0.5']) t.throws(() => parseRate(text), text);
  t.end();
});

t.test('everything, thoroughly or quickly', async (t) => {
  t.equal((await verified()).length, COUNT + 1);
  t.equal((await verified('--quick')).length, COUNT + 1);
  const events = jsonLines((await cli([...store, 'events', '--json', '--kind', 'object.verified'])).stdout);
  t.equal(events.length, 2 * (COUNT + 1));
  t.equal(events.filter(({ data }) => (data as { digests?: string }).digests === 'blake3').length, COUNT + 1);
  const [one = ''] = await verified();
  t.same(await verified('--quick', one), [one]);
  t.match(lines((await cli([...store, 'verify', '--quick', one])).stdout), [`${one}  intact`]);
});

t.test('a sample', async (t) => {
  const ended = await cli([...store, '--json', 'verify', '--sample', '10', '--seed', 'monday']);
  const chosen = jsonLines(ended.stdout).map(({ blake3 }) => blake3);
  t.equal(chosen.length, 10);
  t.match(jsonLines(ended.stderr), [{ note: 'sample', seed: 'monday', count: 10 }], 'the seed is told');
  t.same(await verified('--sample', '10', '--seed', 'monday'), chosen, 'the same seed, the same objects');
  t.notSame(await verified('--sample', '10', '--seed', 'tuesday'), chosen);
  const random = await cli([...store, 'verify', '--sample', '50%']);
  const seed = /seed ([0-9a-f]{8})\n/.exec(random.stderr)?.[1] ?? '';
  const count = (await verified('--sample', '50%', '--seed', seed)).length;
  t.ok(count > 10 && count < 50, `half of ${COUNT + 1}: ${count}`);
  t.match(
    random.stdout.toString(),
    new RegExp(`^${count} objects, .*: all intact\n$`),
    'a random seed that is told repeats it',
  );
});

t.test('by age', async (t) => {
  t.same(await verified('--older-than', '1h'), []);
  writeFileSync(join(folder, 'new'), 'new');
  await cli([...store, 'put', join(folder, 'new')]);
  t.equal((await verified('--older-than', '1h')).length, 1, 'what has never been verified');
  t.equal((await verified('--older-than', '0s')).length, COUNT + 2);
});

t.test('throttled, interrupted and resumed', async (t) => {
  const all = (await verified()).length;
  const first = await cli([...store, '--json', 'verify', '--throttle', '20kB/s', '--quick'], {
    started: (child) => {
      child.stdout?.once('data', () => child.kill('SIGINT'));
    },
  });
  t.equal(first.code, EXIT.interrupted);
  t.match(first.stderr, /resumable/);
  const before = jsonLines(first.stdout).map(({ blake3 }) => blake3);
  t.ok(before.length > 0 && before.length < all, `${before.length} of ${all}`);
  const refused = await cli([...store, 'verify', '--resume', '--sample', '5']);
  t.equal(refused.code, EXIT.usage);
  const rest = await verified('--resume', '--throttle', '1GB/s');
  t.same([...before, ...rest].sort(), (await verified()).sort(), 'together they are all, and none twice');
  t.notOk(existsSync(join(path, 'verify.json')));
  t.match((await cli([...store, 'verify', '--resume'])).stderr, /none was interrupted.*\[AS_ERR_INVALID_ARGUMENT\]\n$/);
});

t.test('what is refused', async (t) => {
  const [one = ''] = await verified('--sample', '1');
  for (const args of [
    ['--sample', 'some'],
    ['--older-than', 'long'],
    ['--throttle', 'slow'],
    ['--seed', 'x'],
    [one, '--sample', '5'],
    [one, '--resume'],
  ]) {
    t.equal((await cli([...store, 'verify', ...args])).code, EXIT.usage, args.join(' '));
  }
});
