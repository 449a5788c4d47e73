/**
 * Credentials and region in the profile files that AWS's tools share: ~/.aws/credentials and ~/.aws/config, or where AWS_SHARED_CREDENTIALS_FILE and
 * AWS_CONFIG_FILE say. The profile is that of AWS_PROFILE, else `default`.
 *
 * Keys only: profiles that have other programs run, or assume further roles, are said to be none of ours. Listed in chain.ts; the settings ask it for the region.
 */

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Environment, noCredentials, type Provider } from './provider.js';

/** The settings of one profile, from both files; those of `credentials` outrank. */
export async function readProfile(environment: Environment): Promise<Readonly<Record<string, string>> | undefined> {
  const profile = environment.AWS_PROFILE || 'default';
  const home = environment.HOME || homedir();
  const [config, credentials] = await Promise.all([
    sections(environment.AWS_CONFIG_FILE || join(home, '.aws', 'config')),
    sections(environment.AWS_SHARED_CREDENTIALS_FILE || join(home, '.aws', 'credentials')),
  ]);
  const found = [
    config.get(profile === 'default' ? 'default' : `profile ${profile}`),
    config.get(`profile ${profile}`),
    credentials.get(profile),
  ];
  return found.some((section) => section !== undefined) ? Object.assign({}, ...found) : undefined;
}

export function fromProfile(environment: Environment): Provider {
  const profile = environment.AWS_PROFILE || 'default';
  const name = `the profile "${profile}"`;
  return {
    name,
    load: async () => {
      const settings = await readProfile(environment);
      if (settings === undefined) {
        if (environment.AWS_PROFILE) throw noCredentials(name, 'no profile file has it');
        return undefined;
      }
      const {
        aws_access_key_id: accessKeyId,
        aws_secret_access_key: secretAccessKey,
        aws_session_token: sessionToken,
      } = settings;
      if (accessKeyId && secretAccessKey)
        return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
      if (accessKeyId || secretAccessKey)
        throw noCredentials(name, 'it has one of aws_access_key_id and aws_secret_access_key alone');
      const other = ['credential_process', 'role_arn', 'sso_session', 'sso_start_url'].find((key) => key in settings);
      if (other !== undefined) throw noCredentials(name, `it has ${other}, which is not supported here`);
      return undefined;
    },
  };
}

/** An INI file as its sections; empty when it is not there. */
async function sections(path: string): Promise<Map<string, Record<string, string>>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return new Map();
    throw noCredentials(path, (error as Error).message);
  }
  const found = new Map<string, Record<string, string>>();
  let current: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1]?.replace(/\s+/g, ' ');
    if (section !== undefined) {
      current = found.get(section) ?? {};
      found.set(section, current);
      continue;
    }
    const [, key, value] = /^([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? []; // an indented line belongs to a nested setting
    if (key !== undefined) current[key] = value ?? '';
  }
  return found;
}
