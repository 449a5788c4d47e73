/**
 * The command line, by running it: the journey of real files through a store, names that are not text, interruption, what machines
 * read. Exit codes have a test file of their own.
 */

import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import t from 'tap';
import { formatDuration, formatSize } from '../../lib/cli/format.js';
import { allOptions, environmentName, tidyEnvironment } from '../../lib/cli/options.js';
import { buildProgram } from '../../lib/cli/program.js';
import { progressLine } from '../../lib/cli/progress.js';
import { inOrder } from '../../lib/cli/window.js';
import { cli, command, executable, isInstalled, jsonLines, lines, linesWritten, root } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-cli-'));
// Some seventy processes, each of which opens a store.
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** A store of its own for a test. */
let stores = 0;
const newStore = () => join(folder, `store-${++stores}`);

const ABC = {
  blake3: 'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
  sha256: 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
};

/** A folder of real files that most machines have; the checkout's own sources elsewhere. */
const DOCUMENTS = existsSync('/usr/share/doc') ? '/usr/share/doc' : join(root, 'native');
const DOCUMENTS_MAX = 300;

/** Folders below DOCUMENTS that together have a few hundred files. */
function someFolders(): string[] {
  const chosen: string[] = [];
  let count = 0;
  for (const name of readdirSync(DOCUMENTS).sort()) {
    const path = join(DOCUMENTS, name);
    if (!statSync(path).isDirectory()) continue;
    const inside = readdirSync(path, { recursive: true }).length;
    if (count + inside > DOCUMENTS_MAX) continue;
    count += inside;
    chosen.push(path);
  }
  return chosen;
}

/** The digests a reference program gives, by path. */
async function reference(program: string, paths: string[]): Promise<Map<string, string>> {
  const { stdout } = await command(program, paths);
  return new Map(lines(stdout).map((line) => [line.slice(66), line.slice(0, 64)]));
}

