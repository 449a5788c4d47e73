/**
 * `/livez`, `/startupz` and `/readyz`: what a process manager and a load balancer ask. And the state of the storage, for metrics too.
 *
 * Imports the exchange and limits. Called by the router and by `metrics.ts`.
 */

import type { BackendStatus } from '../../dataplane/spi.js';
import { HTTP_READINESS_AGE_MS } from '../../limits.js';
import type { Store } from '../../store.js';
import { type Answer, type Exchange, json } from './exchange.js';

interface Check {
  begun: number;
  status: Promise<BackendStatus>;
}

const latest = new WeakMap<Store, Check>();

const FRESH = { 'Cache-Control': 'no-store' };

/** GET /livez: the process answers. */
export async function live(): Promise<Answer> {
  return json(200, { status: 'ok' }, FRESH);
}

/** GET /startupz: 200 once the store is open, what a crash interrupted is finished, and requests are taken; 503 before. */
export async function started({ service }: Exchange): Promise<Answer> {
  return service.phase === 'starting' ? json(503, { status: 'starting' }, FRESH) : json(200, { status: 'ok' }, FRESH);
}

/** GET /readyz: 200 when the storage takes reads and, unless read-only, writes; 503 when not, and why, and while the service starts or ends. */
export async function ready({ service }: Exchange): Promise<Answer> {
  const { phase, store } = service;
  if (phase !== 'ready' || store === undefined) return json(503, { ready: false, status: phase }, FRESH);
  const { cold, ...status } = await storageStatus(store);
  return json(status.ready ? 200 : 503, { ...shown(status), ...(cold && { cold: shown(cold) }) }, FRESH);
}

/** Where the store lies is nobody's business out there. */
function shown({ facts, ...status }: BackendStatus): BackendStatus {
  const { path: _, ...others } = facts;
  return { ...status, facts: others };
}

/** The storage's state, asked anew when the last answer is too old. */
export function storageStatus(store: Store): Promise<BackendStatus> {
  const last = latest.get(store);
  const now = performance.now();
  if (last !== undefined && now - last.begun < HTTP_READINESS_AGE_MS) return last.status;
  const status = store.health();
  latest.set(store, { begun: now, status });
  return status;
}
