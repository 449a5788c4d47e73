/** Which calls share a commit, and which let others go first: lib/events/commit-queue.ts over a committer that only notes. */

import t from 'tap';
import { CommitQueue } from '../../lib/events/commit-queue.js';
import { COMMITS_BEFORE_BEHIND_MAX } from '../../lib/limits.js';

/** A queue whose commits take a turn of the event loop, and what they had. */
function noting() {
  const commits: string[][] = [];
  const queue = new CommitQueue<string, readonly string[], void>({
    prepare: (items) => items,
    commit: async (items) => {
      await new Promise((resolve) => setImmediate(resolve));
      commits.push([...items]);
      return items.map(() => undefined);
    },
  });
  return { queue, commits };
}

t.test('calls behind let others go first, and share their commit with none', async (t) => {
  const { queue, commits } = noting();
  const first = queue.add('first', 1, 1);
  await Promise.resolve();
  await Promise.resolve(); // its commit runs
  await Promise.all([
    first,
    queue.add('behind 1', 1, 1, true),
    queue.add('behind 2', 1, 1, true),
    queue.add('second', 1, 1),
    queue.add('third', 1, 1),
  ]);
  t.same(commits, [['first'], ['second', 'third'], ['behind 1'], ['behind 2']]);
});

t.test('they let others go first so many times and no more', async (t) => {
  const { queue, commits } = noting();
  let done = false;
  const behind = queue.add('behind', 1, 1, true).then(() => {
    done = true;
  });
  // The next call is there before the commit of the one before has ended.
  let last = queue.add('other', 1, 1);
  while (!done && commits.length < 10 * COMMITS_BEFORE_BEHIND_MAX) {
    await new Promise((resolve) => setImmediate(resolve));
    last = queue.add('other', 1, 1);
  }
  await Promise.all([behind, last]);
  const turn = commits.findIndex(([item]) => item === 'behind');
  t.equal(turn, COMMITS_BEFORE_BEHIND_MAX);
});

t.test('work that must be alone comes behind all that was asked for before it', async (t) => {
  const { queue, commits } = noting();
  const behind = queue.add('behind', 1, 1, true);
  const alone = queue.exclusively(async () => {
    commits.push(['alone']);
  });
  await Promise.all([behind, alone, queue.add('later', 1, 1)]);
  t.same(commits.flat(), ['behind', 'alone', 'later']);
});

t.test('closing waits for calls behind', async (t) => {
  const { queue, commits } = noting();
  const behind = queue.add('behind', 1, 1, true);
  await queue.close();
  t.same(commits, [['behind']]);
  await behind;
  await t.rejects(queue.add('late', 1, 1, true), { code: 'AS_ERR_CLOSED' });
});
