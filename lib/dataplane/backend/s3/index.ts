/**
 * Opens the data plane whose bytes are on an S3-compatible store.
 *
 * Small objects are hashed in memory and stored in one request; large ones pass through the spool, a local data plane, which hashes and checks them, and go up in parts.
 * What is there already is not sent. What is read is verified here before it is given; the server is believed in nothing. Picked by the composition root. ADR 0030 says
 * why it is so; docs/operations.md, how to run it.
 *
 * plane.ts has the operations; intake.ts, reading.ts, removal.ts, listing.ts and upkeep.ts what they do; bucket.ts and requests.ts speak to the server.
 */

import { S3_NOTICES_KEPT } from '../../../limits.js';
import type { ClosableDataPlane } from '../../closable.js';
import type { Tier } from '../../spi.js';
import { Bucket } from './bucket.js';
import { CredentialChain, providersOf } from './credentials/chain.js';
import type { Environment, Provider } from './credentials/provider.js';
import { Keys } from './keys.js';
import { Marks } from './marks.js';
import { type PlaceSettings, placeOf } from './place.js';
import { S3DataPlane } from './plane.js';
import { NOTHING_HONOURED, probe } from './probe.js';
import { Requests } from './requests.js';
import { Spool } from './spool.js';

export interface S3Options extends PlaceSettings {
  /** `s3://bucket` or `s3://bucket/prefix`. The prefix is one store's own. */
  url: string;
  /** A local folder for objects and upload sessions that are on their way; of this process alone. Not needed to read. */
  spool: string;
  /** Never write. Default false. */
  readOnly?: boolean;
  /** How quickly objects come back from there, in receipts. Default `hot`. */
  tier?: Tier;
  /** Worker threads of the spool. */
  threads?: number;
  /** The variables in which credentials are looked for. Default: those of this process. */
  environment?: Environment;
  /** Told in a sentence what went wrong and was dealt with. */
  onNotice?: (sentence: string) => void;
  /** For tests: other places of credentials, bytes of a part, milliseconds after which an upload in parts is abandoned. */
  providers?: readonly Provider[];
  partSize?: number;
  abandonedMs?: number;
}

/**
 * Opens the data plane in a bucket.
 *
 * @throws AS_ERR_UNAVAILABLE: the server cannot be reached; AS_ERR_UNAUTHENTICATED, AS_ERR_FORBIDDEN: it does not let us in; AS_ERR_STORE_MISSING: there is no such bucket
 * @throws AS_ERR_STORE_LOCKED: another process has the spool; AS_ERR_INVALID_ARGUMENT, AS_ERR_IO, AS_ERR_NO_SPACE
 */
export async function openS3(options: S3Options): Promise<ClosableDataPlane> {
  const { url, readOnly = false, environment = process.env } = options;
  const { prefix, ...place } = await placeOf(url, options, environment);
  const chain = new CredentialChain(options.providers ?? providersOf(environment, place.region));
  const notices: string[] = [];
  const notice = (sentence: string) => {
    notices.push(sentence);
    if (notices.length > S3_NOTICES_KEPT) notices.shift();
    options.onNotice?.(sentence);
  };
  const requests = new Requests(place, chain, notice);
  let spool: Spool | undefined;
  try {
    const bucket = new Bucket(requests, notice);
    const keys = new Keys(prefix);
    const marks = new Marks(bucket, keys, readOnly);
    await marks.load();
    const findings = readOnly ? NOTHING_HONOURED : await probe(bucket, keys);
    spool = readOnly ? undefined : await Spool.open(options.spool, options.threads);
    const plane = new S3DataPlane({ options, requests, chain, bucket, keys, marks, findings, spool, notices });
    void plane.sweep();
    return plane;
  } catch (error) {
    await spool?.close();
    await requests.close();
    throw error;
  }
}
