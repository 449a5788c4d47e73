/** `npm run bench -- <benchmark> …`: starts one benchmark. Imports each only when it is asked for. */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isUsageError, listOf, positiveInteger, UsageError } from './arguments.js';

interface Benchmark {
  usage: string;
  /** Takes the words after its name. */
  run: (args: string[]) => Promise<void>;
}

/** Every benchmark, by name. */
const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  hash: { usage: '[--rounds <count>] [--only library,kernels,files] [--svg <file>] [--json]', run: benchHash },
  ingest: {
    usage:
      '[--rounds <count>] [--only <parts>] [--files <count>] [--size <bytes>] [--folder <path>] [--quick] [--json]',
    run: async (args) => (await import('./ingest/command.js')).benchIngest(args),
  },
  http: {
    usage:
      '[--rounds <count>] [--only <parts>] [--size <bytes>] [--seconds <count>] [--files <count>] [--readers <count>] [--folder <path>] [--json]',
    run: async (args) => (await import('./http/command.js')).benchHttp(args),
  },
  events: { usage: '[--rounds <count>] [--objects <count>] [--json]', run: benchEvents },
  push: { usage: '[--rounds <count>] [--files <count>] [--size <bytes>] [--folder <path>] [--json]', run: benchPush },
  sweep: {
    usage: '[--objects <count>] [--size <bytes>] [--folder <path>] [--json]',
    run: async (args) => (await import('./sweep/command.js')).benchSweep(args),
  },
  plan: {
    usage: '[--objects <count>] [--versions <count>] [--rounds <count>] [--folder <path>] [--json]',
    run: benchPlan,
  },
  remote: {
    usage: '[--rounds <count>] [--only <parts>] [--size <bytes>] [--objects <count>] [--folder <path>] [--json]',
    run: async (args) => (await import('./remote/command.js')).benchRemote(args),
  },
  s3: {
    usage: '[--rounds <count>] [--size <bytes>] [--tls] [--folder <path>] [--json]',
    run: async (args) => (await import('./s3/command.js')).benchS3(args),
  },
  tiers: {
    usage: '[--rounds <count>] [--size <bytes>] [--files <count>] [--folder <path>] [--json]',
    run: async (args) => (await import('./tiers/command.js')).benchTiers(args),
  },
  chunk: {
    usage: '[--rounds <count>] [--average <bytes>] [--edits <count>] [--json] [<file or folder> …]',
    run: async (args) => (await import('./chunk.js')).benchChunk(args),
  },
};

async function benchHash(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      svg: { type: 'string' },
    },
  });
  const { HASH_PARTS, measureHash } = await import('./hash.js');
  const report = await measureHash({
    ...(values.rounds !== undefined && { rounds: positiveInteger('--rounds', values.rounds) }),
    ...(values.only !== undefined && { parts: listOf('--only', values.only, HASH_PARTS) }),
  });
  if (values.svg !== undefined) writeFileSync(values.svg, (await import('./hash/picture.js')).drawHash(report));
  if (values.json) console.log(JSON.stringify(report));
  else console.log((await import('./hash/report.js')).renderHash(report).trimEnd());
}

async function benchPlan(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean' },
      objects: { type: 'string' },
      versions: { type: 'string' },
      rounds: { type: 'string' },
      folder: { type: 'string' },
    },
  });
  const { measurePlan, renderPlan } = await import('./plan.js');
  const report = await measurePlan({
    ...(values.objects !== undefined && { objects: positiveInteger('--objects', values.objects) }),
    ...(values.versions !== undefined && { versions: positiveInteger('--versions', values.versions) }),
    ...(values.rounds !== undefined && { rounds: positiveInteger('--rounds', values.rounds) }),
    ...(values.folder !== undefined && { folder: values.folder }),
  });
  console.log(values.json ? JSON.stringify(report) : renderPlan(report));
}

async function benchEvents(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean' }, rounds: { type: 'string' }, objects: { type: 'string' } },
  });
  const { measureEvents, renderEvents } = await import('./events.js');
  const report = await measureEvents({
    ...(values.rounds !== undefined && { rounds: positiveInteger('--rounds', values.rounds) }),
    ...(values.objects !== undefined && { objects: positiveInteger('--objects', values.objects) }),
  });
  console.log(values.json ? JSON.stringify(report) : renderEvents(report));
}

async function benchPush(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean' },
      rounds: { type: 'string' },
      files: { type: 'string' },
      size: { type: 'string' },
      folder: { type: 'string' },
    },
  });
  const { measurePush, renderPush } = await import('./push.js');
  const { readSize } = await import('./sizes.js');
  const report = await measurePush({
    ...(values.rounds !== undefined && { rounds: positiveInteger('--rounds', values.rounds) }),
    ...(values.files !== undefined && { files: positiveInteger('--files', values.files) }),
    ...(values.size !== undefined && { fileSize: readSize(values.size) }),
    ...(values.folder !== undefined && { folder: values.folder }),
  });
  console.log(values.json ? JSON.stringify(report) : renderPush(report));
}

const [name = '', ...args] = process.argv.slice(2);
const lines = Object.entries(BENCHMARKS).map(([name, { usage }]) => `  npm run bench -- ${name} ${usage}`);
try {
  if (!Object.hasOwn(BENCHMARKS, name)) throw new UsageError(`there is no benchmark "${name}"`);
  await BENCHMARKS[name]?.run(args);
} catch (error) {
  if (!isUsageError(error)) throw error;
  console.error(`${error.message}\nusage:\n${lines.join('\n')}`);
  process.exitCode = 2;
}
