/**
 * `/v1/retention`: policies, holds, locks, classes, plans, and why a thing is still here.
 *
 * Imports the exchange, the names of things that can be held, limits and the shapes. Called by the router. Who is bounded to namespaces may hold and lock what lies
 * in them, and nothing else: objects lie in none.
 */

import { POLICY_SIZE_MAX, RETENTION_BODY_SIZE_MAX } from '../../../limits.js';
import { parsePackage } from '../../../packages/name.js';
import type { PolicyRecord } from '../../../registry/retention.js';
import type { LockMode } from '../../../retention/locks.js';
import { policyJson } from '../../../retention/policy.js';
import { thingOf } from '../../../retention/thing.js';
import type { PlanRun } from '../../../store/retention-plans.js';
import { namespaceForbidden, scopeMissing } from '../access/challenge.js';
import { type Answer, type Exchange, json } from '../exchange.js';
import { linesAnswer } from '../lines.js';
import { progressAnswer } from '../progress.js';
import { Refusal } from '../refusal.js';
import { count, flag, record, text } from '../schemas.js';
import { structuredBody } from '../structured-body.js';

/** What says how long something stays is for those who asked, and nobody's cache. */
const PRIVATE = { 'Cache-Control': 'no-store' };

/** GET /v1/retention/policies. */
export async function listPolicies({ store }: Exchange): Promise<Answer> {
  return json(200, { policies: (await store.retention.policies()).map(shownPolicy) }, PRIVATE);
}

/** GET /v1/retention/policies/<namespace>. */
export async function describePolicy({ store, params: [namespace = ''] }: Exchange): Promise<Answer> {
  return json(200, shownPolicy(await store.retention.policy(namespace)), PRIVATE);
}

/** A policy as people write it; `Store.retention` checks it, and says more than a schema could. */
export const POLICY_BODY = { type: 'object' };

/** PUT /v1/retention/policies/<namespace>: the body is the policy. */
export async function setPolicy(exchange: Exchange): Promise<Answer> {
  const { store, actor, params } = exchange;
  const policy = await structuredBody(exchange, POLICY_BODY, POLICY_SIZE_MAX);
  const set = await store.retention.setPolicy(params[0] ?? '', policy, { actor, ...reasonOf(exchange) });
  return json(200, shownPolicy(set), PRIVATE);
}

/** DELETE /v1/retention/policies/<namespace>. */
export async function removePolicy(exchange: Exchange): Promise<Answer> {
  const { store, actor, params } = exchange;
  const removed = await store.retention.removePolicy(params[0] ?? '', { actor, ...reasonOf(exchange) });
  return json(200, shownPolicy(removed), PRIVATE);
}

function shownPolicy({ policy, ...rest }: PolicyRecord) {
  return { ...rest, policy: policyJson(policy) };
}

export const CLASS_BODY = record(
  { version: text('A version or a ref.'), class: text('Its class from now on.'), reason: text() },
  ['reason'],
);

/** POST /v1/retention/classes: changes the class of a version. */
export async function classifyVersion(exchange: Exchange): Promise<Answer> {
  const {
    version,
    class: name,
    reason,
  } = (await structuredBody(exchange, CLASS_BODY, RETENTION_BODY_SIZE_MAX)) as {
    version: string;
    class: string;
    reason?: string;
  };
  requireNamespaceOf(exchange, parsePackage(version).namespace);
  const { store, actor } = exchange;
  return json(200, await store.retention.classify(version, name, { actor, ...(reason !== undefined && { reason }) }));
}

/** GET /v1/retention/holds: a page of them. */
export async function listHolds({ store, query: { on, ...page } }: Exchange): Promise<Answer> {
  const { holds, cursor } = await store.retention.holds({ ...page, ...(on !== undefined && { subject: String(on) }) });
  return json(200, { holds, ...(cursor !== undefined && { next: cursor }) }, PRIVATE);
}

export const HOLD_BODY = record({
  on: text('An object by a digest, namespace/name@version, namespace/name, or namespace/ with a slash at its end.'),
  case: text('Which case it is for.'),
  reason: text('Why it has to stay.'),
});

/** POST /v1/retention/holds: places one. */
export async function placeHold(exchange: Exchange): Promise<Answer> {
  const {
    on,
    case: id,
    reason,
  } = (await structuredBody(exchange, HOLD_BODY, RETENTION_BODY_SIZE_MAX)) as {
    on: string;
    case: string;
    reason: string;
  };
  requireThing(exchange, on);
  const { store, actor } = exchange;
  return json(201, await store.retention.hold(on, { case: id, reason, actor }), PRIVATE);
}

