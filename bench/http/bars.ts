/** What the service must reach, and whether it has. Pure. Called by bench/http.ts. */

import type { Bar, HttpPart, HttpRow } from './shapes.js';

interface Demand {
  part: HttpPart;
  work: string;
  /** How the contender's name begins whose row it is. */
  row: string;
  asked: string;
  found: (row: HttpRow) => string;
  isReached: (row: HttpRow) => boolean;
}

const OURS = 'artifactstore';

function timesOf(part: HttpPart, work: string, peer: string, least: number): Demand {
  return {
    part,
    work,
    row: peer,
    asked: `at least ${least} × ${peer}`,
    found: ({ ratio }) => `${ratio.toFixed(2)} ×`,
    isReached: ({ ratio }) => ratio >= least,
  };
}

const DEMANDS: readonly Demand[] = [
  timesOf('get', 'GET of the large object, every byte verified', 'nginx', 0.8),
  timesOf('get-small', 'GET of 4 KiB, 64 connections', 'node:http', 0.7),
  timesOf('put', 'PUT of the large object, durable', 'docker-registry', 3),
  timesOf('put', 'PUT of the large object, durable', '@tus/server', 5),
  {
    part: 'put-small',
    work: 'PUT of 4 KiB, durable, 64 connections',
    row: OURS,
    asked: 'at least 5,000 a second',
    found: ({ median }) => `${Math.round(median)} a second`,
    isReached: ({ median }) => median >= 5000,
  },
  {
    part: 'archive',
    work: 'tar of small files, one request, durable',
    row: OURS,
    asked: 'less than 1.5 s',
    found: ({ median }) => `${median.toFixed(2)} s`,
    isReached: ({ median }) => median < 1.5,
  },
  {
    part: 'readers',
    work: 'memory of idle readers of events',
    row: 'memory',
    asked: 'less than 100 MB more',
    found: ({ median }) => `${median.toFixed(0)} MB more`,
    isReached: ({ median }) => median < 100,
  },
  {
    part: 'readers',
    work: 'an event, to the last of them',
    row: 'an event',
    asked: 'less than 50 ms',
    found: ({ median }) => `${median.toFixed(1)} ms`,
    isReached: ({ median }) => median < 50,
  },
  {
    part: 'slow',
    work: 'memory under 500 slow uploads at once',
    row: OURS,
    asked: 'at most 64 MB more: the arena, and 64 KiB a connection',
    found: ({ median }) => `${median.toFixed(0)} MB more`,
    isReached: ({ median }) => median <= 64,
  },
];

/** Of what was measured: what could not be measured has no row, and so no verdict. */
export function judge(rows: readonly HttpRow[]): Bar[] {
  return DEMANDS.flatMap(({ part, work, row: name, asked, found, isReached }) => {
    const row = rows.find((one) => one.part === part && one.contender.startsWith(name));
    return row === undefined ? [] : [{ work, asked, found: found(row), reached: isReached(row) }];
  });
}
