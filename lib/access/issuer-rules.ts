/**
 * What an operator trusts an issuer of identities to say: which claims of a JWT allow what.
 *
 * Imports scopes, names of packages, limits and errors. `issuer.ts` applies the rules; the doors read them from a file.
 */

import { ArtifactStoreError } from '../errors.js';
import { ISSUER_RULES_MAX, TOKEN_RATE_MAX } from '../limits.js';
import { requireNamespace } from '../packages/name.js';
import { requireScopes, type Scope } from './scopes.js';

/** Who is meant, and what they may do. The first rule of an issuer that fits decides. */
export interface ClaimRule {
  /** Claims that a token must have, each with this text; a `*` stands for any characters, a `/` among them. At least one. */
  claims: Readonly<Record<string, string>>;
  scopes: readonly Scope[];
  /** The only namespaces; `{claim}` stands for the text of a claim. Absent: no bound. */
  namespaces?: readonly string[];
  /** Requests a minute, for each subject. */
  rate?: number;
}

/** An issuer that is trusted, and for what. */
export interface TrustedIssuer {
  /** Its URL, as it stands in the tokens' `iss`. */
  issuer: string;
  /** What stands in the tokens' `aud`: a name of this service. */
  audience: string;
  /** Where its keys are; default: as its `.well-known/openid-configuration` says. */
  jwksUri?: string;
  rules: readonly ClaimRule[];
}

/** What the claims of a token allow. */
export interface Allowance {
  scopes: readonly Scope[];
  namespaces?: readonly string[];
  rate?: number;
}

type Claims = Readonly<Record<string, unknown>>;

/** What the first rule that fits allows; undefined: none fits. */
export function allowanceOf(rules: readonly ClaimRule[], claims: Claims): Allowance | undefined {
  const rule = rules.find((rule) =>
    Object.entries(rule.claims).every(([name, pattern]) => fits(textOf(claims, name), pattern)),
  );
  if (rule === undefined) return undefined;
  const { scopes, namespaces, rate } = rule;
  const bound = namespaces?.map((namespace) => filledIn(namespace, claims));
  // A claim that makes no namespace allows nothing, rather than everything.
  if (bound?.some((namespace) => namespace === undefined)) return undefined;
  return { scopes, ...(bound && { namespaces: bound as string[] }), ...(rate !== undefined && { rate }) };
}

/**
 * Checks what an operator wrote.
 *
 * @param value one issuer or a list of them, as JSON gives it
 * @throws AS_ERR_INVALID_ARGUMENT
 */
export function requireIssuers(value: unknown): TrustedIssuer[] {
  const issuers = (Array.isArray(value) ? value : [value]).map(requireIssuer);
  const names = issuers.map(({ issuer }) => issuer);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`${twice} is there twice; put its rules together`);
  return issuers;
}

function requireIssuer(value: unknown): TrustedIssuer {
  const { issuer, audience, jwksUri, rules, ...others } = membersOf(value, 'an issuer');
  refuseOthers(others, 'an issuer');
  requireUrl(issuer, 'issuer');
  if (typeof audience !== 'string' || audience === '') throw invalid('"audience" is missing: a name of this service');
  if (jwksUri !== undefined) requireUrl(jwksUri, 'jwksUri');
  if (!Array.isArray(rules) || rules.length === 0 || rules.length > ISSUER_RULES_MAX) {
    throw invalid(`"rules" is not a list of 1 to ${ISSUER_RULES_MAX} rules, so nobody would be let in`);
  }
  return {
    issuer: issuer as string,
    audience,
    ...(jwksUri !== undefined && { jwksUri: jwksUri as string }),
    rules: rules.map(requireRule),
  };
}

function requireRule(value: unknown): ClaimRule {
  const { claims, scopes, namespaces, rate, ...others } = membersOf(value, 'a rule');
  refuseOthers(others, 'a rule');
  const wanted = Object.entries(membersOf(claims, '"claims"'));
  if (wanted.length === 0 || wanted.some(([, pattern]) => typeof pattern !== 'string' || pattern === '')) {
    throw invalid('"claims" of a rule names one or more claims, each with the text that it must have');
  }
  if (!isTexts(scopes)) throw invalid('"scopes" of a rule is not a list of scopes');
  const allowed = requireScopes(scopes);
  if (namespaces !== undefined && (!isTexts(namespaces) || namespaces.length === 0)) {
    throw invalid('"namespaces" of a rule is not a list of one or more namespaces; leave it out for all');
  }
  if (namespaces !== undefined && allowed.includes('admin')) {
    throw invalid('"admin" concerns the whole service, so it cannot be bounded to namespaces');
  }
  for (const namespace of namespaces ?? []) if (!namespace.includes('{')) requireNamespace(namespace);
  if (rate !== undefined && !(Number.isInteger(rate) && (rate as number) >= 1 && (rate as number) <= TOKEN_RATE_MAX)) {
    throw invalid(`"rate" of a rule is ${rate}; give 1 to ${TOKEN_RATE_MAX} requests a minute`);
  }
  return {
    claims: Object.fromEntries(wanted) as Record<string, string>,
    scopes: allowed,
    ...(namespaces !== undefined && { namespaces }),
    ...(rate !== undefined && { rate: rate as number }),
  };
}

/** Issuers speak TLS: whoever can answer in their place decides who everybody is. On loopback there is nobody in between. */
function requireUrl(value: unknown, name: string): void {
  if (typeof value === 'string' && URL.canParse(value)) {
    const { protocol, hostname, username, hash } = new URL(value);
    const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);
    if ((protocol === 'https:' || (protocol === 'http:' && isLocal)) && username === '' && hash === '') return;
  }
  throw invalid(`"${name}" is "${value}", not a URL of https`);
}

function membersOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`${what} is not a map of names and values`);
}

function refuseOthers(others: object, what: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw invalid(`"${name}" has no meaning in ${what}`);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** A claim as text; claims that are neither texts, numbers nor truth values have none. */
function textOf(claims: Claims, name: string): string | undefined {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}

/** Whether a text is what a pattern says. In time that grows with the text alone: the parts between stars are looked for one after the other. */
function fits(text: string | undefined, pattern: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  if (text === undefined || !text.startsWith(first)) return false;
  if (others.length === 0) return text === first;
  const last = others.pop() as string;
  let at = first.length;
  for (const part of others) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** A namespace with the texts of claims; undefined where that is none. */
function filledIn(namespace: string, claims: Claims): string | undefined {
  const text = namespace.replace(/\{([^{}]*)\}/g, (_, name: string) => textOf(claims, name)?.toLowerCase() ?? '\0');
  try {
    return requireNamespace(text);
  } catch {
    return undefined;
  }
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `The issuers cannot be trusted as they are described: ${what}.`,
  );
}
