/**
 * What the verbs of packages refuse, wherever the packages are.
 *
 * Imports names, paths, limits, errors and types. Called by packages.ts and by lib/client.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { formatBlake3 } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { MISSING_SHOWN_MAX, NEEDING_SHOWN_MAX } from '../limits.js';
import { type FileEntry, findEntry, type Manifest, type ManifestEntry, onlyFile } from '../packages/manifest.js';
import { formatPackage, type PackageRef, type PackageVersion, parsePackage } from '../packages/name.js';
import { type PackagePath, showPackagePath } from '../packages/path.js';
import type { PackageRegistry, RefRecord, WithdrawnRecord } from '../registry/packages.js';
import type { ObjectRecord } from '../registry/registry.js';

/** Reads the name of a ref. Throws AS_ERR_INVALID_ARGUMENT. */
export function requireRefName(name: string): PackageRef {
  const named = parsePackage(name);
  if ('ref' in named && name.includes(':')) return named;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `"${name}" does not name a ref: write namespace/name:ref.`, {
    text: name,
  });
}

/** Reads the name of a version. Throws AS_ERR_INVALID_ARGUMENT. */
export function requireVersionName(name: string): PackageVersion {
  const named = parsePackage(name);
  if ('version' in named) return named;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `"${name}" does not name a version: write namespace/name@version.`,
    { text: name },
  );
}

/** Reads what a ref is to point at. Throws AS_ERR_INVALID_ARGUMENT: it is of another package. */
export function requireSamePackage(ref: PackageRef, to: string): PackageVersion | PackageRef {
  const target = parsePackage(to);
  if (target.namespace === ref.namespace && target.name === ref.name) return target;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${formatPackage(ref)} cannot point at ${to}: a ref points at versions of its own package. Push the content under this name first.`,
  );
}

/** What a package's registry must know for these refusals. */
type Versions = Pick<PackageRegistry, 'version' | 'versionWith' | 'withdrawn' | 'withdrawnWith'>;

/** A version that is not there: it was withdrawn (AS_ERR_GONE), or there never was one (AS_ERR_NOT_FOUND). */
export async function noSuchVersion(registry: Versions, version: PackageVersion): Promise<ArtifactStoreError> {
  const isAddress = version.version.includes(':');
  const found = await (isAddress
    ? registry.withdrawnWith(version, version.version as ContentAddress)
    : registry.withdrawn(version));
  if (found !== undefined) return withdrawn(found);
  const text = formatPackage(version);
  return new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no package ${text}. "packages" lists what there is.`, {
    package: text,
  });
}

/** A version that was withdrawn. */
export function withdrawn({ manifest, withdrawal, ...version }: WithdrawnRecord): ArtifactStoreError {
  const text = formatPackage(version);
  const { seq, id: event, time, actor, reason, plan } = withdrawal;
  const why = reason === undefined ? '' : ` (${reason})`;
  return new ArtifactStoreError(
    'AS_ERR_GONE',
    `${text} was withdrawn on ${new Date(time).toISOString()} by ${actor}${why}. Undelete it, or push the same content again, to bring it back.`,
    { package: text, manifest, event, seq, time, actor, reason, ...(plan !== undefined && { plan }) },
  );
}

/** A version that cannot be brought back because it is there, or never was. */
export async function notWithdrawn(registry: Versions, version: PackageVersion): Promise<ArtifactStoreError> {
  if ((await registry.version(version)) === undefined) return noSuchVersion(registry, version);
  const text = formatPackage(version);
  return new ArtifactStoreError('AS_ERR_CONFLICT', `${text} is not withdrawn, so there is nothing to bring back.`, {
    package: text,
  });
}

