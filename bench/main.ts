/** `npm run bench -- <benchmark> [--json]`: starts one benchmark. Imports each only when it is asked for. */

import { parseArgs } from 'node:util';

/** Every benchmark, by name: runs it and gives the report and its rendering. */
const BENCHMARKS: Readonly<Record<string, (rounds: number | undefined) => Promise<{ report: object; text: string }>>> =
  {
    hash: async (rounds) => {
      const { measureHash, renderHash } = await import('./hash.js');
      const report = await measureHash(rounds === undefined ? {} : { rounds });
      return { report, text: renderHash(report) };
    },
  };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean' }, rounds: { type: 'string' } },
});
const run = BENCHMARKS[positionals[0] ?? ''];
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (run === undefined || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  console.error(`usage: npm run bench -- <${Object.keys(BENCHMARKS).join('|')}> [--json] [--rounds <count>]`);
  process.exitCode = 2;
} else {
  const { report, text } = await run(rounds);
  console.log(values.json ? JSON.stringify(report) : text.trimEnd());
}
