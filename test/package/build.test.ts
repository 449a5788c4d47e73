/**
 * The native build: every way of building gives the same addon, nothing is built that is not needed, and what is missing on a machine
 * is said in words. Works in a copy of the native sources, so the checkout's own binary is left alone.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';
import { loadFrom } from '../../lib/native/load.js';

// Compiles the addon twice.

const root = resolve(import.meta.dirname, '../../..');
const host = `${process.platform}-${process.arch}`;

/** Inside the checkout, so that the Node-API headers and the build tools are found as they are there. */
const copy = t.testdir();
const prebuild = join(copy, 'prebuilds', host, 'artifactstore.node');
for (const name of ['native', 'CMakeLists.txt', 'binding.gyp', 'package.json']) {
  cpSync(join(root, name), join(copy, name), { recursive: true });
}

/** node-gyp wants Node's headers even for a target that compiles nothing; most installations carry them. */
const headers = [process.env.npm_config_nodedir, dirname(dirname(process.execPath))].find(
  (folder) => folder !== undefined && existsSync(join(folder, 'include/node/common.gypi')),
);

function run(command: string, args: string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, npm_config_nodedir: headers, ...environment };
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: copy, env, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}${error ?? ''}` };
}

const build = (args: string[], environment?: NodeJS.ProcessEnv) =>
  run(process.execPath, ['native/build.mjs', ...args], environment);

const tool = (name: string, ...args: string[]) => run(join(root, 'node_modules/.bin', name), args);

/** The bytes of an addon without its symbol table, which prebuildify takes off. */
function stripped(file: string): Buffer {
  const bare = join(copy, 'stripped.node');
  copyFileSync(file, bare);
  const { status, output } = run('strip', process.platform === 'darwin' ? ['-Sx', bare] : ['--strip-all', bare]);
  t.equal(status, 0, `strip ${file}: ${output}`);
  return readFileSync(bare);
}

t.test('without CMake the message says what to install', async (t) => {
  const { status, output } = build(['--if-missing'], { PATH: '/nonexistent' });
  t.equal(status, 1);
  t.match(output, /CMake is not installed, .* Install CMake 3\.22 or newer/s);
});

t.test('without a compiler the message says what to install', async (t) => {
  const { status, output } = build([], { CC: '/nonexistent/cc', CXX: '/nonexistent/c++' });
  t.equal(status, 1);
  t.match(output, /No working C and C\+\+ compiler was found\. Install one/);
});

t.test('every way of building gives the same addon', async (t) => {
  // What make tells its children must not change the build: these would break it or make it a debug build.
  const direct = build([], { MAKEFLAGS: '--no-such-flag', MFLAGS: '-n', MAKELEVEL: '1', BUILDTYPE: 'Debug' });
  t.equal(direct.status, 0, direct.output);
  const expected = stripped(prebuild);

  const cmakeJs = tool('cmake-js', 'build', '-O', 'out/cmake-js');
  t.equal(cmakeJs.status, 0, cmakeJs.output);
  t.ok(stripped(join(copy, 'out/cmake-js/Release/artifactstore.node')).equals(expected), 'cmake-js');

  if (headers === undefined) {
    t.comment('node-gyp and prebuildify are not tried: this Node came without its headers (include/node/common.gypi)');
    return;
  }
  const gyp = tool('node-gyp', 'rebuild');
  t.equal(gyp.status, 0, gyp.output);
  t.ok(stripped(join(copy, 'build/Release/artifactstore.node')).equals(expected), 'node-gyp');

  const prebuildify = tool('prebuildify', '--napi', '--strip');
  t.equal(prebuildify.status, 0, prebuildify.output);
  t.ok(readFileSync(prebuild).equals(expected), 'prebuildify');
});

t.test('the addon shares nothing with its neighbours', { skip: process.platform !== 'linux' }, async (t) => {
  const symbols = run('nm', ['-D', '--defined-only', '--format=posix', prebuild]);
  const names = symbols.output
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0]);
  t.strictSame(names.sort(), ['napi_register_module_v1', 'node_api_module_get_api_version_v1'], 'exports');
  const libraries = run('readelf', ['--wide', '--dynamic', prebuild]).output.match(/(?<=NEEDED.*\[)[^\]]+/g);
  t.strictSame(
    libraries?.filter((name) => /stdc\+\+|libgcc/.test(name)),
    [],
    'no C++ or compiler library is needed',
  );
  const stack = run('readelf', ['--wide', '--segments', prebuild]).output.match(/GNU_STACK.*/)?.[0];
  t.match(stack, / RW /, 'the stack is not executable');
});

t.test('a build clears what would hide its result', async (t) => {
  const hiding = join(copy, 'build/Release/artifactstore.node');
  cpSync(prebuild, hiding);
  t.equal(build([]).status, 0);
  t.notOk(existsSync(hiding));
  t.strictSame(readdirSync(dirname(prebuild)), ['artifactstore.node'], 'no temporary file is left');
});

t.test('prepare builds only when no binary loads', async (t) => {
  const withoutCMake = build(['--if-missing'], { PATH: '/nonexistent' });
  t.equal(withoutCMake.status, 0, 'a loadable binary needs no CMake');

  writeFileSync(prebuild, 'not an addon');
  t.throws(() => loadFrom(copy), {
    code: 'AS_ERR_NATIVE',
    message: new RegExp(`on ${host} .*artifactstore\\.node.*node native/build\\.mjs`),
    details: { platform: process.platform, arch: process.arch, tried: prebuild },
  });
  const rebuilt = build(['--if-missing']);
  t.equal(rebuilt.status, 0, rebuilt.output);
  t.type(loadFrom(copy).digestMany, 'function');
});

t.test('the loader says what to do when there is no binary', async (t) => {
  const empty = join(copy, 'native/include');
  t.throws(() => loadFrom(empty), {
    code: 'AS_ERR_NATIVE',
    details: { platform: process.platform, arch: process.arch },
  });
});