/** A withdrawn version of which objects have been removed. */
export function cannotRestore(version: PackageVersion, missing: readonly ContentAddress[]): ArtifactStoreError {
  const text = formatPackage(version);
  const others = missing.length > 1 ? ` and ${missing.length - 1} others` : '';
  return new ArtifactStoreError(
    'AS_ERR_GONE',
    `${text} cannot be brought back: ${missing[0]}${others} of its objects cannot be undeleted any more. Push it again.`,
    { package: text, missing: missing.slice(0, MISSING_SHOWN_MAX), count: missing.length },
  );
}

/** A version that is to be withdrawn and at which refs point. */
export function pointedAt(
  version: PackageVersion,
  refs: readonly RefRecord[],
  immutable: readonly RefRecord[],
): ArtifactStoreError {
  const text = formatPackage({ namespace: version.namespace, name: version.name, version: version.version });
  const names = (immutable.length > 0 ? immutable : refs).slice(0, NEEDING_SHOWN_MAX).map(({ ref }) => ref);
  const message =
    immutable.length > 0
      ? `the immutable ref ${names.join(', ')} points at it, and such a ref cannot be removed`
      : `${names.join(', ')} points at it. Move or remove the ref first, or withdraw it by force, which removes it`;
  return new ArtifactStoreError('AS_ERR_IN_USE', `${text} cannot be withdrawn: ${message}.`, {
    package: text,
    refs: names,
  });
}

/**
 * The file at a path of a package; without a path the only one of a package that is one file.
 *
 * @throws AS_ERR_NOT_FOUND: there is nothing; AS_ERR_INVALID_ARGUMENT: it is no file, or the package is not one file
 */
export function requireFile(name: string, manifest: Manifest, path: PackagePath | undefined): FileEntry {
  const entry = path === undefined ? onlyFile(manifest) : findEntry(manifest, path);
  if (entry?.kind === 'file') return entry;
  throw path === undefined ? notOneFile(name, manifest) : notFile(name, path, entry);
}

function notOneFile(name: string, { entries }: Manifest): ArtifactStoreError {
  const count = entries.length === 1 ? 'one path, which is no file' : `${entries.length} paths`;
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `${name} has ${count}. Pull it whole, or name the path of a file; "ls ${name}" lists them.`,
    { package: name, entries: entries.length },
  );
}

function notFile(name: string, path: PackagePath, entry: ManifestEntry | undefined): ArtifactStoreError {
  const shown = showPackagePath(path);
  if (entry === undefined) {
    return new ArtifactStoreError(
      'AS_ERR_NOT_FOUND',
      `${name} has no file "${shown}". "ls ${name}" lists what it has.`,
      { package: name, path: shown },
    );
  }
  const what = entry.kind === 'symlink' ? `a link to "${showPackagePath(entry.target)}"` : 'an empty directory';
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `"${shown}" in ${name} is ${what}, not a file. Name a file; links are not followed.`,
    { package: name, path: shown },
  );
}

/** A manifest that says something else of a file than its object is. */
export function wrongEntry(entry: FileEntry, { blake3, size, sha256 }: ObjectRecord): ArtifactStoreError {
  const path = showPackagePath(entry.path);
  return new ArtifactStoreError(
    'AS_ERR_MANIFEST',
    `The manifest is wrong about "${path}": ${blake3} has ${size} bytes and is ${sha256}. Do not trust this package.`,
    { path, address: formatBlake3(entry.blake3) },
  );
}

/**
 * An object that is to be deleted and that packages need.
 *
 * @param packages names of those packages: all of them, or one more than NEEDING_SHOWN_MAX
 */
export function inUse(address: ContentAddress, packages: readonly string[]): ArtifactStoreError {
  const shown = packages.slice(0, NEEDING_SHOWN_MAX);
  const others = packages.length > shown.length ? ' and others' : '';
  return new ArtifactStoreError(
    'AS_ERR_IN_USE',
    `${address} is needed by ${shown.join(', ')}${others}; nothing was deleted. Delete it by force if those packages may break.`,
    { address, packages: shown },
  );
}

/** A push that its caller has given up. */
export function pushAborted(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The push was given up by its caller; no package was published.');
}
