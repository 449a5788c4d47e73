/**
 * What in the benchmarks is logic: reading arguments and the output of others, statistics, tables, charts, and what is said when a peer is
 * not there. No figure is tested.
 */

import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isUsageError, listOf, positiveInteger } from '../../bench/arguments.js';
import { buildNative } from '../../bench/built.js';
import { type BarChart, renderBars } from '../../bench/chart.js';
import { measureFiles } from '../../bench/hash/files.js';
import { readKernelRows } from '../../bench/hash/kernels.js';
import { drawHash } from '../../bench/hash/picture.js';
import { renderHash } from '../../bench/hash/report.js';
import { type HashReport, measureHash } from '../../bench/hash.js';
import { judge } from '../../bench/http/bars.js';
import { rowOf as httpRowOf } from '../../bench/http/rows.js';
import { renderIngest } from '../../bench/ingest/report.js';
import { measureIngest, rowsOf } from '../../bench/ingest.js';
import { describeFileSystem } from '../../bench/machine.js';
import { findProgram, runProgram } from '../../bench/programs.js';
import { measurePush, renderPush } from '../../bench/push.js';
import { PACKAGE_ROOT } from '../../bench/root.js';
import { median } from '../../bench/rounds.js';
import { readSize, sizeName } from '../../bench/sizes.js';
import { table } from '../../bench/table.js';

t.test('arguments', async (t) => {
  for (const [text, size] of [
    ['1', 1],
    ['4096', 4096],
    ['64K', 65536],
    ['64 KiB', 65536],
    ['2m', 2 ** 21],
    ['1GB', 2 ** 30],
  ] as const) {
    t.equal(readSize(text), size, text);
  }
  for (const text of ['', '0', '-1', '1.5G', 'K', '1T', '9999999999999999'])
    t.throws(() => readSize(text), /not a size/);
  t.equal(sizeName(64), '64 B');
  t.equal(sizeName(1536), '1.5 KiB');
  t.equal(sizeName(2 ** 40), '1024 GiB');
  t.equal(positiveInteger('--rounds', '12'), 12);
  for (const text of ['', ' ', '0', '-3', '1.5', 'many']) {
    t.throws(() => positiveInteger('--rounds', text), /--rounds takes a count from 1/);
  }
  t.strictSame(listOf('--only', 'b, a', ['a', 'b', 'c']), ['a', 'b'], 'in the order in which they are known');
  t.throws(() => listOf('--only', 'a,d', ['a', 'b']), /--only takes a, b, not "d"/);
  t.ok(isUsageError(catchError(() => listOf('--only', '', ['a']))));
  t.notOk(isUsageError(new TypeError('a bug')));
});

t.test('statistics and tables', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.ok(Number.isNaN(median([])));
  const lines = table(
    ['name', 'n'],
    [
      ['a', '10'],
      ['bcdef', '5'],
    ],
    1,
  ).split('\n');
  t.strictSame(lines, ['name    n', '-----  --', 'a      10', 'bcdef   5']);

  const ours = { contender: 'artifactstore', durable: 'yes', seconds: [1, 4, 2], peaks: [5, 9, 7] } as const;
  const other = { contender: 'other', seconds: [3, 2, 8], peaks: [] };
  const [first, second] = rowsOf(
    'tree',
    [{ ...ours, seconds: [...ours.seconds], peaks: [...ours.peaks] }, other],
    10,
    40,
  );
  t.match(first, { median: 2, best: 1, ratio: 1, peakMemory: 9, durable: 'yes' });
  t.match(second, { median: 3, best: 2, ratio: 3 }, 'the median of 3, 0.5 and 4: each within its round');
  t.notOk('peakMemory' in (second ?? {}) || 'durable' in (second ?? {}));
});

t.test('the file system of a path', async (t) => {
  const mounts = [
    '/dev/a / ext4 rw 0 0',
    '/dev/b /data xfs rw,noatime 0 0',
    'tmpfs /a\\040b tmpfs rw 0 0',
    '/dev/c /data btrfs ro 0 0',
    '',
  ];
  const of = (path: string) => describeFileSystem(path, mounts.join('\n'));
  t.equal(of('/home/x'), 'ext4 on /dev/a (rw)');
  t.equal(of('/data/x'), 'btrfs on /dev/c (ro)', 'the last one mounted there');
  t.equal(of('/database'), 'ext4 on /dev/a (rw)', 'a name that begins alike is another folder');
  t.equal(of('/a b/c'), 'tmpfs on tmpfs (rw)');
  t.equal(describeFileSystem('/x', ''), 'unknown file system');
});

t.test('the output of kernels_bench', async (t) => {
  const row = {
    ...{ set: 'portable', case: 'one stream', objects: 1, size: 64, gbps_median: 0.5, gbps_best: 0.75 },
    ...{ reference: 'OpenSSL SHA-256, low-level', reference_gbps_median: 1, reference_gbps_best: 1.25 },
    ratio_median: 0.5,
  };
  t.strictSame(readKernelRows(JSON.stringify([{ ...row, cycles: 3 }])), [
    {
      ...{ kernel: 'portable', case: 'one stream', objects: 1, size: 64, median: 500, best: 750 },
      ...{ reference: 'OpenSSL SHA-256, low-level', referenceMedian: 1000, referenceBest: 1250, ratio: 0.5 },
    },
  ]);
  t.throws(() => readKernelRows(JSON.stringify([{ ...row, ratio_median: undefined }])), /no ratio_median/);
});

