/**
 * One exchange of each kind between client and daemon, over a data plane that always says the same: the bodies that docs/dataplane-protocol.md describes, and
 * that test/golden/dataplane-*.hex hold.
 */

import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { ClosableDataPlane } from '../../lib/dataplane/closable.js';
import { fileSource } from '../../lib/dataplane/file-source.js';
import { MutableIngestTable } from '../../lib/dataplane/ingest-table.js';
import { hostPlane } from '../../lib/dataplane/remote/daemon/host.js';
import { openRemote } from '../../lib/dataplane/remote/index.js';
import type { ByteSource, ContentAddress, IngestHints, SessionHints } from '../../lib/dataplane/spi.js';
import { ArtifactStoreError } from '../../lib/errors.js';
import { folder, HOST } from './remote-support.js';

export interface Bodies {
  request: string;
  response: string;
}

const BLAKE3 = new Uint8Array(32).fill(0xb3);
const SHA256 = new Uint8Array(32).fill(0x25);
const ADDRESS: ContentAddress = `blake3:${'b3'.repeat(32)}`;
const ABSENT: ContentAddress = `blake3:${'00'.repeat(32)}`;
const RECEIPT = { backend: 'local', tier: 'hot', durability: 'synced' } as const;

async function taken(source: ByteSource): Promise<number> {
  let size = 0;
  for await (const chunk of source) size += chunk.byteLength;
  return size;
}

function result(size: number) {
  const receipts = [{ ...RECEIPT, key: 'b3'.repeat(32), storedSize: 640 }];
  return { blake3: BLAKE3, sha256: SHA256, size, existed: false, healed: false, receipts };
}

const PLANE = {
  async ingestStream(source: ByteSource, { session }: IngestHints | SessionHints) {
    const size = session !== undefined && !('offset' in session) ? 7 : await taken(source);
    if (session === undefined || ('final' in session && session.final)) return result(size);
    return { session: { id: session.id, offset: size }, blake3: BLAKE3, sha256: SHA256, size };
  },
  async ingestMany(sources: readonly ByteSource[]) {
    const table = new MutableIngestTable(sources.length, RECEIPT);
    for (const [n, source] of sources.entries()) {
      const digests = Buffer.concat([BLAKE3, SHA256]);
      table.set(n, { digests, size: await taken(source), storedSize: 640, existed: n === 0, healed: false });
    }
    table.errors.set(1, new ArtifactStoreError('AS_ERR_NO_SPACE', 'The disk is full.', { path: '/srv' }));
    return table;
  },
  async *serveObject(address: ContentAddress) {
    if (address === ABSENT) throw new ArtifactStoreError('AS_ERR_NOT_FOUND', 'Nothing has this address.', { address });
    yield Buffer.from('the first piece, ');
    throw new ArtifactStoreError('AS_ERR_CORRUPT', 'Bytes 17 to 29 are damaged.', { address, ranges: [[17, 30]] });
  },
  async *serveOutboard() {
    yield Buffer.alloc(64, 1);
  },
  serveSmall: (address: ContentAddress) =>
    address === ABSENT
      ? Promise.reject(new ArtifactStoreError('AS_ERR_NOT_FOUND', 'Nothing has this address.', { address }))
      : Buffer.from('few bytes'),
  verifyObject: async () => ({
    status: 'corrupt',
    size: 70_000,
    blake3: BLAKE3,
    damaged: [{ start: 16_384, end: 32_768 }],
    repaired: false,
  }),
  deleteObject: async () => ({ deleted: true, freedSize: 640 }),
  backendHealth: async () => ({
    ready: true,
    readOnly: false,
    backend: 'local',
    tier: 'hot',
    freeSize: 2 ** 40,
    facts: { io: 'uring' },
  }),
  sync: async () => undefined,
  compact: async ({ onProgress }: { onProgress: (report: object) => void }) => {
    onProgress({ movedSize: 1, freedSize: 2, removedSegments: 0 });
    return { movedSize: 3, freedSize: 4, removedSegments: 1 };
  },
  deleteMany: async () => [
    { deleted: true, freedSize: 640 },
    new ArtifactStoreError('AS_ERR_IO', 'The disk failed.', { path: '/srv' }),
    { deleted: false, freedSize: 0 },
  ],
  listObjects: async () => ({
    addresses: Buffer.concat([BLAKE3, Buffer.alloc(32, 0xb4)]),
    sizes: Float64Array.of(3, 2 ** 40),
    changed: Float64Array.of(1_700_000_000_000.25, 0),
  }),
  uploadSessions: async () => [{ id: 'upload-1', changed: 1_700_000_000_000, storedSize: 4096 }],
} as unknown as ClosableDataPlane;

