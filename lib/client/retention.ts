/**
 * How long things stay at a service: policies, holds, locks and plans. The verbs of `Store.retention`, over HTTP.
 *
 * Imports policies, errors and this folder. `StoreClient.retention` is one of these. Who acts is who the service takes the client for.
 */

import { ArtifactStoreError } from '../errors.js';
import type { PackageVersion } from '../packages/name.js';
import type { GuardQuery, HoldRecord, LockRecord, PolicyRecord } from '../registry/retention.js';
import { parsePolicy } from '../retention/policy.js';
import type { Why } from '../retention/why.js';
import type { DecisionOptions, LockOptions, PlaceOptions, PlanRunOptions } from '../store/retention.js';
import type { ApplyOptions, ApplyReport, PlanLine, PlanRun, PlanSummary } from '../store/retention-plans.js';
import type { RetentionStatus } from '../store/retention-reader.js';
import type { RetentionVerbs } from '../store/verbs.js';
import { withProgress } from './progress.js';
import { type Call, type Service, segment } from './service.js';

const ROOT = '/v1/retention';

/** A policy as JSON has it: lengths of time as text. */
type PolicyRecordJson = Omit<PolicyRecord, 'policy'> & { policy: unknown };

export class ClientRetention implements RetentionVerbs {
  constructor(
    private readonly service: Service,
    private readonly requireWritable: () => void,
  ) {}

  /** As `Retention.setPolicy`: the service checks the policy, and says what is wrong with it. */
  async setPolicy(namespace: string, policy: unknown, { reason }: DecisionOptions = {}): Promise<PolicyRecord> {
    this.requireWritable();
    return read(await this.#send('PUT', `/policies/${segment(namespace)}`, policy, { reason }));
  }

  /** As `Retention.removePolicy`. */
  async removePolicy(namespace: string, { reason }: DecisionOptions = {}): Promise<PolicyRecord> {
    this.requireWritable();
    const path = `${ROOT}/policies/${segment(namespace)}`;
    return read(await this.service.json({ method: 'DELETE', path, query: { reason } }));
  }

  /** As `Retention.policy`. */
  async policy(namespace: string): Promise<PolicyRecord> {
    return read(await this.service.json({ method: 'GET', path: `${ROOT}/policies/${segment(namespace)}` }));
  }

  /** As `Retention.policies`. */
  async policies(): Promise<PolicyRecord[]> {
    const { policies } = await this.service.json<{ policies: PolicyRecordJson[] }>({
      method: 'GET',
      path: `${ROOT}/policies`,
    });
    return policies.map(read);
  }

  /** As `Retention.classify`. */
  async classify(
    version: string,
    className: string,
    { reason }: DecisionOptions = {},
  ): Promise<PackageVersion & { class: string }> {
    this.requireWritable();
    return this.#send('POST', '/classes', { version, class: className, reason });
  }

  /** As `Retention.hold`. It is sent once: one whose answer is lost may have been placed, and `holds` shows it. */
  async hold(on: string, { case: id, reason }: PlaceOptions): Promise<HoldRecord> {
    this.requireWritable();
    return this.#send('POST', '/holds', { on, case: id, reason });
  }

  /** As `Retention.release`. */
  async release(on: string, { case: id, reason }: DecisionOptions & { case: string }): Promise<HoldRecord> {
    this.requireWritable();
    return this.service.json({ method: 'DELETE', path: `${ROOT}/holds`, query: { on, case: id, reason } });
  }

  /** As `Retention.holds`. */
  async holds({ subject, ...page }: GuardQuery = {}): Promise<{ holds: HoldRecord[]; cursor?: string }> {
    const call: Call = { method: 'GET', path: `${ROOT}/holds`, query: { ...page, on: subject } };
    const { holds, next } = await this.service.json<{ holds: HoldRecord[]; next?: string }>(call);
    return { holds, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Retention.lock`. */
  async lock(on: string, { mode, until, reason, bypassGovernance }: LockOptions): Promise<LockRecord> {
    this.requireWritable();
    return this.#send('POST', '/locks', { on, mode, until, reason, ...(bypassGovernance && { bypassGovernance }) });
  }

  /** As `Retention.locks`. */
  async locks({ subject, ...page }: GuardQuery = {}): Promise<{ locks: LockRecord[]; cursor?: string }> {
    const call: Call = { method: 'GET', path: `${ROOT}/locks`, query: { ...page, on: subject } };
    const { locks, next } = await this.service.json<{ locks: LockRecord[]; next?: string }>(call);
    return { locks, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Retention.status`. */
  async status(): Promise<RetentionStatus> {
    return this.service.json({ method: 'GET', path: ROOT });
  }

  /** As `Retention.why`. */
  async why(name: string): Promise<Why> {
    const path = `${ROOT}/reasons/${name.split('/').map(segment).join('/')}`;
    return this.service.json({ method: 'GET', path });
  }

  /** As `Retention.planRun`. */
  async planRun({ record, objects }: PlanRunOptions = {}): Promise<PlanRun> {
    if (record !== false) this.requireWritable();
    return this.#run({ method: 'POST', path: `${ROOT}/plans`, query: { record, objects }, isPatient: true });
  }

  /** As `Retention.showPlan`. */
  async showPlan(name: string, { objects }: Pick<PlanRunOptions, 'objects'> = {}): Promise<PlanRun> {
    return this.#run({ method: 'GET', path: `${ROOT}/plans/${segment(name)}`, query: { objects } });
  }

  /** As `Retention.apply`: the service carries it out, and tells how far it has come. A connection that breaks ends it; asking again goes on. */
  async apply(name: string, { throttle, signal, onProgress }: ApplyOptions = {}): Promise<ApplyReport> {
    this.requireWritable();
    const path = `${ROOT}/plans/${segment(name)}/application`;
    const call: Call = { method: 'POST', path, ...jsonBody({ throttle }), signal, isPatient: true };
    return withProgress(this.service, call, (done: { objects: number; total: number }) => onProgress?.(done));
  }

  async #run(call: Call): Promise<PlanRun> {
    const lines = this.service.lines<PlanSummary | PlanLine>(call);
    const { value: summary } = await lines.next();
    if (summary === undefined)
      throw new ArtifactStoreError('AS_ERR_HTTP_ANSWER', 'What came is not a plan. Check what is at this address.');
    return { summary: summary as PlanSummary, [Symbol.asyncIterator]: () => lines as AsyncGenerator<PlanLine> };
  }

  #send<T>(method: 'POST' | 'PUT', path: string, value: unknown, query: Call['query'] = {}): Promise<T> {
    return this.service.json<T>({ method, path: `${ROOT}${path}`, query, ...jsonBody(value) });
  }
}

function jsonBody(value: unknown): Pick<Call, 'headers' | 'body'> {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

function read({ policy, ...record }: PolicyRecordJson): PolicyRecord {
  return { ...record, policy: parsePolicy(policy) };
}
