/**
 * Random but repeatable events about a few objects, so that histories meet every order of kinds. Used by the tests of events and registry.
 */

import type { IngestResult, Receipt } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import {
  manifestIndexed,
  newEvent,
  objectCopied,
  objectCorrupted,
  objectDeleted,
  objectDiscarded,
  objectEvicted,
  objectIngested,
  objectLost,
  objectTombstoned,
  objectUndeleted,
  objectVerified,
  packagePublished,
  packageWithdrawn,
  refMoved,
  refRemoved,
} from '../../lib/events/kinds.js';
import type { NewEvent } from '../../lib/events/log.js';

/** Gives integers from 0 to below its argument; the same seed gives the same ones (mulberry32). */
export function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** An ingest result for object `n` of a made-up world: digests that depend on `n` alone. */
export function ingestResult(n: number, changes: Partial<IngestResult> = {}): IngestResult {
  return {
    blake3: digest(n, 0x0b),
    sha256: digest(n, 0x5a),
    size: 1000 + n,
    existed: false,
    healed: false,
    receipts: [{ backend: 'local', tier: 'hot', key: `objects/${n}`, storedSize: 4096, durability: 'synced' }],
    ...changes,
  };
}

/** One event about one of `objects` objects, or a package made of one, of any kind. */
export function randomEvent(random: (below: number) => number, objects = 12): NewEvent {
  const n = random(objects);
  const address = formatBlake3(ingestResult(n).blake3);
  switch (random(13)) {
    case 11:
      return randomCopy(random, n);
    case 12:
      return objectEvicted('mover', address, { tier: tier(random), deleted: random(2) === 0, freedSize: random(9000) });
    case 8:
    case 9:
    case 10:
      return randomPackageEvent(random, ingestResult(n).blake3);
    case 0:
      return objectVerified('verifier', address, verified(random));
    case 1:
      if (random(4) === 0) return objectLost('sweeper', address);
      if (random(4) === 0) return objectDiscarded('sweeper', address, { freedSize: 1, changed: 1 });
      return objectCorrupted('reader', address, ranges(random), random(2) === 0 ? 'read' : 'verify');
    case 2:
      if (random(3) === 0)
        return newEvent('object.tombstoned', 'plan', address, { grace: random(3) * 1000, plan: `p${random(9)}` });
      return objectTombstoned('owner', address, random(2) === 0 ? undefined : `reason ${random(100)}`);
    case 4:
      return random(3) === 0
        ? { kind: 'object.renamed', actor: 'later version', subject: address, data: { to: 'elsewhere' } }
        : objectUndeleted('owner', address, random(2) === 0 ? undefined : 'a mistake');
    case 3:
      return objectDeleted('sweeper', address, { deleted: random(2) === 0, freedSize: random(10_000) });
    default:
      return objectIngested('owner', ingestResult(n, randomResult(random, n)));
  }
}

/** Few names, so that versions are published twice and refs move; now and then a version that is not the manifest's address. */
function randomPackageEvent(random: (below: number) => number, manifest: Uint8Array): NewEvent {
  const named = { namespace: ['a', 'b-c'][random(2)] as string, name: ['x', 'y'][random(2)] as string };
  const ref = { ...named, ref: ['latest', 'stable'][random(2)] as string };
  const versions = ['1.0', '2.0+x', formatBlake3(manifest), formatBlake3(ingestResult(99).blake3)];
  switch (random(6)) {
    case 5: {
      const version = versions[random(versions.length)] as string;
      return packageWithdrawn('owner', { ...named, version }, { manifest });
    }
    case 4:
      return manifestIndexed('owner', formatBlake3(manifest), randomRuns(random));
    case 0:
      return refRemoved('owner', ref, { from: manifest, ...(random(2) === 0 && { reason: 'old' }) });
    case 1: {
      const facts = { target: manifest, ...(random(2) === 0 && { from: ingestResult(98).blake3 }) };
      return refMoved('owner', ref, { ...facts, ...(random(4) === 0 && { immutable: true as const }) });
    }
    default: {
      const version = versions[random(versions.length)] as string;
      return packagePublished('owner', { ...named, version }, { manifest, entries: random(9), size: random(5000) });
    }
  }
}

/** Seqs all over a short log, and some that it does not have yet. */
function randomRuns(random: (below: number) => number): number[] {
  return Array.from({ length: 2 * random(5) }, (_, i) => (i % 2 === 0 ? random(60) : 1 + random(70)));
}

function digest(n: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(32).fill(fill);
  new DataView(bytes.buffer).setUint32(0, Math.imul(n + 1, 0x9e3779b1) >>> 0);
  return bytes;
}

/** What a cold tier says of object `n`. */
export function coldReceipt(n: number): Receipt {
  return { backend: 's3', tier: 'cold', key: `cold/${n}`, storedSize: 2000 + n, durability: 'replicated' };
}

function randomCopy(random: (below: number) => number, n: number): NewEvent {
  const { blake3, receipts } = ingestResult(n);
  const to = tier(random);
  const facts = { tier: to, existed: random(2) === 0, receipts: to === 'hot' ? receipts : [coldReceipt(n)] };
  return objectCopied('mover', formatBlake3(blake3), facts);
}

function tier(random: (below: number) => number): 'hot' | 'cold' {
  return random(2) === 0 ? 'hot' : 'cold';
}

/** Now and then a second receipt, and now and then another SHA-256: a collision of BLAKE3, which must not break anything. */
function randomResult(random: (below: number) => number, n: number): Partial<IngestResult> {
  const { receipts } = ingestResult(n);
  const cold = { backend: 's3', tier: 'cold', key: `b/${n}`, storedSize: 10, durability: 'replicated' } as const;
  return {
    receipts: random(3) === 0 ? [...receipts, cold] : receipts,
    existed: random(2) === 0,
    healed: random(2) === 0,
    ...(random(20) === 0 ? { sha256: digest(n, 0xcc) } : {}),
  };
}

function verified(random: (below: number) => number): Parameters<typeof objectVerified>[2] {
  const status = (['intact', 'corrupt', 'missing'] as const)[random(3)] ?? 'intact';
  return { status, size: random(1000), damaged: [], repaired: random(2) === 0 };
}

function ranges(random: (below: number) => number): { start: number; end: number }[] {
  return Array.from({ length: random(3) }, (_, i) => ({ start: i * 32_768, end: i * 32_768 + 16_384 }));
}
