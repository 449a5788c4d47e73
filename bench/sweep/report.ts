/** What bench/sweep.ts measured, as people read it. Pure. */

import { machineLine } from '../machine.js';
import type { SweepBenchReport } from '../sweep.js';
import { table } from '../table.js';
import type { Waits } from './waits.js';

/** The report for people. */
export function renderSweep(report: SweepBenchReport): string {
  const { objects, size, retired, swept, seconds, cpuEach, written, beside, loaded, alone } = report;
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const rate = (perSecond: number) => `${Math.round(perSecond).toLocaleString('en')} objects/s`;
  const waits = (name: string, of: 'puts' | 'gets' | 'syncs' | 'late' | 'stands') => [
    rowOf(`${name}, beside`, beside[of]),
    rowOf('beside a writer', loaded[of]),
    rowOf('beside nobody', alone[of]),
  ];
  const rows = [
    ...waits('put', 'puts'),
    ...waits('get', 'gets'),
    ...waits('sync of another file', 'syncs'),
    ...waits('main thread late', 'late'),
    ...waits('the disk did nothing', 'stands'),
  ];
  const explained = (name: string, longest: readonly { milliseconds: number; after: number; causes: string }[]) =>
    longest.map(({ milliseconds, after, causes }) => {
      return `${name} ${milliseconds.toFixed(1)} ms, after ${after.toFixed(1)} s: ${causes || 'nothing of it known'}`;
    });
  const verdicts = report.bars.map(({ work, asked, found, reached }) => [work, asked, found, reached ? 'yes' : 'no']);
  return [
    machineLine(report.machine),
    `${report.fileSystem}; ${objects.toLocaleString('en')} objects of ${size} bytes`,
    `tombstones   ${rate(retired)}`,
    `sweep        ${rate(swept)}, ${seconds.toFixed(1)} s; ${cpuEach.toFixed(1)} us of processor time and ${Math.round(written / swept)} bytes written for each; ${report.majorFaults} pages read from the disk`,
    `disk         ${mb(report.usedBefore)} before, ${mb(report.usedAfter)} after`,
    `memory       ${mb(report.memoryBefore)} before, ${mb(report.memoryOfFirstHalf)} and ${mb(report.memoryOfSecondHalf)} in the median of each half, ${mb(report.memoryMost)} at most; and mapped pages of indexes, ${mb(report.mappedBefore)} before, ${mb(report.mappedAfter)} after`,
    '',
    table(['milliseconds', 'median', '99%', 'most', 'count'], rows, 1),
    '',
    'The longest waits, and what ran meanwhile (milliseconds of the wait, of how many):',
    ...explained('put', beside.longestPuts),
    ...explained('get', beside.longestGets),
    ...explained('put, beside a writer,', loaded.longestPuts.slice(0, 3)),
    ...explained('put, beside nobody,', alone.longestPuts.slice(0, 2)),
    ...explained('get, beside nobody,', alone.longestGets.slice(0, 2)),
    '',
    table(['must be reached', 'asked', 'found', 'reached'], verdicts, 4),
  ].join('\n');
}

function rowOf(name: string, { count, median, p99, max }: Waits): string[] {
  return [name, median.toFixed(1), p99.toFixed(1), max.toFixed(1), String(count)];
}