t.test('the journey of real files', async (t) => {
  const store = ['--store', newStore()];
  const single = join(folder, 'abc');
  writeFileSync(single, 'abc');

  const put = await cli([...store, 'put', single, ...someFolders(), '-'], { input: 'from a pipe' });
  t.equal(put.code, 0);
  const stored = lines(put.stdout).map((line) => ({ digest: line.slice(0, 71), path: line.slice(73) }));
  t.equal(stored[0]?.digest, ABC.blake3, 'the digest of the BLAKE3 reference implementation');
  t.equal(stored.at(-1)?.path, '-', 'standard input comes last, as it was named');
  t.ok(stored.length > 30, `${stored.length} files stored`);
  t.strictSame(
    lines(put.stderr).filter((line) => !line.startsWith('artifactstore: skipped ')),
    [],
    'no progress where nobody watches',
  );

  const documents = stored.slice(1, -1);
  const paths = documents.map(({ path }) => path);
  const again = jsonLines((await cli([...store, 'put', '--json', ...paths])).stdout);
  t.strictSame(
    again.map(({ path }) => path),
    paths,
    'the output has the order of the input',
  );
  t.ok(
    again.every(({ existed }) => existed === true),
    'everything was known',
  );
  const sha256 = await reference('sha256sum', paths);
  t.strictSame(
    again.map((found) => found.sha256),
    paths.map((path) => `sha256:${sha256.get(path)}`),
    'as sha256sum has it',
  );
  if (await isInstalled('b3sum')) {
    const blake3 = await reference('b3sum', paths);
    t.strictSame(
      documents.map(({ digest }) => digest),
      paths.map((path) => `blake3:${blake3.get(path)}`),
      'as b3sum has it',
    );
  } else t.comment('b3sum is not installed; BLAKE3 is compared with one known value only');

  const listed = jsonLines((await cli([...store, 'ls', '--json'])).stdout);
  const distinct = new Set(stored.map(({ digest }) => digest));
  t.strictSame(
    listed.map(({ blake3 }) => blake3),
    [...distinct].sort(),
    'ls has each object once, in order',
  );

  await t.test('get by either digest, a prefix, a range; to stdout and a file', async (t) => {
    for (const name of [
      ABC.blake3,
      ABC.sha256,
      ABC.blake3.slice(7),
      ABC.sha256.slice(0, 19),
      ABC.blake3.slice(7, 19),
    ]) {
      t.equal((await cli([...store, 'get', name])).stdout.toString(), 'abc', name);
    }
    const ranges = { '0-0': 'a', '1-2': 'bc', '1-': 'bc', '-1': 'c', '1-999': 'bc', '-999': 'abc' };
    for (const [range, expected] of Object.entries(ranges)) {
      t.equal(
        (await cli([...store, 'get', ABC.blake3, '--range', range])).stdout.toString(),
        expected,
        `bytes ${range}`,
      );
    }
    const target = join(folder, 'got');
    const big = documents.reduce((a, b) => (statSync(a.path).size > statSync(b.path).size ? a : b));
    const got = await cli([...store, 'get', big.digest, '-o', target]);
    t.equal(got.code, 0);
    t.equal(got.stdout.length + got.stderr.length, 0, 'nothing to say');
    t.ok(readFileSync(target).equals(readFileSync(big.path)), 'the same bytes');
    t.strictSame(
      readdirSync(folder).filter((name) => name.includes('.part')),
      [],
      'nothing is left beside it',
    );
    t.equal((await cli([...store, 'get', ABC.blake3, '-o', '/dev/null'])).code, 0);
    t.ok(statSync('/dev/null').isCharacterDevice(), 'a device is written to, not replaced');
    const link = join(folder, 'link');
    symlinkSync('got', link);
    await cli([...store, 'get', ABC.blake3, '-o', link]);
    t.equal(readFileSync(target, 'utf8'), 'abc', 'a link is followed');
  });

  await t.test('verify, rm, gone, and back', async (t) => {
    const verified = await cli([...store, 'verify']);
    t.equal(verified.code, 0);
    t.match(verified.stdout.toString(), /^[\d,]+ objects, .*: all intact\n$/);
    const [one] = jsonLines((await cli([...store, '--json', 'verify', ABC.sha256])).stdout);
    t.match(one, { blake3: ABC.blake3, sha256: ABC.sha256, status: 'intact', size: 3, damaged: [], repaired: false });

    const removed = await cli([...store, '--actor', 'tester', 'rm', ABC.sha256, '--reason', 'no longer needed']);
    t.equal(removed.code, 0);
    const gone = await cli([...store, 'get', ABC.blake3]);
    t.equal(gone.code, 3);
    t.match(gone.stderr, /was deleted on .* by tester \(no longer needed\).*\[AS_ERR_GONE\]\n$/);
    const stat = (await cli([...store, 'stat', ABC.blake3])).stdout.toString();
    t.match(stat, /state {9}deleted\n/);
    t.match(stat, /deleted {7}.* by tester: no longer needed \(event \d+\)\n/);
    t.notMatch((await cli([...store, 'ls', '--digests'])).stdout.toString(), ABC.blake3, 'no longer listed');
    t.match((await cli([...store, 'ls', '--digests', '--state', 'deleted'])).stdout.toString(), ABC.blake3);

    const events = jsonLines((await cli([...store, 'events', '--json', '--reverse', '--limit', '2'])).stdout);
    t.match(events, [
      { kind: 'object.deleted', subject: ABC.blake3, actor: 'tester', data: { deleted: true } },
      { kind: 'object.tombstoned', data: { reason: 'no longer needed' } },
    ]);
    const kinds = jsonLines((await cli([...store, 'events', '--json', '--kind', 'object.tombstoned'])).stdout);
    t.equal(kinds.length, 1, 'events of one kind');
    const first = jsonLines((await cli([...store, 'events', '--json', '--after', '1', '--limit', '1'])).stdout);
    t.equal(first[0]?.seq, 2, 'events behind the first');
    const all = lines((await cli([...store, 'events'])).stdout);
    t.equal(all.length, events[0]?.seq, 'all events, page by page');

    const before = (await cli([...store, 'ls', '--json', '--state', 'all'])).stdout;
    t.match(
      (await cli([...store, 'rebuild'])).stdout.toString(),
      /^rebuilt from [\d,]+ events: [\d,]+ live objects?\n$/,
    );
    t.ok((await cli([...store, 'ls', '--json', '--state', 'all'])).stdout.equals(before), 'the same after a rebuild');
    t.match(
      (await cli([...store, 'compact'])).stdout.toString(),
      /^[\d.]+ \w+ freed, \d+ segments? deleted, [\d.]+ \w+ moved\n$/,
    );
    t.match(jsonLines((await cli([...store, 'put', '--json', single])).stdout)[0], { existed: false });
    t.equal((await cli([...store, 'get', ABC.sha256])).stdout.toString(), 'abc', 'storing it again brings it back');
  });
});

