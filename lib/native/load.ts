/**
 * Finds and loads the native addon, once in a process or worker thread. Works from `dist/lib` of a checkout and from an installed
 * package alike.
 *
 * Imports errors and node-gyp-build, which knows where binaries lie. Called by lib/native/addon.ts's users: lib/digest.ts and what
 * stands below the data-plane contract.
 */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArtifactStoreError } from '../errors.js';
import type { NativeAddon } from './addon.js';

let loaded: NativeAddon | undefined;

/**
 * The native addon.
 *
 * @throws AS_ERR_NATIVE: no binary for this machine, or one that does not load here; the message says what was tried and what to do
 */
export function loadAddon(): NativeAddon {
  loaded ??= loadFrom(packageRoot(dirname(fileURLToPath(import.meta.url))));
  return loaded;
}

/** Loads the addon that belongs to the package in `root`; separate from `loadAddon` so that a test can point it elsewhere. */
export function loadFrom(root: string): NativeAddon {
  const require = createRequire(join(root, 'package.json'));
  let tried = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  try {
    const nodeGypBuild = require('node-gyp-build') as { resolve(root: string): string };
    tried = nodeGypBuild.resolve(root);
    return require(tried) as NativeAddon;
  } catch (cause) {
    throw loadError(root, tried, cause);
  }
}

/** The nearest folder upwards with a package.json: `dist` has none, so this is the package whatever the depth of this module. */
function packageRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) || folder === dirname(folder)) return folder;
  }
}

function loadError(root: string, tried: string, cause: unknown): ArtifactStoreError {
  const { platform, arch } = process;
  const reason = (cause instanceof Error ? cause.message : String(cause)).trim().split('\n')[0];
  return new ArtifactStoreError(
    'AS_ERR_NATIVE',
    `The native addon cannot be loaded on ${platform}-${arch} with Node ${process.versions.node} (tried ${tried}): ${reason}. ` +
      `Build it from source, which takes CMake 3.22 and a C++ compiler: cd ${root} && node native/build.mjs`,
    { platform, arch, tried, node: process.versions.node },
    { cause },
  );
}
