/**
 * What is different between two packages, path by path.
 *
 * Pure; imports the manifest and paths. Called by the facade.
 */

import type { Manifest, ManifestEntry } from './manifest.js';
import { type PackagePath, pathKey } from './path.js';

/** One path at which two packages differ. */
export interface Difference {
  path: PackagePath;
  change: 'added' | 'removed' | 'changed';
  /** Absent when added. */
  before?: ManifestEntry;
  /** Absent when removed. */
  after?: ManifestEntry;
}

/** What turns `before` into `after`, in the order of the paths' bytes. */
export function diffManifests(before: Manifest, after: Manifest): Difference[] {
  const differences: Difference[] = [];
  const [olds, news] = [before.entries, after.entries];
  for (let i = 0, j = 0; i < olds.length || j < news.length; ) {
    const [old, fresh] = [olds[i], news[j]];
    const order = compare(old, fresh);
    if (order <= 0) i++;
    if (order >= 0) j++;
    if (order < 0 && old) differences.push({ path: old.path, change: 'removed', before: old });
    else if (order > 0 && fresh) differences.push({ path: fresh.path, change: 'added', after: fresh });
    else if (old && fresh && !isSame(old, fresh)) {
      differences.push({ path: fresh.path, change: 'changed', before: old, after: fresh });
    }
  }
  return differences;
}

/** The order of two entries by path; what has ended comes last. */
function compare(a: ManifestEntry | undefined, b: ManifestEntry | undefined): number {
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
  const [left, right] = [pathKey(a.path), pathKey(b.path)];
  return left < right ? -1 : Number(left > right);
}

function isSame(a: ManifestEntry, b: ManifestEntry): boolean {
  if (a.kind === 'file' && b.kind === 'file') {
    const alike = a.executable === b.executable && a.mediaType === b.mediaType;
    return alike && Buffer.compare(a.blake3, b.blake3) === 0;
  }
  if (a.kind === 'symlink' && b.kind === 'symlink') return pathKey(a.target) === pathKey(b.target);
  return a.kind === b.kind;
}
