/**
 * Which known name somebody may have meant who wrote another.
 *
 * Pure. Called by the reader of configuration files.
 */

/** The known name that takes the fewest edits to reach; undefined when none is near: more than a third of its letters away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = edits(name.toLowerCase(), candidate.toLowerCase());
    if (distance > Math.max(1, Math.floor(candidate.length / 3))) continue;
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function edits(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const line = [row];
    for (let column = 1; column <= to.length; column++) {
      const [above, left, diagonal] = [
        rows[row - 1]?.[column],
        line[column - 1],
        rows[row - 1]?.[column - 1],
      ] as number[];
      const replaced = (diagonal as number) + (from[row - 1] === to[column - 1] ? 0 : 1);
      let least = Math.min((above as number) + 1, (left as number) + 1, replaced);
      const isSwapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (isSwapped) least = Math.min(least, (rows[row - 2]?.[column - 2] as number) + 1);
      line.push(least);
    }
    rows.push(line);
  }
  return rows[from.length]?.[to.length] as number;
}
