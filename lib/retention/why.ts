/**
 * Why a thing is still here, or why it is gone, in sentences.
 *
 * Imports what protects things, policies, formatting and the registry's types. The facade and the registry reader call it; "explain" shows it behind the story.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { isContentAddress } from '../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import { formatTime } from '../format.js';
import { BLOCKERS_SHOWN_MAX, NEEDING_SHOWN_MAX } from '../limits.js';
import { formatPackage, type PackageVersion, parsePackage, versionOf } from '../packages/name.js';
import type { PackageRecord, PackageRegistry } from '../registry/packages.js';
import type { ObjectRecord, Registry } from '../registry/registry.js';
import type { RetentionRegistry } from '../registry/retention.js';
import { judge, type Verdict } from './evaluate.js';
import type { RetentionProtection } from './guard.js';
import { policyFor } from './planner.js';
import type { Protector } from './protection.js';

/** What is asked. */
export interface WhyHost {
  registry: RetentionRegistry;
  packages: PackageRegistry;
  objects: Registry;
  protection: RetentionProtection;
  /** The log's time. */
  now(): Promise<number>;
}

/** The answer. */
export interface Why {
  /** A content address, or `namespace/name@version`. */
  subject: string;
  /** `kept`: something forbids to delete it; `stays`: nothing lets it go; `goes`: the next plan names it; `gone`: it is deleted. */
  state: 'kept' | 'stays' | 'goes' | 'gone';
  sentences: string[];
}

/** What stands above the sentences. */
export const WHY_TITLES: { readonly [state in Why['state']]: string } = {
  kept: 'why it must stay',
  stays: 'why it is still here',
  goes: 'why it goes',
  gone: 'why it is gone',
};

/**
 * The answer about the subject of a story; undefined for what can neither stay nor go, and for a version that was withdrawn, whose story says so.
 *
 * @param retention who knows: `Store.retention`, or that of a registry
 */
export async function whyIfAny(
  retention: { why(name: string): Promise<Why> },
  subject: string,
): Promise<Why | undefined> {
  if (!isContentAddress(subject) && versionOf(subject) === undefined) return undefined;
  try {
    return await retention.why(subject);
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_GONE')) return undefined;
    throw error;
  }
}

/**
 * @param name an object by a digest or a prefix, or a version or ref of a package
 * @throws AS_ERR_NOT_FOUND, AS_ERR_AMBIGUOUS_DIGEST, AS_ERR_INVALID_DIGEST, AS_ERR_INVALID_ARGUMENT
 */
export async function whyOf(host: WhyHost, name: string): Promise<Why> {
  if (name.includes('/')) return whyVersion(host, await findVersion(host.packages, name));
  return whyObject(host, await host.objects.resolve(name));
}

async function findVersion(packages: PackageRegistry, name: string): Promise<PackageRecord> {
  const named = parsePackage(name);
  const manifest =
    'ref' in named
      ? (await packages.ref(named))?.target
      : named.version.includes(':')
        ? (named.version as ContentAddress)
        : undefined;
  let found: PackageRecord | undefined;
  if (manifest !== undefined) found = await packages.versionWith(named, manifest);
  else if ('version' in named) found = await packages.version(named);
  if (found !== undefined) return found;
  const text = formatPackage(named);
  throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no package ${text}. "explain" tells what became of one.`, {
    package: text,
  });
}

async function whyVersion(host: WhyHost, record: PackageRecord): Promise<Why> {
  const { namespace, name, version } = record;
  const subject = formatPackage({ namespace, name, version });
  const now = await host.now();
  const keepers = await host.protection.allOfVersion(record, now, BLOCKERS_SHOWN_MAX);
  const verdict = await verdictOf(host, record, now);
  const sentences = [...keepers.map(keeps), said(verdict)];
  if (keepers.length > 0) return { subject, state: 'kept', sentences };
  return { subject, state: verdict.goes ? 'goes' : 'stays', sentences };
}

/** What its policy says of a version. */
async function verdictOf(host: WhyHost, { namespace, name, version }: PackageVersion, now: number): Promise<Verdict> {
  const policies = new Map((await host.registry.policies()).map((one) => [one.namespace, one]));
  const candidates = await host.registry.judged(namespace, name);
  const verdicts = judge(policyFor(namespace, policies), candidates, now);
  const index = candidates.findIndex((one) => one.version === version);
  return verdicts[index] ?? { goes: false, because: 'its policy has not been asked' };
}

function said(verdict: Verdict): string {
  if (verdict.goes) return `Its policy lets it go since ${formatTime(verdict.since)}: ${verdict.because}.`;
  return `No policy lets it go: ${verdict.because}.`;
}

function keeps({ kind, name, until, because }: Protector): string {
  const what = { hold: `the hold ${name}`, lock: `a ${name} lock`, policy: `the minimum of class "${name}"` }[kind];
  return `It is kept by ${what}${until === undefined ? '' : ` until ${formatTime(until)}`}: ${because}.`;
}

async function whyObject(host: WhyHost, record: ObjectRecord): Promise<Why> {
  const { blake3: subject, state, tombstone } = record;
  if (state === 'tombstoned' || state === 'deleted')
    return { subject, state: 'gone', sentences: [gone(record, tombstone)] };
  const now = await host.now();
  const [own, through] = await Promise.all([
    host.protection.allOnObject(subject, now, BLOCKERS_SHOWN_MAX),
    host.protection.throughNeeders(subject, now, BLOCKERS_SHOWN_MAX),
  ]);
  const keepers = [...own, ...through].map(keeps);
  const needing = await host.packages.needing(subject, NEEDING_SHOWN_MAX + 1);
  const needs: string[] = [];
  let stays = needing.length > NEEDING_SHOWN_MAX;
  for (const one of needing.slice(0, NEEDING_SHOWN_MAX)) {
    const verdict = await verdictOf(host, one, now);
    stays ||= !verdict.goes;
    const text = formatPackage({ namespace: one.namespace, name: one.name, version: one.version });
    needs.push(
      `${text} needs it. ${said(verdict).replace('Its policy lets it go', 'The policy lets that version go')}`,
    );
  }
  if (needing.length > NEEDING_SHOWN_MAX) needs.push('There are more versions that need it.');
  if (needing.length === 0) {
    const wasNeeded = await host.registry.wasNeeded(subject);
    stays = !wasNeeded;
    needs.push(
      wasNeeded
        ? 'It came with a version that is gone, and no version needs it any more: the next plan lets it go.'
        : 'It belongs to no version of a package, and policies are about those: it stays until somebody deletes it.',
    );
  }
  if (keepers.length > 0) return { subject, state: 'kept', sentences: [...keepers, ...needs] };
  return { subject, state: stays ? 'stays' : 'goes', sentences: needs };
}

function gone({ state }: ObjectRecord, tombstone: ObjectRecord['tombstone']): string {
  const bytes =
    state === 'deleted'
      ? 'Its bytes are removed.'
      : 'Its bytes are still there, and it can be brought back until they are removed.';
  if (tombstone === undefined) return `It is gone. ${bytes}`;
  const { time, actor, reason, seq, order } = tombstone;
  const why = reason === undefined ? ', without a reason' : `: ${reason}`;
  const done = order === undefined ? 'deleted' : `erased under the order ${order}`;
  return `It was ${done} on ${formatTime(time)} by ${actor}${why} (event ${seq}). ${bytes}`;
}
