/**
 * Objects in, durable when the answer comes: a large one beside a registry's push and a tus server, and many small ones.
 *
 * Imports bench modules only. Called by bench/http.ts. Every large object has a new server over a new folder.
 */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile, type Source } from '../ingest/sources.js';
import { peakMemory } from '../memory.js';
import { PEERS_COMMAND, resolvePeer } from '../peers.js';
import { findProgram, settle } from '../programs.js';
import { CONNECTIONS, SMALL_SIZE, WARM_UP_S } from './load.js';
import { type Contender, clear, measureRows } from './rows.js';
import { type Server, startRegistry, startStore, startTus } from './servers.js';
import type { HttpBench, HttpRow } from './shapes.js';
import { transferObstacle, upload } from './transfer.js';

/** Sends the file; resolves when the server has acknowledged it. */
type Push = (url: string, source: Source) => Promise<void>;

/** One large object, by curl. */
export async function measurePut(bench: HttpBench): Promise<HttpRow[]> {
  const { absent, work, size } = bench;
  const obstacle = transferObstacle();
  if (obstacle !== undefined) {
    absent.push(`put: ${obstacle}`);
    return [];
  }
  const source = makeFile(join(work, 'source', 'object.bin'), size);
  const contenders = [contender('artifactstore', startStore, toStore, source, work)];
  const registry = findProgram('docker-registry');
  if (registry === undefined) absent.push('docker-registry is not installed (Debian: apt-get install docker-registry)');
  else {
    const start = (folder: string) => startRegistry(registry, folder);
    contenders.push(contender('docker-registry push', start, toRegistry, source, work));
  }
  if (resolvePeer('@tus/server') === undefined) {
    absent.push(`@tus/server is not installed (in a checkout: ${PEERS_COMMAND})`);
  } else contenders.push(contender('@tus/server, not synced', startTus, toTus, source, work));
  return measureRows('put', 'MB/s', contenders, bench);
}

/** Small objects, each of them new. */
export async function measurePutSmall(bench: HttpBench): Promise<HttpRow[]> {
  const { generator, seconds, work } = bench;
  if (generator === undefined) return [];
  const server = await startStore(work);
  try {
    const load = { url: `${server.url}/v1/objects`, connections: CONNECTIONS, bodySize: SMALL_SIZE };
    await generator.run({ ...load, seconds: WARM_UP_S });
    const measure = () => generator.run({ ...load, seconds });
    const ours = { name: 'artifactstore', measure, peakMemory: () => peakMemory(server.pid) };
    return await measureRows('put-small', 'requests/s', [ours], bench);
  } finally {
    await server.stop();
  }
}

function contender(
  name: string,
  start: (folder: string) => Promise<Server>,
  push: Push,
  source: Source,
  work: string,
): Contender {
  return withServer(name, start, work, async ({ url }) => {
    const began = performance.now();
    await push(url, source);
    return source.size / 1e3 / (performance.now() - began);
  });
}

/** Measures with a new server over a new folder each time. */
function withServer(
  name: string,
  start: (folder: string) => Promise<Server>,
  work: string,
  measure: (server: Server) => Promise<number>,
): Contender {
  let peak = 0;
  return {
    name,
    peakMemory: () => peak,
    measure: async () => {
      const folder = join(work, 'server');
      mkdirSync(folder);
      const server = await start(folder);
      try {
        await settle(work);
        return await measure(server);
      } finally {
        peak = Math.max(peak, peakMemory(server.pid) ?? 0);
        await server.stop();
        clear(folder);
      }
    },
  };
}

const toStore: Push = async (url, { path }) => {
  await upload(`${url}/v1/objects`, path, 'PUT');
};

/** As its clients push a layer: an upload begins, takes the bytes, and ends with their digest. */
const toRegistry: Push = async (url, { path, sha256 }) => {
  const begun = await expectSuccess(fetch(`${url}/v2/benchmark/blobs/uploads/`, { method: 'POST' }));
  const place = new URL(begun.headers.get('location') ?? '', url);
  const end = new URL((await upload(place.href, path, 'PATCH', ['Content-Type: application/octet-stream'])) ?? '', url);
  end.searchParams.set('digest', `sha256:${sha256}`);
  await expectSuccess(fetch(end, { method: 'PUT' }));
};

/** Creation, then the bytes. */
const toTus: Push = async (url, { path, size }) => {
  const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Length': String(size) };
  const created = await expectSuccess(fetch(`${url}/files`, { method: 'POST', headers }));
  const place = new URL(created.headers.get('location') ?? '', url);
  const fields = ['Tus-Resumable: 1.0.0', 'Upload-Offset: 0', 'Content-Type: application/offset+octet-stream'];
  await upload(place.href, path, 'PATCH', fields);
};

async function expectSuccess(asked: Promise<Response>): Promise<Response> {
  const response = await asked;
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`${response.url}: status ${response.status}`);
  return response;
}