t.test('a chart is well-formed and says every value', async (t) => {
  const chart: BarChart = {
    title: 'Fast & <slow>',
    subtitle: '"quoted"',
    panels: [
      {
        title: 'one',
        groups: [
          {
            name: ['a', 'b'],
            tone: 'own',
            bars: [
              { label: '64 B', value: 0.5 },
              { label: '1 KiB', value: 12.34 },
            ],
          },
        ],
      },
      { title: 'two', groups: [] },
    ],
    reference: { value: 1, label: 'here & now' },
    notes: ['done'],
  };
  const svg = renderBars(chart);
  t.strictSame(unclosed(svg), [], 'every element is closed');
  t.match(svg, /Fast &amp; &lt;slow&gt;/);
  t.notMatch(svg, /NaN|undefined|Infinity/);
  t.equal([...svg.matchAll(/<rect class="own"/g)].length, 2);
  t.match(svg, '64 B 0.50, 1 KiB 12.34', 'in words, for those who do not see it');
  const [small = 0, large = 0] = Array.from(svg.matchAll(/<rect class="own".* height="([\d.]+)"/g), ([, height]) =>
    Number(height),
  );
  t.ok(Math.abs(large / small - 12.34 / 0.5) < 0.5, 'heights are as the values');
  t.match(svg, /prefers-color-scheme: dark/);
});

t.test('a hash report: measured, as tables, as a picture', async (t) => {
  const report = await measureHash({ parts: ['library'], sizes: [64, 1024], rounds: 1, milliseconds: 1 });
  t.ok(report.rows.some(({ computes, kernel }) => computes === 'both' && kernel !== undefined));
  t.ok(
    report.rows.every(
      ({ median, best, ratio, nanoseconds }) => median > 0 && best >= median && ratio > 0 && nanoseconds > 0,
    ),
  );
  const kernels = ['one stream', 'two streams', 'many objects', 'BLAKE3'].map((name) => ({
    ...{ kernel: report.machine.kernel, case: name, objects: 1, size: 65536, median: 2, best: 3, ratio: 1.23 },
    ...{ reference: 'OpenSSL SHA-256, low-level', referenceMedian: 1, referenceBest: 2 },
  }));
  const files = [{ program: 'openssl', computes: 'sha256', median: 1, best: 1, ratio: 1 } as const];
  const whole: HashReport = { ...report, kernels, files, absent: ['b3sum is not installed'] };
  const text = renderHash(whole);
  for (const part of ['node:crypto createHash', '64 inputs, digestTable', 'many objects', 'b3sum is not installed']) {
    t.match(text, part);
  }
  const svg = drawHash(whole);
  t.strictSame(unclosed(svg), []);
  t.equal([...svg.matchAll(/>1\.23</g)].length, 3, 'the cases that compute both');
  t.strictSame(unclosed(drawHash({ ...whole, kernels: [] })), [], 'without the kernels, too');
});

t.test('programs: found, run, measured, refused', async (t) => {
  t.equal(findProgram('no-such-program-here'), undefined);
  const run = await runProgram({
    command: process.execPath,
    args: ['-e', 'console.log(process.env.WORD)'],
    env: { WORD: 'ok' },
  });
  t.equal(run.stdout, 'ok\n');
  t.ok(run.seconds > 0 && (run.peakMemory ?? 1e7) > 1e6);
  const failing = { command: process.execPath, args: ['-e', 'console.error("so it is"); process.exit(3)'] };
  await t.rejects(runProgram(failing), /status 3: so it is/);
  t.equal((await runProgram({ ...run, command: process.execPath, args: ['-v'], discardOutput: true })).stdout, '');
});

t.test('one file by every program, and the store alone where nothing else is installed', async (t) => {
  const { rows } = await measureFiles(1, undefined, 100_000);
  const [own] = rows.filter(({ program }) => program === 'artifactstore, in this process');
  t.match(own, { computes: 'both', median: Number });

  // A PATH on which only what every system has can be found.
  const folder = t.testdir({ bin: {}, work: {} });
  const bin = join(folder, 'bin');
  for (const name of ['sh', 'cp', 'cat', 'mkdir', 'sync']) symlinkSync(findProgram(name) as string, join(bin, name));
  const before = process.env.PATH;
  process.env.PATH = bin;
  t.teardown(() => {
    process.env.PATH = before;
  });
  const parts = ['tree', 'file', 'get', 'verify'] as const;
  const report = await measureIngest({
    rounds: 1,
    parts,
    files: 3,
    fileSize: 50_000,
    quick: true,
    folder: join(folder, 'work'),
  });
  process.env.PATH = before;
  const ours = report.rows.filter(({ contender }) => contender === 'artifactstore');
  t.strictSame(
    ours.map(({ part }) => part),
    [...parts],
  );
  t.ok(ours.every(({ ratio, median }) => ratio === 1 && median > 0));
  t.strictSame(
    ours.map(({ durable }) => durable),
    ['yes', 'yes', undefined, undefined],
  );
  const others = report.rows.filter(({ contender }) => /^artifactstore.+/.test(contender));
  t.strictSame(
    others.map(({ part, contender }) => `${part}: ${contender}`),
    [
      'verify: artifactstore --quick',
      'verify: artifactstore, warm process',
      'verify: artifactstore, warm process, BLAKE3',
    ],
  );
  t.ok(others.every(({ median }) => median > 0));
  for (const name of ['restic', 'borg', 'casync', 'git']) {
    t.ok(
      report.absent.some((line) => line.startsWith(`${name} is not installed (Debian: apt-get install`)),
      `${name} is missed`,
    );
  }
  t.match(renderIngest(report), /3 files of 4 KiB taken in[\s\S]*Not measured:\n {2}restic/);
});

