/** A bucket as the S3 backend sees it, for tests that look or do damage behind its back. */

import { Bucket } from '../../lib/dataplane/backend/s3/bucket.js';
import { CredentialChain } from '../../lib/dataplane/backend/s3/credentials/chain.js';
import { fromEnvironment } from '../../lib/dataplane/backend/s3/credentials/environment.js';
import { Requests } from '../../lib/dataplane/backend/s3/requests.js';

/** Where a server is, and what lets us in. */
export interface Server {
  endpoint: string;
  environment: Record<string, string>;
}

/** A bucket as the backend sees it, for looking and for damaging. */
export async function openBucket({ endpoint, environment }: Server, name: string) {
  const place = { bucket: name, region: 'us-east-1', endpoint, pathStyle: true };
  const requests = new Requests(place, new CredentialChain([fromEnvironment(environment)]), () => undefined);
  return { bucket: new Bucket(requests, () => undefined), requests, close: () => requests.close() };
}
