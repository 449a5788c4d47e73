#!/usr/bin/env node
/**
 * The executable. To read some two hundred modules one by one takes longer than many a command does, so they stand in one file, commands.cjs,
 * which `npm run build` makes of them (bundle.mjs); and what V8 made of that file is kept beside it for the next time. Where there is no such
 * file, and for the benchmarks, which start programs by where they stand, the modules are read as they are.
 *
 * Started by a person, `npm start` or the tests; imported by nobody. A CommonJS module, because that starts sooner.
 */

import fs = require('node:fs');
import path = require('node:path');
import vm = require('node:vm');

/** What the modules export where they stand in one file. */
interface Commands {
  run: (onLoaded?: () => void) => Promise<void>;
}

/** Of the bundle's first line, a comment: the digest of what follows, by which a copy of V8's is known to be of this very file. */
const DIGEST = { start: 3, end: 19 };

const bundle = path.join(__dirname, 'commands.cjs');

function readIfThere(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Runs of a command that keep what they have run, each with what those before it had: the first may have had little to do. */
const KEEPING_RUNS = 3;

/** V8's code of the bundle after so many runs of this command, of which each has kept what it had run; 0: none has. */
interface Kept {
  runs: number;
  code?: Buffer;
}

/** Where it is kept: for each command on its own, since it holds what a command has run. */
function placeOf(source: string, runs: number): string {
  const command = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? 'any';
  const digest = source.slice(DIGEST.start, DIGEST.end);
  return path.join(__dirname, `commands-${digest}-${process.version}-${process.arch}-${command}-${runs}.cache`);
}

function findKept(source: string): Kept {
  for (let runs = KEEPING_RUNS; runs > 0; runs--) {
    const code = readIfThere(placeOf(source, runs));
    if (code !== undefined) return { runs, code };
  }
  return { runs: 0 };
}

/** Keeps V8's code where it may be written: whoever may write there could change the code itself. */
function keep(source: string, runs: number, code: Buffer): void {
  const place = placeOf(source, runs);
  const whole = `${place}.${process.pid}.tmp`;
  try {
    const file = fs.openSync(whole, 'wx');
    fs.writeSync(file, code);
    fs.fsyncSync(file); // V8 takes it for what it was: after a power cut nothing half written may have the name
    fs.closeSync(file);
    fs.renameSync(whole, place);
    for (let other = 1; other <= KEEPING_RUNS; other++)
      if (other !== runs) fs.rmSync(placeOf(source, other), { force: true });
  } catch {
    fs.rmSync(whole, { force: true });
  }
}

/**
 * Most commands are over before compiling anything better has paid, and it takes the cores that the work needs: of a put of 10,000 files, a
 * fifth of its processor time. What runs for seconds still gets there; what runs for days and answers in microseconds must not wait for it.
 */
function compileLate(): void {
  const isServer = process.argv.includes('serve') || process.argv.includes('dataplane');
  if (!isServer) (require('node:v8') as typeof import('node:v8')).setFlagsFromString('--interrupt-budget=4000000');
}

async function main(): Promise<void> {
  const source = process.argv.includes('bench') ? undefined : readIfThere(bundle)?.toString('latin1');
  if (source === undefined) return (await import('./run.js')).run(compileLate);
  const kept = findKept(source);
  const script = new vm.Script(source, { filename: bundle, ...(kept.code && { cachedData: kept.code }) });
  const runs = script.cachedDataRejected === false ? kept.runs : 0;
  const module: { exports: Partial<Commands> } = { exports: {} };
  script.runInThisContext()(module, module.exports, require, __dirname);
  // V8 takes what was kept only under the flags under which it was made, so a run that keeps it goes without.
  const keeps = runs < KEEPING_RUNS;
  await (module.exports as Commands).run(keeps ? undefined : compileLate);
  if (keeps && (process.exitCode ?? 0) === 0) keep(source, runs + 1, script.createCachedData());
}

main().then(
  // Standard input or a timer may still be open. What was written to stdout and stderr has been handed over: commands wait for that.
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
