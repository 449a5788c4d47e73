/**
 * A retention plan: what is to go, why, and what stays although a policy would let it go. How it is written down and read.
 *
 * Pure; imports CBOR, digests as text, runs of objects, errors and limits. The planner makes one, the facade stores it as an object and carries it out, the doors
 * show it. docs/formats/retention-plan.md says the same for readers in other languages.
 *
 * Objects stand in it as runs of the seqs of their first ingests, as in `manifest.indexed`: a plan of a million objects has some kilobytes, and names each of them,
 * because a log never changes.
 */

import { type CborInput, type CborValue, decodeCanonical, encodeCanonical } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { PLAN_VERSIONS_MAX } from '../limits.js';
import { versionOf } from '../packages/name.js';

/** Stands in every plan of this version: tells it from any other object. */
export const PLAN_SCHEMA = 'artifactstore.retention-plan.v1';

/** A version that goes, and the objects that go with it; without a version, objects that no version needs any more. */
export interface PlanEntry {
  /** `namespace/name@version`. */
  version?: string;
  /** Content address of its manifest, 32 bytes. */
  manifest?: Uint8Array;
  /** The rule that lets it go, in words. */
  because: string;
  /** Since when; milliseconds since 1970 UTC. */
  since: number;
  /** Milliseconds in which it can be brought back once it has gone. */
  grace: number;
  /** Names of the refs that point at it, and go with it. */
  refs: readonly string[];
  /** The objects, as runs; each object of a plan stands in one entry. */
  objects: readonly number[];
  /** Their number, and the sums of their sizes. */
  count: number;
  size: number;
  storedSize: number;
}

/** What a policy would let go, and what keeps it. */
export interface HeldEntry {
  /** A version, or the content address of an object. */
  what: string;
  kind: 'hold' | 'lock' | 'policy';
  /** The case of the hold, the mode of the lock, or the class whose minimum it is. */
  name: string;
  /** Until when, as far as that is known; milliseconds since 1970 UTC. */
  until?: number;
  /** In words: "it stays because …". */
  because: string;
}

export interface Plan {
  /** The log's time by which it was made; milliseconds since 1970 UTC. */
  time: number;
  /** Seq of the newest event that it knows of. */
  seq: number;
  /** Those with the longest grace first. */
  entries: readonly PlanEntry[];
  held: readonly HeldEntry[];
  /** Things held beyond those in `held`. */
  heldMore: number;
  /** Versions that would go too, and are left to the next plan. */
  more: number;
}

/** The sums of a plan. */
export function totalsOf({ entries }: Pick<Plan, 'entries'>): {
  versions: number;
  objects: number;
  size: number;
  storedSize: number;
} {
  const totals = { versions: 0, objects: 0, size: 0, storedSize: 0 };
  for (const { version, count, size, storedSize } of entries) {
    if (version !== undefined) totals.versions++;
    totals.objects += count;
    totals.size += size;
    totals.storedSize += storedSize;
  }
  return totals;
}

/** The canonical bytes of a plan. */
export function encodePlan({ time, seq, entries, held, heldMore, more }: Plan): Uint8Array {
  const written = entries.map(({ version, manifest, refs, objects, ...rest }) => ({
    ...rest,
    ...(version !== undefined && { version }),
    ...(manifest && { manifest }),
    refs: [...refs],
    objects: [...objects],
  }));
  const kept = held.map(({ until, ...rest }) => ({ ...rest, ...(until !== undefined && { until }) }));
  return encodeCanonical({
    schema: PLAN_SCHEMA,
    time,
    seq,
    entries: written,
    held: kept,
    heldMore,
    more,
  } as unknown as CborInput);
}

/**
 * Reads a plan.
 *
 * @throws AS_ERR_PLAN: the bytes are none, or one of a version that this code does not know
 */
export function decodePlan(bytes: Uint8Array): Plan {
  const plan = readMap(bytes);
  const { schema, time, seq, entries, held, heldMore, more } = plan;
  if (schema !== PLAN_SCHEMA) throw refused(`its schema is not ${PLAN_SCHEMA}`);
  if (![time, seq, heldMore, more].every(isCount)) throw refused('its time, seq or counts are not whole numbers');
  if (!Array.isArray(entries) || entries.length > PLAN_VERSIONS_MAX + 1 || !entries.every(isEntry))
    throw refused('its entries are not those of a plan');
  if (!Array.isArray(held) || !held.every(isHeld)) throw refused('what it says is held is not as a plan says it');
  return plan as unknown as Plan;
}

function readMap(bytes: Uint8Array): { readonly [key: string]: CborValue } {
  try {
    const value = decodeCanonical(bytes);
    if (isMap(value)) return value;
  } catch {
    // Not CBOR, so no plan.
  }
  throw refused('it is not a map in canonical CBOR');
}

function isMap(value: CborValue | undefined): value is { [key: string]: CborValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

const isCount = (value: CborValue | undefined) => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: CborValue | undefined) => typeof value === 'string';

function isEntry(value: CborValue): boolean {
  if (!isMap(value)) return false;
  const { version, manifest, because, since, grace, refs, objects, count, size, storedSize } = value;
  const isVersion = isText(version) && versionOf(version as string) !== undefined && manifest instanceof Uint8Array;
  if (!isVersion && !(version === undefined && manifest === undefined)) return false;
  if (!isText(because) || ![since, grace, count, size, storedSize].every(isCount)) return false;
  return Array.isArray(refs) && refs.every(isText) && Array.isArray(objects) && objects.every(isCount);
}

function isHeld(value: CborValue): boolean {
  if (!isMap(value)) return false;
  const { what, kind, name, until, because } = value;
  if (![what, name, because].every(isText) || !(until === undefined || isCount(until))) return false;
  return kind === 'hold' || kind === 'lock' || kind === 'policy';
}

/** The seqs of runs, in order. */
export function* seqsOf(runs: readonly number[]): Generator<number> {
  let seq = 1;
  for (let i = 0; i + 1 < runs.length; i += 2) {
    seq += runs[i] as number;
    for (const end = seq + (runs[i + 1] as number); seq < end; seq++) yield seq;
  }
}

function refused(what: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_PLAN',
    `This is not a retention plan: ${what}. Make one with "retention plan".`,
  );
}
