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
import v8 = require('node:v8');
import vm = require('node:vm');

/** What the modules export where they stand in one file. */
interface Commands {
  run: () => Promise<void>;
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

/** Where V8's code of a bundle is kept: for each command on its own, since it holds what a command has run. */
function cacheOf(source: string): string {
  const command = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? 'any';
  const name = `commands-${source.slice(DIGEST.start, DIGEST.end)}-${process.version}-${process.arch}-${command}.cache`;
  return path.join(__dirname, name);
}

/** Keeps V8's code where it may be written: whoever may write there could change the code itself. */
function keep(cache: string, code: Buffer): void {
  const whole = `${cache}.${process.pid}.tmp`;
  try {
    const file = fs.openSync(whole, 'wx');
    fs.writeSync(file, code);
    fs.fsyncSync(file); // V8 takes it for what it was: after a power cut nothing half written may have the name
    fs.closeSync(file);
    fs.renameSync(whole, cache);
  } catch {
    fs.rmSync(whole, { force: true });
  }
}

async function main(): Promise<void> {
  // Most commands are over before compiling anything better has paid, and it takes the cores that the work needs: of a put of 10,000 files, a
  // tenth of its processor time. What runs for seconds still gets there; what runs for days and answers in microseconds must not wait for it.
  const isServer = process.argv.includes('serve') || process.argv.includes('dataplane');
  if (!isServer) v8.setFlagsFromString('--interrupt-budget=4000000');
  const source = process.argv.includes('bench') ? undefined : readIfThere(bundle)?.toString('latin1');
  if (source === undefined) return (await import('./run.js')).run();
  const cache = cacheOf(source);
  const cachedData = readIfThere(cache);
  const script = new vm.Script(source, {
    filename: bundle,
    ...(cachedData && { cachedData }),
  });
  const module: { exports: Partial<Commands> } = { exports: {} };
  script.runInThisContext()(module, module.exports, require, __dirname);
  await (module.exports as Commands).run();
  const known = cachedData !== undefined && script.cachedDataRejected === false;
  if (!known && (process.exitCode ?? 0) === 0) keep(cache, script.createCachedData());
}

main().then(
  // Standard input or a timer may still be open. What was written to stdout and stderr has been handed over: commands wait for that.
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
