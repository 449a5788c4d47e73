/**
 * Which local files a daemon may be asked to read itself: those in folders that it names. It decides in the end, and resolves links; a file that it refuses is
 * sent to it.
 *
 * Imports nothing. Called by both ends.
 */

const SLASH = 0x2f;

/** What lies behind `root` in `path`, without the slash between them; undefined when the path does not begin so. Raw bytes. */
export function below(root: Uint8Array, path: Uint8Array): Uint8Array | undefined {
  const end = root.at(-1) === SLASH ? root.byteLength - 1 : root.byteLength; // the root of all has a slash of its own
  if (path.byteLength <= end + 1 || path[end] !== SLASH) return undefined;
  return Buffer.compare(path.subarray(0, end), root.subarray(0, end)) === 0 ? path.subarray(end + 1) : undefined;
}

/** Whether one of the folders has it. */
export function isBelowAny(roots: readonly Uint8Array[], path: Uint8Array): boolean {
  return roots.some((root) => below(root, path) !== undefined);
}

/** A path as raw bytes. */
export function pathBytes(path: string | Uint8Array): Uint8Array {
  return typeof path === 'string' ? Buffer.from(path) : path;
}
