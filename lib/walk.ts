/**
 * What is in a directory tree, found by the core: names as raw bytes, many in one piece of memory.
 *
 * Imports the addon, errors and the codes of operations. Called by the command line.
 */

import { ArtifactStoreError } from './errors.js';
import { type Handle, isFailure, type NativeFound, Op, type Operation } from './native/addon.js';
import { loadAddon } from './native/load.js';

export { WalkedKind } from './native/addon.js';

/** Some of what was found, in order. */
export type Walked = Omit<NativeFound, 'walk'>;

/**
 * Everything below a directory but directories: depth first, each directory in the order of its names' bytes. Links are not followed, but for
 * `root` itself. A directory that cannot be read, or is avoided, is among what is found. The next step is under way while one is looked at.
 *
 * @param root its path; the paths found begin with it
 * @param avoid path of a directory that is not entered, by whatever name
 * @param most things in one step, at least 1
 * @param first things in the first step, at least 1; each further one has up to twice as many as the one before
 * @throws AS_ERR_INTERNAL: no memory is left
 */
export async function* walkTree(root: Uint8Array, avoid: string, most: number, first = most): AsyncGenerator<Walked> {
  let walk: Handle = 0;
  let size = Math.min(first, most);
  let coming = step([Op.walkBegin, root, avoid, size]);
  try {
    do {
      const found = await coming;
      walk = found.walk;
      if (walk !== 0) {
        size = Math.min(2 * size, most);
        coming = step([Op.walkNext, walk, size]);
        coming.catch(() => undefined); // reported where it is awaited
      }
      yield found;
    } while (walk !== 0);
  } finally {
    if (walk !== 0) coming.then((last) => last.walk && run([Op.walkEnd, last.walk])).catch(() => undefined);
  }
}

async function step(operation: Operation): Promise<NativeFound> {
  const outcome = await run(operation);
  if (!isFailure(outcome)) return outcome as NativeFound;
  throw new ArtifactStoreError('AS_ERR_INTERNAL', `A directory cannot be walked: ${outcome.detail}.`);
}

function run(operation: Operation) {
  return new Promise<Parameters<Parameters<ReturnType<typeof loadAddon>['start']>[1]>[0]>((resolve) =>
    loadAddon().start(operation, resolve),
  );
}
