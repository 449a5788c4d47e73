/**
 * The manifest of a package: what files it has, and nothing else. docs/formats/manifest.md says the same for readers in other languages.
 *
 * Imports CBOR, errors, limits and paths. The facade encodes and decodes here; the manifest itself is an object like any other.
 *
 * One directory has one manifest: entries in the order of their paths' bytes, each member in one form or absent. So decoding refuses whatever
 * encoding would not have written, and the digest of a manifest is the digest of the directory.
 */

import { type CborInput, type CborValue, decodeCanonical, encodeCanonical } from '../cbor/index.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { DIGEST_SIZE, MANIFEST_ENTRIES_MAX, PACKAGE_PATH_SIZE_MAX } from '../limits.js';
import { type PackagePath, pathFault, pathKey, pathOfKey, showPackagePath } from './path.js';

/** Stands in every manifest of this version: tells it from any other object. */
export const MANIFEST_SCHEMA = 'artifactstore.manifest.v1';

/** A regular file. */
export interface FileEntry {
  kind: 'file';
  path: PackagePath;
  /** 32 bytes. */
  blake3: Uint8Array;
  /** 32 bytes. */
  sha256: Uint8Array;
  /** Bytes. */
  size: number;
  /** Its owner may execute it; absent otherwise. */
  executable?: true;
  /** What the bytes are, as RFC 6838 has it; absent when nobody has said. */
  mediaType?: string;
}

/** A symbolic link. Its target is data: it is never followed, and may lead anywhere. */
export interface SymlinkEntry {
  kind: 'symlink';
  path: PackagePath;
  target: PackagePath;
}

/** A directory that is empty; any other follows from the paths in it. */
export interface DirectoryEntry {
  kind: 'directory';
  path: PackagePath;
}

export type ManifestEntry = FileEntry | SymlinkEntry | DirectoryEntry;

export interface Manifest {
  /** In the order of the bytes of their paths. */
  readonly entries: readonly ManifestEntry[];
  /** Facts about the content, for people; absent when there are none. */
  readonly annotations?: { readonly [key: string]: string };
}

/**
 * The canonical bytes of a manifest.
 *
 * @param manifest entries in any order, paths and targets in any form
 * @throws AS_ERR_MANIFEST: an entry breaks a rule; `details.path` and `details.reason`
 * @throws AS_ERR_LIMIT: more than MANIFEST_ENTRIES_MAX entries
 */
