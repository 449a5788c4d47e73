/**
 * `/livez` and `/readyz`: what a process manager and a load balancer ask.
 *
 * Imports the exchange and limits. Called by the router.
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

/** GET /livez: the process answers. */
export async function live(): Promise<Answer> {
  return json(200, { status: 'ok' }, { 'Cache-Control': 'no-store' });
}

/** GET /readyz: 200 when the storage takes reads and, unless read-only, writes; 503 when not, and why. */
export async function ready({ store }: Exchange): Promise<Answer> {
  const { facts, ...status } = await check(store);
  // Where the store lies is nobody's business out there.
  const { path: _, ...shown } = facts;
  return json(status.ready ? 200 : 503, { ...status, facts: shown }, { 'Cache-Control': 'no-store' });
}

/** The storage's state, asked anew when the last answer is too old. */
function check(store: Store): Promise<BackendStatus> {
  const last = latest.get(store);
  const now = performance.now();
  if (last !== undefined && now - last.begun < HTTP_READINESS_AGE_MS) return last.status;
  const status = store.health();
  latest.set(store, { begun: now, status });
  return status;
}
