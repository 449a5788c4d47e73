/**
 * File systems of their own for tests: whether they can be had here, image files, and mounting them.
 *
 * Imports Node's own modules. Called by the tests of power cuts and of clones, which mount in a mount namespace of their own, so that nothing
 * stays mounted however they end.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';

/** How to start a program in a mount namespace of its own: the words before it. */
export const IN_OWN_NAMESPACE = ['unshare', '--mount', '--propagation', 'private'] as const;

/** Why nothing can be mounted here, or which of the programs is missing; undefined when all is there. */
export function mountHindrance(programs: readonly string[]): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux may mount';
  for (const program of ['unshare', 'losetup', ...programs]) {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    } catch {
      return `${program} is not installed`;
    }
  }
  try {
    execFileSync('unshare', ['--mount', 'losetup', '--find'], { stdio: 'ignore' });
  } catch {
    return 'no loop device, or no mount namespace, may be used here';
  }
  return undefined;
}

/** Runs a program and gives what it prints. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** Makes an image file of a size as truncate(1) takes it, with a new file system in it. */
export function makeImage(path: string, size: string, type: string): void {
  rmSync(path, { force: true });
  run('truncate', '-s', size, path);
  if (type === 'xfs') run('mkfs.xfs', '-q', '-m', 'reflink=1', path);
  else run('mkfs.ext4', '-q', '-F', path);
}

/** Mounts an image; its loop device goes when it is unmounted. */
export function mountImage(path: string, at: string, ...options: string[]): void {
  mkdirSync(at, { recursive: true });
  run('mount', '-o', ['loop', ...options].join(','), path, at);
}
