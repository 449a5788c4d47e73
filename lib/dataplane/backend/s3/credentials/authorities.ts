/**
 * Whom to trust with TLS in place of the system's authorities: AWS_CA_BUNDLE, else the profile's `ca_bundle`, as for AWS's own tools.
 *
 * Imports the profile files and errors. Called for the server, and for the token service.
 */

import { readFile } from 'node:fs/promises';
import { ArtifactStoreError } from '../../../../errors.js';
import { readProfile } from './profile.js';
import type { Environment } from './provider.js';

/**
 * The certificates for a URL, in PEM; undefined: those of the system count, or there is no TLS.
 *
 * @param profile the settings of the profile, where they have been read
 * @throws AS_ERR_INVALID_ARGUMENT: the file that is named cannot be read
 */
export async function authoritiesFor(
  url: string,
  environment: Environment,
  profile?: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  if (!url.startsWith('https:')) return undefined;
  const path = environment.AWS_CA_BUNDLE || (profile ?? (await readProfile(environment)))?.ca_bundle;
  if (!path) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `${path}, which AWS_CA_BUNDLE or the profile's ca_bundle names, cannot be read: ${(cause as Error).message}. Name a file of certificates in PEM.`,
      { path },
      { cause },
    );
  }
}
