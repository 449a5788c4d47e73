/** Which calls share a commit, and which let others go first: lib/events/commit-queue.ts over a committer that only notes. */

import t from 'tap';
import { CommitQueue } from '../../lib/events/commit-queue.js';
import { COMMIT_AHEAD_EVENTS_MIN, COMMITS_BEFORE_BEHIND_MAX } from '../../lib/limits.js';

/** A queue whose commits take some turns of the event loop, and what they had. `before`: what the committer has under way. `unfit` cannot be prepared. */
function noting(before?: () => Promise<void> | undefined) {
  const commits: string[][] = [];
  const steps: string[] = [];
  const queue = new CommitQueue<string, readonly string[], void>({
    prepare: (items, running) => {
      steps.push(`prepare ${items}${running === undefined ? '' : ` beside ${running}`}`);
      if (items.includes('unfit')) throw new Error('unfit');
      return items;
    },
    commit: async (items) => {
      await turns(6);
      commits.push([...items]);
      steps.push(`stored ${items}`);
      return items.map(() => undefined);
    },
    ...(before !== undefined && { before }),
  });
  return { queue, commits, steps };
}

/** Something of the committer's that is under way until it is ended. */
function underWay() {
  let finish: () => void = () => undefined;
  let running: Promise<void> | undefined = new Promise((resolve) => {
    finish = resolve;
  });
  return {
    before: () => running,
    end: () => {
      running = undefined;
      finish();
    },
  };
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

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

t.test('the first call behind is prepared beside a commit of others, and again where more of them came', async (t) => {
  const { queue, steps } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1); // its commit runs
  const behind = queue.add('behind', 1, 1, true);
  await first;
  await behind;
  t.same(steps, ['prepare first', 'prepare behind beside first', 'stored first', 'stored behind']);

  steps.length = 0;
  const second = queue.add('second', 1, 1);
  await turns(1);
  const late = queue.add('late', 1, 1, true);
  await turns(2); // it is prepared
  await Promise.all([second, late, queue.add('third', 1, 1), queue.add('fourth', 1, 1)]);
  t.same(steps, [
    'prepare second',
    'prepare late beside second',
    'stored second',
    'prepare third,fourth',
    'prepare late beside third,fourth',
    'stored third,fourth',
    'stored late',
  ]);
});

t.test('what is prepared behind stays before what must be alone and was asked for later', async (t) => {
  const { queue, commits } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1);
  const behind = queue.add('behind', 1, 1, true);
  await turns(2);
  const later = queue.add('second', 1, 1);
  const alone = queue.exclusively(async () => {
    commits.push(['alone']);
  });
  await Promise.all([first, behind, later, alone]);
  t.same(commits, [['first'], ['second', 'behind'], ['alone']]);
});

t.test('calls behind that keep coming do not hold up work that must be alone', async (t) => {
  const { queue, commits } = noting();
  const calls: Promise<void>[] = [];
  let done = false;
  const add = (n: number) => calls.push(queue.add(`behind ${n}`, 1, 1, true));
  add(0);
  add(1);
  await turns(3); // the first is being stored
  const alone = queue.exclusively(async () => {
    commits.push(['alone']);
    done = true;
  });
  for (let n = 2; !done && n < 100; n++) {
    add(n);
    await turns(1);
  }
  await Promise.all([alone, ...calls]);
  t.same(commits.slice(0, 3), [['behind 0'], ['behind 1'], ['alone']]);
});

t.test('one behind that cannot be prepared is refused, and the next one goes', async (t) => {
  const { queue, commits } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1);
  const calls = [first, queue.add('unfit', 1, 1, true), queue.add('behind', 1, 1, true)];
  const settled = await Promise.allSettled(calls);
  t.same(
    settled.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.same(commits, [['first'], ['behind']]);
});

t.test('many that wait are prepared beside a commit, before a call behind that was', async (t) => {
  const { queue, steps } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1);
  const behind = queue.add('behind', 1, 1, true);
  await turns(2);
  await Promise.all([first, behind, queue.add('many', COMMIT_AHEAD_EVENTS_MIN, 1)]);
  t.same(steps, [
    'prepare first',
    'prepare behind beside first',
    'prepare many beside first',
    'stored first',
    'prepare behind beside many',
    'stored many',
    'stored behind',
  ]);
});

t.test('one that is prepared waits for what the committer has begun since', async (t) => {
  const work = underWay();
  let hasBegun = false;
  const { queue, commits, steps } = noting(() => (hasBegun ? work.before() : undefined));
  const first = queue.add('first', 1, 1);
  await turns(1);
  const behind = queue.add('behind', 1, 1, true);
  await turns(2);
  t.same(steps, ['prepare first', 'prepare behind beside first']);
  hasBegun = true;
  await first;
  await turns(10);
  t.same(commits, [['first']]);
  work.end();
  await behind;
  t.same(commits, [['first'], ['behind']]);
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

t.test('calls behind let the committer end what it has under way, others do not wait for it', async (t) => {
  const work = underWay();
  const { queue, commits } = noting(work.before);
  const behind = [queue.add('behind 1', 1, 1, true), queue.add('behind 2', 1, 1, true)];
  await queue.add('first', 1, 1);
  await queue.add('second', 1, 1);
  await turns(5);
  t.same(commits, [['first'], ['second']]);
  work.end();
  await Promise.all(behind);
  t.same(commits, [['first'], ['second'], ['behind 1'], ['behind 2']]);
});

t.test('so does closing, and work that must be alone takes them along', async (t) => {
  const first = underWay();
  const closing = noting(first.before);
  const behind = closing.queue.add('behind', 1, 1, true);
  const closed = closing.queue.close();
  await turns(3);
  t.same(closing.commits, []);
  first.end();
  await closed;
  await behind;
  t.same(closing.commits, [['behind']]);

  const second = underWay();
  const alone = noting(second.before);
  const before = alone.queue.add('behind', 1, 1, true);
  await alone.queue.exclusively(async () => {
    alone.commits.push(['alone']);
  });
  await before;
  t.same(alone.commits, [['behind'], ['alone']]);
  second.end();
  await alone.queue.close();
});