t.test('names that are not text, and files that are not files', async (t) => {
  const store = ['--store', join(folder, 'odd', 'inside')];
  const odd = Buffer.from(join(folder, 'odd'));
  const inOdd = (name: string) => Buffer.concat([odd, Buffer.from('/'), Buffer.from(name, 'latin1')]);
  mkdirSync(odd);
  mkdirSync(inOdd('a-folder'));
  mkdirSync(inOdd('empty'));
  const names = ['a-folder/deep', 'b\nline', 'c\\slash', 'caf\xe9', 'z'];
  for (const name of names) writeFileSync(inOdd(name), name);
  symlinkSync('z', inOdd('y-link'));
  const socket = createServer().listen(join(folder, 'odd', 'x-socket'));
  t.teardown(() => socket.close());
  await command('mkfifo', [join(folder, 'odd', 'w-pipe')]);

  // The second run meets the store, which lies in the folder itself.
  await cli([...store, 'put', odd.toString()]);
  const { code, stdout, stderr } = await cli([...store, 'put', odd.toString()]);
  t.equal(code, 0);
  const shown = stdout
    .toString('latin1')
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(/^(\\?)blake3:[0-9a-f]{64} {2}.*\/odd\//, '$1'));
  t.strictSame(
    shown,
    ['a-folder/deep', '\\b\\nline', '\\c\\\\slash', 'caf\xe9', 'z'],
    'byte order, escaped as sha256sum does',
  );
  const skipped = lines(stderr).map((line) => line.replace(/^.*\/odd\//, ''));
  t.strictSame(skipped, [
    'inside: the store itself',
    'w-pipe: named pipe',
    'x-socket: socket',
    'y-link: symbolic link',
  ]);

  const machine = jsonLines((await cli([...store, 'put', '--json', '--quiet', odd.toString()])).stdout);
  t.match(machine[3], { path: /odd\/caf\ufffd$/, pathHex: inOdd('caf\xe9').toString('hex') });
  t.notOk(
    machine.some(({ pathHex }, index) => index !== 3 && pathHex !== undefined),
    'hex only where text is not enough',
  );

  if (existsSync('/proc/self/cmdline')) {
    const script = `printf '%s/caf\\351' "$1" | xargs -0 "$2" "$3" --store "$4" put`;
    const raw = await command('sh', [
      '-c',
      script,
      '-',
      odd.toString(),
      process.execPath,
      executable,
      store[1] as string,
    ]);
    t.equal(raw.code, 0, 'such a name can be an argument too');
    t.equal(raw.stdout.toString('latin1').slice(0, 71), stdout.toString('latin1').split('\n')[3]?.slice(0, 71));
  }
  const named = await cli([...store, 'put', join(folder, 'odd', 'y-link')]);
  t.equal(named.code, 0, 'a link that is named is followed');
});

/** Enough small files that a put of them can be caught half-way. */
const MANY = 12_000;

/** A folder of many small files. */
function manyFiles(count: number): string {
  const many = join(folder, `many-${count}`);
  mkdirSync(many);
  for (let n = 0; n < count; n++) writeFileSync(join(many, `file-${n}`), `content ${n}`.repeat(1 + (n % 50)));
  return many;
}

t.test('a put that is ended half-way', async (t) => {
  const many = manyFiles(MANY);
  const endings = [
    { signal: 'SIGKILL', code: null, message: /^$/ },
    { signal: 'SIGINT', code: 130, message: /^artifactstore: Stopped by SIGINT\.\n$/ },
  ] as const;
  for (const { signal, code, message } of endings) {
    await t.test(signal, async (t) => {
      const store = ['--store', newStore()];
      const put = await cli([...store, 'put', many], {
        started: (child: ChildProcess) => void linesWritten(child, 200).then(() => child.kill(signal)),
      });
      t.equal(put.code, code);
      t.match(put.stderr, message);
      const told = lines(put.stdout).map((line) => line.slice(0, 71));
      t.ok(told.length >= 200 && told.length < MANY, `ended after ${told.length} of ${MANY}`);
      const listed = jsonLines((await cli([...store, 'ls', '--json'])).stdout);
      const here = new Set(listed.map(({ blake3 }) => blake3));
      t.strictSame(
        told.filter((digest) => !here.has(digest)),
        [],
        'everything acknowledged is there',
      );
      const verified = await cli([...store, 'verify']);
      t.equal(verified.code, 0);
      t.match(verified.stdout.toString(), /: all intact\n$/);
      t.equal((await cli([...store, 'put', '--quiet', many])).code, 0, 'and the rest can follow');
    });
  }
});

t.test('a reader that goes away ends the command quietly', async (t) => {
  const store = newStore();
  const script = `"$0" "$1" --store "$2" put "$3" | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = await command('bash', [
    '-c',
    script,
    process.execPath,
    executable,
    store,
    join(folder, `many-${MANY}`),
  ]);
  t.match(lines(stdout), [/^blake3:/, '141']);
  t.equal(stderr, '');
});

t.test('a service, and what works beside it', async (t) => {
  const path = newStore();
  const store = ['--store', path];
  let child: ChildProcess | undefined;
  const served = cli([...store, 'serve', '--port', '0'], {
    started: (started) => {
      child = started;
    },
  });
  const running = child as unknown as ChildProcess;
  const output: Buffer[] = [];
  running.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  await linesWritten(running, 3);
  const [, listening, hint] = lines(Buffer.concat(output));
  const url = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(listening ?? '')?.[1];
  t.ok(url, 'says where it listens');
  t.match(hint, `curl --data-binary @/etc/hostname ${url}/v1/objects`);

  const followed = cli([...store, 'events', '--follow', '--after', '0', '--limit', '1', '--json']);
  const answer = await fetch(`${url}/v1/objects`, { method: 'POST', body: 'abc' });
  t.ok(answer.ok, `the service takes an object (${answer.status})`);
  t.match(jsonLines((await followed).stdout)[0], { seq: 1, kind: 'object.ingested', subject: ABC.blake3 });
  t.match((await cli([...store, 'ls', '--digests'])).stdout.toString(), ABC.blake3, 'ls works beside it');
  t.match((await cli([...store, 'stat', ABC.sha256])).stdout.toString(), /state {9}live/, 'stat works beside it');
  const locked = await cli([...store, 'put', join(folder, 'abc')]);
  t.equal(locked.code, 7, 'a second writer is refused');
  t.match(locked.stderr, /\[AS_ERR_STORE_LOCKED\]\n$/);

  running.kill('SIGTERM');
  const { code, stderr } = await served;
  t.equal(code, 0, 'a signal is how a service ends');
  t.match(stderr, /^artifactstore: stopping/);
  t.match(
    (await cli([...store, 'verify'])).stdout.toString(),
    /^1 object, 3 B: all intact\n$/,
    'the store is free again',
  );
});

t.test('a person watches: progress on the terminal', async (t) => {
  if (!(await isInstalled('script'))) {
    t.comment('script(1) is not installed; the drawing of the line is tested without a terminal only');
  } else {
    const run = `${process.execPath} ${executable} --store ${newStore()} put ${join(folder, `many-${MANY}`)}`;
    const { stdout } = await command('script', ['-qec', run, '/dev/null'], { env: { TERM: 'xterm' } });
    t.match(stdout.toString(), /\rX?.*put {2}[\d,]+( of 12,000)? files {2}/s, 'a line that is rewritten');
    t.match(stdout.toString(), /artifactstore: 12,000 files, .* in .* s \(.*\/s\)/, 'and a summary at the end');
  }
  const tally = { label: 'put', size: 250e6, sizeTotal: 1e9, count: 10, countTotal: 40, noun: 'files' };
  t.equal(progressLine(tally, 50e6, 200), 'put  10 of 40 files  250.0 MB of 1.0 GB  25%  50.0 MB/s  ETA 0:15');
  t.equal(
    progressLine({ label: 'rebuild', count: 5, countTotal: 10, noun: 'events' }, 2, 80),
    'rebuild  5 of 10 events  50%  2/s  ETA 0:03',
  );
  t.equal(
    progressLine({ label: 'put', size: 7, count: 0, noun: 'files' }, 0, 80),
    'put  0 files  7 B',
    'no total, no rate: no promises',
  );
  t.equal(progressLine(tally, 50e6, 20).length, 19, 'never wraps');
  t.strictSame([0, 999, 1000, 999_949, 999_950, 1.5e12].map(formatSize), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '1.5 TB',
  ]);
  t.strictSame([0, 59, 60, 3599.5, 3661].map(formatDuration), ['0:00', '0:59', '1:00', '1:00:00', '1:01:01']);
});

/** Every option with the command it belongs to, apart from help and version, which are no settings. */
function settings(program: Command): { name: string; setting: Option }[] {
  const all = [program, ...program.commands, ...program.commands.flatMap((below) => below.commands)];
  return all.flatMap((one) =>
    one.options.filter(({ long }) => long !== '--version').map((setting) => ({ name: one.name(), setting })),
  );
}

t.test('the environment mirrors every option', async (t) => {
  const program = await buildProgram();
  const found = settings(program);
  t.equal(found.length, allOptions(program).length - 1, 'every option of every command');
  for (const { name, setting } of found) t.equal(setting.envVar, environmentName(setting), `${name} ${setting.long}`);

  const tidied = {
    ARTIFACTSTORE_JSON: '0',
    ARTIFACTSTORE_QUIET: '',
    ARTIFACTSTORE_READ_ONLY: 'yes',
    ARTIFACTSTORE_STORE: '',
  };
  t.equal(tidyEnvironment(program, tidied), undefined);
  t.strictSame(tidied, { ARTIFACTSTORE_READ_ONLY: 'yes' }, 'no and nothing mean not set');
  t.equal(tidyEnvironment(program, { ARTIFACTSTORE_JSON: 'maybe' }), 'ARTIFACTSTORE_JSON');

  const env = { ARTIFACTSTORE_STORE: newStore(), ARTIFACTSTORE_JSON: '1', ARTIFACTSTORE_ACTOR: 'the environment' };
  const [put] = jsonLines((await cli(['put', '-'], { env, input: 'abc' })).stdout);
  t.match(put, {
    blake3: ABC.blake3,
    sha256: ABC.sha256,
    size: 3,
    event: { seq: 1 },
    receipts: [{ backend: 'local' }],
  });
  const [event] = jsonLines((await cli(['events'], { env: { ...env, ARTIFACTSTORE_LIMIT: '1' } })).stdout);
  t.match(event, { actor: 'the environment' });
  const shown = await cli(['ls', '--store', env.ARTIFACTSTORE_STORE], {
    env: { ...env, ARTIFACTSTORE_STORE: '/nowhere' },
  });
  t.equal(shown.code, 0, 'an option outranks its variable');
});

t.test('what machines read is JSON, line by line', async (t) => {
  const store = ['--json', '--store', newStore()];
  for (const args of [
    ['put', join(folder, 'abc')],
    ['ls'],
    ['stat', ABC.blake3],
    ['verify'],
    ['audit'],
    ['explain', ABC.blake3],
    ['compact'],
    ['rebuild'],
    ['doctor'],
    ['rm', ABC.blake3],
  ]) {
    const { code, stdout, stderr } = await cli([...store, ...args]);
    t.equal(code, 0, args.join(' '));
    t.equal(stderr, '');
    t.ok(jsonLines(stdout).length > 0);
  }
  const failed = await cli([...store, 'get', ABC.blake3]);
  t.match(jsonLines(failed.stderr), [
    { error: { code: 'AS_ERR_GONE', exitCode: 3, details: { address: ABC.blake3 } } },
  ]);
  const wrong = await cli([...store, 'get']);
  t.match(jsonLines(wrong.stderr), [{ error: { code: 'AS_ERR_INVALID_ARGUMENT', exitCode: 2 } }], 'a wrong call too');
});

t.test('help and version load neither SQLite nor the addon', async (t) => {
  const probe = join(folder, 'probe.cjs');
  const report = join(folder, 'loaded.json');
  writeFileSync(
    probe,
    `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(report)},
      JSON.stringify(process.report.getReport().sharedObjects)));`,
  );
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const loaded = async (args: string[]) => {
    const { code, stdout } = await command(process.execPath, ['--require', probe, executable, ...args]);
    t.equal(code, 0);
    const objects = JSON.parse(readFileSync(report, 'utf8')) as string[];
    return { stdout: stdout.toString(), addons: objects.filter((path) => path.endsWith('.node')) };
  };
  t.strictSame(await loaded(['--version']), { stdout: `${version}\n`, addons: [] });
  const help = await loaded(['--help']);
  t.strictSame(help.addons, []);
  for (const { name } of settings(await buildProgram())) t.match(help.stdout + name, name);
  for (const below of (await buildProgram()).commands)
    t.match(help.stdout, `  ${[below.name(), ...below.aliases()].join('|')} `, `help names ${below.name()}`);
  t.match((await loaded(['help', 'put'])).stdout, /^Usage: artifactstore put/);
  t.equal(
    (await loaded(['--store', newStore(), 'doctor'])).addons.length,
    2,
    'the probe sees both where they are needed',
  );
});

t.test('a long stream passes through without staying in memory', async (t) => {
  const probe = join(folder, 'memory.cjs');
  const report = join(folder, 'memory');
  const kilobytes = 'process.resourceUsage().maxRSS';
  writeFileSync(
    probe,
    `process.on('exit', () => require('fs').writeFileSync(process.env.REPORT, String(${kilobytes})));`,
  );
  const store = newStore();
  const script = 'head -c 300000000 /dev/zero | "$0" --require "$1" "$2" --store "$3" put - --quiet';
  const { stdout } = await command('sh', ['-c', script, process.execPath, probe, executable, store], {
    env: { REPORT: report },
  });
  const taken = Number(readFileSync(report, 'utf8')) * 1024;
  t.ok(taken < 220e6, `300 MB taken in with at most ${formatSize(taken)} of memory`);
  const [digest = ''] = lines(stdout).map((line) => line.slice(0, 71));
  const get = `"$0" --require "$1" "$2" --store "$3" get ${digest} | wc -c`;
  const got = await command('sh', ['-c', get, process.execPath, probe, executable, store], { env: { REPORT: report } });
  t.equal(got.stdout.toString().trim(), '300000000');
  const given = Number(readFileSync(report, 'utf8')) * 1024;
  t.ok(given < 220e6, `and given out with at most ${formatSize(given)}`);
});

t.test('doctor and bench', async (t) => {
  const store = ['--store', newStore()];
  const without = await cli([...store, 'doctor']);
  t.equal(without.code, 0);
  t.match(without.stdout.toString(), /store status +none yet/);
  await cli([...store, 'put', join(folder, 'abc')]);
  const healthy = (await cli([...store, 'doctor'])).stdout.toString();
  for (const name of [
    'artifactstore',
    'node',
    'kernel',
    'io engine',
    'store format',
    'sqlite',
    'file system',
    'limits',
  ]) {
    t.match(healthy, new RegExp(`^${name} +\\S`, 'm'), `doctor tells ${name}`);
  }
  t.match(healthy, /^store status +opens$/m);
  t.notMatch(healthy, 'limit SLAB_SIZE', 'and leaves each limit to who asks');
  t.match((await cli([...store, 'doctor', '--limits'])).stdout.toString(), /^limit SLAB_SIZE +1048576$/m);
  t.match(healthy, /^io engine +(uring|posix) \(.{20,}\)$/m, 'and why that engine');
  const forced = await cli([...store, 'doctor'], { env: { ARTIFACTSTORE_IO: 'posix' } });
  t.match(forced.stdout.toString(), /^io engine +posix \(ARTIFACTSTORE_IO=posix\)$/m);
  const refused = await cli([...store, 'put', join(folder, 'abc')], { env: { ARTIFACTSTORE_IO: 'threads' } });
  t.equal(refused.code, 2);
  t.match(refused.stderr.toString(), /ARTIFACTSTORE_IO is "threads"; set it to posix or uring, or leave it out/);

  const bench = await cli(['bench', 'hash', '--json', '--rounds', '1', '--only', 'library']);
  t.equal(bench.code, 0);
  const [report] = jsonLines(bench.stdout) as [
    { machine: object; reference: string; rows: { size: number; contender: string; median: number; ratio: number }[] },
  ];
  t.match(report.machine, { cpu: String, cores: Number, node: process.versions.node, openssl: String, kernel: String });
  t.strictSame([...new Set(report.rows.map(({ size }) => size))], [64, 1024, 4096, 65536, 1048576, 16777216]);
  t.ok(report.rows.every(({ median, ratio }) => median > 0 && ratio > 0));
  t.ok(report.rows.filter(({ contender }) => contender === report.reference).every(({ ratio }) => ratio === 1));
});

t.test('many at once, in order', async (t) => {
  let [running, most] = [0, 0];
  async function* numbers() {
    for (let n = 0; n < 20; n++) yield n;
  }
  const work = async (n: number) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, (n * 7) % 5));
    running--;
    if (n === 13) throw new Error('unlucky');
    return n * n;
  };
  const seen: unknown[] = [];
  for await (const { item, outcome } of inOrder(numbers(), 4, work)) {
    seen.push(outcome.status === 'fulfilled' ? outcome.value : `${item}: ${outcome.reason.message}`);
  }
  t.strictSame(
    seen,
    Array.from({ length: 20 }, (_, n) => (n === 13 ? '13: unlucky' : n * n)),
  );
  t.equal(most, 4, 'never more than asked for');
});
