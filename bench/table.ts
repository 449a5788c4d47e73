/** Rows as an aligned table of text. Pure. Called by benchmarks. */

/** @param textColumns how many columns from the left are text, aligned left; the others are numbers, aligned right */
export function table(head: readonly string[], rows: readonly (readonly string[])[], textColumns: number): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        column < textColumns ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
