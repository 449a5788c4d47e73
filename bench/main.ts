/** `npm run bench -- <benchmark> …`: starts one benchmark. Imports each only when it is asked for. */

import { parseArgs } from 'node:util';

/** Every benchmark, by name; each takes the words after its name. */
const BENCHMARKS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  hash: benchHash,
  events: benchEvents,
  chunk: async (args) => (await import('./chunk.js')).benchChunk(args),
};

async function benchHash(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' }, rounds: { type: 'string' } } });
  const rounds = values.rounds === undefined ? undefined : count(values.rounds, '--rounds');
  const { measureHash, renderHash } = await import('./hash.js');
  const report = await measureHash(rounds === undefined ? {} : { rounds });
  console.log(values.json ? JSON.stringify(report) : renderHash(report).trimEnd());
}

async function benchEvents(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean' }, rounds: { type: 'string' }, objects: { type: 'string' } },
  });
  const { measureEvents, renderEvents } = await import('./events.js');
  const report = await measureEvents({
    ...(values.rounds !== undefined && { rounds: count(values.rounds, '--rounds') }),
    ...(values.objects !== undefined && { objects: count(values.objects, '--objects') }),
  });
  console.log(values.json ? JSON.stringify(report) : renderEvents(report));
}

function count(text: string, name: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value > 0)) throw new TypeError(`${name} takes a count`);
  return value;
}

const [name = '', ...args] = process.argv.slice(2);
const usage = `usage: npm run bench -- <${Object.keys(BENCHMARKS).join('|')}> [--json] [--rounds <count>] [--objects <count>]`;
try {
  if (!Object.hasOwn(BENCHMARKS, name)) throw new TypeError(`there is no benchmark "${name}"`);
  await BENCHMARKS[name]?.(args);
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n${usage}`);
  process.exitCode = 2;
}
