/**
 * What a policy is: for each class of versions in a namespace how long they are kept, and why.
 *
 * Pure; imports errors, near names, durations and limits. A policy comes in as JSON that a person wrote (`parsePolicy`), stands in an event as canonical CBOR
 * (`policyFacts`, `readPolicy`), and is shown as the JSON it came as (`policyJson`). `evaluate.ts` decides by it.
 *
 * The default is to keep: a namespace without a policy, a version without a class, a class without a rule and a rule that says neither `keep` nor `maximum` keep
 * everything.
 */

import type { CborValue } from '../cbor/index.js';
import { nearest } from '../config/nearest.js';
import { ArtifactStoreError } from '../errors.js';
import { POLICY_CLASSES_MAX, POLICY_KEEP_LAST_MAX, POLICY_PATTERN_LENGTH_MAX, POLICY_PATTERNS_MAX } from '../limits.js';
import { formatDuration, readDuration } from './duration.js';

/** Classes that any namespace may use before its policy says anything of them. A policy may name others. */
export const KNOWN_CLASSES = ['ephemeral', 'build', 'release', 'evidence'] as const;

/** The policy of all namespaces that have none of their own. */
export const EVERYWHERE = '*';

/** A version is kept while any one of these holds. Times in milliseconds. */
export interface KeepRule {
  /** For so long after it was published. */
  afterPublish?: number;
  /** For so long after it was last pulled. One that never was counts as pulled when it was published, or when pulls began to be noted. */
  afterPull?: number;
  /** Among so many of its package and class that were published last. */
  last?: number;
  /** Its version, or `name@version`, fits one of these patterns. */
  matching?: readonly string[];
  /** A ref whose name fits one of these points at it. Absent: any ref. */
  refs?: readonly string[];
}

/** What holds for the versions of one class. Times in milliseconds. */
export interface ClassRule {
  /** Nothing and nobody removes it before it is so old. */
  minimum?: number;
  /** Once it is so old it goes, whatever would keep it, but for holds, locks and refs that cannot move. */
  maximum?: number;
  /** Why it stays; absent: it stays. */
  keep?: KeepRule;
  /** How long what went can be brought back. Absent: GRACE_DEFAULT_MS. */
  grace?: number;
  /** Whoever wrote this knows that it keeps nothing. */
  deleteEverything?: true;
}

export interface Policy {
  /** The class of versions that were published without one. Absent: they have none, and stay. */
  defaultClass?: string;
  classes: Readonly<Record<string, ClassRule>>;
}

const CLASS = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
const CLASS_LENGTH_MAX = 64;

/** Whether text can be the name of a class. */
export function isClassName(text: string): boolean {
  return text.length <= CLASS_LENGTH_MAX && CLASS.test(text);
}

const POLICY_KEYS = ['defaultClass', 'classes'];
const RULE_KEYS = ['minimum', 'maximum', 'keep', 'grace', 'deleteEverything'];
const KEEP_KEYS = ['afterPublish', 'afterPull', 'last', 'matching', 'refs'];

/**
 * Reads a policy as people write it.
 *
 * @param value what JSON.parse gave
 * @throws AS_ERR_POLICY: an unknown key, a value that is none, a minimum beyond a maximum, a rule that keeps nothing and does not say so;
 *   `details.at` is the place
 */
export function parsePolicy(value: unknown): Policy {
  const { defaultClass, classes } = requireMap(value, '', POLICY_KEYS);
  const rules = requireMap(classes ?? {}, 'classes');
  const names = Object.keys(rules);
  if (names.length > POLICY_CLASSES_MAX)
    throw refused('classes', `has ${names.length} classes; give up to ${POLICY_CLASSES_MAX}`);
  const parsed: Record<string, ClassRule> = {};
  for (const name of names.sort()) {
    if (!isClassName(name)) {
      throw refused(
        `classes.${name}`,
        'is no name of a class: lower-case letters and digits, with ".", "_" or "-" between them',
      );
    }
    parsed[name] = parseRule(rules[name], `classes.${name}`);
  }
  if (defaultClass === undefined) return { classes: parsed };
  if (typeof defaultClass !== 'string' || !isKnownClass(defaultClass, parsed)) {
    const meant = nearest(String(defaultClass), [...KNOWN_CLASSES, ...names]);
    const hint = meant === undefined ? '' : ` Did you mean "${meant}"?`;
    throw refused('defaultClass', `is ${JSON.stringify(defaultClass)}, and the policy has no such class.${hint}`);
  }
  return { defaultClass, classes: parsed };
}

