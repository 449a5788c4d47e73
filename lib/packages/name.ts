/**
 * Names of packages, versions and refs as people write them: `namespace/name`, `namespace/name@version`, `namespace/name:ref`.
 *
 * Pure; imports digest text, errors and limits. Events, views, the facade and the doors read and write names here, so that they look the same
 * everywhere.
 *
 * Namespace and name are lower-case letters and digits with `.`, `_` and `-` between them. Versions and refs are letters, digits, `.`, `_` and
 * `-`, versions `+` too, and begin with a letter, a digit or `_`. A package that was published without a version has the content address of its
 * manifest for one, which no version that a person may choose looks like.
 */

import { isContentAddress } from '../digest-name.js';
import { ArtifactStoreError } from '../errors.js';
import { NAMESPACE_LENGTH_MAX, PACKAGE_NAME_LENGTH_MAX, VERSION_LENGTH_MAX } from '../limits.js';

/** What all versions of a package share. */
export interface PackageName {
  namespace: string;
  name: string;
}

/** One version of a package: chosen when it was published, or the content address of its manifest. It never changes. */
export interface PackageVersion extends PackageName {
  version: string;
}

/** A name that can move from one version to another. */
export interface PackageRef extends PackageName {
  ref: string;
}

/** The ref that is meant when neither version nor ref is named. */
export const DEFAULT_REF = 'latest';

const PARTS = /^([^/:@]+)\/([^/:@]+)(?:([:@])(.+))?$/s;
const NAME = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/;
const VERSION = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const REF = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;

/**
 * Reads a name; with neither version nor ref it is that of the ref `latest`.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function parsePackage(text: string): PackageVersion | PackageRef {
  const parsed = readPackage(text);
  return 'ref' in parsed || 'version' in parsed ? parsed : { ...parsed, ref: DEFAULT_REF };
}

/**
 * Reads a name that has neither version nor ref.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function parsePackageName(text: string): PackageName {
  const parsed = readPackage(text);
  if ('ref' in parsed || 'version' in parsed) throw invalid(text, 'leave version and ref out');
  return parsed;
}

/**
 * Checks a ref that stands alone.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function requireRef(ref: string): string {
  if (isShort(ref, VERSION_LENGTH_MAX) && REF.test(ref)) return ref;
  throw invalid(
    ref,
    `a ref is 1 to ${VERSION_LENGTH_MAX} letters, digits, ".", "_" or "-", and begins with a letter, a digit or "_"`,
  );
}

/**
 * Checks a namespace that stands alone.
 *
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function requireNamespace(namespace: string): string {
  if (isNamespace(namespace)) return namespace;
  throw invalid(namespace, nameRule('a namespace', NAMESPACE_LENGTH_MAX));
}

/** Whether text is the name of a namespace. */
export function isNamespace(text: string): boolean {
  return isShort(text, NAMESPACE_LENGTH_MAX) && NAME.test(text);
}

/** The version that `subject` names; undefined when it does not name one. */
export function versionOf(subject: string): PackageVersion | undefined {
  const parsed = tryRead(subject);
  return parsed !== undefined && 'version' in parsed ? parsed : undefined;
}

/** The ref that `subject` names; undefined when it does not name one. */
export function refOf(subject: string): PackageRef | undefined {
  const parsed = tryRead(subject);
  return parsed !== undefined && 'ref' in parsed ? parsed : undefined;
}

/** The name as people write it. */
export function formatPackage(named: PackageName | PackageVersion | PackageRef): string {
  const { namespace, name } = named;
  if ('version' in named) return `${namespace}/${name}@${named.version}`;
  return 'ref' in named ? `${namespace}/${name}:${named.ref}` : `${namespace}/${name}`;
}

function readPackage(text: string): PackageName | PackageVersion | PackageRef {
  const [, namespace, name, mark, tail] = PARTS.exec(text) ?? [];
  if (namespace === undefined || name === undefined) {
    throw invalid(text, 'write namespace/name, namespace/name@version or namespace/name:ref');
  }
  requireNamespace(namespace);
  if (!isShort(name, PACKAGE_NAME_LENGTH_MAX) || !NAME.test(name)) {
    throw invalid(text, nameRule('a name', PACKAGE_NAME_LENGTH_MAX));
  }
  if (tail === undefined) return { namespace, name };
  if (mark === ':') return { namespace, name, ref: requireRef(tail) };
  if (!isContentAddress(tail) && !(isShort(tail, VERSION_LENGTH_MAX) && VERSION.test(tail))) {
    throw invalid(
      text,
      `a version is a content address, or 1 to ${VERSION_LENGTH_MAX} letters, digits, ".", "_", "-" or "+", and begins with a letter, a digit or "_"`,
    );
  }
  return { namespace, name, version: tail };
}

function tryRead(text: string): PackageName | PackageVersion | PackageRef | undefined {
  try {
    return readPackage(text);
  } catch {
    return undefined;
  }
}

function isShort(text: string, most: number): boolean {
  return text.length <= most;
}

function nameRule(what: string, most: number): string {
  return `${what} is 1 to ${most} lower-case letters and digits, with ".", "_" or "-" between them`;
}

function invalid(text: string, advice: string): ArtifactStoreError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `"${shown}" does not name a package: ${advice}.`, {
    text: shown,
  });
}
