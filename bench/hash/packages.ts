/**
 * The best BLAKE3 and SHA-256 packages of npm as contenders: @napi-rs/blake-hash (BLAKE3 in native code, the fastest for large inputs),
 * blake3-jit (the fastest for small ones), hash-wasm (the fastest SHA-256 that is not node:crypto's) and @noble/hashes (the most used).
 *
 * Imports them through bench/peers.ts, and the public API for hex. Called by bench/hash.ts.
 */

import { createHash } from 'node:crypto';
import { toHex } from '../../lib/index.js';
import { loadPeer, PEERS_COMMAND, type Peer } from '../peers.js';
import { type Contender, each } from './contender.js';

/** Contenders that are there, and what is not, in sentences. */
export interface Packages {
  contenders: Contender[];
  absent: string[];
}

interface Hasher {
  init(): Hasher;
  update(bytes: Uint8Array): Hasher;
  digest(encoding: 'hex'): string;
}
interface HashWasm {
  createSHA256(): Promise<Hasher>;
  createBLAKE3(): Promise<Hasher>;
}
interface NapiBlake3 {
  Blake3Hasher: new () => { update(bytes: Uint8Array): { digest(encoding: 'hex'): string } };
}
type HashFunction = (bytes: Uint8Array) => Uint8Array;

/** JavaScript without WebAssembly takes a second for 16 MiB; what it does with 1 MiB says all. */
const SLOW_SIZE_MAX = 1024 * 1024;

export async function packages(): Promise<Packages> {
  const found = await Promise.all([napi(), blake3Jit(), hashWasm(), noble()]);
  return {
    contenders: found.flatMap(({ contenders }) => contenders),
    absent: found.flatMap(({ absent }) => absent),
  };
}

/** The binary by itself: the package around it names platforms that a lock file made on one machine cannot hold. */
async function napi(): Promise<Packages> {
  const binary = (libc: string) => `@napi-rs/blake-hash-${process.platform}-${process.arch}-${libc}`;
  const peer = (await loadPeer<NapiBlake3>(binary('gnu'))) ?? (await loadPeer<NapiBlake3>(binary('musl')));
  if (peer === undefined) return missing('@napi-rs/blake-hash (locked for x86-64 Linux only)');
  const { Blake3Hasher } = peer.module;
  const name = peer.name.replace(/-linux-\S+/, '');
  const blake3 = (input: Uint8Array) => new Blake3Hasher().update(input).digest('hex');
  const sha256 = (input: Uint8Array) => createHash('sha256').update(input).digest('hex');
  return present(
    each(name, 'blake3', (input) => ({ blake3: blake3(input) })),
    each(`createHash, then ${name}`, 'both', (input) => ({ sha256: sha256(input), blake3: blake3(input) })),
  );
}

async function blake3Jit(): Promise<Packages> {
  const peer: Peer<{ hash: HashFunction }> | undefined = await loadPeer('blake3-jit');
  if (peer === undefined) return missing('blake3-jit');
  return present(each(peer.name, 'blake3', (input) => ({ blake3: toHex(peer.module.hash(input)) })));
}

async function hashWasm(): Promise<Packages> {
  const peer = await loadPeer<HashWasm>('hash-wasm');
  if (peer === undefined) return missing('hash-wasm');
  const [one, other] = [await peer.module.createSHA256(), await peer.module.createBLAKE3()];
  const sha256 = (input: Uint8Array) => one.init().update(input).digest('hex');
  const blake3 = (input: Uint8Array) => other.init().update(input).digest('hex');
  return present(
    each(peer.name, 'sha256', (input) => ({ sha256: sha256(input) })),
    each(peer.name, 'blake3', (input) => ({ blake3: blake3(input) })),
    each(`${peer.name}, one after the other`, 'both', (input) => ({ sha256: sha256(input), blake3: blake3(input) })),
  );
}

async function noble(): Promise<Packages> {
  const sha2 = await loadPeer<{ sha256: HashFunction }>('@noble/hashes', '@noble/hashes/sha2.js');
  const blake = await loadPeer<{ blake3: HashFunction }>('@noble/hashes', '@noble/hashes/blake3.js');
  if (sha2 === undefined || blake === undefined) return missing('@noble/hashes');
  const all = present(
    each(sha2.name, 'sha256', (input) => ({ sha256: toHex(sha2.module.sha256(input)) })),
    each(blake.name, 'blake3', (input) => ({ blake3: toHex(blake.module.blake3(input)) })),
  );
  return { ...all, contenders: all.contenders.map((contender) => ({ ...contender, sizeMax: SLOW_SIZE_MAX })) };
}

function present(...contenders: Contender[]): Packages {
  return { contenders, absent: [] };
}

function missing(name: string): Packages {
  return { contenders: [], absent: [`${name} is not installed (in a checkout: ${PEERS_COMMAND})`] };
}
