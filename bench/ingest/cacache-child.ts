/**
 * cacache as a program: takes files in, gives one back to nowhere, verifies. It has no command line of its own.
 *
 * Usage: node cacache-child.js put|get|verify <cache> [<path>]. Imports cacache by way of bench/peers.ts. Started by bench/ingest/peers.ts.
 */

import { createReadStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { loadPeer, PEERS_COMMAND } from '../peers.js';

interface Cacache {
  put: {
    (cache: string, key: string, data: Buffer): Promise<unknown>;
    stream(cache: string, key: string): Writable;
  };
  get: { stream(cache: string, key: string): Readable };
  verify(cache: string): Promise<{ badContentCount: number }>;
}

/** Files at once: several for each thread of Node's pool, which does the reading and writing. */
const AT_ONCE = 32;
/** Bytes of a file from which it is streamed. */
const STREAMED_FROM = 1024 * 1024;

async function files(path: string): Promise<string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function putAll(cacache: Cacache, cache: string, path: string): Promise<void> {
  const waiting = await files(path);
  const work = async () => {
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      const { size } = await stat(file);
      if (size >= STREAMED_FROM) await pipeline(createReadStream(file), cacache.put.stream(cache, file));
      else await cacache.put(cache, file, await readFile(file));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

const [verb, cache = '', path = ''] = process.argv.slice(2);
const peer = await loadPeer<{ default: Cacache }>('cacache');
if (peer === undefined) throw new Error(`cacache is not installed; run ${PEERS_COMMAND}`);
const cacache = peer.module.default;
if (verb === 'put') await putAll(cacache, cache, path);
else if (verb === 'get') cacache.get.stream(cache, path).resume();
else if (verb === 'verify') {
  const { badContentCount } = await cacache.verify(cache);
  if (badContentCount > 0) throw new Error(`cacache found ${badContentCount} damaged entries`);
} else throw new Error(`unknown verb ${verb}`);
