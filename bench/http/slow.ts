/**
 * Many uploads at once that hardly come on: what the server holds for them.
 *
 * Imports bench modules only. Called by bench/http.ts.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentMemory, peakMemory } from '../memory.js';
import { rowOf } from './rows.js';
import { startStore } from './servers.js';
import type { HttpBench, HttpRow } from './shapes.js';

const UPLOADS = 500;
/** Bytes of each, and of a piece of it; and milliseconds between two pieces. */
const UPLOAD_SIZE = 1024 * 1024;
const PIECE_SIZE = 32 * 1024;
const PIECE_INTERVAL_MS = 100;

/** Memory beyond what the server had when it had done some work. */
export async function measureSlow({ work, absent, onStep }: HttpBench): Promise<HttpRow[]> {
  onStep?.(`slow: ${UPLOADS} uploads`);
  mkdirSync(join(work, 'server'));
  const server = await startStore(join(work, 'server'));
  try {
    const url = `${server.url}/v1/objects`;
    await Promise.all(Array.from({ length: 4 }, (_, n) => put(url, n, 0)));
    const before = currentMemory(server.pid);
    if (before === undefined) {
      absent.push('slow: this system does not say how much memory a process holds');
      return [];
    }
    await Promise.all(Array.from({ length: UPLOADS }, (_, n) => put(url, n + 4, PIECE_INTERVAL_MS)));
    const peak = peakMemory(server.pid) as number;
    return [{ ...rowOf('slow', 'artifactstore', 'MB', [(peak - before) / 1e6], []), peakMemory: peak }];
  } finally {
    await server.stop();
  }
}

async function put(url: string, number: number, intervalMs: number): Promise<void> {
  const piece = Buffer.alloc(PIECE_SIZE);
  piece.writeUInt32LE(number);
  const hash = createHash('sha256');
  const sent = request(url, { method: 'PUT', agent: false, headers: { 'Content-Length': UPLOAD_SIZE } });
  const answered = answerOf(sent);
  for (let at = 0; at < UPLOAD_SIZE; at += PIECE_SIZE) {
    sent.write(piece);
    hash.update(piece);
    if (intervalMs > 0) await sleep(intervalMs);
  }
  sent.end();
  if (!(await answered).includes(hash.digest('hex'))) throw new Error('a slow upload was stored as something else');
}

async function answerOf(sent: ClientRequest): Promise<string> {
  const [response] = await once(sent, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  if (response.statusCode >= 300) throw new Error(`a slow upload was answered with ${response.statusCode}: ${body}`);
  return body;
}
