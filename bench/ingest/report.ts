/** The report of the ingest benchmark as text. Imports types and what makes tables. Called by bench/ingest.ts. */

import type { IngestPart, IngestReport, IngestRow } from '../ingest.js';
import { machineLine } from '../machine.js';
import { sizeName } from '../sizes.js';
import { table } from '../table.js';

/** Rows of one table, its heading, and what its speed is counted in. */
interface Section {
  title: string;
  rows: IngestRow[];
  speed: 'objects/s' | 'MB/s';
}

/** Parts about many objects. */
const MANY: ReadonlySet<IngestPart> = new Set(['tree', 'cold-tree', 'memory']);

/** The report as one table for each part and size. */
export function renderIngest(report: IngestReport): string {
  const { machine, fileSystem, rounds, absent } = report;
  const head = `${machineLine(machine)}\n${fileSystem}; ${rounds} interleaved rounds, a fresh repository in each`;
  const sections = sectionsOf(report).map(({ title, rows, speed }) => `${title}\n\n${sectionTable(rows, speed)}`);
  const missing = absent.length > 0 ? [`Not measured:\n${absent.map((line) => `  ${line}`).join('\n')}`] : [];
  return `${[head, ...sections, ...missing].join('\n\n')}\n`;
}

function sectionsOf({ rows, inFlight }: IngestReport): Section[] {
  const titles: Record<IngestPart, (row: IngestRow) => string> = {
    tree: ({ objects, size }) => `${objects} files of ${sizeName(size / objects)} taken in, process start included`,
    'cold-tree': ({ objects, size }) =>
      `${objects} files of ${sizeName(size / objects)} that are not in the page cache taken in, process start included`,
    memory: ({ objects, size }) =>
      `${objects} objects of ${sizeName(size / objects)} from memory, ${inFlight} waiting at once; the puts alone`,
    file: ({ size }) => `One file of ${sizeName(size)} taken in, process start included`,
    get: ({ size }) => `Reading ${sizeName(size)} back from the page cache, process start included`,
    verify: ({ size }) =>
      `Verifying ${sizeName(size)} in the page cache, process start included where nothing else is said`,
  };
  const sections = new Map<string, Section>();
  for (const row of rows) {
    const title = titles[row.part](row);
    const speed = MANY.has(row.part) ? 'objects/s' : 'MB/s';
    const section = sections.get(title) ?? { title, rows: [], speed };
    section.rows.push(row);
    sections.set(title, section);
  }
  return [...sections.values()];
}

function sectionTable(rows: readonly IngestRow[], speed: Section['speed']): string {
  const writes = rows.some(({ durable }) => durable !== undefined);
  const cells = rows.map(({ contender, durable = '', objects, size, median, best, ratio, peakMemory }) => [
    contender,
    ...(writes ? [durable] : []),
    median.toFixed(3),
    best.toFixed(3),
    ((speed === 'objects/s' ? objects : size / 1e6) / median).toFixed(0),
    `${ratio.toFixed(2)}×`,
    peakMemory === undefined ? '' : (peakMemory / 1e6).toFixed(0),
  ]);
  const head = ['contender', ...(writes ? ['durable'] : []), 'median s', 'best s', speed, 'time / ours', 'peak MB'];
  return table(head, cells, writes ? 2 : 1);
}
