/**
 * Readers of events who wait: what a thousand of them take of memory, and how soon all of them hear of an event after who caused it has been answered.
 *
 * Imports bench modules only. Called by bench/http.ts. The readers are sockets of this process, which shares the cores with the service.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentMemory } from '../memory.js';
import { rowOf } from './rows.js';
import { type Server, startStore } from './servers.js';
import type { HttpBench, HttpRow } from './shapes.js';

/** Events whose way is timed. */
const EVENTS = 50;
/** Milliseconds between two events, and before memory is asked for. */
const PAUSE_MS = 100;
const SETTLE_MS = 2_000;
/** Events before those that count: V8 compiles what runs often in several steps. */
const WARM_UP = 10;

export async function measureReaders({ work, readers, absent, onStep }: HttpBench): Promise<HttpRow[]> {
  onStep?.(`readers: ${readers}`);
  const folder = join(work, 'server');
  mkdirSync(folder);
  const server = await startStore(folder);
  const sockets: Socket[] = [];
  try {
    await store(server.url); // so that what every store has is there before memory is asked for
    await sleep(SETTLE_MS);
    const before = currentMemory(server.pid);
    const heard = new Heard();
    for (let n = 0; n < readers; n++) sockets.push(await open(server.url, heard));
    await heard.until('caught-up', readers);
    await sleep(SETTLE_MS);
    const after = currentMemory(server.pid);
    const delays = await delaysOf(server, heard, readers);
    const rows = [
      rowOf('readers', 'an event, to the last of them', 'ms', delays, []),
      rowOf('readers', 'the slowest event', 'ms', [Math.max(...delays)], []),
    ];
    if (before !== undefined && after !== undefined) {
      return [rowOf('readers', 'memory of all of them', 'MB', [(after - before) / 1e6], []), ...rows];
    }
    absent.push('readers: this system does not say how much memory a process holds');
    return rows;
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  }
}

/** Milliseconds from the answer to who caused an event until the last reader has it: of many events. */
async function delaysOf({ url }: Server, heard: Heard, readers: number): Promise<number[]> {
  const delays: number[] = [];
  for (let n = 0; n < WARM_UP + EVENTS; n++) {
    const seq = await store(url);
    const answered = performance.now();
    await heard.until(`id: ${seq}\ndata`, readers);
    if (n >= WARM_UP) delays.push(Math.max(heard.last - answered, 0));
    await sleep(PAUSE_MS);
  }
  return delays;
}

/** What readers have heard, counted. */
class Heard {
  #wanted = '';
  #count = 0;
  #enough = 0;
  #done: () => void = () => undefined;
  /** When the last of them heard it. */
  last = 0;
  readonly #early: string[] = [];

  note(text: string): void {
    this.#early.push(text);
    if (text.includes(this.#wanted) && this.#wanted !== '') this.#add();
  }

  /** Resolves when so many have heard it, those included who have already. */
  async until(wanted: string, enough: number): Promise<void> {
    this.#wanted = wanted;
    this.#enough = enough;
    this.#count = 0;
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      for (const text of this.#early) if (text.includes(wanted)) this.#add();
    });
    this.#wanted = '';
    this.#early.length = 0;
  }

  #add(): void {
    this.last = performance.now();
    if (++this.#count === this.#enough) this.#done();
  }
}

async function open(url: string, heard: Heard): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('data', (chunk: Buffer) => heard.note(chunk.toString('latin1')));
  await once(socket, 'connect');
  socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n');
  return socket;
}

/** Stores an object; the place of its event in the log. */
async function store(url: string): Promise<string> {
  const answer = await fetch(`${url}/v1/objects`, { method: 'POST', body: randomBytes(100) });
  await answer.arrayBuffer();
  const seq = answer.headers.get('artifactstore-event');
  if (!answer.ok || seq === null) throw new Error(`The service answered ${answer.status}.`);
  return seq;
}
