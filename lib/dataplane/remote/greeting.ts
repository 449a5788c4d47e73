/**
 * How client and daemon begin: each says which versions it speaks, and the daemon what it is.
 *
 * Imports CBOR's types, errors, the protocol and the shapes. Called by both ends.
 */

import type { CborInput, CborValue } from '../../cbor/index.js';
import { ArtifactStoreError } from '../../errors.js';
import { malformed } from './frames.js';
import { commonVersion, VERSIONS, type Versions } from './protocol.js';
import { isBytes, isCount, isMap } from './shapes.js';

/** What a daemon says of itself. */
export interface Greeting {
  versions: Versions;
  /** Name and version of the program, for people. */
  software: string;
  /** Which run of it this is: what was deferred in another may be lost. */
  instance: Uint8Array;
  readOnly: boolean;
  /** Folders whose files it reads itself, as raw bytes. */
  roots: Uint8Array[];
}

/** The client's part. */
export function helloValue(versions: Versions = VERSIONS): CborInput {
  return { versions: { ...versions } };
}

/** Throws AS_ERR_PROTOCOL: it is none, or there is no common version. */
export function readHello(value: CborValue, ours: Versions = VERSIONS): void {
  if (!isMap(value)) throw malformed('a greeting says which versions are spoken');
  requireCommon(ours, readVersions(value.versions), 'The client');
}

export function greetingValue({ versions, software, instance, readOnly, roots }: Greeting): CborInput {
  return { versions: { ...versions }, software, instance, readOnly, roots };
}

/**
 * What the daemon said, and the version to speak.
 *
 * @throws AS_ERR_PROTOCOL: it is no greeting, or there is no common version
 */
export function readGreeting(value: CborValue, ours: Versions = VERSIONS): { greeting: Greeting; version: number } {
  if (!isMap(value)) throw malformed('a greeting says which versions are spoken');
  const { software, instance, readOnly, roots } = value;
  const about = typeof software === 'string' ? `The data plane (${software})` : 'The data plane';
  const versions = readVersions(value.versions);
  const version = requireCommon(ours, versions, about);
  const fits =
    typeof software === 'string' &&
    isBytes(instance, 16) &&
    typeof readOnly === 'boolean' &&
    Array.isArray(roots) &&
    roots.every((root) => isBytes(root));
  if (!fits) throw malformed('a greeting is not complete');
  return { greeting: { versions, software, instance, readOnly, roots: roots as Uint8Array[] }, version };
}

function readVersions(value: CborValue | undefined): Versions {
  if (isMap(value) && isCount(value.min) && isCount(value.max)) return { min: value.min, max: value.max };
  throw malformed('a greeting says which versions are spoken');
}

function requireCommon(ours: Versions, theirs: Versions, they: string): number {
  const version = commonVersion(ours, theirs);
  if (version !== undefined) return version;
  const side = theirs.max < ours.min ? 'the other side' : 'this side';
  throw new ArtifactStoreError(
    'AS_ERR_PROTOCOL',
    `${they} speaks versions ${theirs.min} to ${theirs.max} of the protocol of data planes, and this side ${ours.min} to ${ours.max}. ` +
      `Bring ${side} up to date.`,
    { ours: [ours.min, ours.max], theirs: [theirs.min, theirs.max] },
  );
}
