/**
 * The servers of the HTTP benchmark, each a process of its own on a free port of loopback: this store as `artifactstore serve` starts it, and what it is
 * compared with.
 *
 * Imports bench modules only. Called by the parts of the benchmark.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { COMMAND_LINE } from '../root.js';

/** A server while it runs. */
export interface Server {
  /** `http://127.0.0.1:<port>`. */
  url: string;
  /** Of its process, or of the first of several. */
  pid: number;
  /** Ends it; resolves when its processes have ended. */
  stop(): Promise<void>;
}

/** Milliseconds that a server may take to listen. */
const START_MS_MAX = 20_000;

/** `artifactstore serve` over a new store in `folder`. */
export function startStore(folder: string): Promise<Server> {
  return startNode([COMMAND_LINE, '--store', join(folder, 'store'), 'serve', '--port', '0']);
}

/** `node:http` that answers everything with the same bytes from memory. */
export function startBare(file: string): Promise<Server> {
  return startNode([join(import.meta.dirname, 'bare-child.js'), file]);
}

/** @tus/server with its file store in `folder`. */
export function startTus(folder: string): Promise<Server> {
  return startNode([join(import.meta.dirname, 'tus-child.js'), folder]);
}

/** nginx with sendfile over the files in `files`, which anybody can read; its own in `folder`. */
export async function startNginx(program: string, files: string, folder: string): Promise<Server> {
  const port = await freePort();
  const own = join(folder, 'nginx');
  mkdirSync(own);
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const settings = `
    daemon off; worker_processes 2; pid ${own}/pid; error_log ${own}/error.log;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events { worker_connections 512; }
    http {
      access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
      ${places.map((name) => `${name}_temp_path ${own}/${name};`).join(' ')}
      server { listen 127.0.0.1:${port}; root ${files}; }
    }`;
  writeFileSync(join(own, 'nginx.conf'), settings);
  return startOnPort(program, ['-c', join(own, 'nginx.conf'), '-e', join(own, 'error.log')], port);
}

/** docker-registry with its files in `folder`. */
export async function startRegistry(program: string, folder: string): Promise<Server> {
  const port = await freePort();
  const settings = join(folder, 'registry.json'); // YAML takes JSON
  const storage = { filesystem: { rootdirectory: join(folder, 'registry') } };
  const http = { addr: `127.0.0.1:${port}`, secret: 'benchmark' };
  writeFileSync(settings, JSON.stringify({ version: 0.1, log: { level: 'error' }, storage, http }));
  return startOnPort(program, ['serve', settings], port);
}

/** A daemon with the data plane of a new store in `folder`; its address is that of its socket. */
export function startDataPlane(folder: string, args: readonly string[]): Promise<Server> {
  const words = ['--store', join(folder, 'hosted'), 'dataplane', '--listen', `unix:${join(folder, 'socket')}`, ...args];
  return startNode([COMMAND_LINE, ...words], /(?<=listening on )unix:.*/);
}

/** A program of Node that prints its address. */
async function startNode(args: readonly string[], address = /http:\/\/127\.0\.0\.1:\d+/): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = listenTo(child);
  return running(child, said, () => address.exec(said.text)?.[0]);
}

async function startOnPort(command: string, args: readonly string[], port: number): Promise<Server> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const url = `http://127.0.0.1:${port}`;
  return running(child, listenTo(child), async () => ((await answers(url)) ? url : undefined));
}

async function running(
  child: ChildProcess,
  said: { text: string },
  addressOf: () => string | undefined | Promise<string | undefined>,
): Promise<Server> {
  const ended = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  for (const began = performance.now(); performance.now() - began < START_MS_MAX; await sleep(20)) {
    const url = await addressOf();
    if (child.exitCode !== null) break;
    if (url !== undefined) return { url, pid: child.pid as number, stop };
  }
  await stop();
  throw new Error(`${child.spawnfile} did not begin to listen: ${said.text}`);
}

/** What a program prints, so far. */
function listenTo(child: ChildProcess): { text: string } {
  const said = { text: '' };
  const take = (chunk: Buffer) => {
    said.text = (said.text + chunk.toString()).slice(-4096);
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  child.on('error', (error) => {
    said.text += error.message;
  });
  return said;
}

async function answers(url: string): Promise<boolean> {
  try {
    await (await fetch(url)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
