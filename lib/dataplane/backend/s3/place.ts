/**
 * Where the server is, from what was set and from what AWS's own tools would take: variables and the profile.
 *
 * Imports the profile files and errors. Called when the backend is opened.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { authoritiesFor } from './credentials/authorities.js';
import { readProfile } from './credentials/profile.js';
import type { Environment } from './credentials/provider.js';
import { parseS3Url } from './keys.js';
import type { Place } from './requests.js';

const REGION_DEFAULT = 'us-east-1';

/** What may be set of a place; what is not is found elsewhere. */
export interface PlaceSettings {
  /** `https://host` or `http://host:port`. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's `endpoint_url`, else AWS's in the region. */
  endpoint?: string;
  /** Default: AWS_REGION, AWS_DEFAULT_REGION, the profile's `region`, else `us-east-1`. */
  region?: string;
  /** The bucket in the path, or in the name of the host. Default: `path`, except on AWS. */
  addressing?: 'path' | 'host';
}

/**
 * Where a bucket is, and under which prefix objects are.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: the URL or the endpoint is none, or the certificates cannot be read
 */
export async function placeOf(
  url: string,
  settings: PlaceSettings,
  environment: Environment,
): Promise<Place & { prefix: string }> {
  const { bucket, prefix } = parseS3Url(url);
  const profile = (await readProfile(environment)) ?? {};
  const first = (...values: (string | undefined)[]) => values.find((value) => value !== undefined && value !== '');
  const { AWS_REGION, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = environment;
  const region = first(settings.region, AWS_REGION, AWS_DEFAULT_REGION, profile.region) ?? REGION_DEFAULT;
  const named = first(settings.endpoint, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, profile.endpoint_url);
  const endpoint = checkEndpoint(named ?? `https://s3.${region}.amazonaws.com`);
  const addressing = settings.addressing ?? (named === undefined ? 'host' : 'path');
  const authorities = await authoritiesFor(endpoint, environment, profile);
  const pathStyle = addressing === 'path';
  return { bucket, prefix, region, endpoint, pathStyle, ...(authorities !== undefined && { authorities }) };
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const isBare =
    url !== undefined && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (isBare && (url.protocol === 'https:' || url.protocol === 'http:')) return endpoint;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    'What was given as the endpoint of S3 is none: write https://host or http://host:port, without a user.',
  );
}
