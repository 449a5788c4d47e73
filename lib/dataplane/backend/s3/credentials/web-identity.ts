/**
 * Credentials in exchange for a token that somebody else has issued, as Kubernetes gives its pods: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN and
 * AWS_ROLE_SESSION_NAME, taken to the security token service (AWS_ENDPOINT_URL_STS, else that of the region). Listed in chain.ts.
 */

import { readFile } from 'node:fs/promises';
import { elementText } from '../xml.js';
import { authoritiesFor } from './authorities.js';
import { ask, type Environment, noCredentials, type Provider } from './provider.js';

export function fromWebIdentity(environment: Environment, region: string): Provider {
  const name = 'the web identity';
  return {
    name,
    load: async () => {
      const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = environment;
      if (!file) return undefined;
      if (!role) throw noCredentials(name, 'AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not');
      let token: string;
      try {
        token = (await readFile(file, 'utf8')).trim();
      } catch (error) {
        throw noCredentials(name, (error as Error).message);
      }
      const form = new URLSearchParams({
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: role,
        RoleSessionName: environment.AWS_ROLE_SESSION_NAME || 'artifactstore',
        WebIdentityToken: token,
      });
      const endpoint = environment.AWS_ENDPOINT_URL_STS || `https://sts.${region}.amazonaws.com/`;
      const answer = await ask(endpoint, name, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
        authorities: await authoritiesFor(endpoint, environment),
      });
      const accessKeyId = elementText(answer, 'AccessKeyId');
      const secretAccessKey = elementText(answer, 'SecretAccessKey');
      const sessionToken = elementText(answer, 'SessionToken');
      const expires = Date.parse(elementText(answer, 'Expiration') ?? '');
      if (!accessKeyId || !secretAccessKey || !sessionToken) throw noCredentials(name, 'its answer has no credentials');
      return { accessKeyId, secretAccessKey, sessionToken, ...(!Number.isNaN(expires) && { expires }) };
    },
  };
}
