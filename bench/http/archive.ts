/**
 * A tar archive of small files in one request: published durably, and given back whole.
 *
 * Imports bench modules only. Called by bench/http.ts. Each round has files of its own, so that none is there already, and the first has a service that
 * has just started.
 */

import { randomFillSync } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { peakMemory } from '../memory.js';
import { settle } from '../programs.js';
import { SMALL_SIZE } from './load.js';
import { rowOf } from './rows.js';
import { startStore } from './servers.js';
import type { HttpBench, HttpRow } from './shapes.js';

const BLOCK_SIZE = 512;

/** Seconds of a request, from its first byte to the last of the answer. */
export async function measureArchive({ work, rounds, files, onStep }: HttpBench): Promise<HttpRow[]> {
  const folder = join(work, 'server');
  mkdirSync(folder);
  const server = await startStore(folder);
  try {
    const into: number[] = [];
    const back: number[] = [];
    for (let round = 0; round < rounds; round++) {
      onStep?.(`round ${round + 1} of ${rounds}: archive`);
      const target = `${server.url}/v1/packages/bench/tar/versions/${round}`;
      const body = archiveOf(files, SMALL_SIZE);
      await settle(work);
      const headers = { 'Content-Type': 'application/x-tar' };
      into.push(await timed(() => fetch(target, { method: 'PUT', headers, body })));
      back.push(await timed(() => fetch(`${target}/tar`, { headers: { 'Accept-Encoding': 'identity' } })));
    }
    const row = (what: string, values: number[]) => rowOf('archive', `artifactstore, ${what}`, 's', values, []);
    const peak = peakMemory(server.pid);
    return [
      { ...row('into the store', into), ...(peak && { peakMemory: peak }) },
      row('the first of a new service', into.slice(0, 1)),
      row('back, verified', back),
    ];
  } finally {
    await server.stop();
  }
}

/** Throws an Error where the answer is none of success. */
async function timed(ask: () => Promise<Response>): Promise<number> {
  const begun = performance.now();
  const answer = await ask();
  for await (const _ of answer.body ?? []);
  if (!answer.ok) throw new Error(`The service answered ${answer.status}.`);
  return (performance.now() - begun) / 1000;
}

/** An archive of random files, as ustar has it (POSIX.1-1988). */
function archiveOf(files: number, fileSize: number): Buffer<ArrayBuffer> {
  const step = BLOCK_SIZE + Math.ceil(fileSize / BLOCK_SIZE) * BLOCK_SIZE;
  const archive = Buffer.alloc(files * step + 2 * BLOCK_SIZE);
  for (let n = 0; n < files; n++) {
    const header = archive.subarray(n * step, n * step + BLOCK_SIZE);
    header.write(`d${Math.floor(n / 100)}/f${n}`, 0);
    header.write('0000644\0', 100);
    header.write(`${fileSize.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        0ustar\x0000', 148, 'latin1');
    header.copyWithin(257, 157, 165).fill(0, 157, 165);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    randomFillSync(archive, n * step + BLOCK_SIZE, fileSize);
  }
  return archive;
}