/** Whether versions may be published with a class where these rules are in force. */
export function isKnownClass(name: string, rules: Readonly<Record<string, unknown>>): boolean {
  return (KNOWN_CLASSES as readonly string[]).includes(name) || Object.hasOwn(rules, name);
}

function parseRule(value: unknown, at: string): ClassRule {
  const { minimum, maximum, keep, grace, deleteEverything } = requireMap(value, at, RULE_KEYS);
  if (deleteEverything !== undefined && deleteEverything !== true)
    throw refused(`${at}.deleteEverything`, `is ${JSON.stringify(deleteEverything)}; write true, or leave it out`);
  const rule: ClassRule = {
    ...given('minimum', optionalDuration(minimum, `${at}.minimum`)),
    ...given('maximum', optionalDuration(maximum, `${at}.maximum`)),
    ...(keep !== undefined && { keep: parseKeep(keep, `${at}.keep`) }),
    ...given('grace', optionalDuration(grace, `${at}.grace`)),
    ...(deleteEverything === true && { deleteEverything }),
  };
  requireSense(rule, at);
  return rule;
}

function parseKeep(value: unknown, at: string): KeepRule {
  const { afterPublish, afterPull, last, matching, refs } = requireMap(value, at, KEEP_KEYS);
  if (last !== undefined && !(Number.isInteger(last) && Number(last) >= 0 && Number(last) <= POLICY_KEEP_LAST_MAX))
    throw refused(`${at}.last`, `is ${JSON.stringify(last)}; give a whole number from 0 to ${POLICY_KEEP_LAST_MAX}`);
  return {
    ...given('afterPublish', optionalDuration(afterPublish, `${at}.afterPublish`)),
    ...given('afterPull', optionalDuration(afterPull, `${at}.afterPull`)),
    ...(last !== undefined && { last: last as number }),
    ...given('matching', optionalPatterns(matching, `${at}.matching`)),
    ...given('refs', optionalPatterns(refs, `${at}.refs`)),
  };
}

/** Refuses what contradicts itself, and what keeps nothing without saying so. */
function requireSense(rule: ClassRule, at: string): void {
  const { minimum = 0, maximum, keep } = rule;
  if (maximum !== undefined && minimum > maximum) {
    throw refused(
      at,
      `says that a version must be kept for ${formatDuration(minimum)} (minimum) and may not be kept for longer than ${formatDuration(maximum)} (maximum). Give a minimum that is no longer than the maximum`,
    );
  }
  for (const name of ['afterPublish', 'afterPull'] as const) {
    const length = keep?.[name];
    if (maximum === undefined || length === undefined || length <= maximum) continue;
    throw refused(
      at,
      `keeps a version for ${formatDuration(length)} (keep.${name}), longer than its maximum of ${formatDuration(maximum)}. Make one of them the other`,
    );
  }
  if (rule.deleteEverything || !keepsNothing(rule)) return;
  throw refused(
    at,
    'would delete everything: it keeps a version for no length of time, for no number, for no pattern and for no ref that it names. If that is meant, add "deleteEverything": true',
  );
}

/** Whether a version of this class can go as soon as it is published, whatever its name, its age and its place among others. */
export function keepsNothing({ minimum = 0, maximum, keep }: ClassRule): boolean {
  if (minimum > 0) return false;
  if (maximum === 0) return true;
  if (keep === undefined) return false;
  const { afterPublish = 0, afterPull = 0, last = 0, matching = [], refs = [] } = keep;
  return afterPublish === 0 && afterPull === 0 && last === 0 && matching.length === 0 && refs.length === 0;
}

