/** `artifactstore token` and the options of `serve` that say who may use the service, by the real executable. */

import type { ChildProcess } from 'node:child_process';
import t, { type Test } from 'tap';
import { request } from 'undici';
import { EXIT } from '../../lib/cli/exit.js';
import { cli, jsonLines, lines, linesWritten } from '../cli/run.js';

t.test('tokens are made, listed and revoked', async (t) => {
  const store = ['--store', `${t.testdir()}/store`];
  const made = await cli([
    ...store,
    '--actor',
    'zoë',
    'token',
    'create',
    'ci',
    '--scope',
    'read, write',
    '--namespace',
    'acme',
    '--expires',
    '90d',
    '--rate',
    '60',
    '--quota',
    '10GB',
  ]);
  t.equal(made.code, EXIT.ok, made.stderr);
  const [text = ''] = lines(made.stdout);
  t.match(text, /^as_[0-9a-z]{12}_[0-9A-Za-z]{49}$/);
  t.match(made.stderr, /cannot be shown again/);
  const id = text.slice(3, 15);
  const json = await cli([
    ...store,
    '--json',
    'token',
    'create',
    'root',
    '--scope',
    'admin',
    '--expires',
    '2999-01-01',
  ]);
  const [other = {}] = jsonLines(json.stdout);
  t.match(other, { holder: 'root', scopes: ['admin'], expires: Date.parse('2999-01-02') - 1 });
  t.match(other.token, /^as_/);

  const listed = await cli([...store, 'token', 'ls']);
  const line = lines(listed.stdout).find((one) => one.startsWith(id));
  t.match(line, /^\S{12} {2}ci {2}read,write {2}in acme {2}60 requests a minute {2}0 B of 10\.0 GB {2}until 20/);
  t.notOk(listed.stdout.includes(text.slice(16)), 'never the secret');
  const records = jsonLines((await cli([...store, '--json', 'token', 'ls'])).stdout);
  t.match(
    records.find((record) => record.id === id),
    { holder: 'ci', createdBy: 'zoë', quota: 1e10, rate: 60 },
  );
  t.notOk(records.some((record) => 'token' in record || 'hash' in record));

  const revoked = await cli([...store, 'token', 'revoke', id, 'nobody', '--reason', 'leaked']);
  t.equal(revoked.code, EXIT.notFound, 'one of them is not there');
  t.match(lines(revoked.stdout), [new RegExp(`^${id} .* revoked 20`)]);
  t.match(
    jsonLines((await cli([...store, '--json', 'token', 'ls'])).stdout).find((record) => record.id === id),
    {
      revoked: { reason: 'leaked' },
    },
  );
  t.match(
    (await cli([...store, 'explain', id])).stdout.toString(),
    /zoë made the token for ci; it allows read and write in acme/,
  );
});

t.test('what a token cannot be', async (t) => {
  const store = ['--store', `${t.testdir()}/store`];
  for (const args of [
    ['ci'],
    ['ci', '--scope', 'root'],
    ['ci', '--scope', ''],
    ['ci', '--scope', 'read', '--expires', 'soon'],
    ['ci', '--scope', 'read', '--expires', '2001-01-01'],
    ['ci', '--scope', 'read', '--expires', '17'],
    ['ci', '--scope', 'read', '--rate', '0'],
    ['ci', '--scope', 'read', '--quota', 'much'],
    ['ci', '--scope', 'admin', '--namespace', 'acme'],
    ['', '--scope', 'read'],
  ]) {
    const { code, stderr, stdout } = await cli([...store, 'token', 'create', ...args]);
    t.equal(code, EXIT.usage, args.join(' '));
    t.match(stderr, /\[AS_ERR_INVALID_ARGUMENT\]/, args.join(' '));
    t.equal(stdout.byteLength, 0);
  }
});

/** Runs `serve` until the test has done its work. */
async function serving(
  t: Test,
  args: string[],
  work: (url: string, child: ChildProcess) => Promise<void>,
): Promise<void> {
  let child: ChildProcess | undefined;
  const ended = cli([...args, '--json', 'serve', '--port', '0'], {
    started: (started) => {
      child = started;
    },
  });
  const running = child as unknown as ChildProcess;
  let out = '';
  running.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  await linesWritten(running, 1);
  await work(JSON.parse(out.split('\n')[0] as string).url, running);
  running.kill('SIGTERM');
  t.equal((await ended).code, EXIT.ok);
}

t.test('a service with tokens', async (t) => {
  const store = ['--store', `${t.testdir()}/store`];
  const text = lines((await cli([...store, 'token', 'create', 'ci', '--scope', 'read'])).stdout)[0];
  await serving(t, [...store], async (url) => {
    const status = async (headers = {}) => (await request(`${url}/v1/objects`, { headers })).statusCode;
    t.equal(await status(), 200, 'on loopback without a token');
    t.equal(await status({ authorization: `Bearer ${text}x` }), 401);
    t.equal((await cli([...store, 'token', 'ls'])).code, EXIT.ok, 'the list works beside it');
    const locked = await cli([...store, 'token', 'create', 'x', '--scope', 'read']);
    t.equal(locked.code, EXIT.store);
  });
});
