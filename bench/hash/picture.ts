/** What of the hash benchmark is drawn, and how it is named. Imports types and bench/chart.ts. Called by bench/main.ts. */

import { type BarGroup, type BarPanel, renderBars } from '../chart.js';
import type { HashReport, HashRow } from '../hash.js';
import { machineLine } from '../machine.js';
import { sizeName } from '../sizes.js';
import { MANY } from './contender.js';
import { LOW_LEVEL } from './kernels.js';

/** Cases of the C benchmark that hash both digests, and their names here. */
const CASES: readonly [name: string, shown: string][] = [
  ['one stream', 'one stream'],
  ['two streams', 'two streams on one core'],
  ['many objects', '64 objects side by side'],
];

/** Ways through the library that are drawn; the others are in the table. */
const OURS: readonly string[] = ['one input', 'two inputs', `${MANY} inputs, digestTable`];

/** The command that draws this. */
const COMMAND = 'npm run bench -- hash --svg <file>';

/** The picture of a report: BLAKE3 and SHA-256 together, against OpenSSL's SHA-256 alone. */
export function drawHash(report: HashReport): string {
  const panels = [kernelPanel(report), libraryPanel(report)].filter(({ groups }) => groups.length > 0);
  return renderBars({
    title: 'BLAKE3 and SHA-256 together, against SHA-256 alone',
    subtitle:
      "Speed by that of OpenSSL's SHA-256 over the same bytes: median over interleaved rounds; higher is better",
    panels,
    reference: { value: 1, label: "dashed: OpenSSL's SHA-256 alone" },
    notes: [machineLine(report.machine), `Drawn by ${COMMAND}`],
  });
}

/** The kernel set in use, from C. */
function kernelPanel({ kernels, machine }: HashReport): BarPanel {
  const groups = CASES.map(([name, shown]): BarGroup => {
    const rows = kernels.filter(
      (row) => row.case === name && row.kernel === machine.kernel && row.reference === LOW_LEVEL,
    );
    return {
      name: [shown],
      tone: 'own',
      bars: rows.map(({ size, ratio }) => ({ label: sizeName(size), value: ratio })),
    };
  });
  return { title: `The kernels, from C (${machine.kernel})`, groups: groups.filter(({ bars }) => bars.length > 0) };
}

/** Contenders of Node that compute both, each by its best way; of ours, the kernel set in use. */
function libraryPanel({ rows, machine }: HashReport): BarPanel {
  const groups = new Map<string, BarGroup>();
  for (const row of rows) {
    const shown = row.kernel === undefined || (row.kernel === machine.kernel && OURS.includes(row.contender));
    if (row.computes !== 'both' || !shown) continue;
    const group = groups.get(row.contender) ?? { name: nameLines(row), tone: row.kernel ? 'own' : 'other', bars: [] };
    group.bars.push({ label: sizeName(row.size), value: row.ratio });
    groups.set(row.contender, group);
  }
  return { title: 'From Node, against node:crypto', groups: [...groups.values()] };
}

/** Without the version, which the table has, and a line for each part. */
function nameLines({ contender }: HashRow): string[] {
  return contender
    .replace(/ \d[\w.-]*/, '')
    .replace('createHash', 'node:crypto')
    .split(', ')
    .map((line, index, all) => (index + 1 < all.length ? `${line},` : line));
}
