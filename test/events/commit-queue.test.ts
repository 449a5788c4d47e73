/** Which calls share a commit, and what is prepared beside one: lib/events/commit-queue.ts over a committer that only notes. */

import t from 'tap';
import { CommitQueue } from '../../lib/events/commit-queue.js';
import { COMMIT_AHEAD_EVENTS_MIN } from '../../lib/limits.js';

/** A queue whose commits take some turns of the event loop, and what they had. `before`: what the committer has under way. One commit with `bad` fails, and `unfit` cannot be prepared. */
function noting(before?: () => Promise<void> | undefined) {
  const commits: string[][] = [];
  const steps: string[] = [];
  const queue = new CommitQueue<string, readonly string[], void>({
    prepare: (items, running) => {
      steps.push(`prepare ${items}${running === undefined ? '' : ` behind ${running}`}`);
      if (items.includes('unfit')) throw new Error('unfit');
      return items;
    },
    commit: async (parts) => {
      const items = parts.flat();
      await turns(6);
      if (items.includes('bad')) throw new Error('bad');
      commits.push(items);
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

t.test('a call behind shares its commit with others that wait, and with no other call behind', async (t) => {
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
  t.same(commits, [['first'], ['behind 1', 'second', 'third'], ['behind 2']]);
});

t.test('what was asked for together is in its order', async (t) => {
  const { queue, commits } = noting();
  await Promise.all([queue.add('first', 1, 1), queue.add('behind', 1, 1, true), queue.add('second', 1, 1)]);
  t.same(commits, [['first', 'second', 'behind']]);
});

t.test('calls that keep coming hold up none behind, and those behind none of them', async (t) => {
  const { queue, commits } = noting();
  let done = 0;
  const calls: Promise<void>[] = [];
  for (let n = 0; done < 20; n++) {
    calls.push(queue.add(`other ${n}`, 1, 1));
    if (n % 5 === 0) calls.push(queue.add(`behind ${n}`, 1, 1, true).then(() => void done++));
    await turns(1);
  }
  await Promise.all(calls);
  const behind = commits.map((items) => items.filter((item) => item.startsWith('behind')).length);
  const others = commits.map((items) => items.filter((item) => item.startsWith('other')).length);
  t.same([...new Set(behind.slice(1, 20))], [1], 'one in each commit');
  t.ok(
    others.slice(1, 20).every((count) => count > 0),
    'with others in each',
  );
});

t.test('the first call behind is prepared beside a commit, and what others brought meanwhile behind it', async (t) => {
  const { queue, steps } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1); // its commit runs
  const behind = [queue.add('behind 1', 1, 1, true), queue.add('behind 2', 1, 1, true)];
  await turns(2);
  await Promise.all([first, ...behind, queue.add('second', 1, 1), queue.add('third', 1, 1)]);
  t.same(steps, [
    'prepare first',
    'prepare behind 1 behind first',
    'stored first',
    'prepare second,third behind behind 1',
    'prepare behind 2 behind second,third',
    'stored behind 1,second,third',
    'stored behind 2',
  ]);
});

t.test('a commit of a call behind that fails because of another takes nothing else with it', async (t) => {
  for (const wrong of ['bad', 'unfit']) {
    const { queue, commits } = noting();
    const first = queue.add('first', 1, 1);
    await turns(1);
    const behind = queue.add('behind', 1, 1, true);
    await turns(2);
    const calls = [first, behind, queue.add('second', 1, 1), queue.add(wrong, 1, 1), queue.add('third', 1, 1)];
    const settled = await Promise.allSettled(calls);
    t.same(
      settled.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
      wrong,
    );
    t.same(commits, [['first'], ['behind'], ['second'], ['third']], wrong);
  }
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
  t.same(commits, [['first'], ['behind', 'second'], ['alone']]);
});

t.test('calls behind that keep coming do not hold up work that must be alone', async (t) => {
  const { queue, commits } = noting();
  const calls: Promise<void>[] = [];
  let done = false;
  const add = (n: number) => calls.push(queue.add(`behind ${n}`, 1, 1, true));
  add(0);
  add(1);
  await turns(3); // the first is being stored, the second is prepared
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

t.test('many that wait are prepared beside a commit, behind a call behind that was', async (t) => {
  const { queue, steps } = noting();
  const first = queue.add('first', 1, 1);
  await turns(1);
  const behind = queue.add('behind', 1, 1, true);
  await turns(2);
  await Promise.all([first, behind, queue.add('many', COMMIT_AHEAD_EVENTS_MIN, 1)]);
  t.same(steps, [
    'prepare first',
    'prepare behind behind first',
    'prepare many behind behind',
    'stored first',
    'stored behind,many',
  ]);
});

t.test('one that is prepared waits for what the committer has begun since, others do not', async (t) => {
  const work = underWay();
  let hasBegun = false;
  const { queue, commits, steps } = noting(() => (hasBegun ? work.before() : undefined));
  const first = queue.add('first', 1, 1);
  await turns(1);
  const behind = queue.add('behind', 1, 1, true);
  const many = queue.add('many', COMMIT_AHEAD_EVENTS_MIN, 1);
  await turns(2);
  t.same(steps, ['prepare first', 'prepare behind behind first', 'prepare many behind behind']);
  hasBegun = true;
  await Promise.all([first, many]);
  await turns(10);
  t.same(commits, [['first'], ['many']]);
  work.end();
  await behind;
  t.same(commits, [['first'], ['many'], ['behind']]);
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
