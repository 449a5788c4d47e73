/**
 * Objects out: a large one beside nginx with sendfile, and many small ones beside the least that a server of Node can do.
 *
 * Imports bench modules only. Called by bench/http.ts.
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile, type Source } from '../ingest/sources.js';
import { peakMemory } from '../memory.js';
import { findProgram } from '../programs.js';
import { CONNECTIONS, type LoadGenerator, SMALL_SIZE, WARM_UP_S } from './load.js';
import { type Contender, measureRows } from './rows.js';
import { type Server, startBare, startNginx, startStore } from './servers.js';
import type { HttpBench, HttpRow } from './shapes.js';
import { download, sha256Of, transferObstacle, upload } from './transfer.js';

/** One large object, by curl. */
export async function measureGet(bench: HttpBench): Promise<HttpRow[]> {
  const obstacle = transferObstacle();
  if (obstacle !== undefined) {
    bench.absent.push(`get: ${obstacle}`);
    return [];
  }
  return withServers(bench, bench.size, async (source, served) =>
    measureRows(
      'get',
      'MB/s',
      served.map(({ name, url, server }) => ({
        name,
        measure: async () => source.size / 1e6 / (await download(url, source.size)),
        peakMemory: () => peakMemory(server.pid),
      })),
      bench,
    ),
  );
}

/** Small objects, again and again the same one. */
export async function measureGetSmall(bench: HttpBench): Promise<HttpRow[]> {
  const { generator } = bench;
  if (generator === undefined) return [];
  return withServers(bench, SMALL_SIZE, async (source, served) => {
    const bare = await startBare(source.path);
    try {
      const contenders = [...served, { name: 'node:http from memory', url: bare.url, server: bare }];
      for (const { url } of contenders) await generator.run({ url, connections: CONNECTIONS, seconds: WARM_UP_S });
      return await measureRows('get-small', 'requests/s', contenders.map(toContender(generator, bench)), bench);
    } finally {
      await bare.stop();
    }
  });
}

/** A server with the object, and where it is there. */
interface Served {
  name: string;
  url: string;
  server: Server;
}

function toContender(generator: LoadGenerator, { seconds }: HttpBench): (served: Served) => Contender {
  return ({ name, url, server }) => ({
    name,
    measure: () => generator.run({ url, seconds, connections: CONNECTIONS }),
    peakMemory: () => peakMemory(server.pid),
  });
}

/** Has `measure` work with an object that this store and nginx, where it is installed, serve. */
async function withServers(
  { work, absent }: HttpBench,
  size: number,
  measure: (source: Source, served: readonly Served[]) => Promise<HttpRow[]>,
): Promise<HttpRow[]> {
  const source = makeFile(join(work, 'files', 'object.bin'), size);
  const own = join(work, 'store');
  mkdirSync(own);
  const servers: Server[] = [];
  try {
    const store = await startStore(own);
    servers.push(store);
    await putOnce(`${store.url}/v1/objects`, source);
    const served: Served[] = [
      { name: 'artifactstore', url: `${store.url}/v1/objects/sha256:${source.sha256}`, server: store },
    ];
    const nginx = findProgram('nginx');
    if (nginx === undefined) absent.push('nginx is not installed (Debian: apt-get install nginx-light)');
    else {
      const server = await startNginx(nginx, join(work, 'files'), work);
      servers.push(server);
      served.push({ name: 'nginx', url: `${server.url}/object.bin`, server });
    }
    for (const { name, url } of served) {
      if ((await sha256Of(url)) !== source.sha256) throw new Error(`${name} does not give the bytes of the object`);
    }
    return await measure(source, served);
  } finally {
    for (const server of servers) await server.stop();
  }
}

async function putOnce(url: string, { path, size }: Source): Promise<void> {
  if (size > SMALL_SIZE) {
    await upload(url, path, 'PUT');
    return;
  }
  const { ok, status } = await fetch(url, { method: 'PUT', body: readFileSync(path) });
  if (!ok) throw new Error(`PUT ${url}: status ${status}`);
}
