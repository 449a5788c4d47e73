/**
 * What is decided about how long things stay: policies, classes, pulls, holds, locks and plans. The kinds and their facts.
 *
 * Imports policies, what can be held, and how facts are written. `kinds.ts` puts it beside the others; `retention-view.ts` reads it.
 */

import type { CborValue } from '../cbor/index.js';
import { isContentAddress } from '../digest-name.js';
import { isNamespace, versionOf } from '../packages/name.js';
import { EVERYWHERE, isClassName, type Policy, policyJson, readPolicy } from '../retention/policy.js';
import { thingOf } from '../retention/thing.js';
import { isSize, isText, isTime, type KindCodec, type KindCodecs, members, optional } from './facts.js';

/** Kind → facts. Times as those of events, sizes in bytes. */
export interface RetentionEventData {
  /** The policy of a namespace from now on. The subject is the namespace, or `*` for all that have none of their own. */
  'policy.set': { policy: Policy; reason?: string };
  /** A namespace has no policy of its own any more. The subject is that of `policy.set`. */
  'policy.removed': { reason?: string };
  /** The class of a version from now on. The subject is the version, which may be published behind it in the same commit. */
  'package.classified': { class: string; reason?: string };
  /** A version was read. Told once in a while, not each time. The subject is the version. */
  'package.pulled': Record<never, never>;
  /** A thing must stay until the hold of this case is released. The subject is the thing. */
  'hold.placed': { case: string; reason: string };
  /** The hold of a case on a thing is over. */
  'hold.released': { case: string; reason?: string };
  /** Until when a thing must stay. The subject is the thing; it takes the place of the lock before. */
  'lock.set': LockFacts;
  /** What is to go was written down. The subject is the content address of the plan, an object. */
  'retention.planned': PlanFacts;
  /** A plan is being carried out: what it names goes from now on, also after a crash. */
  'retention.started': Record<never, never>;
  /** All that a plan names is gone, but for what the events before say. */
  'retention.applied': PlanFacts;
}

export interface LockFacts {
  mode: 'governance' | 'compliance';
  until: number;
  reason?: string;
  /** It shortened or ended a governance lock in force, expressly. */
  bypass?: true;
}

/** What a plan comes to. */
export interface PlanFacts {
  /** Versions that go. */
  versions: number;
  /** Objects that go, and the bytes that they occupy. */
  objects: number;
  storedSize: number;
}

const CASE = /^[\p{L}\p{N}][\p{L}\p{N} ._:/#-]{0,127}$/u;

/** Whether text can name a case: 1 to 128 letters, digits, spaces and `. _ : / # -`, beginning with a letter or digit. */
export function isCase(text: string): boolean {
  return CASE.test(text) && text.normalize('NFC') === text && text.trim() === text;
}

const isThing = (subject: string | null) => subject !== null && thingOf(subject) !== undefined;
const isVersion = (subject: string | null) => subject !== null && versionOf(subject) !== undefined;
const isPlan = (subject: string | null) => subject !== null && isContentAddress(subject);

/** Whether a rule can be about it: a namespace, or `*` for all that have none of their own. */
export function isNamespaceOrAll(subject: string | null): boolean {
  return subject !== null && (subject === EVERYWHERE || isNamespace(subject));
}

const reasonOf = (reason: string | undefined) => ({ ...(reason !== undefined && { reason }) });

function isCaseText(value: CborValue | undefined): value is string {
  return isText(value) && isCase(value);
}

/** Facts that are a reason at most. */
const onlyReason = (isSubject: KindCodec<unknown>['isSubject']): KindCodec<{ reason?: string }> => ({
  isSubject,
  write: ({ reason }) => reasonOf(reason),
  read: (bytes) => {
    const { reason } = members(bytes);
    return optional(reason, isText) ? reasonOf(reason) : undefined;
  },
});

/** No facts: that it happened says all. */
const nothing = (isSubject: KindCodec<unknown>['isSubject']): KindCodec<Record<never, never>> => ({
  isSubject,
  write: () => ({}),
  read: (bytes) => (members(bytes) ? {} : undefined),
});

const planFacts: KindCodec<PlanFacts> = {
  isSubject: isPlan,
  write: ({ objects, versions, storedSize }) => ({ objects, versions, storedSize }),
  read: (bytes) => {
    const { objects, versions, storedSize } = members(bytes);
    return isSize(objects) && isSize(versions) && isSize(storedSize) ? { objects, versions, storedSize } : undefined;
  },
};

export const RETENTION_KINDS: KindCodecs<RetentionEventData> = {
  'policy.set': {
    isSubject: isNamespaceOrAll,
    write: ({ policy, reason }) => ({ policy: policyJson(policy), ...reasonOf(reason) }),
    read: (bytes) => {
      const { policy, reason } = members(bytes);
      const read = readPolicy(policy);
      return read !== undefined && optional(reason, isText) ? { policy: read, ...reasonOf(reason) } : undefined;
    },
  },
  'policy.removed': onlyReason(isNamespaceOrAll),
  'package.classified': {
    isSubject: isVersion,
    write: ({ class: name, reason }) => ({ class: name, ...reasonOf(reason) }),
    read: (bytes) => {
      const { class: name, reason } = members(bytes);
      if (!isText(name) || !isClassName(name) || !optional(reason, isText)) return undefined;
      return { class: name, ...reasonOf(reason) };
    },
  },
  'package.pulled': nothing(isVersion),
  'hold.placed': {
    isSubject: isThing,
    write: ({ case: id, reason }) => ({ case: id, reason }),
    read: (bytes) => {
      const { case: id, reason } = members(bytes);
      return isCaseText(id) && isText(reason) ? { case: id, reason } : undefined;
    },
  },
  'hold.released': {
    isSubject: isThing,
    write: ({ case: id, reason }) => ({ case: id, ...reasonOf(reason) }),
    read: (bytes) => {
      const { case: id, reason } = members(bytes);
      return isCaseText(id) && optional(reason, isText) ? { case: id, ...reasonOf(reason) } : undefined;
    },
  },
  'lock.set': {
    isSubject: isThing,
    write: ({ mode, until, bypass, reason }) => ({ mode, until, ...(bypass && { bypass }), ...reasonOf(reason) }),
    read: (bytes) => {
      const { mode, until, bypass, reason } = members(bytes);
      if ((mode !== 'governance' && mode !== 'compliance') || !isTime(until) || !optional(reason, isText))
        return undefined;
      if (!(bypass === undefined || bypass === true)) return undefined;
      return { mode, until, ...(bypass && { bypass }), ...reasonOf(reason) };
    },
  },
  'retention.planned': planFacts,
  'retention.started': nothing(isPlan),
  'retention.applied': planFacts,
};
