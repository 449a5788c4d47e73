/**
 * What a client counts of its requests to a daemon.
 *
 * Imports metrics' text format. Called by `connection.ts`.
 */

import { counter, type Family, gauge } from '../../metrics/exposition.js';

/** Answered, refused with an error, or lost with the connection. A stream that breaks after its beginning has been answered. */
export type Outcome = 'answered' | 'refused' | 'interrupted';

export class Tally {
  readonly #requests = new Map<string, Map<Outcome, number>>();
  #restarts = 0;

  count(operation: string, outcome: Outcome): void {
    const counts = this.#requests.get(operation) ?? new Map<Outcome, number>();
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    this.#requests.set(operation, counts);
  }

  restarted(): void {
    this.#restarts++;
  }

  families(connections: number): Family[] {
    return [
      {
        name: 'artifactstore_dataplane_requests_total',
        type: 'counter',
        help: 'Requests to the data plane in another process, by what became of them.',
        samples: [...this.#requests].flatMap(([operation, counts]) =>
          [...counts].map(([outcome, value]) => ({ labels: { operation, outcome }, value })),
        ),
      },
      counter(
        'artifactstore_dataplane_restarts_total',
        'Times that another run of the data plane answered.',
        this.#restarts,
      ),
      gauge('artifactstore_dataplane_connections', 'Connections to the data plane.', connections),
    ];
  }
}