/** DELETE /v1/retention/holds?on=&case=: releases one. Who may place holds is told who placed it, and who may release it. */
export async function releaseHold(exchange: Exchange): Promise<Answer> {
  const { store, actor, query, principal } = exchange;
  if (query.on === undefined || query.case === undefined) {
    throw new Refusal(
      'AS_ERR_INVALID_ARGUMENT',
      400,
      'Which hold is meant is missing. Give on=<thing> and case=<case>.',
    );
  }
  const [on, id] = [String(query.on), String(query.case)];
  requireThing(exchange, on);
  if (!principal.scopes.includes('release')) {
    const subject = await store.retention.subjectOf(on);
    const { holds } = await store.retention.holds({ subject, limit: 1000 });
    const hold = holds.find((one) => one.case === id);
    const refusal = scopeMissing(actor, ['release']);
    if (hold === undefined) throw refusal;
    const message = `${actor} may not release the hold ${id} on ${subject}, which ${hold.actor} placed (${hold.reason}): it takes the scope release.`;
    const { code, status, details, headers } = refusal;
    throw new Refusal(code, status, message, { ...details, subject, case: id, holder: hold.actor }, headers);
  }
  return json(200, await store.retention.release(on, { case: id, actor, ...reasonOf(exchange) }), PRIVATE);
}

/** GET /v1/retention/locks: a page of them. */
export async function listLocks({ store, query: { on, ...page } }: Exchange): Promise<Answer> {
  const { locks, cursor } = await store.retention.locks({ ...page, ...(on !== undefined && { subject: String(on) }) });
  return json(200, { locks, ...(cursor !== undefined && { next: cursor }) }, PRIVATE);
}

export const LOCK_BODY = record(
  {
    on: text('As for holds.'),
    mode: { enum: ['governance', 'compliance'] },
    until: count('Milliseconds since 1970 UTC.'),
    reason: text(),
    bypassGovernance: flag('Shorten or end a governance lock in force; takes the scope release.'),
  },
  ['reason', 'bypassGovernance'],
);

/** POST /v1/retention/locks: locks a thing, or makes its lock longer, stricter, or, expressly, shorter. */
export async function setLock(exchange: Exchange): Promise<Answer> {
  const { on, ...lock } = (await structuredBody(exchange, LOCK_BODY, RETENTION_BODY_SIZE_MAX)) as {
    on: string;
    mode: LockMode;
    until: number;
    reason?: string;
    bypassGovernance?: boolean;
  };
  requireThing(exchange, on);
  const { store, actor, principal } = exchange;
  if (lock.bypassGovernance && !principal.scopes.includes('release')) throw scopeMissing(actor, ['release']);
  return json(200, await store.retention.lock(on, { ...lock, actor }), PRIVATE);
}

/** GET /v1/retention: the time of the log, and the newest plans. */
export async function retentionStatus({ store }: Exchange): Promise<Answer> {
  return json(200, await store.retention.status(), PRIVATE);
}

/** POST /v1/retention/plans: what would go, line by line; kept as a plan unless `record=false`. */
export async function planRetention({ store, method, actor, query }: Exchange): Promise<Answer> {
  const { record: kept = true, objects = true } = query as { record?: boolean; objects?: boolean };
  return planAnswer(method, await store.retention.planRun({ actor, record: kept, objects }));
}

/** GET /v1/retention/plans/<plan>: the same of a plan that was made. */
export async function readPlan({ store, method, params: [plan = ''], query }: Exchange): Promise<Answer> {
  const { objects = true } = query as { objects?: boolean };
  return planAnswer(method, await store.retention.showPlan(plan, { objects }));
}

function planAnswer(method: string, run: PlanRun): Promise<Answer> {
  const told = async function* () {
    yield run.summary;
    yield* run;
  };
  return linesAnswer(method, told());
}

export const APPLY_BODY = record({ throttle: { ...count('Objects a second at most.'), minimum: 1 } }, ['throttle']);

/** POST /v1/retention/plans/<plan>/application: carries it out. It ends when its client leaves; carrying it out again goes on. */
export async function applyPlan(exchange: Exchange): Promise<Answer> {
  const { store, actor, params } = exchange;
  const asked = (await structuredBody(exchange, APPLY_BODY, RETENTION_BODY_SIZE_MAX)) as { throttle?: number };
  const signal = exchange.ended();
  return progressAnswer(exchange, (tell) =>
    store.retention.apply(params[0] ?? '', { ...asked, actor, signal, onProgress: tell }),
  );
}

/** GET /v1/retention/reasons/<name>: why it is still here, or why it is gone. */
export async function tellWhy({ store, params: [name = ''] }: Exchange): Promise<Answer> {
  return json(200, await store.retention.why(name), PRIVATE);
}

function reasonOf({ query }: Exchange): { reason?: string } {
  return query.reason === undefined ? {} : { reason: String(query.reason) };
}

/** Refuses who is bounded to namespaces what lies in no namespace of theirs. Throws AS_ERR_FORBIDDEN. */
function requireThing(exchange: Exchange, name: string): void {
  const thing = name.includes('/') ? thingOf(name) : undefined;
  requireNamespaceOf(exchange, thing && 'namespace' in thing ? thing.namespace : undefined);
}

function requireNamespaceOf({ principal, actor }: Exchange, namespace: string | undefined): void {
  const { namespaces } = principal;
  if (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))) return;
  throw namespaceForbidden(actor, namespaces, namespace);
}
