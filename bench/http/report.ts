/** The report of the HTTP benchmark as text. Imports types and what makes tables. Called by bench/http/command.ts. */

import { machineLine } from '../machine.js';
import { sizeName } from '../sizes.js';
import { table } from '../table.js';
import type { HttpPart, HttpReport, HttpRow, Unit } from './shapes.js';

/** One table for each part, then what had to be reached. */
export function renderHttp(report: HttpReport): string {
  const { machine, fileSystem, generator, rounds, rows, bars, absent } = report;
  const head = `${machineLine(machine)}\n${fileSystem}; ${rounds} interleaved rounds; small requests by ${generator}`;
  const parts = [...new Set(rows.map(({ part }) => part))];
  const sections = parts.map(
    (part) => `${titleOf(part, report)}\n\n${section(rows.filter((row) => row.part === part))}`,
  );
  const verdicts = bars.map(({ work, asked, found, reached }) => [work, asked, found, reached ? 'yes' : 'no']);
  const demands = bars.length > 0 ? [table(['must be reached', 'asked', 'found', 'reached'], verdicts, 4)] : [];
  const missing = absent.length > 0 ? [`Not measured:\n${absent.map((line) => `  ${line}`).join('\n')}`] : [];
  return `${[head, ...sections, ...demands, ...missing].join('\n\n')}\n`;
}

function titleOf(part: HttpPart, { size, files, readers }: HttpReport): string {
  const titles: Record<HttpPart, string> = {
    get: `GET of ${sizeName(size)} from the page cache, by curl`,
    'get-small': 'GET of 4 KiB, 64 connections',
    put: `PUT of ${sizeName(size)}, by curl; ours is durable when it is answered`,
    'put-small': 'PUT of 4 KiB, each of them new and durable, 64 connections',
    archive: `A tar archive of ${files} files of 4 KiB in one request, durable when it is answered`,
    readers: `${readers} idle readers of events; milliseconds from the answer to who caused an event`,
    slow: '500 uploads of 1 MiB at once, 320 KiB a second each: memory of the server beyond what it had before',
  };
  return titles[part];
}

function section(rows: readonly HttpRow[]): string {
  const cells = rows.map(({ contender, unit, median, best, ratio, peakMemory }) => [
    contender,
    inUnit(median, unit),
    inUnit(best, unit),
    unit,
    Number.isNaN(ratio) ? '' : `${ratio.toFixed(2)}×`,
    peakMemory === undefined ? '' : (peakMemory / 1e6).toFixed(0),
  ]);
  return table(['contender', 'median', 'best', 'unit', 'ours / it', 'peak MB'], cells, 1);
}

/** With as many digits as mean something. */
function inUnit(value: number, unit: Unit): string {
  const digits: Partial<Record<Unit, number>> = { s: 2, ms: 1 };
  return value.toFixed(digits[unit] ?? 0);
}
