/**
 * Under which keys a bucket holds what: `<prefix>objects/<first byte>/<address>`, its outboard beside it, marks of damage by themselves, so that all of them are
 * listed in one request.
 *
 * Pure. Called by the operations. docs/operations.md names them.
 */

import { ArtifactStoreError } from '../../../errors.js';
import type { ContentAddress } from '../../spi.js';

/** What the keys of outboards end in. */
const OUTBOARD = '.obao4';

export class Keys {
  readonly #prefix: string;

  /** @param prefix of every key: empty, or one that ends in a slash */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** What every object and outboard begins with. */
  get objects(): string {
    return `${this.#prefix}objects/`;
  }

  /** What objects and outboards begin with whose addresses begin with this byte. */
  part(byte: number): string {
    return `${this.objects}${byte.toString(16).padStart(2, '0')}/`;
  }

  /** The hex digits of the address of the object that has this key; undefined when it is no object's. */
  hexOf(key: string): string | undefined {
    const [, folder, hex] = /^([0-9a-f]{2})\/([0-9a-f]{64})$/.exec(key.slice(this.objects.length)) ?? [];
    return key.startsWith(this.objects) && folder === hex?.slice(0, 2) ? hex : undefined;
  }

  /** The same of the object whose outboard has this key. */
  hexOfOutboard(key: string): string | undefined {
    return key.endsWith(OUTBOARD) ? this.hexOf(key.slice(0, -OUTBOARD.length)) : undefined;
  }

  get marks(): string {
    return `${this.#prefix}damaged/`;
  }

  object(address: ContentAddress): string {
    const hex = address.slice('blake3:'.length);
    return `${this.objects}${hex.slice(0, 2)}/${hex}`;
  }

  outboard(address: ContentAddress): string {
    return `${this.object(address)}${OUTBOARD}`;
  }

  /** Empty; while it is there, the object counts as absent. */
  mark(address: ContentAddress): string {
    return `${this.marks}${address.slice('blake3:'.length)}`;
  }

  /** The address that a mark is about. */
  marked(key: string): ContentAddress {
    return `blake3:${key.slice(this.marks.length)}`;
  }

  /** What everything that is written only to see what comes of it begins with. */
  get probes(): string {
    return `${this.#prefix}probe/`;
  }

  /** One of these. */
  probe(name: string): string {
    return `${this.probes}${name}`;
  }
}

/**
 * Reads `s3://bucket/prefix`.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: it is none
 */
export function parseS3Url(url: string): { bucket: string; prefix: string } {
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  const segments = path.split('/').filter((segment) => segment !== '');
  const isPlain = segments.every((segment) => /^[A-Za-z0-9!_.'()-]+$/.test(segment) && !/^\.{1,2}$/.test(segment));
  if (bucket === undefined || !isPlain) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `"${url}" is no place in an S3 bucket: write s3://bucket or s3://bucket/prefix, of letters, digits and !_.'()- between slashes.`,
      { url },
    );
  }
  return { bucket, prefix: segments.map((segment) => `${segment}/`).join('') };
}
