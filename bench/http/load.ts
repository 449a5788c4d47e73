/**
 * Many small requests on many connections at once: by wrk where it is installed, by undici where it is not, and by the same one for all contenders
 * of a run.
 *
 * Imports bench modules only. Called by the parts of the benchmark.
 */

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPeer, PEERS_COMMAND } from '../peers.js';
import { findProgram, runProgram } from '../programs.js';

/** Bytes of a small object. */
export const SMALL_SIZE = 4096;
/** Connections of those who ask for small objects, or put them. */
export const CONNECTIONS = 64;
/** Seconds of requests before those that count: V8 compiles what runs often in several steps. */
export const WARM_UP_S = 1;

/** What is asked for, again and again. */
export interface Load {
  url: string;
  connections: number;
  seconds: number;
  /** Bytes of bodies that are put, each of them new; absent: GET. */
  bodySize?: number;
}

export interface LoadGenerator {
  name: string;
  /** Requests answered a second. Throws an Error where one was not answered with success. */
  run(load: Load): Promise<number>;
}

/**
 * What there is on this machine.
 *
 * @param folder for files of its own
 * @returns a sentence where there is nothing
 */
export async function loadGenerator(folder: string): Promise<LoadGenerator | string> {
  const wrk = findProgram('wrk');
  if (wrk !== undefined) return { name: 'wrk, one thread', run: (load) => runWrk(wrk, load, folder) };
  const undici = await loadPeer('undici');
  if (undici !== undefined) return { name: undici.name, run: runUndici };
  return `neither wrk (Debian: apt-get install wrk) nor undici (in a checkout: ${PEERS_COMMAND}) is installed`;
}

async function runWrk(wrk: string, { url, connections, seconds, bodySize }: Load, folder: string): Promise<number> {
  const args = ['--threads', '1', '--connections', String(connections), '--duration', `${seconds}s`];
  if (bodySize !== undefined) {
    const script = join(folder, 'put.lua');
    writeFileSync(script, newBodies(bodySize));
    args.push('--script', script);
  }
  const { stdout } = await runProgram({ command: wrk, args: [...args, url] });
  const rate = Number(/^Requests\/sec:\s+([\d.]+)$/m.exec(stdout)?.[1]);
  if (/Non-2xx|Socket errors/.test(stdout) || !(rate > 0)) throw new Error(`wrk ${url}: ${stdout}`);
  return rate;
}

/** Bodies that differ from each other, and from those of any other run, in their first bytes. */
function newBodies(size: number): string {
  const run = randomBytes(8).toString('hex');
  const rest = randomBytes(Math.ceil(size / 2)).toString('hex');
  return `
    local count = 0
    local rest = "${rest.slice(0, size - 32)}"
    function request()
      count = count + 1
      return wrk.format("PUT", nil, nil, string.format("${run}%016x", count) .. rest)
    end`;
}

async function runUndici({ url, connections, seconds, bodySize = 0 }: Load): Promise<number> {
  const args = [join(import.meta.dirname, 'load-child.js'), url, ...[connections, seconds, bodySize].map(String)];
  const { stdout } = await runProgram({ command: process.execPath, args });
  return (JSON.parse(stdout) as { rate: number }).rate;
}
