/**
 * What a policy says of each version of a package: it stays, and why, or it goes, and by which rule.
 *
 * Pure; imports policies, patterns and formatting. The planner asks for all versions of a namespace; the facade and `explain` for those of one package. Holds and
 * locks are none of its business: they stand above every policy.
 */

import { formatDuration } from './duration.js';
import { matchesGlob } from './glob.js';
import type { ClassRule, KeepRule, Policy } from './policy.js';

/** What must be known of a version. Times in milliseconds since 1970 UTC. */
export interface Candidate {
  /** Of its package. */
  name: string;
  version: string;
  publishedAt: number;
  /** The event that published it: decides among those of the same time. */
  seq: number;
  /** When it was last pulled, if it ever was. */
  pulledAt?: number;
  /** As it was published, or changed since; absent: the policy's default. */
  class?: string;
  /** Names of the refs of its package that point at it. */
  refs: readonly string[];
  /** One of those refs cannot move. */
  fixedRef?: string;
}

/** The policy that counts for a namespace. */
export interface InForce {
  policy: Policy;
  /** Since when pulls have been noted for it; before, nobody knows whether there were any. */
  pullsSince?: number;
}

/** A version of which it is known since when nobody has pulled it. */
type Judged = Candidate & { pulledAt: number };

/** What a policy says of one version. */
export type Verdict =
  | {
      goes: false;
      class?: string;
      /** Why it stays, in words. */
      because: string;
      /** Nobody may remove it before; absent: the policy would not forbid it. */
      lockedUntil?: number;
      /** Whether but for `lockedUntil` or a ref that cannot move it would go. */
      wouldGo?: boolean;
    }
  | {
      goes: true;
      class: string;
      /** The rule that lets it go, in words. */
      because: string;
      /** Since when; where a rule has no length of time, since it was published. */
      since: number;
      /** Milliseconds in which it can be brought back; absent: the default. */
      grace?: number;
    };

/**
 * Judges versions of one namespace.
 *
 * @param inForce the policy, and since when pulls have been noted for it; absent: there is none, and all stay
 * @param candidates all versions of each package that occurs: those to keep are counted among them
 * @param now the log's time
 * @returns verdicts, at the places of the candidates
 */
export function judge(inForce: InForce | undefined, candidates: readonly Candidate[], now: number): Verdict[] {
  if (inForce === undefined) return candidates.map(() => ({ goes: false, because: 'its namespace has no policy' }));
  const { policy, pullsSince = 0 } = inForce;
  const ranks = ranksOf(policy, candidates);
  return candidates.map((candidate, index) => {
    const pulledAt = Math.max(candidate.publishedAt, candidate.pulledAt ?? 0, pullsSince);
    return judgeOne(policy, { ...candidate, pulledAt }, ranks[index] as number, now);
  });
}

function judgeOne(policy: Policy, candidate: Judged, rank: number, now: number): Verdict {
  const name = candidate.class ?? policy.defaultClass;
  if (name === undefined) return { goes: false, because: 'it has no class, and its policy no default' };
  const rule = Object.hasOwn(policy.classes, name) ? policy.classes[name] : undefined;
  if (rule === undefined)
    return { goes: false, class: name, because: `its policy has no rule for the class "${name}"` };
  const fate = fateOf(name, rule, candidate, rank, now);
  const { minimum = 0 } = rule;
  const lockedUntil = candidate.publishedAt + minimum;
  if (now < lockedUntil) {
    const because = `class "${name}" must be kept for ${formatDuration(minimum)} (minimum)`;
    return { goes: false, class: name, because, lockedUntil, ...(fate.goes && { wouldGo: true }) };
  }
  if (fate.goes && candidate.fixedRef !== undefined) {
    const because = `the ref "${candidate.fixedRef}", which cannot move, points at it`;
    return { goes: false, class: name, because, wouldGo: true };
  }
  return fate;
}

