/**
 * Child processes as users have them. The test runner adds its hooks to NODE_OPTIONS of every process below it, which triples the time
 * and memory that Node takes to start. `env` removes them and becomes the program, so signals and IPC reach it.
 */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Starts any program. */
export function spawnUnhooked(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn('env', ['-u', 'NODE_OPTIONS', program, ...args], options);
}

/** Starts a module that talks to its parent by `process.send`. */
export function forkUnhooked(module: URL, args: readonly string[]): ChildProcess {
  return spawnUnhooked(process.execPath, [fileURLToPath(module), ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
