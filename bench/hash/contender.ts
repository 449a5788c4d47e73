/**
 * Who takes part in the hash benchmark from within Node: this library on each kernel set, and node:crypto.
 *
 * Imports the public API and node:crypto. Called by bench/hash.ts.
 */

import { createHash, hash } from 'node:crypto';
import {
  createDigester,
  type Digests,
  describeNative,
  digest,
  digestMany,
  digestTable,
  toHex,
} from '../../lib/index.js';

/** Digests as text; each contender gives those that it computes. */
export interface Found {
  sha256?: string;
  blake3?: string;
}

export type Computes = 'both' | 'sha256' | 'blake3';

/** What is measured: a way to digest inputs of any size. */
export interface Contender {
  name: string;
  computes: Computes;
  /** The kernel set it runs on; absent when it is not ours. */
  kernel?: string;
  /** Inputs it is given at once. */
  count: number;
  /** Bytes of the largest input it is meant for; absent: any. */
  sizeMax?: number;
  /** Digests every input once and gives what it found, as hex, so that every contender does the same work. */
  digest: (inputs: readonly Uint8Array[]) => Found[];
}

/** Inputs that are digested side by side when there are many: objects of a build, files of a folder. */
export const MANY = 64;
/** Bytes of an input up to which many are measured: beyond, the core takes two at a time anyway. */
const MANY_SIZE_MAX = 16 * 1024;

/** Bytes of one update: what a file or a socket gives at a time. */
const STREAM_PIECE_SIZE = 64 * 1024;

/** What everyone has already, and every ratio is to. */
export const REFERENCE: Contender = each('node:crypto createHash', 'sha256', (input) => ({
  sha256: createHash('sha256').update(input).digest('hex'),
}));

/** The same without an object for each hash: what there is for small inputs. */
export const ONE_SHOT: Contender = each('node:crypto hash', 'sha256', (input) => ({ sha256: hash('sha256', input) }));

/** A contender that takes one input after the other. */
export function each(name: string, computes: Computes, digest: (input: Uint8Array) => Found): Contender {
  return { name, computes, count: 1, digest: (inputs) => inputs.map(digest) };
}

/** Every way through the library, on every kernel set of this machine, best set first. */
export function ours(): Contender[] {
  return describeNative().kernels.flatMap((kernel): Contender[] => {
    const common = { computes: 'both', kernel } as const;
    const together = (inputs: readonly Uint8Array[]) => digestMany(inputs).map(hex);
    const streams = (inputs: readonly Uint8Array[]) => inputs.map((input) => hex(streamed(input)));
    return [
      { ...common, name: 'one input', count: 1, digest: (inputs) => inputs.map((input) => hex(digest(input))) },
      { ...common, name: 'one stream', count: 1, digest: streams },
      { ...common, name: 'two inputs', count: 2, digest: together },
      { ...common, name: `${MANY} inputs, digestMany`, count: MANY, sizeMax: MANY_SIZE_MAX, digest: together },
      { ...common, name: `${MANY} inputs, digestTable`, count: MANY, sizeMax: MANY_SIZE_MAX, digest: tabled },
    ];
  });
}

function streamed(input: Uint8Array): Digests {
  const digester = createDigester();
  for (let at = 0; at < input.byteLength; at += STREAM_PIECE_SIZE) {
    digester.update(input.subarray(at, at + STREAM_PIECE_SIZE));
  }
  return digester.digest();
}

function tabled(inputs: readonly Uint8Array[]): Found[] {
  const table = digestTable(inputs);
  return inputs.map((_, index) => ({ sha256: table.sha256Hex(index), blake3: table.blake3Hex(index) }));
}

function hex(digests: Digests): Found {
  return { sha256: toHex(digests.sha256), blake3: toHex(digests.blake3) };
}