export function encodeManifest({ entries, annotations = {} }: Manifest): Uint8Array {
  requireFew(entries.length);
  const keyed = entries.map((entry) => ({ key: pathKey(entry.path), entry }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  const places = new Places();
  const written = keyed.map(({ key, entry }, index) => {
    const canonical = canonicalEntry(entry, key);
    checkMembers(canonical, index);
    places.take(key, canonical, index);
    return canonical;
  });
  const some = Object.keys(annotations).length > 0;
  if (some) checkAnnotations(annotations);
  const manifest = { schema: MANIFEST_SCHEMA, entries: written, ...(some && { annotations }) };
  return encodeCanonical(manifest as unknown as CborInput);
}

/**
 * Reads a manifest, and checks every rule: what comes out can be written to a file system without further thought.
 *
 * @throws AS_ERR_MANIFEST: not a manifest, or one that breaks a rule; `details.reason`, and `details.path` where one entry is at fault
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const manifest = readMap(bytes);
  const { schema, entries, annotations, ...others } = manifest;
  if (schema !== MANIFEST_SCHEMA) throw refused(`its schema is not ${MANIFEST_SCHEMA}`);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw refused(`it has a member ${JSON.stringify(unknown)}, which its schema does not know`);
  if (!Array.isArray(entries)) throw refused('it has no array of entries');
  requireFew(entries.length);
  const places = new Places();
  for (const [index, entry] of entries.entries()) {
    checkMembers(entry, index);
    const key = pathKey(entry.path);
    if (!isOneForm(entry.path)) throw atEntry(entry, index, 'its path is bytes although it could be text');
    if (entry.kind === 'symlink' && !isOneForm(entry.target)) {
      throw atEntry(entry, index, 'its target is bytes although it could be text');
    }
    places.take(key, entry, index);
  }
  const checked = entries as unknown as ManifestEntry[];
  if (annotations === undefined) return { entries: checked };
  checkAnnotations(annotations);
  return { entries: checked, annotations };
}

/** The entry at a path; undefined when there is none. A path that only follows from those below it has none. */
export function findEntry({ entries }: Manifest, path: PackagePath): ManifestEntry | undefined {
  const key = pathKey(path);
  let [from, to] = [0, entries.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (pathKey((entries[middle] as ManifestEntry).path) < key) from = middle + 1;
    else to = middle;
  }
  const found = entries[from];
  return found !== undefined && pathKey(found.path) === key ? found : undefined;
}

/** The file of a package that is one file and nothing else; undefined for any other. */
export function onlyFile({ entries }: Manifest): FileEntry | undefined {
  const [entry, another] = entries;
  return entry?.kind === 'file' && another === undefined ? entry : undefined;
}

/** Bytes of all files, as a user counts them: a file that is there twice counts twice. */
export function manifestSize({ entries }: Manifest): number {
  return entries.reduce((sum, entry) => (entry.kind === 'file' ? sum + entry.size : sum), 0);
}

/** What a member must be. */
interface Rule {
  optional?: true;
  /** Said of a value that breaks the rule. */
  expected: string;
  holds: (value: unknown) => boolean;
}

const isPath = (value: unknown) => typeof value === 'string' || value instanceof Uint8Array;
const isDigest = (value: unknown) => value instanceof Uint8Array && value.byteLength === DIGEST_SIZE;
const isSize = (value: unknown) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isSomeText = (value: unknown) => typeof value === 'string' && value !== '';

const anyKind: Rule = { expected: 'file, symlink or directory', holds: () => true };
const path: Rule = { expected: 'text or bytes', holds: isPath };
const digest: Rule = { expected: `${DIGEST_SIZE} bytes`, holds: isDigest };

/** The members of each kind of entry, in canonical order. */
const RULES: { readonly [kind in ManifestEntry['kind']]: { readonly [member: string]: Rule } } = {
  file: {
    kind: anyKind,
    path,
    size: { expected: 'a number of bytes', holds: isSize },
    blake3: digest,
    sha256: digest,
    mediaType: { optional: true, expected: 'text, not empty', holds: isSomeText },
    executable: { optional: true, expected: 'true, or absent', holds: (value) => value === true },
  },
  symlink: { kind: anyKind, path, target: { expected: 'text or bytes', holds: isPath } },
  directory: { kind: anyKind, path },
};

/** Refuses what is not an entry of a known kind with just the members of that kind. */
function checkMembers(entry: unknown, index: number): asserts entry is ManifestEntry {
  if (!isMap(entry)) throw atEntry({}, index, 'it is not a map');
  const { kind } = entry;
  if (typeof kind !== 'string' || !Object.hasOwn(RULES, kind)) {
    throw atEntry(entry, index, `its kind is not ${anyKind.expected}`);
  }
  const rules = RULES[kind as ManifestEntry['kind']];
  for (const member of Object.keys(entry)) {
    const rule = Object.hasOwn(rules, member) ? rules[member] : undefined;
    if (rule === undefined) throw atEntry(entry, index, `a ${kind} has no member ${JSON.stringify(member)}`);
    if (!rule.holds(entry[member])) throw atEntry(entry, index, `its ${member} is not ${rule.expected}`);
  }
  for (const member in rules) {
    if (!rules[member]?.optional && !Object.hasOwn(entry, member)) throw atEntry(entry, index, `it has no ${member}`);
  }
  if (kind === 'symlink') checkTarget(entry as unknown as SymlinkEntry, index);
}

function checkTarget(entry: SymlinkEntry, index: number): void {
  const key = pathKey(entry.target);
  if (key === '') throw atEntry(entry, index, 'its target is empty');
  if (key.length > PACKAGE_PATH_SIZE_MAX) {
    throw atEntry(entry, index, `its target is longer than ${PACKAGE_PATH_SIZE_MAX} bytes`);
  }
  if (key.includes('\0')) throw atEntry(entry, index, 'its target has a NUL byte');
}

/** The places that are taken so far: no path twice, none below one that is not a directory with something in it. */
class Places {
  readonly #taken = new Set<string>();
  #before = '';
  /** The directory of the entry before: nothing above it needs to be looked at twice. */
  #directory = '';

  /** Takes the next place in order, or refuses it. */
  take(key: string, entry: ManifestEntry, index: number): void {
    const fault = pathFault(key) ?? this.#fault(key);
    if (fault !== undefined) throw atEntry(entry, index, fault);
    this.#taken.add(key);
    this.#before = key;
  }

  #fault(key: string): string | undefined {
    if (key === this.#before) return 'the path is there twice';
    if (key < this.#before) return "it is out of order: entries stand in the order of their paths' bytes";
    const end = key.lastIndexOf('/');
    const directory = end < 0 ? '' : key.slice(0, end);
    // Entries in between may have taken a place above only if they are in that place: then they are not in this directory.
    if (directory === this.#directory) return undefined;
    this.#directory = directory;
    for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) {
      const above = key.slice(0, at);
      if (this.#taken.has(above)) return `it lies in ${JSON.stringify(above)}, which is an entry of its own`;
    }
    return undefined;
  }
}

/** An entry with its members in canonical order, so that encoding need not sort them, and paths in their one form. */
function canonicalEntry(entry: ManifestEntry, key: string): ManifestEntry {
  const path = pathOfKey(key);
  if (entry.kind === 'symlink') return { kind: entry.kind, path, target: pathOfKey(pathKey(entry.target)) };
  if (entry.kind === 'directory') return { kind: entry.kind, path };
  const { kind, size, blake3, sha256, mediaType, executable } = entry;
  const always: FileEntry = { kind, path, size, blake3, sha256 };
  if (mediaType === undefined && !executable) return always;
  return { ...always, ...(mediaType !== undefined && { mediaType }), ...(executable && { executable }) };
}

function isOneForm(given: PackagePath): boolean {
  return typeof given === 'string' || typeof pathOfKey(pathKey(given)) !== 'string';
}

function checkAnnotations(annotations: unknown): asserts annotations is { [key: string]: string } {
  const holds = isMap(annotations) && Object.values(annotations).every((value) => typeof value === 'string');
  if (!holds) throw refused('its annotations are not a map of text');
  if (Object.keys(annotations as object).length === 0)
    throw refused('its annotations are empty, and must then be absent');
}

function requireFew(count: number): void {
  if (count <= MANIFEST_ENTRIES_MAX) return;
  throw new ArtifactStoreError(
    'AS_ERR_LIMIT',
    `A package of ${count} entries is larger than the ${MANIFEST_ENTRIES_MAX} that a manifest may have. Divide it, or pack it into archives.`,
    { entries: count, entriesMax: MANIFEST_ENTRIES_MAX },
  );
}

function readMap(bytes: Uint8Array): { readonly [key: string]: CborValue } {
  let value: CborValue;
  try {
    value = decodeCanonical(bytes);
  } catch (error) {
    if (!isStoreError(error, 'AS_ERR_CBOR_DECODE')) throw error;
    throw refused('it is not canonical CBOR', error);
  }
  if (!isMap(value)) throw refused('it is not a map');
  return value as { readonly [key: string]: CborValue };
}

function isMap(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function refused(reason: string, cause?: unknown): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_MANIFEST',
    `This is not the manifest of a package: ${reason}.`,
    { reason },
    { cause },
  );
}

function atEntry({ path }: { path?: unknown }, index: number, reason: string): ArtifactStoreError {
  const shown = isPath(path) ? showPackagePath(path as PackagePath) : undefined;
  const which = shown === undefined ? `entry ${index}` : `entry ${index}, "${shown}"`;
  return new ArtifactStoreError('AS_ERR_MANIFEST', `The manifest of a package is refused at ${which}: ${reason}.`, {
    index,
    reason,
    ...(shown !== undefined && { path: shown }),
  });
}
