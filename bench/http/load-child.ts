/**
 * Many small requests on many connections at once, by undici, in a process of its own as wrk is one.
 *
 * Usage: node load-child.js <url> <connections> <seconds> <size of bodies to put, or 0 to get>. Prints one JSON line with `rate`.
 * Imports undici by way of bench/peers.ts. Started by bench/http/load.ts.
 */

import { randomFillSync } from 'node:crypto';
import { loadPeer } from '../peers.js';

interface Answer {
  statusCode: number;
  body: { dump(options: { limit: number }): Promise<void> };
}

interface Pool {
  request(options: { path: string; method: 'GET' | 'PUT'; body?: Buffer }): Promise<Answer>;
  close(): Promise<void>;
}

type Undici = { Pool: new (origin: string, options: { connections: number; pipelining: number }) => Pool };

const [url = '', ...numbers] = process.argv.slice(2);
const [connections = 0, seconds = 0, size = 0] = numbers.map(Number);
const undici = await loadPeer<Undici>('undici');
if (undici === undefined) throw new Error('undici is not installed');
const { origin, pathname: path } = new URL(url);
const pool = new undici.module.Pool(origin, { connections, pipelining: 1 });
const template = randomFillSync(Buffer.allocUnsafe(size));
let count = 0;

function newBody(): Buffer {
  const body = Buffer.from(template);
  body.writeDoubleLE(++count);
  return body;
}

const ends = performance.now() + seconds * 1000;
let answered = 0;
async function ask(): Promise<void> {
  while (performance.now() < ends) {
    const { statusCode, body } = await pool.request(
      size === 0 ? { path, method: 'GET' } : { path, method: 'PUT', body: newBody() },
    );
    if (statusCode >= 300) throw new Error(`${url} answered ${statusCode}`);
    await body.dump({ limit: Number.MAX_SAFE_INTEGER });
    answered++;
  }
}

const began = performance.now();
await Promise.all(Array.from({ length: connections }, ask));
const rate = (answered * 1000) / (performance.now() - began);
await pool.close();
console.log(JSON.stringify({ rate }));