/** What a rule says, but for its minimum. */
function fateOf(name: string, rule: ClassRule, candidate: Judged, rank: number, now: number): Verdict {
  const { maximum, keep, grace } = rule;
  const { publishedAt } = candidate;
  const gone = (because: string, since: number): Verdict => ({
    goes: true,
    class: name,
    because: `class "${name}": ${because}`,
    since,
    ...(grace !== undefined && { grace }),
  });
  if (maximum !== undefined && now >= publishedAt + maximum)
    return gone(`may not be kept longer than ${formatDuration(maximum)} (maximum)`, publishedAt + maximum);
  if (keep === undefined) return { goes: false, class: name, because: `nothing ends the time of class "${name}" yet` };
  const reason = reasonToKeep(keep, candidate, rank, now);
  if (reason !== undefined) return { goes: false, class: name, because: `class "${name}" keeps ${reason}` };
  return gone(`keeps only ${kept(keep)}`, overSince(keep, candidate));
}

/** The first reason that holds; undefined when none does. */
function reasonToKeep(keep: KeepRule, candidate: Judged, rank: number, now: number): string | undefined {
  const { afterPublish, afterPull, last, matching, refs } = keep;
  const { publishedAt, pulledAt, name, version } = candidate;
  if (afterPublish !== undefined && now < publishedAt + afterPublish)
    return `what was published in the last ${formatDuration(afterPublish)}`;
  if (afterPull !== undefined && now < pulledAt + afterPull)
    return `what was pulled in the last ${formatDuration(afterPull)}`;
  if (last !== undefined && rank < last) return `the last ${last} of a package`;
  const pattern = matching?.find((one) => matchesGlob(one, one.includes('@') ? `${name}@${version}` : version));
  if (pattern !== undefined) return `what matches "${pattern}"`;
  const ref = candidate.refs.find((one) => refs === undefined || refs.some((pattern) => matchesGlob(pattern, one)));
  return ref === undefined ? undefined : `what the ref "${ref}" names`;
}

/** What a rule keeps, in words. */
export function kept({ afterPublish, afterPull, last, matching, refs }: KeepRule): string {
  const reasons: string[] = [];
  if (afterPublish !== undefined) reasons.push(`what was published in the last ${formatDuration(afterPublish)}`);
  if (afterPull !== undefined) reasons.push(`what was pulled in the last ${formatDuration(afterPull)}`);
  if (last !== undefined) reasons.push(`the last ${last} of a package`);
  if (matching !== undefined)
    reasons.push(`what matches ${matching.map((one) => `"${one}"`).join(' or ') || 'nothing'}`);
  if (refs === undefined) reasons.push('what a ref names');
  else if (refs.length > 0) reasons.push(`what a ref such as ${refs.map((one) => `"${one}"`).join(' or ')} names`);
  return reasons.join(', or ') || 'nothing';
}

/** Since when the times of a rule are over. */
function overSince({ afterPublish = 0, afterPull }: KeepRule, { publishedAt, pulledAt }: Judged): number {
  return Math.max(publishedAt + afterPublish, afterPull === undefined ? 0 : pulledAt + afterPull);
}

/** For each version how many of its package and class were published after it. */
function ranksOf(policy: Policy, candidates: readonly Candidate[]): number[] {
  const groups = new Map<string, number[]>();
  for (const [index, candidate] of candidates.entries()) {
    const key = `${candidate.name}\n${candidate.class ?? policy.defaultClass ?? ''}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  }
  const ranks = new Array<number>(candidates.length).fill(0);
  for (const group of groups.values()) {
    group.sort((a, b) => (candidates[b] as Candidate).seq - (candidates[a] as Candidate).seq);
    for (const [rank, index] of group.entries()) ranks[index] = rank;
  }
  return ranks;
}

/** Until when the policy itself forbids to remove a version; undefined when it does not. */
export function minimumUntil(
  policy: Policy | undefined,
  candidate: Pick<Candidate, 'class' | 'publishedAt'>,
): { class: string; until: number } | undefined {
  const name = candidate.class ?? policy?.defaultClass;
  if (policy === undefined || name === undefined || !Object.hasOwn(policy.classes, name)) return undefined;
  const { minimum } = policy.classes[name] as ClassRule;
  return minimum === undefined ? undefined : { class: name, until: candidate.publishedAt + minimum };
}
