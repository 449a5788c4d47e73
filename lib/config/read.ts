/**
 * Reads a configuration file: JSON that fits the schema, or an error that says everything that is wrong with it.
 *
 * Imports `node:fs`, ajv, the schema, errors and limits. Loaded by the command line only where a file is named, because ajv takes its time to load.
 */

import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ArtifactStoreError } from '../errors.js';
import { CONFIG_SIZE_MAX } from '../limits.js';
import { isServiceUrl } from '../service-url.js';
import { problemOf } from './problems.js';
import { configurationSchema } from './schema.js';
import { type Configuration, SECTIONS } from './sections.js';
import type { Section } from './setting.js';

/**
 * What a file says. Relative paths in it are resolved: they count from its folder.
 *
 * @throws AS_ERR_CONFIG: it cannot be read, is not JSON, or does not fit the schema; `details.problems` has a sentence for each thing that is wrong
 */
export async function readConfiguration(file: string): Promise<Configuration> {
  const value = parse(await readText(file), file);
  const validate = new Ajv2020({ allErrors: true, verbose: true }).compile<Configuration>(configurationSchema());
  if (!validate(value)) throw refused(file, (validate.errors ?? []).map(problemOf));
  return withPaths(value, dirname(resolve(file)));
}

async function readText(file: string): Promise<string> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      if (size > CONFIG_SIZE_MAX) throw refused(file, [`It has ${size} bytes, more than ${CONFIG_SIZE_MAX}.`]);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof ArtifactStoreError) throw cause;
    throw refused(file, [`It cannot be read: ${(cause as Error).message}.`], cause);
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    const position = /at position (\d+)/.exec(message)?.[1];
    const before = text.slice(0, Number(position ?? 0)).split('\n');
    const place = position && ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
    throw refused(file, [`It is not JSON: ${message.replace(/ in JSON at position.*/s, '')}${place ?? ''}.`], cause);
  }
}

function withPaths(written: Configuration, folder: string): Configuration {
  const resolved: Record<string, Record<string, unknown>> = {};
  for (const [name, section] of Object.entries<Section>(SECTIONS)) {
    const values = written[name as keyof Configuration];
    if (values === undefined) continue;
    const entries = Object.entries<unknown>(values);
    resolved[name] = Object.fromEntries(
      entries.map(([key, value]) => [key, section[key]?.isPath ? resolvePath(folder, String(value)) : value]),
    );
  }
  return resolved as Configuration;
}

/** A store may be a service, and a tier in a daemon or further away: these are nowhere in this folder. */
function resolvePath(folder: string, value: string): string {
  return isServiceUrl(value) || /^[a-z0-9]+:/.test(value) ? value : resolve(folder, value);
}

function refused(file: string, problems: readonly string[], cause?: unknown): ArtifactStoreError {
  const more = problems.length > 1 ? ` There is more: artifactstore config check ${file}` : '';
  return new ArtifactStoreError('AS_ERR_CONFIG', `${file}: ${problems[0]}${more}`, { file, problems }, { cause });
}
