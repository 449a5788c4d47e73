/**
 * The one script that builds the native addon: it runs CMake on CMakeLists.txt and puts the result where node-gyp-build
 * finds it. Called by `npm run build:native`, by `prepare` (`--if-missing`), and by binding.gyp (`--out`), so every way of
 * building gives the same file. Imports only Node's own modules: it must run before anything else is built.
 *
 * Usage: node native/build.mjs [--if-missing] [--out <file>]
 *   --if-missing   do nothing when node-gyp-build already finds a binary that loads
 *   --out <file>   where the addon goes; default: prebuilds/<platform>-<arch>/artifactstore.node
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const hostName = `${process.platform}-${process.arch}`;
const buildFolder = join(root, 'out', 'cmake', hostName);
const prebuild = join(root, 'prebuilds', hostName, 'artifactstore.node');

/** A failure with a sentence for people; anything else that is thrown is a bug and shows its stack. */
class BuildError extends Error {}

/** What CMake says when something is not installed, and the sentence that helps. First match wins. */
const PROBLEMS = [
  [
    /CMAKE_MAKE_PROGRAM is not set|unable to find a build program/,
    'CMake found no build program. Install make or ninja (Debian and Ubuntu: apt-get install make) and repeat.',
  ],
  [
    /No CMAKE_C(XX)?_COMPILER could be found|Could not find compiler set|The C(XX)? compiler .* is not able to compile/s,
    'No working C and C++ compiler was found. Install one (Debian and Ubuntu: apt-get install build-essential; ' +
      'Fedora: dnf install gcc-c++ make; Alpine: apk add build-base; macOS: xcode-select --install) and repeat.',
  ],
  [/CMake [\d.]+ or higher is required/, 'The installed CMake is too old. Install CMake 3.22 or newer and repeat.'],
  [
    /Cannot find module '(node-api-headers|node-addon-api)'/,
    'The Node-API headers are not installed. Run `npm ci` (or `npm install`) in this package and repeat.',
  ],
];

/**
 * make and gyp describe themselves to their children in the environment. Inside CMake's own build these would change
 * the number of jobs, the make flags and the build type, so the addon would depend on who asked for it.
 */
function cleanEnvironment() {
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, BUILDTYPE, ...rest } = process.env;
  return rest;
}

/** Runs CMake and shows what it printed only when it fails or the compiler warns: `npm ci` stays quiet. */
function runCMake(args) {
  const run = spawnSync('cmake', args, { cwd: root, env: cleanEnvironment(), encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.error?.code === 'ENOENT') {
    throw new BuildError(
      'CMake is not installed, and no prebuilt addon for this machine is there. Install CMake 3.22 or newer ' +
        '(Debian and Ubuntu: apt-get install cmake; Fedora: dnf install cmake; Alpine: apk add cmake; ' +
        'macOS: brew install cmake) and repeat.',
    );
  }
  if (run.error) throw new BuildError(`CMake could not be started: ${run.error.message}.`);
  const output = `${run.stdout}${run.stderr}`;
  if (run.status !== 0 || output.includes('warning:')) process.stderr.write(output);
  if (run.status === 0) return;
  const [, advice] = PROBLEMS.find(([pattern]) => pattern.test(output)) ?? [];
  const how = run.signal ? `was ended by ${run.signal}` : `failed with exit code ${run.status}`;
  throw new BuildError(advice ?? `\`cmake ${args.join(' ')}\` ${how}; the reason stands above.`);
}

/** CMake refuses a build folder that was configured for another place; a moved or copied checkout starts afresh. */
function dropForeignBuildFolder() {
  const cache = join(buildFolder, 'CMakeCache.txt');
  if (!existsSync(cache)) return;
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(readFileSync(cache, 'utf8'))?.[1];
  if (home !== root) rmSync(buildFolder, { recursive: true });
}

/** Whether node-gyp-build finds an addon that loads here. Asked in a child: a broken binary may end its process. */
function addonLoads() {
  const load = `require('node-gyp-build')(${JSON.stringify(root)})`;
  return spawnSync(process.execPath, ['-e', load], { cwd: root, stdio: 'ignore' }).status === 0;
}

/** Copies beside the destination and renames: a process that has the old addon mapped keeps it whole. */
function install(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  copyFileSync(from, temporary);
  renameSync(temporary, to);
}

function main() {
  const { values } = parseArgs({ options: { 'if-missing': { type: 'boolean' }, out: { type: 'string' } } });
  if (values['if-missing'] && addonLoads()) return;
  const started = performance.now();
  dropForeignBuildFolder();
  runCMake(['-S', root, '-B', buildFolder, '-DCMAKE_BUILD_TYPE=Release', '-DAS_BUILD_ADDON=ON']);
  runCMake(['--build', buildFolder, '--target', 'artifactstore', '--parallel', String(availableParallelism())]);
  const destination = values.out ? resolve(values.out) : prebuild;
  install(join(buildFolder, 'artifactstore.node'), destination);
  // node-gyp-build prefers build/Release: what an earlier node-gyp run left there would hide the addon just built.
  if (!values.out) rmSync(join(root, 'build', 'Release', 'artifactstore.node'), { force: true });
  console.log(`built ${destination} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof BuildError) && error?.code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') throw error;
  console.error(`artifactstore: ${error.message}`);
  process.exitCode = 1;
}
