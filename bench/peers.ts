/**
 * Packages of npm that benchmarks compare with, where they are there. They are no dependencies: `npm run bench:peers` installs them into
 * bench/peers, and what is missing is said, not measured.
 *
 * Imports Node's own modules. Called by the benchmarks.
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PACKAGE_ROOT } from './root.js';

/** How to get what is missing. */
export const PEERS_COMMAND = 'npm run bench:peers';

const resolver = createRequire(join(PACKAGE_ROOT, 'bench/peers/package.json'));

/** A package that was found. */
export interface Peer<T> {
  /** Name and version, as `hash-wasm 4.13.0`. */
  name: string;
  module: T;
}

/**
 * Loads a package.
 *
 * @param entry what to import of it, as `hashes/sha2.js`; the package itself by default
 * @returns nothing when it is not installed, or not for this machine
 */
export async function loadPeer<T>(packageName: string, entry = packageName): Promise<Peer<T> | undefined> {
  const file = resolvePeer(entry);
  if (file === undefined) return undefined;
  // A binary is nothing that `import` takes.
  const module = (file.endsWith('.node') ? resolver(file) : await import(pathToFileURL(file).href)) as T;
  return { name: `${packageName} ${versionOf(packageName, file)}`, module };
}

/** The file that an import of `entry` would load, if it is installed. */
export function resolvePeer(entry: string): string | undefined {
  try {
    return resolver.resolve(entry);
  } catch {
    return undefined;
  }
}

/** Of the package.json above the file: not every package lets its own be imported. */
function versionOf(packageName: string, file: string): string {
  const folder = join('node_modules', packageName);
  const root = file.slice(0, file.lastIndexOf(folder) + folder.length);
  return (resolver(join(root, 'package.json')) as { version: string }).version;
}
