/**
 * Requests, counted: by operation and kind of status, how long they took, and their bytes. Labels are ids of operations and never paths, so there are
 * as many series as the service has operations, whoever asks for what.
 *
 * Imports the text format and the histogram. `server.ts` tells it of requests that have ended; `metrics.ts` shows it.
 */

import type { Family, Sample } from '../../../metrics/exposition.js';
import { Histogram } from '../../../metrics/histogram.js';
import type { Visit } from './visit.js';

/**
 * Seconds by which requests are told apart: from a small object out of memory to an upload of minutes. Each is a series for each operation, so there
 * are no more than somebody would act on.
 */
const DURATION_BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300];

/** `2xx` to `5xx`, and what ended before its answer did. */
const CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'aborted'] as const;
const ABORTED = CLASSES.length - 1;

/** What is counted of one operation. */
class Tally {
  readonly byClass: number[] = new Array(CLASSES.length).fill(0);
  readonly durations = new Histogram(DURATION_BOUNDS_S);
  bytesIn = 0;
  bytesOut = 0;
}

export class RequestMetrics {
  readonly #tallies = new Map<string, Tally>();

  note({ operation, status, isAborted, durationMs, bytesIn, bytesOut }: Visit): void {
    let tally = this.#tallies.get(operation);
    if (tally === undefined) {
      tally = new Tally();
      this.#tallies.set(operation, tally);
    }
    const kind = isAborted ? ABORTED : Math.floor(status / 100) - 1;
    tally.byClass[kind] = (tally.byClass[kind] as number) + 1;
    tally.durations.observe(durationMs / 1000);
    tally.bytesIn += bytesIn;
    tally.bytesOut += bytesOut;
  }

  families(): Family[] {
    return [
      this.#family('artifactstore_http_requests_total', 'counter', 'Requests that have ended.', (tally, operation) =>
        CLASSES.flatMap((status, n) => {
          const value = tally.byClass[n] as number;
          return value === 0 ? [] : [{ labels: { operation, status }, value }];
        }),
      ),
      this.#family(
        'artifactstore_http_request_duration_seconds',
        'histogram',
        'From the head of a request to the last byte of its answer.',
        (tally, operation) => tally.durations.samples({ operation }),
      ),
      this.#family(
        'artifactstore_http_received_bytes_total',
        'counter',
        'Bytes of bodies that came.',
        (tally, operation) => [{ labels: { operation }, value: tally.bytesIn }],
      ),
      this.#family(
        'artifactstore_http_sent_bytes_total',
        'counter',
        'Bytes of bodies that were sent.',
        (tally, operation) => [{ labels: { operation }, value: tally.bytesOut }],
      ),
    ];
  }

  #family(
    name: string,
    type: Family['type'],
    help: string,
    samples: (tally: Tally, operation: string) => Sample[],
  ): Family {
    return { name, type, help, samples: [...this.#tallies].flatMap(([operation, tally]) => samples(tally, operation)) };
  }
}
