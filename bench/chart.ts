/**
 * Bar charts as SVG, readable on light and dark ground, without a library.
 *
 * Pure. Called by benchmarks that draw what they measured.
 */

export interface Bar {
  label: string;
  value: number;
}

/** Bars that belong together, under one name. */
export interface BarGroup {
  /** One or more lines. */
  name: string[];
  /** `own` stands out, `other` stands back. */
  tone: 'own' | 'other';
  bars: Bar[];
}

/** A row of groups on one scale. */
export interface BarPanel {
  title: string;
  groups: BarGroup[];
}

export interface BarChart {
  title: string;
  subtitle: string;
  panels: BarPanel[];
  /** A line across at this value. */
  reference: { value: number; label: string };
  /** Lines below. */
  notes: string[];
}

const WIDTH = 960;
const MARGIN = 32;
const AXIS_WIDTH = 34;
const HEAD_HEIGHT = 86;
const PANEL_TITLE_HEIGHT = 34;
const PLOT_HEIGHT = 168;
const LABEL_HEIGHT = 24;
const LINE_HEIGHT = 17;
const PANEL_GAP = 30;
const BAR_WIDTH_MAX = 34;
/** Of the place that a bar has. */
const BAR_SHARE = 0.72;
/** Places left free between two groups. */
const GROUP_GAP = 0.9;

interface Palette {
  ground: string;
  text: string;
  soft: string;
  rule: string;
  own: string;
  other: string;
  mark: string;
}

const LIGHT: Palette = {
  ground: '#fbfcfd',
  text: '#1b2430',
  soft: '#55616f',
  rule: '#dde3ea',
  own: '#1f6f8b',
  other: '#a9b6c4',
  mark: '#b4502b',
};
const DARK: Palette = {
  ground: '#12171d',
  text: '#e8edf2',
  soft: '#9aa7b5',
  rule: '#2a333d',
  own: '#4bb3d1',
  other: '#5b6876',
  mark: '#f08a5d',
};

const STYLE = `
    .title { font-size: 20px; font-weight: bold }
    .panel { font-size: 14px; font-weight: bold }
    .soft { font-size: 12px }
    .size { font-size: 10px; text-anchor: middle }
    .group { font-size: 12px; text-anchor: middle }
    .value { font-size: 10px; text-anchor: middle; paint-order: stroke; stroke-width: 3px; stroke-linejoin: round }
    .axis { font-size: 11px; text-anchor: end }
    .mark { font-size: 11px; text-anchor: end }
    .rule { stroke-width: 1 }
    .reference { stroke-width: 1.5; stroke-dasharray: 5 4 }
    ${colours(LIGHT)}
    @media (prefers-color-scheme: dark) {
    ${colours(DARK)}
    }
  `;

/** Written out, not as custom properties, which few renderers outside browsers know. */
function colours({ ground, text, soft, rule, own, other, mark }: Palette): string {
  return [
    `.ground { fill: ${ground} }`,
    `text { fill: ${text} }`,
    `.soft, .size, .axis { fill: ${soft} }`,
    `.rule { stroke: ${rule} }`,
    `.value { stroke: ${ground} }`,
    `.own { fill: ${own} }`,
    `.other { fill: ${other} }`,
    `.reference { stroke: ${mark} }`,
    `.mark { fill: ${mark} }`,
  ].join('\n    ');
}

