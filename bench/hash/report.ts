/** The report of the hash benchmark as text. Imports types and what makes tables. Called by bench/main.ts and by `artifactstore bench hash`. */

import type { HashReport, HashRow } from '../hash.js';
import { machineLine } from '../machine.js';
import { sizeName } from '../sizes.js';
import { table } from '../table.js';
import type { FileRow } from './files.js';
import { FILE_SIZE } from './files.js';
import type { KernelRow } from './kernels.js';

const COMPUTES = { both: 'both', sha256: 'SHA-256', blake3: 'BLAKE3' } as const;

/** The report as tables. */
export function renderHash(report: HashReport): string {
  const { machine, rounds, reference, rows, kernels, files, absent } = report;
  const parts = [`${machineLine(machine)}; ${rounds} interleaved rounds\nCPU features: ${machine.cpuFeatures}`];
  if (rows.length > 0) {
    parts.push(
      `From Node, in MB/s: median/best, and the median ratio to ${reference}, which computes SHA-256 alone\n\n${libraryTable(rows)}`,
      `Nanoseconds an input, from the medians\n\n${smallTable(rows)}`,
    );
  }
  if (kernels.length > 0) {
    parts.push(
      `The kernels from C, in MB/s: median/best, and the median ratio to what stands beside them\n\n${kernelTable(kernels)}`,
    );
  }
  if (files.length > 0) {
    parts.push(`A file of ${sizeName(FILE_SIZE)} in the page cache, process start included\n\n${fileTable(files)}`);
  }
  if (absent.length > 0) parts.push(`Not measured:\n${absent.map((line) => `  ${line}`).join('\n')}`);
  return `${parts.join('\n\n')}\n`;
}

/** Of the library, contenders down and sizes across. */
function libraryTable(rows: readonly HashRow[]): string {
  return matrix(rows, ['kernel set', 'contender', 'digests'], names, speedCell);
}

/** What an input costs where that is what counts. */
function smallTable(rows: readonly HashRow[]): string {
  const small = rows.filter(({ size }) => size <= SMALL_SIZE_MAX);
  return matrix(small, ['kernel set', 'contender', 'digests'], names, ({ nanoseconds }) => nanoseconds.toFixed(0));
}

function kernelTable(rows: readonly KernelRow[]): string {
  return matrix(rows, ['kernel set', 'case', 'against'], (row) => [row.kernel, row.case, row.reference], speedCell);
}

function fileTable(rows: readonly FileRow[]): string {
  const cells = rows.map(({ program, computes, median, best, ratio }) => [
    program,
    COMPUTES[computes],
    median.toFixed(3),
    best.toFixed(3),
    (FILE_SIZE / median / 1e6).toFixed(0),
    ratio === undefined ? '' : `${ratio.toFixed(2)}×`,
  ]);
  return table(['program', 'digests', 'median s', 'best s', 'MB/s', 'openssl'], cells, 2);
}

/** Bytes of an input up to which the cost of a call is told. */
const SMALL_SIZE_MAX = 4096;

function names({ kernel = '', contender, computes }: HashRow): string[] {
  return [kernel, contender, COMPUTES[computes]];
}

function speedCell({ median, best, ratio }: { median: number; best: number; ratio: number }): string {
  return `${median.toFixed(0)}/${best.toFixed(0)} ${ratio.toFixed(2)}×`;
}

/** Rows of one name side by side, by size; an empty cell where a size was not measured. */
function matrix<Row extends { size: number }>(
  rows: readonly Row[],
  head: readonly string[],
  name: (row: Row) => string[],
  cell: (row: Row) => string,
): string {
  const sizes = [...new Set(rows.map(({ size }) => size))].sort((a, b) => a - b);
  const lines = new Map<string, string[]>();
  for (const row of rows) {
    const own = name(row);
    const line = lines.get(own.join('\0')) ?? [...own, ...sizes.map(() => '')];
    line[own.length + sizes.indexOf(row.size)] = cell(row);
    lines.set(own.join('\0'), line);
  }
  return table([...head, ...sizes.map(sizeName)], [...lines.values()], head.length);
}
