/**
 * A tar archive as the entries of a package. Whatever a package cannot hold, or could do harm where it is unpacked, ends the reading.
 *
 * Imports tar-stream, paths, errors, limits and the types of entries. Called by `archive.ts`. What is refused and why: docs/http-api.md and docs/adr/0021.
 *
 * Names of ustar and GNU headers are raw bytes, and come as keys (`lib/packages/path.ts`): tar-stream decodes them as Latin-1. Those of pax headers are UTF-8
 * by their standard.
 */

import { type Extract, extract, type Header } from 'tar-stream';
import { ArtifactStoreError } from '../../../errors.js';
import { ARCHIVE_FILE_HELD_MAX } from '../../../limits.js';
import { pathFault, pathKey, pathOfKey, showPackagePath } from '../../../packages/path.js';
import type { PackageSource } from '../../../store/entry-intake.js';
import { archiveFault, entryFault } from './archive-fault.js';

/** Bytes of a block: headers are one, contents fill whole ones, and two of zeros end an archive. */
const BLOCK_SIZE = 512;
const END_SIZE = 2 * BLOCK_SIZE;

const OWNER_MAY_EXECUTE = 0o100;

/** What stands for bytes that are not UTF-8 once they have been decoded. */
const REPLACEMENT = '\ufffd';

/** What the types of tar-stream leave out: its headers have no type for what it does not know, and no name of a link where there is none. */
type TarHeader = Omit<Header, 'type' | 'linkname' | 'pax'> & {
  type: Header['type'] | null;
  linkname: string | null;
  pax: Record<string, string> | null;
  /** Where the content begins. */
  byteOffset: number;
};

/** One entry of the parser, to be read to its end. */
type Entry = AsyncIterable<Uint8Array> & { readonly header: Header; resume(): unknown };

/**
 * Reads an archive.
 *
 * @param bytes the archive, not compressed
 * @throws AS_ERR_ARCHIVE: malformed, cut short, or with an entry that no package can have: `details.path` and `details.reason`; and what `bytes` throws
 */
export async function* readTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<PackageSource> {
  const archive = extract({ filenameEncoding: 'latin1' } as object);
  const ending = new Ending();
  // Never rejects. Where the reading ends early it may wait for bytes still: whoever gives them ends it.
  void feed(bytes, archive, ending);
  const names = new Names();
  let end = 0;
  try {
    for await (const entry of archive as AsyncIterable<Entry>) {
      const headers = entry.header as unknown as TarHeader;
      const size = headers.type === 'directory' ? 0 : headers.size;
      end = headers.byteOffset + size + padding(size);
      const source = names.take(headers);
      if (source?.kind === 'file') yield { ...source, content: await contentOf(entry, size) };
      else if (source !== undefined) yield source;
      entry.resume();
    }
  } catch (error) {
    throw error instanceof ArtifactStoreError ? error : archiveFault(reasonOf(error as Error), error);
  } finally {
    archive.destroy(null);
  }
  if (!ending.isWhole(end))
    throw archiveFault('it is cut short: two blocks of zeros end an archive, and they are missing');
}

/** Gives the bytes to the parser, as fast as it takes them. */
async function feed(bytes: AsyncIterable<Uint8Array>, archive: Extract, ending: Ending): Promise<void> {
  try {
    for await (const chunk of bytes) {
      ending.note(chunk);
      if (archive.destroyed) return;
      if (!archive.write(chunk)) await drained(archive);
      if (archive.destroyed) return;
    }
    archive.end(null);
  } catch (error) {
    archive.destroy(error as Error);
  }
}

/** Until the parser takes more, or nothing any more. */
function drained(archive: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      archive.off('drain', done).off('close', done);
      resolve();
    };
    archive.on('drain', done).on('close', done);
  });
}

function reasonOf({ message }: Error): string {
  if (message === 'Unexpected end of data') return 'it is cut short in the middle of an entry';
  if (message === 'Header exceeds max size') return 'the name or the extended header of an entry is too long';
  return 'a header is not one of tar, or its checksum does not fit';
}

/** Small files whole; larger ones as they come. A chunk is ours to keep, so one that is the whole file is not copied. */
async function contentOf(entry: Entry, size: number): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  if (size > ARCHIVE_FILE_HELD_MAX) return entry;
  let bytes: Uint8Array | undefined;
  let offset = 0;
  for await (const chunk of entry) {
    if (chunk.byteLength === size) return chunk;
    bytes ??= Buffer.allocUnsafe(size);
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes ?? new Uint8Array(0);
}

/** What is known of the end of the bytes: an archive that was cut between two entries parses without a fault. */
class Ending {
  #size = 0;
  /** Zeros at the end so far, as far as they matter. */
  #zeros = 0;

  note(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    let start = chunk.byteLength;
    while (start > 0 && chunk.byteLength - start < END_SIZE && chunk[start - 1] === 0) start--;
    const zeros = chunk.byteLength - start;
    this.#zeros = start === 0 ? Math.min(this.#zeros + zeros, END_SIZE) : zeros;
  }

