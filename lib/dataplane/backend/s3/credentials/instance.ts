/**
 * Credentials of the role of a virtual machine, from its metadata service, version 2 of the protocol: a token first, then what it lets read.
 *
 * Asked last, because where there is no such service asking costs its time limit. AWS_EC2_METADATA_DISABLED=true leaves it out. Listed in chain.ts.
 */

import { isStoreError } from '../../../../errors.js';
import { S3_METADATA_TIMEOUT_MS, S3_METADATA_TOKEN_S } from '../../../../limits.js';
import { ask, type Environment, type Provider, readServiceCredentials } from './provider.js';

const ENDPOINT = 'http://169.254.169.254';
const ROLES = '/latest/meta-data/iam/security-credentials/';

export function fromInstance(environment: Environment): Provider {
  const name = 'the instance metadata service';
  return {
    name,
    load: async () => {
      if (environment.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return undefined;
      const endpoint = (environment.AWS_EC2_METADATA_SERVICE_ENDPOINT || ENDPOINT).replace(/\/$/, '');
      const timeoutMs = S3_METADATA_TIMEOUT_MS;
      let token: string;
      try {
        const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': String(S3_METADATA_TOKEN_S) };
        token = await ask(`${endpoint}/latest/api/token`, name, { method: 'PUT', headers: ttl, timeoutMs });
      } catch (error) {
        if (isStoreError(error)) return undefined; // no such service here
        throw error;
      }
      const headers = { 'x-aws-ec2-metadata-token': token };
      const [role = ''] = (await ask(`${endpoint}${ROLES}`, name, { headers, timeoutMs })).trim().split('\n');
      const path = `${ROLES}${encodeURIComponent(role)}`;
      return readServiceCredentials(await ask(`${endpoint}${path}`, name, { headers, timeoutMs }), name);
    },
  };
}
