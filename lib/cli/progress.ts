/**
 * The progress line: what is done, how fast, how long still. One line on stderr, rewritten in place, only on a terminal; a pipe or
 * a file never sees it, and stdout never does.
 *
 * Imports formats. The output makes it; commands tell it what happened.
 */

import { formatCount, formatDuration, formatSize } from './format.js';

/** What a command has done so far. Members that make no sense for it are absent. */
export interface Tally {
  /** What the command does, as its name says. */
  label: string;
  /** Bytes done, and in all once that is known. */
  size?: number;
  sizeTotal?: number;
  /** Things done, and in all once that is known. */
  count?: number;
  countTotal?: number;
  /** What is counted, in the plural. */
  noun?: string;
}

/** Milliseconds between two drawings: smooth to the eye, nothing to the processor. */
const DRAW_INTERVAL_MS = 100;

/** Milliseconds of the past that the rate is taken from: steady, yet it notices a slow disk. */
const RATE_WINDOW_MS = 5_000;

const CLEAR_LINE = '\r\u001b[K';

/** The one line for a tally, at most `columns` wide. Rate in bytes, or things, a second. */
export function progressLine(tally: Tally, rate: number, columns: number): string {
  const { size, sizeTotal, count, countTotal, noun } = tally;
  const parts: string[] = [];
  if (count !== undefined) parts.push(`${ofTotal(count, countTotal, formatCount)} ${noun ?? ''}`.trimEnd());
  if (size !== undefined) parts.push(ofTotal(size, sizeTotal, formatSize));
  const [done, total] = size === undefined ? [count ?? 0, countTotal] : [size, sizeTotal];
  if (total !== undefined && total > 0) parts.push(`${Math.floor((Math.min(done, total) / total) * 100)}%`);
  if (rate > 0)
    parts.push(size === undefined ? `${formatCount(Math.round(rate))}/s` : `${formatSize(Math.round(rate))}/s`);
  if (total !== undefined && rate > 0 && done < total) parts.push(`ETA ${formatDuration((total - done) / rate)}`);
  return `${tally.label}  ${parts.join('  ')}`.slice(0, Math.max(columns - 1, 1));
}

function ofTotal(done: number, total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? format(done) : `${format(done)} of ${format(total)}`;
}

/** Draws a tally until it is stopped. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #tally: Tally;
  readonly #timer: NodeJS.Timeout;
  readonly #samples: { at: number; done: number }[] = [];
  #drawn = false;

  /** @param tally changed by the command as it goes on */
  constructor(stream: NodeJS.WriteStream, tally: Tally) {
    this.#stream = stream;
    this.#tally = tally;
    this.#timer = setInterval(() => this.#draw(), DRAW_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Takes the line away, so that something else can be written; it comes back with the next drawing. */
  clear(): void {
    if (this.#drawn) this.#stream.write(CLEAR_LINE);
    this.#drawn = false;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    this.#stream.write(`${CLEAR_LINE}${progressLine(this.#tally, this.#rate(), this.#stream.columns || 80)}`);
    this.#drawn = true;
  }

  /** Per second, over the last seconds. */
  #rate(): number {
    const now = { at: performance.now(), done: this.#tally.size ?? this.#tally.count ?? 0 };
    this.#samples.push(now);
    while (this.#samples.length > 2 && now.at - (this.#samples[0]?.at ?? 0) > RATE_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0] ?? now;
    return now.at === first.at ? 0 : ((now.done - first.done) / (now.at - first.at)) * 1000;
  }
}
