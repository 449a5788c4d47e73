/**
 * Where the bytes of the tests' stores are, so that the tests of the service are tests of every data plane: what ARTIFACTSTORE_TEST_DATAPLANE says. Nothing: in this
 * process. `remote`: in a daemon. `tiered`: in this process, and there is a cold tier; `tiered-s3`: which is on OpenStack Swift. `s3`: on OpenStack Swift. `s3rver`: on that server.
 */

import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import t from 'tap';
import { type RunningSwift, startSwift } from '../../bench/s3/swift.js';
import { Keys } from '../../lib/dataplane/backend/s3/keys.js';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import type { StoreOptions } from '../../lib/index.js';
import { hostStore } from '../../lib/store/host.js';
import { flipStored } from '../dataplane/s3-support.js';
import { startS3rver } from '../support/s3rver.js';
import { damageStored } from '../support/stored.js';
import { openBucket, type Server } from '../support/swift-bucket.js';

/** The place of one store's bytes. */
interface Place {
  /** How the store is opened. */
  options: Partial<StoreOptions>;
  /** Flips one bit of a stored object. */
  damage(address: ContentAddress, offset: number): Promise<void>;
  /** The folder in which uploads under way are staged. */
  staging: string;
  close(): Promise<void>;
}

type Opener = (path: string) => Promise<Place>;

/** @param path of the store's folder */
const own: Opener = async (path) => ({
  options: {},
  damage: (address, offset) => damageStored(join(path, 'data'), address, offset),
  staging: join(path, 'data', 'staging'),
  close: async () => undefined,
});

/** Has the bytes of a store in a daemon. */
const inDaemon: Opener = async (path) => {
  const dataplane = `unix:${path}.socket`;
  const host = await hostStore({
    path,
    listen: [dataplane],
    software: 'test',
    readOnly: false,
    closeGraceMs: 0,
    onError: () => undefined,
  });
  return { ...(await own(path)), options: { dataplane }, close: () => host.close() };
};

/** Gives the store a cold tier in a folder of its own. */
const inTiers: Opener = async (path) => {
  const cold = `${path}.cold`;
  return { ...(await own(path)), options: { cold }, close: () => rm(cold, { recursive: true, force: true }) };
};

let swift: Promise<RunningSwift> | undefined;

/** One server for all stores of a process. */
function sharedSwift(): Promise<Server> {
  if (swift === undefined) {
    swift = startSwift();
    t.teardown(async () => (await swift)?.stop());
  }
  return swift;
}

let s3rver: Promise<Server> | undefined;

function sharedS3rver(): Promise<Server> {
  s3rver ??= startS3rver(t);
  return s3rver;
}

/** Has the bytes under a prefix of a bucket named `bucket`. */
const inBucket =
  (start: () => Promise<Server>): Opener =>
  async (path) => {
    const server = await start();
    Object.assign(process.env, server.environment);
    const prefix = basename(path);
    const { bucket, close } = await openBucket(server, 'bucket');
    const keys = new Keys(`${prefix}/`);
    return {
      options: { dataplane: `s3://bucket/${prefix}`, s3: { endpoint: server.endpoint } },
      damage: (address, offset) => flipStored(bucket, keys.object(address), offset),
      staging: join(path, 'spool', 'data', 'staging'),
      close,
    };
  };

/** Gives the store a cold tier in a bucket. */
const inTiersOnS3: Opener = async (path) => {
  const { options, close } = await inBucket(sharedSwift)(path);
  return { ...(await own(path)), options: { cold: options.dataplane as string, s3: options.s3 ?? {} }, close };
};

const OPENERS: Readonly<Record<string, Opener>> = {
  own,
  remote: inDaemon,
  tiered: inTiers,
  'tiered-s3': inTiersOnS3,
  s3: inBucket(sharedSwift),
  s3rver: inBucket(sharedS3rver),
};

/** Where bytes are: one of `OPENERS`. */
export function placeName(): string {
  return process.env.ARTIFACTSTORE_TEST_DATAPLANE || 'own';
}

/** By the folder of their store. */
const places = new Map<string, Place>();

/**
 * Prepares the place of a store's bytes.
 *
 * @param isOwn they are in this process whatever is said: the store has been there before
 * @param name of the place
 */
export async function openPlace(path: string, isOwn: boolean, name = placeName()): Promise<Place> {
  const opener = isOwn ? own : OPENERS[name];
  if (opener === undefined)
    throw new Error(`ARTIFACTSTORE_TEST_DATAPLANE is ${name}, not one of ${Object.keys(OPENERS)}`);
  const place = await opener(path);
  places.set(path, place);
  return place;
}

/** Flips one bit of an object of the store in a folder. */
export async function damage(path: string, address: string, offset: number): Promise<void> {
  await places.get(path)?.damage(address as ContentAddress, offset);
}

/** Files that an upload under way has, and that none may leave behind. */
export async function stagedFiles(path: string): Promise<string[]> {
  return readdir(places.get(path)?.staging ?? path);
}
