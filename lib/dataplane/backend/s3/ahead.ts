/**
 * A long range read as several shorter ones side by side, in order: one connection leaves a server and a network idle between its packets.
 *
 * What comes ahead of its reader is held in memory, within a bound over all readers; who finds no room reads one range after the other, at its own pace. A reader begins
 * with one range and has one more at once for each that it has read, so that who wants only the beginning costs no more than that. Imports limits. Called by read.ts.
 */

import { S3_RANGE_SIZE, S3_RANGES_HELD_MAX, S3_RANGES_IN_FLIGHT } from '../../../limits.js';
import type { ByteRange } from '../../spi.js';

/** Begins to read a range; throws what that throws. */
type Begin = (range: ByteRange) => Promise<AsyncIterable<Uint8Array>>;

export class Ahead {
  #free = S3_RANGES_HELD_MAX;

  constructor(private readonly rangeSize = S3_RANGE_SIZE) {}

  /** All bytes of a range. */
  async *read(range: ByteRange, begin: Begin): AsyncGenerator<Uint8Array> {
    const coming: Coming[] = [];
    let next = range.start;
    const take = (): ByteRange => {
      const start = next;
      next = Math.min(start + this.rangeSize, range.end);
      return { start, end: next };
    };
    try {
      for (let most = 1; next < range.end || coming.length > 0; most = Math.min(most + 1, S3_RANGES_IN_FLIGHT)) {
        for (; coming.length < most && next < range.end && this.#free > 0; this.#free--)
          coming.push(new Coming(begin, take()));
        const [first] = coming;
        yield* first ?? (await begin(take()));
        if (first) this.#drop(coming);
      }
    } finally {
      while (coming.length > 0) this.#drop(coming);
    }
  }

  #drop(coming: Coming[]): void {
    coming.shift()?.stop();
    this.#free++;
  }
}

/** A range that is fetched whether or not anybody takes it yet. */
class Coming {
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #stopped = false;
  #failure: { error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(begin: Begin, range: ByteRange) {
    void this.#fetch(begin, range);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) yield chunk;
      if (this.#failure) throw this.#failure.error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Nothing more of it is wanted. */
  stop(): void {
    this.#stopped = true;
    this.#chunks.length = 0;
  }

  async #fetch(begin: Begin, range: ByteRange): Promise<void> {
    try {
      for await (const chunk of await begin(range)) {
        if (this.#stopped) break;
        this.#chunks.push(chunk);
        this.#wake();
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#ended = true;
    this.#wake();
  }
}
