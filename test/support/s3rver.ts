/**
 * s3rver, the npm package, on loopback with a folder of its own: a server that does wrong without saying so. What it does is in test/dataplane/s3rver.test.ts.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import type { Server as HttpServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Server } from './swift-bucket.js';

/** Of the package, which declares no types, what is used here. */
type S3rver = new (options: {
  address: string;
  port: number;
  silent: boolean;
  directory: string;
  vhostBuckets: boolean;
  configureBuckets: { name: string }[];
}) => { httpServer: HttpServer; run(): Promise<AddressInfo>; close(): Promise<void> };

/** The one key that it knows; it compares no secret. */
export const S3RVER_KEYS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'no secret at all' };

/** Starts it with an empty bucket named `bucket`. */
export async function startS3rver(t: Test): Promise<Server & { folder: string }> {
  const { default: Server } = (await import(createRequire(import.meta.url).resolve('s3rver'))) as { default: S3rver };
  const folder = await mkdtemp(join(tmpdir(), 'as-s3rver-'));
  const server = new Server({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: folder,
    vhostBuckets: false,
    configureBuckets: [{ name: 'bucket' }],
  });
  const { port } = await server.run();
  t.teardown(async () => {
    server.httpServer.closeAllConnections();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return { endpoint: `http://127.0.0.1:${port}`, environment: S3RVER_KEYS, folder };
}
