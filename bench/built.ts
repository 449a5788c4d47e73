/**
 * Programs of `bench/native`, built where they are needed.
 *
 * Imports bench modules only. Called by the benchmarks that run one.
 */

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findProgram, runProgram } from './programs.js';
import { PACKAGE_ROOT } from './root.js';

const BUILD_FOLDER = 'out/bench';

/**
 * Builds one of them.
 *
 * @param name of its source without `.c`, and of its target
 * @returns the file of the program, or why there is none
 */
export async function buildNative(name: string): Promise<{ program: string } | { absent: string }> {
  const source = `bench/native/${name}.c`;
  if (!existsSync(join(PACKAGE_ROOT, source))) return { absent: `${source} is not here; it comes with the sources` };
  if (findProgram('cmake') === undefined) return { absent: 'CMake is not installed (Debian: apt-get install cmake)' };
  const folder = join(PACKAGE_ROOT, BUILD_FOLDER);
  const options = ['-DCMAKE_BUILD_TYPE=Release', '-DAS_BUILD_ADDON=OFF', '-DAS_BUILD_TESTS=OFF', '-DAS_BUILD_BENCH=ON'];
  const jobs = ['--parallel', String(availableParallelism())];
  try {
    await runProgram({ command: 'cmake', args: ['-S', PACKAGE_ROOT, '-B', folder, ...options] });
    await runProgram({ command: 'cmake', args: ['--build', folder, '--target', name, ...jobs] });
  } catch (error) {
    const { message } = error as Error;
    // Without libcrypto there is no such target.
    if (/No rule to make target|unknown target/.test(message)) {
      return { absent: "libcrypto's headers are not installed (Debian: apt-get install libssl-dev)" };
    }
    return { absent: `it does not build: ${message}` };
  }
  return { program: join(folder, name) };
}