  /** @param end where the content of the last entry ends, with its padding */
  isWhole(end: number): boolean {
    return this.#size - end >= END_SIZE && this.#zeros >= END_SIZE;
  }
}

/** A file without its content yet. */
type Named =
  | Exclude<PackageSource, { kind: 'file' }>
  | { kind: 'file'; path: string | Uint8Array; executable?: boolean; size: number };

/** The names that have come: each but once, and hard links only to files. */
class Names {
  readonly #kinds = new Map<string, Named['kind']>();

  /** What an entry is; undefined for the top directory, and for directories that have come already. */
  take(headers: TarHeader): Named | undefined {
    const key = cleaned(nameKey(headers, 'path', headers.name));
    const source = this.#read(headers, key);
    if (source === undefined) return undefined;
    const fault = pathFault(key);
    if (fault !== undefined) throw entryFault(key, fault);
    const before = this.#kinds.get(key);
    if (before === 'directory' && source.kind === 'directory') return undefined;
    if (before !== undefined) throw entryFault(key, 'an entry of this path has come already');
    this.#kinds.set(key, source.kind);
    return source;
  }

  #read(headers: TarHeader, key: string): Named | undefined {
    const path = pathOfKey(key);
    const size = headers.size;
    const executable = (headers.mode & OWNER_MAY_EXECUTE) !== 0;
    for (const name in headers.pax ?? {})
      if (name.startsWith('GNU.sparse.')) throw entryFault(key, 'it is a sparse file');
    switch (headers.type) {
      case 'file':
      case 'contiguous-file':
        if (!isSize(size)) throw entryFault(key, 'its size is not a number of bytes that a file can have');
        return { kind: 'file', path, size, executable };
      case 'directory':
        return key === '' ? undefined : { kind: 'directory', path };
      case 'symlink':
        return { kind: 'symlink', path, target: pathOfKey(this.#target(headers, key)) };
      case 'link':
        return { kind: 'copy', path, of: pathOfKey(this.#original(headers, key, size)), executable };
      default:
        throw entryFault(key, `it is ${kindOf(headers.type)}; a package holds files, links and directories`);
    }
  }

  /** Where a symbolic link leads: within the package, whatever else is in it. */
  #target(headers: TarHeader, key: string): string {
    const target = nameKey(headers, 'linkpath', headers.linkname ?? '');
    if (target === '') throw entryFault(key, 'it is a link that leads nowhere');
    if (target.startsWith('/') || !staysWithin(target, key.split('/').length - 1)) {
      throw entryFault(
        key,
        `it is a link to "${showPackagePath(pathOfKey(target))}", which may lead out of the package`,
      );
    }
    return target;
  }

  #original(headers: TarHeader, key: string, size: number): string {
    const original = cleaned(nameKey(headers, 'linkpath', headers.linkname ?? ''));
    const kind = this.#kinds.get(original);
    if (kind !== 'file' && kind !== 'copy') {
      throw entryFault(
        key,
        `it is a hard link to "${showPackagePath(pathOfKey(original))}", which is no file before it`,
      );
    }
    if (size > 0) throw entryFault(key, 'it is a hard link with a content of its own');
    return original;
  }
}

/**
 * Whether a link's target cannot lead above the package. Only at its beginning may it lead up, by as many steps as the link is deep: what `..` means
 * behind another name depends on whether that is a link.
 */
function staysWithin(target: string, depth: number): boolean {
  const steps = target.split('/').filter((step) => step !== '' && step !== '.');
  const down = steps.findIndex((step) => step !== '..');
  const ups = down === -1 ? steps.length : down;
  return ups <= depth && !steps.slice(ups).includes('..');
}

/** The key of a name: raw bytes of a header, or the UTF-8 of a pax header. */
function nameKey({ pax }: TarHeader, field: 'path' | 'linkpath', name: string): string {
  const text = pax?.[field];
  if (text === undefined || text === '') return name;
  if (text.includes(REPLACEMENT)) throw entryFault(pathKey(text), 'its name in the pax header is not UTF-8');
  return pathKey(text);
}

/** A name as manifests have it: without the `./` that `tar c .` writes, and without the slash behind directories. */
function cleaned(key: string): string {
  const isAbsolute = key.startsWith('/');
  const steps = key.split('/').filter((step) => step !== '' && step !== '.');
  return `${isAbsolute ? '/' : ''}${steps.join('/')}`;
}

function kindOf(type: string | null): string {
  switch (type) {
    case 'character-device':
      return 'a character device';
    case 'block-device':
      return 'a block device';
    case 'fifo':
      return 'a named pipe';
    default:
      return 'of a kind that is not understood here, such as a sparse file or a part of a volume';
  }
}

/** Minus zero is what becomes of some negative sizes. */
function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0);
}

function padding(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}
