/**
 * What a daemon counts, as Prometheus reads it: requests by operation, connections, and how the storage is.
 *
 * Imports the contract of a hosted data plane and metrics' text format. Called by `host.ts`.
 */

import { counter, expose, type Family, gauge } from '../../../metrics/exposition.js';
import { Histogram } from '../../../metrics/histogram.js';
import { processFamilies } from '../../../metrics/process.js';
import type { ClosableDataPlane } from '../../closable.js';
import type { OperationName } from '../protocol.js';

/** Answered; refused with an error of ours; failed with another; or given up by who had asked. */
export type Outcome = 'answered' | 'refused' | 'failed' | 'abandoned';

/** Seconds by which requests are told apart: from a look at one small object to an ingest of minutes. */
const DURATION_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 5, 60];

export class HostMetrics {
  readonly #outcomes = new Map<OperationName, Map<Outcome, number>>();
  readonly #durations = new Map<OperationName, Histogram>();
  #underWay = 0;
  #refusedPeers = 0;

  /** A request begins; call what it gives when it has ended. */
  begin(operation: OperationName): (outcome: Outcome) => void {
    const begun = performance.now();
    this.#underWay++;
    return (outcome) => {
      this.#underWay--;
      const outcomes = this.#outcomes.get(operation) ?? new Map<Outcome, number>();
      this.#outcomes.set(operation, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
      const durations = this.#durations.get(operation) ?? new Histogram(DURATION_BOUNDS_S);
      durations.observe((performance.now() - begun) / 1000);
      this.#durations.set(operation, durations);
    };
  }

  /** Somebody connected who may not speak. */
  refusePeer(): void {
    this.#refusedPeers++;
  }

  /** All of it as text. */
  async text(plane: ClosableDataPlane, connections: number): Promise<string> {
    return expose([...this.#requests(connections), ...(await planeFamilies(plane)), ...(await processFamilies())]);
  }

  #requests(connections: number): Family[] {
    return [
      {
        ...counter('artifactstore_daemon_requests_total', 'Requests that have ended, by what became of them.', 0),
        samples: [...this.#outcomes].flatMap(([operation, outcomes]) =>
          [...outcomes].map(([outcome, value]) => ({ labels: { operation, outcome }, value })),
        ),
      },
      {
        name: 'artifactstore_daemon_request_duration_seconds',
        type: 'histogram',
        help: 'From the head of a request to the end of its answer.',
        samples: [...this.#durations].flatMap(([operation, durations]) => durations.samples({ operation })),
      },
      gauge('artifactstore_daemon_requests_under_way', 'Requests that have not ended.', this.#underWay),
      gauge('artifactstore_daemon_connections', 'Connections of clients.', connections),
      counter(
        'artifactstore_daemon_refused_peers_total',
        'Connections of users who may not speak.',
        this.#refusedPeers,
      ),
    ];
  }
}

/** How the hosted data plane is, under the names that the service has for its own. */
async function planeFamilies(plane: ClosableDataPlane): Promise<Family[]> {
  const { workers, busy, waiting } = plane.load();
  const { ready, freeSize, totalSize, syncLatencyMicros: sync } = await plane.backendHealth();
  return [
    gauge('artifactstore_workers', 'Threads that touch bytes.', workers),
    gauge('artifactstore_workers_busy', 'Threads that are at work.', busy),
    {
      ...gauge(
        'artifactstore_operations_waiting',
        'Operations that wait for a thread, by whether they end in a sync to disk.',
        0,
      ),
      samples: Object.entries(waiting).map(([line, value]) => ({ labels: { line }, value })),
    },
    ...(plane.families?.() ?? []),
    gauge('artifactstore_storage_ready', 'Whether the storage takes reads and writes.', Number(ready)),
    gauge('artifactstore_storage_free_bytes', 'Bytes that can still be stored.', freeSize),
    gauge('artifactstore_storage_size_bytes', 'Bytes of the volume in all.', totalSize),
    gauge('artifactstore_storage_sync_seconds', 'What one small durable write took last.', sync && sync / 1e6),
  ];
}