t.test('a tree that is not in the page cache', async (t) => {
  const options = { rounds: 1, parts: ['cold-tree'] as const, files: 3, fileSize: 1, quick: true, folder: t.testdir() };
  const { rows, absent, ...rest } = await measureIngest(options);
  if (rows.length === 0) return t.match(absent.join('\n'), /not in the page cache: .+/, 'why it could not be measured');
  t.match(rows[0], { part: 'cold-tree', contender: 'artifactstore', objects: 3, ratio: 1 });
  t.match(renderIngest({ rows, absent, ...rest }), /3 files of 4 KiB that are not in the page cache taken in/);
  const forget = await buildNative('forget');
  t.match(forget, { program: String });
  if ('program' in forget) await t.rejects(runProgram({ command: forget.program, args: [] }), /usage: forget/);
});

t.test('a tree pushed again, beside reading it', async (t) => {
  const report = await measurePush({ files: 30, fileSize: 100, rounds: 1, folder: t.testdir() });
  t.match(report, { benchmark: 'push', files: 30, fileSize: 100, stored: 0, rounds: 1 });
  t.match(report.rows.slice(0, 2), [
    { contender: 'artifactstore push, unchanged', ratio: 1 },
    { contender: 'reading every file', median: report.rows[1]?.best },
  ]);
  const text = renderPush(report);
  t.match(text, /30 files of 100 B, 1 rounds/);
  t.match(text, /objects written by the others: 0/);
});

t.test('wrong usage ends with 2 and says what there is', async (t) => {
  const main = join(PACKAGE_ROOT, 'dist/bench/main.js');
  for (const args of [[], ['nothing'], ['hash', '--rounds', 'x'], ['ingest', '--only', 'x'], ['hash', '--no-such']]) {
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
    t.equal(status, 2, args.join(' '));
    t.match(stderr, /npm run bench -- ingest/);
  }
});

function catchError(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

/** Elements of an XML text that are not closed in order, and characters that may not stand there. */
function unclosed(xml: string): string[] {
  const open: string[] = [];
  for (const [, closing, name = '', self, loose] of xml.matchAll(
    /<(\/?)([\w:]+)(?:\s+[\w:-]+="[^"<&]*")*\s*(\/?)>|(<|&(?!\w+;))/g,
  )) {
    if (loose !== undefined) return [...open, `loose ${loose}`];
    if (self === '/') continue;
    if (closing !== '/') open.push(name);
    else if (open.pop() !== name) return [...open, `</${name}>`];
  }
  return open;
}

t.test('what the service must reach', async (t) => {
  const ours = httpRowOf('get', 'artifactstore', 'MB/s', [10, 40, 20], [10, 40, 20]);
  const nginx = httpRowOf('get', 'nginx', 'MB/s', [20, 40, 40], [10, 40, 20]);
  t.match(ours, { median: 20, best: 40, ratio: 1 });
  t.match(nginx, { median: 40, best: 40, ratio: 0.5 }, 'the median of 0.5, 1 and 0.5: each within its round');
  t.match(judge([ours, nginx]), [{ asked: 'at least 0.8 × nginx', found: '0.50 ×', reached: false }]);
  t.match(judge([{ ...nginx, ratio: 0.8 }]), [{ reached: true }]);
  t.strictSame(judge([ours]), [], 'what was not measured is not judged');
  const puts = httpRowOf('put-small', 'artifactstore', 'requests/s', [4999, 6000], [4999, 6000]);
  t.match(judge([puts]), [{ found: '5500 a second', reached: true }]);
  const archive = httpRowOf('archive', 'artifactstore, into the store', 's', [1.4, 1.6, 1.5], []);
  t.match(archive, { median: 1.5, best: 1.4 }, 'of seconds less is better');
  t.match(judge([archive]), [{ found: '1.50 s', reached: false }]);
  const readers = [
    httpRowOf('readers', 'an event, to the last of them', 'ms', [49.9], []),
    httpRowOf('readers', 'memory of all of them', 'MB', [100], []),
  ];
  t.strictSame(
    judge(readers).map(({ found, reached }) => [found, reached]),
    [
      ['100 MB more', false],
      ['49.9 ms', true],
    ],
  );
});
