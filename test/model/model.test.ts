/**
 * The race between a sweep and an ingest, gone through by spin state by state: test/model/sweep.pml. Twice as it is, and once for each step that is left out or
 * misplaced, which must be found. Where spin or a C compiler is missing it says so and passes.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { isInstalled } from '../cli/run.js';

const MODEL = resolve(import.meta.dirname, '../../../test/model/sweep.pml');
const BROKEN = {
  1: 'a record without a look at deletions',
  2: 'a removal without a look at the state',
  3: 'a removal that is not noted',
  4: 'a sweep without the lock',
  5: 'a removal that is noted before it happens',
  6: 'a tombstone that is noted before it is written',
};

const missing: string[] = [];
for (const program of ['spin', 'cc']) if (!(await isInstalled(program))) missing.push(program);
const skip = missing.length > 0 && `${missing.join(' and ')} cannot be found`;

/** What spin says when it has gone through all states, or to the first that is wrong. */
function explore(definitions: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'artifactstore-model-'));
  try {
    const options = { cwd: folder, stdio: 'pipe', encoding: 'utf8' } as const;
    execFileSync('spin', ['-a', ...definitions, MODEL], options);
    execFileSync('cc', ['-O2', '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c'], options);
    return execFileSync('./pan', ['-m100000', '-w22'], options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

t.test('no copy that was acknowledged is lost, whatever crosses what', { skip }, (t) => {
  for (const world of [[], ['-DCRASH']]) {
    const said = explore(world);
    t.match(said, /errors: 0\b/, `${world.join(' ') || 'two of each at once'}`);
    t.notMatch(said, /not completed|max search depth too small|out of memory/i, 'all states were gone through');
  }
  t.end();
});

t.test('a step that is left out or misplaced is found', { skip }, (t) => {
  for (const [number, what] of Object.entries(BROKEN)) {
    t.match(explore([`-DBROKEN=${number}`]), /errors: 1\b/, what);
  }
  t.end();
});
