/**
 * One command line, wherever the store is: the same calls on a folder and on a service give the same output, errors and exit codes. And what there is only
 * for services: tokens, sockets, TLS, and commands that need a folder.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Authority } from '../support/certificates.js';
import { spawnUnhooked } from '../support/unhooked.js';
import { cleanEnvironment, cli, type Ended, executable, jsonLines, lines, type RunOptions } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-places-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

let stores = 0;
const newStore = () => join(folder, `store-${++stores}`);

/** A service over a store of its own; gives the URL. */
async function serving(t: Test, store: string, ...args: string[]): Promise<string> {
  const place = args.includes('--listen') ? [] : ['--port', '0'];
  const service = spawnUnhooked(
    process.execPath,
    [executable, '--store', store, '--json', 'serve', ...place, ...args],
    {
      env: cleanEnvironment(),
      stdio: 'pipe',
    },
  );
  t.teardown(async () => {
    const ended = once(service, 'exit');
    service.kill();
    await ended;
  });
  let said = '';
  for await (const chunk of service.stdout as AsyncIterable<Buffer>) {
    said += chunk;
    if (said.includes('\n')) break;
  }
  return (JSON.parse(said) as { url: string }).url;
}

/** A place where a store can be. */
interface Place {
  name: string;
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
}

async function places(t: Test): Promise<[Place, Place]> {
  const at = (name: string, store: string): Place => ({
    name,
    run: (args, options) => cli(['--store', store, ...args], { cwd: folder, ...options }),
  });
  return [at('a folder', newStore()), at('a service', await serving(t, newStore()))];
}

/**
 * What differs for a reason: who acts, when, under which id, where in a log that several requests at once have written; and what only a service says of a
 * request. `anyOrder`: of lines whose order follows that log.
 */
function comparable({ code, stdout, stderr }: Ended, anyOrder: boolean): object {
  const alike = (text: string) =>
    text
      .replace(/"requestId":"[^"]*",?/g, '')
      .replace(/"(seq|lastSeq)":\d+/g, '"$1":<seq>')
      .replace(/\(event \d+\)|^last event .*$|^ +\d+ {2}(?=\d{4}-)/gm, '<seq>')
      .replace(/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
      .replace(/\b1[789]\d{11}\b/g, '<ms>')
      .replace(/\b(local:[\w-]+|http:127\.0\.0\.1)/g, '<actor>')
      .replace(/\bas_\w+/g, '<token>')
      .replace(/"id":"[a-z0-9]{12}"|^[a-z0-9]{12} {2}/gm, '<token id>');
  const out = alike(stdout.toString('latin1'));
  return { code, stdout: anyOrder ? lines(out).sort() : out, stderr: alike(stderr) };
}

/** Bytes of the largest file: several groups of its tree, and still one request. */
const LARGE = 900_000;

function tree(): string {
  const path = join(folder, 'tree');
  mkdirSync(join(path, 'deep'), { recursive: true });
  mkdirSync(join(path, 'empty'));
  writeFileSync(join(path, 'deep/file'), 'content');
  writeFileSync(join(path, 'large'), Buffer.alloc(LARGE, 'large'));
  writeFileSync(join(path, 'run'), '#!/bin/sh\n');
  chmodSync(join(path, 'run'), 0o755);
  symlinkSync('deep/file', join(path, 'link'));
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), Buffer.from('caf\xe9', 'latin1')]), 'odd');
  return path;
}

const ABC = 'blake3:6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85';
const NONE = `blake3:${'0'.repeat(64)}`;