/** The chart as an SVG document. */
export function renderBars(chart: BarChart): string {
  const { title, subtitle, panels, notes } = chart;
  const body: string[] = [];
  let y = HEAD_HEIGHT;
  for (const panel of panels) {
    const { height, lines } = renderPanel(panel, chart, y);
    body.push(...lines);
    y += height + PANEL_GAP;
  }
  const noted = notes.map((note, index) => text(MARGIN, y + index * LINE_HEIGHT, 'soft', note));
  const height = y + notes.length * LINE_HEIGHT + MARGIN / 2;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc" font-family="DejaVu Sans, Verdana, Arial, sans-serif">`,
    `  <title id="title">${escapeXml(title)}</title>`,
    `  <desc id="desc">${escapeXml(describe(chart))}</desc>`,
    `  <style>${STYLE}</style>`,
    `  <rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>`,
    text(MARGIN, 40, 'title', title),
    text(MARGIN, 62, 'soft', subtitle),
    ...body,
    ...noted,
    '</svg>',
  ].join('\n')}\n`;
}

/** For those who do not see it: every value in words. */
function describe({ panels, reference }: BarChart): string {
  const groups = panels.flatMap(({ title, groups }) =>
    groups.map(({ name, bars }) => {
      const values = bars.map(({ label, value }) => `${label} ${value.toFixed(2)}`);
      return `${title}, ${name.join(' ')}: ${values.join(', ')}.`;
    }),
  );
  return `${reference.label} is ${reference.value}. ${groups.join(' ')}`;
}

function renderPanel(
  { title, groups }: BarPanel,
  { reference }: BarChart,
  top: number,
): { height: number; lines: string[] } {
  const values = groups.flatMap(({ bars }) => bars.map(({ value }) => value));
  const { step, end } = scale(Math.max(reference.value, ...values));
  const base = top + PANEL_TITLE_HEIGHT + PLOT_HEIGHT;
  const at = (value: number) => base - (value / end) * PLOT_HEIGHT;
  const [left, right] = [MARGIN + AXIS_WIDTH, WIDTH - MARGIN];
  const count = groups.reduce((sum, { bars }) => sum + bars.length, 0) + GROUP_GAP * groups.length;
  const place = (right - left) / Math.max(count, 1);

  const lines = [text(MARGIN, top + 12, 'panel', title)];
  for (let mark = 0; mark <= end + step / 2; mark += step) {
    const y = at(mark);
    lines.push(`  <line class="rule" x1="${left}" x2="${right}" y1="${round(y)}" y2="${round(y)}"/>`);
    lines.push(text(left - 8, y + 4, 'axis', `${Number(mark.toFixed(2))}×`));
  }
  const figures: string[] = []; // above bars and lines
  let x = left + (GROUP_GAP / 2) * place;
  for (const { name, tone, bars } of groups) {
    for (const [index, { label, value }] of bars.entries()) {
      const middle = x + (index + 0.5) * place;
      figures.push(text(middle, at(value) - 5, 'value', value.toFixed(value < 10 ? 2 : 1)));
      const width = Math.min(place * BAR_SHARE, BAR_WIDTH_MAX);
      const height = base - at(value);
      lines.push(
        `  <rect class="${tone}" x="${round(middle - width / 2)}" y="${round(base - height)}" width="${round(width)}" height="${round(height)}" rx="2"/>`,
        ...label.split(' ').map((word, line) => text(middle, base + 14 + line * 11, 'size', word)),
      );
    }
    const middle = x + (bars.length * place) / 2;
    for (const [line, words] of name.entries()) {
      lines.push(text(middle, base + LABEL_HEIGHT + (line + 1) * LINE_HEIGHT, 'group', words));
    }
    x += (bars.length + GROUP_GAP) * place;
  }
  lines.push(text(right, top + 12, 'mark', reference.label));
  const mark = round(at(reference.value));
  lines.push(`  <line class="reference" x1="${left}" x2="${right}" y1="${mark}" y2="${mark}"/>`, ...figures);
  const names = Math.max(0, ...groups.map(({ name }) => name.length));
  return { height: PANEL_TITLE_HEIGHT + PLOT_HEIGHT + LABEL_HEIGHT + names * LINE_HEIGHT + 6, lines };
}

/** Steps of 1, 2 or 5 times a power of ten, so that four or five of them reach the top. */
function scale(most: number): { step: number; end: number } {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return { step, end: Math.ceil((most * 1.02) / step) * step };
}

function text(x: number, y: number, kind: string, words: string): string {
  return `  <text class="${kind}" x="${round(x)}" y="${round(y)}">${escapeXml(words)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(words: string): string {
  const named: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return words.replace(/[&<>"]/g, (character) => named[character] ?? character);
}