/** Every exchange, by name. What differs from run to run stands as zeros. */
export async function exchanges(t: Test): Promise<Map<string, Bodies>> {
  const path = await folder(t);
  const socketPath = join(path, 'daemon');
  const host = await hostPlane(PLANE, { ...HOST, listen: [`unix:${socketPath}`], software: 'artifactstore 0.1.0' });
  const found = new Map<string, Bodies>();
  let name = '';
  let instance = '';
  const recorder = createServer((incoming, outgoing) => {
    const parts = { request: [] as Buffer[], response: [] as Buffer[] };
    const onward = request(
      { socketPath, path: incoming.url, method: incoming.method, headers: incoming.headers },
      (reply) => {
        instance = String(reply.headers['artifactstore-instance']);
        outgoing.writeHead(reply.statusCode ?? 0, reply.headers);
        reply
          .on('data', (chunk) => parts.response.push(chunk))
          .on('end', () => {
            const bodyOf = (chunks: Buffer[]) =>
              Buffer.concat(chunks).toString('hex').replaceAll(instance, '0'.repeat(32));
            const key = incoming.url === '/hello' ? 'hello' : name;
            if (key !== '') found.set(key, { request: bodyOf(parts.request), response: bodyOf(parts.response) });
          });
        reply.pipe(outgoing);
      },
    );
    incoming.on('data', (chunk) => parts.request.push(chunk));
    incoming.pipe(onward);
  });
  recorder.on('upgrade', (incoming, near: Socket) => {
    const { url, method, headers } = incoming;
    const onward = request({ socketPath, path: url, method, headers });
    onward.on('upgrade', (reply, far: Socket) => {
      const parts = { request: [] as Buffer[], response: [] as Buffer[] };
      const fields = Object.entries(reply.headers).map(([field, value]) => `${field}: ${value}\r\n`);
      near.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join('')}\r\n`);
      near.on('data', (chunk) => parts.request.push(chunk)).pipe(far);
      far.on('data', (chunk) => parts.response.push(chunk)).pipe(near);
      const key = name;
      far.on('end', () => {
        const [asked, answered] = [parts.request, parts.response].map((part) => Buffer.concat(part).toString('hex'));
        found.set(key, { request: asked as string, response: answered as string });
      });
    });
    onward.end();
  });
  await new Promise<void>((resolve) => recorder.listen(join(path, 'recorder'), resolve));
  const client = await openRemote({ socketPath: join(path, 'recorder') });
  const record = async (what: string, run: () => unknown) => {
    name = what;
    await Promise.resolve(run()).catch(() => undefined);
  };
  const bytes = new TextEncoder().encode('abc');
  const source = () => ({ bytes, [Symbol.asyncIterator]: () => once(bytes) });
  const iterate = async (stream: AsyncIterable<Uint8Array>) => void (await taken(stream));
  await record('ingest', () => client.ingestStream(source(), { size: 3, sha256: `sha256:${'25'.repeat(32)}` }));
  await record('ingest-append', () =>
    client.ingestStream(once(bytes), { session: { id: 'u', offset: 0, final: true } }),
  );
  await record('ingest-query', () => client.ingestStream(once(bytes), { session: { id: 'u', query: true } }));
  await record('ingest-many', () => client.ingestMany([source(), source()]));
  await record('serve', () => iterate(client.serveObject(ADDRESS, { start: 0, end: 100_000 })));
  const file = join(path, 'file');
  await writeFile(file, bytes);
  await record('ingest-channel', () => client.ingestStream(fileSource(file), {}));
  await record('serve-channel', () => iterate(client.serveObject(ADDRESS, { start: 0, end: 5_000_000 })));
  await record('serve-channel-refused', () => iterate(client.serveObject(ABSENT, { start: 0, end: 5_000_000 })));
  await record('serve-refused', () => iterate(client.serveObject(ABSENT)));
  await record('serve-many', () =>
    Promise.allSettled([
      client.serveSmall?.(ADDRESS, { start: 0, end: 9 }),
      client.serveSmall?.(ABSENT, { start: 1, end: 5 }),
    ]),
  );
  await record('outboard', () => iterate(client.serveOutboard(ADDRESS, { start: 0, end: 100_000 })));
  await record('verify', () => client.verifyObject(ADDRESS, { digests: 'blake3' }));
  await record('delete', () => client.deleteObject(ADDRESS));
  await record('erase', () => client.eraseObject?.(ADDRESS));
  await record('delete-many', () => client.deleteMany?.([ADDRESS, ABSENT, `blake3:${'b4'.repeat(32)}`]));
  await record('list', () => client.listObjects?.(0xb3));
  await record('health', () => client.backendHealth());
  await record('sync', () => client.sync());
  await record('compact', () => client.compact());
  await record('sessions', () => client.uploadSessions());
  await client.close();
  await new Promise((resolve) => recorder.close(resolve));
  await host.close();
  return found;
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}
