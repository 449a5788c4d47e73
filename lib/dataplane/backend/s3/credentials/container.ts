/**
 * Credentials from the endpoint that a container service offers its containers: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or
 * AWS_CONTAINER_CREDENTIALS_FULL_URI, with AWS_CONTAINER_AUTHORIZATION_TOKEN or the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names.
 *
 * A full URI without TLS may lead to this machine only, so that a variable cannot send the token elsewhere. Listed in chain.ts.
 */

import { readFile } from 'node:fs/promises';
import { ask, type Environment, noCredentials, type Provider, readServiceCredentials } from './provider.js';

const RELATIVE_TO = 'http://169.254.170.2';
/** Besides loopback: where the container services of AWS answer. */
const HOSTS = ['169.254.170.2', '169.254.170.23', '[fd00:ec2::23]', 'localhost', '[::1]'];

export function fromContainer(environment: Environment): Provider {
  const name = 'the container endpoint';
  return {
    name,
    load: async () => {
      const url = urlOf(environment, name);
      if (url === undefined) return undefined;
      const file = environment.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE;
      const token = file ? await tokenIn(file, name) : environment.AWS_CONTAINER_AUTHORIZATION_TOKEN;
      const text = await ask(url, name, { ...(token && { headers: { authorization: token } }) });
      return readServiceCredentials(text, name);
    },
  };
}

function urlOf(environment: Environment, name: string): string | undefined {
  const relative = environment.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  if (relative) return `${RELATIVE_TO}${relative.startsWith('/') ? '' : '/'}${relative}`;
  const full = environment.AWS_CONTAINER_CREDENTIALS_FULL_URI;
  if (!full) return undefined;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const isNear = url?.protocol === 'http:' && (HOSTS.includes(url.hostname) || /^127(\.\d+){3}$/.test(url.hostname));
  if (url?.protocol === 'https:' || isNear) return full;
  throw noCredentials(name, 'AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine');
}

async function tokenIn(file: string, name: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw noCredentials(name, (error as Error).message);
  }
}