t.test('the same calls say the same', async (t) => {
  tree();
  writeFileSync(join(folder, 'abc'), 'abc');
  const [here, there] = await places(t);
  const both = async (args: string[], { anyOrder = false, ...options }: RunOptions & { anyOrder?: boolean } = {}) => {
    const [expected, actual] = await Promise.all([here.run(args, options), there.run(args, options)]);
    t.strictSame(comparable(actual, anyOrder), comparable(expected, anyOrder), args.join(' '));
    return expected;
  };
  const all = async (...calls: string[][]) => {
    for (const args of calls) await both(args);
  };
  const put = await both(['put', 'abc', 'tree']);
  const large = lines(put.stdout)
    .find((line) => line.endsWith('/large'))
    ?.slice(0, 71) as string;
  await all(
    ['put', '--json', 'abc', 'none', 'tree/large'],
    ['put', 'abc', '--expect', NONE],
    ['get', ABC.slice(7, 20)],
    ['get', ABC, '--range', '9-'],
    ['get', large, '--range', '500000-500099'],
    ['ls', '--json', '--state', 'live'],
    ['stat', ABC, NONE],
    ['verify', '--json', large, NONE, 'xyz'],
    ['verify', '--resume'],
    ['rm', ABC, NONE, '--reason', 'over', '--json'],
    ['get', ABC],
  );
  for (const place of [here, there]) {
    const copy = `copy-${place.name.length}`;
    t.equal((await place.run(['get', large, '-o', copy, '--json'])).code, 0);
    t.equal(readFileSync(join(folder, copy)).length, LARGE, `into a file from ${place.name}`);
  }
  await both(['verify', '--sample', '2', '--seed', 'x', '--json'], { anyOrder: true });

  await all(
    ['push', 'tree', 'acme/tools@1.0.0', '--ref', 'latest,stable'],
    ['push', '--json', 'tree', 'acme/tools@1.0.0'],
  );
  writeFileSync(join(folder, 'tree/run'), '#!/bin/sh\necho\n');
  await all(
    ['push', '--json', 'tree', 'acme/tools:latest'],
    ['push', 'tree', 'acme/tools@1.0.0'],
    ['packages', '--json', 'acme/tools', '--containing', large],
    ['packages', '--json', 'acme'],
    ['ls', 'acme/tools@1.0.0'],
    ['ls', 'acme/none'],
    ['cat', 'acme/tools', 'run'],
    ['cat', 'acme/tools', 'link'],
    ['diff', '--json', 'acme/tools@1.0.0', 'acme/tools'],
    ['ref', 'move', 'acme/tools:next', 'acme/tools@1.0.0', '--if-ref', 'none'],
    ['ref', 'move', 'acme/tools:next', 'acme/tools', '--if-ref', 'none'],
    ['ref', 'rm', 'acme/tools:next', '--reason', 'over', '--json'],
    ['usage', '--json'],
  );
  for (const place of [here, there]) {
    const out = join(folder, `out-${place.name.length}`);
    t.equal((await place.run(['pull', 'acme/tools', out, '--json'])).code, 0, `pull from ${place.name}`);
    t.equal(readFileSync(join(out, 'run'), 'utf8'), '#!/bin/sh\necho\n');
  }
  await both(['audit'], { anyOrder: true });
  await all(
    ['audit', '--json', '--kind', 'package.published'],
    ['audit', '--subject', ABC.slice(0, 20), '--reverse', '--limit', '2'],
    ['explain', ABC],
    ['explain', 'nothing'],
    ['token', 'create', 'ci', '--scope', 'read'],
    ['token', 'revoke', 'nobody'],
  );
  const { code, stdout } = await there.run(['events', '--format', 'cbor', '--limit', '5']);
  t.ok(code === 0 && stdout[0] === 0xa7, 'events as they are stored');
  const then = jsonLines((await there.run(['ls', '--at', '1', '--json'])).stdout);
  t.match(jsonLines((await there.run(['stat', '--at', '1', '--json', String(then[0]?.blake3)])).stdout), [
    { lastSeq: 1 },
  ]);
  t.equal(then.length, 1, 'what was there after the first event');
});

