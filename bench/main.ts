/** `npm run bench -- <benchmark> …`: starts one benchmark. Imports each only when it is asked for. */

import { parseArgs } from 'node:util';

/** Every benchmark, by name; each takes the words after its name. */
const BENCHMARKS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  hash: benchHash,
  chunk: async (args) => (await import('./chunk.js')).benchChunk(args),
};

async function benchHash(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' }, rounds: { type: 'string' } } });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new TypeError('--rounds takes a count');
  const { measureHash, renderHash } = await import('./hash.js');
  const report = await measureHash(rounds === undefined ? {} : { rounds });
  console.log(values.json ? JSON.stringify(report) : renderHash(report).trimEnd());
}

const [name = '', ...args] = process.argv.slice(2);
const usage = `usage: npm run bench -- <${Object.keys(BENCHMARKS).join('|')}> [--json] [--rounds <count>]`;
try {
  if (!Object.hasOwn(BENCHMARKS, name)) throw new TypeError(`there is no benchmark "${name}"`);
  await BENCHMARKS[name]?.(args);
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n${usage}`);
  process.exitCode = 2;
}
