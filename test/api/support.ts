/** What the tests of the HTTP door share: a running service, a client that sends exactly the bytes it is told, and waiting. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { Agent, type Dispatcher, request } from 'undici';
import { type RunningServer, type ServerOptions, startServer } from '../../lib/api/http/server.js';
import { openStore, type Store, type StoreOptions } from '../../lib/index.js';
import { openPlace } from './places.js';

export { damage, placeName, stagedFiles } from './places.js';

export interface Service extends RunningServer {
  store: Store;
  /** How the store was opened. */
  storeOptions: StoreOptions;
  /** Folder of the store. */
  path: string;
  /** What was reported to the operator. */
  errors: unknown[];
  /** A request by undici; its answer read to the end. */
  call(method: string, target: string, options?: CallOptions): Promise<Reply>;
}

export interface CallOptions {
  headers?: Record<string, string>;
  body?: Dispatcher.DispatchOptions['body'];
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: Buffer;
  /** The body parsed, whatever it is. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads members of many shapes and fails where they are missing
  json: any;
}

/** A service over a store in a folder of its own, or over `stub`. */
export async function serve(
  t: Test,
  options: ServerOptions & { store?: Partial<StoreOptions>; stub?: unknown; place?: string } = {},
): Promise<Service> {
  // What has been opened is closed, also where what comes next fails: a daemon would keep the process.
  const closing: (() => Promise<unknown>)[] = [];
  t.teardown(async () => {
    for (const close of closing.reverse()) await close();
  });
  const path = await mkdtemp(join(tmpdir(), 'artifactstore-api-'));
  closing.push(() => rm(path, { recursive: true, force: true }));
  const place = await openPlace(path, options.store?.path !== undefined, options.place);
  closing.push(() => place.close());
  const storeOptions: StoreOptions = { path, ...place.options, ...options.store };
  const store = await openStore(storeOptions);
  closing.push(() => store.close());
  const errors: unknown[] = [];
  const { store: _, stub, place: __, ...serverOptions } = options;
  const running = await startServer((stub as Store) ?? store, {
    port: 0,
    onError: (error) => errors.push(error),
    ...serverOptions,
  });
  closing.push(() => running.close());
  // However long a data plane takes: the test's own timeout is the limit.
  const agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  closing.push(() => agent.destroy());
  return { ...running, store, storeOptions, path, errors, call: (...args) => call(agent, running.url, ...args) };
}

async function call(
  dispatcher: Agent,
  url: string,
  method: string,
  target: string,
  { headers, body }: CallOptions = {},
): Promise<Reply> {
  const reply = await request(`${url}${target}`, {
    dispatcher,
    method: method as Dispatcher.HttpMethod,
    ...(headers && { headers }),
    ...(body && { body }),
  });
  const bytes = Buffer.from(await reply.body.arrayBuffer());
  const isJson = /[/+]json$/.test(String(reply.headers['content-type'])) && bytes.byteLength > 0;
  return {
    status: reply.statusCode,
    headers: reply.headers,
    bytes,
    json: isJson ? JSON.parse(bytes.toString()) : undefined,
  };
}

/** A connection on which nothing is sent or understood but what the test says. */
export class RawClient {
  readonly #chunks: Buffer[] = [];

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => this.#chunks.push(chunk));
    socket.on('error', () => undefined); // a reset is an end like any other here
  }

  static async open(t: Test, url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), allowHalfOpen: true });
    t.teardown(() => socket.destroy());
    const client = new RawClient(socket);
    await once(socket, 'connect');
    return client;
  }

  /** Everything received so far. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  /** Everything received, once the connection has ended. */
  async ended(): Promise<string> {
    if (!this.socket.readableEnded && !this.socket.destroyed)
      await Promise.race([once(this.socket, 'end'), once(this.socket, 'close')]);
    return this.text;
  }

  async until(pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.text) || this.socket.destroyed);
    return this.text;
  }
}

/** Waits for something that has to happen; the test's own timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5);
}

/** The value once it has stopped changing. */
export async function settled(value: () => number): Promise<number> {
  for (let last = value(), same = 0; ; ) {
    await sleep(25);
    same = value() === last ? same + 1 : 0;
    last = value();
    if (same === 8) return last;
  }
}
