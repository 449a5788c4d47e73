/**
 * The end of objects of a service: tombstones taken back, sweeps, and erasure.
 *
 * Imports errors and this folder. Called by the client.
 */

import { ArtifactStoreError, type ErrorCode } from '../errors.js';
import type { ObjectRecord } from '../registry/registry.js';
import type {
  ErasureDemand,
  ErasureReport,
  ReconcileOptions,
  ReconcileReport,
  SweepOptions,
  SweepReport,
} from '../store.js';
import { withProgress } from './progress.js';
import { type Call, type Service, segment } from './service.js';

/** As `Store.undelete`. */
export async function undelete(service: Service, address: string, reason: string | undefined): Promise<ObjectRecord> {
  return service.json({ method: 'POST', path: `/v1/objects/${segment(address)}/undeletion`, query: { reason } });
}

/** A report as JSON has it. */
type SweepJson = Omit<SweepReport, 'failed'> & {
  failed: { address: SweepReport['failed'][number]['address']; error: { code: ErrorCode; message: string } }[];
};

/** As `Store.sweep`. A connection that breaks ends it; what is done is done, and the next one goes on. */
export async function sweep(service: Service, { limit, signal, onProgress }: SweepOptions): Promise<SweepReport> {
  const call: Call = {
    method: 'POST',
    path: '/v1/sweeps',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...(limit !== undefined && { limit }) }),
    signal,
    isPatient: true,
    isRepeatable: true,
  };
  const tell = (progress: SweepJson) => onProgress?.(sweepReport(progress));
  return sweepReport(await withProgress<SweepJson, SweepJson>(service, call, tell));
}

function sweepReport({ failed, ...report }: SweepJson): SweepReport {
  const errorOf = ({ code, message }: SweepJson['failed'][number]['error']) => new ArtifactStoreError(code, message);
  return { ...report, failed: failed.map(({ address, error }) => ({ address, error: errorOf(error) })) };
}

/** As `Store.reconcile`. */
export async function reconcile(
  service: Service,
  { age, dryRun, signal, onProgress }: ReconcileOptions,
): Promise<ReconcileReport> {
  const call: Call = {
    method: 'POST',
    path: '/v1/reconciliations',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...(age !== undefined && { age }), ...(dryRun !== undefined && { dryRun }) }),
    signal,
    isPatient: true,
    isRepeatable: true,
  };
  const tell = ({ steps, ...report }: ReconcileReport & { steps: number }) => onProgress?.(report, steps);
  return withProgress(service, call, tell);
}

/** As `Store.erase`. The same demand again erases what is left. */
export async function erase(service: Service, { actor: _, ...demand }: ErasureDemand): Promise<ErasureReport> {
  return service.json({
    method: 'POST',
    path: '/v1/erasures',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(demand),
    isPatient: true,
    isRepeatable: true,
  });
}
