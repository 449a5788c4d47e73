/**
 * Patterns of versions and refs: `*` stands for any characters, `?` for one.
 *
 * Pure. Takes time in proportion to the product of the lengths, whatever the pattern: a policy cannot slow down a plan as a regular expression could.
 */

/** Whether all of the text fits. */
export function matchesGlob(pattern: string, text: string): boolean {
  let [p, t] = [0, 0];
  /** Where the last `*` stands, and how far it has been stretched. */
  let [star, stretched] = [-1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      stretched = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++stretched;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