/** Whether pulls matter to a policy. */
export function countsPulls({ classes }: Policy): boolean {
  return Object.values(classes).some(({ keep }) => keep?.afterPull !== undefined);
}

/** A policy as it is written, and stands in an event: lengths as text. Members in canonical order do not matter here, the encoder sorts them. */
export function policyJson({ defaultClass, classes }: Policy): PolicyJson {
  const rules = Object.entries(classes).map(([name, rule]) => [name, ruleJson(rule)] as const);
  return { ...(defaultClass !== undefined && { defaultClass }), classes: Object.fromEntries(rules) };
}

/** A policy as people write it. */
export type PolicyJson = {
  defaultClass?: string;
  classes: { [name: string]: RuleJson };
};

type RuleJson = { [key: string]: string | true | { [key: string]: string | number | string[] } };

function ruleJson({ minimum, maximum, keep, grace, deleteEverything }: ClassRule): RuleJson {
  return {
    ...shown('minimum', minimum),
    ...shown('maximum', maximum),
    ...(keep && { keep: keepJson(keep) }),
    ...shown('grace', grace),
    ...(deleteEverything && { deleteEverything }),
  };
}

function keepJson({ afterPublish, afterPull, last, matching, refs }: KeepRule) {
  return {
    ...shown('afterPublish', afterPublish),
    ...shown('afterPull', afterPull),
    ...(last !== undefined && { last }),
    ...(matching && { matching: [...matching] }),
    ...(refs && { refs: [...refs] }),
  };
}

/** The policy in an event; undefined for what is none, which a log refuses to take in. */
export function readPolicy(value: CborValue | undefined): Policy | undefined {
  try {
    return parsePolicy(value);
  } catch {
    return undefined;
  }
}

function requireMap(value: unknown, at: string, known?: readonly string[]): { readonly [key: string]: unknown } {
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  if (!isMap) throw refused(at, `is ${JSON.stringify(value)}; write an object`);
  const unknown = known && Object.keys(value).find((key) => !known.includes(key));
  if (unknown === undefined) return value as { readonly [key: string]: unknown };
  const meant = nearest(unknown, known as readonly string[]);
  const advice = meant === undefined ? `It knows ${known?.join(', ')}` : `Did you mean "${meant}"?`;
  throw refused(at, `does not know "${unknown}". ${advice}`);
}

function optionalDuration(value: unknown, at: string): number | undefined {
  if (value === undefined) return undefined;
  const length = typeof value === 'string' ? readDuration(value) : undefined;
  if (length !== undefined) return length;
  throw refused(
    at,
    `is ${JSON.stringify(value)}; write a length such as "30d": a whole number and one of y, w, d, h, m, s, at most 1000y`,
  );
}

function optionalPatterns(value: unknown, at: string): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const isPattern = (one: unknown) => typeof one === 'string' && one !== '' && one.length <= POLICY_PATTERN_LENGTH_MAX;
  if (Array.isArray(value) && value.length <= POLICY_PATTERNS_MAX && value.every(isPattern)) return value;
  throw refused(
    at,
    `is ${JSON.stringify(value)}; write a list of up to ${POLICY_PATTERNS_MAX} patterns of 1 to ${POLICY_PATTERN_LENGTH_MAX} characters, such as ["v*", "rc-?"]`,
  );
}

function given<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [key in K]?: V };
}

function shown(key: string, length: number | undefined): { [key: string]: string } {
  return length === undefined ? {} : { [key]: formatDuration(length) };
}

function refused(at: string, what: string): ArtifactStoreError {
  const place = at === '' ? 'The policy' : `The policy's ${at}`;
  const end = /[.?]$/.test(what) ? '' : '.';
  return new ArtifactStoreError('AS_ERR_POLICY', `${place} ${what}${end}`, { at });
}