t.test('a service that wants to know who asks', async (t) => {
  const store = newStore();
  const made = await cli(['--store', store, '--json', 'token', 'create', 'ci', '--scope', 'read,write']);
  const { token } = jsonLines(made.stdout)[0] as { token: string };
  const url = await serving(t, store, '--auth', 'required');
  const at = ['--store', url];
  const refused = await cli([...at, 'ls']);
  t.equal(refused.code, 11);
  t.match(refused.stderr, /\[AS_ERR_UNAUTHENTICATED\]/);
  writeFileSync(join(folder, 'token'), `${token}\n`);
  t.equal((await cli([...at, '--token', token, 'ls'])).code, 0);
  t.equal((await cli([...at, '--token-file', join(folder, 'token'), 'ls'])).code, 0);
  t.equal((await cli(['ls'], { env: { ARTIFACTSTORE_STORE: url, ARTIFACTSTORE_TOKEN: token } })).code, 0);
  t.equal((await cli([...at, '--token-file', join(folder, 'nowhere'), 'ls'])).code, 2);
  t.equal((await cli([...at, '--token', 'two words', 'ls'])).code, 2);
  t.equal((await cli([...at, '--token', token, 'rm', ABC])).code, 3);
  const put = await cli([...at, '--token', token, 'put', '-'], { input: 'abc' });
  t.match(put.stdout.toString(), ABC);
  const denied = await cli([...at, '--token', token, 'rm', ABC]);
  t.equal(denied.code, 11);
  t.match(denied.stderr, /\[AS_ERR_FORBIDDEN\]/);
  t.match(await cli([...at, '--token', token, 'token', 'ls']), { code: 11 });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ store: { path: url } }));
  t.equal(
    (await cli(['--config', join(folder, 'config.json'), '--token', token, 'ls'])).code,
    0,
    'a URL in a configuration file',
  );
  t.match(await cli([...at, '--token', token, '--read-only', 'put', '-']), { code: 8, stderr: /AS_ERR_READ_ONLY/ });
});

t.test('sockets, TLS, and services that are not there', async (t) => {
  const socket = join(folder, 'socket');
  await serving(t, newStore(), '--listen', `unix:${socket}`);
  t.equal((await cli(['--store', `unix:${socket}`, 'put', '-'], { input: 'abc' })).code, 0);
  const authority = new Authority(join(folder, 'ca'), 'authority');
  const { certFile, keyFile } = authority.issue('service');
  const url = await serving(t, newStore(), '--tls-cert', certFile, '--tls-key', keyFile);
  t.match(url, /^https:/);
  t.equal((await cli(['--store', url, '--tls-ca', authority.certFile, 'ls'])).code, 0);
  t.match(await cli(['--store', url, 'ls']), { code: 7, stderr: /certificate.*\[AS_ERR_UNAVAILABLE\]/ });
  t.match(await cli(['--store', `unix:${join(folder, 'none')}`, 'ls']), { code: 7, stderr: /cannot be reached/ });
  t.match(await cli(['--store', 'http://', 'ls']), { code: 2 });
});

t.test('commands that need a folder say so; doctor looks at both sides', async (t) => {
  const url = await serving(t, newStore());
  for (const args of [['compact'], ['rebuild'], ['serve']]) {
    const { code, stderr } = await cli(['--store', url, ...args]);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /works on a store in a folder, and http:.* is a service\. .*\[AS_ERR_INVALID_ARGUMENT\]\n$/);
  }
  const [found] = jsonLines((await cli(['--store', url, '--json', 'doctor'])).stdout);
  t.match(found, {
    node: process.versions.node,
    store: { path: url, status: 'open', health: { ready: true }, usage: { objects: 0 } },
  });
});

t.test('followed, and given up', async (t) => {
  const url = await serving(t, newStore());
  const at = ['--store', url];
  let child: ChildProcess | undefined;
  const following = cli([...at, '--json', 'audit', '--follow', '--after', '0'], {
    started: (started) => {
      child = started;
      let said = '';
      started.stdout?.on('data', (chunk: Buffer) => {
        said += chunk;
        if (lines(said).length >= 3) started.kill('SIGINT');
      });
    },
  });
  for (const text of ['one', 'two', 'three']) await cli([...at, 'put', '-'], { input: text });
  const { code, stdout } = await following;
  t.equal(code, 130);
  t.strictSame(
    jsonLines(stdout).map(({ seq }) => seq),
    [1, 2, 3],
  );
  t.ok(child?.killed);

  const huge = join(folder, 'huge');
  writeFileSync(huge, '');
  truncateSync(huge, 2_000_000_000);
  const begun = () => fetch(`${url}/v1/events?kind=upload.opened&wait=30`);
  const endless = await cli([...at, 'put', huge], {
    started: (started) => void begun().then(() => started.kill('SIGINT')),
  });
  t.equal(endless.code, 130, 'stopped in the middle of an upload');
  t.match(endless.stderr, /^artifactstore: Stopped by SIGINT\.\n$/);
  t.strictSame(
    jsonLines((await cli([...at, '--json', 'audit', '--kind', 'upload.aborted'])).stdout).length,
    1,
    'the service has been told',
  );
});
