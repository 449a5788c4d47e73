/**
 * What can be held and locked: an object, one version of a package, a whole package, a whole namespace; and what protects it along with others.
 *
 * Pure; imports digest text and the names of packages. Events have a thing as their subject, written as here: a content address, `namespace/name@version`,
 * `namespace/name`, and `namespace/`, whose slash tells a namespace from the first digits of a digest.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { isContentAddress } from '../digest-name.js';
import { formatPackage, type PackageVersion, parsePackageName, requireNamespace, versionOf } from '../packages/name.js';

export type Thing =
  | { kind: 'object'; subject: ContentAddress }
  | { kind: 'version'; subject: string; namespace: string }
  | { kind: 'package'; subject: string; namespace: string }
  | { kind: 'namespace'; subject: string; namespace: string };

/** The thing that a subject names; undefined for what is none. */
export function thingOf(subject: string): Thing | undefined {
  if (isContentAddress(subject)) return { kind: 'object', subject };
  const version = versionOf(subject);
  if (version !== undefined) return { kind: 'version', subject, namespace: version.namespace };
  try {
    if (subject.endsWith('/')) return { kind: 'namespace', subject, namespace: requireNamespace(subject.slice(0, -1)) };
    return { kind: 'package', subject, namespace: parsePackageName(subject).namespace };
  } catch {
    return undefined;
  }
}

/** How a namespace is written as a thing. */
export function namespaceThing(namespace: string): string {
  return `${namespace}/`;
}

/** What protects a version: itself, its package, its namespace. */
export function protectorsOf(version: PackageVersion): [string, string, string] {
  const { namespace, name } = version;
  return [formatPackage(version), formatPackage({ namespace, name }), namespaceThing(namespace)];
}
