/**
 * OpenStack Swift with its S3 API on loopback: the real server that the S3 backend is tested against and measured on. One replica, four processes and memcached, in a folder of
 * their own that goes with them.
 *
 * Needs the Debian packages swift-proxy, swift-account, swift-container, swift-object and memcached. Imports Node's own modules. Called by the benchmark and by tests,
 * which say loudly when the packages are missing.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Debian's own, for which the packages are; another may come first in PATH. */
const PYTHON = '/usr/bin/python3';
const SERVICES = ['account', 'container', 'object'] as const;
const NEEDED = [
  ...SERVICES.map((name) => `/usr/bin/swift-${name}-server`),
  '/usr/bin/swift-proxy-server',
  '/usr/bin/memcached',
];

/** A server that runs. */
export interface RunningSwift {
  endpoint: string;
  /** A bucket that is there and empty. */
  bucket: string;
  /** Variables with credentials for it. */
  environment: Record<string, string>;
  /** Folder in which Swift keeps the bytes. */
  devices: string;
  stop(): Promise<void>;
}

/** What is missing for Swift to run; empty when nothing is. */
export function missingForSwift(): string[] {
  return NEEDED.filter((path) => !existsSync(path));
}

/** Starts Swift; resolves when it takes requests. @param parent where its folder is made */
export async function startSwift(parent = tmpdir()): Promise<RunningSwift> {
  const folder = await mkdtemp(join(parent, 'as-swift-'));
  const children: ChildProcess[] = [];
  const stop = async () => {
    await Promise.all(children.map(ended));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const ports = await freePorts(SERVICES.length + 2);
    const [proxy = 0, cache = 0, ...services] = ports;
    const devices = join(folder, 'devices');
    await mkdir(join(devices, 'd1'), { recursive: true });
    await mkdir(join(folder, 'cache'));
    await writeFile(
      join(folder, 'swift.conf'),
      '[swift-hash]\nswift_hash_path_suffix = test\nswift_hash_path_prefix = test\n',
    );
    for (const [index, name] of SERVICES.entries()) {
      makeRing(folder, name, services[index] as number);
      await writeFile(join(folder, `${name}-server.conf`), serviceConf(folder, name, services[index] as number));
    }
    await writeFile(join(folder, 'proxy-server.conf'), proxyConf(folder, proxy, cache));
    const start = (command: string, args: string[], log: string) => {
      const output = openSync(join(folder, log), 'w');
      // They end with this process, however that ends.
      const dying = ['--pdeathsig', 'KILL', command, ...args];
      children.push(spawn('/usr/bin/setpriv', dying, { stdio: ['ignore', output, output], cwd: folder }));
      closeSync(output);
    };
    start(
      '/usr/bin/memcached',
      ['-l', '127.0.0.1', '-p', String(cache), '-u', userInfo().username, '-m', '64'],
      'memcached.log',
    );
    for (const name of [...SERVICES, 'proxy']) {
      start(PYTHON, [`/usr/bin/swift-${name}-server`, join(folder, `${name}-server.conf`)], `${name}.log`);
    }
    const endpoint = `http://127.0.0.1:${proxy}`;
    await answering(endpoint, () => {
      const dead = children.find(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
      if (dead) throw new Error(`${dead.spawnargs.join(' ')} ended: ${logs(folder)}`);
    });
    const bucket = 'bucket';
    await makeBucket(endpoint, bucket);
    const environment = { AWS_ACCESS_KEY_ID: 'test:tester', AWS_SECRET_ACCESS_KEY: 'testing' };
    return { endpoint, bucket, environment, devices, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function makeRing(folder: string, name: string, port: number): void {
  const builder = join(folder, `${name}.builder`);
  const run = (...args: string[]) =>
    execFileSync('/usr/bin/swift-ring-builder', [builder, ...args], { cwd: folder, stdio: 'pipe' });
  run('create', '4', '1', '0');
  run('add', `r1z1-127.0.0.1:${port}/d1`, '1');
  run('rebalance', '0');
}

function serviceConf(folder: string, name: string, port: number): string {
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
devices = ${join(folder, 'devices')}
mount_check = false
recon_cache_path = ${join(folder, 'cache')}
[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
`;
}

function proxyConf(folder: string, port: number, cache: number): string {
  const filters = ['catch_errors', 'gatekeeper', 'copy', 'slo', 'dlo', 'symlink'];
  return `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${userInfo().username}
swift_dir = ${folder}
[pipeline:main]
pipeline = catch_errors gatekeeper cache s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${cache}
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
${filters.map((name) => `[filter:${name}]\nuse = egg:swift#${name}\n`).join('')}`;
}

/** Waits until the server answers anything at all. */
async function answering(endpoint: string, check: () => void): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    check();
    try {
      await fetch(endpoint);
      return;
    } catch (error) {
      if (attempt === 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Makes a bucket by Swift's own API, as soon as all of its servers take requests: the proxy answers 503 before. */
async function makeBucket(endpoint: string, name: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const headers = { 'x-auth-user': 'test:tester', 'x-auth-key': 'testing' };
    const login = await fetch(`${endpoint}/auth/v1.0`, { headers });
    const [url, token] = ['x-storage-url', 'x-auth-token'].map((header) => login.headers.get(header) ?? '');
    const made = login.ok
      ? await fetch(`${url}/${name}`, { method: 'PUT', headers: { 'x-auth-token': token ?? '' } })
      : login;
    const text = await made.text();
    if (login.ok && made.ok) return;
    if (attempt === 300) throw new Error(`Swift did not make a bucket: ${made.status} ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Ports that were free a moment ago, all at the same time. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL'); // what it keeps goes with it
  });
}

function logs(folder: string): string {
  return [...SERVICES, 'proxy', 'memcached']
    .map((name) => readFileSync(join(folder, `${name}.log`), 'utf8'))
    .join('\n');
}
