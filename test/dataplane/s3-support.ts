/**
 * What the tests of the S3 backend against OpenStack Swift share: a server with a bucket, and data planes in it.
 *
 * Without Swift's packages nothing of them runs, and the report says so; `.ci/run` installs them.
 */

import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { missingForSwift, startSwift } from '../../bench/s3/swift.js';
import type { Bucket } from '../../lib/dataplane/backend/s3/bucket.js';
import { collect } from '../../lib/dataplane/backend/s3/download.js';
import { openS3, type S3Options } from '../../lib/dataplane/backend/s3/index.js';
import { Keys } from '../../lib/dataplane/backend/s3/keys.js';
import type { ByteSource, ContentAddress } from '../../lib/dataplane/spi.js';
import { openBucket, type Server } from '../support/swift-bucket.js';

let names = 0;
export const newPrefix = () => `p${++names}`;

export async function newFolder(t?: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'as-s3-'));
  t?.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A data plane in a prefix of its own, and its bucket as anybody else sees it. */
export async function openSubject(server: Server, options: Partial<S3Options> = {}) {
  const spool = await newFolder();
  const prefix = newPrefix();
  const { endpoint, environment } = server;
  const given = { url: `s3://bucket/${prefix}`, spool, endpoint, environment, ...options };
  let plane = await openS3(given);
  const { bucket, close } = await openBucket(server, 'bucket');
  const keys = new Keys(`${prefix}/`);
  return {
    plane,
    bucket,
    keys,
    damage: (address: ContentAddress, offset: number) => flipStored(bucket, keys.object(address), offset),
    sessions: {
      reopen: async () => {
        await plane.close();
        plane = await openS3(given);
        return plane;
      },
    },
    close: async () => {
      await plane.close();
      await close();
      await rm(spool, { recursive: true });
    },
  };
}

/** Flips one bit of what is stored, and nothing else. */
export async function flipStored(bucket: Bucket, key: string, offset: number) {
  const stored = await bucket.get(key);
  if (stored === undefined) throw new Error(`${key} is not there to be damaged`);
  const bytes = await collect(stored.body, stored.size);
  bytes[offset] = (bytes[offset] as number) ^ 0x10;
  await bucket.put(key, { body: bytes, sha256: createHash('sha256').update(bytes).digest('hex') });
}

export async function* stream(bytes: Uint8Array): ByteSource & AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 300_000) yield bytes.subarray(at, at + 300_000);
}

/** Runs tests against Swift with an empty bucket named `bucket`; says loudly why not where it cannot. */
export async function withSwift(run: (server: Server) => Promise<void>): Promise<void> {
  const missing = missingForSwift();
  if (missing.length > 0) {
    const packages = 'swift-proxy swift-account swift-container swift-object memcached';
    t.comment(`\n\n***** NOT RUN: THE S3 BACKEND AGAINST A REAL SERVER *****`);
    t.comment(`***** ${missing.join(', ')} missing: apt-get install ${packages} *****\n\n`);
    t.pass('Swift is not installed, so nothing was tested');
    return;
  }
  const swift = await startSwift();
  t.teardown(() => swift.stop());
  await run(swift);
}
