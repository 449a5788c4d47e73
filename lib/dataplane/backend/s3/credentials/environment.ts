/** Credentials in the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Listed in chain.ts. */

import { type Environment, noCredentials, type Provider } from './provider.js';

export function fromEnvironment(environment: Environment): Provider {
  const name = 'the environment';
  return {
    name,
    load: async () => {
      const accessKeyId = environment.AWS_ACCESS_KEY_ID;
      const secretAccessKey = environment.AWS_SECRET_ACCESS_KEY;
      const sessionToken = environment.AWS_SESSION_TOKEN;
      if (!accessKeyId && !secretAccessKey) return undefined;
      if (!accessKeyId) throw noCredentials(name, 'AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not');
      if (!secretAccessKey) throw noCredentials(name, 'AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not');
      return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
    },
  };
}
