/**
 * Counts values by size: what a histogram of Prometheus is made of. Observing allocates nothing.
 *
 * Imports the text format's types. Called by whoever measures.
 */

import type { Labels, Sample } from './exposition.js';

export class Histogram {
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds upper bounds of the buckets, ascending; what is larger than the last is counted too */
  constructor(private readonly bounds: readonly number[]) {
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > (this.bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  /** Its samples: buckets that count what is at most their bound, the sum, the count. */
  samples(labels: Labels): Sample[] {
    let count = 0;
    const buckets = this.#counts.map((own, n): Sample => {
      count += own;
      return { suffix: '_bucket', labels: { ...labels, le: boundOf(this.bounds[n]) }, value: count };
    });
    return [...buckets, { suffix: '_sum', labels, value: this.#sum }, { suffix: '_count', labels, value: count }];
  }
}

function boundOf(bound: number | undefined): string {
  return bound === undefined ? '+Inf' : String(bound);
}
