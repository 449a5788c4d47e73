/** What the HTTP benchmark is asked, and what it gives. Imports types. Used by its parts, its report and bench/http.ts. */

import type { Machine } from '../machine.js';
import type { LoadGenerator } from './load.js';

/**
 * `get`, `put`: one large object out and in; `get-small`, `put-small`: objects of 4 KiB on many connections; `archive`: many files in one request;
 * `readers`: events to many who wait; `slow`: uploads that hardly come on.
 */
export const HTTP_PARTS = ['get', 'get-small', 'put', 'put-small', 'archive', 'readers', 'slow'] as const;
export type HttpPart = (typeof HTTP_PARTS)[number];

/** Of rates more is better, of the others less. */
export type Unit = 'MB/s' | 'requests/s' | 'MB' | 's' | 'ms';

/** One contender in one part. */
export interface HttpRow {
  part: HttpPart;
  contender: string;
  unit: Unit;
  median: number;
  best: number;
  /** Median over rounds of our value by this contender's: how many times as fast we are. */
  ratio: number;
  /** Bytes that our server held at most. */
  peakMemory?: number;
}

export interface HttpReport {
  benchmark: 'http';
  machine: Machine;
  fileSystem: string;
  /** What made the small requests. */
  generator: string;
  rounds: number;
  /** Bytes of the large object, files of the archive, and readers of events. */
  size: number;
  files: number;
  readers: number;
  rows: HttpRow[];
  bars: Bar[];
  /** What was not measured, and why, in sentences. */
  absent: string[];
}

export interface HttpOptions {
  rounds: number;
  parts: readonly HttpPart[];
  /** Bytes of the large object. */
  size: number;
  /** Seconds of small requests in a round. */
  seconds: number;
  /** Files of the archive. */
  files: number;
  /** Readers of events. */
  readers: number;
  /** Where stores and files lie: the file system that is measured. */
  folder: string;
  /** Told what runs next. */
  onStep?: (text: string) => void;
}

/** What every part gets. */
export interface HttpBench extends HttpOptions {
  /** A folder that exists, for this part alone. */
  work: string;
  generator: LoadGenerator | undefined;
  absent: string[];
}

/** One thing that must be reached. */
export interface Bar {
  work: string;
  /** What is asked for, as people say it. */
  asked: string;
  /** What was measured, in the same terms. */
  found: string;
  reached: boolean;
}
